//! What came of one try to write a message.

use std::time::Duration;

use serde_json::{Map, Value};

use super::answers::Class;
use super::envelope;
use super::error::SlackError;
use super::method::Method;
use super::transport::Reply;

/// One try to post or to change a message, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What it means for the message.
    pub outcome: DeliveryOutcome,
    /// The HTTP status, where an answer came.
    pub http_status: Option<u16>,
    /// Slack's error code; without one, what happened in a few words.
    pub error: Option<String>,
    /// What Slack said beyond the code, in at most 500 characters; warnings of a success too.
    pub detail: Option<String>,
    /// What a person should do, where it failed.
    pub advice: Option<String>,
    /// How long the try took.
    pub took: Duration,
}

/// What a try means for the message, and so what may be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// Slack has it.
    Sent {
        /// The channel's ID.
        channel: String,
        /// The message's ID in the channel.
        ts: String,
    },
    /// Slack has it, and gave no ID: it went through an incoming webhook.
    SentByWebhook,
    /// Slack certainly does not have it: wait and try again.
    NotDelivered {
        /// How long Slack asked to wait with this method.
        retry_after: Option<Duration>,
        /// The cause will not pass in seconds: back off for long.
        long: bool,
    },
    /// Slack may have it: look for it before sending again.
    Ambiguous,
    /// A person must change something first.
    OperatorMustAct,
    /// The bot is not in this public channel: join once, try once more.
    NotInChannel,
    /// This payload can never be accepted: send a poorer one.
    PayloadRefused,
    /// No reply is possible there: post at top level.
    ThreadOnly,
}

impl DeliveryOutcome {
    /// The word for the database, logs and history: `sent`, or the class's.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Sent { .. } | Self::SentByWebhook => "sent",
            Self::NotDelivered { .. } => Class::NotDelivered { long: false }.as_str(),
            Self::Ambiguous => Class::Ambiguous.as_str(),
            Self::OperatorMustAct => Class::OperatorMustAct.as_str(),
            Self::NotInChannel => Class::NotInChannel.as_str(),
            Self::PayloadRefused => Class::PayloadRefused.as_str(),
            Self::ThreadOnly => Class::ThreadOnly.as_str(),
        }
    }

    fn from_class(class: Class, retry_after: Option<Duration>) -> Self {
        match class {
            Class::NotDelivered { long } => Self::NotDelivered { retry_after, long },
            Class::Ambiguous => Self::Ambiguous,
            Class::OperatorMustAct => Self::OperatorMustAct,
            Class::NotInChannel => Self::NotInChannel,
            Class::PayloadRefused => Self::PayloadRefused,
            Class::ThreadOnly => Self::ThreadOnly,
        }
    }
}

impl Delivery {
    /// From an answer of `method`.
    pub(super) fn from_reply(method: Method, reply: &Reply, took: Duration) -> Self {
        let fields = match envelope::open(method, reply) {
            Ok(fields) => fields,
            Err(error) => return Self::from_error(error, took),
        };
        let Some(outcome) = sent(&fields) else {
            let problem = "the answer says `ok` without the channel and ts of the message";
            return Self::from_error(envelope::unreadable(method, reply, problem), took);
        };
        let detail = envelope::detail(&fields);
        Self { outcome, http_status: Some(reply.status), error: None, detail, advice: None, took }
    }

    /// From a call that failed.
    pub(super) fn from_error(error: SlackError, took: Duration) -> Self {
        Self {
            outcome: DeliveryOutcome::from_class(error.class, error.retry_after),
            http_status: error.http_status,
            error: Some(error.code.unwrap_or(error.what)),
            detail: error.detail,
            advice: Some(error.advice),
            took,
        }
    }
}

fn sent(fields: &Map<String, Value>) -> Option<DeliveryOutcome> {
    let text = |name: &str| fields.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    Some(DeliveryOutcome::Sent { channel: text("channel")?, ts: text("ts")? })
}
