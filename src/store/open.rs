//! Opening the database: refused, with the file's bytes left as they were, unless it is surely ours, sound as far as a
//! cheap look can tell, and not older than its last run left it.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use r2d2::Pool;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, OpenFlags};
use scheduled_thread_pool::ScheduledThreadPool;

use super::file::{self, Found};
use super::schema::{self, MIGRATIONS, SCHEMA_VERSION};
use super::site::{Limits, Site};
use super::{Inner, InstanceLock, Store, StoreError, monitor, upgrade};
use crate::clock::Clock;

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

impl Store {
    /// Opens the database at `path`. `instance` names a fresh one: random, for ever its own.
    pub fn open(path: &Path, access: Access, instance: &str) -> Result<Self, StoreError> {
        Self::open_with(path, access, instance, Limits::default())
    }

    /// [`Store::open`] with other limits than the standard ones.
    pub fn open_with(path: &Path, access: Access, instance: &str, limits: Limits) -> Result<Self, StoreError> {
        let site = Site { path: file::resolve(path).map_err(|error| to_a_guest(error, path, access))?, limits };
        let found = file::inspect(&site.path)?;
        let lock = match access {
            Access::Own { wait } => Some(own(&site, wait, instance)?),
            Access::Write | Access::Read if found == Found::Nothing => {
                return Err(StoreError::Missing { path: site.path });
            }
            Access::Write | Access::Read => None,
        };
        vet(&site, access, lock.as_ref())?;
        let here = file::open_here(&site.path);
        let pool = connect(&site, access)?;
        // Only now: on some file systems opening for writing makes another file of it.
        let identity = file::identity(&site.path);
        let writer = tokio::sync::Mutex::new(());
        let store = Self {
            inner: Arc::new(Inner { site, identity, pool, writer, lock, upgraded: OnceLock::new(), _here: here }),
        };
        store.prepare(access)?;
        Ok(store)
    }

    fn prepare(&self, access: Access) -> Result<(), StoreError> {
        let site = &self.inner.site;
        let mut connection = self.connection()?;
        if access != Access::Read && connection.is_readonly("main").map_err(|error| site.explain(&error))? {
            return Err(StoreError::ReadOnly { path: site.path.clone() });
        }
        if self.inner.lock.is_some() {
            schema::require_wal(site, &connection)?;
            if let Some(upgraded) = upgrade::upgrade(site, &mut connection, MIGRATIONS, Clock::system().now())? {
                // Nobody else has this store yet.
                let _ = self.inner.upgraded.set(upgraded);
            }
        }
        Ok(())
    }
}

/// Whoever does not make the file need not be told to make its directory.
fn to_a_guest(error: StoreError, path: &Path, access: Access) -> StoreError {
    match (error, access) {
        (StoreError::NoDirectory { .. }, Access::Write | Access::Read) => StoreError::Missing { path: path.to_owned() },
        (error, _) => error,
    }
}

/// Takes the instance lock, and makes the file if there is still none once it is held: whoever held the lock before may
/// have made it meanwhile.
fn own(site: &Site, wait: Duration, instance: &str) -> Result<InstanceLock, StoreError> {
    let lock = InstanceLock::acquire(&site.path, wait)?;
    if file::inspect(&site.path)? == Found::Nothing {
        lock.forget_generation().map_err(|error| StoreError::from_io(&site.path, &error))?;
        schema::create(site, instance)?;
    }
    Ok(lock)
}

/// Looks inside through a connection that cannot write, so that a database that is refused stays as it is, log and all.
fn vet(site: &Site, access: Access, lock: Option<&InstanceLock>) -> Result<(), StoreError> {
    let _here = file::open_here(&site.path);
    let connection = read_only(site)?;
    let found = schema::version(site, &connection, SCHEMA_VERSION)?;
    if found < SCHEMA_VERSION && !matches!(access, Access::Own { .. }) {
        return Err(StoreError::Older { path: site.path.clone(), found, known: SCHEMA_VERSION });
    }
    let found = monitor::generation(&connection).map_err(|error| site.explain(&error))?;
    let expected = lock.map_or(0, InstanceLock::last_generation);
    if found < expected {
        return Err(StoreError::Rewound { path: site.path.clone(), found, expected });
    }
    Ok(())
}

/// One connection that cannot write.
pub(super) fn read_only(site: &Site) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&site.path, flags);
    let connection = connection.and_then(|connection| {
        schema::configure(&connection, site, true)?;
        Ok(connection)
    });
    connection.map_err(|error| site.explain(&error))
}

fn connect(site: &Site, access: Access) -> Result<Pool<SqliteConnectionManager>, StoreError> {
    let is_reader = access == Access::Read;
    let mode = if is_reader { OpenFlags::SQLITE_OPEN_READ_ONLY } else { OpenFlags::SQLITE_OPEN_READ_WRITE };
    // The first connection is made by hand: the pool would hide why it could not be.
    let probe = Connection::open_with_flags(&site.path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .and_then(|connection| schema::configure(&connection, site, is_reader).map(|()| connection));
    let probe = probe.map_err(|error| site.explain(&error))?;
    let of_pool = site.clone();
    let manager = SqliteConnectionManager::file(&site.path)
        .with_flags(mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .with_init(move |connection| schema::configure(connection, &of_pool, is_reader));
    // Connections are made when they are wanted and kept: none is opened or closed behind anybody's back, and when the
    // store is dropped the file is closed.
    let pool = Pool::builder()
        .max_size(CONNECTIONS)
        .thread_pool(Arc::new(ScheduledThreadPool::new(1)))
        .min_idle(Some(0))
        .idle_timeout(None)
        .max_lifetime(None)
        .test_on_check_out(false)
        .connection_timeout(Duration::from_secs(30))
        .error_handler(Box::new(r2d2::NopErrorHandler))
        .build(manager)
        .map_err(|error| StoreError::Other { path: site.path.clone(), detail: error.to_string() });
    drop(probe);
    pool
}
