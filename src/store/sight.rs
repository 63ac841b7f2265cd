//! The figures that a reader of the status page and of the metrics asks for. Nothing here changes a row.

use rusqlite::{Connection, Row};

use super::rows::{outcome, stamp};
use super::{Store, StoreError};
use crate::domain::{Outcome, Stamp};

/// An alert that a message tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldAlert {
    /// The alert's number.
    pub alert: i64,
    /// ClearML's task ID.
    pub task_id: String,
    /// Whether it is one of many that the message tells.
    pub digest: bool,
    /// The rule that spoke.
    pub rule: String,
    /// When the server stamped the outcome.
    pub status_changed: Stamp,
}

/// A channel that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedChannel {
    /// The channel, as the user named it.
    pub name: String,
    /// Since when.
    pub since: Stamp,
    /// What Slack said, and what to do.
    pub reason: Option<String>,
}

/// How many alerts of one outcome an hour had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HourCount {
    /// The beginning of the hour, UTC.
    pub hour: Stamp,
    /// The outcome.
    pub outcome: Outcome,
    /// How many.
    pub alerts: u32,
}

const HOUR: i64 = 3_600_000;

impl Store {
    /// The alerts that a message tells.
    pub async fn told_by(&self, delivery: i64) -> Result<Vec<ToldAlert>, StoreError> {
        self.read(move |connection| {
            let sql = "SELECT id, task_id, digest, rule, status_changed FROM alerts WHERE delivery_id = ?1 ORDER BY id";
            let told = |row: &Row<'_>| {
                Ok(ToldAlert {
                    alert: row.get("id")?,
                    task_id: row.get("task_id")?,
                    digest: row.get("digest")?,
                    rule: row.get("rule")?,
                    status_changed: stamp(row, "status_changed")?,
                })
            };
            connection.prepare_cached(sql)?.query_map([delivery], told)?.collect()
        })
        .await
    }

    /// Channels that wait for a person.
    pub async fn parked_channels(&self) -> Result<Vec<ParkedChannel>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT name, parked_at, parked_reason FROM channels WHERE parked_at IS NOT NULL ORDER BY name";
            let parked = |row: &Row<'_>| {
                Ok(ParkedChannel {
                    name: row.get("name")?,
                    since: stamp(row, "parked_at")?,
                    reason: row.get("parked_reason")?,
                })
            };
            connection.prepare_cached(sql)?.query_map([], parked)?.collect()
        })
        .await
    }

    /// Alerts per hour and outcome since `from`; what was suppressed is none.
    pub async fn alerts_per_hour(&self, from: Stamp) -> Result<Vec<HourCount>, StoreError> {
        self.read(move |connection| alerts_per_hour(connection, from)).await
    }

    /// The size of the database in bytes, without its write-ahead log.
    pub async fn size(&self) -> Result<u64, StoreError> {
        self.read(|connection| {
            let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
            Ok(u64::try_from(number("page_count")?.saturating_mul(number("page_size")?)).unwrap_or(0))
        })
        .await
    }

    /// Whether a change could be made now: takes the right to write and gives it back. A write that is under way in this
    /// process is proof enough.
    pub async fn probe_write(&self) -> Result<(), StoreError> {
        let Ok(_one_at_a_time) = self.inner.writer.try_lock() else {
            return Ok(());
        };
        self.read(|connection| connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")).await
    }
}

fn alerts_per_hour(connection: &Connection, from: Stamp) -> rusqlite::Result<Vec<HourCount>> {
    let sql = "SELECT status_changed / ?2 AS hour, outcome, count(*) AS alerts FROM alerts
               WHERE status_changed >= ?1 AND state <> 'suppressed' GROUP BY 1, 2";
    let counted = |row: &Row<'_>| {
        let hour: i64 = row.get("hour")?;
        let hour = Stamp::from_millis(hour.saturating_mul(HOUR));
        Ok(HourCount { hour, outcome: outcome(row, "outcome")?, alerts: row.get("alerts")? })
    };
    connection.prepare_cached(sql)?.query_map([from.as_millis(), HOUR], counted)?.collect()
}
