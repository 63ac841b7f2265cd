//! How patiently the two servers are asked: the waits that tests shorten.

use std::time::Duration;

use crate::clearml::Retry;
use crate::domain::delivery::Waits;
use crate::monitor::Pace;

/// How patiently the two servers are asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// The waits between tries to send a message.
    pub slack: Waits,
    /// How often, and how long apart, one question to ClearML is tried.
    pub clearml: Retry,
    /// While ClearML is away at the start of a service that has watched before, it is asked again this often.
    pub ask_again: Duration,
    /// The monitor's own task is looked at this often, and its console sent.
    pub own_task: Duration,
    /// The config file is looked at this often, where it is watched.
    pub config: Duration,
    /// A sign of life for it is given this often.
    pub ping: Duration,
    /// How fast old alerts are removed.
    pub retention: Pace,
}

impl Patience {
    /// As in the field.
    pub(super) fn standard() -> Self {
        Self {
            slack: Waits::STANDARD,
            clearml: Retry::default(),
            ask_again: Duration::from_secs(10),
            own_task: Duration::from_secs(2),
            config: Duration::from_secs(5),
            ping: Duration::from_mins(10),
            retention: Pace::STANDARD,
        }
    }

    /// All waits times `factor`, for tests.
    #[cfg(debug_assertions)]
    pub(super) fn scaled(self, factor: f64) -> Self {
        Self {
            slack: self.slack.scaled(factor),
            clearml: Retry { backoff: self.clearml.backoff.scaled(factor), ..self.clearml },
            ask_again: crate::domain::backoff::scaled(self.ask_again, factor),
            own_task: crate::domain::backoff::scaled(self.own_task, factor),
            config: crate::domain::backoff::scaled(self.config, factor),
            ping: crate::domain::backoff::scaled(self.ping, factor),
            retention: Pace {
                look: crate::domain::backoff::scaled(self.retention.look, factor),
                pause: crate::domain::backoff::scaled(self.retention.pause, factor),
            },
        }
    }
}
