//! How late sent alerts came. Tallies keep it by day in steps, which tell in which step the alert stands that is asked for;
//! what it is to the millisecond, an index tells that holds them by their lateness.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::conditions::Conditions;
use super::exclusion::Exclusion;
use super::history::HistoryFilter;
use super::rows::count;
use super::scan;
use super::statistics::GroupBy;
use super::tallies::{self, Pieces};
use crate::domain::AlertState;

/// How late alerts came, each of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Each(pub(super) Vec<i64>);

impl Each {
    /// The one at a place, from 1 on, the soonest first; `None` where there are not so many.
    pub(super) fn at(&mut self, place: usize) -> Option<i64> {
        let position = place.checked_sub(1).filter(|position| *position < self.0.len())?;
        Some(*self.0.select_nth_unstable(position).1)
    }
}

/// How many came how late, by the milliseconds with which a step begins.
#[derive(Debug, Clone, Default)]
pub(super) struct Steps(BTreeMap<i64, i64>);

impl Steps {
    /// Those of a filter that asks for times, outcomes and states alone.
    pub(super) fn of(connection: &Connection, filter: &HistoryFilter) -> rusqlite::Result<Self> {
        let mut steps = Self::default();
        let Pieces { days, edges } = Pieces::of(filter);
        tallies::each(connection, "lateness", &days, filter, |begin, alike| {
            if let Value::Integer(begin) = begin {
                *steps.0.entry(*begin).or_default() += i64::from(alike.states.sum(&[AlertState::Sent]));
            }
        })?;
        for edge in edges {
            scan::each(connection, &edge.filter, GroupBy::State, |_, late| {
                if let Some(late) = late {
                    *steps.0.entry(begin_of(late)).or_default() += edge.times;
                }
            })?;
        }
        Ok(steps)
    }

    /// The one at a place, from 1 on, the soonest first; `None` where there are not so many.
    pub(super) fn at(
        &self,
        connection: &Connection,
        filter: &HistoryFilter,
        place: usize,
    ) -> rusqlite::Result<Option<i64>> {
        let mut before = 0;
        for (begin, alerts) in &self.0 {
            if before + alerts >= count(place) {
                let (sql, values) = question(filter, *begin, count(place) - before - 1);
                return connection
                    .prepare_cached(&sql)?
                    .query_row(params_from_iter(values), |row| row.get(0))
                    .map(Some);
            }
            before += alerts;
        }
        Ok(None)
    }
}

/// The lateness of an alert within a step, behind so many others of it.
pub(super) fn question(filter: &HistoryFilter, begin: i64, behind: i64) -> (String, Vec<Value>) {
    let statuses = filter.not.iter().filter(|not| matches!(not, Exclusion::Status(_))).cloned().collect();
    let conditions = Conditions::of(&HistoryFilter { states: Vec::new(), not: statuses, ..filter.clone() });
    let (first, end) = if begin < 0 { (i64::MIN, 0) } else { (begin, end_of(begin)) };
    let sql = format!(
        "SELECT a.sent_at - a.status_changed FROM alerts AS a INDEXED BY alerts_late
         WHERE a.sent_at IS NOT NULL AND a.sent_at - a.status_changed >= ? AND a.sent_at - a.status_changed < ? AND {}
         ORDER BY a.sent_at - a.status_changed LIMIT 1 OFFSET ?",
        conditions.sql()
    );
    let values = [first.into(), end.into()].into_iter().chain(conditions.values()).chain([behind.into()]);
    (sql, values.collect())
}

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// The step in which a lateness stands, as the trigger `alert_tallied` has it.
pub(super) const fn begin_of(late: i64) -> i64 {
    match late {
        ..0 => -1,
        _ => late - late % width(late),
    }
}

const fn end_of(begin: i64) -> i64 {
    begin.saturating_add(width(begin))
}

const fn width(late: i64) -> i64 {
    match late {
        ..10_000 => 100,
        10_000..120_000 => SECOND,
        120_000..3_600_000 => MINUTE,
        _ => HOUR,
    }
}
