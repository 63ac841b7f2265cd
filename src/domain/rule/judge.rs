//! A rule asked about an outcome: first which filter speaks, which costs next to nothing, and only then, where somebody
//! wants to read it, in words.

use std::cell::OnceCell;
use std::collections::HashSet;

use super::conditions::quoted;
use super::{Filter, Rule, Suppression, UserFilter, Verdict, suppressed};
use crate::domain::cause::Cause;
use crate::domain::message::words;
use crate::domain::task::{Named, Outcome, Task};

/// An outcome of a task, as rules are asked about it. What costs something to find out is found out once for all rules.
#[derive(Debug)]
pub struct Subject<'t> {
    /// The task.
    pub task: &'t Task,
    /// How it ended.
    pub outcome: Outcome,
    cause: OnceCell<Option<&'static str>>,
}

impl<'t> Subject<'t> {
    /// This outcome of this task.
    pub fn new(task: &'t Task, outcome: Outcome) -> Self {
        Self { task, outcome, cause: OnceCell::new() }
    }

    /// Why it ended, in a word, as far as the row tells; `None` where it completed.
    fn cause(&self) -> Option<&'static str> {
        *self.cause.get_or_init(|| Cause::of(self.task).map(Cause::as_str))
    }
}

impl Rule {
    /// Judges an outcome of `task`. The first filter that speaks is named, cheapest to understand first.
    pub fn judge(&self, task: &Task, outcome: Outcome) -> Verdict {
        let subject = Subject::new(task, outcome);
        self.filter(&subject).map_or(Verdict::Alert, |filter| Verdict::Suppressed(self.words(filter, &subject)))
    }

    /// The first filter that speaks, in the order of [`Filter::ALL`]; `None` where the rule would alert.
    pub fn filter(&self, subject: &Subject<'_>) -> Option<Filter> {
        Filter::ALL.into_iter().find(|filter| !self.admits(*filter, subject))
    }

    /// Whether one filter alone lets the outcome pass. The last two depend on more than the rule, and are asked by
    /// [`crate::domain::decide()`].
    fn admits(&self, filter: Filter, subject: &Subject<'_>) -> bool {
        let (asked, task) = (&self.conditions, subject.task);
        match filter {
            Filter::Own => self.own_task.as_ref() != Some(&task.id),
            Filter::Status if subject.outcome == Outcome::Stuck => self.stuck.is_some(),
            Filter::Status => asked.outcomes.contains(subject.outcome),
            // Why it ended is nothing to ask of a task that runs.
            Filter::Cause if subject.outcome == Outcome::Stuck => true,
            Filter::Project => asked.projects.admits(task),
            Filter::User => self.admits_user(task),
            Filter::Manual => asked.include_manual || !task.is_run_by_hand(),
            Filter::Archived => asked.include_archived || !task.has_system_tag("archived"),
            Filter::Hidden => asked.include_hidden || !task.has_system_tag("hidden"),
            Filter::Kind => asked.kinds.is_empty() || task.kind.as_ref().is_some_and(|kind| asked.kinds.contains(kind)),
            Filter::Tags => asked.tags.admits(&task.tags),
            Filter::SystemTags => asked.system_tags.admits(&task.system_tags),
            Filter::Name => asked.name.as_ref().is_none_or(|pattern| pattern.matches(&task.name)),
            Filter::Queue => asked.queues.is_empty() || is_named(&asked.queues, task.queue.as_ref()),
            Filter::Worker => {
                let is_watched = |id: &String| asked.workers.iter().any(|pattern| pattern.matches(id));
                asked.workers.is_empty() || task.worker.as_ref().is_some_and(is_watched)
            }
            Filter::Iterations => task.last_iteration >= asked.min_iterations,
            Filter::RunTime => asked.min_run_time.is_zero() || task.run_time() >= Some(asked.min_run_time),
            Filter::Metric => asked.metric.as_ref().is_none_or(|metric| metric.admits(&task.metrics)),
            Filter::Cause => {
                asked.causes.is_empty() || subject.cause().is_some_and(|cause| asked.causes.contains(cause))
            }
            Filter::Earlier | Filter::Silence | Filter::Retried => true,
        }
    }

    fn admits_user(&self, task: &Task) -> bool {
        match &self.conditions.users {
            UserFilter::Everyone => true,
            UserFilter::Only(list) => is_named(list, task.user.as_ref()),
            UserFilter::Except(list) => !is_named(list, task.user.as_ref()),
        }
    }

    /// What a filter of this rule, which spoke about this outcome, says: the value, and what the rule wants.
    pub fn words(&self, filter: Filter, subject: &Subject<'_>) -> Suppression {
        let (asked, task) = (&self.conditions, subject.task);
        let detail = match filter {
            Filter::Own => "it is this monitor's own task".to_owned(),
            Filter::Status => format!("{}, watched: {}", subject.outcome, self.outcomes_in_words()),
            Filter::Project => asked.projects.words(task),
            Filter::User => {
                let label = task.user_label().unwrap_or("unknown");
                let whether = match &asked.users {
                    UserFilter::Except(_) => "is among the excluded users",
                    UserFilter::Only(_) | UserFilter::Everyone => "is not among the included users",
                };
                format!("`{label}` {whether}")
            }
            Filter::Manual => "started by hand (system tag `development`)".to_owned(),
            Filter::Archived => "archived (system tag `archived`)".to_owned(),
            Filter::Hidden => "hidden (system tag `hidden`)".to_owned(),
            Filter::Kind => none_of(task.kind.as_deref().unwrap_or("none"), &asked.kinds),
            Filter::Tags => asked.tags.words(&task.tags),
            Filter::SystemTags => asked.system_tags.words(&task.system_tags),
            Filter::Name => {
                format!("`{}` does not match `{}`", task.name, asked.name.as_ref().map_or("", super::Pattern::as_str))
            }
            Filter::Queue => none_of(task.queue.as_ref().map_or("none", Named::label), &asked.queues),
            Filter::Worker => {
                let patterns = quoted(asked.workers.iter().map(super::Pattern::as_str));
                format!("`{}` does not match {patterns}", task.worker.as_deref().unwrap_or("none"))
            }
            Filter::Iterations => format!("{} of at least {}", task.last_iteration, asked.min_iterations),
            Filter::RunTime => {
                let own = task.run_time().map_or_else(|| "it never started,".to_owned(), words::duration);
                format!("{own} of at least {}", words::duration(asked.min_run_time))
            }
            Filter::Metric => asked.metric.as_ref().map(|metric| metric.words(&task.metrics)).unwrap_or_default(),
            Filter::Cause => none_of(subject.cause().unwrap_or("none"), &asked.causes),
            Filter::Earlier => "a rule before it spoke".to_owned(),
            Filter::Silence => "a silence covers it".to_owned(),
            Filter::Retried => "the task was started again".to_owned(),
        };
        suppressed(filter, detail)
    }

    fn outcomes_in_words(&self) -> String {
        let watched = Outcome::ENDS.into_iter().filter(|each| self.conditions.outcomes.contains(*each));
        watched.map(Outcome::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// Whether a list of names and IDs holds it.
fn is_named(list: &HashSet<String>, own: Option<&Named>) -> bool {
    own.is_some_and(|own| list.contains(&own.id) || own.name.as_ref().is_some_and(|name| list.contains(name)))
}

fn none_of(own: &str, wanted: &HashSet<String>) -> String {
    let mut wanted: Vec<&String> = wanted.iter().collect();
    wanted.sort_unstable();
    format!("`{own}` is none of {}", quoted(wanted))
}
