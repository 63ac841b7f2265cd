//! Whether and when to try again. A read may be repeated whenever its answer was lost; a call that makes something may be
//! repeated only where the server surely did nothing.

use std::time::Duration;

use super::error::{ClearmlError, Stage};
use crate::domain::Backoff;

/// The longest `Retry-After` that is sat out within a call; beyond it the caller hears of the failure instead.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(2);

/// Whether a call may be sent again when its answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Sent twice it does what it does once.
    Freely,
    /// It makes something, and sent twice it would make two.
    IfUntouched,
}

/// How often, and how long apart, a request is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Tries in all, the first one included; 0 counts as 1.
    pub tries: u32,
    /// The waits between them.
    pub backoff: Backoff,
}

impl Default for Retry {
    fn default() -> Self {
        Self { tries: 4, backoff: Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(30) } }
    }
}

impl Retry {
    /// How long to wait after failure number `failures` (1 is the first); `None` when it is time to give up.
    pub(super) fn wait_after(
        self,
        failures: u32,
        error: &ClearmlError,
        repeat: Repeat,
        jitter: f64,
    ) -> Option<Duration> {
        if repeat == Repeat::IfUntouched && !error.is_untouched() {
            return None;
        }
        // A server that connects and then is silent has cost a whole time limit; the caller's next round asks again.
        let was_silent = matches!(error, ClearmlError::Timeout { stage: Stage::Waiting | Stage::Reading, .. });
        if failures >= self.tries || was_silent || !error.is_transient() {
            return None;
        }
        let asked = error.retry_after().unwrap_or_default();
        (asked <= LONGEST_RETRY_AFTER).then(|| self.backoff.delay(failures, jitter).max(asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(retry_after: Option<u64>) -> ClearmlError {
        let retry_after = retry_after.map(Duration::from_secs);
        ClearmlError::RateLimited { host: "api.example.com".into(), status: 429, retry_after }
    }

    #[test]
    fn waits_twice_as_long_each_time_then_gives_up() {
        let retry = Retry::default();
        let waits: Vec<_> =
            (1..=4).map(|failures| retry.wait_after(failures, &limited(None), Repeat::Freely, 1.0)).collect();
        assert_eq!(waits, [500, 1000, 2000, 0].map(|millis| (millis > 0).then(|| Duration::from_millis(millis))));
    }

    #[test]
    fn waits_as_long_as_the_server_asks_but_not_for_ever() {
        let retry = Retry::default();
        assert_eq!(retry.wait_after(1, &limited(Some(7)), Repeat::Freely, 0.5), Some(Duration::from_secs(7)));
        assert_eq!(retry.wait_after(1, &limited(Some(3600)), Repeat::Freely, 0.5), None);
    }

    #[test]
    fn a_limit_that_was_waited_out_is_not_waited_out_again() {
        let timeout = |stage| ClearmlError::Timeout { host: "h".into(), stage, after: Duration::from_mins(1) };
        assert!(Retry::default().wait_after(1, &timeout(Stage::Connecting), Repeat::Freely, 0.5).is_some());
        assert_eq!(Retry::default().wait_after(1, &timeout(Stage::Reading), Repeat::Freely, 0.5), None);
    }

    #[test]
    fn what_cannot_mend_itself_is_not_tried_again() {
        let refused = ClearmlError::BadPattern { message: "unterminated".into() };
        assert_eq!(Retry::default().wait_after(1, &refused, Repeat::Freely, 0.5), None);
    }

    #[test]
    fn what_makes_something_is_repeated_only_where_nothing_was_made() {
        let unreachable = |sent| ClearmlError::Unreachable { host: "h".into(), detail: "reset".into(), sent };
        let again = |error: &ClearmlError| Retry::default().wait_after(1, error, Repeat::IfUntouched, 0.5).is_some();
        assert!(again(&unreachable(false)) && again(&limited(None)));
        let failed = ClearmlError::Server { host: "h".into(), status: 500, message: "x".into(), retry_after: None };
        assert!(!again(&unreachable(true)) && !again(&failed));
    }
}
