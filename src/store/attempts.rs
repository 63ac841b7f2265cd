//! Every try to send a message, and every look for one whose answer was lost: recorded before, and after.

use rusqlite::{OptionalExtension, Transaction, params};

use super::error::Stop;
use super::outbox::{bury, free_alerts, resting, set_alerts};
use super::rows::{count, word};
use super::sight::{ToldAlert, told_by};
use super::{Delivery, Store, StoreError, channels, slack_users, threads};
use crate::domain::Stamp;
use crate::domain::delivery::{Answer, DeliveryState, Reconciled, Step};
use crate::domain::message::as_new_message;

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

/// So many attempts of one message are remembered: while nobody mends its channel it is tried each minute, half a million
/// times a year. Its `tries` count them all.
const MOST_ATTEMPTS: u32 = 1_000;
/// Forgets the second of a message's attempts: the first tells how it began, the newest how it stands.
pub(super) const FORGET_ONE: &str =
    "DELETE FROM attempts WHERE id = (SELECT id FROM attempts WHERE delivery_id = ?1 ORDER BY id LIMIT 1 OFFSET 1)";

impl Store {
    /// Records that an attempt is about to be made. `slack_now` is the time by Slack's clock: from there on the message is
    /// looked for if its answer is lost. Returns the attempt's number. Refused unless the message is `pending` or `held`:
    /// what may have arrived is looked for, never sent blindly.
    pub async fn begin_attempt(&self, attempt: Attempt, now: Stamp, slack_now: Stamp) -> Result<i64, StoreError> {
        self.change(move |tx| {
            require(tx, attempt.delivery, "to be sent", &[DeliveryState::Pending, DeliveryState::Held])?;
            let sql =
                "UPDATE deliveries SET state = 'sending', reason = NULL, tries = tries + 1, failures = failures + 1,
                           looks = 0, first_try_at = coalesce(first_try_at, ?2) WHERE id = ?1 RETURNING tries";
            let parameters = params![attempt.delivery, slack_now.as_millis()];
            let tries: u32 = tx.prepare_cached(sql)?.query_row(parameters, |row| row.get(0))?;
            if tries > MOST_ATTEMPTS {
                tx.prepare_cached(FORGET_ONE)?.execute([attempt.delivery])?;
            }
            set_alerts(tx, attempt.delivery, DeliveryState::Sending, None)?;
            let sql = "INSERT INTO attempts (delivery_id, started_at, payload_sha256, payload_bytes)
                       VALUES (?1, ?2, ?3, ?4) RETURNING id";
            let bytes = count(attempt.payload_bytes);
            let parameters = params![attempt.delivery, now.as_millis(), attempt.payload_sha256, bytes];
            Ok(tx.prepare_cached(sql)?.query_row(parameters, |row| row.get(0))?)
        })
        .await
    }

    /// Records what came of an attempt, and what becomes of its delivery. `payload` replaces the stored one where a
    /// plainer form is to be sent. Returns the alerts that the message tells.
    pub async fn finish_attempt(
        &self,
        delivery: Delivery,
        result: AttemptResult,
        step: Step,
        reason: Option<String>,
        payload: Option<String>,
        now: Stamp,
    ) -> Result<Vec<ToldAlert>, StoreError> {
        self.change(move |tx| {
            require(tx, delivery.id, "to record an attempt", &[DeliveryState::Sending])?;
            complete(tx, &result)?;
            apply(tx, &delivery, step, reason.as_deref(), payload.as_deref(), now)?;
            Ok(told_by(tx, delivery.id)?)
        })
        .await
    }

    /// Records what a look for a message whose answer was lost brought. A look at one that a person has decided about
    /// meanwhile changes nothing. Returns the alerts that the message tells.
    pub async fn finish_look(
        &self,
        delivery: Delivery,
        found_absent: bool,
        reconciled: Reconciled,
        now: Stamp,
    ) -> Result<Vec<ToldAlert>, StoreError> {
        self.write(move |tx| {
            if let Some(DeliveryState::Unknown | DeliveryState::Sending) = state_of(tx, delivery.id)? {
                apply_look(tx, &delivery, found_absent, reconciled, now)?;
            }
            told_by(tx, delivery.id)
        })
        .await
    }
}

fn give_up_unseen(tx: &Transaction<'_>, delivery: i64, reason: &str) -> rusqlite::Result<()> {
    free_alerts(tx, delivery)?;
    bury(tx, delivery, reason)
}

fn state_of(tx: &Transaction<'_>, delivery: i64) -> rusqlite::Result<Option<DeliveryState>> {
    let sql = "SELECT state FROM deliveries WHERE id = ?1";
    tx.prepare_cached(sql)?.query_row([delivery], |row| word(row, "state", DeliveryState::parse)).optional()
}

/// A delivery moves only from where the caller may have seen it.
fn require(tx: &Transaction<'_>, delivery: i64, purpose: &str, from: &[DeliveryState]) -> Result<(), Stop> {
    let state = state_of(tx, delivery)?;
    if state.is_some_and(|state| from.contains(&state)) {
        return Ok(());
    }
    let state = state.map_or("missing", DeliveryState::as_str);
    Err(StoreError::OutOfStep { what: format!("message {delivery} ({purpose}, but {state})") }.into())
}

fn complete(tx: &Transaction<'_>, result: &AttemptResult) -> rusqlite::Result<()> {
    let sql = "UPDATE attempts SET class = ?2, http_status = ?3, error = ?4, detail = ?5, took_ms = ?6 WHERE id = ?1";
    let took = i64::try_from(result.took_ms).unwrap_or(i64::MAX);
    let class = result.answer.class();
    let parameters = params![result.attempt, class, result.http_status, result.error, result.detail, took];
    tx.prepare_cached(sql)?.execute(parameters).map(drop)
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
        Step::Sent(receipt) => {
            mark_sent(tx, delivery, receipt.ts.as_deref(), now)?;
            if let Some(conversation) = &receipt.conversation {
                slack_users::settle_conversation(tx, delivery.id, &delivery.channel_id, conversation)?;
            }
            channels::unpark(tx, &delivery.channel).map(drop)
        }
        Step::Retry { due, pause } => {
            if pause {
                channels::pause(tx, delivery.method.slack_method(), due)?;
            }
            rest(tx, delivery, DeliveryState::Pending, due, reason)
        }
        Step::Reconcile { due } => rest(tx, delivery, DeliveryState::Unknown, due, reason),
        Step::Park { due } => {
            rest(tx, delivery, DeliveryState::Held, due, reason)?;
            channels::park(tx, &delivery.channel, reason.unwrap_or("Slack refused"), now, due).map(drop)
        }
        Step::Degrade { form } => {
            let sql = "UPDATE deliveries SET form = ?2, payload = coalesce(?3, payload) WHERE id = ?1";
            tx.execute(sql, params![delivery.id, form.as_str(), payload])?;
            rest(tx, delivery, DeliveryState::Pending, Stamp::EPOCH, reason)
        }
        Step::Recompose => {
            for root in delivery.edits.into_iter().chain(delivery.follows) {
                threads::forget(tx, root)?;
            }
            give_up_unseen(tx, delivery.id, reason.unwrap_or("the message it edits is gone"))
        }
        Step::GiveUp => bury(tx, delivery.id, reason.unwrap_or("the edit was not made")),
        Step::Dead => {
            threads::forget(tx, delivery.id)?;
            rest(tx, delivery, DeliveryState::Dead, now, reason)
        }
    }
}

fn apply_look(
    tx: &Transaction<'_>,
    delivery: &Delivery,
    found_absent: bool,
    reconciled: Reconciled,
    now: Stamp,
) -> rusqlite::Result<()> {
    match reconciled {
        // Found, not posted: it says nothing about whether the channel can be posted to now.
        Reconciled::Sent { ts } => mark_sent(tx, delivery, Some(&ts), now),
        Reconciled::Resend { possible_duplicate } => {
            if possible_duplicate {
                send_blindly(tx, delivery.id)?;
            }
            rest(tx, delivery, DeliveryState::Pending, Stamp::EPOCH, Some("its answer was lost; it is sent again"))
        }
        Reconciled::Recompose => give_up_unseen(tx, delivery.id, "the edit did not arrive"),
        Reconciled::LookAgain { due } => look_again(tx, delivery, found_absent, due),
        Reconciled::Keep { due } => {
            let reason = "its answer was lost: it may be in the channel. Look there, then `clearml-alerts dead retry` or `dead drop`";
            let kept_at = kept_at(tx, delivery.id)?.unwrap_or(now);
            rest(tx, delivery, DeliveryState::Unknown, due, Some(reason))?;
            let sql = "UPDATE deliveries SET kept_at = ?2 WHERE id = ?1";
            tx.execute(sql, params![delivery.id, kept_at.as_millis()]).map(drop)
        }
    }
}

/// It stays unknown, for the reason it has. Once the channel could be read, it is no longer kept for a person to decide.
fn look_again(tx: &Transaction<'_>, delivery: &Delivery, found_absent: bool, due: Stamp) -> rusqlite::Result<()> {
    let sql = "UPDATE deliveries SET state = 'unknown', due_at = ?2, looks = looks + ?3, failures = failures + 1 - ?3,
                   kept_at = iif(?3, NULL, kept_at), reason = coalesce(reason, 'its answer could not be recorded')
               WHERE id = ?1 RETURNING reason";
    let parameters = params![delivery.id, due.as_millis(), found_absent];
    let reason: String = tx.prepare_cached(sql)?.query_row(parameters, |row| row.get(0))?;
    set_alerts(tx, delivery.id, DeliveryState::Unknown, Some(&reason)).map(drop)
}

/// Marks a message that is sent again without knowing whether the first had arrived. An edit becomes a message of its
/// own: what it edits may be gone.
pub(super) fn send_blindly(tx: &Transaction<'_>, delivery: i64) -> rusqlite::Result<()> {
    let sql = "SELECT payload FROM deliveries WHERE id = ?1";
    let payload: String = tx.prepare_cached(sql)?.query_row([delivery], |row| row.get(0))?;
    let sql = "UPDATE deliveries SET possible_duplicate = 1, method = 'post', edits = NULL, payload = ?2 WHERE id = ?1";
    tx.prepare_cached(sql)?.execute(params![delivery, as_new_message(&payload)]).map(drop)
}

fn kept_at(tx: &Transaction<'_>, delivery: i64) -> rusqlite::Result<Option<Stamp>> {
    let sql = "SELECT kept_at FROM deliveries WHERE id = ?1";
    Ok(tx.query_row(sql, [delivery], |row| row.get::<_, Option<i64>>(0))?.map(Stamp::from_millis))
}

fn mark_sent(tx: &Transaction<'_>, delivery: &Delivery, ts: Option<&str>, now: Stamp) -> rusqlite::Result<()> {
    let sql = "UPDATE deliveries SET state = 'sent', reason = NULL, failures = 0, kept_at = NULL, message_ts = ?2,
                   sent_at = ?3 WHERE id = ?1 RETURNING possible_duplicate";
    let parameters = params![delivery.id, ts, now.as_millis()];
    let possible_duplicate: bool = tx.prepare_cached(sql)?.query_row(parameters, |row| row.get(0))?;
    let reason = possible_duplicate.then_some("possible duplicate: an answer was lost, and the message was sent again");
    let sql = "UPDATE alerts SET state = 'sent', reason = ?2, sent_at = ?3 WHERE delivery_id = ?1";
    tx.prepare_cached(sql)?.execute(params![delivery.id, reason, now.as_millis()]).map(drop)
}

/// Puts a delivery and its alerts where they rest until `due`.
fn rest(
    tx: &Transaction<'_>,
    delivery: &Delivery,
    state: DeliveryState,
    due: Stamp,
    reason: Option<&str>,
) -> rusqlite::Result<()> {
    let (state, reason) = resting(tx, &delivery.channel, state, reason)?;
    let sql = "UPDATE deliveries SET state = ?2, due_at = ?3, reason = ?4, kept_at = NULL WHERE id = ?1";
    tx.prepare_cached(sql)?.execute(params![delivery.id, state.as_str(), due.as_millis(), reason])?;
    set_alerts(tx, delivery.id, state, reason.as_deref()).map(drop)
}
