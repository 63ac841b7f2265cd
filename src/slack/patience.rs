//! How long a read waits for Slack's permission before it gives up. Pure: the caller sleeps.

use std::time::Duration;

use super::answers::Class;
use super::error::SlackError;

/// How often one read waits.
const MOST_WAITS: u32 = 5;
/// How long one read waits in all.
const LONGEST_IN_ALL: Duration = Duration::from_mins(2);
/// The wait where Slack says "too many" and not for how long.
const WITHOUT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The waits of one read.
#[derive(Debug, Default)]
pub(super) struct Patience {
    waits: u32,
    waited: Duration,
}

impl Patience {
    /// How long to wait after `error` before asking again; `None` when it is no matter of waiting, or enough was
    /// waited.
    pub(super) fn next_wait(&mut self, error: &SlackError) -> Option<Duration> {
        let limited = error.http_status.is_some() && error.class == Class::NotDelivered { long: false };
        let wait = error.retry_after.unwrap_or(WITHOUT_RETRY_AFTER);
        if !limited || self.waits >= MOST_WAITS || self.waited + wait > LONGEST_IN_ALL {
            return None;
        }
        self.waits += 1;
        self.waited += wait;
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(retry_after: Option<u64>) -> SlackError {
        SlackError {
            http_status: Some(429),
            retry_after: retry_after.map(Duration::from_secs),
            ..SlackError::new(None, Class::NotDelivered { long: false }, String::new(), String::new())
        }
    }

    #[test]
    fn waits_as_told_a_few_times() {
        let mut patience = Patience::default();
        let waits: Vec<_> = std::iter::from_fn(|| patience.next_wait(&limited(Some(3)))).collect();
        assert_eq!(waits, [Duration::from_secs(3); 5]);
    }

    #[test]
    fn never_waits_longer_than_the_limit_in_all() {
        let mut patience = Patience::default();
        assert_eq!(patience.next_wait(&limited(Some(100))), Some(Duration::from_secs(100)));
        assert_eq!(patience.next_wait(&limited(Some(30))), None);
        assert_eq!(patience.next_wait(&limited(None)), Some(Duration::from_secs(1)));
        assert_eq!(Patience::default().next_wait(&limited(Some(121))), None);
    }

    #[test]
    fn nothing_else_is_waited_for() {
        let unreachable = SlackError { http_status: None, ..limited(None) };
        let long = SlackError { class: Class::NotDelivered { long: true }, ..limited(Some(1)) };
        let lost = SlackError { class: Class::Ambiguous, ..limited(Some(1)) };
        for error in [unreachable, long, lost] {
            assert_eq!(Patience::default().next_wait(&error), None);
        }
    }
}
