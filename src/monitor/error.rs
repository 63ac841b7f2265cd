//! What ends a step of the monitor, or keeps it from starting.

use crate::clearml::ClearmlError;
use crate::slack::SlackError;
use crate::store::StoreError;

/// Why a step could not be done.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// ClearML could not be asked, or refused.
    #[error(transparent)]
    Clearml(#[from] ClearmlError),
    /// Slack could not be asked, or refused.
    #[error(transparent)]
    Slack(#[from] SlackError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No project matches.
    #[error(
        "{} matches no project on {server}: {}; leave it out to watch every project",
        asked(rule.as_deref(), pattern), meaning(rule.as_deref())
    )]
    NoProject {
        /// The rule; `None` where the command line describes it.
        rule: Option<String>,
        /// The pattern.
        pattern: String,
        /// The server's host.
        server: String,
    },
    /// The pattern is no regular expression for the server.
    #[error("{} is not a regular expression that {server} understands: {message}", asked(rule.as_deref(), pattern))]
    BadPattern {
        /// The rule; `None` where the command line describes it.
        rule: Option<String>,
        /// The pattern.
        pattern: String,
        /// The server's host.
        server: String,
        /// What the server says.
        message: String,
    },
    /// No such channel.
    #[error(
        "Slack has no channel `{channel}` that this token can see: check --channel; a private channel is given by its ID \
         (in Slack: the channel's details, at the bottom), and the bot must be invited to it (/invite)"
    )]
    NoChannel {
        /// The channel, as the user named it.
        channel: String,
    },
    /// Nobody can post there.
    #[error("the Slack channel `{channel}` is archived: unarchive it, or name another one with --channel")]
    ArchivedChannel {
        /// The channel, as the user named it.
        channel: String,
    },
}

impl MonitorError {
    /// Whether the same step may work later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Clearml(error) => error.is_transient(),
            Self::Slack(error) => !matches!(error.class, crate::slack::Class::OperatorMustAct),
            Self::Store(error) => error.is_passing(),
            Self::NoProject { .. }
            | Self::BadPattern { .. }
            | Self::NoChannel { .. }
            | Self::ArchivedChannel { .. } => false,
        }
    }
}

/// Who asks for a project.
fn asked(rule: Option<&str>, pattern: &str) -> String {
    rule.map_or_else(
        || format!("--project `{pattern}`"),
        |rule| format!("rule `{rule}`: the project pattern `{pattern}`"),
    )
}

fn meaning(rule: Option<&str>) -> &'static str {
    match rule {
        None => "it is a regular expression on full project names, case-sensitive",
        Some(_) => {
            "a pattern is a full project name, a name with /** for all below it as well, or re: with a regular expression on \
             full names, case-sensitive"
        }
    }
}
