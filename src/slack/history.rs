//! Finding a message again: what a lost answer did, and where a message is on the web.

use std::collections::HashSet;

use serde_json::Value;

use super::client::Client;
use super::envelope;
use super::error::SlackError;
use super::method::Method;
use super::pages::Pages;
use crate::domain::Stamp;

/// The `event_type` of the metadata that this program puts on its messages.
pub const EVENT_TYPE: &str = "clearml_alert";
const MESSAGES_A_PAGE: &str = "200";

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needle {
    /// The alert's key, as its metadata carries it in `event_payload.key`.
    pub key: String,
    /// A piece of text that only this alert's message holds, for one that was sent without metadata; as Slack stores
    /// it, so escaped.
    pub text: Option<String>,
    /// The `ts` of messages that are known to be others: two of them may hold the same text.
    pub others: HashSet<String>,
}

impl Client {
    /// The `ts` of the channel's message with this metadata since `oldest`, by Slack's clock. Without one, the newest
    /// message of this bot that has none of our metadata, is none of the others, and holds the text. Of replies, only
    /// those that were shown in the channel too are looked at. Needs `channels:history` (`groups:history` in a private channel), and the bot in the channel.
    pub async fn find_message(
        &self,
        channel: &str,
        needle: &Needle,
        oldest: Stamp,
    ) -> Result<Option<String>, SlackError> {
        self.find(Method::History, [("channel", channel.to_owned())], needle, oldest).await
    }

    /// The same among the replies to the message `parent`; none where that is gone.
    pub async fn find_reply(
        &self,
        channel: &str,
        parent: &str,
        needle: &Needle,
        oldest: Stamp,
    ) -> Result<Option<String>, SlackError> {
        let place = [("channel", channel.to_owned()), ("ts", parent.to_owned())];
        match self.find(Method::Replies, place, needle, oldest).await {
            Err(error) if error.code.as_deref() == Some("thread_not_found") => Ok(None),
            found => found,
        }
    }

    async fn find<const N: usize>(
        &self,
        method: Method,
        place: [(&'static str, String); N],
        needle: &Needle,
        oldest: Stamp,
    ) -> Result<Option<String>, SlackError> {
        let mut by_text = None;
        let mut pages = Pages::default();
        loop {
            let range = [
                ("oldest", slack_time(oldest)),
                ("inclusive", "true".to_owned()),
                ("include_all_metadata", "true".to_owned()),
                ("limit", MESSAGES_A_PAGE.to_owned()),
            ];
            let fields = place.iter().cloned().chain(range);
            let (reply, page) = self.read(method, &pages.with_cursor(fields)).await?;
            let Some(messages) = page.get("messages").and_then(Value::as_array) else {
                return Err(envelope::unreadable(method, &reply, "the answer holds no messages"));
            };
            if let Some(ts) = messages.iter().find(|message| key_of(message) == Some(&needle.key)).and_then(ts_of) {
                return Ok(Some(ts));
            }
            by_text = by_text.or_else(|| self.find_by_text(messages, needle));
            if !pages.turn(method, &reply, &page)? {
                return Ok(by_text);
            }
        }
    }

    fn find_by_text(&self, messages: &[Value], needle: &Needle) -> Option<String> {
        let wanted = needle.text.as_deref().filter(|text| !text.is_empty())?;
        let is_another = |message: &Value| text_of(message, "ts").is_some_and(|ts| needle.others.contains(ts));
        let holds_it = |message: &&Value| {
            key_of(message).is_none()
                && self.is_ours(message)
                && !is_another(message)
                && text_of(message, "text").unwrap_or("").contains(wanted)
        };
        messages.iter().find(holds_it).and_then(ts_of)
    }

    /// A person who quotes the text must not make a lost alert look sent.
    fn is_ours(&self, message: &Value) -> bool {
        self.own_bot_id.get().is_none_or(|own| text_of(message, "bot_id") == Some(own))
    }

    /// The web address of a message.
    pub async fn permalink(&self, channel: &str, ts: &str) -> Result<String, SlackError> {
        let fields = [("channel", channel.to_owned()), ("message_ts", ts.to_owned())];
        let (reply, answer) = self.read(Method::Permalink, &fields).await?;
        answer
            .get("permalink")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| envelope::unreadable(Method::Permalink, &reply, "the answer holds no permalink"))
    }
}

/// A moment as Slack writes it: seconds since 1970 with six decimals.
fn slack_time(stamp: Stamp) -> String {
    let millis = stamp.as_millis().max(0);
    format!("{}.{:03}000", millis / 1000, millis % 1000)
}

fn key_of(message: &Value) -> Option<&str> {
    let metadata = message.get("metadata")?;
    let ours = text_of(metadata, "event_type") == Some(EVENT_TYPE);
    metadata.get("event_payload").filter(|_| ours).and_then(|payload| text_of(payload, "key"))
}

fn ts_of(message: &Value) -> Option<String> {
    text_of(message, "ts").map(str::to_owned)
}

fn text_of<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_seconds_with_six_decimals() {
        assert_eq!(slack_time(Stamp::from_millis(1_795_386_448_021)), "1795386448.021000");
        assert_eq!(slack_time(Stamp::EPOCH), "0.000000");
    }
}
