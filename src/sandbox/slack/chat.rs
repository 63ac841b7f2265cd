//! The `chat.*` methods and the incoming webhook: what is posted, edited and deleted, after a look at its every part.

use serde_json::{Map, Value, json};

use super::call::{Call, Outcome, Refusal, body};
use super::conversations::{self, message_document};
use super::methods::{need, workspace_url};
use super::state::{Channel, Mention, Message, Token, Workspace};
use super::validate::{self, Problem};
use crate::domain::mrkdwn;
use crate::sandbox::http::{Answer, Incoming};

/// Slack cuts the text of a message here.
const LONGEST_TEXT: usize = 40_000;
/// What is longer has been split or refused; an update of it is.
const CAREFUL_TEXT: usize = 4_000;

/// What a message says, once it was looked through.
struct Content {
    text: String,
    blocks: Vec<Value>,
    metadata: Option<Value>,
}

/// `chat.postMessage`.
pub(crate) fn post(workspace: &mut Workspace, call: &Call, token: &Token) -> Outcome {
    need(token, &["chat:write"])?;
    let wanted = addressed(workspace, call.required("channel")?);
    let channel = writable(workspace, &wanted, token)?;
    let now = workspace.clock.now();
    workspace.pacer.admit(&channel.id, now).map_err(Refusal::rate_limited)?;
    for (name, wanted) in [("unfurl_links", false), ("unfurl_media", false)] {
        if call.args.contains_key(name) && call.flag(name) != wanted || !call.args.contains_key(name) {
            workspace.violate(&call.method, format!("`{name}` is not false"), None);
        }
    }
    let content = content_of(workspace, call)?;
    let thread = call.text("thread_ts");
    if let Some(parent) = &thread
        && workspace.message(&channel.id, parent).is_none()
    {
        return Err(Refusal::new("message_not_found"));
    }
    let message = Message {
        channel: channel.id.clone(),
        ts: workspace.new_ts(),
        broadcast: thread.is_some() && call.flag("reply_broadcast"),
        thread_ts: thread,
        text: content.text,
        blocks: content.blocks,
        metadata: content.metadata,
        edits: 0,
        edited_ts: None,
        from_webhook: false,
        payload: Value::Object(call.args.clone()),
    };
    let answer = body([
        ("channel", json!(channel.id)),
        ("ts", json!(message.ts)),
        ("message", message_document(workspace, &message, true)),
    ]);
    store(workspace, message);
    Ok(answer)
}

/// A message to a user goes into the direct conversation with the user, which opens by it.
fn addressed(workspace: &mut Workspace, wanted: String) -> String {
    let is_person = workspace.people.iter().any(|person| person.id == wanted);
    if is_person { conversations::direct(workspace, wanted) } else { wanted }
}

/// The channel if the bot may write there: by ID, or a public one by name.
fn writable(workspace: &Workspace, wanted: &str, token: &Token) -> Result<Channel, Refusal> {
    let not_found = || Refusal::new("channel_not_found");
    let channel = workspace.find_channel(wanted).ok_or_else(not_found)?;
    if channel.private && (channel.id != wanted || !channel.joined) {
        return Err(not_found());
    }
    if channel.archived {
        return Err(Refusal::new("is_archived"));
    }
    if !channel.joined && need(token, &["chat:write.public"]).is_err() {
        return Err(Refusal::new("not_in_channel"));
    }
    Ok(channel.clone())
}

/// Looks through text, blocks and metadata, notes what is wrong, and refuses what Slack would.
fn content_of(workspace: &mut Workspace, call: &Call) -> Result<Content, Refusal> {
    let (text, blocks) = (call.text("text"), call.args.get("blocks"));
    let mut problems = blocks.map(validate::blocks).unwrap_or_default();
    let blocks = blocks.and_then(Value::as_array).cloned().unwrap_or_default();
    problems.extend(text_problems(text.as_deref(), &blocks));
    let metadata = call.args.get("metadata").cloned();
    problems.extend(metadata.as_ref().and_then(validate::metadata));
    for problem in &problems {
        workspace.violate(&call.method, problem.text.clone(), problem.error);
    }
    if let Some(error) = problems.iter().find_map(|problem| problem.error) {
        let explained: Vec<String> = problems
            .iter()
            .filter(|problem| problem.error == Some(error))
            .map(|problem| problem.text.clone())
            .collect();
        return Err(Refusal::new(error).explained(&explained));
    }
    let text = text.unwrap_or_default().chars().take(LONGEST_TEXT).collect();
    Ok(Content { text, blocks, metadata })
}

fn text_problems(text: Option<&str>, blocks: &[Value]) -> Vec<Problem> {
    let note = |text: String| Problem { text, error: None };
    let Some(text) = text else {
        let error = if blocks.is_empty() { Some("no_text") } else { None };
        return vec![Problem { text: "no text, which is the fallback of every message".to_owned(), error }];
    };
    let mut problems: Vec<Problem> =
        mrkdwn::problems(text).into_iter().map(|problem| note(format!("text: {problem}"))).collect();
    let length = validate::length(text);
    if length > LONGEST_TEXT {
        problems.push(note(format!("text has {length} characters and is cut at {LONGEST_TEXT}")));
    } else if length > CAREFUL_TEXT {
        problems.push(note(format!("text has {length} characters, more than {CAREFUL_TEXT}")));
    }
    problems
}

/// Keeps a new message.
fn store(workspace: &mut Workspace, message: Message) {
    note_mentions(workspace, &message);
    workspace.messages.push(message);
}

/// Keeps what became of a message.
fn store_edit(workspace: &mut Workspace, message: Message) {
    note_mentions(workspace, &message);
    let same = |own: &&mut Message| own.channel == message.channel && own.ts == message.ts;
    if let Some(own) = workspace.messages.iter_mut().find(same) {
        *own = message;
    }
}

fn note_mentions(workspace: &mut Workspace, message: &Message) {
    let in_text = mrkdwn::mentions(&message.text).into_iter().map(str::to_owned);
    let in_blocks = message.blocks.iter().flat_map(validate::mentions);
    let found = in_text.chain(in_blocks).map(|entity| Mention {
        channel: message.channel.clone(),
        ts: message.ts.clone(),
        entity,
    });
    workspace.mentions.extend(found);
}

/// `chat.update`: by channel ID and stamp, own messages only.
pub(crate) fn update(workspace: &mut Workspace, call: &Call, token: &Token) -> Outcome {
    need(token, &["chat:write"])?;
    let (channel, ts) = (call.required("channel")?, call.required("ts")?);
    if workspace.channel(&channel).is_none() {
        return Err(Refusal::new("channel_not_found"));
    }
    writable(workspace, &channel, token)?;
    let mut message = workspace.message(&channel, &ts).ok_or_else(|| Refusal::new("message_not_found"))?.clone();
    if message.from_webhook {
        return Err(Refusal::new("cant_update_message"));
    }
    if call.text("text").is_some_and(|text| validate::length(&text) > CAREFUL_TEXT) {
        workspace.violate(&call.method, "an update's text is longer than 4,000", Some("msg_too_long"));
        return Err(Refusal::new("msg_too_long"));
    }
    let content = content_of(workspace, call)?;
    message.text = content.text;
    message.blocks = content.blocks;
    message.metadata = content.metadata.or(message.metadata);
    message.edits += 1;
    message.edited_ts = Some(workspace.new_ts());
    message.payload = Value::Object(call.args.clone());
    let answer = body([
        ("channel", json!(channel)),
        ("ts", json!(ts)),
        ("text", json!(message.text)),
        ("message", message_document(workspace, &message, true)),
    ]);
    store_edit(workspace, message);
    Ok(answer)
}

/// `chat.delete`.
pub(crate) fn delete(workspace: &mut Workspace, call: &Call, token: &Token) -> Outcome {
    need(token, &["chat:write"])?;
    let (channel, ts) = (call.required("channel")?, call.required("ts")?);
    if workspace.message(&channel, &ts).is_none() {
        return Err(Refusal::new("message_not_found"));
    }
    workspace.messages.retain(|message| message.channel != channel || message.ts != ts);
    Ok(body([("channel", json!(channel)), ("ts", json!(ts))]))
}

/// `chat.getPermalink`.
pub(crate) fn permalink(workspace: &Workspace, call: &Call) -> Outcome {
    let (channel, ts) = (call.required("channel")?, call.required("message_ts")?);
    if workspace.channel(&channel).is_none() {
        return Err(Refusal::new("channel_not_found"));
    }
    if workspace.message(&channel, &ts).is_none() {
        return Err(Refusal::new("message_not_found"));
    }
    let link = format!("{}archives/{channel}/p{}", workspace_url(workspace), ts.replace('.', ""));
    Ok(body([("channel", json!(channel)), ("permalink", json!(link))]))
}

/// The incoming webhook: plain-text answers, no stamp.
pub(crate) fn webhook(workspace: &mut Workspace, request: &Incoming) -> Answer {
    let channel = match workspace.hooks.get(request.uri.path()) {
        None => return Answer::text(404, "no_service"),
        Some(None) => return Answer::text(403, "invalid_token"),
        Some(Some(channel)) => channel.clone(),
    };
    let Some(args) = webhook_args(request) else { return Answer::text(400, "invalid_payload") };
    match workspace.channel(&channel) {
        None => return Answer::text(404, "channel_not_found"),
        Some(channel) if channel.archived => return Answer::text(410, "channel_is_archived"),
        Some(_) => {}
    }
    let now = workspace.clock.now();
    if let Err(seconds) = workspace.pacer.admit(&channel, now) {
        return Answer::text(429, "rate_limited").with_header("Retry-After", &seconds.to_string());
    }
    match post_by_webhook(workspace, channel, args) {
        Ok(()) => Answer::text(200, "ok"),
        Err(refusal) => Answer::text(400, &refusal.error),
    }
}

fn post_by_webhook(workspace: &mut Workspace, channel: String, args: Map<String, Value>) -> Result<(), Refusal> {
    for name in args.keys().filter(|name| !["text", "blocks", "unfurl_links", "unfurl_media"].contains(&name.as_str()))
    {
        workspace.violate("webhook", format!("`{name}` does nothing here"), None);
    }
    let blocks = args.get("blocks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if blocks.iter().any(|block| block.get("type").and_then(Value::as_str) == Some("rich_text")) {
        workspace.violate("webhook", "nobody promises that a webhook takes rich_text", None);
    }
    let call = Call { method: "webhook".to_owned(), args, is_json: true, misses_charset: false, token: None };
    let content = content_of(workspace, &call)?;
    let message = Message {
        channel,
        ts: workspace.new_ts(),
        thread_ts: None,
        broadcast: false,
        text: content.text,
        blocks: content.blocks,
        metadata: None,
        edits: 0,
        edited_ts: None,
        from_webhook: true,
        payload: Value::Object(call.args),
    };
    store(workspace, message);
    Ok(())
}

fn webhook_args(request: &Incoming) -> Option<Map<String, Value>> {
    let parsed = |bytes: &[u8]| match serde_json::from_slice(bytes) {
        Ok(Value::Object(args)) => Some(args),
        _ => None,
    };
    if request.content_type() == "application/x-www-form-urlencoded" {
        let (_, payload) = url::form_urlencoded::parse(&request.body).find(|(name, _)| name == "payload")?;
        return parsed(payload.as_bytes());
    }
    parsed(&request.body)
}
