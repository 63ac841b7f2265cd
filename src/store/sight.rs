//! The figures that a reader of the status page and of the metrics asks for. Nothing here changes a row.

use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Row};

use super::rows::stamp;
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
    /// Since when it could be told: the outcome's stamp, or the end of the wait that its rule asked for.
    pub due_since: Stamp,
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

/// The alerts that a message tells.
pub(super) fn told_by(connection: &Connection, delivery: i64) -> rusqlite::Result<Vec<ToldAlert>> {
    let sql = "SELECT id, task_id, digest, rule, coalesce(released_at, status_changed) AS due_since FROM alerts
               WHERE delivery_id = ?1 ORDER BY id";
    let told = |row: &Row<'_>| {
        Ok(ToldAlert {
            alert: row.get("id")?,
            task_id: row.get("task_id")?,
            digest: row.get("digest")?,
            rule: row.get("rule")?,
            due_since: stamp(row, "due_since")?,
        })
    };
    connection.prepare_cached(sql)?.query_map([delivery], told)?.collect()
}

impl Store {
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

    /// Alerts per hour and outcome since `from`, hour by hour, in the order of the outcomes; what was suppressed is none.
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

    /// Whether a change could be made now: takes the right to write and gives it back, without waiting for it. A write
    /// that is under way, here or in another process, is proof enough.
    pub async fn probe_write(&self) -> Result<(), StoreError> {
        let Ok(_one_at_a_time) = self.inner.writer.try_lock() else {
            return Ok(());
        };
        self.read(probe_write).await
    }
}

fn probe_write(connection: &Connection) -> rusqlite::Result<()> {
    if connection.is_readonly("main")? {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
        return Err(rusqlite::Error::SqliteFailure(code, None));
    }
    let patience: i64 = connection.pragma_query_value(None, "busy_timeout", |row| row.get(0))?;
    connection.busy_timeout(Duration::ZERO)?;
    let probed = connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK");
    connection.busy_timeout(Duration::from_millis(u64::try_from(patience).unwrap_or(0)))?;
    match probed {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(()),
        probed => probed,
    }
}

/// Reads the index `alerts_told` alone, in its order; counted here, since SQLite would sort it first.
const TOLD_SINCE: &str =
    "SELECT status_changed, outcome FROM alerts WHERE status_changed >= ?1 AND filter IS NULL ORDER BY status_changed";

fn alerts_per_hour(connection: &Connection, from: Stamp) -> rusqlite::Result<Vec<HourCount>> {
    let mut statement = connection.prepare_cached(TOLD_SINCE)?;
    let mut rows = statement.query([from.as_millis()])?;
    let mut counts = Vec::new();
    let mut hour = HourTally::default();
    while let Some(row) = rows.next()? {
        let number = row.get::<_, i64>(0)?.div_euclid(HOUR);
        if number != hour.number {
            counts.extend(std::mem::replace(&mut hour, HourTally { number, ..HourTally::default() }).counts());
        }
        let word = row.get_ref(1)?.as_str()?;
        if let Some((_, alerts)) = hour.alerts.iter_mut().find(|(outcome, _)| outcome.as_str() == word) {
            *alerts += 1;
        }
    }
    counts.extend(hour.counts());
    Ok(counts)
}

/// The counts of one hour, by the hour's number since 1970.
struct HourTally {
    number: i64,
    alerts: [(Outcome, u32); 4],
}

impl Default for HourTally {
    fn default() -> Self {
        Self { number: 0, alerts: Outcome::ALL.map(|outcome| (outcome, 0)) }
    }
}

impl HourTally {
    fn counts(self) -> impl Iterator<Item = HourCount> {
        let hour = Stamp::from_millis(self.number.saturating_mul(HOUR));
        let counted = self.alerts.into_iter().filter(|(_, alerts)| *alerts > 0);
        counted.map(move |(outcome, alerts)| HourCount { hour, outcome, alerts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("../../schema.sql")).unwrap();
        connection
    }

    #[test]
    fn the_chart_reads_an_index_alone_and_sorts_nothing() {
        let connection = database();
        let plan: String =
            connection.query_row(&format!("EXPLAIN QUERY PLAN {TOLD_SINCE}"), [0], |row| row.get("detail")).unwrap();
        assert_eq!(plan, "SEARCH alerts USING COVERING INDEX alerts_told (status_changed>?)");
    }

    #[test]
    fn a_database_that_takes_no_change_is_told_from_one_that_is_busy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("probed.db");
        let (one, other) = (Connection::open(&path).unwrap(), Connection::open(&path).unwrap());
        one.busy_timeout(Duration::from_secs(7)).unwrap();
        probe_write(&one).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        probe_write(&one).unwrap();
        assert_eq!(one.pragma_query_value(None, "busy_timeout", |row| row.get::<_, i64>(0)).unwrap(), 7_000);
        other.execute_batch("ROLLBACK").unwrap();
        assert!(one.is_autocommit());
        drop((one, other));
        let read_only = Connection::open_with_flags(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        assert!(probe_write(&read_only).is_err());
    }

    #[test]
    fn alerts_are_counted_by_hour_and_outcome_and_suppressed_ones_are_not() {
        let connection = database();
        connection
            .execute_batch(
                "INSERT INTO tasks (task_id, name, status, status_changed, run, run_outcomes,
            first_seen_at, last_change_at) VALUES ('t', 'n', 'failed', 1, 1, 1, 1, 1)",
            )
            .unwrap();
        let rows = [
            (HOUR, "failed", None),
            (HOUR + 1, "stopped", None),
            (2 * HOUR - 1, "failed", None),
            (2 * HOUR, "failed", Some("user")),
            (5 * HOUR, "failed", None),
            (3, "failed", None),
        ];
        for (run, (changed, outcome, filter)) in (1_i64..).zip(rows) {
            let state = if filter.is_some() { "suppressed" } else { "pending" };
            connection.execute(
                "INSERT INTO alerts (rule, task_id, run, outcome, status_changed, task_name, state, filter, channel, snapshot,
                    created_at) VALUES ('r', 't', ?1, ?2, ?3, 'n', ?4, ?5, '#a', '{}', 1)",
                rusqlite::params![run, outcome, changed, state, filter],
            ).unwrap();
        }
        let counted = alerts_per_hour(&connection, Stamp::from_millis(4)).unwrap();
        let counted: Vec<_> =
            counted.iter().map(|count| (count.hour.as_millis() / HOUR, count.outcome, count.alerts)).collect();
        assert_eq!(counted, [(1, Outcome::Failed, 2), (1, Outcome::Stopped, 1), (5, Outcome::Failed, 1)]);
    }
}
