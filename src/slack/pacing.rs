//! When the next message may go: our own pace per channel, and the waits that Slack asked for per method. Only in
//! memory and only arithmetic: nothing here sleeps, stores or reads a clock; time is an argument.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::method::Method;
use super::transport::LONGEST_RETRY_AFTER;

/// A bucket of permits per channel that refills at a steady rate.
#[derive(Debug, Clone)]
pub struct Pacer {
    /// Time for one permit to come back; zero is no limit.
    interval: Duration,
    /// How much of the future a burst may use up.
    tolerance: Duration,
    /// Per channel, when its bucket will be full again.
    full_at: HashMap<String, Instant>,
}

/// How many messages may go at once after a quiet time; Slack tolerates short bursts.
pub const DEFAULT_BURST: u32 = 3;
/// Slower than one message a day is a mistake rather than a pace.
const LONGEST_INTERVAL: Duration = Duration::from_hours(24);

impl Pacer {
    /// `rate` messages a second in every channel in the long run, after a burst of `burst` (at least 1). A rate of 0 is
    /// no limit of our own; so are negative rates and NaN, which settings refuse.
    pub fn new(rate: f64, burst: u32) -> Self {
        let interval = if rate > 0.0 {
            Duration::try_from_secs_f64(rate.recip()).unwrap_or(LONGEST_INTERVAL).min(LONGEST_INTERVAL)
        } else {
            Duration::ZERO
        };
        Self { interval, tolerance: interval.saturating_mul(burst.max(1) - 1), full_at: HashMap::new() }
    }

    /// When the next message for `channel` may go; `now` if it may go at once.
    pub fn ready_at(&self, channel: &str, now: Instant) -> Instant {
        let full_at = self.full_at.get(channel).copied().unwrap_or(now);
        full_at.checked_sub(self.tolerance).map_or(now, |ready| ready.max(now))
    }

    /// Notes that a message for `channel` goes now, permitted or not.
    pub fn take(&mut self, channel: &str, now: Instant) {
        self.full_at.retain(|_, full_at| *full_at > now);
        if !self.interval.is_zero() {
            let full_at = self.full_at.get(channel).copied().unwrap_or(now);
            self.full_at.insert(channel.to_owned(), full_at + self.interval);
        }
    }
}

/// Until when Slack asked to leave its methods alone. A limit on one method leaves the others usable.
#[derive(Debug, Clone, Default)]
pub struct Pauses {
    until: HashMap<Method, Instant>,
}

impl Pauses {
    /// No pauses.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves `method` alone for `wait` from `now` on, or longer where a longer pause is on. This is also how a pause is
    /// put back after a restart, with the rest of its time; no pause is longer than an hour, whatever was stored.
    pub fn pause(&mut self, method: Method, now: Instant, wait: Duration) {
        let until = now + wait.min(LONGEST_RETRY_AFTER);
        let kept = self.until.entry(method).or_insert(until);
        *kept = until.max(*kept);
    }

    /// When `method` may be called; `now` if at once.
    pub fn ready_at(&self, method: Method, now: Instant) -> Instant {
        self.until.get(&method).copied().map_or(now, |until| until.max(now))
    }

    /// What is left of the pause of `method`; `None` when it is over.
    pub fn remaining(&self, method: Method, now: Instant) -> Option<Duration> {
        let left = self.ready_at(method, now) - now;
        (!left.is_zero()).then_some(left)
    }

    /// Every pause that is on, and what is left of it.
    pub fn all(&self, now: Instant) -> Vec<(Method, Duration)> {
        let mut pauses: Vec<_> =
            self.until.keys().filter_map(|method| Some((*method, self.remaining(*method, now)?))).collect();
        pauses.sort_unstable();
        pauses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Sends as soon as it may, `count` times, and tells when, in milliseconds.
    fn times(pacer: &mut Pacer, channel: &str, start: Instant, count: usize) -> Vec<u128> {
        let mut now = start;
        (0..count)
            .map(|_| {
                now = pacer.ready_at(channel, now);
                pacer.take(channel, now);
                (now - start).as_millis()
            })
            .collect()
    }

    #[test]
    fn a_burst_then_the_rate() {
        let start = Instant::now();
        assert_eq!(times(&mut Pacer::new(1.0, 3), "C1", start, 6), [0, 0, 0, 1000, 2000, 3000]);
        assert_eq!(times(&mut Pacer::new(4.0, 1), "C1", start, 4), [0, 250, 500, 750]);
        assert_eq!(times(&mut Pacer::new(1.0, 0), "C1", start, 3), [0, 1000, 2000]);
    }

    #[test]
    fn channels_do_not_wait_for_each_other() {
        let start = Instant::now();
        let mut pacer = Pacer::new(1.0, 1);
        pacer.take("C1", start);
        assert_eq!(pacer.ready_at("C1", start), start + SECOND);
        assert_eq!(pacer.ready_at("C2", start), start);
    }

    #[test]
    fn a_quiet_time_refills_the_burst_and_no_more() {
        let start = Instant::now();
        let mut pacer = Pacer::new(1.0, 3);
        times(&mut pacer, "C1", start, 5);
        assert_eq!(times(&mut pacer, "C1", start + SECOND * 600, 5), [0, 0, 0, 1000, 2000]);
    }

    #[test]
    fn zero_is_no_limit_and_absurd_rates_do_no_harm() {
        let start = Instant::now();
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(times(&mut Pacer::new(rate, 1), "C1", start, 1000)[999], 0, "{rate}");
        }
        let mut slow = Pacer::new(f64::MIN_POSITIVE, u32::MAX);
        slow.take("C1", start);
        assert!(slow.ready_at("C1", start) <= start + LONGEST_INTERVAL);
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let start = Instant::now();
        let mut pacer = Pacer::new(1.0, 3);
        for number in 0..100 {
            pacer.take(&format!("C{number}"), start + SECOND * number * 10);
        }
        assert_eq!(pacer.full_at.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_one_method_for_its_time() {
        let mut pauses = Pauses::new();
        pauses.pause(Method::PostMessage, Instant::now(), SECOND * 30);
        assert_eq!(pauses.remaining(Method::PostMessage, Instant::now()), Some(SECOND * 30));
        assert_eq!(pauses.remaining(Method::UpdateMessage, Instant::now()), None);
        tokio::time::advance(SECOND * 29).await;
        assert_eq!(pauses.all(Instant::now()), [(Method::PostMessage, SECOND)]);
        tokio::time::advance(SECOND).await;
        assert_eq!(pauses.remaining(Method::PostMessage, Instant::now()), None);
        assert_eq!(pauses.ready_at(Method::PostMessage, Instant::now()), Instant::now());
    }

    #[test]
    fn a_shorter_pause_does_not_shorten_a_longer_one_and_none_is_endless() {
        let now = Instant::now();
        let mut pauses = Pauses::new();
        pauses.pause(Method::PostMessage, now, SECOND * 30);
        pauses.pause(Method::PostMessage, now, SECOND);
        assert_eq!(pauses.remaining(Method::PostMessage, now), Some(SECOND * 30));
        pauses.pause(Method::UpdateMessage, now, Duration::MAX);
        assert_eq!(pauses.remaining(Method::UpdateMessage, now), Some(LONGEST_RETRY_AFTER));
    }
}
