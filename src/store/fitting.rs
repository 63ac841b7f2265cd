//! Whether a value is one that a filter lets through: what the SQL of [`Conditions`](super::conditions::Conditions) says, in
//! Rust, for the values by which an index begins and those that are tallied.

use rusqlite::types::Value;

use super::exclusion::Exclusion;
use super::fold::holds;
use super::history::HistoryFilter;

/// Whether the last value of a beginning is one that the filter lets through; the values before it are those of the columns
/// before it.
pub(super) fn fits(filter: &HistoryFilter, columns: &[&str], beginning: &[Value]) -> bool {
    let text = |value: Option<&Value>| match value {
        Some(Value::Text(text)) => text.clone(),
        _ => String::new(),
    };
    let is_known = beginning.last().is_some_and(|value| *value != Value::Null);
    let last = text(beginning.last());
    let before = text(beginning.iter().rev().nth(1));
    let one_of = |words: &mut dyn Iterator<Item = &str>| {
        let mut words = words.peekable();
        words.peek().is_none() || (is_known && words.any(|word| word == last))
    };
    let named = |part: &str| (is_known && holds(&last, part)) || before == *part;
    let any_named = |parts: &[String]| parts.is_empty() || parts.iter().any(|part| named(part));
    let bare = |channel: &str| channel.trim_start_matches('#').to_owned();
    let fits = match columns.get(beginning.len().saturating_sub(1)).copied() {
        Some("silence_id") => filter.silence.is_none_or(|silence| beginning.last() == Some(&silence.into())),
        Some("state") => one_of(&mut filter.states.iter().map(|state| state.as_str())),
        Some("outcome") => one_of(&mut filter.statuses.iter().map(|status| status.as_str())),
        Some("rule") => one_of(&mut filter.rules.iter().map(String::as_str)),
        Some("cause") => one_of(&mut filter.causes.iter().map(|cause| cause.as_str())),
        Some("filter") => one_of(&mut filter.filters.iter().map(|filter| filter.as_str())),
        Some("channel") => {
            filter.channels.is_empty() || filter.channels.iter().any(|channel| bare(channel) == bare(&last))
        }
        Some("project") => any_named(&filter.projects),
        Some("user") => any_named(&filter.users),
        Some("reason") => filter.reasons.is_empty() || filter.reasons.iter().any(|part| holds(&last, part)),
        _ => true,
    };
    let excluded = filter.not.iter().any(|not| match (columns.get(beginning.len().saturating_sub(1)).copied(), not) {
        (Some("state"), Exclusion::State(state)) => last == state.as_str(),
        (Some("outcome"), Exclusion::Status(status)) => last == status.as_str(),
        (Some("rule"), Exclusion::Rule(rule)) => last == *rule,
        (Some("filter"), Exclusion::Filter(filter)) => last == filter.as_str(),
        (Some("cause"), Exclusion::Cause(cause)) => last == cause.as_str(),
        (Some("channel"), Exclusion::Channel(channel)) => bare(&last) == bare(channel),
        (Some("project"), Exclusion::Project(part)) | (Some("user"), Exclusion::User(part)) => named(part),
        (Some("reason"), Exclusion::Reason(part)) => holds(&last, part),
        _ => false,
    });
    fits && !excluded
}
