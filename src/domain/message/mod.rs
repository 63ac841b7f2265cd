//! Messages as Slack's Block Kit: the alert, the digest that stands for many, the monitor's own notices, and the plainer
//! forms of a payload that Slack refused.
//!
//! Nothing here trusts a value from ClearML: it is escaped, cut to Slack's limits, and never becomes markup. Only the
//! configured prefix is taken as it stands.

mod alert;
mod digest;
pub mod draw;
mod fields;
mod follow;
mod hook;
mod mention;
mod notice;
#[cfg(test)]
mod tests;
pub mod words;

use serde_json::{Map, Value, json};

pub use alert::{AlertMessage, compose_alert, first_reason};
pub use digest::{DigestItem, DigestMessage, compose_digest};
pub use follow::{as_reply, is_broadcast, thread_of, with_state};
pub use hook::for_incoming_webhook;
pub use mention::{mention, with_mentions};
pub use notice::{SilenceNotice, StartNotice, compose_silence_end, compose_start, compose_test};

use super::delivery::Form;
use super::text;

/// The type of our messages' metadata: by it, and by the key in its payload, a message is found again.
pub const METADATA_EVENT: &str = "clearml_alert";

/// The longest fallback text: what a notification shows, and what is left where blocks are refused.
const FALLBACK_CHARACTERS: usize = 1_000;
/// The longest text-only message: Slack splits or refuses longer ones.
const TEXT_ONLY_CHARACTERS: usize = 3_000;
/// Slack's limit for a header.
const HEADER_CHARACTERS: usize = 150;
/// Slack's limit for a section's text.
const SECTION_CHARACTERS: usize = 3_000;

/// The longest text before a message: mentions and prefixes.
const BEFORE_CHARACTERS: usize = alert::PREFIX_CHARACTERS + mention::PEOPLE_CHARACTERS + 1;

/// Where a message goes: a new one, or in the place of one that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A new message in a channel, by Slack's ID.
    New {
        /// The channel's ID.
        channel: String,
    },
    /// The message `ts` of a channel.
    Edit {
        /// The channel's ID.
        channel: String,
        /// Slack's ID of the message.
        ts: String,
    },
}

/// The parts of a payload; `text` and everything in `blocks` are escaped already.
struct Parts {
    text: String,
    blocks: Vec<Value>,
    key: String,
    facts: Map<String, Value>,
}

/// The body of `chat.postMessage` or `chat.update`.
fn payload(place: &Place, parts: Parts) -> String {
    let Parts { text, blocks, key, mut facts } = parts;
    facts.insert("key".to_owned(), key.into());
    let metadata = json!({ "event_type": METADATA_EVENT, "event_payload": facts });
    let body = match place {
        Place::New { channel } => json!({
            "channel": channel, "text": text, "blocks": blocks, "metadata": metadata,
            "unfurl_links": false, "unfurl_media": false,
        }),
        Place::Edit { channel, ts } => json!({
            "channel": channel, "ts": ts, "text": text, "blocks": blocks, "metadata": metadata,
        }),
    };
    body.to_string()
}

/// The same message in a plainer form. A payload that is not an object, which this program never stores, stays as it is.
pub fn degrade(payload: &str, form: Form) -> String {
    let Ok(Value::Object(mut body)) = serde_json::from_str(payload) else {
        return payload.to_owned();
    };
    match form {
        Form::Full | Form::Body => {}
        Form::WithoutMetadata => {
            body.remove("metadata");
        }
        Form::TextOnly => {
            body.remove("metadata");
            body.remove("blocks");
            if let Some(Value::String(whole)) = body.get("text") {
                let cut = text::truncate(whole, TEXT_ONLY_CHARACTERS);
                body.insert("text".to_owned(), cut.into());
            }
        }
    }
    Value::Object(body).to_string()
}

/// The payload of an edit as one of a new message; that of a new message stays as it is.
pub fn as_new_message(payload: &str) -> String {
    let Ok(Value::Object(mut body)) = serde_json::from_str(payload) else {
        return payload.to_owned();
    };
    if body.remove("ts").is_none() {
        return payload.to_owned();
    }
    body.insert("unfurl_links".to_owned(), false.into());
    body.insert("unfurl_media".to_owned(), false.into());
    Value::Object(body).to_string()
}

/// The key in a message's metadata: this database's own name and what the message tells.
pub fn key(instance: &str, what: &str) -> String {
    format!("{instance}:{what}")
}

/// What to look for in the text of a message that was sent without metadata.
pub fn text_needle(payload: &str) -> Option<String> {
    let body: Value = serde_json::from_str(payload).ok()?;
    body.get("text")?.as_str().map(str::to_owned)
}

fn header(text: &str) -> Value {
    json!({ "type": "header", "text": { "type": "plain_text", "text": text, "emoji": false } })
}

fn mrkdwn(text: &str) -> Value {
    json!({ "type": "mrkdwn", "text": text, "verbatim": true })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": mrkdwn(text) })
}

fn context(text: &str) -> Value {
    json!({ "type": "context", "elements": [mrkdwn(text)] })
}

/// A value from outside on one line, escaped, at most `limit` characters after escaping.
fn safe(value: &str, limit: usize) -> String {
    text::truncate_escaped(&text::single_line(value), limit)
}

/// `<url|label>`, or the label alone where there is no address or it is too long to be one.
fn linked(url: Option<&str>, label: &str, limit: usize) -> String {
    match url {
        Some(url) if text::units(url) <= 800 => text::link(url, &text::truncate(&text::single_line(label), limit / 6)),
        _ => safe(label, limit),
    }
}
