//! What a simulated server was asked: a log that tests read, bounded so that a long-running sandbox does not grow.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::domain::Stamp;

/// Only so many requests are kept in full; the counts go on.
const KEPT: usize = 20_000;

/// One request as it came in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RequestRecord {
    /// Its number on this server, from 1.
    pub number: u64,
    /// The server's own time.
    pub at: Stamp,
    /// HTTP method.
    pub method: String,
    /// `tasks.get_all_ex`, `chat.postMessage`, …; the whole path where it is none.
    pub endpoint: String,
    /// Path and query.
    pub path: String,
    /// Headers by lower-case name; credentials are left out.
    pub headers: BTreeMap<String, String>,
    /// The body: an object where it was JSON or a form, text otherwise, null where there was none.
    pub body: Value,
    /// The HTTP status answered; absent where the connection was reset or left hanging.
    pub status: Option<u16>,
    /// Whether a scripted fault struck it.
    pub faulted: bool,
}

/// The requests of one server.
#[derive(Debug, Default, Clone)]
pub struct RequestLog(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    entries: Mutex<Entries>,
    /// Rung when a request was answered.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Entries {
    records: VecDeque<RequestRecord>,
    counts: BTreeMap<String, u64>,
    total: u64,
    /// Counts whatever happens to the log, so that waiting misses nothing.
    changes: u64,
}

impl RequestLog {
    /// Everything kept, oldest first.
    pub fn all(&self) -> Vec<RequestRecord> {
        self.entries().records.iter().cloned().collect()
    }

    /// Those of one endpoint, oldest first.
    pub fn of(&self, endpoint: &str) -> Vec<RequestRecord> {
        self.entries().records.iter().filter(|record| record.endpoint == endpoint).cloned().collect()
    }

    /// How many came for this endpoint, since the start or the last [`RequestLog::clear`].
    pub fn count(&self, endpoint: &str) -> u64 {
        self.entries().counts.get(endpoint).copied().unwrap_or(0)
    }

    /// How many came at all.
    pub fn total(&self) -> u64 {
        self.entries().total
    }

    /// How many came for each endpoint.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.entries().counts.clone()
    }

    /// Blocks until `enough` says so of the log, at most so long by the real clock; whether it did. A request is in the
    /// log from when it was read, and its `status` from when it was answered.
    pub fn wait_for(&self, at_most: Duration, mut enough: impl FnMut(&Self) -> bool) -> bool {
        let deadline = std::time::Instant::now() + at_most;
        loop {
            let before = self.entries().changes;
            if enough(self) {
                return true;
            }
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return false;
            }
            drop(self.0.changed.wait_timeout_while(self.entries(), left, |entries| entries.changes == before));
        }
    }

    /// Blocks until so many requests of this endpoint were answered, at most so long; whether they were.
    pub fn wait_for_answers(&self, endpoint: &str, count: usize, at_most: Duration) -> bool {
        self.wait_for(at_most, |log| {
            log.of(endpoint).iter().filter(|request| request.status.is_some()).count() >= count
        })
    }

    /// [`RequestLog::wait_for`] for async code: the wait sits on the blocking pool, so that a paused tokio clock does not
    /// run ahead.
    pub async fn until(&self, at_most: Duration, enough: impl FnMut(&Self) -> bool + Send + 'static) -> bool {
        let log = self.clone();
        tokio::task::spawn_blocking(move || log.wait_for(at_most, enough)).await.unwrap_or(false)
    }

    /// [`RequestLog::wait_for_answers`] for async code.
    pub async fn until_answers(&self, endpoint: &str, count: usize, at_most: Duration) -> bool {
        let (log, endpoint) = (self.clone(), endpoint.to_owned());
        let waited = tokio::task::spawn_blocking(move || log.wait_for_answers(&endpoint, count, at_most)).await;
        waited.unwrap_or(false)
    }

    /// Forgets what came so far.
    pub fn clear(&self) {
        let mut entries = self.entries();
        *entries = Entries { changes: entries.changes + 1, ..Entries::default() };
    }

    /// Adds a request and returns its number.
    pub(crate) fn record(&self, mut record: RequestRecord) -> u64 {
        let mut entries = self.entries();
        entries.total += 1;
        record.number = entries.total;
        *entries.counts.entry(record.endpoint.clone()).or_default() += 1;
        entries.records.push_back(record);
        if entries.records.len() > KEPT {
            entries.records.pop_front();
        }
        entries.changes += 1;
        let number = entries.total;
        drop(entries);
        self.0.changed.notify_all();
        number
    }

    /// Notes what became of a request.
    pub(crate) fn conclude(&self, number: u64, status: Option<u16>, faulted: bool) {
        let mut entries = self.entries();
        if let Some(record) = entries.records.iter_mut().rev().find(|record| record.number == number) {
            record.status = status;
            record.faulted = faulted;
        }
        entries.changes += 1;
        drop(entries);
        self.0.changed.notify_all();
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
