//! Silences: adding, listing and ending them, and what is to be told when one has ended.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use super::error::Stop;
use super::rows::{maybe_stamp, outcome, stamp, unreadable};
use super::{NewDelivery, Store, StoreError, outbox};
use crate::domain::silence::SilenceTerms;
use crate::domain::{Coverage, Outcome, Silence, Stamp};

/// A silence that a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSilence {
    /// What it covers; its patterns have been tried.
    pub coverage: Coverage,
    /// Who asks.
    pub author: String,
    /// Why.
    pub reason: String,
    /// From here.
    pub starts_at: Stamp,
    /// Up to here.
    pub ends_at: Stamp,
    /// Nothing is posted when it ends.
    pub quiet_end: bool,
}

/// A silence as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SilenceRecord {
    /// Its number.
    pub id: i64,
    /// What it covers.
    pub covers: Coverage,
    /// Who asked for it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// From here.
    pub starts_at: Stamp,
    /// Up to here.
    pub ends_at: Stamp,
    /// Who ended it early.
    pub ended_by: Option<String>,
    /// Nothing is posted when it ends.
    pub quiet_end: bool,
    /// When a poll after its end closed it.
    pub closed_at: Option<Stamp>,
    /// How many alerts it kept quiet.
    pub silenced: u32,
}

/// What became of the wish to end a silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It ends now.
    Ended,
    /// It was over already.
    WasOver,
    /// There is no such number.
    Unknown,
}

/// A silence that a poll closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedSilence {
    /// Its number.
    pub id: i64,
    /// How many alerts it kept quiet.
    pub silenced: u32,
}

/// What is to be told in a channel about a silence that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilenceSummary {
    /// The silence.
    pub silence: SilenceRecord,
    /// How many alerts to this channel it kept quiet, by outcome.
    pub counts: Vec<(Outcome, u32)>,
}

const COLUMNS: &str = "id, covers, author, reason, starts_at, ends_at, ended_by, quiet_end, closed_at,
    (SELECT count(*) FROM alerts WHERE silence_id = silences.id) AS silenced";

impl Store {
    /// Adds a silence and returns its number.
    pub async fn add_silence(&self, new: NewSilence, now: Stamp) -> Result<i64, StoreError> {
        self.write(move |tx| {
            let covers = serde_json::to_string(&new.coverage).map_err(|error| unreadable(error.to_string()))?;
            let sql = "INSERT INTO silences (covers, author, reason, starts_at, ends_at, quiet_end, created_at)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id";
            let (starts, ends) = (new.starts_at.as_millis(), new.ends_at.as_millis());
            let parameters = params![covers, new.author, new.reason, starts, ends, new.quiet_end, now.as_millis()];
            tx.query_row(sql, parameters, |row| row.get(0))
        })
        .await
    }

    /// Silences, newest first; only those that are not over at `now` unless `all` is wanted.
    pub async fn silences(&self, all: bool, now: Stamp) -> Result<Vec<SilenceRecord>, StoreError> {
        self.read(move |connection| {
            let sql = format!("SELECT {COLUMNS} FROM silences WHERE ?1 OR ends_at > ?2 ORDER BY id DESC");
            connection.prepare(&sql)?.query_map(params![all, now.as_millis()], record)?.collect()
        })
        .await
    }

    /// The silences that polls heed.
    pub async fn silences_in_force(&self) -> Result<Vec<Silence>, StoreError> {
        self.read(open).await
    }

    /// Ends a silence now.
    pub async fn end_silence(&self, id: i64, by: Option<String>, now: Stamp) -> Result<Ending, StoreError> {
        self.write(move |tx| {
            let sql = "SELECT ends_at > ?2 FROM silences WHERE id = ?1";
            let runs: Option<bool> = tx.query_row(sql, params![id, now.as_millis()], |row| row.get(0)).optional()?;
            let Some(true) = runs else {
                return Ok(runs.map_or(Ending::Unknown, |_| Ending::WasOver));
            };
            let sql = "UPDATE silences SET ends_at = max(starts_at, ?2), ended_by = ?3 WHERE id = ?1";
            tx.execute(sql, params![id, now.as_millis(), by])?;
            Ok(Ending::Ended)
        })
        .await
    }

    /// Closes the silences that are over at `now`, and notes for each channel that they kept quiet that it is to be told.
    /// Writes nothing where there is nothing to close.
    pub async fn close_silences(&self, now: Stamp) -> Result<Vec<ClosedSilence>, StoreError> {
        let over = "SELECT id FROM silences WHERE closed_at IS NULL AND ends_at <= ?1 ORDER BY id";
        let ids: Vec<i64> = self
            .read(move |connection| {
                connection.prepare_cached(over)?.query_map([now.as_millis()], |row| row.get(0))?.collect()
            })
            .await?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.write(move |tx| ids.into_iter().map(|id| close(tx, id, now)).collect()).await
    }

    /// What is to be told in `channel` about a silence that has ended, if anything.
    pub async fn silence_to_tell(&self, channel: &str) -> Result<Option<SilenceSummary>, StoreError> {
        let channel = channel.to_owned();
        self.read(move |connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM silences WHERE id =
                     (SELECT silence_id FROM silence_summaries WHERE channel = ?1 AND delivery_id IS NULL)"
            );
            let Some(silence) = connection.prepare_cached(&sql)?.query_row([&channel], record).optional()? else {
                return Ok(None);
            };
            let sql = "SELECT outcome, count(*) FROM alerts WHERE silence_id = ?1 AND channel = ?2
                       GROUP BY outcome ORDER BY count(*) DESC, outcome";
            let counted = |row: &Row<'_>| Ok((outcome(row, "outcome")?, row.get(1)?));
            let parameters = params![silence.id, channel];
            let counts = connection.prepare(sql)?.query_map(parameters, counted)?.collect::<Result<_, _>>()?;
            Ok(Some(SilenceSummary { silence, counts }))
        })
        .await
    }

    /// Puts the message that tells a silence's end into the outbox.
    pub async fn tell_silence(&self, silence: i64, message: NewDelivery, now: Stamp) -> Result<(), StoreError> {
        self.change(move |tx| {
            let delivery = outbox::insert(tx, &message, now)?;
            let sql = "UPDATE silence_summaries SET delivery_id = ?3
                       WHERE silence_id = ?1 AND channel = ?2 AND delivery_id IS NULL";
            if tx.execute(sql, params![silence, message.channel, delivery])? == 0 {
                let what = format!("the end of silence {silence}, to be told in {},", message.channel);
                return Err(Stop::from(StoreError::OutOfStep { what }));
            }
            Ok(())
        })
        .await
    }
}

/// The silences that are not closed.
pub(super) fn open(connection: &Connection) -> rusqlite::Result<Vec<Silence>> {
    let sql = "SELECT id, covers, author, reason, starts_at, ends_at FROM silences WHERE closed_at IS NULL ORDER BY id";
    connection.prepare_cached(sql)?.query_map([], silence)?.collect()
}

fn close(tx: &Transaction<'_>, id: i64, now: Stamp) -> rusqlite::Result<ClosedSilence> {
    tx.execute("UPDATE silences SET closed_at = ?2 WHERE id = ?1", params![id, now.as_millis()])?;
    let sql = "INSERT INTO silence_summaries (silence_id, channel)
               SELECT DISTINCT alerts.silence_id, alerts.channel FROM alerts JOIN silences ON silences.id = silence_id
               WHERE silence_id = ?1 AND quiet_end = 0";
    tx.execute(sql, [id])?;
    let sql = "SELECT count(*) FROM alerts WHERE silence_id = ?1";
    Ok(ClosedSilence { id, silenced: tx.query_row(sql, [id], |row| row.get(0))? })
}

fn silence(row: &Row<'_>) -> rusqlite::Result<Silence> {
    let terms = SilenceTerms {
        id: row.get("id")?,
        author: row.get("author")?,
        reason: row.get("reason")?,
        starts_at: stamp(row, "starts_at")?,
        ends_at: stamp(row, "ends_at")?,
    };
    Silence::new(terms, coverage(row)?).map_err(|error| unreadable(error.to_string()))
}

fn record(row: &Row<'_>) -> rusqlite::Result<SilenceRecord> {
    Ok(SilenceRecord {
        id: row.get("id")?,
        covers: coverage(row)?,
        author: row.get("author")?,
        reason: row.get("reason")?,
        starts_at: stamp(row, "starts_at")?,
        ends_at: stamp(row, "ends_at")?,
        ended_by: row.get("ended_by")?,
        quiet_end: row.get("quiet_end")?,
        closed_at: maybe_stamp(row, "closed_at")?,
        silenced: row.get("silenced")?,
    })
}

fn coverage(row: &Row<'_>) -> rusqlite::Result<Coverage> {
    let json: String = row.get("covers")?;
    serde_json::from_str(&json).map_err(|error| unreadable(format!("column covers: {error}")))
}
