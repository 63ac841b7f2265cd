//! What a rule asks of a task.

use std::collections::HashSet;
use std::time::Duration;

use regex::Regex;

use crate::domain::run::OutcomeSet;

/// What a rule asks of a task. Everything must fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditions {
    /// The outcomes it speaks of.
    pub outcomes: OutcomeSet,
    /// The projects it watches.
    pub projects: ProjectFilter,
    /// A pattern that the task's name must match.
    pub name: Option<Pattern>,
    /// ClearML's task types; empty is any.
    pub kinds: HashSet<String>,
    /// The users' tags.
    pub tags: TagFilter,
    /// ClearML's own tags.
    pub system_tags: TagFilter,
    /// Whose tasks.
    pub users: UserFilter,
    /// Queues, by name or ID; empty is any, and tasks that were in none.
    pub queues: HashSet<String>,
    /// Workers, by a pattern on their ID; empty is any.
    pub workers: Vec<Pattern>,
    /// Tasks with a lower `last_iteration` are left out.
    pub min_iterations: i64,
    /// Tasks that ran for a shorter time are left out.
    pub min_run_time: Duration,
    /// Whether tasks that ClearML tags `development` (started by hand, not by an agent) are included.
    pub include_manual: bool,
    /// Whether archived tasks are included.
    pub include_archived: bool,
    /// Whether hidden tasks and tasks of hidden projects (steps of pipelines) are included.
    pub include_hidden: bool,
    /// The last value of a metric.
    pub metric: Option<MetricCondition>,
    /// Why it ended, by the words of [`crate::domain`]'s causes; empty is any.
    pub causes: HashSet<String>,
}

impl Default for Conditions {
    /// Failed tasks of everybody, run by agents, not archived: what the original tells by default.
    fn default() -> Self {
        Self {
            outcomes: [crate::domain::Outcome::Failed].into_iter().collect(),
            projects: ProjectFilter::All,
            name: None,
            kinds: HashSet::new(),
            tags: TagFilter::default(),
            system_tags: TagFilter::default(),
            users: UserFilter::Everyone,
            queues: HashSet::new(),
            workers: Vec::new(),
            min_iterations: 0,
            min_run_time: Duration::ZERO,
            include_manual: false,
            include_archived: false,
            include_hidden: false,
            metric: None,
            causes: HashSet::new(),
        }
    }
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

/// What is asked of a task's tags, in ClearML's terms. Empty lists ask nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagFilter {
    /// At least one of these.
    pub any: Vec<String>,
    /// All of these.
    pub all: Vec<String>,
    /// None of these.
    pub not: Vec<String>,
}

/// A condition on the last value of a metric, as ClearML keeps it with the task (`last_metrics`).
#[derive(Debug, Clone, PartialEq)]
pub struct MetricCondition {
    /// The metric's title: the plot.
    pub title: String,
    /// The series: the line in the plot.
    pub series: String,
    /// Which of the values that ClearML keeps.
    pub value: MetricValue,
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    pub threshold: f64,
}

/// Which of a metric's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricValue {
    /// The newest.
    Last,
    /// The lowest.
    Min,
    /// The highest.
    Max,
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

impl Operator {
    /// The sign in the config file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        }
    }
}

/// A regular expression of ours: unanchored, case-sensitive.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles a pattern. Fails where it is no regular expression, or one too large to be meant.
    pub fn new(text: &str) -> Result<Self, regex::Error> {
        Regex::new(text).map(Self)
    }

    /// Whether `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// As the user wrote it.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}
