//! Why a task ended: a word that can be filtered by, and one line for a person. The polled row tells part of it
//! ([`Diagnosis::of_row`]); the end of the console, once it is there, often tells more ([`Diagnosis::refined`]).

mod fatal;
mod memory;
mod row;
mod signal;
#[cfg(test)]
mod tests;
mod traceback;

use std::fmt;

use serde::Serialize;

pub use signal::Signal;

use super::{Redactor, Task, text};

/// The longest line that tells why, in UTF-16 units.
pub const DETAIL_CHARACTERS: usize = 300;

/// Why a task ended, as far as anybody can know. A task that completed has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Its program ended by an error of its own: an exception, a panic.
    Crash,
    /// There was no memory left in the machine.
    OutOfMemory,
    /// There was no memory left on the GPU.
    CudaOutOfMemory,
    /// A signal ended its program.
    Signal,
    /// Its program ended with an exit code, and nothing more is known.
    ExitCode,
    /// The server's watchdog stopped it: it gave no sign of life for too long.
    NonResponsive,
    /// A person aborted it.
    AbortedByUser,
    /// The agent that ran it stopped it.
    StoppedByAgent,
    /// Its own program, or another one, stopped it through ClearML's SDK.
    StoppedBySdk,
    /// The agent could not run it: no repository, no environment.
    AgentError,
    /// It was marked as failed with words of somebody's own.
    MarkedFailed,
    /// Nobody said.
    Unknown,
}

impl Cause {
    /// Every cause, in the order in which people list them.
    pub const ALL: [Self; 12] = [
        Self::Crash,
        Self::OutOfMemory,
        Self::CudaOutOfMemory,
        Self::Signal,
        Self::ExitCode,
        Self::NonResponsive,
        Self::AbortedByUser,
        Self::StoppedByAgent,
        Self::StoppedBySdk,
        Self::AgentError,
        Self::MarkedFailed,
        Self::Unknown,
    ];

    /// The word in the database, in `history` and in rules.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::OutOfMemory => "out_of_memory",
            Self::CudaOutOfMemory => "cuda_out_of_memory",
            Self::Signal => "signal",
            Self::ExitCode => "exit_code",
            Self::NonResponsive => "non_responsive",
            Self::AbortedByUser => "aborted_by_user",
            Self::StoppedByAgent => "stopped_by_agent",
            Self::StoppedBySdk => "stopped_by_sdk",
            Self::AgentError => "agent_error",
            Self::MarkedFailed => "marked_failed",
            Self::Unknown => "unknown",
        }
    }

    /// The inverse of [`Cause::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }

    /// What people call it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::OutOfMemory => "out of memory",
            Self::CudaOutOfMemory => "CUDA out of memory",
            Self::Signal => "ended by a signal",
            Self::ExitCode => "exit code",
            Self::NonResponsive => "non-responsive",
            Self::AbortedByUser => "aborted by a user",
            Self::StoppedByAgent => "stopped by the agent",
            Self::StoppedBySdk => "stopped by the SDK",
            Self::AgentError => "agent error",
            Self::MarkedFailed => "marked as failed",
            Self::Unknown => "unknown",
        }
    }

    /// The cause as far as the polled row tells it: what rules are asked with. `None` where the task did not end, or
    /// ended well.
    pub fn of(task: &Task) -> Option<Self> {
        row::diagnose(task, &str::to_owned).map(|diagnosis| diagnosis.cause)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What a program said of its own end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Its type as it was printed, modules included; `None` where only its message is known.
    pub kind: Option<String>,
    /// Its message, on one line; may be empty.
    pub message: String,
}

impl fmt::Display for Exception {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind.as_deref(), self.message.as_str()) {
            (None, message) => formatter.write_str(message),
            (Some(kind), "") => formatter.write_str(kind),
            (Some(kind), message) => write!(formatter, "{kind}: {message}"),
        }
    }
}

/// Everything that is known of why a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The cause.
    pub cause: Cause,
    /// The exception that ended it.
    pub exception: Option<Exception>,
    /// The exit code that the agent saw; negative where a signal ended it, as Python counts them.
    pub exit_code: Option<i64>,
    /// The signal that ended it.
    pub signal: Option<Signal>,
    /// Who aborted it, by the name that ClearML gives.
    pub user: Option<String>,
    /// What else was said: a reason, the console's last error line.
    pub said: Option<String>,
}

/// Why a task ended, as it is stored and shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// The cause.
    pub cause: Cause,
    /// One line for a person: no markup, no control characters, no secrets, at most [`DETAIL_CHARACTERS`] long. Empty
    /// where there is nothing to say.
    pub detail: String,
}

impl Diagnosis {
    fn new(cause: Cause) -> Self {
        Self { cause, exception: None, exit_code: None, signal: None, user: None, said: None }
    }

    /// As far as the polled row alone tells it. `None` where the task did not end, or ended well.
    pub fn of_row(task: &Task, redactor: &Redactor) -> Option<Self> {
        row::diagnose(task, &|text| redactor.redact(text).into_owned())
    }

    /// The same with what the console's last lines tell; they are without secrets and control characters already.
    #[must_use]
    pub fn refined(self, lines: &[String]) -> Self {
        match self.cause {
            // The one who stopped a task knows why; what its console says is older than that.
            Cause::NonResponsive
            | Cause::AbortedByUser
            | Cause::StoppedByAgent
            | Cause::StoppedBySdk
            | Cause::AgentError => self,
            _ => self.with_code_of(lines).with_findings_of(lines),
        }
    }

    /// The agent's last words hold the exit code, where the row has a reason of the program's own.
    fn with_code_of(self, lines: &[String]) -> Self {
        match (self.exit_code, fatal::agents_exit_code(lines)) {
            (None, Some(code)) => {
                let signal = self.signal.or_else(|| Signal::of_exit_code(code));
                let cause = match (self.cause, signal) {
                    (Cause::Unknown, Some(_)) => Cause::Signal,
                    (Cause::Unknown, None) => Cause::ExitCode,
                    (cause, _) => cause,
                };
                Self { cause, exit_code: Some(code), signal, ..self }
            }
            _ => self,
        }
    }

    fn with_findings_of(self, lines: &[String]) -> Self {
        match fatal::find(lines) {
            Some(found) if self.agrees_with(&found, lines) => Self {
                cause: found.cause,
                exception: found.exception,
                exit_code: self.exit_code,
                signal: found.signal.or(self.signal),
                user: None,
                said: found.said,
            },
            None if self.cause == Cause::ExitCode && self.said.is_none() => {
                Self { said: fatal::last_error_line(lines), ..self }
            }
            _ => self,
        }
    }

    /// Whether what the console shows is this end, and not an error of earlier that was got over.
    fn agrees_with(&self, found: &Self, lines: &[String]) -> bool {
        let is_memory = matches!(found.cause, Cause::OutOfMemory | Cause::CudaOutOfMemory);
        match (&self.exception, self.signal) {
            (Some(own), _) if !own.message.is_empty() => {
                let start: String = own.message.chars().take(60).collect();
                let tells = |exception: &Exception| {
                    exception.message.contains(&start)
                        || !exception.message.is_empty() && own.message.contains(&exception.message)
                };
                found.exception.as_ref().is_some_and(tells)
            }
            // What the system ends at once prints no traceback: one that is there is older. An abort is the program's own.
            (None, Some(signal)) if signal != Signal::ABORT => is_memory || found.cause == Cause::Signal,
            _ => !lines.is_empty(),
        }
    }

    /// As it is stored and shown.
    pub fn why(&self) -> Why {
        let line = text::single_line(&self.in_words());
        Why { cause: self.cause, detail: text::truncate(&line, DETAIL_CHARACTERS).into_owned() }
    }

    fn in_words(&self) -> String {
        let said = self.said.as_deref().filter(|said| !said.trim().is_empty());
        let said_or = |words: &str| said.map_or_else(|| words.to_owned(), str::to_owned);
        match self.cause {
            Cause::Crash | Cause::OutOfMemory | Cause::CudaOutOfMemory => match &self.exception {
                Some(exception) => exception.to_string(),
                None => said_or(self.cause.label()),
            },
            Cause::Signal => self.signal_in_words(),
            Cause::ExitCode => {
                let code = self.exit_code.map_or_else(|| "an exit code other than 0".to_owned(), code_in_words);
                said.map_or(code.clone(), |said| format!("{code}: {said}"))
            }
            Cause::NonResponsive => "non-responsive: stopped by the server's watchdog".to_owned(),
            Cause::AbortedByUser => {
                format!("stopped by {}", self.user.as_deref().unwrap_or("a user, through the agent or the SDK"))
            }
            Cause::StoppedByAgent => with_words("stopped by the agent", said),
            Cause::StoppedBySdk => with_words("stopped through the SDK", said),
            Cause::AgentError => with_words("the agent could not run it", said),
            Cause::MarkedFailed => said_or(""),
            Cause::Unknown => String::new(),
        }
    }

    fn signal_in_words(&self) -> String {
        let Some(signal) = self.signal else {
            return self.cause.label().to_owned();
        };
        let code = self.exit_code.map(|code| format!(" ({})", code_in_words(code))).unwrap_or_default();
        let hint = if signal == Signal::KILL { ", as the system does where memory runs out" } else { "" };
        format!("killed by {signal}{code}{hint}")
    }
}

fn code_in_words(code: i64) -> String {
    format!("exit code {code}")
}

fn with_words(what: &str, said: Option<&str>) -> String {
    said.map_or_else(|| what.to_owned(), |said| format!("{what}: {said}"))
}
