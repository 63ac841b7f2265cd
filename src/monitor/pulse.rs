//! Whether the two loops of a running service still move: what a watchdog wants to know. A loop that waits for its next
//! turn rests; one that works takes steps, each of which ends by itself, since every request has its time limit. A loop
//! whose step does not end hangs, on a dead file system for example, and nothing inside the process can mend that.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The pulse of both loops. Cheap to clone; every clone tells the same.
#[derive(Debug, Clone, Default)]
pub struct Pulse {
    /// Of the loop that asks ClearML.
    pub(super) polling: Beat,
    /// Of the loop that sends.
    pub(super) delivering: Beat,
}

impl Pulse {
    /// Whether neither loop has been at one step for longer than `limit`.
    pub fn is_felt(&self, limit: Duration) -> bool {
        [&self.polling, &self.delivering].iter().all(|beat| beat.busy_for().is_none_or(|busy| busy <= limit))
    }
}

/// The pulse of one loop: when it took its last step; `None` while it rests.
#[derive(Debug, Clone, Default)]
pub(super) struct Beat(Arc<Mutex<Option<Instant>>>);

impl Beat {
    /// The loop begins to work, or is done with one step and takes the next one.
    pub(super) fn step(&self) {
        self.set(Some(Instant::now()));
    }

    /// The loop waits for its next turn.
    pub(super) fn rest(&self) {
        self.set(None);
    }

    fn set(&self, at: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    fn busy_for(&self) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_rests_is_well_however_long() {
        let pulse = Pulse::default();
        tokio::time::advance(LIMIT * 100).await;
        assert!(pulse.is_felt(LIMIT));
        pulse.polling.step();
        tokio::time::advance(LIMIT).await;
        pulse.polling.rest();
        tokio::time::advance(LIMIT * 100).await;
        assert!(pulse.is_felt(LIMIT));
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_does_not_end_is_found_out_in_either_loop() {
        for choose in [|pulse: &Pulse| pulse.polling.clone(), |pulse: &Pulse| pulse.delivering.clone()] {
            let pulse = Pulse::default();
            let (beat, other) = (choose(&pulse), &pulse.polling);
            for _ in 0..5 {
                beat.step();
                tokio::time::advance(LIMIT).await;
                assert!(pulse.is_felt(LIMIT), "steps are taken");
            }
            tokio::time::advance(Duration::from_millis(1)).await;
            assert!(!pulse.is_felt(LIMIT));
            beat.step();
            other.rest();
            assert!(pulse.is_felt(LIMIT), "it moves again");
        }
    }
}
