//! Retention: what is told and older than it is kept is removed, a step at a time between polls and messages. How old an
//! outcome is, ClearML's stamp and ClearML's clock tell; where the server's time is not known, nothing is removed.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::error::MonitorError;
use super::status::Status;
use crate::clearml::Client;
use crate::clock::Clock;
use crate::domain::{Repeats, Stamp, Worth};
use crate::store::{Old, Removed, Round, Store};

/// From the beginning of one round to that of the next, by ClearML's clock.
const ROUND_EVERY: Duration = Duration::from_hours(1);
/// A run of `once` ends a round after so many steps that removed something.
const STEPS_OF_ONCE: usize = 50;
/// And after so many steps in any case.
const LOOKS_OF_ONCE: usize = 500;

/// How fast it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Between two looks at whether a round is due.
    pub look: Duration,
    /// Between two steps of a round: polls and messages go first.
    pub pause: Duration,
}

impl Pace {
    /// As in the field: some two thousand rows a second.
    pub const STANDARD: Self = Self { look: Duration::from_secs(30), pause: Duration::from_millis(100) };
}

/// Removes what is older than it is kept.
#[derive(Debug, Clone)]
pub struct Retention {
    store: Store,
    clearml: Client,
    clock: Clock,
    keep: Duration,
    pace: Pace,
    /// When the last round began, by ClearML's clock.
    began: Option<Stamp>,
}

impl Retention {
    /// Keeps for so long what is told, or was kept quiet.
    pub fn new(store: Store, clearml: Client, clock: Clock, keep: Duration, pace: Pace) -> Self {
        Self { store, clearml, clock, keep, pace, began: None }
    }

    /// What is old now; `None` where the server's time is not known.
    fn old(&self) -> Option<(Stamp, Old)> {
        let server_now = self.clearml.server_time()?;
        let old =
            Old { stamped_before: server_now.minus(self.keep), recorded_before: self.clock.now().minus(self.keep) };
        Some((server_now, old))
    }

    /// Rounds, one an hour, until `stop` is set.
    pub(super) async fn run(mut self, status: Status, stop: CancellationToken) -> Result<(), MonitorError> {
        let _ends_the_others = stop.clone().drop_guard();
        let mut failures = Repeats::default();
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.pace.look) => {}
                () = stop.cancelled() => return Ok(()),
            }
            let Some((server_now, old)) = self.old().filter(|(now, _)| self.is_due(*now)) else {
                continue;
            };
            let round = tokio::select! {
                round = self.round(old, &status) => round,
                () = stop.cancelled() => return Ok(()),
            };
            match round {
                Ok(()) => {
                    self.began = Some(server_now);
                    failures.succeeded();
                }
                Err(MonitorError::Store(error)) if !error.is_passing() => return Err(error.into()),
                Err(error) => {
                    if failures.failed(&error.to_string()) != Worth::Nothing {
                        tracing::error!(%error, "old alerts cannot be removed now; trying again");
                    }
                }
            }
        }
    }

    fn is_due(&self, server_now: Stamp) -> bool {
        self.began.is_none_or(|began| server_now.since(began) >= ROUND_EVERY || server_now < began)
    }

    /// Everything that is old, and the space that it leaves.
    async fn round(&self, old: Old, status: &Status) -> Result<(), MonitorError> {
        let (mut round, mut removed) = (Round::default(), Removed::default());
        while !round.is_over() {
            let (next, step) = self.store.prune_step(round, old).await?;
            crate::crash::point("pruned");
            status.pruned(step.alerts);
            removed.add(step);
            round = next;
            tokio::time::sleep(self.pace.pause).await;
        }
        while self.store.give_back_step().await? {
            tokio::time::sleep(self.pace.pause).await;
        }
        tell(removed, old);
        Ok(())
    }

    /// As much of a round as one run of `once` has time for.
    pub async fn once(&self, stop: &CancellationToken) -> Result<(), MonitorError> {
        let Some((_, old)) = self.old() else {
            return Ok(());
        };
        let (mut round, mut removed, mut steps) = (Round::default(), Removed::default(), 0);
        for _ in 0..LOOKS_OF_ONCE {
            if round.is_over() || steps >= STEPS_OF_ONCE || stop.is_cancelled() {
                break;
            }
            let (next, gone) = self.store.prune_step(round, old).await?;
            crate::crash::point("pruned");
            steps += usize::from(!gone.is_nothing());
            removed.add(gone);
            round = next;
        }
        for _ in 0..STEPS_OF_ONCE {
            if stop.is_cancelled() || !self.store.give_back_step().await? {
                break;
            }
        }
        tell(removed, old);
        Ok(())
    }
}

fn tell(removed: Removed, old: Old) {
    if !removed.is_nothing() {
        let Removed { alerts, others } = removed;
        tracing::info!(alerts, others, stamped_before = %old.stamped_before, "removed what is older than it is kept");
    }
}
