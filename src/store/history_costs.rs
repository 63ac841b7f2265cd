//! What a page of history costs, by any of its filters: by the plan that SQLite makes, and in steps of its machine. The
//! first page and the last cost the same, after a short history and after a long one.

use rusqlite::{Connection, StatementStatus, params_from_iter};
use tempfile::TempDir;

use super::driver;
use super::history::{question, question_along, question_near};
use super::{Access, HistoryFilter, Order, Place, Store};
use crate::domain::{AlertState, Cause, Outcome, Stamp};

/// The generator of the benchmark.
const MANY_ALERTS: &str = include_str!("../../benches/many_alerts.sql");

fn with_alerts(rows: u32) -> (TempDir, Store) {
    let directory = TempDir::new().unwrap();
    let access = Access::Own { wait: std::time::Duration::ZERO };
    let store = Store::open(&directory.path().join("alerts.db"), access, "i").unwrap();
    store.write_now(|tx| tx.execute_batch(&MANY_ALERTS.replace("{rows}", &rows.to_string()))).unwrap();
    (directory, store)
}

fn some(text: &str) -> Vec<String> {
    vec![text.to_owned()]
}

fn filters() -> Vec<(&'static str, HistoryFilter)> {
    let all = || HistoryFilter { limit: 50, ..HistoryFilter::default() };
    let mut filters = vec![
        ("nothing", all()),
        ("a large project", HistoryFilter { projects: some("project 0"), ..all() }),
        ("many projects", HistoryFilter { projects: some("team"), ..all() }),
        ("a project by ID", HistoryFilter { projects: some("p3"), ..all() }),
        ("no such project", HistoryFilter { projects: some("nowhere"), ..all() }),
        ("a user", HistoryFilter { users: some("person 7"), ..all() }),
        ("a rule", HistoryFilter { rules: some("nightly"), ..all() }),
        ("no such rule", HistoryFilter { rules: some("nobody's"), ..all() }),
        ("a silence", HistoryFilter { silence: Some(1), ..all() }),
        ("a cause", HistoryFilter { causes: vec![Cause::CudaOutOfMemory], ..all() }),
        ("causes", HistoryFilter { causes: vec![Cause::Crash, Cause::AbortedByUser], ..all() }),
        ("no such cause", HistoryFilter { causes: vec![Cause::NonResponsive], ..all() }),
        ("an outcome", HistoryFilter { statuses: vec![Outcome::Stopped], ..all() }),
        ("all outcomes", HistoryFilter { statuses: Outcome::ALL.to_vec(), ..all() }),
        (
            "a project and a state",
            HistoryFilter { projects: some("project 0"), states: vec![AlertState::Sent], ..all() },
        ),
    ];
    filters.extend(AlertState::ALL.map(|state| (state.as_str(), HistoryFilter { states: vec![state], ..all() })));
    filters
}

/// The query of a page as `Store::history` asks it.
fn asked(connection: &Connection, filter: &HistoryFilter, order: Order) -> (String, Vec<rusqlite::types::Value>) {
    match driver::choose(connection, filter).unwrap() {
        Some(driver) => question_along(&driver, filter, order),
        None => question(filter, order),
    }
}

/// The steps of a page: through the nearest alerts, and where those are not enough, along an index.
fn steps(connection: &Connection, filter: &HistoryFilter, order: Order) -> i32 {
    let (found, near) = run(connection, question_near(filter, order));
    if found >= filter.limit { near } else { near + run(connection, asked(connection, filter, order)).1 }
}

/// How many rows a query brings, and its steps.
fn run(connection: &Connection, (sql, values): (String, Vec<rusqlite::types::Value>)) -> (usize, i32) {
    let mut statement = connection.prepare(&sql).unwrap();
    let mut rows = statement.query(params_from_iter(values)).unwrap();
    let mut found = 0;
    while rows.next().unwrap().is_some() {
        found += 1;
    }
    drop(rows);
    (found, statement.get_status(StatementStatus::VmStep))
}

fn pages() -> [Order; 4] {
    let place = |millis| Place { status_changed: Stamp::from_millis(millis), id: 1 };
    [
        Order::Newest,
        Order::Oldest,
        Order::OlderThan(place(1_790_000_400_000)),
        Order::NewerThan(place(1_790_000_400_000)),
    ]
}

#[test]
fn a_page_is_read_along_an_index() {
    let (_directory, store) = with_alerts(2_000);
    let connection = store.connection().unwrap();
    for (what, filter) in filters() {
        for order in pages() {
            let (sql, values) = asked(&connection, &filter, order);
            if values.len() <= 1 && sql.contains("IN ()") {
                continue;
            }
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let lines = statement.query_map(params_from_iter(values), |row| row.get::<_, String>("detail")).unwrap();
            let lines: Vec<String> = lines.map(Result::unwrap).collect();
            let walks = lines.iter().any(|line| line.starts_with("SCAN a") && !line.contains("alerts_newest"));
            assert!(!walks, "{what} {order:?}: {lines:#?}");
        }
    }
}

#[test]
fn no_page_costs_more_after_a_long_history() {
    let (_short_directory, short) = with_alerts(4_000);
    let (_long_directory, long) = with_alerts(40_000);
    let (short, long) = (short.connection().unwrap(), long.connection().unwrap());
    for (what, filter) in filters() {
        for order in pages() {
            let (few, many) = (steps(&short, &filter, order), steps(&long, &filter, order));
            // A filter that has not enough rows for a page yet may still grow to one.
            let bound = 2 * few + 20_000;
            assert!(many <= bound, "{what} {order:?}: {few} steps after 4,000 alerts, {many} after 40,000");
        }
    }
}

#[test]
fn a_page_read_along_an_index_is_the_page() {
    let (_directory, store) = with_alerts(3_000);
    for (what, filter) in filters() {
        for order in pages() {
            let found: Vec<i64> = store.history(&filter, order).unwrap().iter().map(|alert| alert.id).collect();
            let (sql, values) = question(&filter, order);
            let connection = store.connection().unwrap();
            let mut statement = connection.prepare(&sql).unwrap();
            let rows = statement.query_map(params_from_iter(values), |row| row.get("id")).unwrap();
            let expected: Vec<i64> = rows.map(Result::unwrap).collect();
            assert_eq!(found, expected, "{what} {order:?}");
        }
    }
}
