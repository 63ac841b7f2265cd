//! Where a rule's alerts go.

use std::fmt;

use crate::domain::task::Task;

/// Where a rule's alerts go. Each destination is a lane of its own in the outbox: in order, paced, and parked by itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Destination {
    /// A Slack channel, as the user wrote it: a name or an ID.
    Channel(String),
    /// A direct message to the task's owner, where the owner is known at Slack; else the channel.
    Owner {
        /// The channel that hears of tasks whose owner is not known at Slack.
        fallback: String,
    },
    /// A Slack incoming webhook, by the name it has in the config file: its address is a secret.
    SlackWebhook(String),
    /// A generic webhook, by the name it has in the config file.
    Webhook(String),
}

impl Destination {
    /// The word before the name of a direct message's lane: `owner:` and ClearML's user ID.
    pub const OWNER_PREFIX: &str = "owner:";
    /// The word before the name of an incoming webhook's lane.
    pub const SLACK_WEBHOOK_PREFIX: &str = "slack-webhook:";
    /// The word before the name of a generic webhook's lane.
    pub const WEBHOOK_PREFIX: &str = "webhook:";
}

impl Destination {
    /// The name of the outbox's lane that an alert of `task` goes into.
    pub fn lane(&self, task: &Task) -> String {
        match (self, &task.user) {
            (Self::Owner { .. }, Some(user)) => format!("{}{}", Self::OWNER_PREFIX, user.id),
            (Self::Owner { fallback }, None) => fallback.clone(),
            _ => self.to_string(),
        }
    }

    /// The lane for what is told of no task in particular: the start message, the end of a silence.
    pub fn common_lane(&self) -> String {
        match self {
            Self::Owner { fallback } => fallback.clone(),
            _ => self.to_string(),
        }
    }
}

/// What the name of an outbox's lane means: the inverse of [`Destination::lane`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane<'a> {
    /// A Slack channel, by name or ID.
    Channel(&'a str),
    /// Direct messages to the owner of tasks, by ClearML's user ID.
    Owner(&'a str),
    /// A Slack incoming webhook, by name.
    SlackWebhook(&'a str),
    /// A generic webhook, by name.
    Webhook(&'a str),
}

impl<'a> Lane<'a> {
    /// Reads a lane's name.
    pub fn of(name: &'a str) -> Self {
        if let Some(user) = name.strip_prefix(Destination::OWNER_PREFIX) {
            Self::Owner(user)
        } else if let Some(hook) = name.strip_prefix(Destination::SLACK_WEBHOOK_PREFIX) {
            Self::SlackWebhook(hook)
        } else if let Some(hook) = name.strip_prefix(Destination::WEBHOOK_PREFIX) {
            Self::Webhook(hook)
        } else {
            Self::Channel(name)
        }
    }

    /// Whether Slack's Web API is what it is told by.
    pub const fn is_by_web_api(self) -> bool {
        matches!(self, Self::Channel(_) | Self::Owner(_))
    }
}

impl fmt::Display for Destination {
    /// The lane's name, as the database and `history` show it; for an owner, whose lane depends on the task, its kind.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(channel) => formatter.write_str(channel),
            Self::Owner { fallback } => write!(formatter, "the task's owner (else {fallback})"),
            Self::SlackWebhook(name) => write!(formatter, "{}{name}", Self::SLACK_WEBHOOK_PREFIX),
            Self::Webhook(name) => write!(formatter, "{}{name}", Self::WEBHOOK_PREFIX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Status;
    use crate::domain::decide::tests::task;

    #[test]
    fn a_lane_means_what_its_destination_said() {
        let of_ada = task(Status::Failed);
        let orphan = Task { user: None, ..of_ada.clone() };
        let owner = Destination::Owner { fallback: "#all".to_owned() };
        assert_eq!(Lane::of(&owner.lane(&of_ada)), Lane::Owner("u1"));
        assert_eq!(Lane::of(&owner.lane(&orphan)), Lane::Channel("#all"));
        assert_eq!(Lane::of(&Destination::Channel("C1".to_owned()).lane(&of_ada)), Lane::Channel("C1"));
        assert_eq!(Lane::of(&Destination::SlackWebhook("a".to_owned()).lane(&of_ada)), Lane::SlackWebhook("a"));
        assert_eq!(Lane::of(&Destination::Webhook("a".to_owned()).lane(&of_ada)), Lane::Webhook("a"));
    }
}
