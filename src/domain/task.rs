//! A ClearML task as one poll saw it, its status, and the outcome that a status stands for.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::metric::LastMetric;
use super::stamp::Stamp;

/// A task's status, by ClearML's own names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Status {
    /// Draft: never queued, or reset.
    Created,
    /// Waiting in a queue.
    Queued,
    /// Running.
    InProgress,
    /// Aborted.
    Stopped,
    /// Made public and read-only.
    Published,
    /// On the way to `Published`.
    Publishing,
    /// Closed without publishing.
    Closed,
    /// Ended with an error.
    Failed,
    /// Ended well.
    Completed,
    /// A status that this program has no name for, `unknown` among them; kept as the server wrote it.
    Other(String),
}

impl Status {
    /// From the server's word; never fails.
    pub fn parse(word: &str) -> Self {
        match word {
            "created" => Self::Created,
            "queued" => Self::Queued,
            "in_progress" => Self::InProgress,
            "stopped" => Self::Stopped,
            "published" => Self::Published,
            "publishing" => Self::Publishing,
            "closed" => Self::Closed,
            "failed" => Self::Failed,
            "completed" => Self::Completed,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The server's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Created => "created",
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Stopped => "stopped",
            Self::Published => "published",
            Self::Publishing => "publishing",
            Self::Closed => "closed",
            Self::Failed => "failed",
            Self::Completed => "completed",
            Self::Other(word) => word,
        }
    }

    /// How the task ended, if this status is an end.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Failed => Some(Outcome::Failed),
            Self::Completed | Self::Published | Self::Publishing | Self::Closed => Some(Outcome::Completed),
            Self::Stopped => Some(Outcome::Stopped),
            Self::Created | Self::Queued | Self::InProgress | Self::Other(_) => None,
        }
    }
}

impl From<String> for Status {
    fn from(word: String) -> Self {
        Self::parse(&word)
    }
}

impl From<Status> for String {
    fn from(status: Status) -> Self {
        status.as_str().to_owned()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What alerts tell of a task: how it ended, or that it runs and is stuck, which is no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Status `failed`.
    Failed,
    /// Status `completed`, `published`, `publishing` or `closed`: one outcome, however far it got.
    Completed,
    /// Status `stopped`: aborted.
    Stopped,
    /// It runs, and has not moved for as long as a rule gives. No status stands for it.
    Stuck,
}

impl Outcome {
    /// Every outcome, in the order in which people list them.
    pub const ALL: [Self; 4] = [Self::Failed, Self::Completed, Self::Stopped, Self::Stuck];

    /// How a task can end: what rules name as `statuses`.
    pub const ENDS: [Self; 3] = [Self::Failed, Self::Completed, Self::Stopped];

    /// The word in the database, in `history` and in metadata: `failed`, `completed`, `stopped`, `stuck`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Completed => "completed",
            Self::Stopped => "stopped",
            Self::Stuck => "stuck",
        }
    }

    /// The inverse of [`Outcome::as_str`]; `aborted`, the word of ClearML's pages, means `stopped`.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "failed" => Some(Self::Failed),
            "completed" => Some(Self::Completed),
            "stopped" | "aborted" => Some(Self::Stopped),
            "stuck" => Some(Self::Stuck),
            _ => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Something on the server that has an ID and, as far as is known, a name: a project, a user, a queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Named {
    /// ClearML's ID.
    pub id: String,
    /// Its name; absent where the server did not join it (deleted, or not permitted).
    pub name: Option<String>,
}

impl Named {
    /// The name where known, the ID otherwise.
    pub fn label(&self) -> &str {
        self.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&self.id)
    }
}

/// A task as one poll saw it. Fields that ClearML left out are `None`; it leaves out whatever has no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// ClearML's task ID (32 hexadecimal digits).
    pub id: String,
    /// The task's name; written by users, so never trusted as markup.
    pub name: String,
    /// ClearML's task type (`training`, `monitor`, …).
    pub kind: Option<String>,
    /// Current status.
    pub status: Status,
    /// When the server stamped that status.
    pub status_changed: Stamp,
    /// Why, in a word or a sentence; an exception's text where the SDK failed the task.
    pub status_reason: Option<String>,
    /// A longer message, often who or what changed the status.
    pub status_message: Option<String>,
    /// When it first started since its creation or its last reset.
    pub started: Option<Stamp>,
    /// When it ended.
    pub completed: Option<Stamp>,
    /// Seconds since `started` at the last sign of life; grows only while the task runs.
    pub active_duration: Option<i64>,
    /// Last sign of life.
    pub last_update: Option<Stamp>,
    /// Last iteration reported; 0 by default.
    pub last_iteration: i64,
    /// The project it is in.
    pub project: Option<Named>,
    /// Who created it.
    pub user: Option<Named>,
    /// Users' tags.
    pub tags: Vec<String>,
    /// ClearML's own tags: `archived`, `development`, `hidden`, …
    pub system_tags: Vec<String>,
    /// The parent task's ID.
    pub parent: Option<String>,
    /// The worker that ran it last.
    pub worker: Option<String>,
    /// The queue it was last sent to.
    pub queue: Option<Named>,
    /// The last values of its metrics; empty where nobody asked for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<LastMetric>,
}

impl Task {
    /// Whether it carries ClearML's system tag `tag`.
    pub fn has_system_tag(&self, tag: &str) -> bool {
        self.system_tags.iter().any(|own| own == tag)
    }

    /// Whether somebody runs it by hand, without an agent: ClearML tags such tasks `development`.
    pub fn is_run_by_hand(&self) -> bool {
        self.has_system_tag("development")
    }

    /// The project's name or ID, if it is in one.
    pub fn project_label(&self) -> Option<&str> {
        self.project.as_ref().map(Named::label)
    }

    /// The user's name or ID, if known.
    pub fn user_label(&self) -> Option<&str> {
        self.user.as_ref().map(Named::label)
    }

    /// How long the run lasted: what ClearML measured, else from its start to its end; unknown where it never started.
    pub fn run_time(&self) -> Option<Duration> {
        let measured = self.active_duration.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
        measured.or_else(|| Some(self.completed.unwrap_or(self.status_changed).since(self.started?)))
    }

    /// The status as an outcome, if it is one.
    pub fn outcome(&self) -> Option<Outcome> {
        self.status.outcome()
    }
}
