//! The filters by name, and the verdict that names one.

use std::fmt;

/// The filter that kept an outcome from being alerted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// The task is hidden.
    Hidden,
    /// The task's type is not watched.
    Kind,
    /// The users' tags do not fit.
    Tags,
    /// ClearML's own tags do not fit.
    SystemTags,
    /// The task's name does not match.
    Name,
    /// The queue is not watched.
    Queue,
    /// The worker is not watched.
    Worker,
    /// Too few iterations.
    Iterations,
    /// It ran for too short a time.
    RunTime,
    /// The metric is not as the rule wants it.
    Metric,
    /// Why it ended is not watched.
    Cause,
    /// A rule before this one alerted, and is the last to be asked where it does.
    Earlier,
    /// A person asked for silence.
    Silence,
    /// The task was queued or started again while the alert was held. No rule says it: it comes after the verdict.
    Retried,
}

impl Filter {
    /// Every filter, in the order in which they are asked: the later one spoke, the nearer the rule came.
    pub const ALL: [Self; 20] = [
        Self::Own,
        Self::Status,
        Self::Project,
        Self::User,
        Self::Manual,
        Self::Archived,
        Self::Hidden,
        Self::Kind,
        Self::Tags,
        Self::SystemTags,
        Self::Name,
        Self::Queue,
        Self::Worker,
        Self::Iterations,
        Self::RunTime,
        Self::Metric,
        Self::Cause,
        Self::Earlier,
        Self::Silence,
        Self::Retried,
    ];

    /// The word in the database and in `history`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Status => "status",
            Self::Project => "project",
            Self::User => "user",
            Self::Manual => "manual",
            Self::Archived => "archived",
            Self::Hidden => "hidden",
            Self::Kind => "type",
            Self::Tags => "tags",
            Self::SystemTags => "system_tags",
            Self::Name => "name",
            Self::Queue => "queue",
            Self::Worker => "worker",
            Self::Iterations => "iterations",
            Self::RunTime => "run_time",
            Self::Metric => "metric",
            Self::Cause => "cause",
            Self::Earlier => "earlier",
            Self::Silence => "silence",
            Self::Retried => "retried",
        }
    }

    /// The letter that stands for it in `transitions.said`. It never changes: databases are full of them.
    pub const fn letter(self) -> char {
        match self {
            Self::Own => 'o',
            Self::Status => 's',
            Self::Project => 'p',
            Self::User => 'u',
            Self::Manual => 'm',
            Self::Archived => 'a',
            Self::Hidden => 'h',
            Self::Kind => 't',
            Self::Tags => 'g',
            Self::SystemTags => 'y',
            Self::Name => 'n',
            Self::Queue => 'q',
            Self::Worker => 'w',
            Self::Iterations => 'i',
            Self::RunTime => 'r',
            Self::Metric => 'v',
            Self::Cause => 'c',
            Self::Earlier => 'e',
            Self::Silence => 'z',
            Self::Retried => 'x',
        }
    }

    /// The inverse of [`Filter::letter`].
    pub fn of_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|filter| filter.letter() == letter)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
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

impl Verdict {
    /// Why it is not alerted, if it is not.
    pub fn suppression(&self) -> Option<&Suppression> {
        match self {
            Self::Alert => None,
            Self::Suppressed(suppression) => Some(suppression),
        }
    }
}
