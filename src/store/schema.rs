//! The schema: making a fresh database, bringing an older one up to date, and the settings of every connection.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::{Stop, StoreError};
use super::file::{beside, damaged, directory_of, foreign};
use super::site::Site;
use super::upgrade;

/// `PRAGMA application_id` of our files: "CMLA".
pub(super) const APPLICATION_ID: i64 = 0x434d_4c41;
/// The whole schema, as a newcomer reads it.
pub(super) const SCHEMA: &str = include_str!("../../schema.sql");
/// What leads from schema version `n + 1` to the next one, at position `n`. Append only; a released one never changes.
pub(super) const MIGRATIONS: &[&str] = &[];
/// The schema version that this program writes.
pub const SCHEMA_VERSION: i64 = version_after(MIGRATIONS);

pub(super) const fn version_after(migrations: &[&str]) -> i64 {
    #[expect(clippy::cast_possible_wrap, reason = "nobody writes so many migrations")]
    let version = migrations.len() as i64 + 1;
    version
}

/// Makes a fresh database at `path`, readable by its owner alone. It is built beside its place and moved there whole,
/// so that a kill in the middle leaves no half of one.
pub(super) fn create(site: &Site, instance: &str) -> Result<(), StoreError> {
    let path = &site.path;
    let draft = new_draft(path)?;
    fill(&draft, instance).map_err(|error| site.explain(&error))?;
    // What a power cut leaves of a draft is made anew, so it reaches the disk once, whole, before it takes its place.
    File::open(&draft)
        .and_then(|draft| draft.sync_all())
        .and_then(|()| std::fs::rename(&draft, path))
        .and_then(|()| sync_directory(path))
        .map_err(|error| StoreError::from_io(path, &error))
}

/// An empty file beside `path`, readable by its owner alone; what an earlier try left there is gone, its log too.
pub(super) fn new_draft(path: &Path) -> Result<PathBuf, StoreError> {
    let draft = beside(path, ".unfinished");
    for suffix in ["", "-wal", "-shm", "-journal"] {
        match std::fs::remove_file(beside(&draft, suffix)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(StoreError::from_io(&draft, &error)),
            _ => {}
        }
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&draft).map_err(|error| StoreError::from_io(path, &error))?;
    Ok(draft)
}

/// Makes a rename in the directory of `path` survive a power cut.
pub(super) fn sync_directory(path: &Path) -> std::io::Result<()> {
    File::open(directory_of(path)).and_then(|directory| directory.sync_all())
}

fn fill(draft: &Path, instance: &str) -> rusqlite::Result<()> {
    let mut connection = Connection::open_with_flags(draft, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "synchronous", "off")?;
    connection.pragma_update(None, "auto_vacuum", "incremental")?;
    let transaction = connection.transaction()?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.execute_batch(SCHEMA)?;
    transaction.execute("INSERT INTO monitor (id, instance) VALUES (1, ?1)", [instance])?;
    transaction.commit()?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.close().map_err(|(_, error)| error)
}

/// What each connection keeps of the file, in KiB; what it reads again comes from the system's memory.
const PAGE_CACHE: i64 = 512;

/// Brings a connection to the settings that every connection has.
pub(super) fn configure(connection: &Connection, site: &Site, read_only: bool) -> rusqlite::Result<()> {
    connection.busy_timeout(site.limits.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(64);
    super::fold::teach(connection)?;
    connection.pragma_update(None, "cache_size", -PAGE_CACHE)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What a damaged or hostile file says about itself is not believed.
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    if read_only {
        return connection.pragma_update(None, "query_only", true);
    }
    if let Some(pages) = site.limits.max_pages {
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    connection.pragma_update(None, "synchronous", "full")?;
    // A log of some kilobytes is normal; one that a long reader made large is cut back once it is checkpointed.
    connection.pragma_update_and_check(None, "journal_size_limit", 16 * 1024 * 1024, |_| Ok(()))
}

/// Readers work while the owner writes, whatever somebody set the file to.
pub(super) fn require_wal(site: &Site, connection: &Connection) -> Result<(), StoreError> {
    let mode: String =
        connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(|error| site.explain(&error))?;
    if mode == "wal" {
        return Ok(());
    }
    connection.pragma_update(None, "journal_mode", "wal").map_err(|error| site.explain(&error))
}

/// The schema version of an open database, refused where it is not ours or `known` is older.
pub(super) fn version(site: &Site, connection: &Connection, known: i64) -> Result<i64, StoreError> {
    let read = |pragma: &str| {
        let value = connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        value.map_err(|error| site.explain(&error))
    };
    if read("application_id")? != APPLICATION_ID {
        return Err(foreign(&site.path, "an SQLite file of another program"));
    }
    match read("user_version")? {
        found if found > known => Err(newer(&site.path, found, known)),
        found if found < 1 => Err(damaged(&site.path, &format!("it has no schema version ({found})"))),
        found => Ok(found),
    }
}

/// A database that a newer version has written, with the copy that leads back where there is one.
pub(super) fn newer(path: &Path, found: i64, known: i64) -> StoreError {
    StoreError::Newer { path: path.to_owned(), found, known, backup: upgrade::newest_backup(path, known) }
}

/// Runs the migrations that an older database lacks, all in one transaction: a failure leaves it as it was.
pub(super) fn migrate(site: &Site, connection: &mut Connection, migrations: &[&str]) -> Result<(), StoreError> {
    let known = version_after(migrations);
    let found = version(site, connection, known)?;
    let done = usize::try_from(found - 1).unwrap_or(usize::MAX);
    let missing = migrations.get(done..).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    // A table can only be rebuilt while nothing is held by its references; they are checked before the commit instead.
    let references = |connection: &Connection, on: bool| connection.pragma_update(None, "foreign_keys", on);
    references(connection, false).map_err(|error| site.explain(&error))?;
    let migrated = run_all(site, connection, missing, known);
    references(connection, true).map_err(|error| site.explain(&error))?;
    migrated.map_err(|stop| site.explain_stop(stop))
}

fn run_all(site: &Site, connection: &mut Connection, missing: &[&str], known: i64) -> Result<(), Stop> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    for migration in missing {
        transaction.execute_batch(migration)?;
    }
    if let Some(dangling) = dangling_reference(&transaction)? {
        return Err(damaged(&site.path, &format!("the change to schema {known} found {dangling}")).into());
    }
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}

/// A row that refers to one that is not there, in words.
pub(super) fn dangling_reference(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let (table, number, parent): (String, Option<i64>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let number = number.map_or_else(String::new, |number| format!(" {number}"));
    Ok(Some(format!("row{number} of {table} refers to a missing row of {parent}")))
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
