//! What can be wrong with the database, and the way out of each.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// What is wrong with the database. Every message names the file and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no file, and the command does not make one.
    #[error(
        "there is no database at {path}: start `clearml-alerts run` or `once` first, or name another file with --db"
    )]
    Missing {
        /// The database.
        path: PathBuf,
    },
    /// Its directory does not exist.
    #[error(
        "the database's directory {directory} does not exist: create it (mkdir -p {directory}) or name another file with --db"
    )]
    NoDirectory {
        /// The directory.
        directory: PathBuf,
    },
    /// The operating system does not let us.
    #[error(
        "cannot open the database {path}: {detail}; check who owns the file and its directory, or name another file with --db"
    )]
    NotPermitted {
        /// The database.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// A file of something else.
    #[error("{path} is not a database of clearml-alerts ({detail}); nothing was changed. Name another file with --db")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it seems to be.
        detail: String,
    },
    /// Written by a newer version of this program.
    #[error(
        "{path} was written by a newer clearml-alerts (schema {found}; this one knows {known}); nothing was changed. \
         Install the newer version, or go back with `clearml-alerts restore BACKUP`"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest schema version this program knows.
        known: i64,
    },
    /// Written by an older version, and the command may not change it.
    #[error(
        "{path} has the older schema {found} (this version wants {known}): `clearml-alerts once` or `run` brings it up to date"
    )]
    Older {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The schema version this program wants.
        known: i64,
    },
    /// The file is damaged.
    #[error(
        "the database {path} is damaged: {detail}. Nothing more was written to it. \
         Move it aside and put a backup back with `clearml-alerts restore BACKUP --db {path}`; \
         without a backup, start with a fresh file and `--since` to look back"
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// Older than the last run left it.
    #[error(
        "the database {path} is older than the last run left it (write {found} of {expected}): its -wal file was lost, or an \
         older copy was put in its place. Going on could alert twice. Put the -wal file back, or accept this state with \
         `clearml-alerts restore {path} --db {path}`"
    )]
    Rewound {
        /// The database.
        path: PathBuf,
        /// The write it ends with.
        found: i64,
        /// The write the last run ended with.
        expected: i64,
    },
    /// It cannot be written.
    #[error(
        "the database {path} cannot be written (read-only file or file system): make it writable, or name another file with --db"
    )]
    ReadOnly {
        /// The database.
        path: PathBuf,
    },
    /// Another program keeps it locked.
    #[error(
        "another program has kept the database {path} locked for longer than {seconds} s: end it (a `sqlite3` shell, a backup tool?) and try again"
    )]
    Busy {
        /// The database.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
    /// No space left.
    #[error("no space left for the database {path}: free some, nothing is lost meanwhile")]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// It belongs to another ClearML server.
    #[error(
        "the database {path} belongs to the ClearML server {recorded}, not to {wanted}: name another file with --db"
    )]
    OtherServer {
        /// The database.
        path: PathBuf,
        /// The server it was made for.
        recorded: String,
        /// The server of this run.
        wanted: String,
    },
    /// Another instance works on it.
    #[error(
        "another instance{holder} works on the database {path}: end it first, wait for it with --wait-lock 30s, or name another file with --db"
    )]
    InUse {
        /// The database.
        path: PathBuf,
        /// The other process, as ` (process 123)`, where known.
        holder: String,
    },
    /// Anything else SQLite or the system says.
    #[error("the database {path} failed: {detail}")]
    Other {
        /// The database.
        path: PathBuf,
        /// What was said.
        detail: String,
    },
}

/// How long SQLite waits for another writer.
pub(super) const BUSY_TIMEOUT_SECONDS: u64 = 5;

impl StoreError {
    /// Whether the same call may work later without anybody doing anything to the file.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Full { .. })
    }

    pub(super) fn from_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        let detail = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Busy { path, seconds: BUSY_TIMEOUT_SECONDS }
            }
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => Self::NotPermitted { path, detail },
            Some(ErrorCode::NotADatabase) => Self::Foreign { path, detail: "not an SQLite file".to_owned() },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, detail },
            None if is_unreadable_row(error) => Self::Damaged { path, detail },
            _ => Self::Other { path, detail },
        }
    }

    pub(super) fn from_io(path: &Path, error: &std::io::Error) -> Self {
        let path = path.to_owned();
        let detail = error.to_string();
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Missing { path },
            std::io::ErrorKind::PermissionDenied => Self::NotPermitted { path, detail },
            std::io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Other { path, detail },
        }
    }
}

fn is_unreadable_row(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
    )
}
