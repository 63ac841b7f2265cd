//! The file under attack: refused with the very error, a message that names it and a way out, and its bytes as they were.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Instant;

use clearml_alerts::store::{Access, HistoryFilter, Order, Store, StoreError};

#[cfg(unix)]
use crate::child;
use crate::support::{OWN, Place, QUICK, Short, hash, task, wait};

const EVERYBODY: [Access; 3] = [OWN, Access::Write, Access::Read];

/// Refused with this variant and these words, however it is opened, and nothing in the directory has changed.
fn refused(place: &Place, accesses: &[Access], variant: &str, words: &[&str]) {
    for access in accesses {
        let before = place.bytes();
        let error = place.open(*access).unwrap_err();
        let text = error.to_string();
        assert!(format!("{error:?}").starts_with(variant), "{access:?}: {error:?}");
        let file = if variant == "NoDirectory" { "no such" } else { "alerts.db" };
        for word in words.iter().chain([&file]) {
            assert!(text.contains(word), "{access:?}: `{word}` is missing in: {text}");
        }
        assert!(!error.is_passing(), "{text}");
        assert_eq!(place.bytes(), before, "{access:?} changed something");
    }
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn a_kill_is_no_attack() {
    let place = Place::killed();
    assert!(std::fs::metadata(place.beside("-wal")).unwrap().len() > 0);
    assert_eq!(place.own().newest_alert().unwrap(), 21);
}

#[test]
fn not_an_sqlite_file() {
    for bytes in [&b"Dear Sir"[..], &[0; 4_096], b"SQLite format 3\0 and no more", &[0xff; 10_000]] {
        let place = Place::new();
        std::fs::write(place.path(), bytes).unwrap();
        refused(&place, &EVERYBODY, "Foreign", &["not an SQLite file", "nothing was changed", "--db"]);
        assert!(!place.beside(".lock").exists(), "not even a lock is made beside it");
    }
}

#[test]
fn somebody_elses_sqlite_file() {
    let place = Place::new();
    let theirs = rusqlite::Connection::open(place.path()).unwrap();
    theirs.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE cookies (crumbs)").unwrap();
    drop(theirs);
    refused(&place, &EVERYBODY, "Foreign", &["of another program", "--db"]);
}

#[test]
fn a_directory_or_a_pipe_as_file() {
    let place = Place::new();
    std::fs::create_dir(place.path()).unwrap();
    for access in EVERYBODY {
        let error = place.open(access).unwrap_err();
        assert!(
            matches!(error, StoreError::Foreign { .. }) && error.to_string().contains("it is a directory"),
            "{error}"
        );
    }
    let place = Place::new();
    if std::process::Command::new("mkfifo").arg(place.path()).status().is_ok_and(|status| status.success()) {
        let error = place.open(OWN).unwrap_err();
        assert!(error.to_string().contains("no regular file"), "{error}");
    }
}

#[test]
fn no_such_directory() {
    let place = Place::new();
    let open = |path: &Path| Store::open(path, OWN, "test").unwrap_err();
    let missing = place.directory.path().join("no such").join("alerts.db");
    let error = open(&missing);
    let text = error.to_string();
    assert!(matches!(error, StoreError::NoDirectory { .. }), "{error:?}");
    assert!(text.contains("no such does not exist") && text.contains("mkdir -p") && text.contains("--db"), "{text}");
    std::fs::write(place.directory.path().join("file"), "").unwrap();
    let error = open(&place.directory.path().join("file").join("alerts.db"));
    assert!(
        matches!(error, StoreError::NotPermitted { .. }) && error.to_string().contains("not a directory"),
        "{error}"
    );
    assert!(matches!(open(Path::new("/")), StoreError::NotPermitted { .. }));
    assert!(matches!(open(Path::new("")), StoreError::NotPermitted { .. }));
}

#[test]
fn written_by_a_newer_version() {
    let place = Place::with_one_alert();
    place.own().execute("PRAGMA user_version = 99");
    refused(&place, &EVERYBODY, "Newer", &["schema 99", "knows 1", "restore BACKUP", "nothing was changed"]);
}

/// The newer version was killed: the header that says so is in the log.
#[test]
fn written_by_a_newer_version_that_was_killed() {
    let origin = Place::with_one_alert();
    let store = origin.own();
    store.execute("PRAGMA user_version = 99");
    let place = Place::new();
    for suffix in ["", "-wal"] {
        std::fs::copy(origin.beside(suffix), place.beside(suffix)).unwrap();
    }
    refused(&place, &EVERYBODY, "Newer", &["schema 99"]);
}

#[test]
fn without_a_schema_version() {
    let place = Place::with_one_alert();
    place.own().execute("PRAGMA user_version = 0");
    refused(&place, &EVERYBODY, "Damaged", &["no schema version", "restore BACKUP"]);
}

#[test]
fn the_header_overwritten() {
    let place = Place::with_one_alert();
    overwrite(&place.path(), 0, b"#!/bin/sh\n");
    refused(&place, &EVERYBODY, "Damaged", &["its header is overwritten", "restore BACKUP"]);
    let place = Place::with_one_alert();
    overwrite(&place.path(), 16, &[0x5a; 2]);
    overwrite(&place.path(), 92, &[0; 4]);
    refused(&place, &EVERYBODY, "Damaged", &["restore BACKUP"]);
}

#[test]
fn cut_off() {
    let place = Place::with_one_alert();
    let length = std::fs::metadata(place.path()).unwrap().len();
    for left in [length - 4_096, length / 2, 4_096, 100] {
        std::fs::OpenOptions::new().write(true).open(place.path()).unwrap().set_len(left).unwrap();
        refused(&place, &EVERYBODY, "Damaged", &["cut off", "restore BACKUP"]);
    }
}

/// The numbers, from 1, of the pages that these tables and indices are on.
fn pages_of(place: &Place, names: &[&str]) -> Vec<u64> {
    let outside = rusqlite::Connection::open(place.path()).unwrap();
    let sql = format!("SELECT pageno FROM dbstat WHERE name IN ('{}')", names.join("', '"));
    let number = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0).map(i64::unsigned_abs);
    let pages: Vec<u64> = outside.prepare(&sql).unwrap().query_map([], number).unwrap().map(Result::unwrap).collect();
    assert!(pages.len() > names.len());
    pages
}

/// Met by whoever reads it, then; before anything is overwritten.
#[test]
fn damage_in_the_middle() {
    let place = Place::new();
    let store = place.own();
    store.fail(400);
    drop(store);
    for page in pages_of(&place, &["alerts", "tasks", "alerts_newest"]) {
        overwrite(&place.path(), (page - 1) * 4_096, &[0x5a; 4_096]);
    }
    let before = hash(&std::fs::read(place.path()).unwrap());
    let store = place.own();
    let damaged = |error: StoreError| {
        let text = error.to_string();
        assert!(matches!(error, StoreError::Damaged { .. }) && !error.is_passing(), "{error:?}");
        assert!(text.contains("alerts.db is damaged") && text.contains("restore BACKUP"), "{text}");
    };
    damaged(store.page(&[task("t1", "queued", 5_000)]).unwrap_err());
    damaged(store.history(&HistoryFilter { limit: 50, ..HistoryFilter::default() }, Order::Newest).unwrap_err());
    damaged(wait(store.check_deep()).unwrap_err());
    damaged(wait(store.backup(&place.beside(".copy"), clearml_alerts::store::Overwrite::Never)).unwrap_err());
    assert!(!place.beside(".copy").exists(), "a copy of damage is none");
    drop(store);
    assert_eq!(hash(&std::fs::read(place.path()).unwrap()), before);
}

#[test]
fn damage_in_the_schema() {
    let place = Place::with_one_alert();
    let pages = pages_of(&place, &["sqlite_schema"]);
    overwrite(&place.path(), (pages[1] - 1) * 4_096, &[0x5a; 4_096]);
    refused(&place, &EVERYBODY, "Damaged", &["malformed", "restore BACKUP"]);
}

#[test]
fn tables_gone() {
    let place = Place::with_one_alert();
    let outside = rusqlite::Connection::open(place.path()).unwrap();
    outside.execute_batch("DROP TABLE attempts; DELETE FROM monitor").unwrap();
    drop(outside);
    refused(&place, &EVERYBODY, "Damaged", &["restore BACKUP"]);
    let outside = rusqlite::Connection::open(place.path()).unwrap();
    outside.execute_batch("INSERT INTO monitor (id, instance, generation) VALUES (1, 'x', 99)").unwrap();
    drop(outside);
    let error = wait(place.own().attempts_of(1)).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }) && error.to_string().contains("no such table"), "{error:?}");
}

#[test]
fn a_log_of_garbage() {
    for at in [0, 8, 24, 31] {
        let place = Place::killed();
        overwrite(&place.beside("-wal"), at, &[0x5a]);
        refused(&place, &EVERYBODY, "Damaged", &["-wal file has no valid header", "restore BACKUP"]);
    }
}

/// A log that a power cut left empty, or that was made and never written, holds nothing.
#[test]
fn a_log_of_zeros_is_none() {
    for bytes in [&[0_u8; 4_096][..], &[0x37; 20], &[]] {
        let place = Place::with_one_alert();
        std::fs::write(place.beside("-wal"), bytes).unwrap();
        assert_eq!(place.own().newest_alert().unwrap(), 1);
    }
}

#[test]
fn a_log_lost() {
    let place = Place::killed();
    std::fs::remove_file(place.beside("-wal")).unwrap();
    let words = ["older than the last run left it", "-wal file was lost", "Going on could alert twice", "restore"];
    refused(&place, &[OWN], "Rewound", &words);
    assert_eq!(place.open(Access::Read).unwrap().newest_alert().unwrap(), 1, "looking is possible");
}

/// Garbage behind a sound header: SQLite stops reading there, and what was committed behind it is gone.
#[test]
fn a_log_damaged_in_the_middle() {
    let place = Place::killed();
    overwrite(&place.beside("-wal"), 3_000, &[0x5a; 64]);
    refused(&place, &[OWN], "Rewound", &["older than the last run left it"]);
}

#[test]
fn replaced_by_an_older_copy() {
    let place = Place::with_one_alert();
    let older = std::fs::read(place.path()).unwrap();
    place.own().fail(1);
    std::fs::write(place.path(), older).unwrap();
    refused(&place, &[OWN], "Rewound", &["an older copy was put in its place", "restore"]);
}

#[test]
fn a_log_without_its_database() {
    let place = Place::killed();
    std::fs::remove_file(place.path()).unwrap();
    refused(&place, &EVERYBODY, "Orphaned", &["alerts.db-wal", "Put the database file back"]);
    std::fs::write(place.path(), "").unwrap();
    refused(&place, &EVERYBODY, "Orphaned", &["alerts.db-wal"]);
}

#[test]
fn deleted_on_purpose_it_begins_anew() {
    let place = Place::with_one_alert();
    std::fs::remove_file(place.path()).unwrap();
    assert_eq!(place.own().newest_alert().unwrap(), 0);
    assert_eq!(place.own().newest_alert().unwrap(), 0, "and is not taken for a rewound one");
}

#[test]
fn what_a_kill_left_of_a_first_start_is_swept_away() {
    let place = Place::new();
    for suffix in [".unfinished", ".unfinished-wal", ".unfinished-journal"] {
        std::fs::write(place.beside(suffix), "half of something").unwrap();
    }
    assert_eq!(place.own().newest_alert().unwrap(), 0);
    assert!(!place.beside(".unfinished").exists() && !place.beside(".unfinished-wal").exists());
}

/// Going on would write to a file that has no name any more.
#[cfg(unix)]
#[test]
fn taken_away_while_in_use() {
    let place = Place::new();
    let store = place.own();
    store.fail(1);
    std::fs::rename(place.path(), place.beside(".moved")).unwrap();
    let text = store.page(&[task("x", "failed", 9_000)]).unwrap_err().to_string();
    assert!(text.contains("moved, deleted or replaced") && text.contains("alerts.db"), "{text}");
    std::fs::write(place.path(), std::fs::read(place.beside(".moved")).unwrap()).unwrap();
    assert!(matches!(store.newest_alert(), Err(StoreError::Replaced { .. })), "a copy is not the file either");
    std::fs::rename(place.beside(".moved"), place.path()).unwrap();
    assert_eq!(store.fail(1).len(), 1, "put back, it goes on");
}

#[test]
fn locked_for_longer_than_patience() {
    let place = Place::with_one_alert();
    let store = place.own();
    let locker = rusqlite::Connection::open(place.path()).unwrap();
    locker.execute_batch("BEGIN IMMEDIATE; UPDATE monitor SET announced_at = 1").unwrap();
    let began = Instant::now();
    let error = store.page(&[task("x", "failed", 9_000)]).unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }) && error.is_passing(), "{error:?}");
    assert!(began.elapsed() >= QUICK.busy_timeout);
    let text = error.to_string();
    assert!(text.contains("alerts.db locked for longer than 100ms") && text.contains("end it"), "{text}");
    assert_eq!(store.newest_alert().unwrap(), 1, "readers do not wait");
    locker.execute_batch("ROLLBACK").unwrap();
    assert_eq!(store.page(&[task("x", "failed", 9_000)]).unwrap().alerts.len(), 1, "and on it goes");
}

#[test]
fn locked_whole_when_it_is_opened() {
    let place = Place::with_one_alert();
    let locker = rusqlite::Connection::open(place.path()).unwrap();
    locker
        .execute_batch("PRAGMA locking_mode = exclusive; BEGIN EXCLUSIVE; UPDATE monitor SET announced_at = 1")
        .unwrap();
    for access in EVERYBODY {
        let error = place.open(access).unwrap_err();
        assert!(matches!(error, StoreError::Busy { .. }), "{access:?}: {error:?}");
    }
}

/// Somebody turned the log off: it is turned on again, or readers would be in the writer's way.
#[test]
fn without_its_log_mode() {
    let place = Place::with_one_alert();
    rusqlite::Connection::open(place.path()).unwrap().execute_batch("PRAGMA journal_mode = delete").unwrap();
    assert_eq!(place.open(Access::Read).unwrap().newest_alert().unwrap(), 1);
    assert_eq!(place.own().sql::<String>("PRAGMA journal_mode"), "wal");
}

#[cfg(unix)]
fn permissions(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(unix)]
#[test]
fn a_read_only_file() {
    let place = Place::with_one_alert();
    let before = hash(&std::fs::read(place.path()).unwrap());
    child::give(&[place.directory.path(), &place.path(), &place.beside(".lock")]);
    permissions(&place.path(), 0o400);
    child::run(child::Part::MeetReadOnlyFile, place.directory.path(), child::As::Nobody);
    assert_eq!(hash(&std::fs::read(place.path()).unwrap()), before);
}

#[cfg(unix)]
#[test]
fn a_read_only_directory() {
    let place = Place::with_one_alert();
    let before = place.bytes();
    child::give(&[place.directory.path(), &place.path(), &place.beside(".lock")]);
    let command = child::command(child::Part::MeetReadOnlyDirectory, place.directory.path(), child::As::Nobody);
    permissions(place.directory.path(), 0o500);
    child::run(child::Part::MeetReadOnlyDirectory, place.directory.path(), child::As::Nobody);
    permissions(place.directory.path(), 0o700);
    drop(command);
    let ours = |files: Vec<(String, usize, u64)>| -> Vec<_> {
        files.into_iter().filter(|(name, ..)| name.starts_with("alerts.db")).collect()
    };
    assert_eq!(ours(place.bytes()), ours(before));
}

#[cfg(unix)]
#[test]
fn a_file_of_somebody_else() {
    if !child::is_root() {
        return;
    }
    let place = Place::with_one_alert();
    permissions(place.directory.path(), 0o777);
    child::run(child::Part::MeetFileOfSomebodyElse, place.directory.path(), child::As::Nobody);
    let place = Place::with_one_alert();
    child::give(&[place.directory.path(), &place.path()]);
    child::run(child::Part::MeetLockOfSomebodyElse, place.directory.path(), child::As::Nobody);
}

/// A read-only file system tells itself apart from missing permissions.
#[cfg(target_os = "linux")]
#[test]
fn a_read_only_file_system() {
    let place = Place::with_one_alert();
    let mounted = |arguments: &[&str]| {
        let mut mount = std::process::Command::new("mount");
        mount.args(arguments).arg(place.directory.path()).output().is_ok_and(|output| output.status.success())
    };
    let source = place.directory.path().to_str().unwrap().to_owned();
    if !mounted(&["--bind", &source]) || !mounted(&["-o", "remount,ro,bind"]) {
        eprintln!("skipped: nothing can be mounted read-only here");
        return;
    }
    let opened: Vec<_> = EVERYBODY.map(|access| place.open(access)).into();
    let _ = std::process::Command::new("umount").arg("-l").arg(place.directory.path()).output();
    for (access, opened) in EVERYBODY.into_iter().zip(opened) {
        match (access, opened) {
            (Access::Own { .. }, Err(error)) => assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}"),
            (access, opened) => {
                let error = opened.err().map(|error| error.to_string()).unwrap_or_default();
                assert!(error.contains("alerts.db") && error.contains("--db"), "{access:?}: {error}");
            }
        }
    }
}
