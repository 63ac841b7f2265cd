//! What an answer of a webhook means: the whole table, as data. Nothing here touches the network.
//!
//! A receiver knows a repeat by the idempotency key, so nothing is ever ambiguous here: whatever may not have arrived is
//! sent again.

use std::time::Duration;

/// What a try means for the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// Again with the same key, after a wait.
    Retry {
        /// How long the receiver asked to wait.
        after: Option<Duration>,
    },
    /// A person must change something first; everything is kept.
    OperatorMustAct,
    /// The receiver will never take this document.
    Refused,
}

impl Outcome {
    /// The word for logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retry { .. } => "retry",
            Self::OperatorMustAct => "operator_must_act",
            Self::Refused => "refused",
        }
    }
}

/// A longer wait is not believed: after this time one more refusal costs nothing.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

const AGAIN: &str = "it is tried again by itself, with the same Idempotency-Key";
const LOGIN: &str = "the receiver does not accept us: correct the webhook's secret or its headers in the configuration";
const ADDRESS: &str = "there is nothing at the webhook's address: correct it in the configuration";
const REDIRECTED: &str = "the webhook redirects elsewhere, and redirects are not followed: put the final address into the \
                          configuration";
const REFUSED: &str = "the receiver does not take this document: see docs/webhook.md for its schema; after mending the \
                       receiver, `clearml-alerts dead retry` sends it again";
const UNUSUAL: &str = "the receiver answers as none should: look at its own log and at the webhook's address";

/// What an HTTP status means, and what a person should do; nothing where it went well.
pub fn of_status(status: u16, retry_after: Option<Duration>) -> (Outcome, Option<&'static str>) {
    let after = retry_after.map(|wait| wait.min(LONGEST_RETRY_AFTER));
    match status {
        200..=299 => (Outcome::Delivered, None),
        408 | 409 | 425 | 429 | 500..=599 => (Outcome::Retry { after }, Some(AGAIN)),
        400 | 413 | 422 => (Outcome::Refused, Some(REFUSED)),
        401 | 403 | 407 => (Outcome::OperatorMustAct, Some(LOGIN)),
        404 | 410 => (Outcome::OperatorMustAct, Some(ADDRESS)),
        300..=399 => (Outcome::OperatorMustAct, Some(REDIRECTED)),
        _ => (Outcome::OperatorMustAct, Some(UNUSUAL)),
    }
}

/// What a request without an answer means.
pub const fn of_silence() -> (Outcome, Option<&'static str>) {
    (Outcome::Retry { after: None }, Some(AGAIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_meaning() {
        let retry = Outcome::Retry { after: None };
        let rows: [(&[u16], Outcome); 5] = [
            (&[200, 201, 202, 204, 299], Outcome::Delivered),
            (&[408, 409, 425, 429, 500, 502, 503, 504, 599], retry),
            (&[400, 413, 422], Outcome::Refused),
            (&[401, 403, 404, 407, 410], Outcome::OperatorMustAct),
            (&[100, 301, 302, 307, 308, 402, 405, 406, 411, 415, 418, 451, 600], Outcome::OperatorMustAct),
        ];
        for (statuses, expected) in rows {
            for status in statuses {
                let (outcome, advice) = of_status(*status, None);
                assert_eq!((&outcome, advice.is_none()), (&expected, expected == Outcome::Delivered), "{status}");
            }
        }
        assert_eq!(of_silence().0, Outcome::Retry { after: None });
    }

    #[test]
    fn the_wait_is_the_receivers_within_reason() {
        let after = |seconds| match of_status(429, Some(Duration::from_secs(seconds))).0 {
            Outcome::Retry { after } => after.unwrap().as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!((after(30), after(u64::MAX)), (30, 3_600));
    }
}
