//! A message whose answer was lost is looked for in Slack before anything is sent again.

use std::collections::HashSet;

use super::deliver::{Deliverer, Next};
use super::error::MonitorError;
use super::lanes::Target;
use super::send::BLIND_EDITS;
use crate::domain::delivery::{DeliveryState, Form, Look, Reconciled, after_look};
use crate::domain::message::{is_broadcast, text_needle, thread_of};
use crate::domain::repeats::is_try_worth_a_line;
use crate::slack::{Class, Needle, SlackError};
use crate::store::{Delivery, DeliveryKind, Method};

/// How much before the recorded moment of the first try the look begins: clocks have a precision of one second.
const MARGIN: std::time::Duration = std::time::Duration::from_mins(2);

impl Deliverer {
    /// Looks for messages of `channel` whose answer was lost. A wait where Slack tells that a person must act first.
    pub(super) async fn reconcile(
        &mut self,
        channel: &str,
        target: &Target,
        lost: Vec<Delivery>,
    ) -> Result<Option<Next>, MonitorError> {
        for delivery in lost {
            if !matches!(target, Target::Slack { .. }) {
                self.heed_unseen(delivery, target).await?;
                continue;
            }
            let delivery = self.with_known_conversation(delivery).await?;
            let is_edit = delivery.kind == DeliveryKind::Edit;
            let resent_blindly = delivery.method == Method::Update && (is_edit || delivery.failures <= BLIND_EDITS);
            let mut found = if resent_blindly { Ok(None) } else { self.look_for(&delivery).await? };
            if found.as_ref().is_err_and(|error| error.class == Class::NotInChannel)
                && self.join_once(&delivery.channel_id).await
            {
                found = self.look_for(&delivery).await?;
            }
            let look = match found {
                Ok(Some(ts)) => Look::Found { ts },
                Ok(None) => Look::Absent,
                Err(error) if error.class == Class::OperatorMustAct && !forbids_reading(&error) => {
                    return Ok(Some(self.park(channel, &error.to_string()).await?));
                }
                Err(error) => refused_look(&error),
            };
            crate::crash::point("look_not_recorded");
            self.heed_look(delivery, look, resent_blindly).await?;
        }
        Ok(None)
    }

    /// Nobody can look into a webhook. A generic one knows a repeat by its key, so it is sent again; what may have gone
    /// through an incoming webhook follows the policy.
    async fn heed_unseen(&mut self, delivery: Delivery, target: &Target) -> Result<(), MonitorError> {
        crate::crash::point("look_not_recorded");
        if matches!(target, Target::Webhook(_)) {
            if is_try_worth_a_line(delivery.tries) {
                tracing::info!(
                    delivery = delivery.id,
                    "its answer was lost: sending it again with the same Idempotency-Key"
                );
            }
            let again = Reconciled::Resend { possible_duplicate: false };
            return Ok(self.store.finish_look(delivery, false, again, self.clock.now()).await.map(drop)?);
        }
        self.heed_look(delivery, Look::NotPermitted, false).await
    }

    /// A message to a user is looked for in the conversation with the user, which is asked for where it is not known.
    async fn with_known_conversation(&self, mut delivery: Delivery) -> Result<Delivery, MonitorError> {
        if delivery.channel_id.starts_with(['U', 'W']) {
            match self.slack.open_conversation(&delivery.channel_id).await {
                Ok(conversation) => {
                    self.store.settle_conversation(delivery.id, &delivery.channel_id, &conversation).await?;
                    delivery.channel_id = conversation;
                }
                // Looking for it by the user's ID brings Slack's own words about why not.
                Err(error) => tracing::debug!(%error, "the direct conversation could not be asked for"),
            }
        }
        Ok(delivery)
    }

    async fn heed_look(&mut self, delivery: Delivery, look: Look, resent_blindly: bool) -> Result<(), MonitorError> {
        let now = self.clock.steady();
        let (policy, waits) = (self.config.on_unknown, &self.config.waits);
        let next = after_look(&look, delivery.looks, delivery.failures, policy, now, waits, fastrand::f64());
        let next = match (delivery.method, next) {
            // An edit sent twice is shown once.
            (Method::Update, _) if resent_blindly => Reconciled::Resend { possible_duplicate: false },
            (Method::Update, Reconciled::Resend { possible_duplicate: false }) => Reconciled::Recompose,
            (_, next) => next,
        };
        self.log_look(&delivery, &next);
        let found = matches!(next, Reconciled::Sent { .. }).then_some(DeliveryState::Sent);
        let (id, lane) = (delivery.id, delivery.channel.clone());
        let told = self.store.finish_look(delivery, look == Look::Absent, next, self.clock.now()).await?;
        self.note_state(id, &lane, found, told);
        Ok(())
    }

    /// What Slack says; the outer error is the database's.
    async fn look_for(&self, delivery: &Delivery) -> Result<Result<Option<String>, SlackError>, MonitorError> {
        let text = if delivery.form == Form::Full { None } else { text_needle(&delivery.payload) };
        // An edit is looked for in a message that was shown before.
        let others = match (&text, delivery.method) {
            (Some(_), Method::Post) => self.store.shown_around(delivery.id).await?,
            _ => HashSet::new(),
        };
        let needle = Needle { key: delivery.key.clone(), text, others };
        let oldest = delivery.first_try_at.unwrap_or(self.slack_now()).minus(MARGIN);
        let Some(parent) = thread_of(&delivery.payload) else {
            return Ok(self.slack.find_message(&delivery.channel_id, &needle, oldest).await);
        };
        let in_thread = self.slack.find_reply(&delivery.channel_id, &parent, &needle, oldest).await;
        if is_broadcast(&delivery.payload) && in_thread.as_ref().is_err_and(forbids_reading) {
            // That it is not among what the channel shows proves nothing: the look was refused, and stays refused.
            let in_channel = self.slack.find_message(&delivery.channel_id, &needle, oldest).await;
            return Ok(if let Ok(Some(_)) = in_channel { in_channel } else { in_thread });
        }
        Ok(in_thread)
    }

    fn log_look(&mut self, delivery: &Delivery, next: &Reconciled) {
        let id = delivery.id;
        match next {
            Reconciled::Sent { .. } => {
                tracing::info!(delivery = id, "its answer was lost, but the message is in Slack");
            }
            Reconciled::Resend { .. } if !is_try_worth_a_line(delivery.tries) => {}
            Reconciled::Resend { possible_duplicate: false } => {
                tracing::info!(delivery = id, "its answer was lost and the message is not in Slack: sending it again");
            }
            Reconciled::Resend { possible_duplicate: true } => tracing::warn!(
                delivery = id,
                "its answer was lost and the history may not be read: sending it again, it may be there twice \
                 (the scope channels:history, groups:history for a private channel, or im:history with im:write for direct \
                 messages would give certainty; an incoming webhook cannot)"
            ),
            Reconciled::Keep { .. } if self.told_kept.insert(id) => tracing::warn!(
                delivery = id,
                "its answer was lost and the history may not be read: kept (--on-unknown hold); see `clearml-alerts \
                 dead list`"
            ),
            Reconciled::Keep { .. } | Reconciled::LookAgain { .. } => {}
            Reconciled::Recompose => tracing::info!(delivery = id, "an edit did not arrive; its news goes out anew"),
        }
    }
}

/// A look that could not be made: because this token may never read the channel's history, or for the moment.
fn refused_look(error: &SlackError) -> Look {
    if error.class == Class::NotInChannel || forbids_reading(error) {
        tracing::debug!(%error, "the channel's history may not be read");
        return Look::NotPermitted;
    }
    tracing::debug!(%error, "the channel's history could not be read");
    Look::Failed
}

/// Errors that say: this token may not read this channel's history, and asking again will not help.
fn forbids_reading(error: &SlackError) -> bool {
    let codes = ["missing_scope", "no_permission", "not_allowed_token_type", "access_denied", "channel_not_found"];
    error.code.as_deref().is_some_and(|code| codes.contains(&code))
}
