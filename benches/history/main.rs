//! What `history` costs on a database of 1,000,000 alerts (or as many as `ALERTS` says): `cargo bench --bench history`.
//! Prints milliseconds a query, first page and last, milliseconds a page of the status page over HTTP, and what the indices
//! cost when alerts are written.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark ends where something is wrong, prints, and is configured by a variable"
)]

mod pages;

use std::time::{Duration, Instant};

use clearml_alerts::domain::{AlertState, Cause, Filter, Outcome, Stamp};
use clearml_alerts::store::{Access, Exclusion, GroupBy, HistoryFilter, Order, Place, Store};

const MANY_ALERTS: &str = include_str!("../many_alerts.sql");
const RUNS: usize = 5;
/// Indices that only pages of history need.
const OF_HISTORY: [&str; 16] = [
    "INDEX alerts_by_project",
    "INDEX alerts_by_user",
    "INDEX alerts_by_kind",
    "INDEX alerts_by_reason",
    "INDEX alerts_counted",
    "INDEX alerts_late",
    "TRIGGER alert_named",
    "TRIGGER alerts_named",
    "TABLE alert_name_threes",
    "TABLE alert_names",
    "TABLE alert_names_added",
    "TRIGGER alert_counted",
    "TRIGGER alert_counted_anew",
    "TRIGGER alert_uncounted",
    "VIEW tallied",
    "TABLE tallies",
];

fn main() {
    let alerts: u32 = std::env::var("ALERTS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alerts.db");
    let store = Store::open(&path, Access::Own { wait: Duration::ZERO }, "bench").unwrap();
    let started = Instant::now();
    store.write_now(|tx| tx.execute_batch(&MANY_ALERTS.replace("{rows}", &alerts.to_string()))).unwrap();
    let size = std::fs::metadata(&path).unwrap().len() / 1_000_000;
    println!("{alerts} alerts in {size} MB, written in {:.1} s\n", started.elapsed().as_secs_f64());
    println!("{:<40}{:>12}{:>12}", "page of 50", "first (ms)", "last (ms)");
    for (what, filter) in filters() {
        let first = median(|| drop(store.history(&filter, Order::Newest).unwrap()));
        let oldest = store.history(&filter, Order::Oldest).unwrap();
        let behind = oldest.last().map_or(Order::Oldest, |alert| {
            Order::OlderThan(Place { status_changed: alert.status_changed, id: alert.id })
        });
        let last = median(|| drop(store.history(&filter, behind).unwrap()));
        println!("{what:<40}{first:>12.2}{last:>12.2}");
    }
    println!("\n{:<54}{:>12}", "counts", "ms");
    for (what, filter, by) in counts(alerts) {
        let taken = median(|| match by {
            Some(by) => drop(store.groups(&filter, by).unwrap()),
            None => drop(store.statistics(&filter).unwrap()),
        });
        println!("{what:<54}{taken:>12.1}");
    }
    pages::measure(&path, store.clone(), alerts);
    println!();
    let with = writing(&store, alerts);
    store.write_now(|tx| OF_HISTORY.iter().try_for_each(|index| tx.execute_batch(&format!("DROP {index}")))).unwrap();
    let without = writing(&store, alerts + 1_000_000);
    println!("500 alerts in one transaction: {with:.1} ms with the indices of history, {without:.1} ms without");
}

fn counts(alerts: u32) -> Vec<(&'static str, HistoryFilter, Option<GroupBy>)> {
    let all = || HistoryFilter { limit: 50, ..HistoryFilter::default() };
    let some = |text: &str| vec![text.to_owned()];
    // None of these begins or ends with a day.
    let share = |of: i64| Some(Stamp::from_millis(1_790_000_000_000 + i64::from(alerts) * of));
    let tenth = || HistoryFilter { since: share(2_700), ..all() };
    let middle = || HistoryFilter { since: share(300), until: share(2_700), ..all() };
    let large = || HistoryFilter { projects: some("project 0"), ..all() };
    let user = || HistoryFilter { users: some("Person 7"), ..all() };
    let failed = || HistoryFilter { statuses: vec![Outcome::Failed], ..all() };
    vec![
        ("--group-by project", all(), Some(GroupBy::Project)),
        ("--group-by user", all(), Some(GroupBy::User)),
        ("--group-by cause", all(), Some(GroupBy::Cause)),
        ("--group-by state", all(), Some(GroupBy::State)),
        ("--group-by day", all(), Some(GroupBy::Day)),
        ("--stats", all(), None),
        ("--group-by project, a tenth", tenth(), Some(GroupBy::Project)),
        ("--group-by day, a tenth", tenth(), Some(GroupBy::Day)),
        ("--stats, a tenth", tenth(), None),
        ("--group-by project, all but the ends", middle(), Some(GroupBy::Project)),
        ("--stats, all but the ends", middle(), None),
        ("--group-by project --status failed", failed(), Some(GroupBy::Project)),
        ("--stats --status failed", failed(), None),
        ("--group-by day --project, the largest", large(), Some(GroupBy::Day)),
        ("--group-by day --user", user(), Some(GroupBy::Day)),
        ("--group-by user --project, the largest", large(), Some(GroupBy::User)),
        ("--stats --project, the largest", large(), None),
        ("--stats --user", user(), None),
        (
            "--group-by project --task, one of all",
            HistoryFilter { tasks: some("run 765432"), ..all() },
            Some(GroupBy::Project),
        ),
        ("--group-by project --user", user(), Some(GroupBy::Project)),
        (
            "--group-by project --rule nightly (reads all)",
            HistoryFilter { rules: some("nightly"), ..all() },
            Some(GroupBy::Project),
        ),
    ]
}

fn filters() -> Vec<(&'static str, HistoryFilter)> {
    let all = || HistoryFilter { limit: 50, ..HistoryFilter::default() };
    let some = |text: &str| vec![text.to_owned()];
    vec![
        ("(no filter)", all()),
        ("--project, the largest", HistoryFilter { projects: some("project 0"), ..all() }),
        ("--project, a small one", HistoryFilter { projects: some("project 150"), ..all() }),
        ("--project, all 200", HistoryFilter { projects: some("team"), ..all() }),
        ("--project, unknown", HistoryFilter { projects: some("nowhere"), ..all() }),
        ("--user", HistoryFilter { users: some("Person 7"), ..all() }),
        ("--status failed", HistoryFilter { statuses: vec![Outcome::Failed], ..all() }),
        ("--status stopped", HistoryFilter { statuses: vec![Outcome::Stopped], ..all() }),
        ("--state sent", HistoryFilter { states: vec![AlertState::Sent], ..all() }),
        ("--state dead", HistoryFilter { states: vec![AlertState::Dead], ..all() }),
        ("--state pending (none)", HistoryFilter { states: vec![AlertState::Pending], ..all() }),
        ("--rule nightly", HistoryFilter { rules: some("nightly"), ..all() }),
        ("--rule, unknown", HistoryFilter { rules: some("nobody's"), ..all() }),
        ("--silence 1", HistoryFilter { silence: Some(1), ..all() }),
        ("--channel", HistoryFilter { channels: some("ml-alerts"), ..all() }),
        ("--channel, unknown", HistoryFilter { channels: some("elsewhere"), ..all() }),
        ("--reason", HistoryFilter { reasons: some("at least"), ..all() }),
        ("--reason, unknown", HistoryFilter { reasons: some("at most"), ..all() }),
        ("--cause crash", HistoryFilter { causes: vec![Cause::Crash], ..all() }),
        ("--cause, none of them", HistoryFilter { causes: vec![Cause::NonResponsive], ..all() }),
        ("--filter iterations", HistoryFilter { filters: vec![Filter::Iterations], ..all() }),
        (
            "--state suppressed --status completed",
            HistoryFilter { states: vec![AlertState::Suppressed], statuses: vec![Outcome::Completed], ..all() },
        ),
        (
            "--state dead --status stopped (none)",
            HistoryFilter { states: vec![AlertState::Dead], statuses: vec![Outcome::Stopped], ..all() },
        ),
        (
            "--project --state pending (none)",
            HistoryFilter { projects: some("project 0"), states: vec![AlertState::Pending], ..all() },
        ),
        (
            "--project --user --state dead",
            HistoryFilter {
                projects: some("project 0"),
                users: some("Person 7"),
                states: vec![AlertState::Dead],
                ..all()
            },
        ),
        (
            "--not state, three of four",
            HistoryFilter {
                not: [AlertState::Sent, AlertState::Suppressed, AlertState::Held].map(Exclusion::State).to_vec(),
                ..all()
            },
        ),
        (
            "--project --state dead",
            HistoryFilter { projects: some("project 0"), states: vec![AlertState::Dead], ..all() },
        ),
        (
            "--user --status --rule",
            HistoryFilter { users: some("Person 7"), statuses: vec![Outcome::Failed], rules: some("vision"), ..all() },
        ),
        (
            "--not project --not user",
            HistoryFilter {
                not: vec![Exclusion::Project("project 0".to_owned()), Exclusion::User("Person 7".to_owned())],
                ..all()
            },
        ),
        ("--task, a common name", HistoryFilter { tasks: some("resnet"), ..all() }),
        ("--task, an ID", HistoryFilter { tasks: some("0000000000000000000000000000abcd"), ..all() }),
        ("--task, one of all", HistoryFilter { tasks: some("run 765432"), ..all() }),
        ("--task, unknown", HistoryFilter { tasks: some("nowhere"), ..all() }),
        (
            "--task common, --state dead",
            HistoryFilter { tasks: some("resnet"), states: vec![AlertState::Dead], ..all() },
        ),
        ("--task in the oldest tenth", HistoryFilter { tasks: some("run 9999"), ..all() }),
        (
            "--task common --user (both large)",
            HistoryFilter { tasks: some("run 12"), users: some("Person 7"), ..all() },
        ),
        ("--task, a common one in the oldest tenth", HistoryFilter { tasks: some("run 12"), ..all() }),
        ("--task, two letters that nobody has", HistoryFilter { tasks: some("zz"), ..all() }),
        ("--task, two letters that all have", HistoryFilter { tasks: some("ru"), ..all() }),
        ("--task, one letter that some have", HistoryFilter { tasks: some("7"), ..all() }),
        (
            "--task, two common letters, --state dead",
            HistoryFilter { tasks: some("12"), states: vec![AlertState::Dead], ..all() },
        ),
    ]
}

/// The middle one of several runs, in milliseconds.
fn median(mut run: impl FnMut()) -> f64 {
    let mut taken: Vec<f64> = (0..RUNS)
        .map(|_| {
            let started = Instant::now();
            run();
            started.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    taken.sort_by(f64::total_cmp);
    taken[RUNS / 2]
}

/// Writes pages of 500 suppressed alerts behind number `from`, and tells how long one takes.
fn writing(store: &Store, from: u32) -> f64 {
    let mut next = i64::from(from);
    median(|| {
        let first = next;
        next += 500;
        store
            .write_now(|tx| {
                let sql =
                    "INSERT INTO alerts (rule, task_id, run, outcome, status_changed, task_name, project_id, project,
                               user_id, user, state, filter, reason, channel, created_at)
                           VALUES ('default', printf('%032x', 7), ?1, 'failed', ?1, 'resnet50 run', 'p' || (?1 % 200),
                               'team/project ' || (?1 % 200), 'u' || (?1 % 40), 'Person ' || (?1 % 40), 'suppressed',
                               'iterations', 'iterations: 0 of at least 10', '#ml-alerts', ?1)";
                let mut statement = tx.prepare(sql)?;
                (first..first + 500).try_for_each(|number| statement.execute([number]).map(drop))
            })
            .unwrap();
    })
}
