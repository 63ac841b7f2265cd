//! One message on its way: the attempt is recorded before the request, its outcome after the answer, and an outcome that
//! the database could not take is kept until it can.

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::deliver::{Deliverer, method_of};
use super::error::MonitorError;
use crate::domain::delivery::{Answer, DeliveryState, Situation, Step, after_answer};
use crate::domain::{Stamp, message};
use crate::slack::{self, DeliveryOutcome};
use crate::store::{Attempt, AttemptResult, Delivery, DeliveryKind, Method, ToldAlert};

/// What became of an attempt, until it is recorded.
#[derive(Debug, Clone)]
pub(super) struct Unrecorded {
    delivery: Delivery,
    result: AttemptResult,
    step: Step,
    reason: Option<String>,
    payload: Option<String>,
}

/// Tries of an edit whose answer says nothing before it is looked for like a message: until then it is sent again, which
/// shows it once however often it arrives.
pub(super) const BLIND_EDITS: u32 = 5;

impl Deliverer {
    pub(super) async fn send(&mut self, delivery: Delivery) -> Result<(), MonitorError> {
        let attempt = Attempt {
            delivery: delivery.id,
            payload_sha256: format!("{:x}", Sha256::digest(&delivery.payload)),
            payload_bytes: delivery.payload.len(),
        };
        let attempt = self.store.begin_attempt(attempt, self.clock.now(), self.slack_now()).await?;
        crate::crash::point("attempt_recorded");
        self.pacer.take(&delivery.channel, Instant::now());
        let tried = match delivery.method {
            Method::Post => self.slack.post_message(&delivery.payload).await,
            Method::Update => self.slack.update_message(&delivery.payload).await,
        };
        crate::crash::point("answer_not_recorded");
        self.record(delivery, attempt, tried).await
    }

    /// Records what the database could not take at its time.
    pub(super) async fn record_again(&mut self) -> Result<(), MonitorError> {
        match self.unrecorded.take() {
            Some(outcome) => self.finish(outcome).await,
            None => Ok(()),
        }
    }

    async fn finish(&mut self, outcome: Unrecorded) -> Result<(), MonitorError> {
        let Unrecorded { delivery, result, step, reason, payload } = outcome.clone();
        let (id, state) = (delivery.id, state_after(&step));
        let finished = self.store.finish_attempt(delivery, result, step, reason, payload, self.clock.now()).await;
        if finished.is_err() {
            self.unrecorded = Some(outcome);
        }
        finished?;
        self.note_state(id, state).await
    }

    /// Counts the alerts of a delivery that came into a state by which they are told, lost sight of, or stopped.
    pub(super) async fn note_state(&self, delivery: i64, state: Option<DeliveryState>) -> Result<(), MonitorError> {
        let Some(state) = state else {
            return Ok(());
        };
        let told = self.store.told_by(delivery).await?;
        if state == DeliveryState::Sent {
            let now = self.status.figures().clearml_now(self.clock.now());
            log_told(delivery, &told, now);
            self.status.told_after(told.iter().map(|alert| now.since(alert.status_changed)));
        }
        self.status.came_into(state.as_str(), told.into_iter().map(|alert| alert.rule));
        Ok(())
    }

    async fn record(&mut self, delivery: Delivery, attempt: i64, tried: slack::Delivery) -> Result<(), MonitorError> {
        let (answer, joined) = self.answer(&delivery, &tried).await;
        self.status.attempted(answer.class());
        let now = self.clock.steady();
        let failures = delivery.failures.saturating_add(1);
        let situation = Situation { form: delivery.form, failures, now };
        let mut step = after_answer(&answer, situation, &self.config.waits, fastrand::f64());
        if joined {
            step = Step::Retry { due: now, pause: false };
        }
        if delivery.method == Method::Update {
            step = match step {
                _ if is_edit_refused(&tried) => Step::Recompose,
                Step::Reconcile { .. } if failures <= BLIND_EDITS => {
                    let due = now.plus(self.config.waits.retry.delay(failures, fastrand::f64()));
                    Step::Retry { due, pause: false }
                }
                other => other,
            };
        }
        self.heed(&delivery, &step, &tried);
        let payload = match &step {
            Step::Degrade { form } => Some(message::degrade(&delivery.payload, *form)),
            _ => None,
        };
        let took_ms = u64::try_from(tried.took.as_millis()).unwrap_or(u64::MAX);
        let (http_status, error, detail) = (tried.http_status, tried.error.clone(), tried.detail.clone());
        let result = AttemptResult { attempt, answer, http_status, error, detail, took_ms };
        let reason = reason_of(&tried);
        self.finish(Unrecorded { delivery, result, step, reason, payload }).await
    }

    /// What the outcome means for the message, and whether the bot just joined the channel because of it.
    async fn answer(&mut self, delivery: &Delivery, tried: &slack::Delivery) -> (Answer, bool) {
        let answer = match &tried.outcome {
            DeliveryOutcome::Sent { ts, .. } => Answer::Sent { ts: ts.clone() },
            DeliveryOutcome::NotDelivered { retry_after, long } => {
                Answer::NotDelivered { retry_after: *retry_after, long: *long }
            }
            DeliveryOutcome::Ambiguous => Answer::Ambiguous,
            DeliveryOutcome::OperatorMustAct => Answer::OperatorMustAct,
            DeliveryOutcome::PayloadRefused | DeliveryOutcome::ThreadOnly => Answer::PayloadRefused,
            DeliveryOutcome::NotInChannel => {
                let joined = self.join_once(&delivery.channel_id).await;
                return (Answer::OperatorMustAct, joined);
            }
        };
        (answer, false)
    }

    /// Enters the channel, where that was not tried since something was last posted there. Whether the bot is in now.
    pub(super) async fn join_once(&mut self, channel_id: &str) -> bool {
        self.joined.insert(channel_id.to_owned()) && self.join(channel_id).await
    }

    async fn join(&self, channel_id: &str) -> bool {
        let joined = self.slack.join(channel_id).await;
        crate::crash::point("join_not_recorded");
        match joined {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(channel = channel_id, %error, "the bot is not in the channel and could not join it");
                false
            }
        }
    }

    /// Acts on a step in memory, and logs it.
    fn heed(&mut self, delivery: &Delivery, step: &Step, tried: &slack::Delivery) {
        let (id, channel) = (delivery.id, delivery.channel.as_str());
        let reason = reason_of(tried).unwrap_or_default();
        match step {
            Step::Sent { .. } => {
                let attempts = delivery.tries + 1;
                // An alert has a line of its own, with its task.
                if delivery.kind != DeliveryKind::Alert {
                    tracing::info!(delivery = id, channel, kind = delivery.kind.as_str(), attempts, "posted to Slack");
                }
                self.spoken.remove(channel);
                self.joined.remove(&delivery.channel_id);
                self.backlog.sent = self.backlog.sent.saturating_add(1);
            }
            Step::Retry { due, pause } => {
                let wait = due.since(self.clock.steady());
                if *pause {
                    self.status.paused();
                    self.pauses.pause(method_of(delivery.method), Instant::now(), wait);
                }
                let wait_seconds = wait.as_secs_f64();
                if delivery.failures == 0 {
                    tracing::warn!(delivery = id, channel, wait_seconds, reason, "not delivered; trying again");
                } else {
                    tracing::debug!(
                        delivery = id,
                        channel,
                        wait_seconds,
                        failures = delivery.failures + 1,
                        reason,
                        "not delivered"
                    );
                }
            }
            Step::Reconcile { .. } => {
                tracing::warn!(delivery = id, channel, reason, "the answer was lost; looking for the message in Slack");
            }
            Step::Recompose => {
                tracing::info!(
                    delivery = id,
                    channel,
                    reason,
                    "the digest cannot be edited any more; a new one begins"
                );
            }
            Step::Park { .. } => self.speak_of_parked(channel, &reason),
            Step::Degrade { form } => {
                tracing::warn!(
                    delivery = id,
                    channel,
                    reason,
                    form = form.as_str(),
                    "Slack refused the message; trying a plainer form"
                );
            }
            Step::Dead => {
                let kind = delivery.kind.as_str();
                tracing::error!(
                    delivery = id,
                    channel,
                    kind,
                    reason,
                    "Slack refused every form of the message: see `clearml-alerts dead list`"
                );
            }
        }
    }
}

/// One line an alert that is in Slack now; `now` is by ClearML's clock.
fn log_told(delivery: i64, told: &[ToldAlert], now: Stamp) {
    for ToldAlert { alert, task_id: task, rule, status_changed, digest } in told {
        let latency_seconds = now.since(*status_changed).as_secs_f64();
        if *digest {
            tracing::info!(alert, task, rule, delivery, latency_seconds, "told in a digest");
        } else {
            tracing::info!(alert, task, rule, delivery, latency_seconds, "posted to Slack");
        }
    }
}

/// The state that an attempt ended, if it was not just put off.
fn state_after(step: &Step) -> Option<DeliveryState> {
    match step {
        Step::Sent { .. } => Some(DeliveryState::Sent),
        Step::Reconcile { .. } => Some(DeliveryState::Unknown),
        Step::Park { .. } => Some(DeliveryState::Held),
        Step::Dead => Some(DeliveryState::Dead),
        Step::Retry { .. } | Step::Degrade { .. } | Step::Recompose => None,
    }
}

fn reason_of(tried: &slack::Delivery) -> Option<String> {
    if matches!(tried.outcome, DeliveryOutcome::Sent { .. }) {
        return None;
    }
    let parts = [tried.error.as_deref(), tried.detail.as_deref(), tried.advice.as_deref()];
    let said: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    Some(if said.is_empty() { tried.outcome.as_str().to_owned() } else { said.join(": ") })
}

/// Whether the message cannot be edited any more: gone, or closed to edits.
fn is_edit_refused(tried: &slack::Delivery) -> bool {
    let closed = matches!(tried.error.as_deref(), Some("cant_update_message" | "edit_window_closed"));
    closed || tried.outcome == DeliveryOutcome::ThreadOnly
}
