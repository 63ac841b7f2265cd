//! Alerts read one by one to be counted, where neither tallies nor the beginnings of an index can tell: along an index that
//! holds all that is asked, and so without their rows, where there is one.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::conditions::Conditions;
use super::counts::{Alike, DAY, States};
use super::exclusion::Exclusion;
use super::history::HistoryFilter;
use super::names::Names;
use super::rows::unreadable;
use super::search::numbers_as_json;
use super::statistics::GroupBy;
use crate::domain::AlertState;

/// So many alerts that may have a name are looked up one by one.
const FEW: usize = 20_000;

/// Tells of each alert that a filter lets through, and with how many milliseconds it came late if it was sent.
pub(super) fn each(
    connection: &Connection,
    filter: &HistoryFilter,
    by: GroupBy,
    mut tell: impl FnMut(&Alike<'_>, Option<i64>),
) -> rusqlite::Result<()> {
    let (sql, values) = question(filter, by, candidates(connection, filter)?.as_deref());
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        let status_changed: i64 = row.get(0)?;
        let state = row.get_ref(1)?.as_str()?;
        let state = AlertState::parse(state).ok_or_else(|| unreadable(format!("column state holds `{state}`")))?;
        let (outcome, name) = (row.get_ref(2)?.as_str()?, row.get_ref(3)?.as_str_or_null()?);
        let sent_at: Option<i64> = row.get(4)?;
        let (day, states) = (status_changed.div_euclid(DAY), States::of(state, 1));
        tell(&Alike { name, outcome, day, states }, sent_at.map(|sent_at| sent_at.saturating_sub(status_changed)));
    }
    Ok(())
}

/// The alerts that may have the name that is asked for, where it is asked for and they are few.
fn candidates(connection: &Connection, filter: &HistoryFilter) -> rusqlite::Result<Option<Vec<i64>>> {
    Names::of(&filter.tasks).map_or(Ok(None), |names| names.few(connection, FEW))
}

fn question(filter: &HistoryFilter, by: GroupBy, candidates: Option<&[i64]>) -> (String, Vec<Value>) {
    let conditions = Conditions::of(filter);
    let index = if is_covered(filter) { " INDEXED BY alerts_counted" } else { "" };
    let among = if candidates.is_some() { "a.id IN (SELECT value FROM json_each(?)) AND " } else { "" };
    let name = match by {
        GroupBy::Project => "a.project",
        GroupBy::User => "a.user",
        GroupBy::Rule => "a.rule",
        GroupBy::Cause => "a.cause",
        GroupBy::Status | GroupBy::State | GroupBy::Day => "NULL",
    };
    let sql = format!(
        "SELECT a.status_changed, a.state, a.outcome, {name}, a.sent_at FROM alerts AS a{index} WHERE {among}{}",
        conditions.sql()
    );
    let numbers = candidates.map(|numbers| Value::from(numbers_as_json(numbers)));
    (sql, numbers.into_iter().chain(conditions.values()).collect())
}

/// Whether the index holds everything that a filter asks about.
fn is_covered(filter: &HistoryFilter) -> bool {
    let reads_row = |not: &Exclusion| matches!(not, Exclusion::Task(_) | Exclusion::Reason(_));
    let asks = !filter.tasks.is_empty() || !filter.reasons.is_empty() || filter.silence.is_some();
    !asks && !filter.not.iter().any(reads_row)
}

/// What is asked, for its plan.
#[cfg(test)]
pub(super) fn asked(filter: &HistoryFilter, by: GroupBy) -> (String, Vec<Value>) {
    question(filter, by, None)
}
