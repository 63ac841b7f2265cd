//! The database file: what it is, making one, bringing an older one up to date. Refuses rather than guesses: a file that
//! is not surely ours is not opened, let alone changed.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::error::{BUSY_TIMEOUT_SECONDS, StoreError};

/// `PRAGMA application_id` of our files: "CMLA".
const APPLICATION_ID: i64 = 0x434d_4c41;
/// The whole schema, as a newcomer reads it.
pub(super) const SCHEMA: &str = include_str!("../../schema.sql");
/// What leads from schema version `n + 1` to the next one, at position `n`. Append only.
const MIGRATIONS: [&str; 0] = [];
/// The schema version that this program writes.
pub(super) const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64 + 1;

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const HEADER_BYTES: usize = 100;
const WAL_MAGIC: [u8; 3] = [0x37, 0x7f, 0x06];

/// What a look at the file's first bytes tells, without opening it as a database.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No file, or an empty one.
    Nothing,
    /// One of ours.
    Ours,
}

/// Looks at the first bytes of `path` and of its WAL. Costs the same however large the file is.
pub(super) fn inspect(path: &Path) -> Result<Found, StoreError> {
    check_directory(path)?;
    let mut header = Vec::with_capacity(HEADER_BYTES);
    match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(StoreError::from_io(path, &error)),
        Ok(file) => {
            if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
                return Err(foreign(path, "it is a directory"));
            }
            file.take(HEADER_BYTES as u64).read_to_end(&mut header).map_err(|e| StoreError::from_io(path, &e))?;
        }
    }
    if header.is_empty() {
        return Ok(Found::Nothing);
    }
    check_header(path, &header)?;
    check_wal(path)?;
    Ok(Found::Ours)
}

fn check_directory(path: &Path) -> Result<(), StoreError> {
    let directory = directory_of(path);
    if directory.is_dir() { Ok(()) } else { Err(StoreError::NoDirectory { directory }) }
}

/// The directory of the database.
pub(super) fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn check_header(path: &Path, header: &[u8]) -> Result<(), StoreError> {
    if !header.starts_with(MAGIC) || header.len() < HEADER_BYTES {
        return Err(foreign(path, "not an SQLite file"));
    }
    let number_at = |offset: usize| {
        header.get(offset..offset + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
    };
    let application_id = i64::from(number_at(68));
    let version = i64::from(number_at(60));
    if application_id != APPLICATION_ID {
        return Err(foreign(path, "an SQLite file of another program"));
    }
    refuse_newer(path, version)
}

fn check_wal(path: &Path) -> Result<(), StoreError> {
    let mut magic = Vec::with_capacity(4);
    let Ok(wal) = File::open(beside(path, "-wal")) else {
        return Ok(());
    };
    wal.take(4).read_to_end(&mut magic).map_err(|error| StoreError::from_io(path, &error))?;
    if magic.is_empty() || magic.starts_with(&WAL_MAGIC) {
        return Ok(());
    }
    Err(StoreError::Damaged { path: path.to_owned(), detail: "its -wal file has no valid header".to_owned() })
}

/// A file beside the database: its name with `suffix` behind it.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn foreign(path: &Path, detail: &str) -> StoreError {
    StoreError::Foreign { path: path.to_owned(), detail: detail.to_owned() }
}

fn refuse_newer(path: &Path, version: i64) -> Result<(), StoreError> {
    if version > SCHEMA_VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), found: version, known: SCHEMA_VERSION });
    }
    Ok(())
}

/// Makes a fresh database at `path`, readable by its owner alone. It is built beside its place and moved there whole,
/// so that a kill in the middle leaves no half of one.
pub(super) fn create(path: &Path, instance: &str) -> Result<(), StoreError> {
    let draft = beside(path, ".new");
    let on_io = |error: std::io::Error| StoreError::from_io(path, &error);
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(on_io(error)),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&draft).map_err(on_io)?;
    fill(&draft, instance).map_err(|error| StoreError::from_sqlite(path, &error))?;
    std::fs::rename(&draft, path).map_err(on_io)?;
    File::open(directory_of(path)).and_then(|directory| directory.sync_all()).map_err(on_io)
}

fn fill(draft: &Path, instance: &str) -> rusqlite::Result<()> {
    let mut connection = Connection::open_with_flags(draft, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
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

/// Brings a connection to the settings that every connection has.
pub(super) fn configure(connection: &Connection, read_only: bool) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(BUSY_TIMEOUT_SECONDS))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    if read_only {
        return connection.pragma_update(None, "query_only", true);
    }
    connection.pragma_update(None, "synchronous", "full")?;
    // A kilobyte-sized WAL is normal; one that a reader made large is cut back once it is checkpointed.
    connection.pragma_update(None, "journal_size_limit", 16 * 1024 * 1024)
}

/// The schema version of an open database, refused where this program does not know it.
pub(super) fn version(path: &Path, connection: &Connection) -> Result<i64, StoreError> {
    let read = |pragma: &str| {
        connection
            .pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
            .map_err(|error| StoreError::from_sqlite(path, &error))
    };
    if read("application_id")? != APPLICATION_ID {
        return Err(foreign(path, "an SQLite file of another program"));
    }
    let version = read("user_version")?;
    refuse_newer(path, version)?;
    Ok(version)
}

/// Runs the migrations that an older database lacks, all in one transaction: a failure leaves it as it was.
pub(super) fn migrate(path: &Path, connection: &mut Connection) -> Result<(), StoreError> {
    let from = version(path, connection)?;
    if from == SCHEMA_VERSION {
        return Ok(());
    }
    let missing = usize::try_from(from).ok().and_then(|from| MIGRATIONS.get(from.checked_sub(1)?..));
    let Some(missing) = missing else {
        return Err(StoreError::Damaged { path: path.to_owned(), detail: format!("schema version {from}") });
    };
    let mut run = || -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Exclusive)?;
        for migration in missing {
            transaction.execute_batch(migration)?;
        }
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        transaction.commit()
    };
    run().map_err(|error| StoreError::from_sqlite(path, &error))
}
