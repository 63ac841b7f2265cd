//! Which projects a rule watches.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::domain::task::Task;

/// The projects a rule watches: those that a pattern of `only` names (empty: every project, and tasks without one), less
/// those that a pattern of `except` names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectFilter {
    /// At least one of these; empty is any.
    pub only: Vec<ProjectPattern>,
    /// None of these.
    pub except: Vec<ProjectPattern>,
}

/// Names projects.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ProjectPattern {
    /// The project of this full name.
    Exact(String),
    /// The project of this full name and everything below it.
    Subtree(String),
    /// The projects whose full name matches a regular expression of ClearML's.
    Regex(ProjectRegex),
}

/// A regular expression on full names, as ClearML (Python) understands it: the server says what it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectRegex {
    /// As the user wrote it.
    pub pattern: String,
    /// The IDs of the projects that it matched when the server was last asked; `None` until then. Rules with the same
    /// pattern share them.
    pub found: Option<Arc<HashSet<String>>>,
}

impl std::hash::Hash for ProjectRegex {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.pattern.hash(state);
    }
}

impl ProjectFilter {
    /// Only the projects that ClearML's regular expression matches.
    pub fn matching(pattern: impl Into<String>) -> Self {
        Self { only: vec![ProjectPattern::regex(pattern)], except: Vec::new() }
    }

    /// Every pattern.
    pub fn patterns(&self) -> impl Iterator<Item = &ProjectPattern> {
        self.only.iter().chain(&self.except)
    }

    /// Whether it asks nothing.
    pub fn is_open(&self) -> bool {
        self.only.is_empty() && self.except.is_empty()
    }

    /// Whether `task` lies in a project that is watched. What cannot be told is not watched: a filter never widens.
    pub fn admits(&self, task: &Task) -> bool {
        self.is_among_only(task) && self.except.iter().all(|pattern| pattern.names(task) == Some(false))
    }

    fn is_among_only(&self, task: &Task) -> bool {
        self.only.is_empty() || self.only.iter().any(|pattern| pattern.names(task) == Some(true))
    }

    /// Why `task`, which is not watched, is not.
    pub(super) fn words(&self, task: &Task) -> String {
        let project = task.project_label().unwrap_or("none");
        if self.is_among_only(task) {
            let cannot_tell = |pattern: &&ProjectPattern| pattern.names(task).is_none();
            return match self.except.iter().find(|pattern| pattern.names(task) == Some(true)) {
                Some(pattern) => format!("`{project}` is excluded by `{pattern}`"),
                None => match self.except.iter().find(cannot_tell) {
                    Some(pattern) => format!("whether `{project}` is excluded by `{pattern}` cannot be told"),
                    None => format!("`{project}` is excluded"),
                },
            };
        }
        match self.only.as_slice() {
            [ProjectPattern::Exact(name)] => format!("`{project}` is not `{name}`"),
            [ProjectPattern::Subtree(_)] => format!("`{project}` is not in `{}`", self.only[0]),
            [ProjectPattern::Regex(regex)] => format!("`{project}` does not match `{}`", regex.pattern),
            several => {
                let several: Vec<String> = several.iter().map(|pattern| format!("`{pattern}`")).collect();
                format!("`{project}` is in none of {}", several.join(", "))
            }
        }
    }
}

impl ProjectPattern {
    /// A regular expression of ClearML's that the server has not been asked about yet.
    pub fn regex(pattern: impl Into<String>) -> Self {
        Self::Regex(ProjectRegex { pattern: pattern.into(), found: None })
    }

    /// Whether it names the project that `task` lies in; `None` where that cannot be told: a project whose name is not
    /// known, or a regular expression that the server was not asked about.
    fn names(&self, task: &Task) -> Option<bool> {
        let Some(project) = &task.project else {
            return Some(false);
        };
        let name = project.name.as_deref();
        match self {
            Self::Exact(own) => name.map(|name| name == own),
            Self::Subtree(own) => name.map(|name| is_within(name, own)),
            Self::Regex(regex) => regex.found.as_ref().map(|found| found.contains(&project.id)),
        }
    }
}

fn is_within(name: &str, root: &str) -> bool {
    name.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl fmt::Display for ProjectPattern {
    /// As the config file writes it: `vision/resnet`, `nlp/**`, `re:^exp`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => formatter.write_str(name),
            Self::Subtree(name) => write!(formatter, "{name}/**"),
            Self::Regex(regex) => write!(formatter, "re:{}", regex.pattern),
        }
    }
}
