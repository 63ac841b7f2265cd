//! How much waits.

use rusqlite::Connection;

use super::outbox::OPEN;
use super::rows::maybe_stamp;
use super::{Store, StoreError};
use crate::domain::Stamp;

/// How much waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Alerts to be sent.
    pub pending: u32,
    /// Alerts whose answer was lost.
    pub unknown: u32,
    /// Alerts that wait for a person.
    pub held: u32,
    /// Alerts given up and not dropped.
    pub dead: u32,
    /// When the oldest of the first three was recorded.
    pub oldest_at: Option<Stamp>,
}

impl QueueCounts {
    /// Alerts that are neither sent nor dead.
    pub fn undelivered(&self) -> u32 {
        self.pending + self.unknown + self.held
    }
}

impl Store {
    /// How much waits.
    pub async fn queue_counts(&self) -> Result<QueueCounts, StoreError> {
        self.read(queue_counts).await
    }
}

/// Each count by an index that holds no more than what is counted.
pub(super) fn counts_by_state() -> String {
    let of = |states: &str| format!("(SELECT count(*) FROM alerts WHERE state IN ({states}))");
    format!(
        "SELECT {} AS pending, {} AS unknown, {} AS held,
             (SELECT count(*) FROM alerts INDEXED BY alerts_dead WHERE state = 'dead' AND dropped_at IS NULL) AS dead,
             (SELECT min(created_at) FROM alerts INDEXED BY alerts_open WHERE {OPEN}) AS oldest",
        of("'pending', 'sending'"),
        of("'unknown'"),
        of("'held'"),
    )
}

fn queue_counts(connection: &Connection) -> rusqlite::Result<QueueCounts> {
    connection.prepare_cached(&counts_by_state())?.query_row([], |row| {
        Ok(QueueCounts {
            pending: row.get("pending")?,
            unknown: row.get("unknown")?,
            held: row.get("held")?,
            dead: row.get("dead")?,
            oldest_at: maybe_stamp(row, "oldest")?,
        })
    })
}
