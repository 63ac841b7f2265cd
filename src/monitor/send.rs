//! One message on its way: the attempt is recorded before the request, its outcome after the answer, and an outcome that
//! the database could not take is kept until it can.

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::deliver::{Deliverer, Next, method_of};
use super::error::MonitorError;
use super::lanes::Target;
use super::tried::{Tried, with_conversation};
use crate::domain::delivery::{Answer, DeliveryState, Situation, Step, after_answer};
use crate::domain::repeats::is_try_worth_a_line;
use crate::domain::{Lane, Stamp, message};
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
    pub(super) async fn send(&mut self, delivery: Delivery, target: Target) -> Result<Next, MonitorError> {
        let attempt = Attempt {
            delivery: delivery.id,
            payload_sha256: format!("{:x}", Sha256::digest(&delivery.payload)),
            payload_bytes: delivery.payload.len(),
        };
        let attempt = self.store.begin_attempt(attempt, self.clock.now(), self.slack_now()).await?;
        crate::crash::point("attempt_recorded");
        self.pacer.take(&delivery.channel, Instant::now());
        match target {
            Target::Slack { .. } => {
                let tried = match delivery.method {
                    Method::Post => self.slack.post_message(&delivery.payload).await,
                    Method::Update => self.slack.update_message(&delivery.payload).await,
                };
                crate::crash::point("answer_not_recorded");
                self.record(delivery, attempt, tried.into()).await?;
                Ok(Next::Now)
            }
            Target::SlackWebhook(hook) => {
                let payload = delivery.payload.clone();
                self.in_flight.begin(delivery, attempt, async move { hook.post(&payload).await.into() });
                Ok(Next::Idle)
            }
            Target::Webhook(hook) => {
                let (kind, key, body) = (delivery.kind.as_str(), delivery.key.clone(), delivery.payload.clone());
                let now = self.clock.now();
                let request = async move { hook.post(kind, &key, &body, now).await.into() };
                self.in_flight.begin(delivery, attempt, request);
                Ok(Next::Idle)
            }
        }
    }

    /// Records what the database could not take at its time.
    pub(super) async fn record_again(&mut self) -> Result<(), MonitorError> {
        while let Some(outcome) = self.unrecorded.pop() {
            self.finish(outcome).await?;
        }
        Ok(())
    }

    async fn finish(&mut self, outcome: Unrecorded) -> Result<(), MonitorError> {
        let Unrecorded { delivery, result, step, reason, payload } = outcome.clone();
        let (id, lane, state) = (delivery.id, delivery.channel.clone(), state_after(&step));
        let finished = self.store.finish_attempt(delivery, result, step, reason, payload, self.clock.now()).await;
        if finished.is_err() {
            self.unrecorded.push(outcome);
        }
        self.note_state(id, &lane, state, finished?);
        Ok(())
    }

    /// Counts the alerts of a delivery that came into a state by which they are told, lost sight of, or stopped.
    pub(super) fn note_state(&self, delivery: i64, lane: &str, state: Option<DeliveryState>, told: Vec<ToldAlert>) {
        let Some(state) = state else {
            return;
        };
        if state == DeliveryState::Sent {
            let now = self.status.figures().clearml_now(self.clock.now());
            log_told(delivery, lane, &told, now);
            self.status.told_after(told.iter().map(|alert| now.since(alert.due_since)));
        }
        self.status.came_into(state.as_str(), told.into_iter().map(|alert| alert.rule));
    }

    pub(super) async fn record(&mut self, delivery: Delivery, attempt: i64, tried: Tried) -> Result<(), MonitorError> {
        let joined = tried.asks_to_join && self.join_once(&delivery.channel_id).await;
        self.status.attempted(tried.answer.class());
        let answer = with_conversation(tried.answer.clone(), &delivery);
        let step = self.step_after(&answer, &delivery, &tried, joined);
        self.heed(&delivery, &step, &tried);
        let payload = match &step {
            Step::Degrade { form } => Some(message::degrade(&delivery.payload, *form)),
            _ => None,
        };
        let took_ms = u64::try_from(tried.took.as_millis()).unwrap_or(u64::MAX);
        let (http_status, error, detail) = (tried.http_status, tried.error.clone(), tried.detail.clone());
        let result = AttemptResult { attempt, answer, http_status, error, detail, took_ms };
        let reason = tried.reason();
        let lane = delivery.channel.clone();
        self.finish(Unrecorded { delivery, result, step, reason, payload }).await?;
        if matches!(Lane::of(&lane), Lane::Owner(_)) && tried.error.as_deref() == Some("channel_not_found") {
            self.divert_refused(&lane, "channel_not_found").await?;
        }
        Ok(())
    }

    fn step_after(&self, answer: &Answer, delivery: &Delivery, tried: &Tried, joined: bool) -> Step {
        let (waits, now) = (&self.config.waits, self.clock.steady());
        let failures = delivery.failures.saturating_add(1);
        let again = || now.plus(waits.retry.delay(failures, fastrand::f64()));
        let step = after_answer(answer, Situation { form: delivery.form, failures, now }, waits, fastrand::f64());
        match step {
            _ if joined => Step::Retry { due: now, pause: false },
            _ if tried.edit_refused && (delivery.method == Method::Update || delivery.follows.is_some()) => {
                Step::Recompose
            }
            Step::Reconcile { .. } if delivery.method == Method::Update && failures <= BLIND_EDITS => {
                Step::Retry { due: again(), pause: false }
            }
            Step::Reconcile { .. } | Step::Degrade { .. } | Step::Dead if delivery.kind == DeliveryKind::Edit => {
                Step::GiveUp
            }
            // Nobody can look for it: the wait that a look would have taken is taken here.
            Step::Reconcile { .. } if !Lane::of(&delivery.channel).is_by_web_api() => Step::Reconcile { due: again() },
            // A webhook that asks to wait speaks for itself alone.
            Step::Retry { due, .. } if !Lane::of(&delivery.channel).is_by_web_api() => {
                Step::Retry { due, pause: false }
            }
            other => other,
        }
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
    fn heed(&mut self, delivery: &Delivery, step: &Step, tried: &Tried) {
        let (id, channel) = (delivery.id, delivery.channel.as_str());
        let reason = tried.reason().unwrap_or_default();
        match step {
            Step::Sent(_) => {
                let attempts = delivery.tries + 1;
                // An alert has a line of its own, with its task.
                if delivery.kind != DeliveryKind::Alert {
                    tracing::info!(
                        delivery = id,
                        channel,
                        kind = delivery.kind.as_str(),
                        attempts,
                        "{}",
                        posted(channel)
                    );
                }
                self.spoken.remove(channel);
                self.joined.remove(&delivery.channel_id);
                if delivery.kind != DeliveryKind::Edit {
                    self.backlog.sent = self.backlog.sent.saturating_add(1);
                }
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
            Step::Reconcile { .. } if !is_try_worth_a_line(delivery.tries + 1) => {}
            Step::Reconcile { .. } => {
                tracing::warn!(delivery = id, channel, reason, "the answer was lost: it may have arrived");
            }
            Step::Recompose => {
                tracing::info!(delivery = id, channel, reason, "{}", out_of_reach(delivery));
            }
            Step::GiveUp => {
                tracing::warn!(
                    delivery = id,
                    channel,
                    reason,
                    "a message could not be made to show how its task stands"
                );
            }
            Step::Park { .. } => self.speak_of_parked(channel, &reason),
            Step::Degrade { form } => {
                tracing::warn!(
                    delivery = id,
                    channel,
                    reason,
                    form = form.as_str(),
                    "the message was refused; trying a plainer form"
                );
            }
            Step::Dead => {
                let kind = delivery.kind.as_str();
                tracing::error!(
                    delivery = id,
                    channel,
                    kind,
                    reason,
                    "every form of the message was refused: see `clearml-alerts dead list`"
                );
            }
        }
    }
}

/// What the log says of a message that cannot be edited or followed any more.
fn out_of_reach(delivery: &Delivery) -> &'static str {
    match delivery.kind {
        DeliveryKind::Edit => {
            "the first message about a task cannot be edited any more; the next alert begins a new one"
        }
        _ if delivery.follows.is_some() => {
            "the first message about a task cannot be followed any more; a new one begins"
        }
        _ => "the digest cannot be edited any more; a new one begins",
    }
}

/// What the log says of a message that was taken.
fn posted(lane: &str) -> &'static str {
    if matches!(Lane::of(lane), Lane::Webhook(_)) { "delivered to the webhook" } else { "posted to Slack" }
}

/// One line an alert that was told; `now` is by ClearML's clock.
fn log_told(delivery: i64, lane: &str, told: &[ToldAlert], now: Stamp) {
    for ToldAlert { alert, task_id: task, rule, due_since, digest } in told {
        let latency_seconds = now.since(*due_since).as_secs_f64();
        if *digest {
            tracing::info!(alert, task, rule, delivery, latency_seconds, "told in a digest");
        } else {
            tracing::info!(alert, task, rule, delivery, latency_seconds, "{}", posted(lane));
        }
    }
}

/// The state that an attempt ended, if it was not just put off.
fn state_after(step: &Step) -> Option<DeliveryState> {
    match step {
        Step::Sent(_) => Some(DeliveryState::Sent),
        Step::Reconcile { .. } => Some(DeliveryState::Unknown),
        Step::Park { .. } => Some(DeliveryState::Held),
        Step::Dead => Some(DeliveryState::Dead),
        Step::Retry { .. } | Step::Degrade { .. } | Step::Recompose | Step::GiveUp => None,
    }
}
