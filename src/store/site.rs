//! Where a database is and how patient one is with it: what every error about it is told with.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::ErrorCode;

use super::error::{Stop, StoreError};

/// SQLite's limits. The program uses the defaults; tests shorten them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long to wait for another program's lock.
    pub busy_timeout: Duration,
    /// The file grows to at most so many pages; `None`: as far as the disk goes.
    pub max_pages: Option<u32>,
    /// A question that takes longer is broken off; `None`: it may take as long as it takes.
    pub longest_question: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { busy_timeout: Duration::from_secs(5), max_pages: None, longest_question: None }
    }
}

/// A database's place and limits.
#[derive(Debug, Clone)]
pub(super) struct Site {
    /// The file, links followed.
    pub(super) path: PathBuf,
    /// SQLite's limits.
    pub(super) limits: Limits,
}

impl Site {
    pub(super) fn explain(&self, error: &rusqlite::Error) -> StoreError {
        match self.limits.longest_question {
            Some(limit) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
                StoreError::TookTooLong { limit }
            }
            _ => StoreError::from_sqlite(&self.path, self.limits.busy_timeout, error),
        }
    }

    pub(super) fn explain_stop(&self, stop: Stop) -> StoreError {
        match stop {
            Stop::Sqlite(error) => self.explain(&error),
            Stop::Refused(error) => *error,
        }
    }
}
