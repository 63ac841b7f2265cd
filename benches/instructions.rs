//! The hot paths for `benches/instructions`, which counts their instructions: `instructions NAME COUNT` goes one of them
//! so many times, and what it takes besides is the same for every COUNT.

#![allow(
    missing_docs,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark ends where something is wrong, and prints"
)]

#[path = "shared/mod.rs"]
mod shared;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use clearml_alerts::clearml;
use clearml_alerts::domain::{Diagnosis, Redactor, Silences, Stamp, Task, console, decide};
use clearml_alerts::store::{Access, HistoryFilter, Order, Store};
use shared::{CONSOLE, PAGE, alert, answer, database, one_rule, open, page, record, rules, running, runtime, tasks};

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = words.iter().map(String::as_str).skip(1).filter(|word| !word.starts_with("--")).collect();
    match words[..] {
        // Made once, outside of what is counted.
        ["make-tasks", path, count] => drop(database(Path::new(path), count.parse().unwrap())),
        ["make-alerts", path, count] => make_alerts(Path::new(path), count),
        [name, count] => go(name, count.parse().unwrap(), None),
        [name, count, path] => go(name, count.parse().unwrap(), Some(Path::new(path))),
        _ => println!("{}", NAMES.join("\n")),
    }
}

/// What needs no database that was made before.
const NAMES: [&str; 8] = [
    "decide_page_by_1_rule",
    "decide_page_by_200_rules",
    "compose_alert",
    "parse_page",
    "record_page_of_running",
    "record_page_of_failures",
    "record_page_without_news",
    "history_page",
];

fn go(name: &str, count: usize, made: Option<&Path>) {
    match name {
        "decide_page_by_1_rule" => decide_page(count, 1),
        "decide_page_by_200_rules" => decide_page(count, 200),
        "compose_alert" => compose(count),
        "parse_page" => parse_page(count),
        "record_page_of_running" => record_pages(count, running),
        "record_page_of_failures" => record_pages(count, tasks),
        "record_page_without_news" => record_again(count),
        "history_page" => history_page(count, made),
        "record_page_among_known" => record_among_known(count, made.unwrap()),
        "idle_page_among_known" => idle_among_known(count, made.unwrap()),
        other => panic!("no such path: {other}"),
    }
}

fn decide_page(count: usize, of_rules: usize) {
    let (rules, tasks) = (if of_rules == 1 { one_rule() } else { rules(of_rules) }, tasks(0, PAGE));
    for task in (0..count).flat_map(|_| &tasks) {
        black_box(decide(None, task, &rules, &Silences::default()));
    }
}

fn compose(count: usize) {
    let (redactor, alert) = (Redactor::new(Vec::new()), alert(1));
    for _ in 0..count {
        let text = console::tail(CONSOLE, 20_000, 256 * 1024).lines.join("\n");
        let text = redactor.redact(&text);
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let why = Diagnosis::of_row(&alert.task, &redactor).map(|diagnosis| diagnosis.refined(&lines).why());
        let tail = console::tail(&text, 20, 2_400);
        black_box(shared::message(&alert, Some(&tail), why.as_ref()));
    }
}

fn parse_page(count: usize) {
    let answer = answer(&running(0, PAGE));
    for _ in 0..count {
        black_box(clearml::page_of(&answer, Stamp::EPOCH).unwrap());
    }
}

fn record_pages(count: usize, made: fn(usize, usize) -> Vec<Task>) {
    let (directory, runtime, rules) = (tempfile::tempdir().unwrap(), runtime(), Arc::new(one_rule()));
    let store = open(&directory.path().join("a.db"));
    for number in 0..count {
        record(&runtime, &store, page(made(number * PAGE, PAGE), &rules));
    }
}

fn record_again(count: usize) {
    let (directory, runtime, rules) = (tempfile::tempdir().unwrap(), runtime(), Arc::new(one_rule()));
    let store = open(&directory.path().join("a.db"));
    record(&runtime, &store, page(running(0, PAGE), &rules));
    for _ in 0..count {
        record(&runtime, &store, page(running(0, PAGE), &rules));
    }
}

/// Tasks of every part of the table: each page others, in no order.
fn among_known(store: &Store, number: usize) -> Vec<Task> {
    let known: usize = store
        .read_now(|connection| {
            connection.query_row("SELECT max(task_id) FROM tasks", [], |row| row.get::<_, String>(0))
        })
        .map(|last| usize::from_str_radix(&last, 16).unwrap() + 1)
        .unwrap();
    let mut tasks = running(0, PAGE);
    for (place, task) in tasks.iter_mut().enumerate() {
        let mixed = (number * PAGE + place).wrapping_mul(2_654_435_761);
        task.id = format!("{:032x}", mixed % known);
    }
    tasks
}

fn record_among_known(count: usize, made: &Path) {
    let (runtime, rules) = (runtime(), Arc::new(one_rule()));
    let store = open(made);
    for number in 0..count {
        record(&runtime, &store, page(among_known(&store, number), &rules));
    }
}

/// Tasks as the database knows them, and no other.
fn idle_among_known(count: usize, made: &Path) {
    let (runtime, rules) = (runtime(), Arc::new(one_rule()));
    let store = open(made);
    for number in 0..count {
        let mut tasks = among_known(&store, number);
        for task in &mut tasks {
            task.status = clearml_alerts::domain::Status::Queued;
            task.status_changed = Stamp::from_millis(shared::BEGIN - 1);
        }
        assert_eq!(record(&runtime, &store, page(tasks, &rules)).changed, 0);
    }
}

fn make_alerts(path: &Path, count: &str) {
    let sql = include_str!("many_alerts.sql").replace("{rows}", count);
    open(path).write_now(|tx| tx.execute_batch(&sql)).unwrap();
}

fn history_page(count: usize, made: Option<&Path>) {
    let directory = tempfile::tempdir().unwrap();
    let own = directory.path().join("a.db");
    let path = made.unwrap_or(&own);
    if made.is_none() {
        make_alerts(path, "2000");
    }
    let store = Store::open(path, Access::Read, "").unwrap();
    let filter = HistoryFilter { limit: 50, ..HistoryFilter::default() };
    for _ in 0..count {
        black_box(store.history(&filter, Order::Newest).unwrap());
    }
}
