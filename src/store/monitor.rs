//! The one row about the monitor itself: whose database this is, and how far it has read.

use rusqlite::{Connection, params};

use super::rows::maybe_stamp;
use super::{Store, StoreError};
use crate::domain::Stamp;

/// The `monitor` row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorRecord {
    /// Random, this database's own; part of every message's key.
    pub instance: String,
    /// The ClearML API address it belongs to.
    pub server: Option<String>,
    /// Nothing stamped before this is asked for.
    pub watch_from: Option<Stamp>,
    /// Everything stamped up to here is recorded; `None` until watching has begun.
    pub watermark: Option<Stamp>,
    /// Hidden tasks are watched too, from this stamp on; `None`: they are not.
    pub hidden_from: Option<Stamp>,
    /// When the last good poll ended.
    pub last_poll_at: Option<Stamp>,
    /// When the last start message was handed to delivery.
    pub announced_at: Option<Stamp>,
    /// The task that stands for this monitor in ClearML.
    pub service_task: Option<String>,
    /// Alerts of outcomes stamped before this may have been removed; `None`: none ever was.
    pub kept_from: Option<Stamp>,
}

impl Store {
    /// Makes `server` the owner of a fresh database; refuses one that belongs to another server.
    pub async fn claim(&self, server: &str) -> Result<MonitorRecord, StoreError> {
        let found = self.read(record).await?;
        if found.server.is_none() {
            let owner = server.to_owned();
            self.write(move |tx| tx.execute("UPDATE monitor SET server = ?1 WHERE server IS NULL", [owner])).await?;
        }
        let found = if found.server.is_none() { self.read(record).await? } else { found };
        match found.server {
            Some(recorded) if recorded != server => {
                Err(StoreError::OtherServer { path: self.path().to_owned(), recorded, wanted: server.to_owned() })
            }
            _ => Ok(found),
        }
    }

    /// The `monitor` row.
    pub async fn monitor(&self) -> Result<MonitorRecord, StoreError> {
        self.read(record).await
    }

    /// Notes which task stands for this monitor in ClearML.
    pub async fn note_service_task(&self, task: &str) -> Result<(), StoreError> {
        let task = task.to_owned();
        self.write(move |tx| tx.execute("UPDATE monitor SET service_task = ?1", [task])).await.map(drop)
    }

    /// From now on hidden tasks are watched too, or not any more. What was stamped before `from` is not decided.
    pub async fn watch_hidden(&self, from: Option<Stamp>) -> Result<(), StoreError> {
        let from = from.map(Stamp::as_millis);
        self.write(move |tx| tx.execute("UPDATE monitor SET hidden_from = ?1", [from])).await.map(drop)
    }

    /// Alerts of outcomes stamped before this may have been removed; `None`: none ever was.
    pub fn kept_from_now(&self) -> Result<Option<Stamp>, StoreError> {
        self.read_now(kept_from)
    }

    /// Notes that a poll went through.
    pub async fn note_poll(&self, now: Stamp) -> Result<(), StoreError> {
        self.write(move |tx| tx.execute("UPDATE monitor SET last_poll_at = ?1", [now.as_millis()])).await.map(drop)
    }
}

pub(super) fn record(connection: &Connection) -> rusqlite::Result<MonitorRecord> {
    let sql = "SELECT instance, server, watch_from, watermark, hidden_from, last_poll_at, announced_at,
                   service_task, kept_from FROM monitor";
    connection.query_row(sql, [], |row| {
        Ok(MonitorRecord {
            instance: row.get("instance")?,
            server: row.get("server")?,
            watch_from: maybe_stamp(row, "watch_from")?,
            watermark: maybe_stamp(row, "watermark")?,
            hidden_from: maybe_stamp(row, "hidden_from")?,
            last_poll_at: maybe_stamp(row, "last_poll_at")?,
            announced_at: maybe_stamp(row, "announced_at")?,
            service_task: row.get("service_task")?,
            kept_from: maybe_stamp(row, "kept_from")?,
        })
    })
}

/// Hidden tasks are decided from this stamp on; `None`: nobody asked for them.
pub(super) fn hidden_from(connection: &Connection) -> rusqlite::Result<Option<Stamp>> {
    connection.prepare_cached("SELECT hidden_from FROM monitor")?.query_row([], |row| maybe_stamp(row, "hidden_from"))
}

/// Whether [`advance`] would move the watermark.
pub(super) fn would_advance(connection: &Connection, to: Option<Stamp>) -> rusqlite::Result<bool> {
    let Some(to) = to else { return Ok(false) };
    let sql = "SELECT coalesce(watermark < ?1, TRUE) FROM monitor";
    connection.prepare_cached(sql)?.query_row([to.as_millis()], |row| row.get(0))
}

/// Alerts of outcomes stamped before this may have been removed; `None`: none ever was.
pub(super) fn kept_from(connection: &Connection) -> rusqlite::Result<Option<Stamp>> {
    connection.prepare_cached("SELECT kept_from FROM monitor")?.query_row([], |row| maybe_stamp(row, "kept_from"))
}

/// Moves the watermark to `to`, never back.
pub(super) fn advance(connection: &Connection, to: Stamp) -> rusqlite::Result<()> {
    let sql = "UPDATE monitor SET watermark = max(coalesce(watermark, ?1), ?1)";
    connection.prepare_cached(sql)?.execute([to.as_millis()]).map(drop)
}

/// Begins to watch: nothing stamped before `from` is asked for.
pub(super) fn begin(connection: &Connection, from: Stamp, watermark: Stamp) -> rusqlite::Result<()> {
    let sql = "UPDATE monitor SET watch_from = ?1, watermark = ?2 WHERE watermark IS NULL";
    connection.execute(sql, params![from.as_millis(), watermark.as_millis()]).map(drop)
}

pub(super) fn note_announced(connection: &Connection, now: Stamp) -> rusqlite::Result<()> {
    connection.execute("UPDATE monitor SET announced_at = ?1", [now.as_millis()]).map(drop)
}

pub(super) fn generation(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT generation FROM monitor", [], |row| row.get(0))
}

pub(super) fn next_generation(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "UPDATE monitor SET generation = generation + 1 RETURNING generation";
    connection.prepare_cached(sql)?.query_row([], |row| row.get(0))
}
