//! A message that follows another, and a first message that shows how its task stands by now.

use serde_json::{Map, Value};

use super::{TEXT_ONLY_CHARACTERS, section};
use crate::domain::text;

/// Slack's limit for the text of an edit, less what the state line takes.
const EDITED_TEXT_CHARACTERS: usize = TEXT_ONLY_CHARACTERS;

/// The payload of a new message as one of a reply in the thread of the message `ts`; with `broadcast` it is shown in the
/// channel too.
pub fn as_reply(payload: &str, ts: &str, broadcast: bool) -> String {
    changed(payload, |body| {
        body.insert("thread_ts".to_owned(), ts.into());
        if broadcast {
            body.insert("reply_broadcast".to_owned(), true.into());
        }
    })
}

/// The message in whose thread a payload goes, by Slack's ID.
pub fn thread_of(payload: &str) -> Option<String> {
    let body: Value = serde_json::from_str(payload).ok()?;
    body.get("thread_ts")?.as_str().map(str::to_owned)
}

/// Whether a reply is shown in the channel too.
pub fn is_broadcast(payload: &str) -> bool {
    let body: Value = serde_json::from_str(payload).unwrap_or_default();
    body.get("reply_broadcast").and_then(Value::as_bool).unwrap_or(false)
}

/// The body of a `chat.update` that shows a message again as it was sent, with the state line below its title: `lines` is
/// the line in Slack's markup, and as plain text.
pub fn with_state(payload: &str, channel: &str, ts: &str, lines: (&str, &str)) -> String {
    changed(payload, |body| {
        for only_new in ["unfurl_links", "unfurl_media", "thread_ts", "reply_broadcast"] {
            body.remove(only_new);
        }
        body.insert("channel".to_owned(), channel.into());
        body.insert("ts".to_owned(), ts.into());
        if let Some(Value::String(whole)) = body.get("text") {
            let whole = format!("{} \u{2013} {}", text::truncate(whole, EDITED_TEXT_CHARACTERS), lines.1);
            body.insert("text".to_owned(), whole.into());
        }
        if let Some(Value::Array(blocks)) = body.get_mut("blocks") {
            blocks.insert(blocks.len().min(1), section(lines.0));
        }
    })
}

fn changed(payload: &str, change: impl FnOnce(&mut Map<String, Value>)) -> String {
    let Ok(Value::Object(mut body)) = serde_json::from_str(payload) else {
        return payload.to_owned();
    };
    change(&mut body);
    Value::Object(body).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(payload: &str) -> Value {
        serde_json::from_str(payload).unwrap()
    }

    #[test]
    fn a_reply_knows_its_thread_and_an_edit_is_none() {
        let payload = json!({"channel": "C1", "text": "a", "unfurl_links": false}).to_string();
        assert_eq!((thread_of(&payload), is_broadcast(&payload)), (None, false));
        let reply = as_reply(&payload, "1.5", true);
        assert_eq!((thread_of(&reply).as_deref(), is_broadcast(&reply)), (Some("1.5"), true));
        assert!(!is_broadcast(&as_reply(&payload, "1.5", false)));
        let edit = body(&with_state(&reply, "D1", "2.5", ("*Now:* b", "Now: b")));
        assert_eq!(edit, json!({"channel": "D1", "ts": "2.5", "text": "a \u{2013} Now: b"}));
    }

    #[test]
    fn the_state_stands_below_the_title_and_every_limit_is_kept() {
        let blocks = json!([{"type": "header"}, {"type": "context"}]);
        let payload =
            json!({"text": "x".repeat(39_000), "blocks": blocks, "metadata": {"event_type": "e"}}).to_string();
        let edit = body(&with_state(&payload, "C1", "1.5", ("*Now:* queued", "Now: queued")));
        assert_eq!(edit["blocks"][1]["text"]["text"], "*Now:* queued");
        assert_eq!(edit["blocks"].as_array().unwrap().len(), 3);
        assert_eq!(edit["metadata"]["event_type"], "e", "by its metadata the message stays known");
        let text = edit["text"].as_str().unwrap();
        assert!(text.ends_with("Now: queued") && text::units(text) < 4_000);
    }
}
