//! What is remembered of Slack: channels found once, channels that wait for a person, waits that Slack asked for.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::outbox::OPEN;
use super::rows::{maybe_stamp, stamp};
use super::{Store, StoreError};
use crate::domain::Stamp;

/// A channel's row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelRecord {
    /// Slack's ID, once found.
    pub channel_id: Option<String>,
    /// Since when a person must act; `None`: it works.
    pub parked_at: Option<Stamp>,
    /// What Slack said, and what to do.
    pub parked_reason: Option<String>,
    /// When a parked channel is tried again.
    pub retry_at: Option<Stamp>,
}

/// A wait that Slack asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Slack's method.
    pub method: String,
    /// Until when.
    pub until: Stamp,
}

impl Store {
    /// What is remembered of a channel; an empty record where nothing is.
    pub async fn channel(&self, name: &str) -> Result<ChannelRecord, StoreError> {
        let name = name.to_owned();
        self.read(move |connection| channel(connection, &name)).await
    }

    /// Remembers a channel's ID.
    pub async fn remember_channel(&self, name: &str, channel_id: &str) -> Result<(), StoreError> {
        let (name, channel_id) = (name.to_owned(), channel_id.to_owned());
        self.write(move |tx| remember(tx, &name, &channel_id)).await
    }

    /// Parks a channel until a person has acted: everything for it becomes `held`. Returns whether it was not parked for
    /// this reason before.
    pub async fn park_channel(
        &self,
        name: &str,
        reason: &str,
        now: Stamp,
        retry_at: Stamp,
    ) -> Result<bool, StoreError> {
        let (name, reason) = (name.to_owned(), reason.to_owned());
        self.write(move |tx| park(tx, &name, &reason, now, retry_at)).await
    }

    /// Ends a channel's parking: everything `held` for it is due at once. Returns how many alerts that are.
    pub async fn unpark_channel(&self, name: &str) -> Result<usize, StoreError> {
        let name = name.to_owned();
        self.write(move |tx| unpark(tx, &name)).await
    }

    /// The waits that Slack asked for and that are not over at `now`.
    pub async fn pauses(&self, now: Stamp) -> Result<Vec<Pause>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached("SELECT method, until_at FROM pauses WHERE until_at > ?1")?;
            let rows = statement.query_map([now.as_millis()], |row| {
                Ok(Pause { method: row.get("method")?, until: stamp(row, "until_at")? })
            })?;
            rows.collect()
        })
        .await
    }
}

pub(super) fn remember(tx: &Transaction<'_>, name: &str, channel_id: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO channels (name, channel_id) VALUES (?1, ?2)
               ON CONFLICT (name) DO UPDATE SET channel_id = excluded.channel_id";
    tx.execute(sql, params![name, channel_id]).map(drop)
}

pub(super) fn channel(connection: &Connection, name: &str) -> rusqlite::Result<ChannelRecord> {
    let sql = "SELECT channel_id, parked_at, parked_reason, retry_at FROM channels WHERE name = ?1";
    let found = connection.prepare_cached(sql)?.query_row([name], |row| {
        Ok(ChannelRecord {
            channel_id: row.get("channel_id")?,
            parked_at: maybe_stamp(row, "parked_at")?,
            parked_reason: row.get("parked_reason")?,
            retry_at: maybe_stamp(row, "retry_at")?,
        })
    });
    Ok(found.optional()?.unwrap_or_default())
}

/// Why a channel is parked, if it is.
pub(super) fn parked_reason(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT parked_reason FROM channels WHERE name = ?1 AND parked_at IS NOT NULL";
    Ok(connection.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?.flatten())
}

pub(super) fn park(
    tx: &Transaction<'_>,
    name: &str,
    reason: &str,
    now: Stamp,
    retry_at: Stamp,
) -> rusqlite::Result<bool> {
    let is_news = parked_reason(tx, name)?.as_deref() != Some(reason);
    let sql = "INSERT INTO channels (name, parked_at, parked_reason, retry_at) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (name) DO UPDATE SET parked_at = coalesce(parked_at, excluded.parked_at),
                   parked_reason = excluded.parked_reason, retry_at = excluded.retry_at";
    tx.execute(sql, params![name, now.as_millis(), reason, retry_at.as_millis()])?;
    tx.prepare_cached(&park_deliveries())?.execute(params![name, reason])?;
    tx.prepare_cached(&park_alerts())?.execute(params![name, reason])?;
    Ok(is_news)
}

pub(super) fn unpark(tx: &Transaction<'_>, name: &str) -> rusqlite::Result<usize> {
    let sql = "UPDATE channels SET parked_at = NULL, parked_reason = NULL, retry_at = NULL
               WHERE name = ?1 AND parked_at IS NOT NULL";
    if tx.prepare_cached(sql)?.execute([name])? == 0 {
        // Only a parked channel holds anything.
        return Ok(0);
    }
    tx.prepare_cached(&unpark_deliveries())?.execute([name])?;
    tx.prepare_cached(UNPARK_ALERTS)?.execute([name])
}

/// What is held for this reason already is left alone: parking again every minute costs nothing.
const IS_NEWS: &str = "(state = 'pending' OR (state = 'held' AND reason IS NOT ?2))";

pub(super) fn park_deliveries() -> String {
    format!("UPDATE deliveries SET state = 'held', reason = ?2 WHERE channel = ?1 AND {OPEN} AND {IS_NEWS}")
}

pub(super) fn park_alerts() -> String {
    // What waits by its rule is not held up by its lane, and knows when it is over.
    format!("UPDATE alerts SET state = 'held', reason = ?2 WHERE channel = ?1 AND {IS_NEWS} AND wait_until IS NULL")
}

pub(super) fn unpark_deliveries() -> String {
    format!(
        "UPDATE deliveries SET state = 'pending', reason = NULL, due_at = 0
         WHERE channel = ?1 AND {OPEN} AND state = 'held'"
    )
}

pub(super) const UNPARK_ALERTS: &str =
    "UPDATE alerts SET state = 'pending', reason = NULL WHERE channel = ?1 AND state = 'held'";

pub(super) fn pause(tx: &Transaction<'_>, method: &str, until: Stamp) -> rusqlite::Result<()> {
    let sql = "INSERT INTO pauses (method, until_at) VALUES (?1, ?2)
               ON CONFLICT (method) DO UPDATE SET until_at = max(until_at, excluded.until_at)";
    tx.execute(sql, params![method, until.as_millis()]).map(drop)
}
