//! Whole polls next to what they cannot do without: `cargo bench --bench poll`. Prints ratios.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark ends where something is wrong, and prints"
)]

#[path = "../shared/mod.rs"]
mod shared;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use clearml_alerts::clearml::Wanted;
use clearml_alerts::clock::Clock;
use clearml_alerts::domain::{Redactor, Stamp};
use clearml_alerts::monitor::{Depth, Poller, PollerConfig, Projects};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use shared::canned::Canned;
use shared::{answer, answers, database, one_rule, running, stamp};

const RUNS: usize = 7;
const MANY: usize = 20_000;
const IDLE_POLLS: u32 = 500;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    idle(&runtime);
    many(&runtime);
}

/// A poll that finds one task that is known, as a quiet server's polls do: processor time, next to a request.
fn idle(runtime: &Runtime) {
    let directory = tempfile::tempdir().unwrap();
    let server = Canned::serve(vec![answer(&running(0, 1))]);
    let mut poller = poller(&directory.path().join("a.db"), &server);
    runtime.block_on(poller.poll_once(Depth::Usual)).unwrap();
    let client = clearml_alerts::http::client().build().unwrap();
    let (mut polls, mut requests) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        polls.push(cpu(&server, || {
            runtime.block_on(async {
                for _ in 0..IDLE_POLLS {
                    poller.poll_once(Depth::Usual).await.unwrap();
                }
            });
        }));
        requests.push(cpu(&server, || {
            runtime.block_on(async {
                for _ in 0..IDLE_POLLS {
                    client.post(server.url.clone()).body("{}").send().await.unwrap().bytes().await.unwrap();
                }
            });
        }));
    }
    let (poll, request) = (median(polls), median(requests));
    let each = |nanoseconds: f64| nanoseconds / 1_000.0 / f64::from(IDLE_POLLS);
    println!(
        "processor time of an idle poll: {:.0} us, {:.2} times a bare request ({:.0} us)",
        each(poll),
        poll / request,
        each(request)
    );
}

/// A poll that finds 20,000 tasks that have moved and none that is alerted, next to reading the same pages alone.
fn many(runtime: &Runtime) {
    let server = Canned::serve(answers(MANY));
    let (mut polls, mut readings) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let directory = tempfile::tempdir().unwrap();
        let mut poller = poller(&directory.path().join("a.db"), &server);
        server.rewind();
        let started = Instant::now();
        assert_eq!(runtime.block_on(poller.poll_once(Depth::Usual)).unwrap().changed, MANY);
        polls.push(started.elapsed().as_secs_f64());
        server.rewind();
        let (client, started) = (server.client(), Instant::now());
        runtime.block_on(async {
            let mut changes = client.changes_since(Stamp::EPOCH, Wanted::default());
            while changes.next_page().await.unwrap().is_some() {}
        });
        readings.push(started.elapsed().as_secs_f64());
    }
    let (poll, reading) = (median(polls), median(readings));
    println!(
        "20,000 changed tasks in one poll: {:.0} ms, {:.2} times reading the same pages alone ({:.0} ms)",
        poll * 1_000.0,
        poll / reading,
        reading * 1_000.0
    );
}

fn poller(path: &Path, server: &Canned) -> Poller {
    let store = database(path, 0);
    let url = server.url.as_str().trim_end_matches('/').to_owned();
    store
        .write_now(|tx| tx.execute("UPDATE monitor SET server = ?1, last_poll_at = ?2", (&url, stamp(0).as_millis())))
        .unwrap();
    let rules = one_rule();
    let config = PollerConfig {
        redactor: Redactor::new(Vec::new()),
        projects: Projects::of(&rules),
        rules,
        server: url,
        web: None,
        since: None,
        on_progress: Box::new(|_| {}),
    };
    Poller::new(store, server.client(), Clock::manual(stamp(0)), config, Arc::new(Notify::new()))
}

fn cpu(server: &Canned, work: impl FnOnce()) -> f64 {
    let before = server.others_cpu();
    work();
    (server.others_cpu() - before) as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
