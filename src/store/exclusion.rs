//! What is left out of history, and how a person writes it.

use crate::domain::{AlertState, Cause, Filter, Outcome};

/// Something that is left out of history; the texts mean what they mean in a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exclusion {
    /// Projects.
    Project(String),
    /// Tasks.
    Task(String),
    /// A user.
    User(String),
    /// An outcome.
    Status(Outcome),
    /// A state.
    State(AlertState),
    /// A rule.
    Rule(String),
    /// A channel.
    Channel(String),
    /// A part of the reason.
    Reason(String),
    /// A filter.
    Filter(Filter),
    /// A cause.
    Cause(Cause),
}

/// How it is written.
const FIELDS: &str =
    "write project=, task=, user=, status=, state=, rule=, channel=, reason=, filter= or cause= with a value";

impl Exclusion {
    /// Reads `user=bob`. The error is what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (field, value) = text.split_once('=').filter(|(_, value)| !value.is_empty()).ok_or(FIELDS)?;
        let text = value.to_owned();
        let one_of = |words: &[&str]| format!("write one of {}", words.join(", "));
        Ok(match field {
            "project" => Self::Project(text),
            "task" => Self::Task(text),
            "user" => Self::User(text),
            "rule" => Self::Rule(text),
            "channel" => Self::Channel(text),
            "reason" => Self::Reason(text),
            "status" => {
                let outcome = Outcome::parse(&value.to_ascii_lowercase());
                Self::Status(outcome.ok_or_else(|| one_of(&["failed", "completed", "stopped"]))?)
            }
            "state" => {
                let words = AlertState::ALL.map(AlertState::as_str);
                Self::State(AlertState::parse(value).ok_or_else(|| one_of(&words))?)
            }
            "filter" => {
                let words = Filter::ALL.map(Filter::as_str);
                let filter = Filter::ALL.into_iter().find(|filter| filter.as_str() == value);
                Self::Filter(filter.ok_or_else(|| one_of(&words))?)
            }
            "cause" => {
                let words = Cause::ALL.map(Cause::as_str);
                Self::Cause(Cause::parse(value).ok_or_else(|| one_of(&words))?)
            }
            _ => return Err(FIELDS.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_refused() {
        assert_eq!(Exclusion::parse("user=b=ob"), Ok(Exclusion::User("b=ob".to_owned())));
        assert_eq!(Exclusion::parse("status=ABORTED"), Ok(Exclusion::Status(Outcome::Stopped)));
        assert_eq!(Exclusion::parse("filter=silence"), Ok(Exclusion::Filter(Filter::Silence)));
        assert_eq!(Exclusion::parse("cause=crash"), Ok(Exclusion::Cause(Cause::Crash)));
        for wrong in ["bob", "user=", "colour=red", "status=running", "state=x", "filter=x", "cause=x"] {
            assert!(Exclusion::parse(wrong).unwrap_err().starts_with("write "), "{wrong}");
        }
    }
}
