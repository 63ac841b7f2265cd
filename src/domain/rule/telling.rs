//! How and when a rule tells what passed its conditions.

use std::time::Duration;

use jiff::civil;
use jiff::tz::TimeZone;

/// When a rule tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timing {
    /// Waits so long before alerting, and drops the alert if the task was queued or started again meanwhile.
    pub hold: Option<Duration>,
    /// What is not urgent waits for the end of these hours.
    pub quiet: Option<QuietHours>,
    /// Passes quiet hours.
    pub urgent: bool,
    /// More alerts of this rule than this at once become a digest; 0 never. `None`: as the channel has it.
    pub digest_above: Option<u32>,
    /// Later outcomes of the same task go into the thread of its first alert, and the first message shows the current state.
    pub thread: bool,
}

/// Hours of each day in which only what is urgent is told, such as `22:00-07:00 Europe/Berlin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuietHours {
    /// They begin then, by the zone's wall clock.
    pub from: civil::Time,
    /// They end then; before `from` where they go over midnight.
    pub to: civil::Time,
    /// Whose wall clock.
    pub zone: TimeZone,
}

/// What a rule's messages look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Style {
    /// Text before each alert, in Slack's own markup: it comes from the configuration, so it may mention people.
    pub prefix: Option<String>,
    /// Mention the task's owner, where the owner is known at Slack.
    pub mention_owner: bool,
    /// Lines of console in an alert; 0 fetches none.
    pub console_lines: usize,
    /// The fields shown, in this order, those of them that are known; `None` is [`Field::USUAL`].
    pub fields: Option<Vec<Field>>,
    /// How moments are shown.
    pub times: Times,
}

/// How moments are shown in messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Times {
    /// To each reader in the reader's own language and time zone, by Slack.
    #[default]
    Reader,
    /// By the wall clock of this zone: the same text for everybody, wherever it is read.
    Zone(TimeZone),
}

impl Style {
    /// Lines of console in an alert, where nobody says otherwise.
    pub const CONSOLE_LINES: usize = 20;
}

impl Default for Style {
    fn default() -> Self {
        Self {
            prefix: None,
            mention_owner: false,
            console_lines: Self::CONSOLE_LINES,
            fields: None,
            times: Times::default(),
        }
    }
}

/// A field of an alert's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// The outcome, and in a word why.
    Status,
    /// Whose task.
    User,
    /// Iterations done.
    Iterations,
    /// How long it ran.
    RunTime,
    /// The worker.
    Worker,
    /// The queue.
    Queue,
    /// ClearML's reason.
    Reason,
    /// When it ended.
    When,
    /// Its tags.
    Tags,
    /// Its last metrics, where the rule has a condition on one.
    Metric,
}

impl Field {
    /// Every field, in the order of the message.
    pub const ALL: [Self; 10] = [
        Self::Status,
        Self::User,
        Self::Iterations,
        Self::RunTime,
        Self::Worker,
        Self::Queue,
        Self::Reason,
        Self::When,
        Self::Tags,
        Self::Metric,
    ];

    /// What is shown where nobody says otherwise: all but the tags.
    pub const USUAL: [Self; 9] = [
        Self::Status,
        Self::User,
        Self::Iterations,
        Self::RunTime,
        Self::Worker,
        Self::Queue,
        Self::Reason,
        Self::When,
        Self::Metric,
    ];

    /// The word in the config file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::User => "user",
            Self::Iterations => "iterations",
            Self::RunTime => "run_time",
            Self::Worker => "worker",
            Self::Queue => "queue",
            Self::Reason => "reason",
            Self::When => "when",
            Self::Tags => "tags",
            Self::Metric => "metric",
        }
    }
}

/// When a running task is stuck. At least one of the two is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// No sign of life (`last_update`) for so long.
    pub silent: Option<Duration>,
    /// The same iteration for so long.
    pub iteration: Option<Duration>,
}
