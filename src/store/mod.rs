//! The database: one SQLite file, rows in, domain types out, a file per table's questions. Nothing here touches the
//! network, and no transaction is ever open while somebody waits for something else than this file.

mod attempts;
mod backup;
mod channels;
mod conditions;
#[cfg(test)]
mod costs;
mod counts;
mod dead;
mod deep;
mod deliveries;
mod error;
mod exclusion;
mod explain;
mod facet_counts;
mod facets;
mod file;
mod fitting;
mod fold;
mod history;
#[cfg(test)]
mod history_costs;
mod known_tasks;
mod lateness;
mod letters;
mod lock;
mod monitor;
mod names;
mod open;
mod outbox;
mod pages;
mod past;
mod prune;
#[cfg(test)]
mod prune_costs;
mod queue;
mod recount;
mod retarget;
mod rows;
mod rule_sets;
mod scan;
mod schema;
mod search;
mod sight;
mod silences;
mod site;
mod slack_users;
mod space;
mod span;
mod statistics;
mod stuck;
mod tallies;
mod threads;
mod upgrade;
mod waiting;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use r2d2::Pool;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;
use tokio::task::JoinError;

pub use attempts::{Attempt, AttemptResult};
pub use backup::{Overwrite, Restored};
pub use channels::{ChannelRecord, Pause};
pub use dead::{Retried, Which};
pub use deliveries::{Delivery, DeliveryKind, DigestSeries, Due, Method, NewDelivery};
pub use error::StoreError;
pub use exclusion::Exclusion;
pub use explain::{MessageRecord, TaskRecord, TaskStory, TransitionRecord, VerdictRecord};
pub use history::{HistoryFilter, Order, Place};
pub use letters::{AttemptRecord, DeadLetter, DeadLetterDetail};
pub use lock::InstanceLock;
pub use monitor::MonitorRecord;
pub use open::Access;
pub use outbox::LaneNow;
pub use pages::{PageToRecord, Recorded, RecordedAlert, Watching};
pub use past::PastOutcome;
pub use prune::{Old, Removed, Round};
pub use queue::QueueCounts;
pub use rule_sets::{Heard, Hearing};
pub use schema::SCHEMA_VERSION;
pub use sight::{HourCount, ParkedChannel, ToldAlert};
pub use silences::{ClosedSilence, Ending, NewSilence, SilenceRecord, SilenceSummary};
pub use site::Limits;
pub use statistics::{Group, GroupBy, Statistics};
pub use stuck::{StuckLook, StuckRecorded};
pub use threads::{StateToShow, Thread};
pub use upgrade::Upgraded;

use error::Stop;
use site::Site;

/// Steps of SQLite's machine between two looks at how long a question takes: some ten microseconds.
const BETWEEN_LOOKS: i32 = 1_000;

type PooledConnection = r2d2::PooledConnection<SqliteConnectionManager>;

/// The open database. Cheap to clone; the instance lock, if held, goes with the last clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    site: Site,
    /// Which file was opened; another one may stand in its place later.
    identity: Option<(u64, u64)>,
    pool: Pool<SqliteConnectionManager>,
    writer: tokio::sync::Mutex<()>,
    lock: Option<InstanceLock>,
    upgraded: OnceLock<Upgraded>,
    // The last one to go: until then the connections are open.
    _here: file::OpenHere,
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Store").field("path", &self.inner.site.path).finish_non_exhaustive()
    }
}

impl Store {
    /// What this opening brought up to date, if it did.
    pub fn upgraded(&self) -> Option<&Upgraded> {
        self.inner.upgraded.get()
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.inner.site.path
    }

    /// Asks the database, on the blocking pool.
    pub async fn read<T, F>(&self, question: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.blocking(move |store| store.read_now(question)).await
    }

    /// Changes the database in one IMMEDIATE transaction, on the blocking pool, one writer at a time.
    pub async fn write<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        self.change(move |tx| change(tx).map_err(Stop::from)).await
    }

    /// [`Store::write`] for a change that can also be refused, which undoes it.
    async fn change<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, Stop> + Send + 'static,
    {
        let _one_at_a_time = self.inner.writer.lock().await;
        self.blocking(move |store| store.change_now(change)).await
    }

    /// [`Store::read`] on this thread. Ends with [`StoreError::TookTooLong`] where the store has a limit for questions.
    pub fn read_now<T>(&self, question: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let connection = self.connection()?;
        let Some(limit) = self.inner.site.limits.longest_question else {
            return question(&connection).map_err(|error| self.explain(&error));
        };
        let started = Instant::now();
        let explain = |error: rusqlite::Error| self.explain(&error);
        connection.progress_handler(BETWEEN_LOOKS, Some(move || started.elapsed() >= limit)).map_err(explain)?;
        let answer = question(&connection).map_err(explain);
        connection.progress_handler(0, None::<fn() -> bool>).map_err(explain)?;
        answer
    }

    /// [`Store::write`] on this thread.
    pub fn write_now<T>(&self, change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        self.change_now(move |tx| change(tx).map_err(Stop::from))
    }

    fn change_now<T>(&self, change: impl FnOnce(&Transaction<'_>) -> Result<T, Stop>) -> Result<T, StoreError> {
        let mut connection = self.connection()?;
        let run = || -> Result<_, Stop> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let before = transaction.total_changes();
            let answer = change(&transaction)?;
            // A change that changed no row is none: it waits for no disk.
            let is_changed = transaction.total_changes() > before;
            let generation = if is_changed { Some(monitor::next_generation(&transaction)?) } else { None };
            transaction.commit()?;
            Ok((answer, generation))
        };
        let (answer, generation) = run().map_err(|stop| self.inner.site.explain_stop(stop))?;
        if let (Some(lock), Some(generation)) = (&self.inner.lock, generation) {
            // What is committed is done: a note that cannot be written only makes a later loss harder to notice.
            let _ = lock.note(generation);
        }
        Ok(answer)
    }

    async fn blocking<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T, StoreError> + Send + 'static,
    {
        let (store, (answer, answered)) = (self.clone(), oneshot::channel());
        let work = move || drop(answer.send(work(&store)));
        let ended = in_background(Box::new(work)).await.map_err(|error| error.to_string());
        let failed = match (ended, answered.await) {
            (Ok(()), Ok(answer)) => return answer,
            (Ok(()), Err(error)) => error.to_string(),
            (Err(error), _) => error,
        };
        Err(StoreError::Other { path: self.path().to_owned(), detail: format!("the program ends: {failed}") })
    }

    /// A connection to the file that was opened. Where another file has taken its place, nothing is read or written: half
    /// of the pool would work on the old one and half on the new.
    fn connection(&self) -> Result<PooledConnection, StoreError> {
        let Inner { site, identity, pool, .. } = &*self.inner;
        if *identity != file::identity(&site.path) {
            return Err(StoreError::Replaced { path: site.path.clone() });
        }
        pool.get().map_err(|error| StoreError::Other { path: site.path.clone(), detail: error.to_string() })
    }

    fn explain(&self, error: &rusqlite::Error) -> StoreError {
        self.inner.site.explain(error)
    }
}

/// Runs something on the blocking pool; boxed, so that the pool's machinery is compiled once and not for each question.
async fn in_background(work: Box<dyn FnOnce() + Send>) -> Result<(), JoinError> {
    match tokio::task::spawn_blocking(work).await.map_err(JoinError::try_into_panic) {
        Ok(()) => Ok(()),
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(error)) => Err(error),
    }
}
