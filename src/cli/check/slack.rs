//! Slack: the token, what it may do, and the channel. With `--send-test` also a message.

use super::item::{Area, Item};
use super::settings::Settled;
use crate::cli::assemble;
use crate::cli::start::Context;
use crate::domain::message::compose_test;
use crate::monitor::is_channel_id;
use crate::slack::{Channel, Client, DeliveryOutcome, Identity, SlackError};

/// A scope, and what is not possible without it.
struct Scope {
    name: &'static str,
    cost: &'static str,
    /// Whether nothing works without it.
    is_vital: fn(&Needs) -> bool,
}

/// What the settings ask of the token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    /// The channel is given by name and has to be looked up.
    pub by_name: bool,
}

const SCOPES: [Scope; 6] = [
    Scope { name: "chat:write", cost: "nothing can be posted", is_vital: |_| true },
    Scope {
        name: "channels:read",
        cost: "a channel cannot be found by its name, only by its ID",
        is_vital: |needs| needs.by_name,
    },
    Scope {
        name: "channels:join",
        cost: "the bot cannot enter a public channel by itself: somebody must /invite it",
        is_vital: |_| false,
    },
    Scope {
        name: "channels:history",
        cost: "a message whose answer was lost cannot be looked for, so it may be posted twice (or waits, with \
               --on-unknown hold)",
        is_vital: |_| false,
    },
    Scope {
        name: "groups:read",
        cost: "a private channel cannot be found by its name, only by its ID",
        is_vital: |_| false,
    },
    Scope {
        name: "groups:history",
        cost: "in a private channel, a message whose answer was lost cannot be looked for",
        is_vital: |_| false,
    },
];

pub(super) async fn look(settled: &Settled, context: &Context, send_test: bool) -> Vec<Item> {
    let Some(access) = &settled.slack else { return Vec::new() };
    let slack = match assemble::slack_client_of(access.clone()) {
        Ok(slack) => slack,
        Err(error) => return vec![Item::slack_error("client", &error)],
    };
    let identity = match slack.auth_test().await {
        Ok(identity) => identity,
        Err(error) => return vec![Item::slack_error("token", &error)],
    };
    let mut items = who(&identity);
    let by_name = settled.channels.iter().any(|name| !is_channel_id(name));
    if settled.channels.is_empty() {
        return items;
    }
    items.extend(scopes(&identity, Needs { by_name }));
    for name in &settled.channels {
        items.extend(look_at_channel(name, &slack, &identity, context, send_test).await);
    }
    items
}

async fn look_at_channel(
    name: &str,
    slack: &Client,
    identity: &Identity,
    context: &Context,
    send_test: bool,
) -> Vec<Item> {
    let mut items = Vec::new();
    let (channel, found) = find(slack, name).await;
    let can_post = found.grade != super::item::Grade::Failed || channel.is_some();
    let joins = identity.grants("channels:join");
    items.push(match &channel {
        Some(channel) => found_channel(channel, joins, &identity.user),
        None => found,
    });
    if send_test && can_post {
        let id = channel.map_or_else(|| name.to_owned(), |channel| channel.id);
        items.push(test_message(slack, &id, context).await);
    }
    items
}

pub(super) fn who(identity: &Identity) -> Vec<Item> {
    let mut items = vec![
        Item::ok(Area::Slack, "token", format!("accepted in the workspace {} ({})", identity.team, identity.url)),
        Item::ok(Area::Slack, "bot", format!("@{} ({})", identity.user, identity.user_id)),
    ];
    if identity.bot_id.is_none() {
        let mend = "give the app's bot token (xoxb-…), so that alerts come from the app and not from a person";
        items.push(Item::warning(Area::Slack, "bot", "the token belongs to a person, not to a bot", mend));
    }
    items
}

pub(super) fn scopes(identity: &Identity, needs: Needs) -> Vec<Item> {
    let Some(granted) = &identity.scopes else {
        let mend = "nothing to do unless something fails below; Slack tells the scopes of bot tokens";
        return vec![Item::warning(Area::Slack, "scopes", "Slack does not say what this token may do", mend)];
    };
    let line = |scope: &Scope| {
        let item = format!("scope {}", scope.name);
        if granted.iter().any(|own| own == scope.name) {
            return Item::ok(Area::Slack, item, "granted");
        }
        let mend = format!("add {} under OAuth & Permissions of the Slack app, and reinstall the app", scope.name);
        let found = format!("missing: {}", scope.cost);
        let build = if (scope.is_vital)(&needs) { Item::failed } else { Item::warning };
        build(Area::Slack, item, found, mend)
    };
    SCOPES.iter().map(line).collect()
}

/// The channel, or the item that says why it is not known.
async fn find(slack: &Client, name: &str) -> (Option<Channel>, Item) {
    let found = if is_channel_id(name) { by_id(slack, name).await } else { by_name(slack, name).await };
    match found {
        Ok(Some(channel)) => (Some(channel), Item::ok(Area::Slack, "channel", name)),
        Ok(None) => (None, no_channel(name)),
        Err(error) if is_channel_id(name) && error.code.as_deref() == Some("missing_scope") => {
            (None, channel_unseen(name))
        }
        Err(error) => (None, Item::slack_error(&format!("channel {name}"), &error)),
    }
}

async fn by_id(slack: &Client, id: &str) -> Result<Option<Channel>, SlackError> {
    slack.channel_info(id).await.map(Some)
}

async fn by_name(slack: &Client, name: &str) -> Result<Option<Channel>, SlackError> {
    match slack.find_channel(name).await? {
        Some(channel) => Ok(Some(channel)),
        None => slack.find_archived_channel(name).await,
    }
}

pub(super) fn no_channel(name: &str) -> Item {
    let mend = "check the name; give a private channel by its ID (channel details, at the bottom), and /invite the bot \
                to it";
    Item::failed(Area::Slack, "channel", format!("the token sees no channel `{name}`"), mend)
}

pub(super) fn channel_unseen(id: &str) -> Item {
    let found = format!("{id} cannot be looked at without channels:read (groups:read where it is private)");
    Item::warning(Area::Slack, "channel", found, "nothing to do if the bot is in it: try --send-test")
}

pub(super) fn found_channel(channel: &Channel, may_join: Option<bool>, bot: &str) -> Item {
    let kind = if channel.is_private { "private" } else { "public" };
    let found = format!("#{} ({}, {kind})", channel.name, channel.id);
    let invite = format!("type /invite @{bot} in it");
    match channel {
        Channel { is_archived: true, .. } => {
            let mend = "unarchive it in Slack, or choose another channel with --channel";
            Item::failed(Area::Slack, "channel", format!("{found} is archived"), mend)
        }
        Channel { is_member: true, .. } => Item::ok(Area::Slack, "channel", format!("{found}, the bot is in it")),
        Channel { is_private: true, .. } => {
            Item::failed(Area::Slack, "channel", format!("{found}: the bot is not in it"), invite)
        }
        _ if may_join == Some(false) => {
            let mend = format!("{invite}, or grant channels:join");
            Item::failed(Area::Slack, "channel", format!("{found}: the bot is not in it and may not join"), mend)
        }
        _ => Item::ok(Area::Slack, "channel", format!("{found}; the bot joins it with the first message")),
    }
}

async fn test_message(slack: &Client, channel_id: &str, context: &Context) -> Item {
    let (payload, _) = compose_test(channel_id, &context.host, env!("CARGO_PKG_VERSION"), context.clock.now());
    let mut sent = slack.post_message(&payload).await;
    if sent.outcome == DeliveryOutcome::NotInChannel && slack.join(channel_id).await.is_ok() {
        sent = slack.post_message(&payload).await;
    }
    if let DeliveryOutcome::Sent { channel, ts } = &sent.outcome {
        let place = slack.permalink(channel, ts).await.unwrap_or_else(|_| format!("message {ts} in channel {channel}"));
        return Item::ok(Area::Slack, "test_message", format!("posted: {place}"));
    }
    let said = [sent.error, sent.detail].into_iter().flatten().collect::<Vec<_>>().join(": ");
    let advice = sent.advice.unwrap_or_else(|| "try again".to_owned());
    Item::failed(Area::Slack, "test_message", format!("not posted: {said}"), advice)
}
