//! A message as an incoming webhook takes it: no channel, no metadata, and the console as fenced text, since nobody
//! promises that a webhook takes `rich_text`.

use serde_json::{Map, Value};

use super::{SECTION_CHARACTERS, section};
use crate::domain::text;

/// What goes around fenced text.
const FENCE: &str = "```";
/// What keeps backticks of a console from ending its fence; it shows nothing.
const ZERO_WIDTH_SPACE: &str = "\u{200B}";

/// The body for an incoming webhook from one for `chat.postMessage` or `chat.update`: the words stay the same. A payload
/// that is no object, which this program never composes, stays as it is.
pub fn for_incoming_webhook(payload: &str) -> String {
    let Ok(Value::Object(mut body)) = serde_json::from_str::<Value>(payload) else {
        return payload.to_owned();
    };
    body.retain(|name, _| matches!(name.as_str(), "text" | "blocks"));
    if let Some(Value::Array(blocks)) = body.get_mut("blocks") {
        let plain = std::mem::take(blocks).into_iter().flat_map(without_rich_text);
        *blocks = plain.collect();
    }
    body.insert("unfurl_links".to_owned(), false.into());
    body.insert("unfurl_media".to_owned(), false.into());
    Value::Object(body).to_string()
}

fn without_rich_text(block: Value) -> Vec<Value> {
    if block.get("type").and_then(Value::as_str) != Some("rich_text") {
        return vec![block];
    }
    let elements = block.get("elements").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let texts = elements.iter().filter_map(Value::as_object).map(text_of);
    texts.filter(|text| !text.trim().is_empty()).map(|text| section(&fenced(&text))).collect()
}

/// The letters of an element, and of what is in it.
fn text_of(element: &Map<String, Value>) -> String {
    if let Some(text) = element.get("text").and_then(Value::as_str) {
        return text.to_owned();
    }
    let parts = element.get("elements").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    parts.iter().filter_map(Value::as_object).map(text_of).collect()
}

/// Text in a fence that it cannot leave, with its end where it is too long.
fn fenced(text: &str) -> String {
    let room = SECTION_CHARACTERS - 2 * FENCE.len() - 2;
    let mut limit = text::units(text).min(room);
    loop {
        let inside = harmless(&text::truncate_start(text, limit));
        let over = text::units(&inside).saturating_sub(room);
        if over == 0 {
            return format!("{FENCE}\n{inside}\n{FENCE}");
        }
        limit = limit.saturating_sub(over);
    }
}

/// Escaped, and no two backticks neighbours: neither in the text nor at its ends, where the fence is.
fn harmless(text: &str) -> String {
    text::escape_mrkdwn(text).replace('`', &format!("`{ZERO_WIDTH_SPACE}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::domain::mrkdwn;

    fn with_console(console: &str) -> String {
        json!({
            "channel": "C1", "ts": "1.2", "text": "Task failed: a", "metadata": {"event_type": "x", "event_payload": {}},
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": "Task failed: a", "emoji": false}},
                {"type": "rich_text", "elements": [
                    {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": console}]}]},
            ],
        })
        .to_string()
    }

    fn hooked(console: &str) -> Value {
        serde_json::from_str(&for_incoming_webhook(&with_console(console))).unwrap()
    }

    #[test]
    fn channel_metadata_and_rich_text_go_and_the_words_stay() {
        let body = hooked("epoch 1\nloss < 3 & `x` ```y");
        assert_eq!(
            body,
            json!({
                "text": "Task failed: a",
                "blocks": [
                    {"type": "header", "text": {"type": "plain_text", "text": "Task failed: a", "emoji": false}},
                    {"type": "section", "text": {"type": "mrkdwn", "verbatim": true, "text":
                        "```\nepoch 1\nloss &lt; 3 &amp; `\u{200B}x`\u{200B} `\u{200B}`\u{200B}`\u{200B}y\n```"}},
                ],
                "unfurl_links": false, "unfurl_media": false,
            })
        );
        assert_eq!(hooked(" ")["blocks"].as_array().unwrap().len(), 1, "an empty console needs no block");
        assert_eq!(for_incoming_webhook("no json"), "no json");
    }

    proptest! {
        #[test]
        fn a_console_stays_in_its_fence_and_in_its_limit(console in "[a`<>&\n é🎉]{0,4000}") {
            for block in hooked(&console)["blocks"].as_array().unwrap().iter().skip(1) {
                let text = block["text"]["text"].as_str().unwrap();
                prop_assert!(text::units(text) <= SECTION_CHARACTERS);
                prop_assert_eq!(text.matches("```").count(), 2);
                prop_assert_eq!(mrkdwn::problems(text), Vec::<String>::new());
            }
        }
    }
}
