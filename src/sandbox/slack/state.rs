//! Everything that the simulated Slack knows: a workspace, its tokens, channels and messages. No requests are read here.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::limits::Pacer;
use crate::clock::Clock;

/// A channel or a direct conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Channel {
    /// `C…`, or `D…` for a direct conversation.
    pub id: String,
    /// Its name without `#`.
    pub name: String,
    /// Whether only members see it.
    pub private: bool,
    /// Whether it is archived: nothing can be posted.
    pub archived: bool,
    /// Whether the bot is a member.
    pub joined: bool,
    /// The user at the other end of a direct conversation.
    pub direct_with: Option<String>,
}

impl Channel {
    /// A public channel that the bot has joined.
    pub fn public(name: &str) -> Self {
        Self {
            id: String::new(),
            name: name.trim_start_matches('#').to_owned(),
            private: false,
            archived: false,
            joined: true,
            direct_with: None,
        }
    }

    /// A private channel that the bot was invited to.
    pub fn private(name: &str) -> Self {
        Self { private: true, ..Self::public(name) }
    }

    /// The same, but the bot is not a member.
    #[must_use]
    pub fn not_joined(mut self) -> Self {
        self.joined = false;
        self
    }

    /// The same, but archived.
    #[must_use]
    pub fn archived(mut self) -> Self {
        self.archived = true;
        self
    }

    /// The same, with this ID.
    #[must_use]
    pub fn with_id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        self
    }
}

/// A message as Slack stored it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    /// The channel's ID; for a webhook's message the hook's channel.
    pub channel: String,
    /// Slack's stamp, unique in its channel.
    pub ts: String,
    /// The thread it belongs to, if it is in one.
    pub thread_ts: Option<String>,
    /// Whether a reply was shown in the channel too.
    pub broadcast: bool,
    /// The fallback text.
    pub text: String,
    /// Its blocks, as sent; empty without.
    pub blocks: Vec<Value>,
    /// Its metadata, as sent.
    pub metadata: Option<Value>,
    /// How often it was edited.
    pub edits: u32,
    /// The stamp of the last edit.
    pub edited_ts: Option<String>,
    /// Whether it came through an incoming webhook.
    pub from_webhook: bool,
    /// The request's fields, as sent, the last edit's for an edited one.
    pub payload: Value,
}

impl Message {
    /// As a person would read it in a terminal of 80 columns; see [`crate::sandbox::render`].
    pub fn plain(&self) -> String {
        super::super::render::message(self, 80)
    }
}

/// A token and what it may do.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) secret: String,
    pub(crate) scopes: Vec<String>,
    /// Slack's error for its use, where it is no longer good.
    pub(crate) refused: Option<String>,
}

/// Something that a well-behaved client would not send, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The method (`webhook` for the incoming webhook).
    pub method: String,
    /// What is wrong, in words.
    pub problem: String,
    /// The error that Slack answered, where it is one that Slack refuses.
    pub error: Option<String>,
}

/// A live mention in a stored message: text that notifies people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mention {
    /// The channel's ID.
    pub channel: String,
    /// The message's stamp.
    pub ts: String,
    /// The whole entity: `<!channel>`, `<@U123>`, `<!subteam^S123>`.
    pub entity: String,
}

/// A person whom `users.lookupByEmail` finds.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) email: String,
}

/// The simulated workspace.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) clock: Clock,
    pub(crate) team: String,
    pub(crate) team_id: String,
    pub(crate) user_id: String,
    pub(crate) bot_id: String,
    pub(crate) app_id: String,
    pub(crate) tokens: Vec<Token>,
    pub(crate) people: Vec<Person>,
    pub(crate) channels: Vec<Channel>,
    /// In the order in which they were posted.
    pub(crate) messages: Vec<Message>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) mentions: Vec<Mention>,
    /// Webhook paths and the channels they post to; `None` for one that was removed.
    pub(crate) hooks: BTreeMap<String, Option<String>>,
    pub(crate) pacer: Pacer,
    /// Pages of `conversations.list` are cut to this, and every other one comes empty.
    pub(crate) short_pages: Option<usize>,
    pub(crate) last_ts: i64,
    pub(crate) next_id: u32,
    pub(crate) base: String,
}

impl Workspace {
    /// A new stamp, later than every other.
    pub(crate) fn new_ts(&mut self) -> String {
        let micros = self.clock.now().as_millis().saturating_mul(1000);
        self.last_ts = micros.max(self.last_ts + 1);
        format!("{}.{:06}", self.last_ts.div_euclid(1_000_000), self.last_ts.rem_euclid(1_000_000))
    }

    /// A new ID with this first letter.
    pub(crate) fn new_id(&mut self, letter: char) -> String {
        self.next_id += 1;
        format!("{letter}0SANDBX{:03}", self.next_id)
    }

    pub(crate) fn channel(&self, id: &str) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.id == id)
    }

    /// A channel by its ID or its name, with or without `#`.
    pub(crate) fn find_channel(&self, wanted: &str) -> Option<&Channel> {
        let name = wanted.trim_start_matches('#');
        self.channel(wanted).or_else(|| self.channels.iter().find(|channel| channel.name == name))
    }

    pub(crate) fn message(&self, channel: &str, ts: &str) -> Option<&Message> {
        self.messages.iter().find(|message| message.channel == channel && message.ts == ts)
    }

    pub(crate) fn violate(&mut self, method: &str, problem: impl Into<String>, error: Option<&str>) {
        let error = error.map(str::to_owned);
        self.violations.push(Violation { method: method.to_owned(), problem: problem.into(), error });
    }
}
