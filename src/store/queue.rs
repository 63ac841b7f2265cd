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
    /// Alerts whose rules make them wait: for the end of a hold, or of quiet hours.
    pub by_rule: u32,
    /// Alerts whose answer was lost.
    pub unknown: u32,
    /// Alerts that wait for a person.
    pub held: u32,
    /// Alerts given up and not dropped.
    pub dead: u32,
    /// When the oldest of those that are to be told now was recorded, or its wait by its rule was over.
    pub oldest_at: Option<Stamp>,
}

impl QueueCounts {
    /// Alerts that are neither sent nor dead, without those that wait by their rules.
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
        "SELECT {} - (SELECT count(*) FROM alerts INDEXED BY alerts_waiting WHERE wait_until IS NOT NULL) AS pending,
             (SELECT count(*) FROM alerts INDEXED BY alerts_waiting WHERE wait_until IS NOT NULL) AS by_rule,
             {} AS unknown, {} AS held,
             (SELECT count(*) FROM alerts INDEXED BY alerts_dead WHERE state = 'dead' AND dropped_at IS NULL) AS dead,
             (SELECT min(coalesce(released_at, created_at)) FROM alerts INDEXED BY alerts_open
              WHERE {OPEN} AND wait_until IS NULL) AS oldest",
        of("'pending', 'sending'"),
        of("'unknown'"),
        of("'held'"),
    )
}

fn queue_counts(connection: &Connection) -> rusqlite::Result<QueueCounts> {
    connection.prepare_cached(&counts_by_state())?.query_row([], |row| {
        Ok(QueueCounts {
            pending: row.get("pending")?,
            by_rule: row.get("by_rule")?,
            unknown: row.get("unknown")?,
            held: row.get("held")?,
            dead: row.get("dead")?,
            oldest_at: maybe_stamp(row, "oldest")?,
        })
    })
}
