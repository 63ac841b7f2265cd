//! What came of one try, whoever was asked: Slack's Web API, an incoming webhook, any other webhook.

use std::time::Duration;

use crate::domain::delivery::{Answer, Receipt};
use crate::slack::{self, DeliveryOutcome};
use crate::store::Delivery;
use crate::webhook;

/// One try, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tried {
    /// What it means for the message.
    pub(super) answer: Answer,
    /// The HTTP status, where an answer came.
    pub(super) http_status: Option<u16>,
    /// The error's word, or what happened to the connection.
    pub(super) error: Option<String>,
    /// What else was said.
    pub(super) detail: Option<String>,
    /// What a person should do, where it failed.
    pub(super) advice: Option<String>,
    /// How long it took.
    pub(super) took: Duration,
    /// The message cannot be edited any more: gone, or closed to edits.
    pub(super) edit_refused: bool,
    /// The bot is not in this public channel.
    pub(super) asks_to_join: bool,
}

impl Tried {
    /// Why the message stands where it stands, for a person; `None` where it was taken.
    pub(super) fn reason(&self) -> Option<String> {
        if matches!(self.answer, Answer::Sent(_)) {
            return None;
        }
        let parts = [self.error.as_deref(), self.detail.as_deref(), self.advice.as_deref()];
        let said: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        Some(if said.is_empty() { self.answer.class().to_owned() } else { said.join(": ") })
    }
}

impl From<slack::Delivery> for Tried {
    fn from(tried: slack::Delivery) -> Self {
        let slack::Delivery { outcome, http_status, error, detail, advice, took } = tried;
        let closed = matches!(error.as_deref(), Some("cant_update_message" | "edit_window_closed"));
        let edit_refused = closed || outcome == DeliveryOutcome::ThreadOnly;
        let asks_to_join = outcome == DeliveryOutcome::NotInChannel;
        let answer = match outcome {
            DeliveryOutcome::Sent { channel, ts } => {
                Answer::Sent(Receipt { ts: Some(ts), conversation: Some(channel) })
            }
            DeliveryOutcome::SentByWebhook => Answer::Sent(Receipt::default()),
            DeliveryOutcome::NotDelivered { retry_after, long } => Answer::NotDelivered { retry_after, long },
            DeliveryOutcome::Ambiguous => Answer::Ambiguous,
            DeliveryOutcome::OperatorMustAct | DeliveryOutcome::NotInChannel => Answer::OperatorMustAct,
            DeliveryOutcome::PayloadRefused | DeliveryOutcome::ThreadOnly => Answer::PayloadRefused,
        };
        Self { answer, http_status, error, detail, advice, took, edit_refused, asks_to_join }
    }
}

impl From<webhook::Tried> for Tried {
    fn from(tried: webhook::Tried) -> Self {
        let webhook::Tried { outcome, http_status, error, detail, advice, took } = tried;
        let answer = match outcome {
            webhook::Outcome::Delivered => Answer::Sent(Receipt::default()),
            webhook::Outcome::Retry { after } => Answer::NotDelivered { retry_after: after, long: false },
            webhook::Outcome::OperatorMustAct => Answer::OperatorMustAct,
            webhook::Outcome::Refused => Answer::PayloadRefused,
        };
        let advice = advice.map(str::to_owned);
        Self { answer, http_status, error, detail, advice, took, edit_refused: false, asks_to_join: false }
    }
}

/// The answer, with the conversation only where it is news: the message went to a user.
pub(super) fn with_conversation(answer: Answer, delivery: &Delivery) -> Answer {
    match answer {
        Answer::Sent(receipt) => {
            let is_user = delivery.channel_id.starts_with(['U', 'W']);
            let conversation = receipt.conversation.filter(|id| is_user && *id != delivery.channel_id);
            Answer::Sent(Receipt { conversation, ..receipt })
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slack(outcome: DeliveryOutcome, error: &str) -> Tried {
        let (http_status, detail, advice) = (Some(200), Some("more".to_owned()), Some("do this".to_owned()));
        slack::Delivery { outcome, http_status, error: Some(error.to_owned()), detail, advice, took: Duration::ZERO }
            .into()
    }

    #[test]
    fn every_outcome_of_slack_has_its_answer() {
        assert_eq!(slack(DeliveryOutcome::SentByWebhook, "").answer, Answer::Sent(Receipt::default()));
        let joins = slack(DeliveryOutcome::NotInChannel, "not_in_channel");
        assert_eq!((joins.answer, joins.asks_to_join), (Answer::OperatorMustAct, true));
        let gone = slack(DeliveryOutcome::ThreadOnly, "message_not_found");
        assert_eq!((gone.answer.clone(), gone.edit_refused), (Answer::PayloadRefused, true));
        assert!(slack(DeliveryOutcome::Ambiguous, "edit_window_closed").edit_refused);
        assert_eq!(gone.reason().as_deref(), Some("message_not_found: more: do this"));
        assert_eq!(slack(DeliveryOutcome::SentByWebhook, "x").reason(), None);
    }

    #[test]
    fn every_outcome_of_a_webhook_has_its_answer() {
        let wait = Some(Duration::from_secs(3));
        let rows = [
            (webhook::Outcome::Delivered, Answer::Sent(Receipt::default())),
            (webhook::Outcome::Retry { after: wait }, Answer::NotDelivered { retry_after: wait, long: false }),
            (webhook::Outcome::OperatorMustAct, Answer::OperatorMustAct),
            (webhook::Outcome::Refused, Answer::PayloadRefused),
        ];
        for (outcome, answer) in rows {
            let (http_status, error, detail, advice) = (Some(200), None, None, None);
            let tried = webhook::Tried { outcome, http_status, error, detail, advice, took: Duration::ZERO };
            assert_eq!(Tried::from(tried).answer, answer);
        }
    }
}
