//! When is it the same run? Compares what a poll saw of a task with what is remembered of it.
//!
//! ClearML numbers no runs: a task that is reset, continued or cloned in place keeps its ID, and most failures under an
//! agent are stamped twice. What counts as another run is decided here and nowhere else.

use super::stamp::Stamp;
use super::task::{Outcome, Status, Task};

/// A set of outcomes, as a bit mask that fits a database column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct OutcomeSet(u8);

impl OutcomeSet {
    /// From the bits of [`OutcomeSet::bits`]; bits without a meaning are dropped.
    pub fn from_bits(bits: i64) -> Self {
        Self(u8::try_from(bits & 0b111).unwrap_or(0))
    }

    /// As bits: 1 failed, 2 completed, 4 stopped.
    pub fn bits(self) -> i64 {
        i64::from(self.0)
    }

    /// Whether `outcome` is in it.
    pub fn contains(self, outcome: Outcome) -> bool {
        self.0 & bit(outcome) != 0
    }

    /// The same set with `outcome` in it.
    #[must_use]
    pub fn with(self, outcome: Outcome) -> Self {
        Self(self.0 | bit(outcome))
    }
}

impl FromIterator<Outcome> for OutcomeSet {
    fn from_iter<I: IntoIterator<Item = Outcome>>(outcomes: I) -> Self {
        outcomes.into_iter().fold(Self::default(), Self::with)
    }
}

fn bit(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Failed => 1,
        Outcome::Completed => 2,
        Outcome::Stopped => 4,
        // No end: no set of ends in a database holds it.
        Outcome::Stuck => 8,
    }
}

/// What is remembered of a task between polls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTask {
    /// Which run the last recorded status belongs to, counted from 1 since the task was first seen.
    pub run: u32,
    /// The last recorded status.
    pub status: Status,
    /// Its stamp.
    pub status_changed: Stamp,
    /// The outcomes recorded for this run so far.
    pub run_outcomes: OutcomeSet,
    /// The last outcome recorded, of this run or an earlier one.
    pub ended: Option<Ended>,
}

/// The marks of a run's end, to tell a re-stamp of it from the end of another run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// How it ended.
    pub outcome: Outcome,
    /// The newest stamp seen of this end.
    pub status_changed: Stamp,
    /// When the run had started; a reset clears it.
    pub started: Option<Stamp>,
    /// Seconds it had been active; grows only while a task runs.
    pub active_duration: Option<i64>,
}

/// What one row of a poll means for its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// This status with this stamp is recorded already.
    Nothing,
    /// The status was stamped again (or went on from `completed` to `published`): recorded, never alerted.
    Restamp,
    /// The task moved to a status that is no outcome.
    Moved,
    /// A run ended: every rule is asked.
    Ended(Outcome),
}

/// What a poll's row means, and what is to be remembered from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// What happened.
    pub change: Change,
    /// The task's memory after it.
    pub known: KnownTask,
}

/// Compares a row with what is remembered of its task.
pub fn observe(known: Option<&KnownTask>, task: &Task) -> Observation {
    let Some(known) = known else {
        return first_seen(task);
    };
    if is_recorded(known, task) {
        return Observation { change: Change::Nothing, known: known.clone() };
    }
    match task.outcome() {
        None => moved(known, task),
        Some(outcome) => ended(known, task, outcome),
    }
}

fn first_seen(task: &Task) -> Observation {
    let known = KnownTask {
        run: 1,
        status: task.status.clone(),
        status_changed: task.status_changed,
        run_outcomes: task.outcome().into_iter().collect(),
        ended: task.outcome().map(|outcome| end_of(task, outcome)),
    };
    let change = task.outcome().map_or(Change::Moved, Change::Ended);
    Observation { change, known }
}

/// The last status again, or the last outcome again after something newer (a read from a server that lags behind).
fn is_recorded(known: &KnownTask, task: &Task) -> bool {
    let last_status = known.status == task.status && known.status_changed == task.status_changed;
    let last_outcome = known.ended.as_ref().is_some_and(|ended| {
        Some(ended.outcome) == task.outcome() && ended.status_changed == task.status_changed && !ran_again(ended, task)
    });
    last_status || (last_outcome && known.status.outcome().is_none())
}

fn moved(known: &KnownTask, task: &Task) -> Observation {
    let leaves_an_outcome = known.status.outcome().is_some();
    let change = if known.status == task.status { Change::Restamp } else { Change::Moved };
    let mut next = with_status_of(known, task);
    if leaves_an_outcome {
        next.run = known.run.saturating_add(1);
        next.run_outcomes = OutcomeSet::default();
    }
    Observation { change, known: next }
}

fn ended(known: &KnownTask, task: &Task, outcome: Outcome) -> Observation {
    let mut next = with_status_of(known, task);
    let last_end = known.ended.as_ref().filter(|_| known.status.outcome().is_some());
    let another_run = last_end
        .is_some_and(|last| ran_again(last, task) || (last.outcome != outcome && known.run_outcomes.contains(outcome)));
    if another_run {
        next.run = known.run.saturating_add(1);
        next.run_outcomes = OutcomeSet::default();
    } else if let Some(last) = last_end.filter(|last| last.outcome == outcome) {
        let active_duration = last.active_duration.max(task.active_duration);
        next.ended = Some(Ended { active_duration, ..end_of(task, outcome) });
        return Observation { change: Change::Restamp, known: next };
    }
    next.run_outcomes = next.run_outcomes.with(outcome);
    next.ended = Some(end_of(task, outcome));
    Observation { change: Change::Ended(outcome), known: next }
}

/// A reset clears `started`, so a restart after one has another; a continued task keeps it, but was active for longer.
fn ran_again(last: &Ended, task: &Task) -> bool {
    last.started != task.started || task.active_duration.unwrap_or(0) > last.active_duration.unwrap_or(0)
}

fn with_status_of(known: &KnownTask, task: &Task) -> KnownTask {
    KnownTask { status: task.status.clone(), status_changed: task.status_changed, ..known.clone() }
}

fn end_of(task: &Task, outcome: Outcome) -> Ended {
    Ended { outcome, status_changed: task.status_changed, started: task.started, active_duration: task.active_duration }
}
