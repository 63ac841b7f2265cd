//! The outbox: what is to be composed, what is to be sent, what is to be looked for.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Transaction, named_params, params};

use super::deliveries::{DELIVERY_COLUMNS, PENDING_COLUMNS, delivery, pending_alert};
use super::error::Stop;
use super::rows::{count, maybe_stamp};
use super::{
    ChannelRecord, Delivery, DeliveryKind, DigestSeries, Due, NewDelivery, Store, StoreError, Thread, channels,
    monitor, threads,
};
use crate::domain::delivery::{DeliveryState, Form};
use crate::domain::{AlertState, Lane, PendingAlert, Stamp};

/// The condition of the partial index `deliveries_open`. SQLite uses that index only where it finds these very words, so
/// a query about one of these states says them too.
pub(super) const OPEN: &str = "state IN ('pending', 'sending', 'unknown', 'held')";
/// The condition of the partial index `alerts_to_compose`, likewise: no message tells it, and its rule makes it wait no more.
pub(super) const TO_COMPOSE: &str = "state IN ('pending', 'held') AND delivery_id IS NULL AND wait_until IS NULL";

/// How a lane of the outbox stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneNow {
    /// What is remembered of it.
    pub record: ChannelRecord,
    /// Messages whose answer was lost and that are to be looked for.
    pub lost: Vec<Delivery>,
    /// The next one to be sent.
    pub next: Option<Delivery>,
}

impl Store {
    /// Takes up what the last run left: a message that was under way may have arrived and becomes `unknown`, and no stored
    /// retry waits beyond `latest_retry`, no pause beyond `latest_pause`, whatever the clock showed when they were stored.
    /// Returns how many messages became unknown.
    pub async fn recover_interrupted(&self, latest_retry: Stamp, latest_pause: Stamp) -> Result<usize, StoreError> {
        self.write(move |tx| {
            let sql = format!("UPDATE deliveries SET due_at = ?1 WHERE {OPEN} AND due_at > ?1");
            tx.execute(&sql, [latest_retry.as_millis()])?;
            tx.execute("UPDATE pauses SET until_at = min(until_at, ?1)", [latest_pause.as_millis()])?;
            // A restart often is how a person has acted: parked channels are tried at once.
            tx.execute("UPDATE channels SET retry_at = 0 WHERE parked_at IS NOT NULL", [])?;
            let reason = "the program ended before Slack's answer was recorded";
            let sql = "UPDATE alerts SET state = 'unknown', reason = ?1 WHERE state = 'sending'";
            tx.execute(sql, [reason])?;
            let sql = format!(
                "UPDATE deliveries SET state = 'unknown', reason = ?1, due_at = 0, looks = 0
                 WHERE {OPEN} AND state = 'sending'"
            );
            tx.execute(&sql, [reason])
        })
        .await
    }

    /// Channels with something to deliver.
    pub async fn channels_with_work(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            connection.prepare_cached(&channels_with_work())?.query_map([], |row| row.get(0))?.collect()
        })
        .await
    }

    /// Alerts for `channel` that no message tells yet, oldest outcome first.
    pub async fn alerts_to_compose(&self, channel: &str, limit: usize) -> Result<Vec<PendingAlert>, StoreError> {
        let channel = channel.to_owned();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&alerts_to_compose())?;
            statement.query_map(params![channel, count(limit)], pending_alert)?.collect()
        })
        .await
    }

    /// Those of them that `rules` have to tell, and with `only_kept` of these what quiet hours kept.
    pub async fn alerts_to_digest(
        &self,
        channel: &str,
        rules: &[String],
        only_kept: bool,
        limit: usize,
    ) -> Result<Vec<PendingAlert>, StoreError> {
        let (channel, rules) = (channel.to_owned(), serde_json::Value::from(rules).to_string());
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&alerts_to_digest())?;
            statement.query_map(params![channel, rules, only_kept, count(limit)], pending_alert)?.collect()
        })
        .await
    }

    /// How many alerts for `channel` no message tells yet and none waits by its rule, by rule.
    pub async fn due_by_rule(&self, channel: &str) -> Result<Vec<Due>, StoreError> {
        let channel = channel.to_owned();
        self.read(move |connection| {
            let rows = |row: &rusqlite::Row<'_>| {
                Ok(Due { rule: row.get("rule")?, fresh: row.get("fresh")?, kept: row.get("kept")? })
            };
            connection.prepare_cached(&due_by_rule())?.query_map([channel], rows)?.collect()
        })
        .await
    }

    /// Puts composed messages into the outbox, due at once, and ties their alerts to them. An alert that another message
    /// tells already, or that does not wait any more, is refused, and with it the whole call.
    pub async fn enqueue(&self, deliveries: Vec<NewDelivery>, now: Stamp) -> Result<Vec<i64>, StoreError> {
        self.change(move |tx| deliveries.iter().map(|delivery| insert(tx, delivery, now)).collect()).await
    }

    /// Puts the monitor's own start message into the outbox and remembers when.
    pub async fn announce(&self, notice: NewDelivery, now: Stamp) -> Result<i64, StoreError> {
        self.change(move |tx| {
            monitor::note_announced(tx, now)?;
            insert(tx, &notice, now)
        })
        .await
    }

    /// The oldest message for `channel` that is neither sent nor dead, whatever its time; edits that tell no alert come
    /// last. With `skip_unknown` those whose
    /// answer was lost do not hold the others up. Only a `pending` or `held` one may be sent.
    pub async fn next_delivery(&self, channel: &str, skip_unknown: bool) -> Result<Option<Delivery>, StoreError> {
        let channel = channel.to_owned();
        self.read(move |connection| read_next(connection, &channel, skip_unknown)).await
    }

    /// Messages for `channel` whose answer was lost and that are to be looked for by `now`. Those that stand at `sending`
    /// are among them: the answer came, and could not be recorded.
    pub async fn lost_answers(&self, channel: &str, now: Stamp) -> Result<Vec<Delivery>, StoreError> {
        let channel = channel.to_owned();
        self.read(move |connection| read_lost(connection, &channel, now)).await
    }

    /// What [`Store::channel`], [`Store::lost_answers`] and [`Store::next_delivery`] tell, asked for at once.
    pub async fn lane_now(&self, channel: &str, skip_unknown: bool, now: Stamp) -> Result<LaneNow, StoreError> {
        let channel = channel.to_owned();
        self.read(move |connection| {
            Ok(LaneNow {
                record: channels::channel(connection, &channel)?,
                lost: read_lost(connection, &channel, now)?,
                next: read_next(connection, &channel, skip_unknown)?,
            })
        })
        .await
    }

    /// When the next message for `channel` whose answer was lost is to be looked for.
    pub async fn next_look(&self, channel: &str) -> Result<Option<Stamp>, StoreError> {
        let channel = channel.to_owned();
        self.read(move |connection| {
            connection.prepare_cached(&next_look())?.query_row([channel], |row| maybe_stamp(row, "due"))
        })
        .await
    }

    /// The `ts` of the messages that Slack confirmed a little before this delivery, and after it.
    pub async fn shown_around(&self, delivery: i64) -> Result<HashSet<String>, StoreError> {
        self.read(move |connection| {
            let sql = "SELECT message_ts FROM deliveries WHERE id > ?1 - 1000 AND message_ts IS NOT NULL";
            connection.prepare_cached(sql)?.query_map([delivery], |row| row.get(0))?.collect()
        })
        .await
    }

    /// The newest digest of this series of `channel` that may still be edited: shown after `shown_after`, and it or its
    /// newest edit after `active_after`.
    pub async fn open_digest(
        &self,
        channel: &str,
        series: &DigestSeries,
        shown_after: Stamp,
        active_after: Stamp,
    ) -> Result<Option<Delivery>, StoreError> {
        let (channel, series) = (channel.to_owned(), series.clone());
        self.read(move |connection| {
            let parameters =
                params![channel, shown_after.as_millis(), active_after.as_millis(), series.rule, series.quiet];
            connection.prepare_cached(&open_digest())?.query_row(parameters, delivery).optional()
        })
        .await
    }

    /// The alerts that a digest and its edits tell.
    pub async fn alerts_of_digest(&self, digest: i64) -> Result<Vec<PendingAlert>, StoreError> {
        self.read(move |connection| {
            connection.prepare_cached(&alerts_of_digest())?.query_map([digest], pending_alert)?.collect()
        })
        .await
    }
}

/// From one channel to the next by the two indices of what waits: costs as many steps as there are channels.
pub(super) fn channels_with_work() -> String {
    let walk = |name: &str, table: &str, index: &str, waits: &str| {
        let next = |after: &str| format!("SELECT min(channel) FROM {table} INDEXED BY {index} WHERE {waits} {after}");
        let (first, following) = (next(""), next(&format!("AND channel > {name}.channel")));
        format!(
            "{name}(channel) AS ({first} UNION ALL SELECT ({following}) FROM {name} WHERE {name}.channel IS NOT NULL)"
        )
    };
    format!(
        "WITH RECURSIVE {}, {} SELECT channel FROM composing WHERE channel IS NOT NULL
         UNION SELECT channel FROM outgoing WHERE channel IS NOT NULL
         UNION SELECT channel FROM silence_summaries WHERE delivery_id IS NULL
         UNION SELECT channel FROM threads INDEXED BY threads_to_edit WHERE shown <> wanted",
        walk("composing", "alerts", "alerts_to_compose", TO_COMPOSE),
        walk("outgoing", "deliveries", "deliveries_open", OPEN),
    )
}

pub(super) fn alerts_to_compose() -> String {
    format!(
        "SELECT {PENDING_COLUMNS} FROM alerts WHERE channel = ?1 AND {TO_COMPOSE} ORDER BY status_changed, id LIMIT ?2"
    )
}

pub(super) fn alerts_to_digest() -> String {
    format!(
        "SELECT {PENDING_COLUMNS} FROM alerts WHERE channel = ?1 AND {TO_COMPOSE}
             AND rule IN (SELECT value FROM json_each(?2)) AND kept_quiet >= ?3 ORDER BY status_changed, id LIMIT ?4"
    )
}

pub(super) fn due_by_rule() -> String {
    format!(
        "SELECT rule, sum(kept_quiet = 0) AS fresh, sum(kept_quiet) AS kept FROM alerts
         WHERE channel = ?1 AND {TO_COMPOSE} GROUP BY rule"
    )
}

fn read_next(connection: &Connection, channel: &str, skip_unknown: bool) -> rusqlite::Result<Option<Delivery>> {
    let mut statement = connection.prepare_cached(&next_delivery())?;
    statement.query_row(params![channel, skip_unknown], delivery).optional()
}

fn read_lost(connection: &Connection, channel: &str, now: Stamp) -> rusqlite::Result<Vec<Delivery>> {
    let mut statement = connection.prepare_cached(&lost_answers())?;
    statement.query_map(params![channel, now.as_millis()], delivery)?.collect()
}

pub(super) fn next_delivery() -> String {
    format!(
        "SELECT {DELIVERY_COLUMNS} FROM deliveries
         WHERE channel = ?1 AND {OPEN} AND NOT (?2 AND state = 'unknown') ORDER BY kind = 'edit', id LIMIT 1"
    )
}

pub(super) fn lost_answers() -> String {
    format!(
        "SELECT {DELIVERY_COLUMNS} FROM deliveries
         WHERE channel = ?1 AND {OPEN} AND (state = 'sending' OR (state = 'unknown' AND due_at <= ?2))
         ORDER BY id LIMIT 100"
    )
}

pub(super) fn next_look() -> String {
    format!("SELECT min(due_at) AS due FROM deliveries WHERE channel = ?1 AND {OPEN} AND state = 'unknown'")
}

pub(super) fn open_digest() -> String {
    format!(
        "SELECT {DELIVERY_COLUMNS} FROM deliveries AS root
         WHERE channel = ?1 AND kind = 'digest' AND method = 'post' AND state = 'sent' AND sent_at >= ?2
             AND digest_rule IS ?4 AND digest_quiet = ?5
             AND NOT EXISTS (SELECT 1 FROM deliveries AS edit WHERE edit.edits = root.id AND edit.state = 'dead')
             AND max(sent_at, (SELECT coalesce(max(edit.sent_at), 0) FROM deliveries AS edit
                               WHERE edit.edits = root.id)) >= ?3
         ORDER BY sent_at DESC, id DESC LIMIT 1"
    )
}

pub(super) fn alerts_of_digest() -> String {
    format!(
        "SELECT {PENDING_COLUMNS} FROM alerts WHERE delivery_id IN
             (SELECT ?1 UNION ALL SELECT id FROM deliveries WHERE edits = ?1) ORDER BY status_changed, id"
    )
}

pub(super) fn insert(tx: &Transaction<'_>, new: &NewDelivery, now: Stamp) -> Result<i64, Stop> {
    let (state, reason) = resting(tx, &new.channel, DeliveryState::Pending, None)?;
    let follows = if let Some(Thread::Follows(first)) = new.thread { Some(first) } else { None };
    let sql =
        "INSERT INTO deliveries (kind, method, edits, follows, channel, channel_id, key, payload, form, state, reason,
                   due_at, digest_rule, digest_quiet, created_at)
               VALUES (:kind, :method, :edits, :follows, :channel, :channel_id, :key, :payload, :form, :state, :reason,
                   0, :digest_rule, :digest_quiet, :now) RETURNING id";
    let id: i64 = tx.prepare_cached(sql)?.query_row(
        named_params! {
            ":kind": new.kind.as_str(), ":method": new.method.as_str(), ":edits": new.edits,
            ":follows": follows, ":channel": new.channel,
            ":channel_id": new.channel_id, ":key": new.key, ":payload": new.payload,
            ":form": Form::first(Lane::of(&new.channel)).as_str(), ":state": state.as_str(),
            ":reason": reason, ":digest_rule": new.series.rule, ":digest_quiet": new.series.quiet,
            ":now": now.as_millis(),
        },
        |row| row.get(0),
    )?;
    for alert in &new.alerts {
        tie(tx, *alert, id, new)?;
    }
    for (alert, why) in &new.whys {
        let sql = "UPDATE alerts SET cause = ?2, cause_detail = ?3 WHERE id = ?1";
        tx.prepare_cached(sql)?.execute(params![alert, why.cause.as_str(), why.detail])?;
    }
    if let Some(Thread::Begins { rule, task_id, told }) = &new.thread {
        threads::begin(tx, id, &new.channel, (rule, task_id, told))?;
    }
    set_alerts(tx, id, state, reason.as_deref())?;
    Ok(id)
}

pub(super) fn tie_one() -> String {
    format!("UPDATE alerts SET delivery_id = ?2, digest = ?3 WHERE id = ?1 AND channel = ?4 AND {TO_COMPOSE}")
}

/// Ties an alert to the message that is to tell it; one that is told already would be shown twice.
fn tie(tx: &Transaction<'_>, alert: i64, delivery: i64, new: &NewDelivery) -> Result<(), Stop> {
    let digest = new.kind == DeliveryKind::Digest;
    let tied = tx.prepare_cached(&tie_one())?.execute(params![alert, delivery, digest, new.channel])?;
    if tied == 0 {
        return Err(StoreError::OutOfStep { what: format!("alert {alert}, to be told in {},", new.channel) }.into());
    }
    let sql = "INSERT INTO tellings (alert_id, delivery_id) VALUES (?1, ?2)";
    tx.prepare_cached(sql)?.execute([alert, delivery])?;
    Ok(())
}

/// Where a message rests that is to be sent: in a parked channel it is held, for the channel's reason.
pub(super) fn resting(
    connection: &Connection,
    channel: &str,
    state: DeliveryState,
    reason: Option<&str>,
) -> rusqlite::Result<(DeliveryState, Option<String>)> {
    if state == DeliveryState::Pending
        && let Some(parked) = channels::parked_reason(connection, channel)?
    {
        return Ok((DeliveryState::Held, Some(parked)));
    }
    Ok((state, reason.map(str::to_owned)))
}

pub(super) const SET_ALERTS: &str = "UPDATE alerts SET state = ?2, reason = ?3 WHERE delivery_id = ?1";

/// The alerts of a delivery stand where it stands.
pub(super) fn set_alerts(
    tx: &Transaction<'_>,
    delivery: i64,
    state: DeliveryState,
    reason: Option<&str>,
) -> rusqlite::Result<usize> {
    tx.prepare_cached(SET_ALERTS)?.execute(params![delivery, state.as_str(), reason])
}

/// Frees the alerts of a delivery that is given up unseen: they are composed anew.
pub(super) fn free_alerts(tx: &Transaction<'_>, delivery: i64) -> rusqlite::Result<usize> {
    let channel: String = tx.query_row("SELECT channel FROM deliveries WHERE id = ?1", [delivery], |row| row.get(0))?;
    let (state, reason) = resting_alert(tx, &channel)?;
    let sql = "UPDATE alerts SET delivery_id = NULL, digest = 0, state = ?2, reason = ?3 WHERE delivery_id = ?1";
    tx.prepare_cached(sql)?.execute(params![delivery, state.as_str(), reason])
}

/// Gives a delivery up.
pub(super) fn bury(tx: &Transaction<'_>, delivery: i64, reason: &str) -> rusqlite::Result<()> {
    threads::forget(tx, delivery)?;
    let sql = "UPDATE deliveries SET state = 'dead', reason = ?2, kept_at = NULL WHERE id = ?1";
    tx.prepare_cached(sql)?.execute(params![delivery, reason]).map(drop)
}

/// Where an alert rests that waits to be composed.
pub(super) fn resting_alert(connection: &Connection, channel: &str) -> rusqlite::Result<(AlertState, Option<String>)> {
    Ok(match channels::parked_reason(connection, channel)? {
        Some(reason) => (AlertState::Held, Some(reason)),
        None => (AlertState::Pending, None),
    })
}
