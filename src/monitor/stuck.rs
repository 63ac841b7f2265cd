//! A look for running tasks that do not move: a second question to ClearML, asked only where a rule has `stuck`, and not
//! with every poll. It comes after the outcomes are recorded, so that one that fails costs nobody an outcome.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use super::error::MonitorError;
use super::poll::{PollReport, Poller, forget_other_metrics};
use crate::domain::rule::Stuck;
use crate::domain::{Stamp, Task};
use crate::store::{StuckLook, StuckRecorded};

/// When running tasks are looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looks {
    /// Looks are so far apart at least.
    every: Duration,
    last: Option<Instant>,
}

impl Default for Looks {
    fn default() -> Self {
        Self { every: Self::EVERY, last: None }
    }
}

impl Looks {
    /// What is stuck has not moved for a long time: half a minute more is nothing to it.
    const EVERY: Duration = Duration::from_secs(30);

    fn is_due(&self) -> bool {
        self.last.is_none_or(|last| last.elapsed() >= self.every)
    }
}

/// What rules ask of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    /// The shortest silence that a rule tells of.
    silent: Option<Duration>,
    /// Whether a rule asks for iterations: every running task is looked at then.
    iterations: bool,
}

impl Asked {
    /// `None` where no rule asks for anything.
    fn by<'r>(limits: impl Iterator<Item = &'r Stuck>) -> Option<Self> {
        let mut asked = None;
        for each in limits {
            let known = asked.get_or_insert(Self { silent: None, iterations: false });
            known.silent = known.silent.into_iter().chain(each.silent).min();
            known.iterations |= each.iteration.is_some();
        }
        asked
    }

    /// Only tasks without a sign of life after this moment can be stuck; `None`: any that runs.
    fn quiet_since(self, at: Stamp) -> Option<Stamp> {
        self.silent.filter(|_| !self.iterations).map(|silent| at.minus(silent))
    }
}

impl Poller {
    /// Sets how far apart looks for stuck tasks are at least.
    pub fn look_for_stuck_every(&mut self, every: Duration) {
        self.looks.every = every;
    }

    /// Looks at running tasks, where a rule asks for it and it is time. What ClearML does not answer is told in the report
    /// and moves nothing.
    pub(super) async fn look_for_stuck(&mut self, report: &mut PollReport) -> Result<(), MonitorError> {
        let Some(asked) = Asked::by(self.rules().iter().filter_map(|rule| rule.stuck.as_ref())) else {
            return Ok(());
        };
        if !self.looks.is_due() {
            return Ok(());
        }
        // Ages are by ClearML's clock. Where it is not known, nothing is decided.
        let Some(at) = self.server_time() else {
            return Ok(());
        };
        match self.look_at(at, asked).await {
            Ok(recorded) => {
                self.looks.last = Some(Instant::now());
                self.note_look(report, recorded);
                Ok(())
            }
            Err(error @ MonitorError::Store(_)) => Err(error),
            Err(error) => {
                report.stuck_trouble = Some(error.to_string());
                Ok(())
            }
        }
    }

    fn note_look(&self, report: &mut PollReport, recorded: StuckRecorded) {
        for (rule, task) in &recorded.recovered {
            tracing::info!(rule, task, "a task that was stuck moves again");
        }
        if recorded.has_news {
            self.ring();
        }
        report.verdicts.extend(recorded.alerts);
    }

    async fn look_at(&mut self, at: Stamp, asked: Asked) -> Result<StuckRecorded, MonitorError> {
        let mut tasks = self.running_tasks(asked.quiet_since(at)).await?;
        let seen: HashSet<&str> = tasks.iter().map(|task| task.id.as_str()).collect();
        let open = self.store().stuck_tasks().await?;
        let unseen: Vec<String> = open.into_iter().filter(|task| !seen.contains(task.as_str())).collect();
        if !unseen.is_empty() {
            tasks.extend(self.clearml().tasks(&unseen, self.wanted()).await?);
        }
        let rules = self.rules_for(&tasks).await?;
        forget_other_metrics(&mut tasks, &rules);
        let (is_whole, pages, now) = (asked.quiet_since(at).is_none(), self.web_pages(), self.now());
        crate::crash::point("stuck_looked");
        let look = StuckLook { at, tasks, is_whole, rules, pages, now };
        let recorded = self.store().record_stuck(look).await?;
        if recorded.has_news {
            crate::crash::point("stuck_recorded");
        }
        Ok(recorded)
    }

    async fn running_tasks(&mut self, quiet_since: Option<Stamp>) -> Result<Vec<Task>, MonitorError> {
        let mut pages = self.clearml().running(quiet_since, self.wanted());
        let mut tasks: Vec<Task> = Vec::new();
        let mut places = std::collections::HashMap::new();
        while let Some(page) = pages.next_page().await? {
            for task in page.tasks {
                // One that gave a sign of life meanwhile comes again: as it is now.
                match places.get(&task.id) {
                    Some(place) => tasks[*place] = task,
                    None => {
                        places.insert(task.id.clone(), tasks.len());
                        tasks.push(task);
                    }
                }
            }
            self.beat.step();
        }
        Ok(tasks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_asks_for_no_more_than_the_rules_need() {
        let hour = Duration::from_hours(1);
        let silent = Stuck { silent: Some(hour * 2), iteration: None };
        let sooner = Stuck { silent: Some(hour), iteration: None };
        let both = Stuck { silent: Some(hour), iteration: Some(hour) };
        let at = Stamp::from_millis(1_795_386_448_000);
        assert_eq!(Asked::by([].iter()), None);
        let asked = Asked::by([silent.clone(), sooner].iter()).unwrap();
        assert_eq!(asked.quiet_since(at), Some(at.minus(hour)), "the shortest");
        assert_eq!(
            Asked::by([silent, both].iter()).unwrap().quiet_since(at),
            None,
            "an iteration may stand still in any"
        );
    }

    #[test]
    fn looks_are_apart() {
        let mut looks = Looks::default();
        assert!(looks.is_due());
        looks.last = Some(Instant::now());
        assert!(!looks.is_due());
        looks.every = Duration::ZERO;
        assert!(looks.is_due());
    }
}
