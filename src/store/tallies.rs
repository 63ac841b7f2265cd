//! How many alerts there are, as `tallies` keeps it by day: what counts them without reading them. Of a time that begins or
//! ends within a day, the smaller part of that day is read alert by alert, and added or taken off.

use std::ops::Range;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params};

use super::counts::{Alike, Counts, DAY, States};
use super::exclusion::Exclusion;
use super::fitting::fits;
use super::history::HistoryFilter;
use super::scan;
use super::statistics::GroupBy;
use crate::domain::{AlertState, Outcome, Stamp};

/// What is tallied, as the column `of` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tallied {
    Project,
    User,
    Rule,
    Cause,
}

impl Tallied {
    const ALL: [Self; 4] = [Self::Project, Self::User, Self::Rule, Self::Cause];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::User => "user",
            Self::Rule => "rule",
            Self::Cause => "cause",
        }
    }

    fn is_asked_by(self, filter: &HistoryFilter) -> bool {
        let named = |texts: &[String], not: fn(&Exclusion) -> bool| !texts.is_empty() || filter.not.iter().any(not);
        match self {
            Self::Project => named(&filter.projects, |not| matches!(not, Exclusion::Project(_))),
            Self::User => named(&filter.users, |not| matches!(not, Exclusion::User(_))),
            Self::Rule => named(&filter.rules, |not| matches!(not, Exclusion::Rule(_))),
            Self::Cause => !filter.causes.is_empty() || named(&[], |not| matches!(not, Exclusion::Cause(_))),
        }
    }

    const fn of(by: GroupBy) -> Option<Self> {
        match by {
            GroupBy::Project => Some(Self::Project),
            GroupBy::User => Some(Self::User),
            GroupBy::Rule => Some(Self::Rule),
            GroupBy::Cause => Some(Self::Cause),
            GroupBy::Status | GroupBy::State | GroupBy::Day => None,
        }
    }
}

/// The tallies that tell what a filter and a grouping ask: those of one thing, since no tally knows two. `None`: none does.
pub(super) fn that_tell(
    connection: &Connection,
    filter: &HistoryFilter,
    by: GroupBy,
) -> rusqlite::Result<Option<Tallied>> {
    if asks_for_what_is_not_tallied(filter) {
        return Ok(None);
    }
    let mut needed: Vec<Tallied> = Tallied::ALL.into_iter().filter(|tallied| tallied.is_asked_by(filter)).collect();
    needed.extend(Tallied::of(by));
    needed.dedup();
    Ok(match needed.as_slice() {
        // Rules are few.
        [] => Some(Tallied::Rule),
        [one] if !is_asked_by_id(connection, filter)? => Some(*one),
        _ => None,
    })
}

fn asks_for_what_is_not_tallied(filter: &HistoryFilter) -> bool {
    use Exclusion::{Channel, Filter, Reason, Task};
    let HistoryFilter { tasks, channels, reasons, filters, silence, not, .. } = filter;
    let is_empty = tasks.is_empty() && channels.is_empty() && reasons.is_empty() && filters.is_empty();
    let excludes = not.iter().any(|not| matches!(not, Task(_) | Channel(_) | Reason(_) | Filter(_)));
    !is_empty || silence.is_some() || excludes
}

/// Whether a text that stands for a project or a user is the ID of one: tallies know names alone.
fn is_asked_by_id(connection: &Connection, filter: &HistoryFilter) -> rusqlite::Result<bool> {
    let excluded = |not: &Exclusion| match not {
        Exclusion::Project(text) => Some((BY_PROJECT, text.clone())),
        Exclusion::User(text) => Some((BY_USER, text.clone())),
        _ => None,
    };
    let projects = filter.projects.iter().map(|text| (BY_PROJECT, text.clone()));
    let users = filter.users.iter().map(|text| (BY_USER, text.clone()));
    for (sql, text) in projects.chain(users).chain(filter.not.iter().filter_map(excluded)) {
        // An empty text is in every name.
        if text.is_empty() || connection.prepare_cached(sql)?.exists([text])? {
            return Ok(true);
        }
    }
    Ok(false)
}

const BY_PROJECT: &str = "SELECT 1 FROM alerts INDEXED BY alerts_by_project WHERE project_id = ? LIMIT 1";
const BY_USER: &str = "SELECT 1 FROM alerts INDEXED BY alerts_by_user WHERE user_id = ? LIMIT 1";

/// Counts what a filter lets through, by the tallies that [`that_tell`] it.
pub(super) fn count(
    connection: &Connection,
    filter: &HistoryFilter,
    by: GroupBy,
    tallied: Tallied,
) -> rusqlite::Result<Counts> {
    let mut counts = Counts::new(by);
    let Pieces { days, edges } = Pieces::of(filter);
    let is_asked = tallied.is_asked_by(filter);
    each(connection, tallied.word(), &days, filter, |name, alike| {
        if !is_asked || fits(filter, &[tallied.word()], std::slice::from_ref(name)) {
            let name = if let Value::Text(name) = name { Some(name.as_str()) } else { None };
            counts.add(&Alike { name, ..alike }, 1);
        }
    })?;
    for edge in edges {
        scan::each(connection, &edge.filter, by, |alike, _| counts.add(alike, edge.times))?;
    }
    Ok(counts)
}

/// Tells of every tally of some days, whose outcome and states fit; a name that is not known is NULL here.
pub(super) fn each(
    connection: &Connection,
    of: &str,
    days: &Range<i64>,
    filter: &HistoryFilter,
    mut tell: impl FnMut(&Value, Alike<'_>),
) -> rusqlite::Result<()> {
    let outcomes = Outcome::ALL.map(|outcome| (outcome, fits_word(filter, "outcome", outcome.as_str())));
    let states = AlertState::ALL.map(|state| fits_word(filter, "state", state.as_str()));
    let mut statement = connection.prepare_cached(TALLIES)?;
    let mut rows = statement.query(params![of, days.start, days.end])?;
    while let Some(row) = rows.next()? {
        let outcome = row.get_ref(2)?.as_str()?;
        if !outcomes.iter().any(|(each, fits)| *fits && each.as_str() == outcome) {
            continue;
        }
        let states = states_of(row, states)?;
        let (day, name) = (row.get(0)?, row.get(1)?);
        let name = if of == "lateness" { name } else { known(name) };
        tell(&name, Alike { name: None, outcome, day, states });
    }
    Ok(())
}

pub(super) const TALLIES: &str = "SELECT day, name, outcome, pending, sending, unknown, held, sent, dead, suppressed
     FROM tallies WHERE of = ? AND day >= ? AND day < ?";

/// The counts of a row, those in other states left out.
fn states_of(row: &Row<'_>, fits: [bool; AlertState::ALL.len()]) -> rusqlite::Result<States> {
    let mut states = States::default();
    for (position, _) in fits.iter().enumerate().filter(|(_, fits)| **fits) {
        states.0[position] = row.get(3 + position)?;
    }
    Ok(states)
}

fn known(name: Value) -> Value {
    if matches!(name, Value::Text(_)) { name } else { Value::Null }
}

fn fits_word(filter: &HistoryFilter, column: &str, word: &str) -> bool {
    fits(filter, &[column], &[Value::from(word.to_owned())])
}

/// What a filter's times are made of: whole days, and parts of days that are added or taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pieces {
    pub(super) days: Range<i64>,
    pub(super) edges: Vec<Edge>,
}

/// A part of a day, as a filter of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) filter: HistoryFilter,
    /// 1: it is added to the days; -1: it is taken off them.
    pub(super) times: i64,
}

impl Pieces {
    pub(super) fn of(filter: &HistoryFilter) -> Self {
        let since = filter.since.map(Stamp::as_millis);
        let until = filter.until.map(Stamp::as_millis);
        let edge = |since: i64, until: i64, times| {
            let (since, until) = (Some(Stamp::from_millis(since)), Some(Stamp::from_millis(until)));
            Edge { filter: HistoryFilter { since, until, ..filter.clone() }, times }
        };
        if let (Some(since), Some(until)) = (since, until)
            && until.saturating_sub(since) <= DAY / 2
        {
            return Self { days: 0..0, edges: vec![edge(since, until.max(since), 1)] };
        }
        let mut edges = Vec::new();
        let mut whole_days_from = |at: i64, is_begin: bool| {
            let (day, within) = (at.div_euclid(DAY), at.rem_euclid(DAY));
            let (before, behind) = (day.saturating_mul(DAY), (day + 1).saturating_mul(DAY));
            let is_early = within < DAY / 2;
            match (is_begin, is_early) {
                _ if within == 0 => {}
                (true, true) => edges.push(edge(before, at, -1)),
                (true, false) => edges.push(edge(at, behind, 1)),
                (false, true) => edges.push(edge(before, at, 1)),
                (false, false) => edges.push(edge(at, behind, -1)),
            }
            if is_early { day } else { day + 1 }
        };
        let first = since.map_or(i64::MIN, |since| whole_days_from(since, true));
        let end = until.map_or(i64::MAX, |until| whole_days_from(until, false));
        Self { days: first..end, edges }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a moment is counted.
    fn times(pieces: &Pieces, at: i64) -> i64 {
        let within = |edge: &&Edge| {
            edge.filter.since.is_some_and(|since| since.as_millis() <= at)
                && edge.filter.until.is_some_and(|until| at < until.as_millis())
        };
        let edges: i64 = pieces.edges.iter().filter(within).map(|edge| edge.times).sum();
        edges + i64::from(pieces.days.contains(&at.div_euclid(DAY)))
    }

    #[test]
    fn each_moment_of_a_time_is_counted_once_and_no_other() {
        let moments =
            [i64::MIN, -DAY - 7, -DAY, -5, 0, 5, DAY / 2 - 1, DAY / 2, DAY - 1, DAY, 3 * DAY + 9, 5 * DAY - 9];
        for since in moments {
            for until in moments.into_iter().chain([i64::MAX]) {
                for (since, until) in
                    [(Some(since), Some(until)), (None, Some(until)), (Some(since), None), (None, None)]
                {
                    let times_of = |at: Option<i64>| at.map(Stamp::from_millis);
                    let filter =
                        HistoryFilter { since: times_of(since), until: times_of(until), ..HistoryFilter::default() };
                    let pieces = Pieces::of(&filter);
                    for moment in moments.into_iter().flat_map(|at| [at.saturating_sub(1), at]) {
                        let is_in =
                            since.is_none_or(|since| since <= moment) && until.is_none_or(|until| moment < until);
                        assert_eq!(
                            times(&pieces, moment),
                            i64::from(is_in),
                            "{moment} in {since:?} to {until:?}: {pieces:?}"
                        );
                    }
                    let is_short = |edge: &Edge| {
                        let [since, until] =
                            [edge.filter.since, edge.filter.until].map(|at| at.map_or(0, Stamp::as_millis));
                        until.saturating_sub(since) <= DAY / 2
                    };
                    assert!(pieces.edges.iter().all(is_short), "{pieces:?}");
                }
            }
        }
    }
}
