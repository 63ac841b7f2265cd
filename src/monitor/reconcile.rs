//! A message whose answer was lost is looked for in Slack before anything is sent again.

use super::deliver::Deliverer;
use super::error::MonitorError;
use crate::domain::delivery::{DeliveryState, Form, Look, Reconciled, after_look};
use crate::domain::message::text_needle;
use crate::slack::{Class, Needle};
use crate::store::{Delivery, Method};

/// How much before the recorded moment of the first try the look begins: clocks have a precision of one second.
const MARGIN: std::time::Duration = std::time::Duration::from_mins(2);

impl Deliverer {
    /// Looks for every message of `channel` whose answer was lost and whose time to be looked for has come.
    pub(super) async fn reconcile_due(&mut self, channel: &str) -> Result<(), MonitorError> {
        for delivery in self.store.lost_answers(channel, self.clock.steady()).await? {
            self.reconcile(delivery).await?;
        }
        Ok(())
    }

    async fn reconcile(&mut self, delivery: Delivery) -> Result<(), MonitorError> {
        let now = self.clock.steady();
        let look = match delivery.method {
            Method::Post => self.look_for(&delivery).await,
            // An edit sent twice is shown once: nothing to look for.
            Method::Update => Look::Absent,
        };
        let looks = if delivery.method == Method::Update { u32::MAX } else { delivery.looks };
        let policy = self.config.on_unknown;
        let jitter = fastrand::f64();
        let next = after_look(&look, looks, delivery.failures, policy, now, &self.config.waits, jitter);
        log_look(&delivery, &next);
        let found_absent = look == Look::Absent;
        let found = matches!(next, Reconciled::Sent { .. }).then_some(DeliveryState::Sent);
        let id = delivery.id;
        self.store.finish_look(delivery, found_absent, next, self.clock.now()).await?;
        self.note_state(id, found).await
    }

    async fn look_for(&self, delivery: &Delivery) -> Look {
        let text = if delivery.form == Form::Full { None } else { text_needle(&delivery.payload) };
        let needle = Needle { key: delivery.key.clone(), text };
        let oldest = delivery.first_try_at.unwrap_or(self.slack_now()).minus(MARGIN);
        let latest = self.slack_now().plus(MARGIN);
        match self.slack.find_message(&delivery.channel_id, &needle, oldest, latest).await {
            Ok(Some(ts)) => Look::Found { ts },
            Ok(None) => Look::Absent,
            Err(error) if error.class == Class::NotInChannel || error.code.as_deref().is_some_and(forbids_reading) => {
                tracing::debug!(%error, "the channel's history may not be read");
                Look::NotPermitted
            }
            Err(error) => {
                tracing::debug!(%error, "the channel's history could not be read");
                Look::Failed
            }
        }
    }
}

/// Errors that say: this token may not read this channel's history, and asking again will not help.
fn forbids_reading(code: &str) -> bool {
    matches!(code, "missing_scope" | "no_permission" | "not_allowed_token_type" | "access_denied" | "channel_not_found")
}

fn log_look(delivery: &Delivery, next: &Reconciled) {
    let id = delivery.id;
    match next {
        Reconciled::Sent { .. } => tracing::info!(delivery = id, "its answer was lost, but the message is in Slack"),
        Reconciled::Resend { possible_duplicate: false } => {
            tracing::info!(delivery = id, "its answer was lost and the message is not in Slack: sending it again");
        }
        Reconciled::Resend { possible_duplicate: true } => tracing::warn!(
            delivery = id,
            "its answer was lost and the history may not be read: sending it again, it may be there twice \
             (the scope channels:history, or groups:history for a private channel, would give certainty)"
        ),
        Reconciled::Keep { .. } => tracing::warn!(
            delivery = id,
            "its answer was lost and the history may not be read: kept (--on-unknown hold); see `clearml-alerts dead list`"
        ),
        Reconciled::LookAgain { .. } => {}
    }
}
