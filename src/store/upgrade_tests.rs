//! From a schema of yesterday to one of tomorrow and back, with a second schema that these tests make up.

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::store::{Access, Limits, Store};

const TOMORROW: &[&str] = &["ALTER TABLE monitor ADD COLUMN mood TEXT"];
const BROKEN: &[&str] = &["ALTER TABLE monitor ADD COLUMN mood TEXT; this is no SQL"];
const NOON: Stamp = Stamp::from_millis(1_764_504_000_123);

struct Place {
    directory: TempDir,
    site: Site,
}

/// A database of today's schema with something in it.
fn place() -> Place {
    let directory = TempDir::new().unwrap();
    let path = crate::store::file::resolve(&directory.path().join("alerts.db")).unwrap();
    let own = Access::Own { wait: std::time::Duration::ZERO };
    drop(Store::open(&path, own, "first").unwrap());
    Place { directory, site: Site { path, limits: Limits::default() } }
}

fn open(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

fn files(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(place.directory.path()).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.ends_with("-wal") && !name.ends_with("-shm"));
    names.sort();
    names
}

#[test]
fn what_it_was_is_kept_beside_it_under_a_name_that_tells_schema_and_time() {
    let place = place();
    let mut connection = open(&place.site.path);
    let upgraded = upgrade(&place.site, &mut connection, TOMORROW, NOON).unwrap().unwrap();
    assert_eq!((upgraded.from, upgraded.to), (1, 2));
    assert_eq!(files(&place), ["alerts.db", "alerts.db.lock", "alerts.db.schema-1-20251130T120000Z"]);
    assert!(upgraded.backup.ends_with("alerts.db.schema-1-20251130T120000Z"));
    let mood = "SELECT mood IS NULL FROM monitor";
    assert!(connection.query_row(mood, [], |row| row.get::<_, bool>(0)).unwrap());
    let kept = open(&upgraded.backup);
    assert!(kept.query_row(mood, [], |row| row.get::<_, bool>(0)).is_err(), "the copy is of yesterday");
    let instance: String = kept.query_row("SELECT instance FROM monitor", [], |row| row.get(0)).unwrap();
    assert_eq!(instance, "first");
    assert_eq!(upgrade(&place.site, &mut connection, TOMORROW, NOON).unwrap(), None, "once is enough");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&upgraded.backup).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "the copy is its owner's alone");
    }
}

#[test]
fn a_migration_that_fails_leaves_the_database_and_no_copies_behind() {
    let place = place();
    for _ in 0..3 {
        let error = upgrade(&place.site, &mut open(&place.site.path), BROKEN, NOON).unwrap_err().to_string();
        assert!(error.contains("alerts.db"), "{error}");
        assert_eq!(files(&place), ["alerts.db", "alerts.db.lock"]);
    }
    assert_eq!(schema::version(&place.site, &open(&place.site.path), 1).unwrap(), 1);
}

#[test]
fn without_a_copy_nothing_is_changed() {
    let place = place();
    let taken = beside(&place.site.path, ".schema-1-20251130T120000Z.unfinished");
    std::fs::create_dir(&taken).unwrap();
    let mut connection = open(&place.site.path);
    upgrade(&place.site, &mut connection, TOMORROW, NOON).unwrap_err();
    assert_eq!(schema::version(&place.site, &connection, 2).unwrap(), 1);
}

#[test]
fn a_copy_takes_nothings_place() {
    let place = place();
    let first = beside(&place.site.path, ".schema-1-20251130T120000Z");
    std::fs::write(&first, "mine").unwrap();
    let upgraded = upgrade(&place.site, &mut open(&place.site.path), TOMORROW, NOON).unwrap().unwrap();
    assert!(upgraded.backup.ends_with("alerts.db.schema-1-20251130T120000Z-2"));
    assert_eq!(std::fs::read_to_string(first).unwrap(), "mine");
}

#[test]
fn a_version_that_is_too_old_names_the_copy_and_the_copy_brings_it_back() {
    let place = place();
    let upgraded = upgrade(&place.site, &mut open(&place.site.path), TOMORROW, NOON).unwrap().unwrap();
    let own = Access::Own { wait: std::time::Duration::ZERO };
    let refused = Store::open(&place.site.path, own, "second").unwrap_err();
    let command = format!("`clearml-alerts restore {} --db {}`", upgraded.backup.display(), place.site.path.display());
    assert!(refused.to_string().contains(&command), "{refused}");
    Store::restore(&upgraded.backup, &place.site.path).unwrap();
    drop(Store::open(&place.site.path, own, "second").unwrap());
    assert_eq!(schema::version(&place.site, &open(&place.site.path), 1).unwrap(), 1);
}

#[test]
fn the_newest_copy_that_this_version_can_read_is_named_and_nothing_else() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("alerts.db");
    assert_eq!(newest_backup(&path, 9), None);
    for name in [
        "alerts.db.schema-1-20251130T120000Z",
        "alerts.db.schema-2-20251201T120000Z",
        "alerts.db.schema-2-20251202T120000Z",
        "alerts.db.schema-2-20251203T120000Z.unfinished",
        "alerts.db.schema-2-notes",
        "alerts.db.schema-3-20251204T120000Z",
        "other.db.schema-2-20251205T120000Z",
    ] {
        std::fs::write(directory.path().join(name), "").unwrap();
    }
    let named = |known| newest_backup(&path, known).map(|path| path.file_name().unwrap().to_owned());
    assert_eq!(named(2).unwrap(), "alerts.db.schema-2-20251202T120000Z");
    assert_eq!(named(1).unwrap(), "alerts.db.schema-1-20251130T120000Z");
    assert_eq!(named(0), None);
}
