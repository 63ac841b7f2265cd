//! A rule: a named filter over outcomes, and the verdict it gives with the filter and the value that decided.

use std::collections::HashSet;
use std::fmt;

use super::run::OutcomeSet;
use super::task::{Outcome, Task};

/// Who hears of what. The command line describes one rule, called [`Rule::DEFAULT_NAME`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name: part of every alert's identity.
    pub name: String,
    /// The outcomes it speaks of.
    pub outcomes: OutcomeSet,
    /// The projects it watches.
    pub projects: ProjectFilter,
    /// Tasks with a lower `last_iteration` are left out.
    pub min_iterations: i64,
    /// Whether tasks that ClearML tags `development` (started by hand, not by an agent) are included.
    pub include_manual: bool,
    /// Whether archived tasks are included.
    pub include_archived: bool,
    /// Whose tasks.
    pub users: UserFilter,
    /// The Slack channel that hears of it, as the user wrote it: a name or an ID.
    pub channel: String,
    /// The task that this monitor is itself; it never tells of itself.
    pub own_task: Option<String>,
    /// Text before each alert, in Slack's own markup: it comes from the configuration, so it may mention people.
    pub message_prefix: Option<String>,
}

impl Rule {
    /// The name of the rule that the command line describes.
    pub const DEFAULT_NAME: &str = "default";
}

/// The projects a rule watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProjectFilter {
    /// Every project, and tasks without one.
    All,
    /// Those that the server found for a pattern. An empty set matches nothing.
    Matching {
        /// ClearML's regular expression, as the user wrote it.
        pattern: String,
        /// The IDs of the projects it matched at the last refresh.
        ids: HashSet<String>,
    },
}

/// Whose tasks a rule watches. Entries are user IDs or names; either matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserFilter {
    /// Everybody's.
    Everyone,
    /// Only these users'.
    Only(HashSet<String>),
    /// Everybody's but these users'.
    Except(HashSet<String>),
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
        if self.outcomes.contains(outcome) {
            return None;
        }
        let watched: Vec<&str> =
            Outcome::ALL.into_iter().filter(|each| self.outcomes.contains(*each)).map(Outcome::as_str).collect();
        Some(suppressed(Filter::Status, format!("{outcome}, watched: {}", watched.join(", "))))
    }

    fn project(&self, task: &Task) -> Option<Suppression> {
        let ProjectFilter::Matching { pattern, ids } = &self.projects else {
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
        match &self.users {
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
        (!self.include_manual && task.is_run_by_hand())
            .then(|| suppressed(Filter::Manual, "started by hand (system tag `development`)".to_owned()))
    }

    fn archived(&self, task: &Task) -> Option<Suppression> {
        (!self.include_archived && task.has_system_tag("archived"))
            .then(|| suppressed(Filter::Archived, "archived (system tag `archived`)".to_owned()))
    }

    fn iterations(&self, task: &Task) -> Option<Suppression> {
        (task.last_iteration < self.min_iterations).then(|| {
            suppressed(Filter::Iterations, format!("{} of at least {}", task.last_iteration, self.min_iterations))
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
                Rule {
                    projects: ProjectFilter::Matching { pattern: "^nlp".to_owned(), ids: none.clone() },
                    ..watch_all()
                },
                failed.clone(),
                "project: `vision/resnet` does not match `^nlp`",
            ),
            (
                Rule { users: UserFilter::Only(none), ..watch_all() },
                failed.clone(),
                "user: `Ada` is not among the included users",
            ),
            (
                Rule { users: UserFilter::Except(HashSet::from(["u1".to_owned()])), ..watch_all() },
                failed.clone(),
                "user: `Ada` is among the excluded users",
            ),
            (watch_all(), tagged("development"), "manual: started by hand (system tag `development`)"),
            (watch_all(), tagged("archived"), "archived: archived (system tag `archived`)"),
            (Rule { min_iterations: 8, ..watch_all() }, failed, "iterations: 7 of at least 8"),
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
        let open = Rule { include_manual: true, include_archived: true, min_iterations: 7, ..watch_all() };
        assert_eq!(reason(&open, &tagged), None);
        for entry in ["u1", "Ada"] {
            let only = Rule { users: UserFilter::Only(HashSet::from([entry.to_owned()])), ..watch_all() };
            assert_eq!(reason(&only, &failed), None, "{entry}");
        }
    }

    #[test]
    fn an_empty_project_set_and_a_task_without_project_never_widen() {
        let rule =
            Rule { projects: ProjectFilter::Matching { pattern: String::new(), ids: HashSet::new() }, ..watch_all() };
        let homeless = Task { project: None, ..task(Status::Failed) };
        let nameless = Task { project: Some(Named { id: String::new(), name: None }), ..task(Status::Failed) };
        for each in [homeless, nameless, task(Status::Failed)] {
            assert!(reason(&rule, &each).is_some());
        }
    }
}
