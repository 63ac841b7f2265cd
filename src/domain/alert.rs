//! An alert: what a rule has to tell about one outcome of one run, and the states it goes through.

use std::fmt;

use serde::Serialize;

use super::cause::{Cause, Why};
use super::stamp::Stamp;
use super::task::{Outcome, Task};

/// Where an alert stands. `docs` and the state diagram in ARCHITECTURE.md use these words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// Recorded; waits to be sent, perhaps again.
    Pending,
    /// A request is under way, or was when the program was killed.
    Sending,
    /// The answer to a request was lost: it may have arrived.
    Unknown,
    /// A person must act before its channel can be posted to.
    Held,
    /// Shown in Slack.
    Sent,
    /// Given up with a reason; can be replayed.
    Dead,
    /// A filter spoke: recorded, never to be sent.
    Suppressed,
}

impl AlertState {
    /// Every state, in the order of the way through them.
    pub const ALL: [Self; 7] =
        [Self::Pending, Self::Sending, Self::Unknown, Self::Held, Self::Sent, Self::Dead, Self::Suppressed];

    /// The word in the database and in `history`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Unknown => "unknown",
            Self::Held => "held",
            Self::Sent => "sent",
            Self::Dead => "dead",
            Self::Suppressed => "suppressed",
        }
    }

    /// The inverse of [`AlertState::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

impl fmt::Display for AlertState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A row of history: one alert as the database tells it. The fields and their order are the contract of
/// `history --format json`; times are RFC 3339 in UTC with milliseconds, what is not known is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlertRecord {
    /// The alert's number.
    pub id: i64,
    /// The rule that spoke.
    pub rule: String,
    /// ClearML's task ID.
    pub task_id: String,
    /// The task's name when the alert was decided.
    pub task_name: String,
    /// The project's full name then.
    pub project: Option<String>,
    /// The user's name then.
    pub user: Option<String>,
    /// The outcome.
    pub status: Outcome,
    /// When the server stamped it.
    pub status_changed: Stamp,
    /// Where the alert stands.
    pub state: AlertState,
    /// Why it stands there; null where there is nothing to say.
    pub reason: Option<String>,
    /// When it was recorded.
    pub created_at: Stamp,
    /// When Slack confirmed it.
    pub sent_at: Option<Stamp>,
    /// How often it was tried.
    pub attempts: u32,
    /// The channel, as the user named it.
    pub channel: String,
    /// Slack's ID of the message.
    pub message_ts: Option<String>,
    /// Whether a message that stands for many alerts told it.
    pub digest: bool,
    /// The task's page in ClearML's web application.
    pub url: Option<String>,
    /// Why the task ended, in a word; null where it completed.
    pub cause: Option<Cause>,
    /// The same in one line for a person.
    pub cause_detail: Option<String>,
}

impl AlertRecord {
    /// Why the task ended, for a person: the line, or the word where there is none.
    pub fn why(&self) -> Option<&str> {
        let detail = self.cause_detail.as_deref().filter(|detail| !detail.is_empty());
        detail.or_else(|| self.cause.filter(|cause| *cause != Cause::Unknown).map(Cause::label))
    }
}

/// An alert that waits to be composed into a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingAlert {
    /// The alert's number.
    pub id: i64,
    /// The rule that spoke.
    pub rule: String,
    /// Which run of the task.
    pub run: u32,
    /// The outcome.
    pub outcome: Outcome,
    /// Of a stuck one: how often it was stuck in this run, from 1; else 0.
    pub episode: u32,
    /// The channel, as the user named it.
    pub channel: String,
    /// The task as it was polled when the alert was decided.
    pub task: Task,
    /// The task's page in ClearML's web application.
    pub url: Option<String>,
    /// Why the task ended, as far as it was known when it was last stored; `None` where it completed.
    pub why: Option<Why>,
    /// The wait that its rule asked for, where it had one.
    pub waited: Option<Waited>,
}

/// A wait that is over, by the rule's own word: an alert is not late for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waited {
    /// When it was over.
    pub released_at: Stamp,
    /// Whether quiet hours asked for it.
    pub quiet: bool,
}
