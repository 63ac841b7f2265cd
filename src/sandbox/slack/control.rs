//! The hand that moves the simulated Slack: methods for tests, the demo and the `sandbox` subcommand.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::limits::RateLimit;
use super::state::{Channel, Mention, Message, Person, Token, Violation, Workspace};
use super::{Shared, SimulatedSlack};
use crate::clock::Clock;

/// What was waited for did not come.
#[derive(Debug, Clone, thiserror::Error)]
#[error("waited {waited:?} in vain; {} messages are there", messages.len())]
pub struct TimedOut {
    /// How long it was waited.
    pub waited: Duration,
    /// What was there at the end.
    pub messages: Vec<Message>,
}

/// Adds a channel and returns its ID, made up where it has none.
pub(crate) fn add_channel(workspace: &mut Workspace, mut channel: Channel) -> String {
    if channel.id.is_empty() {
        channel.id = workspace.new_id('C');
    }
    let id = channel.id.clone();
    workspace.channels.retain(|other| other.id != id);
    workspace.channels.push(channel);
    id
}

/// Adds a person and returns the ID.
pub(crate) fn add_person(workspace: &mut Workspace, name: &str, email: &str) -> String {
    let id = workspace.new_id('U');
    workspace.people.push(Person { id: id.clone(), name: name.to_owned(), email: email.to_owned() });
    id
}

/// Adds an incoming webhook for a channel (by ID or name) and returns its address.
pub(crate) fn add_webhook(workspace: &mut Workspace, channel: &str) -> String {
    let id = workspace.find_channel(channel).map_or_else(|| channel.to_owned(), |channel| channel.id.clone());
    let hook = workspace.new_id('B');
    let path = format!("/services/{}/{hook}/sandboxhooksecret", workspace.team_id);
    workspace.hooks.insert(path.clone(), Some(id));
    format!("{}{path}", workspace.base)
}

impl SimulatedSlack {
    fn with<T>(&self, change: impl FnOnce(&mut Workspace) -> T) -> T {
        let result = change(&mut self.shared.workspace());
        self.shared.changed.notify_all();
        result
    }

    /// The bot's token; the newest, where it was replaced.
    pub fn token(&self) -> String {
        self.with(|workspace| workspace.tokens.last().map(|token| token.secret.clone()).unwrap_or_default())
    }

    /// Gives Slack another clock.
    pub fn set_clock(&self, clock: Clock) {
        self.with(|workspace| workspace.clock = clock);
    }

    /// Adds a channel and returns its ID; one without an ID gets one.
    pub fn add_channel(&self, channel: Channel) -> String {
        self.with(|workspace| add_channel(workspace, channel))
    }

    /// A channel by ID or name.
    pub fn channel(&self, wanted: &str) -> Option<Channel> {
        self.with(|workspace| workspace.find_channel(wanted).cloned())
    }

    /// Changes a channel: archives it, throws the bot out, renames it.
    pub fn change_channel(&self, wanted: &str, change: impl FnOnce(&mut Channel)) {
        self.with(|workspace| {
            let id = workspace.find_channel(wanted).map(|channel| channel.id.clone());
            if let Some(channel) = workspace.channels.iter_mut().find(|channel| Some(&channel.id) == id.as_ref()) {
                change(channel);
            }
        });
    }

    /// Adds a person whom `users.lookupByEmail` finds, and returns the ID.
    pub fn add_person(&self, name: &str, email: &str) -> String {
        self.with(|workspace| add_person(workspace, name, email))
    }

    /// The messages of the direct conversation with a person, oldest first.
    pub fn direct_messages(&self, user: &str) -> Vec<Message> {
        self.with(|workspace| {
            let direct = workspace.channels.iter().find(|channel| channel.direct_with.as_deref() == Some(user));
            let id = direct.map(|channel| channel.id.clone());
            workspace.messages.iter().filter(|message| Some(&message.channel) == id.as_ref()).cloned().collect()
        })
    }

    /// Takes a person away, as a deactivated account is: no look-up finds it, nothing can be sent to it.
    pub fn remove_person(&self, user: &str) {
        self.with(|workspace| {
            workspace.people.retain(|person| person.id != user);
            workspace.channels.retain(|channel| channel.direct_with.as_deref() != Some(user));
        });
    }

    /// Sets what the newest token may do.
    pub fn set_scopes(&self, scopes: &[&str]) {
        self.with(|workspace| {
            if let Some(token) = workspace.tokens.last_mut() {
                token.scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            }
        });
    }

    /// Makes every token useless from now on, with this error (`token_revoked`, `account_inactive`, …).
    pub fn revoke_token(&self, error: &str) {
        self.with(|workspace| {
            for token in &mut workspace.tokens {
                token.refused = Some(error.to_owned());
            }
        });
    }

    /// Makes the newest token good again.
    pub fn restore_token(&self) {
        self.with(|workspace| {
            if let Some(token) = workspace.tokens.last_mut() {
                token.refused = None;
            }
        });
    }

    /// Adds a token with the scopes of the newest; the old ones answer `token_revoked`.
    pub fn replace_token(&self, token: &str) {
        self.with(|workspace| {
            let scopes = workspace.tokens.last().map(|token| token.scopes.clone()).unwrap_or_default();
            for old in &mut workspace.tokens {
                old.refused = Some("token_revoked".to_owned());
            }
            workspace.tokens.push(Token { secret: token.to_owned(), scopes, refused: None });
        });
    }

    /// Sets the pace of messages; `None` for no limit.
    pub fn set_rate_limit(&self, limit: Option<RateLimit>) {
        self.with(|workspace| workspace.pacer.set(limit));
    }

    /// Cuts the pages of `conversations.list` to this many channels, with empty pages between them; `None` for full ones.
    pub fn set_short_pages(&self, size: Option<usize>) {
        self.with(|workspace| workspace.short_pages = size);
    }

    /// Adds an incoming webhook for a channel (by ID or name) and returns its address, which is a secret in real life.
    pub fn add_webhook(&self, channel: &str) -> String {
        self.with(|workspace| add_webhook(workspace, channel))
    }

    /// Disables a webhook: it answers 403 `invalid_token`.
    pub fn disable_webhooks(&self) {
        self.with(|workspace| workspace.hooks.values_mut().for_each(|channel| *channel = None));
    }

    /// The messages of a channel (by ID or name), oldest first.
    pub fn messages(&self, channel: &str) -> Vec<Message> {
        self.with(|workspace| {
            let id = workspace.find_channel(channel).map(|channel| channel.id.clone()).unwrap_or_default();
            workspace.messages.iter().filter(|message| message.channel == id).cloned().collect()
        })
    }

    /// Every message, oldest first.
    pub fn all_messages(&self) -> Vec<Message> {
        self.with(|workspace| workspace.messages.clone())
    }

    /// Deletes a message; whether it was there.
    pub fn delete_message(&self, ts: &str) -> bool {
        self.with(|workspace| {
            let before = workspace.messages.len();
            workspace.messages.retain(|message| message.ts != ts);
            workspace.messages.len() < before
        })
    }

    /// Adds a message that somebody else wrote, and returns its stamp.
    pub fn add_message(&self, channel: &str, text: &str) -> String {
        self.with(|workspace| {
            let channel = workspace.find_channel(channel).map(|channel| channel.id.clone()).unwrap_or_default();
            let ts = workspace.new_ts();
            workspace.messages.push(Message {
                channel,
                ts: ts.clone(),
                thread_ts: None,
                broadcast: false,
                text: text.to_owned(),
                blocks: Vec::new(),
                metadata: None,
                edits: 0,
                edited_ts: None,
                from_webhook: false,
                payload: json!({}),
            });
            ts
        })
    }

    /// What a careful client would not have sent.
    pub fn violations(&self) -> Vec<Violation> {
        self.with(|workspace| workspace.violations.clone())
    }

    /// Forgets the violations.
    pub fn clear_violations(&self) {
        self.with(|workspace| workspace.violations.clear());
    }

    /// The live mentions in everything stored so far, edits included.
    pub fn mentions(&self) -> Vec<Mention> {
        self.with(|workspace| workspace.mentions.clone())
    }

    /// Blocks until the messages of all channels please `enough`, and returns them. It sleeps on a bell, not on a timer,
    /// and is bounded by the real clock.
    pub fn wait_for(
        &self,
        at_most: Duration,
        enough: impl FnMut(&[Message]) -> bool,
    ) -> Result<Vec<Message>, TimedOut> {
        wait(&self.shared, at_most, enough)
    }

    /// The same for async code: the wait sits on the blocking pool, so that a paused tokio clock does not run ahead.
    pub async fn wait_until(
        &self,
        at_most: Duration,
        enough: impl FnMut(&[Message]) -> bool + Send + 'static,
    ) -> Result<Vec<Message>, TimedOut> {
        let shared = Arc::clone(&self.shared);
        let waited = tokio::task::spawn_blocking(move || wait(&shared, at_most, enough)).await;
        waited.unwrap_or_else(|_| Err(TimedOut { waited: at_most, messages: self.all_messages() }))
    }

    /// Blocks until so many messages are there.
    pub fn wait_for_messages(&self, count: usize, at_most: Duration) -> Result<Vec<Message>, TimedOut> {
        self.wait_for(at_most, move |messages| messages.len() >= count)
    }

    /// The newest message's metadata payload, for a look at what the program sent.
    pub fn newest_metadata(&self) -> Option<Value> {
        self.with(|workspace| workspace.messages.last().and_then(|message| message.metadata.clone()))
    }
}

fn wait(
    shared: &Shared,
    at_most: Duration,
    mut enough: impl FnMut(&[Message]) -> bool,
) -> Result<Vec<Message>, TimedOut> {
    let guard = shared.workspace();
    let (guard, _) = shared
        .changed
        .wait_timeout_while(guard, at_most, |workspace| !enough(&workspace.messages))
        .unwrap_or_else(PoisonError::into_inner);
    let messages = guard.messages.clone();
    drop(guard);
    if enough(&messages) { Ok(messages) } else { Err(TimedOut { waited: at_most, messages }) }
}
