//! Alerts counted by what an index begins with: behind each beginning that fits they are alike, so that how many there are is
//! all that is asked of them.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::counts::{Alike, Counts, DAY, States};
use super::facets::{Beginning, Facets};
use super::history::{HistoryFilter, Order};
use super::span::Span;
use super::statistics::GroupBy;
use crate::domain::AlertState;

/// An index whose beginnings tell all that a filter and a grouping ask, and those of them that fit.
pub(super) struct Counting {
    facets: Facets,
    beginnings: Vec<Beginning>,
    /// `None`: of all times.
    span: Option<Span>,
}

impl Counting {
    /// The index whose beginnings tell all that a filter and a grouping ask, with those that fit; `None` where there is none.
    pub(super) fn of(connection: &Connection, filter: &HistoryFilter, by: GroupBy) -> rusqlite::Result<Option<Self>> {
        let is_bounded = filter.since.is_some() || filter.until.is_some();
        let span = Span::of(filter, Order::Newest).filter(|_| is_bounded);
        for facets in Facets::of(filter) {
            let tells =
                column(by).is_none_or(|column| facets.has(column) || (column == "project" && facets.tells_project));
            if !tells || !facets.has("state") || !facets.tells_all(filter) {
                continue;
            }
            // Times are asked behind all its columns; without them, the fewer beginnings the better.
            let facets = if is_bounded { facets } else { facets.cut_to_count(filter, column(by)) };
            if let Some(beginnings) = facets.beginnings(connection, filter)? {
                return Ok(Some(Self { facets, beginnings, span }));
            }
        }
        Ok(None)
    }

    /// Counts by group.
    pub(super) fn count(&self, connection: &Connection, by: GroupBy, counts: &mut Counts) -> rusqlite::Result<()> {
        let Self { facets, beginnings, span } = self;
        if column(by).is_some_and(|column| facets.has(column)) {
            return facets.count_each(connection, beginnings, *span, |beginning, alerts| {
                counts.add(&alike(*facets, by, beginning, 0, alerts), 1);
            });
        }
        facets.each(connection, beginnings, *span, |beginning, status_changed, _, project| {
            let alike = alike(*facets, by, beginning, status_changed.div_euclid(DAY), 1);
            counts.add(&Alike { name: project, ..alike }, 1);
        })
    }

    /// Counts by state, and tells how late each came that was sent.
    pub(super) fn each_late(
        &self,
        connection: &Connection,
        counts: &mut Counts,
        mut tell: impl FnMut(i64),
    ) -> rusqlite::Result<()> {
        let Self { facets, beginnings, span } = self;
        facets.each(connection, beginnings, *span, |beginning, status_changed, sent_at, _| {
            counts.add(&alike(*facets, GroupBy::State, beginning, 0, 1), 1);
            if let Some(sent_at) = sent_at {
                tell(sent_at.saturating_sub(status_changed));
            }
        })
    }
}

/// The column that alerts are grouped by, where it is not the day.
const fn column(by: GroupBy) -> Option<&'static str> {
    match by {
        GroupBy::Project => Some("project"),
        GroupBy::User => Some("user"),
        GroupBy::Status => Some("outcome"),
        GroupBy::Rule => Some("rule"),
        GroupBy::State => Some("state"),
        GroupBy::Cause => Some("cause"),
        GroupBy::Day => None,
    }
}

/// Alerts behind a beginning.
fn alike(facets: Facets, by: GroupBy, beginning: &Beginning, day: i64, alerts: i64) -> Alike<'_> {
    let text = |column| facets.text_in(beginning, column);
    let state = text("state").and_then(AlertState::parse);
    Alike {
        name: column(by).and_then(text),
        outcome: text("outcome").unwrap_or_default(),
        day,
        states: state.map(|state| States::of(state, alerts)).unwrap_or_default(),
    }
}

impl Facets {
    /// The same index, but only as many columns of it as a count by one of them needs.
    fn cut_to_count(self, filter: &HistoryFilter, by: Option<&str>) -> Self {
        let counted = |column: &&str| *column == "state" || Some(*column) == by;
        let last = self.columns.iter().rposition(counted).map_or(0, |last| last + 1);
        self.with_columns(last.max(self.cut_to(filter).columns.len()))
    }

    /// How many alerts of a span stand behind each beginning; of all times without one.
    fn count_each(
        self,
        connection: &Connection,
        beginnings: &[Beginning],
        span: Option<Span>,
        mut tell: impl FnMut(&Beginning, i64),
    ) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(&self.counting("count(*)", span))?;
        for beginning in beginnings {
            let values = beginning.iter().cloned().chain(span.into_iter().flat_map(Span::values));
            tell(beginning, statement.query_row(params_from_iter(values), |row| row.get(0))?);
        }
        Ok(())
    }

    /// When each alert of a span ended and was sent, behind each beginning, and its project where that is told behind all.
    fn each(
        self,
        connection: &Connection,
        beginnings: &[Beginning],
        span: Option<Span>,
        mut tell: impl FnMut(&Beginning, i64, Option<i64>, Option<&str>),
    ) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(&self.counting(self.each_tells(), span))?;
        for beginning in beginnings {
            let values = beginning.iter().cloned().chain(span.into_iter().flat_map(Span::values));
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                tell(beginning, row.get(0)?, row.get(1)?, row.get_ref(2)?.as_str_or_null()?);
            }
        }
        Ok(())
    }

    pub(super) const fn each_tells(self) -> &'static str {
        if self.tells_project { "a.status_changed, a.sent_at, a.project" } else { "a.status_changed, a.sent_at, NULL" }
    }

    /// The value of a column in a beginning; `None` where it has none.
    fn text_in<'a>(self, beginning: &'a Beginning, column: &str) -> Option<&'a str> {
        let position = self.columns.iter().position(|each| *each == column)?;
        match beginning.get(position) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether its beginnings tell a column.
    pub(super) fn has(self, column: &str) -> bool {
        self.columns.contains(&column)
    }

    /// Something of every row of a span behind one beginning.
    pub(super) fn counting(self, what: &str, span: Option<Span>) -> String {
        let within = span.map_or("true", |_| Span::CLAUSE);
        format!("SELECT {what} FROM {} AND {within}", self.rows())
    }
}
