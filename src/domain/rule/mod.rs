//! A rule: a named filter over outcomes, and the verdict it gives with the filter and the value that decided.

mod conditions;
mod destination;
mod filter;
mod judge;
mod projects;
#[cfg(test)]
pub(super) mod properties;
mod telling;
#[cfg(test)]
mod tests;
mod waiting;
mod words;

pub use conditions::{Conditions, MetricCondition, MetricValue, Operator, Pattern, TagFilter, UserFilter};
pub use destination::{Destination, Lane};
pub use filter::{Filter, Suppression, Verdict};
pub use judge::Subject;
pub use projects::{ProjectFilter, ProjectPattern, ProjectRegex};
pub use telling::{Field, QuietHours, Stuck, Style, Times, Timing};
pub use waiting::{LONGEST_WAIT, Wait};

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

pub(super) fn suppressed(filter: Filter, detail: String) -> Suppression {
    Suppression { filter, detail }
}
