//! Reading what ClearML answers: a page parsed, next to `serde_json` alone; 20,000 tasks page by page, and one request,
//! next to bare `reqwest` requests for the same bytes to the same server.

use clearml_alerts::clearml::{self, Wanted};
use clearml_alerts::domain::Stamp;
use divan::{Bencher, black_box};
use serde_json::Value;

use crate::shared::canned::Canned;
use crate::shared::{PAGE, answer, answers, running, runtime};

const MANY: usize = 20_000;

#[divan::bench]
fn page_parsed(bencher: Bencher<'_, '_>) {
    let answer = answer(&running(0, PAGE));
    bencher.bench_local(|| clearml::page_of(black_box(&answer), Stamp::EPOCH).unwrap());
}

#[divan::bench]
fn floor_page_parsed_by_serde_json(bencher: Bencher<'_, '_>) {
    let answer = answer(&running(0, PAGE));
    bencher.bench_local(|| serde_json::from_slice::<Value>(black_box(&answer)).unwrap());
}

#[divan::bench(args = [1, MANY])]
fn read_by_key(bencher: Bencher<'_, '_>, tasks: usize) {
    let (server, runtime) = (Canned::serve(answers(tasks)), runtime());
    let client = server.client();
    bencher.bench_local(|| {
        server.rewind();
        runtime.block_on(async {
            let mut changes = client.changes_since(Stamp::EPOCH, Wanted::default());
            let mut count = 0;
            while let Some(page) = changes.next_page().await.unwrap() {
                count += page.tasks.len();
            }
            assert_eq!(count, tasks);
        });
    });
}

#[divan::bench(args = [1, MANY])]
fn floor_read_by_reqwest_and_serde_json(bencher: Bencher<'_, '_>, tasks: usize) {
    let answers = answers(tasks);
    let (pages, server, runtime) = (answers.len(), Canned::serve(answers), runtime());
    let client = clearml_alerts::http::client().build().unwrap();
    bencher.bench_local(|| {
        server.rewind();
        runtime.block_on(async {
            for _ in 0..pages {
                let answer = client.post(server.url.clone()).body("{}").send().await.unwrap().bytes().await.unwrap();
                black_box(serde_json::from_slice::<Value>(&answer).unwrap());
            }
        });
    });
}
