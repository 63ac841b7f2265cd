//! Slack's pace: so many messages a second a channel, and a burst on top. Off unless it is asked for.

use std::collections::HashMap;

use crate::domain::Stamp;

/// How fast messages may come into one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Milliseconds after which one more message is allowed.
    pub millis_per_message: u32,
    /// How many messages may come at once after a pause.
    pub burst: u32,
}

impl RateLimit {
    /// What Slack documents: one message a second a channel, short bursts tolerated.
    pub const DOCUMENTED: Self = Self { millis_per_message: 1000, burst: 4 };
}

/// Counts messages by channel.
#[derive(Debug, Default)]
pub(crate) struct Pacer {
    limit: Option<RateLimit>,
    /// When each channel's bucket is full again, in milliseconds.
    full_at: HashMap<String, i64>,
}

impl Pacer {
    pub(crate) fn set(&mut self, limit: Option<RateLimit>) {
        self.limit = limit;
        self.full_at.clear();
    }

    /// Counts a message for `channel`; if it is one too many, the seconds to wait, rounded up.
    pub(crate) fn admit(&mut self, channel: &str, now: Stamp) -> Result<(), u64> {
        let Some(limit) = self.limit else { return Ok(()) };
        let (now, cost) = (now.as_millis(), i64::from(limit.millis_per_message));
        let full_at = self.full_at.get(channel).copied().unwrap_or(now).max(now);
        let most = i64::from(limit.burst.max(1)).saturating_mul(cost);
        let after = full_at.saturating_add(cost);
        if after.saturating_sub(now) > most {
            let wait = after.saturating_sub(now).saturating_sub(most);
            return Err(u64::try_from(wait).unwrap_or(0).div_ceil(1000).max(1));
        }
        self.full_at.insert(channel.to_owned(), after);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_next_one_waits() {
        let mut pacer = Pacer::default();
        pacer.set(Some(RateLimit { millis_per_message: 1000, burst: 2 }));
        let at = Stamp::from_millis;
        assert_eq!(pacer.admit("C1", at(10_000)), Ok(()));
        assert_eq!(pacer.admit("C1", at(10_000)), Ok(()));
        assert_eq!(pacer.admit("C1", at(10_100)), Err(1));
        assert_eq!(pacer.admit("C2", at(10_100)), Ok(()));
        assert_eq!(pacer.admit("C1", at(11_000)), Ok(()));
        assert_eq!(pacer.admit("C1", at(11_001)), Err(1));
    }
}
