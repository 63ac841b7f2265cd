//! What a reader of the pages and of the metrics asks: one alert with its message and attempts, the figures of the
//! overview. Nothing here changes a row.

use rusqlite::{Connection, OptionalExtension, Row};

use super::rows::{maybe_stamp, outcome, stamp};
use super::{Store, StoreError, history};
use crate::domain::{AlertRecord, Outcome, Stamp};

/// An alert that a message tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldAlert {
    /// The rule that spoke.
    pub rule: String,
    /// When the server stamped the outcome.
    pub status_changed: Stamp,
}

/// An alert with the message that tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertInFull {
    /// The alert.
    pub alert: AlertRecord,
    /// Which run of the task.
    pub run: u32,
    /// The message, once it is composed.
    pub message: Option<MessageInFull>,
}

/// A message as it stands in the outbox, with every attempt to send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageInFull {
    /// The request's body, as it was or will be sent.
    pub payload: String,
    /// How many alerts it tells.
    pub alerts: u32,
    /// When it is tried next, where it waits.
    pub due_at: Option<Stamp>,
    /// Every attempt, oldest first; at most [`MOST_ATTEMPTS`], the newest.
    pub attempts: Vec<AttemptRecord>,
}

/// Attempts of one message that are told.
pub const MOST_ATTEMPTS: usize = 100;

/// One attempt to send a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRecord {
    /// When it was made.
    pub started_at: Stamp,
    /// What the answer meant; `None` while it is not known, also after a kill.
    pub class: Option<String>,
    /// The HTTP status, if there was one.
    pub http_status: Option<u16>,
    /// Slack's error, or what happened to the connection.
    pub error: Option<String>,
    /// What else Slack said.
    pub detail: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: Option<u64>,
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
            let sql = "SELECT rule, status_changed FROM alerts WHERE delivery_id = ?1";
            let told = |row: &Row<'_>| Ok(ToldAlert { rule: row.get(0)?, status_changed: stamp(row, 1)? });
            connection.prepare_cached(sql)?.query_map([delivery], told)?.collect()
        })
        .await
    }

    /// One alert with its message; `None` where there is no such alert.
    pub async fn alert_in_full(&self, id: i64) -> Result<Option<AlertInFull>, StoreError> {
        self.read(move |connection| alert_in_full(connection, id)).await
    }

    /// Channels that wait for a person.
    pub async fn parked_channels(&self) -> Result<Vec<ParkedChannel>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT name, parked_at, parked_reason FROM channels WHERE parked_at IS NOT NULL ORDER BY name";
            let parked = |row: &Row<'_>| {
                Ok(ParkedChannel { name: row.get("name")?, since: stamp(row, "parked_at")?, reason: row.get("parked_reason")? })
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

fn alert_in_full(connection: &Connection, id: i64) -> rusqlite::Result<Option<AlertInFull>> {
    let Some(alert) = history::by_id(connection, id)? else {
        return Ok(None);
    };
    let sql = "SELECT run, delivery_id FROM alerts WHERE id = ?1";
    let of_alert = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let (run, delivery): (u32, Option<i64>) = connection.prepare_cached(sql)?.query_row([id], of_alert)?;
    let message = delivery.map(|delivery| message_in_full(connection, delivery)).transpose()?.flatten();
    Ok(Some(AlertInFull { alert, run, message }))
}

fn message_in_full(connection: &Connection, delivery: i64) -> rusqlite::Result<Option<MessageInFull>> {
    let sql = "SELECT payload, CASE WHEN state IN ('pending', 'unknown', 'held') AND due_at > 0 THEN due_at END AS due_at,
                   (SELECT count(*) FROM alerts WHERE delivery_id = ?1) AS alerts
               FROM deliveries WHERE id = ?1";
    let found = connection.prepare_cached(sql)?.query_row([delivery], |row| {
        Ok(MessageInFull {
            payload: row.get("payload")?,
            alerts: row.get("alerts")?,
            due_at: maybe_stamp(row, "due_at")?,
            attempts: Vec::new(),
        })
    });
    let Some(message) = found.optional()? else {
        return Ok(None);
    };
    Ok(Some(MessageInFull { attempts: attempts(connection, delivery)?, ..message }))
}

fn attempts(connection: &Connection, delivery: i64) -> rusqlite::Result<Vec<AttemptRecord>> {
    let sql = "SELECT started_at, class, http_status, error, detail, took_ms FROM attempts
               WHERE delivery_id = ?1 ORDER BY id DESC LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([delivery, super::rows::count(MOST_ATTEMPTS)], |row| {
        Ok(AttemptRecord {
            started_at: stamp(row, "started_at")?,
            class: row.get("class")?,
            http_status: row.get("http_status")?,
            error: row.get("error")?,
            detail: row.get("detail")?,
            took_ms: row.get::<_, Option<i64>>("took_ms")?.and_then(|took| u64::try_from(took).ok()),
        })
    })?;
    let mut attempts: Vec<AttemptRecord> = rows.collect::<Result<_, _>>()?;
    attempts.reverse();
    Ok(attempts)
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
