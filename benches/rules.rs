//! What it takes to decide 10,000 ended tasks by 200 rules: `cargo bench --bench rules`. Prints milliseconds, and what it
//! takes to record them, SQLite included.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clearml_alerts::domain::rule::{Pattern, TagFilter};
use clearml_alerts::domain::{
    Destination, Named, ProjectPattern, Redactor, Rule, Silences, Stamp, Status, Task, decide,
};
use clearml_alerts::store::{Access, PageToRecord, Store, Watching};

const RULES: usize = 200;
const TASKS: usize = 10_000;
const RUNS: usize = 5;

fn main() {
    let (rules, tasks) = (rules(), tasks());
    let deciding = median(|| {
        for task in &tasks {
            black_box(decide(None, task, &rules, &Silences::default()));
        }
    });
    println!("{RULES} rules x {TASKS} tasks decided in {deciding:.0} ms");
    let rules = Arc::new(rules);
    let recording = median(|| record(&tasks, &rules));
    println!("decided and recorded, 500 a page, in {recording:.0} ms");
}

fn median(mut run: impl FnMut()) -> f64 {
    let mut taken: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    taken.sort_unstable();
    taken[RUNS / 2].as_secs_f64() * 1_000.0
}

/// Each kind of condition, in every fifth rule; one rule in twenty asks for nothing but a subtree.
fn rules() -> Vec<Rule> {
    (0..RULES)
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

fn tasks() -> Vec<Task> {
    (0..TASKS).map(task).collect()
}

fn task(number: usize) -> Task {
    let stamp = Stamp::from_millis(1_795_386_448_021 + i64::try_from(number).unwrap());
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

fn record(tasks: &[Task], rules: &Arc<Vec<Rule>>) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("a.db"), Access::Own { wait: Duration::ZERO }, "bench").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for page in tasks.chunks(500) {
        let page = PageToRecord {
            tasks: page.to_vec(),
            rules: Arc::clone(rules),
            redactor: Redactor::new(Vec::new()),
            pages: None,
            newest: None,
            watching: Watching::Outcomes,
            now: Stamp::from_millis(1_795_386_448_021),
            server_now: None,
        };
        runtime.block_on(store.record_page(page)).unwrap();
    }
}
