//! Counts of past alerts: by group, and how late they came. These read everything that the filter lets through, so they
//! cost what it matches.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use serde::Serialize;

use super::conditions::Conditions;
use super::history::HistoryFilter;
use super::rows::count;
use super::{Store, StoreError};

/// What alerts are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    /// The project's full name.
    Project,
    /// The user's name.
    User,
    /// The outcome.
    Status,
    /// The rule.
    Rule,
    /// The state.
    State,
    /// Why the task ended.
    Cause,
    /// The day of the outcome, UTC.
    Day,
}

impl GroupBy {
    /// The expression, an order that a person expects, and which rows an index may help with.
    const fn sql(self) -> (&'static str, &'static str) {
        match self {
            Self::Project => ("a.project", "alerts DESC, name"),
            Self::User => ("a.user", "alerts DESC, name"),
            Self::Status => ("a.outcome", "alerts DESC, name"),
            Self::Rule => ("a.rule", "alerts DESC, name"),
            Self::State => ("a.state", "alerts DESC, name"),
            Self::Cause => ("a.cause", "alerts DESC, name"),
            Self::Day => ("date(a.status_changed / 1000, 'unixepoch')", "name DESC"),
        }
    }
}

/// How many alerts a group has, and where they stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The group's name; null where the alerts have none.
    pub name: Option<String>,
    /// All of them.
    pub alerts: u32,
    /// In Slack.
    pub sent: u32,
    /// Pending, sending, unknown or held.
    pub waiting: u32,
    /// Given up.
    pub dead: u32,
    /// Kept quiet by a filter or a silence.
    pub suppressed: u32,
}

/// How many alerts, and how late they came.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistics {
    /// All that match.
    pub alerts: u32,
    /// In Slack: the next three are about these.
    pub sent: u32,
    /// Seconds from the server's stamp to Slack's confirmation: half of them came sooner.
    pub median_seconds: Option<f64>,
    /// 95 of 100 came sooner.
    pub p95_seconds: Option<f64>,
    /// The latest.
    pub longest_seconds: Option<f64>,
}

impl Store {
    /// Counts by group, the first `filter.limit` groups.
    pub fn groups(&self, filter: &HistoryFilter, by: GroupBy) -> Result<Vec<Group>, StoreError> {
        self.read_now(|connection| groups(connection, filter, by))
    }

    /// [`Store::groups`] on the blocking pool.
    pub async fn groups_page(&self, filter: HistoryFilter, by: GroupBy) -> Result<Vec<Group>, StoreError> {
        self.read(move |connection| groups(connection, &filter, by)).await
    }

    /// How many, and how late.
    pub fn statistics(&self, filter: &HistoryFilter) -> Result<Statistics, StoreError> {
        self.read_now(|connection| statistics(connection, filter))
    }
}

fn groups(connection: &Connection, filter: &HistoryFilter, by: GroupBy) -> rusqlite::Result<Vec<Group>> {
    let conditions = Conditions::of(filter);
    let (name, order) = by.sql();
    let sql = format!(
        "SELECT {name} AS name, count(*) AS alerts, sum(a.state = 'sent') AS sent,
             sum(a.state IN ('pending', 'sending', 'unknown', 'held')) AS waiting, sum(a.state = 'dead') AS dead,
             sum(a.state = 'suppressed') AS suppressed
         FROM alerts AS a WHERE {} GROUP BY 1 ORDER BY {order} LIMIT ?",
        conditions.sql()
    );
    let values = conditions.values().chain([count(filter.limit).into()]);
    let group = |row: &Row<'_>| {
        Ok(Group {
            name: row.get("name")?,
            alerts: row.get("alerts")?,
            sent: row.get("sent")?,
            waiting: row.get("waiting")?,
            dead: row.get("dead")?,
            suppressed: row.get("suppressed")?,
        })
    };
    connection.prepare(&sql)?.query_map(params_from_iter(values), group)?.collect()
}

fn statistics(connection: &Connection, filter: &HistoryFilter) -> rusqlite::Result<Statistics> {
    let conditions = Conditions::of(filter);
    let clauses = conditions.sql();
    let sql = format!("SELECT count(*), count(a.sent_at) FROM alerts AS a WHERE {clauses}");
    let counted = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let (alerts, sent): (u32, u32) = connection.query_row(&sql, params_from_iter(conditions.values()), counted)?;
    // The order is made once, in a table of its own, and then read at three places.
    let sql = format!(
        "WITH late(ms, place) AS MATERIALIZED (SELECT a.sent_at - a.status_changed, row_number() OVER
             (ORDER BY a.sent_at - a.status_changed) FROM alerts AS a WHERE a.sent_at IS NOT NULL AND {clauses})
         SELECT ms FROM late WHERE place IN (?, ?, ?) ORDER BY place"
    );
    let [median, p95, last] = [place(sent, 50), place(sent, 95), place(sent, 100)];
    let places = [median, p95, last].map(|place| Value::from(i64::from(place)));
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map(params_from_iter(conditions.values().chain(places)), |row| row.get(0))?;
    let found: Vec<i64> = rows.collect::<rusqlite::Result<_>>()?;
    // Places that coincide come once.
    let distinct: Vec<u32> = {
        let mut all = vec![median, p95, last];
        all.dedup();
        all
    };
    let at = |place: u32| {
        let position = distinct.iter().position(|each| *each == place)?;
        found.get(position).map(|millis| seconds(*millis))
    };
    Ok(Statistics { alerts, sent, median_seconds: at(median), p95_seconds: at(p95), longest_seconds: at(last) })
}

/// The place, from 1, below or at which so many of a hundred stand.
fn place(of: u32, percent: u32) -> u32 {
    u32::try_from((u64::from(of) * u64::from(percent)).div_ceil(100)).unwrap_or(of).max(1)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds between two moments are far below 2^53")]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_that_so_many_stand_at_or_below() {
        assert_eq!([place(1, 50), place(2, 50), place(3, 50), place(100, 95), place(7, 100)], [1, 1, 2, 95, 7]);
        assert_eq!(place(0, 50), 1);
    }
}
