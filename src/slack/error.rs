//! What went wrong with a call, classified once, in words for a person.

use std::fmt;
use std::time::Duration;

use super::answers::Class;
use super::method::Method;

/// A call that brought no result. Its text says what happened and what to do, and never holds the token or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlackError {
    /// The method that was called; `None` when the client itself could not be set up.
    pub method: Option<Method>,
    /// What it means for the caller.
    pub class: Class,
    /// Slack's error code, where Slack gave one.
    pub code: Option<String>,
    /// What happened, in a few words: `connection refused`, `HTTP 502`, or the code.
    pub what: String,
    /// What Slack said beyond its code: the scopes needed, which block is wrong.
    pub detail: Option<String>,
    /// What a person should do.
    pub advice: String,
    /// The HTTP status, where an answer came.
    pub http_status: Option<u16>,
    /// How long Slack asked to wait.
    pub retry_after: Option<Duration>,
}

impl SlackError {
    /// The settings cannot make a client.
    pub(super) fn setup(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(None, Class::OperatorMustAct, what.into(), advice.into())
    }

    /// A failed call of which nothing more is known.
    pub(super) fn new(method: Option<Method>, class: Class, what: String, advice: String) -> Self {
        Self { method, class, code: None, what, detail: None, advice, http_status: None, retry_after: None }
    }
}

impl fmt::Display for SlackError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.method, &self.code) {
            (None, _) => write!(formatter, "the Slack client cannot be set up: {}", self.what)?,
            (Some(method), Some(code)) => write!(formatter, "Slack answered {method} with `{code}`")?,
            (Some(method), None) => write!(formatter, "Slack's {method} failed: {}", self.what)?,
        }
        if let Some(detail) = &self.detail {
            write!(formatter, " ({detail})")?;
        }
        if let Some(wait) = self.retry_after {
            write!(formatter, ", asking to wait {} s", wait.as_secs())?;
        }
        write!(formatter, ": {}", self.advice)
    }
}

impl std::error::Error for SlackError {}
