//! What a page of history costs, by any of its filters: by the plans that SQLite makes, and in steps of its machine. The
//! first page and the last cost the same, after a short history and after a long one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::{Connection, params_from_iter};
use tempfile::TempDir;

use super::facets::Facets;
use super::history::{history, question};
use super::tallies::TALLIES;
use super::{Access, Exclusion, GroupBy, HistoryFilter, Order, Place, Store, lateness, scan, statistics};
use crate::domain::{AlertState, Cause, Filter, Outcome, Stamp};

/// The generator of the benchmark.
const MANY_ALERTS: &str = include_str!("../../benches/many_alerts.sql");

fn with_alerts(rows: u32) -> (TempDir, Store) {
    let directory = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
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
    let project = |text: &str| HistoryFilter { projects: some(text), ..all() };
    let task = |text: &str| HistoryFilter { tasks: some(text), ..all() };
    let mut filters = vec![
        ("nothing", all()),
        ("a large project", project("project 0")),
        ("many projects", project("team")),
        ("a project by ID", project("p3")),
        ("no such project", project("nowhere")),
        ("a user", HistoryFilter { users: some("person 7"), ..all() }),
        ("a rule", HistoryFilter { rules: some("nightly"), ..all() }),
        ("no such rule", HistoryFilter { rules: some("nobody's"), ..all() }),
        ("a channel", HistoryFilter { channels: some("#ml-alerts"), ..all() }),
        ("no such channel", HistoryFilter { channels: some("elsewhere"), ..all() }),
        ("a filter", HistoryFilter { filters: vec![Filter::Iterations], ..all() }),
        ("a filter that kept nothing quiet", HistoryFilter { filters: vec![Filter::Archived], ..all() }),
        ("a reason", HistoryFilter { reasons: some("AT LEAST"), ..all() }),
        ("no such reason", HistoryFilter { reasons: some("at most"), ..all() }),
        ("a cause", HistoryFilter { causes: vec![Cause::CudaOutOfMemory], ..all() }),
        ("causes", HistoryFilter { causes: vec![Cause::Crash, Cause::AbortedByUser], ..all() }),
        ("no such cause", HistoryFilter { causes: vec![Cause::NonResponsive], ..all() }),
        ("not the cause", HistoryFilter { not: vec![Exclusion::Cause(Cause::Crash)], ..all() }),
        ("a silence", HistoryFilter { silence: Some(1), ..all() }),
        ("an outcome", HistoryFilter { statuses: vec![Outcome::Stopped], ..all() }),
        ("all outcomes", HistoryFilter { statuses: Outcome::ALL.to_vec(), ..all() }),
        ("a project and a state", HistoryFilter { states: vec![AlertState::Sent], ..project("project 0") }),
        ("a project and no state of it", HistoryFilter { states: vec![AlertState::Pending], ..project("project 0") }),
        (
            "two that never meet",
            HistoryFilter { states: vec![AlertState::Dead], statuses: vec![Outcome::Stopped], ..all() },
        ),
        ("a name that all have", task("resnet50")),
        ("a name that few have", task("run 1999")),
        ("a name that nobody has", task("nowhere")),
        ("a name of two letters", task("ru")),
        ("a name of one letter", task("1")),
        ("two letters that nobody has", task("zz")),
        ("two letters that few have", task("9a")),
        ("an ID", task("0000000000000000000000000000012")),
        ("a common name and a rare state", HistoryFilter { states: vec![AlertState::Dead], ..task("RUN") }),
        ("a common name and a common user", HistoryFilter { users: some("Person 3"), ..task("run") }),
        ("not the project", HistoryFilter { not: vec![Exclusion::Project("project 0".to_owned())], ..all() }),
        (
            "not the states, not the user",
            HistoryFilter {
                not: vec![
                    Exclusion::State(AlertState::Sent),
                    Exclusion::State(AlertState::Held),
                    Exclusion::Filter(Filter::Iterations),
                    Exclusion::User("Person 7".to_owned()),
                ],
                ..all()
            },
        ),
        (
            "not the reason, not the rule, not the channel",
            HistoryFilter {
                statuses: vec![Outcome::Failed],
                not: vec![
                    Exclusion::Reason("iterations".to_owned()),
                    Exclusion::Rule("default".to_owned()),
                    Exclusion::Channel("ml-other".to_owned()),
                    Exclusion::Status(Outcome::Completed),
                    Exclusion::Task("run 17".to_owned()),
                ],
                ..all()
            },
        ),
        ("an old name", task("run 1")),
        ("an old name and a rare state", HistoryFilter { states: vec![AlertState::Dead], ..task("run 1") }),
        ("an old name and a common outcome", HistoryFilter { statuses: vec![Outcome::Failed], ..task("run 1") }),
        (
            "a project in the middle",
            HistoryFilter {
                since: Some(Stamp::from_millis(1_790_006_000_000)),
                until: Some(Stamp::from_millis(1_790_009_900_000)),
                ..project("project 15")
            },
        ),
        (
            "a day",
            HistoryFilter {
                since: Some(Stamp::from_millis(1_790_000_300_000)),
                until: Some(Stamp::from_millis(1_790_003_000_000)),
                ..project("project 1")
            },
        ),
    ];
    filters.extend(AlertState::ALL.map(|state| (state.as_str(), HistoryFilter { states: vec![state], ..all() })));
    filters
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

/// How many hundreds of steps SQLite's machine makes for a page, over all its questions.
fn steps(connection: &Connection, filter: &HistoryFilter, order: Order) -> u32 {
    steps_of(connection, |connection| drop(history(connection, filter, order).unwrap()))
}

fn steps_of(connection: &Connection, ask: impl FnOnce(&Connection)) -> u32 {
    let looks = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&looks);
    let count = move || {
        counter.fetch_add(1, Ordering::Relaxed);
        false
    };
    connection.progress_handler(100, Some(count)).unwrap();
    ask(connection);
    connection.progress_handler(0, None::<fn() -> bool>).unwrap();
    looks.load(Ordering::Relaxed)
}

#[test]
fn a_page_is_read_along_an_index() {
    let (_directory, store) = with_alerts(2_000);
    let connection = store.connection().unwrap();
    for (what, filter) in filters() {
        for facets in Facets::of(&filter) {
            for (sql, values) in facets.asked() {
                let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
                let lines =
                    statement.query_map(params_from_iter(values), |row| row.get::<_, String>("detail")).unwrap();
                let lines: Vec<String> = lines.map(Result::unwrap).collect();
                // Not one row of the table is read, and nothing is sorted.
                assert!(lines.len() == 1 && lines[0].contains("USING COVERING INDEX"), "{what}: {sql}: {lines:#?}");
            }
        }
    }
}

#[test]
fn counts_read_indices_alone() {
    let (_directory, store) = with_alerts(2_000);
    let connection = store.connection().unwrap();
    let plan = |sql: &str, values: Vec<rusqlite::types::Value>| -> Vec<String> {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let lines = statement.query_map(params_from_iter(values), |row| row.get("detail")).unwrap();
        lines.map(Result::unwrap).collect()
    };
    let times = HistoryFilter { since: Some(Stamp::EPOCH), until: Some(Stamp::EPOCH), ..HistoryFilter::default() };
    let by_day = vec!["rule".to_owned().into(), 1.into(), 2.into()];
    assert_eq!(plan(TALLIES, by_day), ["SEARCH tallies USING PRIMARY KEY (of=? AND day>? AND day<?)"]);
    for filter in [times.clone(), HistoryFilter { statuses: vec![Outcome::Failed, Outcome::Stuck], ..times.clone() }] {
        let (sql, values) = lateness::question(&filter, 100, 5);
        let along = "SEARCH a USING COVERING INDEX alerts_late (<expr>>? AND <expr><?)";
        assert_eq!(plan(&sql, values), [along]);
    }
    for by in [GroupBy::Project, GroupBy::User, GroupBy::Cause, GroupBy::Rule, GroupBy::Day] {
        let asks = HistoryFilter {
            projects: some("p"),
            users: some("u"),
            channels: some("c"),
            rules: some("r"),
            ..times.clone()
        };
        let (sql, values) = scan::asked(&asks, by);
        let along = "SEARCH a USING COVERING INDEX alerts_counted (status_changed>? AND status_changed<?)";
        assert_eq!(plan(&sql, values), [along], "{by:?}");
    }
}

/// Counts cost what there are days and names, and not what there are alerts.
#[test]
fn no_count_costs_more_after_a_long_history() {
    let (_short_directory, short) = with_alerts(4_000);
    let (_long_directory, long) = with_alerts(40_000);
    let all = || HistoryFilter { limit: 50, ..HistoryFilter::default() };
    // Ten minutes after a midnight of which the longer one knows: alerts of ten minutes are taken off its day.
    let within = || HistoryFilter { since: Some(Stamp::from_millis(20_718 * 86_400_000 + 600_000)), ..all() };
    let failed = |filter| HistoryFilter { statuses: vec![Outcome::Failed], ..filter };
    for filter in [all(), within(), failed(all()), failed(within())] {
        for by in [Some(GroupBy::Project), Some(GroupBy::Day), Some(GroupBy::Cause), Some(GroupBy::State), None] {
            let count = |store: &Store| {
                let connection = store.connection().unwrap();
                steps_of(&connection, |connection| match by {
                    Some(by) => drop(statistics::groups(connection, &filter, by).unwrap()),
                    None => drop(statistics::statistics(connection, &filter).unwrap()),
                })
            };
            let (few, many) = (count(&short), count(&long));
            assert!(many <= 2 * few + 600, "{by:?} {filter:?}: {few} hundred steps, then {many}");
        }
    }
}

#[test]
fn no_page_costs_more_after_a_long_history() {
    let (_short_directory, short) = with_alerts(4_000);
    let (_long_directory, long) = with_alerts(40_000);
    let (short, long) = (short.connection().unwrap(), long.connection().unwrap());
    for (what, filter) in filters() {
        // What no index can find is read from the newest on; what is common in itself is counted, a few steps an alert.
        let reads_all = [
            "a common name and a common user",
            "an old name",
            "an old name and a rare state",
            "an old name and a common outcome",
        ]
        .contains(&what);
        for order in pages() {
            let (few, many) = (steps(&short, &filter, order), steps(&long, &filter, order));
            // A filter that has not enough rows for a page yet may still grow to one.
            let bound = if reads_all { 10 * few + 10_000 } else { 2 * few + 600 };
            assert!(many <= bound, "{what} {order:?}: {few} hundred steps after 4,000 alerts, {many} after 40,000");
        }
    }
}

#[test]
fn a_page_that_is_searched_for_is_the_page() {
    // So many that a name can be common and yet not be among the newest.
    let (_directory, store) = with_alerts(25_000);
    let connection = store.connection().unwrap();
    for (what, filter) in filters() {
        for order in pages() {
            let found: Vec<i64> = store.history(&filter, order).unwrap().iter().map(|alert| alert.id).collect();
            let (sql, values) = question(&filter, order);
            let mut statement = connection.prepare(&sql).unwrap();
            let rows = statement.query_map(params_from_iter(values), |row| row.get("id")).unwrap();
            let expected: Vec<i64> = rows.map(Result::unwrap).collect();
            assert_eq!(found, expected, "{what} {order:?}");
        }
    }
}
