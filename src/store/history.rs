//! What happened: past alerts, filtered, page by page. Keyset paging: a page costs the same, first or last.

use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use super::rows::{count, maybe_stamp, outcome, stamp, word};
use super::{Store, StoreError};
use crate::domain::{AlertRecord, AlertState, Outcome, Stamp};

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

const COLUMNS: &str =
    "a.id, a.rule, a.task_id, a.task_name, a.project, a.user, a.outcome, a.status_changed, a.state, a.reason,
    a.created_at, a.sent_at, a.channel, d.message_ts, a.digest, a.url,
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

    /// The number of the newest alert; 0 where there is none.
    pub fn newest_alert(&self) -> Result<i64, StoreError> {
        self.read_now(|connection| {
            connection.query_row("SELECT coalesce(max(id), 0) FROM alerts", [], |row| row.get(0))
        })
    }
}

fn history(connection: &Connection, filter: &HistoryFilter, order: Order) -> rusqlite::Result<Vec<AlertRecord>> {
    let (sql, values) = question(filter, order);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(rusqlite::params_from_iter(values), alert_record)?;
    rows.collect()
}

/// The query and its values. Only fixed words of this file enter the SQL text.
pub(super) fn question(filter: &HistoryFilter, order: Order) -> (String, Vec<Value>) {
    let mut conditions = Conditions::default();
    conditions.add("a.status_changed >= ?", filter.since.map(|since| since.as_millis().into()));
    conditions.add("a.status_changed < ?", filter.until.map(|until| until.as_millis().into()));
    conditions.add_each("(instr(lower(a.project), lower(?)) > 0 OR a.project_id = ?)", &filter.projects);
    conditions.add_each("(instr(a.task_id, lower(?)) = 1 OR instr(lower(a.task_name), lower(?)) > 0)", &filter.tasks);
    conditions.add_each("(instr(lower(a.user), lower(?)) > 0 OR a.user_id = ?)", &filter.users);
    conditions.add_any_of("a.outcome", filter.statuses.iter().map(|status| status.as_str()));
    conditions.add_any_of("a.state", filter.states.iter().map(|state| state.as_str()));
    conditions.add_any_of("a.rule", filter.rules.iter().map(String::as_str));
    conditions
        .add_any_of("ltrim(a.channel, '#')", filter.channels.iter().map(|channel| channel.trim_start_matches('#')));
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
    let Conditions { clauses, mut values } = conditions;
    let clauses = if clauses.is_empty() { "true".to_owned() } else { clauses.join(" AND ") };
    values.push(count(filter.limit).into());
    let sql = format!(
        "SELECT {COLUMNS} FROM alerts AS a LEFT JOIN deliveries AS d ON d.id = a.delivery_id WHERE {clauses} ORDER BY {order} LIMIT ?"
    );
    (sql, values)
}

/// A query for rows of history with `more` columns.
pub(super) fn alerts_where(more: &'static str, clause: &'static str, order: &'static str) -> String {
    format!(
        "SELECT {COLUMNS}, {more} FROM alerts AS a LEFT JOIN deliveries AS d ON d.id = a.delivery_id WHERE {clause} ORDER BY {order}"
    )
}

#[derive(Default)]
struct Conditions {
    clauses: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    fn add(&mut self, clause: &'static str, value: Option<Value>) {
        if let Some(value) = value {
            self.clauses.push(clause.to_owned());
            self.values.push(value);
        }
    }

    fn add_place(&mut self, clause: &'static str, place: Place) {
        self.clauses.push(clause.to_owned());
        self.values.extend([place.status_changed.as_millis().into(), place.id.into()]);
    }

    /// Any of `values` may match a clause in which each stands twice.
    fn add_each(&mut self, clause: &'static str, values: &[String]) {
        if values.is_empty() {
            return;
        }
        self.clauses.push(format!("({})", vec![clause; values.len()].join(" OR ")));
        let twice = values.iter().flat_map(|value| [value, value]);
        self.values.extend(twice.map(|value| value.clone().into()));
    }

    fn add_any_of<'a>(&mut self, column: &'static str, words: impl Iterator<Item = &'a str>) {
        let words: Vec<Value> = words.map(|word| word.to_owned().into()).collect();
        if !words.is_empty() {
            let marks = vec!["?"; words.len()].join(", ");
            self.clauses.push(format!("{column} IN ({marks})"));
            self.values.extend(words);
        }
    }
}

pub(super) fn alert_record(row: &Row<'_>) -> rusqlite::Result<AlertRecord> {
    Ok(AlertRecord {
        id: row.get("id")?,
        rule: row.get("rule")?,
        task_id: row.get("task_id")?,
        task_name: row.get("task_name")?,
        project: row.get("project")?,
        user: row.get("user")?,
        status: outcome(row, "outcome")?,
        status_changed: stamp(row, "status_changed")?,
        state: word(row, "state", AlertState::parse)?,
        reason: row.get("reason")?,
        created_at: stamp(row, "created_at")?,
        sent_at: maybe_stamp(row, "sent_at")?,
        attempts: row.get("attempts")?,
        channel: row.get("channel")?,
        message_ts: row.get("message_ts")?,
        digest: row.get("digest")?,
        url: row.get("url")?,
    })
}
