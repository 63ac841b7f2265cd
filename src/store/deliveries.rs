//! A message in the outbox as a value, and as a row.

use rusqlite::Row;

use super::rows::{maybe_stamp, outcome, stamp, unreadable, why, word};
use super::threads::Thread;
use crate::domain::delivery::{DeliveryState, Form};
use crate::domain::{PendingAlert, Stamp, Task, Waited, Why};

/// What a message tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryKind {
    /// One alert.
    Alert,
    /// Many alerts.
    Digest,
    /// Something about the monitor itself: its start.
    Notice,
    /// No alert: how a task stands that a message told of.
    Edit,
}

impl DeliveryKind {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Digest => "digest",
            Self::Notice => "notice",
            Self::Edit => "edit",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Alert, Self::Digest, Self::Notice, Self::Edit].into_iter().find(|kind| kind.as_str() == word)
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

/// Which digests of its lane a message belongs to: a digest is only edited by its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DigestSeries {
    /// The rule that has digests of its own; `None`: those that the other rules of the lane share.
    pub rule: Option<String>,
    /// It tells what quiet hours kept.
    pub quiet: bool,
}

/// How many alerts of a rule can be composed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The rule.
    pub rule: String,
    /// Those that no quiet hours kept.
    pub fresh: u32,
    /// Those that quiet hours kept, and that may be told now.
    pub kept: u32,
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
    /// Of a digest: which ones it belongs to.
    pub series: DigestSeries,
    /// What their consoles told of why their tasks ended: known better now than when they were recorded.
    pub whys: Vec<(i64, Why)>,
    /// How it takes part in a thread.
    pub thread: Option<Thread>,
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
    /// For a reply: the delivery whose message it follows.
    pub follows: Option<i64>,
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

/// The columns that [`delivery`] reads.
pub(super) const DELIVERY_COLUMNS: &str =
    "id, kind, method, edits, follows, channel, channel_id, key, payload, form, state, due_at, tries,
    failures, first_try_at, looks, message_ts";

/// The columns that [`pending_alert`] reads.
pub(super) const PENDING_COLUMNS: &str =
    "id, rule, run, outcome, episode, channel, snapshot, url, cause, cause_detail, released_at, kept_quiet";

pub(super) fn pending_alert(row: &Row<'_>) -> rusqlite::Result<PendingAlert> {
    let snapshot: String = row.get("snapshot")?;
    let task: Task = serde_json::from_str(&snapshot).map_err(|error| unreadable(format!("snapshot: {error}")))?;
    Ok(PendingAlert {
        id: row.get("id")?,
        rule: row.get("rule")?,
        run: row.get("run")?,
        outcome: outcome(row, "outcome")?,
        episode: row.get("episode")?,
        channel: row.get("channel")?,
        task,
        url: row.get("url")?,
        why: why(row)?,
        waited: waited(row)?,
    })
}

fn waited(row: &Row<'_>) -> rusqlite::Result<Option<Waited>> {
    let quiet = row.get("kept_quiet")?;
    Ok(maybe_stamp(row, "released_at")?.map(|released_at| Waited { released_at, quiet }))
}

pub(super) fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    Ok(Delivery {
        id: row.get("id")?,
        kind: word(row, "kind", DeliveryKind::parse)?,
        method: word(row, "method", Method::parse)?,
        edits: row.get("edits")?,
        follows: row.get("follows")?,
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
