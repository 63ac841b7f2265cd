//! The `conversations.*` methods, and `users.lookupByEmail`: who may see which channel, and what was said there.

use serde_json::{Map, Value, json};

use super::call::{Call, Outcome, Refusal, body, cursor};
use super::methods::need;
use super::state::{Channel, Message, Token, Workspace};

fn document(channel: &Channel) -> Value {
    if let Some(user) = &channel.direct_with {
        return json!({"id": channel.id, "is_im": true, "user": user, "is_archived": channel.archived});
    }
    json!({
        "id": channel.id, "name": channel.name, "name_normalized": channel.name,
        "is_channel": !channel.private, "is_group": channel.private, "is_im": false, "is_mpim": false,
        "is_private": channel.private, "is_archived": channel.archived, "is_member": channel.joined,
        "is_general": false, "is_shared": false,
    })
}

/// `conversations.list`: public channels, and those private ones that the bot is in.
pub(crate) fn list(workspace: &mut Workspace, call: &Call, token: &Token) -> Outcome {
    let types = call.text("types").unwrap_or_else(|| "public_channel".to_owned());
    let types: Vec<&str> = types.split(',').map(str::trim).collect();
    for kind in &types {
        match *kind {
            "public_channel" => need(token, &["channels:read"])?,
            "private_channel" => need(token, &["groups:read"])?,
            "im" => need(token, &["im:read"])?,
            "mpim" => need(token, &["mpim:read"])?,
            _ => return Err(Refusal::new("invalid_types")),
        }
    }
    let (limit, offset) = (call.limit()?, call.offset()?);
    let wanted = |channel: &&Channel| match (&channel.direct_with, channel.private) {
        (Some(_), _) => types.contains(&"im"),
        (None, true) => types.contains(&"private_channel") && channel.joined,
        (None, false) => types.contains(&"public_channel"),
    };
    let skip_archived = call.flag("exclude_archived");
    let found: Vec<&Channel> =
        workspace.channels.iter().filter(wanted).filter(|channel| !(skip_archived && channel.archived)).collect();
    Ok(page_of_channels(&found, limit, offset, workspace.short_pages))
}

/// One page. With short pages, a cursor is twice the offset, and an odd one stands for an empty page before it.
fn page_of_channels(found: &[&Channel], limit: usize, offset: usize, short: Option<usize>) -> Map<String, Value> {
    let (start, size, next) = match short {
        None => (offset, limit, offset + limit),
        Some(_) if offset % 2 == 1 => (offset / 2, 0, offset - 1),
        Some(short) => {
            let size = limit.min(short).max(1);
            (offset / 2, size, (offset / 2 + size) * 2 + 1)
        }
    };
    let shown: Vec<Value> = found.iter().skip(start).take(size).map(|channel| document(channel)).collect();
    let reached = if short.is_some() { next / 2 } else { next };
    let next = if reached < found.len() { cursor(next) } else { String::new() };
    body([("channels", json!(shown)), ("response_metadata", json!({"next_cursor": next}))])
}

/// A channel by ID, if the bot may know of it.
fn known<'w>(workspace: &'w Workspace, call: &Call) -> Result<&'w Channel, Refusal> {
    let id = call.required("channel")?;
    let channel = workspace.channel(&id).ok_or_else(|| Refusal::new("channel_not_found"))?;
    if channel.private && !channel.joined {
        return Err(Refusal::new("channel_not_found"));
    }
    Ok(channel)
}

/// `conversations.join`.
pub(crate) fn join(workspace: &mut Workspace, call: &Call, token: &Token) -> Outcome {
    need(token, &["channels:join"])?;
    let channel = known(workspace, call)?.clone();
    if channel.private || channel.direct_with.is_some() {
        return Err(Refusal::new("method_not_supported_for_channel_type"));
    }
    if channel.archived {
        return Err(Refusal::new("is_archived"));
    }
    if let Some(own) = workspace.channels.iter_mut().find(|own| own.id == channel.id) {
        own.joined = true;
    }
    let joined = Channel { joined: true, ..channel.clone() };
    let mut answer = body([("channel", document(&joined))]);
    if channel.joined {
        answer.insert("warning".to_owned(), json!("already_in_channel"));
        answer.insert("response_metadata".to_owned(), json!({"warnings": ["already_in_channel"]}));
    }
    Ok(answer)
}

/// `conversations.info`.
pub(crate) fn info(workspace: &Workspace, call: &Call, token: &Token) -> Outcome {
    need(token, &["channels:read", "groups:read", "im:read"])?;
    let channel = known(workspace, call)?;
    need(token, &[scope_of(channel, "read").as_str()])?;
    Ok(body([("channel", document(channel))]))
}

fn scope_of(channel: &Channel, what: &str) -> String {
    let kind = match (&channel.direct_with, channel.private) {
        (Some(_), _) => "im",
        (None, true) => "groups",
        (None, false) => "channels",
    };
    format!("{kind}:{what}")
}

/// A channel whose messages the bot may read.
fn readable<'w>(workspace: &'w Workspace, call: &Call, token: &Token) -> Result<&'w Channel, Refusal> {
    need(token, &["channels:history", "groups:history", "im:history"])?;
    let channel = known(workspace, call)?;
    need(token, &[scope_of(channel, "history").as_str()])?;
    if !channel.joined {
        return Err(Refusal::new("not_in_channel"));
    }
    Ok(channel)
}

/// `conversations.history`: newest first, replies left out unless they were shown in the channel.
pub(crate) fn history(workspace: &Workspace, call: &Call, token: &Token) -> Outcome {
    let channel = readable(workspace, call, token)?;
    let range = Range::read(call)?;
    let in_channel = |message: &&Message| {
        message.channel == channel.id
            && message.thread_ts.as_ref().is_none_or(|thread| *thread == message.ts || message.broadcast)
    };
    let found: Vec<&Message> =
        workspace.messages.iter().rev().filter(in_channel).filter(|message| range.admits(message)).collect();
    page_of_messages(workspace, call, &found)
}

/// `conversations.replies`: the parent and its replies, oldest first.
pub(crate) fn replies(workspace: &Workspace, call: &Call, token: &Token) -> Outcome {
    let channel = readable(workspace, call, token)?;
    let ts = call.required("ts")?;
    if workspace.message(&channel.id, &ts).is_none() {
        return Err(Refusal::new("thread_not_found"));
    }
    let range = Range::read(call)?;
    let in_thread = |message: &&Message| {
        message.channel == channel.id && (message.ts == ts || message.thread_ts.as_ref() == Some(&ts))
    };
    let found: Vec<&Message> = workspace
        .messages
        .iter()
        .filter(in_thread)
        .filter(|message| message.ts == ts || range.admits(message))
        .collect();
    page_of_messages(workspace, call, &found)
}

fn page_of_messages(workspace: &Workspace, call: &Call, found: &[&Message]) -> Outcome {
    let (limit, offset) = (call.limit()?, call.offset()?);
    let whole = call.flag("include_all_metadata");
    let shown: Vec<Value> =
        found.iter().skip(offset).take(limit).map(|message| message_document(workspace, message, whole)).collect();
    let more = offset + limit < found.len();
    let mut answer = body([("messages", json!(shown)), ("has_more", json!(more)), ("pin_count", json!(0))]);
    if more {
        answer.insert("response_metadata".to_owned(), json!({"next_cursor": cursor(offset + limit)}));
    }
    Ok(answer)
}

/// A message as Slack shows it; without `whole_metadata` only the metadata's event type.
pub(crate) fn message_document(workspace: &Workspace, message: &Message, whole_metadata: bool) -> Value {
    let mut document = body([
        ("type", json!("message")),
        ("user", json!(workspace.user_id)),
        ("bot_id", json!(workspace.bot_id)),
        ("app_id", json!(workspace.app_id)),
        ("team", json!(workspace.team_id)),
        ("ts", json!(message.ts)),
        ("text", json!(message.text)),
    ]);
    if !message.blocks.is_empty() {
        document.insert("blocks".to_owned(), json!(message.blocks));
    }
    if let Some(thread) = &message.thread_ts {
        document.insert("thread_ts".to_owned(), json!(thread));
    }
    if let Some(edited) = &message.edited_ts {
        document.insert("edited".to_owned(), json!({"user": workspace.user_id, "ts": edited}));
    }
    if let Some(metadata) = &message.metadata {
        let shown = if whole_metadata { metadata.clone() } else { json!({"event_type": metadata.get("event_type")}) };
        document.insert("metadata".to_owned(), shown);
    }
    let replies = workspace.messages.iter().filter(|other| {
        other.channel == message.channel && other.ts != message.ts && other.thread_ts.as_ref() == Some(&message.ts)
    });
    let count = replies.count();
    if count > 0 {
        document.insert("thread_ts".to_owned(), json!(message.ts));
        document.insert("reply_count".to_owned(), json!(count));
    }
    Value::Object(document)
}

/// `oldest`, `latest` and `inclusive`.
struct Range {
    oldest: i64,
    latest: i64,
    inclusive: bool,
}

impl Range {
    fn read(call: &Call) -> Result<Self, Refusal> {
        let stamp = |name: &str, absent: i64, error: &str| match call.text(name) {
            None => Ok(absent),
            Some(text) => micros(&text).ok_or_else(|| Refusal::new(error)),
        };
        Ok(Self {
            oldest: stamp("oldest", i64::MIN, "invalid_ts_oldest")?,
            latest: stamp("latest", i64::MAX, "invalid_ts_latest")?,
            inclusive: call.flag("inclusive"),
        })
    }

    fn admits(&self, message: &Message) -> bool {
        let Some(ts) = micros(&message.ts) else { return false };
        let edge = self.inclusive && (ts == self.oldest || ts == self.latest);
        edge || (ts > self.oldest && ts < self.latest)
    }
}

/// A stamp in microseconds.
fn micros(ts: &str) -> Option<i64> {
    let (seconds, fraction) = ts.split_once('.').unwrap_or((ts, ""));
    let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let (seconds, fraction): (i64, i64) = (seconds.parse().ok()?, digits.parse().ok()?);
    seconds.checked_mul(1_000_000)?.checked_add(fraction)
}

/// `conversations.open`: a direct conversation with one user.
pub(crate) fn open(workspace: &mut Workspace, call: &Call, token: &Token) -> Outcome {
    need(token, &["im:write"])?;
    let user = call.required("users")?;
    if !workspace.people.iter().any(|person| person.id == user) {
        return Err(Refusal::new("user_not_found"));
    }
    let is_open = workspace.channels.iter().any(|channel| channel.direct_with.as_ref() == Some(&user));
    let mut answer = body([("channel", json!({"id": direct(workspace, user)}))]);
    if is_open {
        answer.insert("already_open".to_owned(), json!(true));
        answer.insert("no_op".to_owned(), json!(true));
    }
    Ok(answer)
}

/// The ID of the direct conversation with a user; a new one where there is none.
pub(crate) fn direct(workspace: &mut Workspace, user: String) -> String {
    let existing = workspace.channels.iter().find(|channel| channel.direct_with.as_ref() == Some(&user));
    if let Some(channel) = existing {
        return channel.id.clone();
    }
    let id = workspace.new_id('D');
    workspace.channels.push(Channel { id: id.clone(), direct_with: Some(user), ..Channel::private("") });
    id
}

/// `users.lookupByEmail`.
pub(crate) fn look_up_by_email(workspace: &Workspace, call: &Call, token: &Token) -> Outcome {
    need(token, &["users:read.email"])?;
    let email = call.required("email")?;
    let person = workspace.people.iter().find(|person| person.email.eq_ignore_ascii_case(&email));
    let person = person.ok_or_else(|| Refusal::new("users_not_found"))?;
    let user = json!({
        "id": person.id, "team_id": workspace.team_id, "name": person.name, "deleted": false, "is_bot": false,
        "profile": {"email": person.email, "real_name": person.name},
    });
    Ok(body([("user", user)]))
}
