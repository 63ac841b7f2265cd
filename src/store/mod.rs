//! The database: one SQLite file, rows in, domain types out, a file per table's questions. Nothing here touches the
//! network, and no transaction is ever open while somebody waits for something else than this file.

mod channels;
mod deliveries;
mod error;
mod file;
mod history;
mod lock;
mod monitor;
mod pages;
mod rows;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use r2d2::Pool;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

pub use channels::{ChannelRecord, Pause};
pub use deliveries::{Attempt, AttemptOutcome, AttemptResult, DeadLetter, Delivery, DeliveryKind, Method, NewDelivery, QueueCounts};
pub use error::StoreError;
pub use history::{HistoryFilter, Order};
pub use lock::InstanceLock;
pub use monitor::MonitorRecord;
pub use pages::{PageToRecord, Recorded, RecordedAlert, Watching};

/// How many connections the pool holds at most: one writer and a few readers.
const CONNECTIONS: u32 = 4;

/// What a command wants to do with the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Be the monitor: take the instance lock (waiting so long for it), make the file where there is none, bring an
    /// older one up to date.
    Own {
        /// How long to wait for another instance to end.
        wait: Duration,
    },
    /// Change rows of a database that a monitor may be working on.
    Write,
    /// Only look.
    Read,
}

/// The open database. Cheap to clone; the instance lock, if held, goes with the last clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    pool: Pool<SqliteConnectionManager>,
    writer: tokio::sync::Mutex<()>,
    lock: Option<InstanceLock>,
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Store").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database at `path`. `instance` names a fresh one: random, for ever its own.
    pub fn open(path: &Path, access: Access, instance: &str) -> Result<Self, StoreError> {
        let found = file::inspect(path).map_err(|error| match error {
            StoreError::NoDirectory { .. } if !matches!(access, Access::Own { .. }) => {
                StoreError::Missing { path: path.to_owned() }
            }
            other => other,
        })?;
        let lock = match access {
            Access::Own { wait } => Some(InstanceLock::acquire(path, wait)?),
            Access::Write | Access::Read => None,
        };
        if found == file::Found::Nothing {
            let Some(lock) = &lock else {
                return Err(StoreError::Missing { path: path.to_owned() });
            };
            lock.forget_generation().map_err(|error| StoreError::from_io(path, &error))?;
            file::create(path, instance)?;
        }
        let pool = connect(path, access)?;
        let store =
            Self { inner: Arc::new(Inner { path: path.to_owned(), pool, writer: tokio::sync::Mutex::new(()), lock }) };
        store.check(access)?;
        Ok(store)
    }

    fn check(&self, access: Access) -> Result<(), StoreError> {
        let path = &self.inner.path;
        let mut connection = self.connection()?;
        if let Some(lock) = &self.inner.lock {
            file::migrate(path, &mut connection)?;
            let found = monitor::generation(&connection).map_err(|error| self.explain(&error))?;
            let expected = lock.last_generation();
            if found < expected {
                return Err(StoreError::Rewound { path: path.clone(), found, expected });
            }
        }
        let found = file::version(path, &connection)?;
        if found < file::SCHEMA_VERSION {
            return Err(StoreError::Older { path: path.clone(), found, known: file::SCHEMA_VERSION });
        }
        if access != Access::Read && connection.is_readonly("main").map_err(|error| self.explain(&error))? {
            return Err(StoreError::ReadOnly { path: path.clone() });
        }
        Ok(())
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Asks the database, on the blocking pool.
    pub async fn read<T, F>(&self, question: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let store = self.clone();
        join(tokio::task::spawn_blocking(move || store.read_now(question)).await)
    }

    /// Changes the database in one IMMEDIATE transaction, on the blocking pool, one writer at a time.
    pub async fn write<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let store = self.clone();
        let _one_at_a_time = self.inner.writer.lock().await;
        join(tokio::task::spawn_blocking(move || store.write_now(change)).await)
    }

    /// [`Store::read`] on this thread.
    pub fn read_now<T>(&self, question: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let connection = self.connection()?;
        question(&connection).map_err(|error| self.explain(&error))
    }

    /// [`Store::write`] on this thread.
    pub fn write_now<T>(&self, change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let mut connection = self.connection()?;
        let run = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let answer = change(&transaction)?;
            let generation = monitor::next_generation(&transaction)?;
            transaction.commit()?;
            Ok((answer, generation))
        };
        let (answer, generation) = run().map_err(|error| self.explain(&error))?;
        if let Some(lock) = &self.inner.lock {
            lock.note(generation).map_err(|error| StoreError::from_io(&self.inner.path, &error))?;
        }
        Ok(answer)
    }

    fn connection(&self) -> Result<r2d2::PooledConnection<SqliteConnectionManager>, StoreError> {
        self.inner
            .pool
            .get()
            .map_err(|error| StoreError::Other { path: self.inner.path.clone(), detail: error.to_string() })
    }

    fn explain(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::from_sqlite(&self.inner.path, error)
    }
}

fn connect(path: &Path, access: Access) -> Result<Pool<SqliteConnectionManager>, StoreError> {
    let read_only = access == Access::Read;
    let mode = if read_only { OpenFlags::SQLITE_OPEN_READ_ONLY } else { OpenFlags::SQLITE_OPEN_READ_WRITE };
    // The first connection is made by hand: the pool would hide why it could not be.
    let probe = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .and_then(|connection| file::configure(&connection, read_only).map(|()| connection));
    let probe = probe.map_err(|error| StoreError::from_sqlite(path, &error))?;
    let manager = SqliteConnectionManager::file(path)
        .with_flags(mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .with_init(move |connection| file::configure(connection, read_only));
    let pool = Pool::builder()
        .max_size(CONNECTIONS)
        .min_idle(Some(1))
        .test_on_check_out(false)
        .connection_timeout(Duration::from_secs(30))
        .error_handler(Box::new(r2d2::NopErrorHandler))
        .build(manager)
        .map_err(|error| StoreError::Other { path: path.to_owned(), detail: error.to_string() });
    drop(probe);
    pool
}

fn join<T>(joined: Result<Result<T, StoreError>, tokio::task::JoinError>) -> Result<T, StoreError> {
    match joined {
        Ok(answer) => answer,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
