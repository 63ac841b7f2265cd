//! Incoming webhooks: one address, one channel, answers in plain text. No ID of the message comes back, so that nothing
//! posted this way can be edited or found again. The address is a secret: nothing here shows it.

use std::fmt;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use url::Url;

use super::answers::{self, Class, Mishap};
use super::client::{http_client, is_loopback};
use super::delivery::{Delivery, DeliveryOutcome};
use super::error::SlackError;
use super::transport::{cause, retry_after};

/// Slack's answers are a word; of anything longer only the beginning is read.
const LARGEST_ANSWER: usize = 4 * 1024;
/// Longest part of an answer that is kept, in characters.
const LONGEST_WORD: usize = 200;
const RENEW: &str = "the webhook is gone or switched off: make a new one in the Slack app (Incoming Webhooks) and put its \
                     address into the configuration";

/// What an incoming webhook answers, as its reference lists it; what each means, and what to do.
pub static TABLE: &[answers::Group] = &[
    answers::Group {
        class: Class::PayloadRefused,
        codes: &["invalid_payload", "no_text"],
        advice: "nothing to do at once: a simpler message is tried; please report it with the detail",
    },
    answers::Group {
        class: Class::OperatorMustAct,
        codes: &["invalid_token", "no_active_hooks", "no_service", "no_team", "team_disabled"],
        advice: RENEW,
    },
    answers::Group {
        class: Class::OperatorMustAct,
        codes: &["channel_not_found", "channel_is_archived"],
        advice: "the webhook's channel is gone or archived: unarchive it, or make a webhook for another channel and put its \
                 address into the configuration",
    },
    answers::Group {
        class: Class::OperatorMustAct,
        codes: &["action_prohibited", "posting_to_general_channel_denied"],
        advice: "who may post in the webhook's channel is restricted: ask a workspace administrator, or make a webhook for \
                 another channel and put its address into the configuration",
    },
    answers::Group {
        class: Class::NotDelivered { long: false },
        codes: &["rollup_error"],
        advice: "nothing to do: Slack had a hiccup, and it is tried again by itself",
    },
];

const REDIRECTED: &str = "the webhook redirects elsewhere, and redirects are not followed: put the final address into the \
                          configuration";

/// A client of one incoming webhook. Cheap to clone.
#[derive(Clone)]
pub struct IncomingWebhook {
    http: reqwest::Client,
    url: SecretString,
    host: String,
}

impl IncomingWebhook {
    /// For this address; one request may take `timeout` in all. Fails where the address is none.
    pub fn new(url: SecretString, timeout: Duration) -> Result<Self, SlackError> {
        let advice = "copy the whole address again from the Slack app (Incoming Webhooks)";
        let no_address =
            || SlackError::setup("the address of an incoming webhook is no address of http or https", advice);
        let parsed = Url::parse(url.expose_secret()).map_err(|_| no_address())?;
        let host = parsed.host_str().filter(|_| matches!(parsed.scheme(), "http" | "https")).ok_or_else(no_address)?;
        let host = parsed.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let http = http_client(timeout, timeout, is_loopback(&parsed))?;
        Ok(Self { http, url, host })
    }

    /// Posts a message: `payload` is the JSON text, sent byte for byte, once.
    pub async fn post(&self, payload: &str) -> Delivery {
        let started = Instant::now();
        let json = "application/json; charset=utf-8";
        let request = self.http.post(self.url.expose_secret()).header(CONTENT_TYPE, json).body(payload.to_owned());
        let mut delivery = match request.send().await {
            Ok(response) => self.read(response).await,
            Err(error) => self.failure(&error),
        };
        delivery.took = started.elapsed();
        delivery
    }

    async fn read(&self, mut response: reqwest::Response) -> Delivery {
        let status = response.status().as_u16();
        let wait = retry_after(response.headers());
        let mut bytes = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > LARGEST_ANSWER {
                break;
            }
        }
        let word = String::from_utf8_lossy(&bytes).replace(self.url.expose_secret(), "***");
        let word: String =
            word.trim().chars().take(LONGEST_WORD).map(|c| if c.is_control() { ' ' } else { c }).collect();
        understood(status, &word, wait)
    }

    fn failure(&self, error: &reqwest::Error) -> Delivery {
        let (mishap, doing) = if error.is_connect() || error.is_builder() {
            (Mishap::NothingSent, "no connection to")
        } else {
            (Mishap::LostAfterSending, "no answer from")
        };
        let (class, advice) = match mishap {
            Mishap::NothingSent => (
                Class::NotDelivered { long: false },
                "it is tried again by itself; if it persists, check the network and the webhook's address",
            ),
            mishap => answers::of_mishap(mishap),
        };
        let what = format!("{doing} {}: {}", self.host, cause(error));
        Delivery::from_error(SlackError::new(None, class, what, advice.to_owned()), Duration::ZERO)
    }
}

impl fmt::Debug for IncomingWebhook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("IncomingWebhook").field("host", &self.host).finish_non_exhaustive()
    }
}

/// What an answer means: `ok` with 200 is the only success; a word that nobody knows leaves it open.
fn understood(status: u16, word: &str, retry_after: Option<Duration>) -> Delivery {
    if status == 200 && word == "ok" {
        let outcome = DeliveryOutcome::SentByWebhook;
        let (error, detail, advice) = (None, None, None);
        return Delivery { outcome, http_status: Some(status), error, detail, advice, took: Duration::ZERO };
    }
    let (class, advice) = match status {
        429 => answers::of_code("ratelimited"),
        300..=399 => (Class::OperatorMustAct, REDIRECTED),
        _ => meaning(word),
    };
    let what = if word.is_empty() { format!("HTTP {status}") } else { word.to_owned() };
    let error = SlackError::new(None, class, what, advice.to_owned());
    Delivery::from_error(SlackError { http_status: Some(status), retry_after, ..error }, Duration::ZERO)
}

/// A word of the webhooks' own table. Others leave it open, but for those by which the Web API refuses a payload: there
/// they can mean nothing else.
fn meaning(word: &str) -> (Class, &'static str) {
    if let Some(group) = TABLE.iter().find(|group| group.codes.contains(&word)) {
        return (group.class, group.advice);
    }
    match answers::of_code(word) {
        refused @ (Class::PayloadRefused, _) => refused,
        _ => answers::of_mishap(Mishap::Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: DeliveryOutcome = DeliveryOutcome::NotDelivered { retry_after: None, long: false };

    /// The contract's table, written out again.
    #[test]
    fn every_documented_answer_has_its_meaning() {
        let refused = DeliveryOutcome::PayloadRefused;
        let act = DeliveryOutcome::OperatorMustAct;
        let rows: &[(u16, &str, &DeliveryOutcome)] = &[
            (200, "ok", &DeliveryOutcome::SentByWebhook),
            (400, "invalid_payload", &refused),
            (400, "no_text", &refused),
            (400, "invalid_blocks", &refused),
            (403, "invalid_token", &act),
            (404, "no_active_hooks", &act),
            (404, "no_service", &act),
            (404, "no_team", &act),
            (404, "channel_not_found", &act),
            (410, "channel_is_archived", &act),
            (403, "action_prohibited", &act),
            (403, "posting_to_general_channel_denied", &act),
            (403, "team_disabled", &act),
            (302, "", &act),
            (500, "rollup_error", &RETRY),
            (429, "rate_limited", &RETRY),
            (200, "", &DeliveryOutcome::Ambiguous),
            (200, "OK then", &DeliveryOutcome::Ambiguous),
            (204, "ok", &DeliveryOutcome::Ambiguous),
            (400, "a_word_of_tomorrow", &DeliveryOutcome::Ambiguous),
            (404, "<html>not here</html>", &DeliveryOutcome::Ambiguous),
            (500, "", &DeliveryOutcome::Ambiguous),
            (503, "ok", &DeliveryOutcome::Ambiguous),
        ];
        for (status, word, expected) in rows {
            let delivery = understood(*status, word, None);
            assert_eq!(delivery.outcome, **expected, "{status} {word}");
            let failed = **expected != DeliveryOutcome::SentByWebhook;
            assert_eq!((delivery.error.is_some(), delivery.advice.is_some()), (failed, failed), "{status} {word}");
        }
        let listed: usize = TABLE.iter().map(|group| group.codes.len()).sum();
        let tested = rows.iter().filter(|row| TABLE.iter().any(|group| group.codes.contains(&row.1))).count();
        assert_eq!(listed, tested, "a word of the table is not tested");
    }

    #[test]
    fn the_wait_that_slack_asks_for_is_told() {
        let wait = Some(Duration::from_secs(7));
        let outcome = understood(429, "rate_limited", wait).outcome;
        assert_eq!(outcome, DeliveryOutcome::NotDelivered { retry_after: wait, long: false });
    }

    #[test]
    fn the_address_is_told_nowhere() {
        for bad in ["SECRET", "ftp://example.com/SECRET"] {
            let error = IncomingWebhook::new(SecretString::from(bad), Duration::from_secs(1)).unwrap_err();
            assert!(!error.to_string().contains("SECRET"), "{error}");
        }
        let hook = "https://hooks.slack.example.com/services/T0/B0/SECRET";
        let hook = IncomingWebhook::new(SecretString::from(hook), Duration::from_secs(1)).unwrap();
        let shown = format!("{hook:?}");
        assert!(shown.contains("hooks.slack.example.com") && !shown.contains("SECRET"), "{shown}");
    }
}
