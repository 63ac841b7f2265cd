//! The outbox: messages with their exact payloads, and every attempt to send them.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, named_params, params};

use super::rows::{count, maybe_stamp, stamp, unreadable, word};
use super::{Store, StoreError, channels, monitor};
use crate::domain::delivery::{Answer, DeliveryState, Form, Reconciled, Step};
use crate::domain::message::as_new_message;
use crate::domain::{PendingAlert, Stamp, Task};

/// What a message tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryKind {
    /// One alert.
    Alert,
    /// Many alerts.
    Digest,
    /// Something about the monitor itself: its start.
    Notice,
}

impl DeliveryKind {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Digest => "digest",
            Self::Notice => "notice",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Alert, Self::Digest, Self::Notice].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// How a message gets into the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// A new message.
    Post,
    /// An edit of one that is there.
    Update,
}

impl Method {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Update => "update",
        }
    }

    /// Slack's method.
    pub const fn slack_method(self) -> &'static str {
        match self {
            Self::Post => "chat.postMessage",
            Self::Update => "chat.update",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Post, Self::Update].into_iter().find(|method| method.as_str() == word)
    }
}

/// A composed message, to be put into the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// What it tells.
    pub kind: DeliveryKind,
    /// How it gets into the channel.
    pub method: Method,
    /// For an edit: the delivery whose message it edits.
    pub edits: Option<i64>,
    /// The channel, as the user named it.
    pub channel: String,
    /// Slack's ID of the channel.
    pub channel_id: String,
    /// In the message's metadata.
    pub key: String,
    /// The request's body.
    pub payload: String,
    /// The alerts it tells.
    pub alerts: Vec<i64>,
}

/// A message in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its number.
    pub id: i64,
    /// What it tells.
    pub kind: DeliveryKind,
    /// How it gets into the channel.
    pub method: Method,
    /// For an edit: the delivery whose message it edits.
    pub edits: Option<i64>,
    /// The channel, as the user named it.
    pub channel: String,
    /// Slack's ID of the channel.
    pub channel_id: String,
    /// In the message's metadata.
    pub key: String,
    /// The request's body.
    pub payload: String,
    /// How much of the message the payload holds.
    pub form: Form,
    /// Where it stands.
    pub state: DeliveryState,
    /// Not tried before this.
    pub due_at: Stamp,
    /// How often it was tried.
    pub tries: u32,
    /// Tries in a row that Slack did not take.
    pub failures: u32,
    /// When it was first tried.
    pub first_try_at: Option<Stamp>,
    /// How often it was looked for, and absent, since its answer was lost.
    pub looks: u32,
    /// Slack's ID of the message.
    pub message_ts: Option<String>,
}

/// An attempt about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The delivery.
    pub delivery: i64,
    /// SHA-256 of the payload, in hexadecimal digits.
    pub payload_sha256: String,
    /// The payload's size in bytes.
    pub payload_bytes: usize,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptResult {
    /// The attempt's number.
    pub attempt: i64,
    /// What the answer meant.
    pub answer: Answer,
    /// The HTTP status, if there was one.
    pub http_status: Option<u16>,
    /// Slack's error, or what happened to the connection.
    pub error: Option<String>,
    /// What else Slack said.
    pub detail: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// What came of an attempt, and what becomes of its delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptOutcome {
    /// The delivery, as it was before the attempt.
    pub delivery: Delivery,
    /// What came of it.
    pub result: AttemptResult,
    /// What becomes of the delivery.
    pub step: Step,
    /// Why, for a person.
    pub reason: Option<String>,
    /// Replaces the stored payload where a plainer form is to be sent.
    pub payload: Option<String>,
}

/// An alert that cannot be delivered, or whose delivery waits for a person's word.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DeadLetter {
    /// The alert's number.
    pub id: i64,
    /// `dead`, or `unknown` where `--on-unknown hold` keeps it.
    pub state: String,
    /// The rule that spoke.
    pub rule: String,
    /// ClearML's task ID.
    pub task_id: String,
    /// The task's name.
    pub task_name: String,
    /// The channel.
    pub channel: String,
    /// Why.
    pub reason: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// When the alert was recorded.
    pub created_at: Stamp,
}

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

const DELIVERY_COLUMNS: &str = "id, kind, method, edits, channel, channel_id, key, payload, form, state, due_at, tries,
    failures, first_try_at, looks, message_ts";

impl Store {
    /// Takes up what the last run left: a message that was under way may have arrived and becomes `unknown`, and no stored
    /// retry waits beyond `latest_retry`, no pause beyond `latest_pause`, whatever the clock showed when they were stored.
    /// Returns how many messages became unknown.
    pub async fn recover_interrupted(&self, latest_retry: Stamp, latest_pause: Stamp) -> Result<usize, StoreError> {
        self.write(move |tx| {
            let open = "state IN ('pending', 'sending', 'unknown', 'held')";
            let sql = format!("UPDATE deliveries SET due_at = min(due_at, ?1) WHERE {open}");
            tx.execute(&sql, [latest_retry.as_millis()])?;
            tx.execute("UPDATE pauses SET until_at = min(until_at, ?1)", [latest_pause.as_millis()])?;
            // A restart often is how a person has acted: parked channels are tried at once.
            tx.execute("UPDATE channels SET retry_at = 0 WHERE parked_at IS NOT NULL", [])?;
            let reason = "the program ended before Slack's answer was recorded";
            let sql = "UPDATE alerts SET state = 'unknown', reason = ?1 WHERE state = 'sending'";
            tx.execute(sql, [reason])?;
            let sql =
                "UPDATE deliveries SET state = 'unknown', reason = ?1, due_at = 0, looks = 0 WHERE state = 'sending'";
            tx.execute(sql, [reason])
        })
        .await
    }

    /// Channels with something to deliver.
    pub async fn channels_with_work(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT DISTINCT channel FROM alerts WHERE state IN ('pending', 'held', 'unknown', 'sending')
                       UNION SELECT DISTINCT channel FROM deliveries WHERE state IN ('pending', 'sending', 'unknown', 'held')";
            connection.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect()
        })
        .await
    }

    /// Alerts for `channel` that no message tells yet, oldest outcome first.
    pub async fn alerts_to_compose(&self, channel: &str, limit: usize) -> Result<Vec<PendingAlert>, StoreError> {
        let channel = channel.to_owned();
        self.read(move |connection| {
            let sql = "SELECT id, rule, run, outcome, channel, snapshot, url FROM alerts
                       WHERE channel = ?1 AND state IN ('pending', 'held') AND delivery_id IS NULL
                       ORDER BY status_changed, id LIMIT ?2";
            connection.prepare_cached(sql)?.query_map(params![channel, count(limit)], pending_alert)?.collect()
        })
        .await
    }

    /// How many alerts for `channel` no message tells yet.
    pub async fn count_to_compose(&self, channel: &str) -> Result<u32, StoreError> {
        let channel = channel.to_owned();
        self.read(move |connection| {
            let sql = "SELECT count(*) FROM alerts
                       WHERE channel = ?1 AND state IN ('pending', 'held') AND delivery_id IS NULL";
            connection.prepare_cached(sql)?.query_row([channel], |row| row.get(0))
        })
        .await
    }

    /// Puts composed messages into the outbox, due at once, and ties their alerts to them.
    pub async fn enqueue(&self, deliveries: Vec<NewDelivery>, now: Stamp) -> Result<Vec<i64>, StoreError> {
        self.write(move |tx| deliveries.iter().map(|delivery| insert(tx, delivery, now)).collect()).await
    }

    /// Puts the monitor's own start message into the outbox and remembers when.
    pub async fn announce(&self, notice: NewDelivery, now: Stamp) -> Result<i64, StoreError> {
        self.write(move |tx| {
            monitor::note_announced(tx, now)?;
            insert(tx, &notice, now)
        })
        .await
    }

    /// The oldest message for `channel` that is neither sent nor dead, whatever its time. With `skip_unknown` those whose
    /// answer was lost do not hold the others up.
    pub async fn next_delivery(&self, channel: &str, skip_unknown: bool) -> Result<Option<Delivery>, StoreError> {
        let channel = channel.to_owned();
        self.read(move |connection| {
            let sql = format!(
                "SELECT {DELIVERY_COLUMNS} FROM deliveries
                 WHERE channel = ?1 AND state IN ('pending', 'sending', 'unknown', 'held') AND NOT (?2 AND state = 'unknown')
                 ORDER BY id LIMIT 1"
            );
            connection.prepare_cached(&sql)?.query_row(params![channel, skip_unknown], delivery).optional()
        })
        .await
    }

    /// Messages for `channel` whose answer was lost and that are to be looked for by `now`.
    pub async fn lost_answers(&self, channel: &str, now: Stamp) -> Result<Vec<Delivery>, StoreError> {
        let channel = channel.to_owned();
        self.read(move |connection| {
            let sql = format!(
                "SELECT {DELIVERY_COLUMNS} FROM deliveries
                 WHERE channel = ?1 AND state = 'unknown' AND due_at <= ?2 ORDER BY id LIMIT 100"
            );
            connection.prepare_cached(&sql)?.query_map(params![channel, now.as_millis()], delivery)?.collect()
        })
        .await
    }

    /// Records that an attempt is about to be made. `slack_now` is the time by Slack's clock: from there on the message is
    /// looked for if its answer is lost. Returns the attempt's number.
    pub async fn begin_attempt(&self, attempt: Attempt, now: Stamp, slack_now: Stamp) -> Result<i64, StoreError> {
        self.write(move |tx| {
            let sql =
                "UPDATE deliveries SET state = 'sending', reason = NULL, tries = tries + 1, failures = failures + 1,
                           looks = 0, first_try_at = coalesce(first_try_at, ?2) WHERE id = ?1";
            tx.prepare_cached(sql)?.execute(params![attempt.delivery, slack_now.as_millis()])?;
            set_alerts(tx, attempt.delivery, "sending", None)?;
            let sql = "INSERT INTO attempts (delivery_id, started_at, payload_sha256, payload_bytes)
                       VALUES (?1, ?2, ?3, ?4) RETURNING id";
            let bytes = count(attempt.payload_bytes);
            tx.prepare_cached(sql)?
                .query_row(params![attempt.delivery, now.as_millis(), attempt.payload_sha256, bytes], |row| row.get(0))
        })
        .await
    }

    /// Records what came of an attempt, and what becomes of its delivery.
    pub async fn finish_attempt(&self, outcome: AttemptOutcome, now: Stamp) -> Result<(), StoreError> {
        self.write(move |tx| {
            let AttemptOutcome { delivery, result, step, reason, payload } = outcome;
            let sql =
                "UPDATE attempts SET class = ?2, http_status = ?3, error = ?4, detail = ?5, took_ms = ?6 WHERE id = ?1";
            tx.prepare_cached(sql)?.execute(params![
                result.attempt,
                result.answer.class(),
                result.http_status,
                result.error,
                result.detail,
                i64::try_from(result.took_ms).unwrap_or(i64::MAX),
            ])?;
            apply(tx, &delivery, step, reason.as_deref(), payload.as_deref(), now)
        })
        .await
    }

    /// Records what a look for a message whose answer was lost brought.
    pub async fn finish_look(
        &self,
        delivery: Delivery,
        found_absent: bool,
        reconciled: Reconciled,
        now: Stamp,
    ) -> Result<(), StoreError> {
        self.write(move |tx| apply_look(tx, &delivery, found_absent, reconciled, now)).await
    }

    /// The newest digest of `channel` that may still be edited: shown after `shown_after`, and it or its newest edit after
    /// `active_after`.
    pub async fn open_digest(
        &self,
        channel: &str,
        shown_after: Stamp,
        active_after: Stamp,
    ) -> Result<Option<Delivery>, StoreError> {
        let channel = channel.to_owned();
        self.read(move |connection| {
            let sql = format!(
                "SELECT {DELIVERY_COLUMNS} FROM deliveries AS root
                 WHERE channel = ?1 AND kind = 'digest' AND method = 'post' AND state = 'sent' AND sent_at >= ?2
                     AND NOT EXISTS (SELECT 1 FROM deliveries AS edit WHERE edit.edits = root.id AND edit.state = 'dead')
                     AND max(sent_at, (SELECT coalesce(max(edit.sent_at), 0) FROM deliveries AS edit
                                       WHERE edit.edits = root.id)) >= ?3
                 ORDER BY id DESC LIMIT 1"
            );
            let parameters = params![channel, shown_after.as_millis(), active_after.as_millis()];
            connection.prepare_cached(&sql)?.query_row(parameters, delivery).optional()
        })
        .await
    }

    /// The alerts that a digest and its edits tell.
    pub async fn alerts_of_digest(&self, digest: i64) -> Result<Vec<PendingAlert>, StoreError> {
        self.read(move |connection| {
            let sql = "SELECT id, rule, run, outcome, channel, snapshot, url FROM alerts WHERE delivery_id IN
                           (SELECT ?1 UNION ALL SELECT id FROM deliveries WHERE edits = ?1) ORDER BY status_changed, id";
            connection.prepare_cached(sql)?.query_map([digest], pending_alert)?.collect()
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

    /// Takes back messages that were never shown and whose channel is not where the rule posts any more, so that their
    /// alerts are composed for the new one. Returns how many alerts moved.
    pub async fn retarget(&self, rule: &str, channel: &str) -> Result<usize, StoreError> {
        let (rule, channel) = (rule.to_owned(), channel.to_owned());
        self.write(move |tx| {
            let sql = "UPDATE deliveries SET state = 'dead', reason = 'told in another channel'
                       WHERE state IN ('pending', 'held') AND kind = 'alert' AND possible_duplicate = 0 AND id IN
                           (SELECT delivery_id FROM alerts WHERE rule = ?1 AND channel <> ?2 AND state IN ('pending', 'held'))";
            tx.execute(sql, params![rule, channel])?;
            let sql = "UPDATE alerts SET channel = ?2, delivery_id = NULL, state = 'pending', reason = NULL
                       WHERE rule = ?1 AND channel <> ?2 AND state IN ('pending', 'held') AND (delivery_id IS NULL
                           OR (SELECT state FROM deliveries WHERE id = delivery_id) = 'dead')";
            tx.execute(sql, params![rule, channel])
        })
        .await
    }

    /// Readdresses messages for a channel that were composed for another channel ID (the name now means another
    /// channel). Edits have nothing to edit there: their alerts are composed anew.
    pub async fn readdress(&self, channel: &str, channel_id: &str) -> Result<(), StoreError> {
        let (channel, channel_id) = (channel.to_owned(), channel_id.to_owned());
        self.write(move |tx| {
            let stale = "channel = ?1 AND channel_id <> ?2 AND state IN ('pending', 'held')";
            let sql = format!("SELECT id FROM deliveries WHERE {stale} AND method = 'update'");
            let edits: Vec<i64> = tx
                .prepare(&sql)?
                .query_map(params![channel, channel_id], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            edits.into_iter().try_for_each(|edit| take_back(tx, edit, "the channel changed"))?;
            let sql = format!(
                "UPDATE deliveries SET channel_id = ?2, payload = json_set(payload, '$.channel', ?2) WHERE {stale}"
            );
            tx.execute(&sql, params![channel, channel_id]).map(drop)
        })
        .await
    }

    /// How much waits.
    pub async fn queue_counts(&self) -> Result<QueueCounts, StoreError> {
        self.read(queue_counts).await
    }
}

fn insert(tx: &Transaction<'_>, new: &NewDelivery, now: Stamp) -> rusqlite::Result<i64> {
    let sql =
        "INSERT INTO deliveries (kind, method, edits, channel, channel_id, key, payload, state, due_at, created_at)
               VALUES (:kind, :method, :edits, :channel, :channel_id, :key, :payload, 'pending', 0, :now) RETURNING id";
    let id: i64 = tx.prepare_cached(sql)?.query_row(
        named_params! {
            ":kind": new.kind.as_str(), ":method": new.method.as_str(), ":edits": new.edits, ":channel": new.channel,
            ":channel_id": new.channel_id, ":key": new.key, ":payload": new.payload, ":now": now.as_millis(),
        },
        |row| row.get(0),
    )?;
    let digest = new.kind == DeliveryKind::Digest;
    let mut tie = tx.prepare_cached("UPDATE alerts SET delivery_id = ?2, digest = ?3 WHERE id = ?1")?;
    for alert in &new.alerts {
        tie.execute(params![alert, id, digest])?;
    }
    Ok(id)
}

fn apply(
    tx: &Transaction<'_>,
    delivery: &Delivery,
    step: Step,
    reason: Option<&str>,
    payload: Option<&str>,
    now: Stamp,
) -> rusqlite::Result<()> {
    match step {
        Step::Sent { ts } => mark_sent(tx, delivery, &ts, now),
        Step::Retry { due, pause } => {
            if pause {
                channels::pause(tx, delivery.method.slack_method(), due)?;
            }
            wait(tx, delivery.id, DeliveryState::Pending, due, reason)
        }
        Step::Reconcile { due } => wait(tx, delivery.id, DeliveryState::Unknown, due, reason),
        Step::Park { due } => {
            wait(tx, delivery.id, DeliveryState::Held, due, reason)?;
            channels::park(tx, &delivery.channel, reason.unwrap_or("Slack refused"), now, due).map(drop)
        }
        Step::Degrade { form } => {
            let sql = "UPDATE deliveries SET form = ?2, payload = coalesce(?3, payload) WHERE id = ?1";
            tx.execute(sql, params![delivery.id, form.as_str(), payload])?;
            wait(tx, delivery.id, DeliveryState::Pending, Stamp::EPOCH, reason)
        }
        Step::Recompose => take_back(tx, delivery.id, reason.unwrap_or("the message it edits is gone")),
        Step::Dead => wait(tx, delivery.id, DeliveryState::Dead, now, reason),
    }
}

/// Gives a message up that was never shown: its alerts are composed anew.
fn take_back(tx: &Transaction<'_>, delivery: i64, reason: &str) -> rusqlite::Result<()> {
    let sql =
        "UPDATE alerts SET delivery_id = NULL, digest = 0, state = 'pending', reason = NULL WHERE delivery_id = ?1";
    tx.execute(sql, [delivery])?;
    let sql = "UPDATE deliveries SET state = 'dead', reason = ?2 WHERE id = ?1";
    tx.execute(sql, params![delivery, reason]).map(drop)
}

fn apply_look(
    tx: &Transaction<'_>,
    delivery: &Delivery,
    found_absent: bool,
    reconciled: Reconciled,
    now: Stamp,
) -> rusqlite::Result<()> {
    match reconciled {
        Reconciled::Sent { ts } => mark_sent(tx, delivery, &ts, now),
        Reconciled::Resend { possible_duplicate } => {
            if possible_duplicate {
                let sql = "UPDATE deliveries SET possible_duplicate = 1, method = 'post', edits = NULL, payload = ?2
                           WHERE id = ?1";
                tx.execute(sql, params![delivery.id, as_new_message(&delivery.payload)])?;
            }
            let reason = "its answer was lost; it is sent again";
            wait(tx, delivery.id, DeliveryState::Pending, Stamp::EPOCH, Some(reason))
        }
        Reconciled::LookAgain { due } => {
            let sql = "UPDATE deliveries SET due_at = ?2, looks = looks + ?3, failures = failures + ?4 WHERE id = ?1";
            tx.execute(sql, params![delivery.id, due.as_millis(), found_absent, !found_absent]).map(drop)
        }
        Reconciled::Recompose => take_back(tx, delivery.id, "the edit did not arrive"),
        Reconciled::Keep { due } => {
            let reason = "its answer was lost: it may be in the channel. Look there, then `clearml-alerts dead retry` or `dead drop`";
            wait(tx, delivery.id, DeliveryState::Unknown, due, Some(reason))
        }
    }
}

fn mark_sent(tx: &Transaction<'_>, delivery: &Delivery, ts: &str, now: Stamp) -> rusqlite::Result<()> {
    let sql = "UPDATE deliveries SET state = 'sent', reason = NULL, failures = 0, message_ts = ?2, sent_at = ?3
               WHERE id = ?1 RETURNING possible_duplicate";
    let parameters = params![delivery.id, ts, now.as_millis()];
    let possible_duplicate: bool = tx.prepare_cached(sql)?.query_row(parameters, |row| row.get(0))?;
    let reason = possible_duplicate.then_some("possible duplicate: an answer was lost, and the message was sent again");
    let sql = "UPDATE alerts SET state = 'sent', reason = ?2, sent_at = ?3 WHERE delivery_id = ?1";
    tx.prepare_cached(sql)?.execute(params![delivery.id, reason, now.as_millis()])?;
    channels::unpark(tx, &delivery.channel).map(drop)
}

fn wait(tx: &Transaction<'_>, id: i64, state: DeliveryState, due: Stamp, reason: Option<&str>) -> rusqlite::Result<()> {
    let sql = "UPDATE deliveries SET state = ?2, due_at = ?3, reason = ?4 WHERE id = ?1";
    tx.prepare_cached(sql)?.execute(params![id, state.as_str(), due.as_millis(), reason])?;
    set_alerts(tx, id, state.as_str(), reason)
}

/// The alerts of a delivery stand where it stands.
fn set_alerts(tx: &Transaction<'_>, delivery: i64, state: &str, reason: Option<&str>) -> rusqlite::Result<()> {
    let sql = "UPDATE alerts SET state = ?2, reason = ?3 WHERE delivery_id = ?1";
    tx.prepare_cached(sql)?.execute(params![delivery, state, reason]).map(drop)
}

fn queue_counts(connection: &Connection) -> rusqlite::Result<QueueCounts> {
    let of = |states: &str| {
        let sql = format!("SELECT count(*) FROM alerts WHERE state IN ({states})");
        connection.prepare_cached(&sql)?.query_row([], |row| row.get::<_, u32>(0))
    };
    let sql = "SELECT min(created_at) AS oldest FROM alerts WHERE state IN ('pending', 'sending', 'unknown', 'held')";
    let oldest_at = connection.prepare_cached(sql)?.query_row([], |row| maybe_stamp(row, "oldest"))?;
    let sql = "SELECT count(*) FROM alerts WHERE state = 'dead' AND dropped_at IS NULL";
    Ok(QueueCounts {
        pending: of("'pending', 'sending'")?,
        unknown: of("'unknown'")?,
        held: of("'held'")?,
        dead: connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?,
        oldest_at,
    })
}

fn pending_alert(row: &Row<'_>) -> rusqlite::Result<PendingAlert> {
    let snapshot: String = row.get("snapshot")?;
    let task: Task = serde_json::from_str(&snapshot).map_err(|error| unreadable(format!("snapshot: {error}")))?;
    Ok(PendingAlert {
        id: row.get("id")?,
        rule: row.get("rule")?,
        run: row.get("run")?,
        outcome: super::rows::outcome(row, "outcome")?,
        channel: row.get("channel")?,
        task,
        url: row.get("url")?,
    })
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    Ok(Delivery {
        id: row.get("id")?,
        kind: word(row, "kind", DeliveryKind::parse)?,
        method: word(row, "method", Method::parse)?,
        edits: row.get("edits")?,
        channel: row.get("channel")?,
        channel_id: row.get("channel_id")?,
        key: row.get("key")?,
        payload: row.get("payload")?,
        form: word(row, "form", Form::parse)?,
        state: word(row, "state", DeliveryState::parse)?,
        due_at: stamp(row, "due_at")?,
        tries: row.get("tries")?,
        failures: row.get("failures")?,
        first_try_at: maybe_stamp(row, "first_try_at")?,
        looks: row.get("looks")?,
        message_ts: row.get("message_ts")?,
    })
}
