//! How long to wait before trying again: doubling, bounded, with jitter.

use std::time::Duration;

/// The bounds of a back-off: the first wait and the longest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub first: Duration,
    /// No wait is longer than this.
    pub longest: Duration,
}

impl Backoff {
    /// Both bounds times `factor`, for tests.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self { first: scaled(self.first, factor), longest: scaled(self.longest, factor) }
    }

    /// The wait after failure number `failures` (1 is the first), scaled by `jitter` in `0.0..1.0` to between half and
    /// all of the doubled value, so that many clients do not come back at the same moment.
    pub fn delay(self, failures: u32, jitter: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(30);
        let full = self.first.saturating_mul(1 << doublings).min(self.longest);
        full.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }
}

/// `wait` times `factor`; unchanged where that is no duration.
pub fn scaled(wait: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(wait.as_secs_f64() * factor).unwrap_or(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_mins(5) };

    #[test]
    fn doubles_up_to_the_longest() {
        let seconds: Vec<u64> = (1..=11).map(|failures| BACKOFF.delay(failures, 1.0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(BACKOFF.delay(u32::MAX, 1.0), BACKOFF.longest);
    }

    #[test]
    fn jitter_takes_off_at_most_half() {
        assert_eq!(BACKOFF.delay(3, 0.0), Duration::from_secs(2));
        assert_eq!(BACKOFF.delay(3, 0.5), Duration::from_secs(3));
    }
}
