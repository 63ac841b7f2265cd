//! What happened: past alerts, filtered, page by page. Keyset paging: a page costs the same, first or last.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row};

use super::conditions::Conditions;
use super::exclusion::Exclusion;
use super::rows::{count, maybe_cause, maybe_stamp, outcome, stamp, word};
use super::search;
use super::span::Span;
use super::{Store, StoreError};
use crate::domain::{AlertRecord, AlertState, Cause, Filter, Outcome, Stamp};

/// Which alerts to tell of. Empty fields filter nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Outcomes stamped at or after this.
    pub since: Option<Stamp>,
    /// Outcomes stamped before this.
    pub until: Option<Stamp>,
    /// Parts of the project's name, case ignored, or its ID.
    pub projects: Vec<String>,
    /// Starts of a task's ID, or parts of its name, case ignored.
    pub tasks: Vec<String>,
    /// Parts of the user's name, case ignored, or their ID.
    pub users: Vec<String>,
    /// Outcomes.
    pub statuses: Vec<Outcome>,
    /// States.
    pub states: Vec<AlertState>,
    /// Rules' names.
    pub rules: Vec<String>,
    /// Channels, with or without `#`.
    pub channels: Vec<String>,
    /// Parts of the reason, case ignored.
    pub reasons: Vec<String>,
    /// Filters that kept alerts quiet.
    pub filters: Vec<Filter>,
    /// Why the tasks ended.
    pub causes: Vec<Cause>,
    /// The silence that kept alerts quiet.
    pub silence: Option<i64>,
    /// What is left out, each by itself.
    pub not: Vec<Exclusion>,
    /// At most so many rows.
    pub limit: usize,
}

/// Where a page of history begins and which way it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Newest outcome first.
    Newest,
    /// Newest outcome first, beginning behind that place.
    OlderThan(Place),
    /// Oldest outcome first, beginning behind that place.
    NewerThan(Place),
    /// Oldest outcome first.
    Oldest,
    /// In the order of recording, after alert number so-and-so: what `--follow` reads.
    RecordedAfter(i64),
}

/// Where an alert stands in the order of outcomes: pages begin behind one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The alert's outcome was stamped then.
    pub status_changed: Stamp,
    /// The alert's number.
    pub id: i64,
}

/// So many alerts are looked through before an index is chosen.
const NEAR: usize = 1_000;

const COLUMNS: &str = "a.id, a.rule, a.task_id, a.task_name, a.project, a.user, a.outcome, a.status_changed, a.state,
    coalesce(a.reason || '; ' || a.detour, a.reason, a.detour) AS reason,
    a.created_at, a.sent_at, a.channel, d.message_ts, a.digest, a.url, a.cause, a.cause_detail,
    (SELECT coalesce(sum(told.tries), 0) FROM tellings AS t JOIN deliveries AS told ON told.id = t.delivery_id
     WHERE t.alert_id = a.id) AS attempts";

impl Store {
    /// Past alerts.
    pub fn history(&self, filter: &HistoryFilter, order: Order) -> Result<Vec<AlertRecord>, StoreError> {
        self.read_now(|connection| history(connection, filter, order))
    }

    /// [`Store::history`] on the blocking pool.
    pub async fn history_page(&self, filter: HistoryFilter, order: Order) -> Result<Vec<AlertRecord>, StoreError> {
        self.read(move |connection| history(connection, &filter, order)).await
    }

    /// Where an alert stands in the order of outcomes; `None` where there is no such number.
    pub fn place_of(&self, alert: i64) -> Result<Option<Place>, StoreError> {
        self.read_now(|connection| {
            let sql = "SELECT status_changed FROM alerts WHERE id = ?1";
            let place = |row: &Row<'_>| Ok(Place { status_changed: stamp(row, 0)?, id: alert });
            connection.query_row(sql, [alert], place).optional()
        })
    }

    /// The number of the newest alert; 0 where there is none.
    pub fn newest_alert(&self) -> Result<i64, StoreError> {
        self.read_now(|connection| {
            connection.query_row("SELECT coalesce(max(id), 0) FROM alerts", [], |row| row.get(0))
        })
    }
}

pub(super) fn history(
    connection: &Connection,
    filter: &HistoryFilter,
    order: Order,
) -> rusqlite::Result<Vec<AlertRecord>> {
    let Some(span) = Span::of(filter, order).filter(|_| Conditions::of(filter) != Conditions::of_range(filter)) else {
        return ask(connection, question(filter, order));
    };
    // What matches often is found among the nearest alerts, whatever the filters; what matches seldom is worth a search.
    let near = ask(connection, question_near(filter, order))?;
    if near.len() >= filter.limit || !span.has_more(connection, NEAR)? {
        return Ok(near);
    }
    match search::page(connection, filter, span)? {
        Some(places) => ask(connection, question_of(&places, span)),
        None => ask(connection, question(filter, order)),
    }
}

fn ask(connection: &Connection, (sql, values): (String, Vec<Value>)) -> rusqlite::Result<Vec<AlertRecord>> {
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(rusqlite::params_from_iter(values), alert_record)?;
    rows.collect()
}

/// The query that looks through the nearest alerts alone: when it finds a whole page, that is the page.
fn question_near(filter: &HistoryFilter, order: Order) -> (String, Vec<Value>) {
    let range = HistoryFilter { since: filter.since, until: filter.until, ..HistoryFilter::default() };
    let (near, order) = page_of(&range, order);
    let conditions = Conditions::of(filter);
    let sql = format!(
        "SELECT {COLUMNS} FROM (SELECT * FROM alerts AS a WHERE {} ORDER BY {order} LIMIT {NEAR}) AS a
         LEFT JOIN deliveries AS d ON d.id = a.delivery_id WHERE {} ORDER BY {order} LIMIT ?",
        near.sql(),
        conditions.sql()
    );
    (sql, near.values().chain(conditions.values()).chain([count(filter.limit).into()]).collect())
}

/// The conditions of a page, and the order of its rows.
fn page_of(filter: &HistoryFilter, order: Order) -> (Conditions, &'static str) {
    let mut conditions = Conditions::of(filter);
    let newest = "a.status_changed DESC, a.id DESC";
    let oldest = "a.status_changed, a.id";
    let order = match order {
        Order::Newest => newest,
        Order::Oldest => oldest,
        Order::OlderThan(place) => {
            conditions.add_place("(a.status_changed, a.id) < (?, ?)", place);
            newest
        }
        Order::NewerThan(place) => {
            conditions.add_place("(a.status_changed, a.id) > (?, ?)", place);
            oldest
        }
        Order::RecordedAfter(id) => {
            conditions.add("a.id > ?", Some(id.into()));
            "a.id"
        }
    };
    (conditions, order)
}

/// The query that reads alerts one after the other until there are enough, and its values.
pub(super) fn question(filter: &HistoryFilter, order: Order) -> (String, Vec<Value>) {
    let (conditions, order) = page_of(filter, order);
    let clauses = conditions.sql();
    let sql = format!(
        "SELECT {COLUMNS} FROM alerts AS a LEFT JOIN deliveries AS d ON d.id = a.delivery_id WHERE {clauses} ORDER BY {order} LIMIT ?"
    );
    (sql, conditions.values().chain([count(filter.limit).into()]).collect())
}

/// The query for the alerts at some places, in the order of a page.
fn question_of(places: &[Place], span: Span) -> (String, Vec<Value>) {
    let sql = format!(
        "SELECT {COLUMNS} FROM alerts AS a LEFT JOIN deliveries AS d ON d.id = a.delivery_id
         WHERE a.id IN (SELECT value FROM json_each(?)) ORDER BY {}",
        span.order()
    );
    let numbers: Vec<i64> = places.iter().map(|place| place.id).collect();
    (sql, vec![search::numbers_as_json(&numbers).into()])
}

/// A query for rows of history with `more` columns.
pub(super) fn alerts_where(more: &'static str, clause: &'static str, order: &'static str) -> String {
    format!(
        "SELECT {COLUMNS}, {more} FROM alerts AS a LEFT JOIN deliveries AS d ON d.id = a.delivery_id WHERE {clause} ORDER BY {order}"
    )
}

/// Reads the columns by their places in `COLUMNS`: a page of rows looks up a thousand of them.
pub(super) fn alert_record(row: &Row<'_>) -> rusqlite::Result<AlertRecord> {
    Ok(AlertRecord {
        id: row.get(0)?,
        rule: row.get(1)?,
        task_id: row.get(2)?,
        task_name: row.get(3)?,
        project: row.get(4)?,
        user: row.get(5)?,
        status: outcome(row, "outcome")?,
        status_changed: stamp(row, 7)?,
        state: word(row, "state", AlertState::parse)?,
        reason: row.get(9)?,
        created_at: stamp(row, 10)?,
        sent_at: maybe_stamp(row, 11)?,
        channel: row.get(12)?,
        message_ts: row.get(13)?,
        digest: row.get(14)?,
        url: row.get(15)?,
        cause: maybe_cause(row)?,
        cause_detail: row.get(17)?,
        attempts: row.get(18)?,
    })
}
