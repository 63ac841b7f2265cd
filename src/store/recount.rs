//! Counts every alert anew and compares that with the tallies: a part of the deep check.

use std::collections::HashMap;

use rusqlite::Connection;
use rusqlite::types::Value;

use super::counts::{Alike, States};
use super::history::HistoryFilter;
use super::lateness::begin_of;
use super::statistics::GroupBy;
use super::{scan, tallies};
use crate::domain::AlertState;

/// What is told apart: the day, the name and the outcome.
type Key = (i64, Option<String>, String);

/// A tally that does not tell what there is, in words.
pub(super) fn miscounted(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let all = HistoryFilter::default();
    for (of, by) in [
        ("project", GroupBy::Project),
        ("user", GroupBy::User),
        ("rule", GroupBy::Rule),
        ("cause", GroupBy::Cause),
        ("lateness", GroupBy::State),
    ] {
        let mut left: HashMap<Key, States> = HashMap::new();
        let mut add = |name: Option<String>, alike: &Alike<'_>, times| {
            left.entry((alike.day, name, alike.outcome.to_owned())).or_default().add(&alike.states, times);
        };
        scan::each(connection, &all, by, |alike, late| match (of, late) {
            ("lateness", None) => {}
            ("lateness", Some(late)) => add(Some(begin_of(late).to_string()), alike, 1),
            _ => add(alike.name.map(str::to_owned), alike, 1),
        })?;
        tallies::each(connection, of, &(i64::MIN..i64::MAX), &all, |name, alike| {
            let name = match name {
                Value::Text(text) => Some(text.clone()),
                Value::Integer(number) => Some(number.to_string()),
                _ => None,
            };
            add(name, &alike, -1);
        })?;
        if let Some(((day, name, _), states)) = left.into_iter().find(|(_, states)| *states != States::default()) {
            return Ok(Some(in_words(of, day, name.as_deref(), &states)));
        }
    }
    Ok(None)
}

fn in_words(of: &str, day: i64, name: Option<&str>, states: &States) -> String {
    let wrong = AlertState::ALL.into_iter().zip(states.0).find(|(_, alerts)| *alerts != 0);
    let (state, alerts) = wrong.map_or(("", 0), |(state, alerts)| (state.as_str(), alerts));
    let (name, off) = (name.unwrap_or("(none)"), alerts.abs());
    let than = if alerts > 0 { "less" } else { "more" };
    format!("the tally of {of} {name} on day {day} has {off} {state} {than} than there are")
}
