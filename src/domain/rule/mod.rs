//! A rule: a named filter over outcomes, and the verdict it gives with the filter and the value that decided.

mod conditions;
mod destination;
mod telling;

use std::collections::HashSet;
use std::fmt;

pub use conditions::{
    Conditions, MetricCondition, MetricValue, Operator, Pattern, ProjectFilter, TagFilter, UserFilter,
};
pub use destination::Destination;
pub use telling::{Field, QuietHours, Stuck, Style, Timing};

use super::task::{Outcome, Task};

/// Who hears of what, how, and when. The command line describes one rule, called [`Rule::DEFAULT_NAME`].
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name: part of every alert's identity.
    pub name: String,
    /// What it asks of a task.
    pub conditions: Conditions,
    /// Where its alerts go.
    pub destination: Destination,
    /// When it tells.
    pub timing: Timing,
    /// What its messages look like.
    pub style: Style,
    /// When a running task is stuck; `None` never asks.
    pub stuck: Option<Stuck>,
    /// Whether the rules after it are asked too where it alerts.
    pub continues: bool,
    /// The task that this monitor is itself; it never tells of itself.
    pub own_task: Option<String>,
}

impl Rule {
    /// The name of the rule that the command line describes.
    pub const DEFAULT_NAME: &str = "default";

    /// A rule that tells a channel of every failure that the original tells of.
    pub fn new(name: impl Into<String>, destination: Destination) -> Self {
        Self {
            name: name.into(),
            conditions: Conditions::default(),
            destination,
            timing: Timing::default(),
            style: Style::default(),
            stuck: None,
            continues: true,
            own_task: None,
        }
    }
}

/// The filter that kept an outcome from being alerted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Filter {
    /// The task is this monitor itself.
    Own,
    /// The rule does not speak of this outcome.
    Status,
    /// The project is not watched.
    Project,
    /// The user is not watched.
    User,
    /// The task was started by hand.
    Manual,
    /// The task is archived.
    Archived,
    /// Too few iterations.
    Iterations,
    /// A person asked for silence.
    Silence,
}

impl Filter {
    /// Every filter, in the order in which they are asked.
    pub const ALL: [Self; 7] =
        [Self::Status, Self::Project, Self::User, Self::Manual, Self::Archived, Self::Iterations, Self::Silence];

    /// The word in the database and in `history`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Status => "status",
            Self::Project => "project",
            Self::User => "user",
            Self::Manual => "manual",
            Self::Archived => "archived",
            Self::Iterations => "iterations",
            Self::Silence => "silence",
        }
    }
}

/// Why an outcome was not alerted: the filter that spoke, and the value it spoke about, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// The filter.
    pub filter: Filter,
    /// What the task had and what the rule wants, to be read by a person.
    pub detail: String,
}

impl fmt::Display for Suppression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.filter.as_str(), self.detail)
    }
}

/// A rule's answer to an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is alerted.
    Alert,
    /// It is not, because of this.
    Suppressed(Suppression),
}

impl Rule {
    /// Judges an outcome of `task`. The first filter that speaks is named, cheapest to understand first.
    pub fn judge(&self, task: &Task, outcome: Outcome) -> Verdict {
        let filters = [
            self.own(task),
            self.status(outcome),
            self.project(task),
            self.user(task),
            self.manual(task),
            self.archived(task),
        ];
        match filters.into_iter().flatten().next().or_else(|| self.iterations(task)) {
            Some(suppression) => Verdict::Suppressed(suppression),
            None => Verdict::Alert,
        }
    }

    fn own(&self, task: &Task) -> Option<Suppression> {
        (self.own_task.as_ref() == Some(&task.id))
            .then(|| suppressed(Filter::Own, "it is this monitor's own task".to_owned()))
    }

    fn status(&self, outcome: Outcome) -> Option<Suppression> {
        if self.conditions.outcomes.contains(outcome) {
            return None;
        }
        let watched: Vec<&str> = Outcome::ALL
            .into_iter()
            .filter(|each| self.conditions.outcomes.contains(*each))
            .map(Outcome::as_str)
            .collect();
        Some(suppressed(Filter::Status, format!("{outcome}, watched: {}", watched.join(", "))))
    }

    fn project(&self, task: &Task) -> Option<Suppression> {
        let ProjectFilter::Matching { pattern, ids } = &self.conditions.projects else {
            return None;
        };
        if task.project.as_ref().is_some_and(|project| ids.contains(&project.id)) {
            return None;
        }
        let project = task.project_label().unwrap_or("none");
        Some(suppressed(Filter::Project, format!("`{project}` does not match `{pattern}`")))
    }

    fn user(&self, task: &Task) -> Option<Suppression> {
        let is_in = |list: &HashSet<String>| {
            task.user.as_ref().is_some_and(|user| {
                list.contains(&user.id) || user.name.as_ref().is_some_and(|name| list.contains(name))
            })
        };
        let label = task.user_label().unwrap_or("unknown");
        match &self.conditions.users {
            UserFilter::Only(list) if !is_in(list) => {
                Some(suppressed(Filter::User, format!("`{label}` is not among the included users")))
            }
            UserFilter::Except(list) if is_in(list) => {
                Some(suppressed(Filter::User, format!("`{label}` is among the excluded users")))
            }
            _ => None,
        }
    }

    fn manual(&self, task: &Task) -> Option<Suppression> {
        (!self.conditions.include_manual && task.is_run_by_hand())
            .then(|| suppressed(Filter::Manual, "started by hand (system tag `development`)".to_owned()))
    }

    fn archived(&self, task: &Task) -> Option<Suppression> {
        (!self.conditions.include_archived && task.has_system_tag("archived"))
            .then(|| suppressed(Filter::Archived, "archived (system tag `archived`)".to_owned()))
    }

    fn iterations(&self, task: &Task) -> Option<Suppression> {
        (task.last_iteration < self.conditions.min_iterations).then(|| {
            suppressed(
                Filter::Iterations,
                format!("{} of at least {}", task.last_iteration, self.conditions.min_iterations),
            )
        })
    }
}

pub(super) fn suppressed(filter: Filter, detail: String) -> Suppression {
    Suppression { filter, detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decide::tests::{task, watch_all};
    use crate::domain::{Named, Status};

    fn with(change: impl FnOnce(&mut Conditions)) -> Rule {
        let mut rule = watch_all();
        change(&mut rule.conditions);
        rule
    }

    fn reason(rule: &Rule, task: &Task) -> Option<String> {
        match rule.judge(task, task.outcome().unwrap()) {
            Verdict::Alert => None,
            Verdict::Suppressed(suppression) => Some(suppression.to_string()),
        }
    }

    #[test]
    fn a_plain_failure_passes_the_default_rule() {
        assert_eq!(reason(&watch_all(), &task(Status::Failed)), None);
    }

    #[test]
    fn each_filter_names_itself_and_the_value() {
        let failed = task(Status::Failed);
        let tagged = |tag: &str| Task { system_tags: vec![tag.to_owned()], ..failed.clone() };
        let none = HashSet::new();
        let cases = [
            (watch_all(), task(Status::Completed), "status: completed, watched: failed"),
            (
                with(|asked| {
                    asked.projects = ProjectFilter::Matching { pattern: "^nlp".to_owned(), ids: none.clone() };
                }),
                failed.clone(),
                "project: `vision/resnet` does not match `^nlp`",
            ),
            (
                with(|asked| asked.users = UserFilter::Only(none)),
                failed.clone(),
                "user: `Ada` is not among the included users",
            ),
            (
                with(|asked| asked.users = UserFilter::Except(HashSet::from(["u1".to_owned()]))),
                failed.clone(),
                "user: `Ada` is among the excluded users",
            ),
            (watch_all(), tagged("development"), "manual: started by hand (system tag `development`)"),
            (watch_all(), tagged("archived"), "archived: archived (system tag `archived`)"),
            (with(|asked| asked.min_iterations = 8), failed, "iterations: 7 of at least 8"),
        ];
        for (rule, task, expected) in cases {
            assert_eq!(reason(&rule, &task).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_monitor_never_tells_of_itself() {
        let failed = task(Status::Failed);
        let rule = Rule { own_task: Some(failed.id.clone()), ..watch_all() };
        assert_eq!(reason(&rule, &failed).as_deref(), Some("own: it is this monitor's own task"));
        assert_eq!(reason(&rule, &Task { id: "another".to_owned(), ..failed }), None);
    }

    #[test]
    fn what_a_flag_includes_is_alerted() {
        let failed = task(Status::Failed);
        let tagged = Task { system_tags: vec!["development".to_owned(), "archived".to_owned()], ..failed.clone() };
        let open = with(|asked| {
            *asked =
                Conditions { include_manual: true, include_archived: true, min_iterations: 7, ..Conditions::default() };
        });
        assert_eq!(reason(&open, &tagged), None);
        for entry in ["u1", "Ada"] {
            let only = with(|asked| asked.users = UserFilter::Only(HashSet::from([entry.to_owned()])));
            assert_eq!(reason(&only, &failed), None, "{entry}");
        }
    }

    #[test]
    fn an_empty_project_set_and_a_task_without_project_never_widen() {
        let nothing = ProjectFilter::Matching { pattern: String::new(), ids: HashSet::new() };
        let rule = with(|asked| asked.projects = nothing);
        let homeless = Task { project: None, ..task(Status::Failed) };
        let nameless = Task { project: Some(Named { id: String::new(), name: None }), ..task(Status::Failed) };
        for each in [homeless, nameless, task(Status::Failed)] {
            assert!(reason(&rule, &each).is_some());
        }
    }
}
