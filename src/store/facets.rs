//! Indices that begin with what alerts have in common and go on in the order of pages. However long the history is, it has
//! few different beginnings: they are leapt through one by one, and the first rows behind those that fit are the page.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::conditions::Conditions;
use super::exclusion::Exclusion;
use super::fitting::fits;
use super::history::{HistoryFilter, Place};
use super::names::Numbers;
use super::rows::{count, stamp};
use super::span::Span;

/// After so many leaps an index has too many beginnings to be worth it.
const MOST_LEAPS: u32 = 8_000;

/// An index, and the columns that it begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facets {
    index: &'static str,
    pub(super) columns: &'static [&'static str],
    /// Which alerts it holds, where it does not hold all.
    holds: &'static str,
    /// Whether it ends with the project, of which it does not begin with one.
    pub(super) tells_project: bool,
}

/// Values of an index's first columns.
pub(super) type Beginning = Vec<Value>;

const SILENCE: Facets = Facets {
    index: "alerts_by_silence",
    columns: &["silence_id"],
    holds: " AND a.silence_id IS NOT NULL",
    tells_project: false,
};
const KIND: Facets = Facets {
    index: "alerts_by_kind",
    columns: &["state", "outcome", "rule", "channel", "filter", "cause"],
    holds: "",
    tells_project: false,
};
const REASON: Facets = Facets {
    index: "alerts_by_reason",
    columns: &["reason", "state", "outcome", "rule", "channel", "filter", "cause"],
    holds: " AND a.reason IS NOT NULL",
    tells_project: false,
};
const USER: Facets = Facets {
    index: "alerts_by_user",
    columns: &["user_id", "user", "state", "outcome", "rule", "channel", "filter", "cause"],
    holds: "",
    tells_project: true,
};
const PROJECT: Facets = Facets {
    index: "alerts_by_project",
    columns: &["project_id", "project", "user_id", "user", "state", "outcome", "rule", "channel", "filter", "cause"],
    holds: "",
    tells_project: false,
};

impl Facets {
    /// The indices that can help with a filter, the quickest to leap through first.
    pub(super) fn of(filter: &HistoryFilter) -> Vec<Self> {
        let helps = [
            (SILENCE, filter.silence.is_some()),
            (KIND, has_kind(filter)),
            (REASON, !filter.reasons.is_empty()),
            (USER, !filter.users.is_empty()),
            (PROJECT, !filter.projects.is_empty()),
        ];
        helps.into_iter().filter(|(_, helps)| *helps).map(|(facets, _)| facets).collect()
    }

    /// Whether its beginnings tell everything that the filter asks, besides times.
    pub(super) fn tells_all(self, filter: &HistoryFilter) -> bool {
        let tells = |column: &str| self.columns.contains(&column);
        let excludes = |is: fn(&Exclusion) -> bool| filter.not.iter().any(is);
        let asks = [
            ("silence_id", filter.silence.is_some()),
            ("project", !filter.projects.is_empty() || excludes(|not| matches!(not, Exclusion::Project(_)))),
            ("user", !filter.users.is_empty() || excludes(|not| matches!(not, Exclusion::User(_)))),
            ("reason", !filter.reasons.is_empty() || excludes(|not| matches!(not, Exclusion::Reason(_)))),
            ("task_name", !filter.tasks.is_empty() || excludes(|not| matches!(not, Exclusion::Task(_)))),
            ("state", has_kind(filter)),
        ];
        asks.into_iter().all(|(column, is_asked)| !is_asked || tells(column))
    }

    /// The beginnings that fit a filter; `None` where there are too many to look at.
    pub(super) fn beginnings(
        self,
        connection: &Connection,
        filter: &HistoryFilter,
    ) -> rusqlite::Result<Option<Vec<Beginning>>> {
        let questions = (0..self.columns.len())
            .map(|column| ["", " AND a.{} IS NOT NULL", " AND a.{} > ?"].map(|behind| self.next(column, behind)));
        let questions = questions.collect();
        let mut leaper = Leaper { connection, facets: self, filter, questions, left: MOST_LEAPS, found: Vec::new() };
        Ok(leaper.leap(&mut Vec::new())?.then_some(leaper.found))
    }

    /// The same index, but only as many columns of it as the filter asks for: fewer beginnings, whose rows are in no order.
    pub(super) fn cut_to(self, filter: &HistoryFilter) -> Self {
        let named = |what: &[String], not: fn(&Exclusion) -> bool| !what.is_empty() || filter.not.iter().any(not);
        let asked = |column: &str| match column {
            "project" => named(&filter.projects, |not| matches!(not, Exclusion::Project(_))),
            "user" => named(&filter.users, |not| matches!(not, Exclusion::User(_))),
            "reason" | "silence_id" => true,
            _ => has_kind(filter),
        };
        let is_last = |column: &&str| !matches!(*column, "project_id" | "user_id") && asked(column);
        let many = self.columns.iter().rposition(is_last).map_or(self.columns.len(), |last| last + 1);
        self.with_columns(many)
    }

    /// The same index, but only so many columns of it.
    pub(super) fn with_columns(self, many: usize) -> Self {
        Self { columns: &self.columns[..many], ..self }
    }

    /// Whether there are more than `most` alerts behind the beginnings.
    pub(super) fn has_more(
        self,
        connection: &Connection,
        beginnings: &[Beginning],
        most: usize,
    ) -> rusqlite::Result<bool> {
        let mut statement =
            connection.prepare_cached(&format!("SELECT count(*) FROM (SELECT 1 FROM {} LIMIT ?)", self.rows()))?;
        let mut left = most + 1;
        for beginning in beginnings {
            let bound = Value::from(count(left));
            let counted: u32 =
                statement.query_row(params_from_iter(beginning.iter().chain([&bound])), |row| row.get(0))?;
            left = left.saturating_sub(counted as usize);
            if left == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The first places behind the beginnings, at most `limit`; `also` is what the beginnings do not tell.
    pub(super) fn first(
        self,
        connection: &Connection,
        beginnings: &[Beginning],
        mut span: Span,
        also: Option<&Conditions>,
        limit: usize,
    ) -> rusqlite::Result<Vec<Place>> {
        let clauses = also.map_or_else(|| "true".to_owned(), Conditions::sql);
        let sql = self.question(&clauses, span.order());
        let mut statement = connection.prepare_cached(&sql)?;
        let mut first: Vec<Place> = Vec::new();
        for beginning in beginnings {
            let also = also.into_iter().flat_map(Conditions::values);
            let values = beginning.iter().cloned().chain(span.values()).chain(also).chain([count(limit).into()]);
            let place = |row: &rusqlite::Row<'_>| Ok(Place { status_changed: stamp(row, 0)?, id: row.get(1)? });
            for found in statement.query_map(params_from_iter(values), place)? {
                first.push(found?);
            }
            span.sort(&mut first);
            first.truncate(limit);
            if let Some(last) = first.last().filter(|_| first.len() == limit) {
                span.end_at(*last);
            }
        }
        Ok(first)
    }

    /// The numbers of all alerts behind the beginnings.
    pub(super) fn all(self, connection: &Connection, beginnings: &[Beginning]) -> rusqlite::Result<Numbers> {
        let mut statement = connection.prepare_cached(&format!("SELECT a.id FROM {}", self.rows()))?;
        let mut numbers = Numbers::default();
        for beginning in beginnings {
            let mut rows = statement.query(params_from_iter(beginning))?;
            while let Some(row) = rows.next()? {
                numbers.insert(row.get(0)?);
            }
        }
        Ok(numbers)
    }

    /// What is asked along the index, for its plans.
    #[cfg(test)]
    pub(super) fn asked(self) -> Vec<(String, Vec<Value>)> {
        let filter = HistoryFilter::default();
        let span = Span::of(&filter, super::history::Order::Newest);
        let values = |columns: usize| vec![Value::from(1); columns];
        let all = self.columns.len();
        let counted: Vec<Value> = values(all).into_iter().chain(span.into_iter().flat_map(Span::values)).collect();
        let first = counted.iter().cloned().chain([50.into()]).collect();
        let mut asked = vec![(self.question("true", "a.status_changed DESC, a.id DESC"), first)];
        asked.extend((0..all).map(|column| (self.next(column, " AND a.{} > ?"), values(column + 1))));
        asked.extend((0..all).map(|column| (self.next(column, ""), values(column))));
        let counting = ["count(*)", self.each_tells()].map(|what| (self.counting(what, span), counted.clone()));
        asked.extend(counting.into_iter().filter(|_| self.has("state")));
        asked
    }

    /// The first rows behind one beginning.
    fn question(self, clauses: &str, order: &str) -> String {
        format!(
            "SELECT a.status_changed, a.id FROM {} AND {} AND {clauses} ORDER BY {order} LIMIT ?",
            self.rows(),
            Span::CLAUSE
        )
    }

    /// The next value of a column; `{}` in `behind` is its name.
    fn next(self, column: usize, behind: &str) -> String {
        let Self { index, columns, holds, .. } = self;
        let (before, name) = (begins(&columns[..column]), columns[column]);
        let behind = behind.replace("{}", name);
        format!(
            "SELECT a.{name} FROM alerts AS a INDEXED BY {index} WHERE {before}{holds}{behind} ORDER BY a.{name} LIMIT 1"
        )
    }

    /// The rows behind one beginning.
    pub(super) fn rows(self) -> String {
        format!("alerts AS a INDEXED BY {} WHERE {}{}", self.index, begins(self.columns), self.holds)
    }
}

fn begins(columns: &[&str]) -> String {
    let each: Vec<String> = columns.iter().map(|column| format!("a.{column} IS ?")).collect();
    if each.is_empty() { "true".to_owned() } else { each.join(" AND ") }
}

fn has_kind(filter: &HistoryFilter) -> bool {
    let HistoryFilter { statuses, states, rules, channels, filters, causes, not, .. } = filter;
    let excluded = not.iter().any(|not| {
        use Exclusion::{Cause, Channel, Filter, Rule, State, Status};
        matches!(not, Status(_) | State(_) | Rule(_) | Channel(_) | Filter(_) | Cause(_))
    });
    let is_empty = statuses.is_empty() && states.is_empty() && rules.is_empty();
    !is_empty || !channels.is_empty() || !filters.is_empty() || !causes.is_empty() || excluded
}

/// Goes from one value of a column to the next, and below each that fits, through the next column.
struct Leaper<'a> {
    connection: &'a Connection,
    facets: Facets,
    filter: &'a HistoryFilter,
    /// For each column: its first value, the first that is not NULL, the next one.
    questions: Vec<[String; 3]>,
    left: u32,
    found: Vec<Beginning>,
}

impl Leaper<'_> {
    /// Whether all were looked at.
    fn leap(&mut self, beginning: &mut Beginning) -> rusqlite::Result<bool> {
        if beginning.len() == self.facets.columns.len() {
            self.found.push(beginning.clone());
            return Ok(true);
        }
        let mut at = None;
        loop {
            if self.left == 0 {
                return Ok(false);
            }
            self.left -= 1;
            let Some(next) = self.next(beginning, at.as_ref())? else { return Ok(true) };
            beginning.push(next);
            let goes_on = !fits(self.filter, self.facets.columns, beginning) || self.leap(beginning)?;
            at = beginning.pop();
            if !goes_on {
                return Ok(false);
            }
        }
    }

    /// The next value of a column behind `at`, or its first.
    fn next(&self, beginning: &[Value], at: Option<&Value>) -> rusqlite::Result<Option<Value>> {
        let [first, first_known, next] = &self.questions[beginning.len()];
        let sql = match at {
            None => first,
            Some(Value::Null) => first_known,
            Some(_) => next,
        };
        let values = beginning.iter().chain(at.filter(|at| **at != Value::Null));
        self.connection.prepare_cached(sql)?.query_row(params_from_iter(values), |row| row.get(0)).optional()
    }
}
