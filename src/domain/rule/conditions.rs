//! What a rule asks of a task.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use regex::Regex;

use super::projects::ProjectFilter;
use crate::domain::metric::{Finite, LastMetric};
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
    /// Whether tasks that ClearML tags `hidden` are included, and hidden projects (steps of pipelines live there) are
    /// among those that a regular expression of [`Conditions::projects`] may match. Tasks without the tag are seen
    /// wherever they lie.
    pub include_hidden: bool,
    /// The last value of a metric.
    pub metric: Option<MetricCondition>,
    /// Why it ended, by the words of [`crate::domain::Cause`]; empty is any. Asked when the outcome is recorded, so only
    /// what ClearML's row tells is known: what the console tells comes later and changes no verdict.
    pub causes: HashSet<String>,
}

impl Default for Conditions {
    /// Failed tasks of everybody, run by agents, not archived: what the original tells by default.
    fn default() -> Self {
        Self {
            outcomes: [crate::domain::Outcome::Failed].into_iter().collect(),
            projects: ProjectFilter::default(),
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

impl TagFilter {
    /// Whether tags fit.
    pub fn admits(&self, tags: &[String]) -> bool {
        (self.any.is_empty() || self.any.iter().any(|tag| tags.contains(tag)))
            && self.all.iter().all(|tag| tags.contains(tag))
            && !self.not.iter().any(|tag| tags.contains(tag))
    }

    /// Why tags, which do not fit, do not.
    pub(super) fn words(&self, tags: &[String]) -> String {
        let own = if tags.is_empty() { "no tags".to_owned() } else { quoted(tags) };
        if let Some(unwanted) = self.not.iter().find(|tag| tags.contains(tag)) {
            return format!("{own}, among them `{unwanted}`");
        }
        match self.all.iter().find(|tag| !tags.contains(tag)) {
            Some(missing) => format!("{own}, without `{missing}`"),
            None => format!("{own}, none of {}", quoted(&self.any)),
        }
    }
}

/// So many words are enough to understand.
const QUOTED_AT_MOST: usize = 8;

/// `` `a`, `b` ``, and an ellipsis where there are many.
pub(super) fn quoted<T: fmt::Display>(words: impl IntoIterator<Item = T>) -> String {
    let mut words = words.into_iter();
    let mut quoted: Vec<String> = words.by_ref().take(QUOTED_AT_MOST).map(|word| format!("`{word}`")).collect();
    quoted.extend(words.next().map(|_| "…".to_owned()));
    quoted.join(", ")
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

impl MetricCondition {
    /// The value it is about, where the task has it and it is a number.
    pub fn value_in(&self, metrics: &[LastMetric]) -> Option<Finite> {
        let metric = metrics.iter().find(|metric| self.is_about(metric))?;
        match self.value {
            MetricValue::Last => metric.last,
            MetricValue::Min => metric.min,
            MetricValue::Max => metric.max,
        }
    }

    /// The value it is about, in words: `last loss/val 0.7`.
    pub fn shown(&self, metrics: &[LastMetric]) -> Option<String> {
        let value = self.value_in(metrics)?;
        Some(format!("{} {}/{} {value}", self.value.as_str(), self.title, self.series))
    }

    /// Whether it is about this metric.
    pub fn is_about(&self, metric: &LastMetric) -> bool {
        metric.title == self.title && metric.series == self.series
    }

    /// Whether a task with these metrics fits. One without the value, or whose value is no number, does not.
    pub fn admits(&self, metrics: &[LastMetric]) -> bool {
        self.value_in(metrics).is_some_and(|value| self.operator.compares(value.get(), self.threshold))
    }

    /// Why metrics, which do not fit, do not.
    pub(super) fn words(&self, metrics: &[LastMetric]) -> String {
        match self.value_in(metrics) {
            Some(value) => format!("{self}: it is {value}"),
            None if metrics.iter().any(|metric| self.is_about(metric)) => format!("{self}: its value is no number"),
            None => format!("{self}: the task has no such metric"),
        }
    }
}

/// In words: `last loss/val > 0.5`.
impl fmt::Display for MetricCondition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { title, series, value, operator, threshold } = self;
        write!(formatter, "{} {title}/{series} {} {threshold}", value.as_str(), operator.as_str())
    }
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

impl MetricValue {
    /// The word in the config file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Min => "min",
            Self::Max => "max",
        }
    }
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

    #[expect(clippy::float_cmp, reason = "the user asked for equality, and knows what it means for such numbers")]
    fn compares(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Less => value < threshold,
            Self::AtMost => value <= threshold,
            Self::Greater => value > threshold,
            Self::AtLeast => value >= threshold,
            Self::Equal => value == threshold,
            Self::NotEqual => value != threshold,
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
