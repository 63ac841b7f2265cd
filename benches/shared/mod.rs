//! What the benchmarks work on: the same tasks, rules, pages and answers each time.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

pub(crate) mod canned;
pub(crate) mod rows;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clearml_alerts::domain::console::ConsoleTail;
use clearml_alerts::domain::message::{AlertMessage, compose_alert};
use clearml_alerts::domain::rule::{Pattern, Style, TagFilter};
use clearml_alerts::domain::{
    Destination, Named, Outcome, PendingAlert, ProjectPattern, Redactor, Rule, Stamp, Status, Task, Why,
};
use clearml_alerts::store::{Access, PageToRecord, Recorded, Store, Watching};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Tasks in a page of ClearML's.
pub(crate) const PAGE: usize = 500;
/// The stamp of task 0; each next one ended a millisecond later.
pub(crate) const BEGIN: i64 = 1_795_386_448_021;

/// The last lines of a training that failed.
pub(crate) const CONSOLE: &str = include_str!("../../fixtures/consoles/crash.txt");

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn stamp(number: usize) -> Stamp {
    Stamp::from_millis(BEGIN + i64::try_from(number).unwrap())
}

/// A training that failed.
pub(crate) fn task(number: usize) -> Task {
    let stamp = stamp(number);
    Task {
        id: format!("{number:032x}"),
        name: format!("train-resnet-{number}"),
        kind: Some("training".to_owned()),
        status: Status::Failed,
        status_changed: stamp,
        status_reason: Some("RuntimeError: mat1 and mat2 shapes cannot be multiplied".to_owned()),
        status_message: None,
        started: Some(stamp),
        completed: None,
        active_duration: Some(60),
        last_update: None,
        last_iteration: 100,
        project: Some(Named { id: format!("p{}", number % 100), name: Some(format!("team-{}/resnet", number % 100)) }),
        user: Some(Named { id: "u1".to_owned(), name: Some("Ada".to_owned()) }),
        tags: vec!["nightly".to_owned()],
        system_tags: Vec::new(),
        parent: None,
        worker: Some(format!("gpu-{}:0", number % 30)),
        queue: None,
        metrics: Vec::new(),
    }
}

pub(crate) fn tasks(from: usize, count: usize) -> Vec<Task> {
    (from..from + count).map(task).collect()
}

/// Tasks that are no news to any rule: they run.
pub(crate) fn running(from: usize, count: usize) -> Vec<Task> {
    tasks(from, count)
        .into_iter()
        .map(|task| Task { status: Status::InProgress, status_reason: None, ..task })
        .collect()
}

/// The rule of a command line: everything that failed.
pub(crate) fn one_rule() -> Vec<Rule> {
    vec![Rule::new("default", Destination::Channel("#ml-alerts".to_owned()))]
}

/// Each kind of condition, in every fifth rule.
pub(crate) fn rules(count: usize) -> Vec<Rule> {
    (0..count)
        .map(|number| {
            let mut rule = Rule::new(format!("rule-{number}"), Destination::Channel(format!("#team-{number}")));
            let asked = &mut rule.conditions;
            match number % 5 {
                0 => asked.projects.only = vec![ProjectPattern::Subtree(format!("team-{}", number % 40))],
                1 => asked.name = Some(Pattern::new(&format!("^train-.*-{number}$")).unwrap()),
                2 => {
                    asked.tags =
                        TagFilter { all: vec!["nightly".to_owned(), format!("t{number}")], ..TagFilter::default() }
                }
                3 => asked.workers = vec![Pattern::new(&format!("gpu-{number}:")).unwrap()],
                _ => asked.causes = std::iter::once("out_of_memory".to_owned()).collect(),
            }
            rule
        })
        .collect()
}

/// An alert that waits to be composed.
pub(crate) fn alert(number: usize) -> PendingAlert {
    PendingAlert {
        id: i64::try_from(number).unwrap(),
        rule: "default".to_owned(),
        run: 1,
        outcome: Outcome::Failed,
        channel: "#ml-alerts".to_owned(),
        task: task(number),
        url: Some(format!("https://app.example.com/projects/p/tasks/{number:032x}/output/log")),
        why: None,
        waited: None,
        episode: 0,
    }
}

/// Its message.
pub(crate) fn message(alert: &PendingAlert, console: Option<&ConsoleTail>, why: Option<&Why>) -> String {
    let (payload, _) = compose_alert(&AlertMessage {
        alert,
        channel_id: "C0123456789",
        instance: "0123456789abcdef",
        prefix: None,
        project_url: Some("https://app.example.com/projects/p"),
        server: "api.example.com",
        console,
        why,
        age: Duration::from_secs(4),
        style: &Style::default(),
        metric: None,
    });
    payload
}

pub(crate) fn open(path: &Path) -> Store {
    Store::open(path, Access::Own { wait: Duration::ZERO }, "bench").unwrap()
}

/// A page as a poll hands it over.
pub(crate) fn page(tasks: Vec<Task>, rules: &Arc<Vec<Rule>>) -> PageToRecord {
    let newest = tasks.last().map(|task| task.status_changed);
    PageToRecord {
        tasks,
        rules: Arc::clone(rules),
        redactor: Redactor::new(Vec::new()),
        pages: None,
        newest,
        watching: Watching::Outcomes,
        now: stamp(0),
        server_now: None,
    }
}

pub(crate) fn record(runtime: &Runtime, store: &Store, page: PageToRecord) -> Recorded {
    runtime.block_on(store.record_page(page)).unwrap()
}

/// A database that has begun to watch and knows `count` running tasks.
pub(crate) fn database(path: &Path, count: usize) -> Store {
    let store = open(path);
    store
        .write_now(|tx| {
            tx.execute_batch(&format!(
                "UPDATE monitor SET server = 'http://127.0.0.1', watch_from = 0, watermark = {BEGIN};
                 WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {count} - 1)
                 INSERT INTO tasks (task_id, name, kind, project_id, project, user_id, user, status, status_changed, run,
                     run_outcomes, first_seen_at, last_change_at)
                 SELECT printf('%032x', i), 'train-resnet-' || i, 'training', 'p' || (i % 100),
                     'team-' || (i % 100) || '/resnet', 'u1', 'Ada', 'queued', {BEGIN} - 1, 1, 0, 1, 1 FROM n
                 WHERE {count} > 0"
            ))
        })
        .unwrap();
    store
}

/// A task as ClearML's answer has it.
fn row(task: &Task) -> Value {
    let named = |named: &Option<Named>| named.as_ref().map(|named| json!({"id": named.id, "name": named.name}));
    let mut row = json!({
        "id": task.id, "name": task.name, "type": task.kind, "status": task.status.as_str(),
        "status_changed": task.status_changed.to_string().replace('Z', "000+00:00"),
        "status_reason": task.status_reason.as_deref().unwrap_or(""), "status_message": "",
        "active_duration": task.active_duration, "last_iteration": task.last_iteration,
        "project": named(&task.project), "user": named(&task.user), "tags": task.tags,
        "system_tags": task.system_tags, "last_worker": task.worker,
    });
    if let Some(started) = task.started {
        row["started"] = json!(started.to_string().replace('Z', "000+00:00"));
    }
    row
}

/// The answer to a poll that found these tasks.
pub(crate) fn answer(tasks: &[Task]) -> Vec<u8> {
    let rows: Vec<Value> = tasks.iter().map(row).collect();
    let meta = json!({
        "id": "7d8e4ee4e1a04ba6b7d7c1a9b5d1d2b0", "trx": "7d8e4ee4e1a04ba6b7d7c1a9b5d1d2b0",
        "endpoint": {"name": "tasks.get_all_ex", "requested_version": "2.23", "actual_version": "1.0"},
        "result_code": 200, "result_subcode": 0, "result_msg": "OK", "error_stack": "", "error_data": {},
    });
    serde_json::to_vec(&json!({"meta": meta, "data": {"tasks": rows}})).unwrap()
}

/// The answers to one poll that finds this many running tasks: each page begins with the last task of the one before, as
/// paging by key has it.
pub(crate) fn answers(count: usize) -> Vec<Vec<u8>> {
    let mut pages = Vec::new();
    let mut from = 0;
    loop {
        let taken = PAGE.min(count - from);
        pages.push(answer(&running(from, taken)));
        if taken < PAGE {
            return pages;
        }
        from += PAGE - 1;
    }
}
