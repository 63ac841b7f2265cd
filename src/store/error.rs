//! What can be wrong with the database, and the way out of each.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{ErrorCode, ffi};

use crate::domain::AlertState;

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
         Install the newer version, or go back {}", way_back(path, backup.as_deref())
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest schema version this program knows.
        known: i64,
        /// A copy beside it from before its upgrade, that this program can read.
        backup: Option<PathBuf>,
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
         Put a backup back with `clearml-alerts restore BACKUP --db {path}` (the damaged file is kept beside it); \
         without a backup, move it aside and start with a fresh file and `--since` to look back"
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// A write-ahead log without its database.
    #[error(
        "there is no database at {path}, but its write-ahead log {wal} is there: a new database would swallow what is in it. \
         Put the database file back, or restore a backup with `clearml-alerts restore BACKUP --db {path}`, or move the log away"
    )]
    Orphaned {
        /// The database.
        path: PathBuf,
        /// Its log.
        wal: PathBuf,
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
    /// Another file stands where the open database was.
    #[error(
        "the database {path} was moved, deleted or replaced while it was in use. Nothing more was written: put the file back \
         where it was (with its -wal file), or start again to work with what is there now"
    )]
    Replaced {
        /// The database.
        path: PathBuf,
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
        "another program has kept the database {path} locked for longer than {waited:?}: end it (a `sqlite3` shell, a backup tool?) and try again"
    )]
    Busy {
        /// The database.
        path: PathBuf,
        /// How long was waited.
        waited: Duration,
    },
    /// No space left.
    #[error(
        "no space left for the database {path} (disk, quota or file size limit): free some; nothing is lost meanwhile"
    )]
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
    /// A file that would be overwritten.
    #[error("{path} exists already and is left as it is: name another file for the backup, or remove this one first")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// No alert has this number.
    #[error("there is no alert {alert}: `clearml-alerts history` shows the numbers")]
    NoAlert {
        /// The number that was asked for.
        alert: i64,
    },
    /// The alert is not one that waits for a person's word.
    #[error("alert {alert} is {state}, not a dead letter: {hint}")]
    NotDead {
        /// The alert.
        alert: i64,
        /// Where it stands.
        state: AlertState,
        /// What that means for whoever asked.
        hint: String,
    },
    /// A row does not stand where the caller saw it last: somebody else moved it on. Nothing was changed.
    #[error("{what} has moved on since it was read; nothing was changed, look again")]
    OutOfStep {
        /// Which row, and what was to be done with it.
        what: String,
    },
    /// A question that was broken off, so that others get their turn.
    #[error("this would take longer than {} s", .limit.as_secs_f64())]
    TookTooLong {
        /// How long it may take.
        limit: Duration,
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

/// How to go back to how a database was before a newer version came.
fn way_back(path: &Path, backup: Option<&Path>) -> String {
    let path = path.display();
    match backup {
        Some(backup) => format!(
            "to how it was before: `clearml-alerts restore {} --db {path}` (the newer one is kept beside it)",
            backup.display()
        ),
        None => format!("with `clearml-alerts restore BACKUP --db {path}`"),
    }
}

impl StoreError {
    /// Whether the same call may work later without anybody doing anything to the file.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Full { .. } | Self::OutOfStep { .. })
    }

    /// What an error of SQLite means for the database at `path`; `patience` is how long it waited for locks.
    pub(super) fn from_sqlite(path: &Path, patience: Duration, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        let detail = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path, waited: patience },
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::SystemIoFailure) if is_no_space(error) => Self::Full { path },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => Self::NotPermitted { path, detail },
            // The header was looked at before SQLite was asked: it was ours, so something has happened to it.
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged { path, detail },
            _ if is_missing_part(error) => Self::Damaged { path, detail },
            _ => Self::Other { path, detail },
        }
    }

    pub(super) fn from_io(path: &Path, error: &std::io::Error) -> Self {
        let path = path.to_owned();
        let detail = error.to_string();
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Missing { path },
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::NotADirectory => {
                Self::NotPermitted { path, detail }
            }
            std::io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::FileTooLarge => {
                Self::Full { path }
            }
            _ => Self::Other { path, detail },
        }
    }
}

/// A write that the system cut short for another reason than a full disk (which SQLite names itself) met a quota or a
/// file size limit; the shared memory beside the database could not grow.
fn is_no_space(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_extended_error_code(), Some(ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_SHMSIZE))
}

/// A row that must be there is not, a column holds what no version of this program wrote, or a table is gone.
fn is_missing_part(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::QueryReturnedNoRows => true,
        rusqlite::Error::SqliteFailure(_, Some(text)) | rusqlite::Error::SqlInputError { msg: text, .. } => {
            text.starts_with("no such table") || text.starts_with("no such column")
        }
        _ => false,
    }
}

/// Why a change was not made: SQLite failed, or the change itself said no. Either way nothing of it stays.
#[derive(Debug)]
pub(super) enum Stop {
    /// SQLite failed.
    Sqlite(rusqlite::Error),
    /// The change is refused.
    Refused(Box<StoreError>),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Refused(Box::new(error))
    }
}
