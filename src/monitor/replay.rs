//! Outcomes of the past put to rules of today. Records nothing and sends nothing.

use std::collections::HashMap;

use super::error::MonitorError;
use crate::clearml::{Client, Wanted};
use crate::domain::{Outcome, Rule, RuleVerdict, Silences, Stamp, Status, Task, hear};
use crate::store::PastOutcome;

/// An outcome that rules were asked about again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// ClearML's task ID.
    pub task_id: String,
    /// The task's name.
    pub task_name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// When the server stamped it.
    pub status_changed: Stamp,
    /// What the rules were asked about.
    pub source: Source,
    /// What every rule says, in the order of the rules, as if nobody had asked for silence; empty where the task is gone.
    pub verdicts: Vec<RuleVerdict>,
}

/// Where the task's fields come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// From the database, as they were when the outcome was recorded.
    Recorded,
    /// From ClearML, as they are now; the outcome is the recorded one.
    Now,
    /// From nowhere: the database does not keep them, and ClearML does not know the task any more.
    Gone,
}

/// Puts recorded outcomes to rules whose projects and users are resolved. Tasks that the database does not keep whole are
/// asked for, in pages.
pub async fn replay(past: Vec<PastOutcome>, rules: &[Rule], clearml: &Client) -> Result<Vec<Replay>, MonitorError> {
    let mut missing: Vec<String> =
        past.iter().filter(|past| known(past, rules).is_none()).map(|past| past.task_id.clone()).collect();
    missing.sort_unstable();
    missing.dedup();
    let found = clearml.tasks(&missing, wanted(rules)).await?;
    let found: HashMap<String, Task> = found.into_iter().map(|task| (task.id.clone(), task)).collect();
    let one = |past: PastOutcome| {
        let (task, source) = match (known(&past, rules), found.get(&past.task_id)) {
            (Some(task), _) => (Some(task.clone()), Source::Recorded),
            (None, Some(task)) => (Some(as_it_ended(task, &past)), Source::Now),
            (None, None) => (None, Source::Gone),
        };
        let verdicts = task.map(|task| hear(&task, past.outcome, rules, &Silences::default())).unwrap_or_default();
        let PastOutcome { task_id, task_name, outcome, status_changed, .. } = past;
        Replay { task_id, task_name, outcome, status_changed, source, verdicts }
    };
    Ok(past.into_iter().map(one).collect())
}

/// Puts a task as it is now to rules; `None` where it has not ended.
pub fn replay_now(task: &Task, rules: &[Rule]) -> Option<Replay> {
    let outcome = task.outcome()?;
    Some(Replay {
        task_id: task.id.clone(),
        task_name: task.name.clone(),
        outcome,
        status_changed: task.status_changed,
        source: Source::Now,
        verdicts: hear(task, outcome, rules, &Silences::default()),
    })
}

/// What rules look at besides what every rule needs.
pub fn wanted(rules: &[Rule]) -> Wanted {
    Wanted {
        hidden: rules.iter().any(|rule| rule.conditions.include_hidden),
        metrics: rules.iter().any(|rule| rule.conditions.metric.is_some()),
    }
}

/// The task as it was recorded, where that is enough: its metrics were kept only where a rule of that time looked at them.
fn known<'p>(past: &'p PastOutcome, rules: &[Rule]) -> Option<&'p Task> {
    let task = past.task.as_ref()?;
    let metrics = rules.iter().filter_map(|rule| rule.conditions.metric.as_ref());
    let has =
        |condition: &crate::domain::rule::MetricCondition| task.metrics.iter().any(|metric| condition.is_about(metric));
    metrics.into_iter().all(has).then_some(task)
}

/// A task of today with the end that was recorded.
fn as_it_ended(task: &Task, past: &PastOutcome) -> Task {
    Task {
        status: Status::parse(past.outcome.as_str()),
        status_changed: past.status_changed,
        status_reason: past.reason.clone(),
        status_message: past.message.clone(),
        ..task.clone()
    }
}
