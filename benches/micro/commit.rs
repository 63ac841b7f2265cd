//! Recording a page of 500: as the program does it, and the same rows by bare `rusqlite` in one transaction. Both wait for
//! the disk once (`synchronous=FULL`).

use std::sync::Arc;

use divan::{Bencher, black_box};

use crate::shared::{PAGE, database, one_rule, open, page, record, rows, running, runtime, tasks};

/// All of them moved, none is alerted.
#[divan::bench]
fn page_of_running(bencher: Bencher<'_, '_>) {
    recording(bencher, false);
}

#[divan::bench]
fn floor_page_of_running(bencher: Bencher<'_, '_>) {
    floor(bencher, false);
}

/// All of them failed, each is an alert.
#[divan::bench]
fn page_of_failures(bencher: Bencher<'_, '_>) {
    recording(bencher, true);
}

#[divan::bench]
fn floor_page_of_failures(bencher: Bencher<'_, '_>) {
    floor(bencher, true);
}

/// Nothing in it is news: nothing is written.
#[divan::bench]
fn page_without_news(bencher: Bencher<'_, '_>) {
    let (directory, runtime, rules) = (tempfile::tempdir().unwrap(), runtime(), Arc::new(one_rule()));
    let store = open(&directory.path().join("a.db"));
    record(&runtime, &store, page(running(0, PAGE), &rules));
    bencher.with_inputs(|| page(running(0, PAGE), &rules)).bench_local_values(|page| record(&runtime, &store, page));
}

/// The same page in databases that know so many tasks.
#[divan::bench(args = crate::sizes())]
fn page_among_known(bencher: Bencher<'_, '_>, known: usize) {
    let (directory, runtime, rules) = (tempfile::tempdir().unwrap(), runtime(), Arc::new(one_rule()));
    let store = database(&directory.path().join("a.db"), known);
    let mut from = 0;
    // Spread over the whole table.
    let step = known / PAGE;
    bencher
        .with_inputs(|| {
            from += 1;
            let mut tasks = running(from, PAGE);
            for (number, task) in tasks.iter_mut().enumerate() {
                task.id = format!("{:032x}", (number * step + from) % known);
            }
            page(tasks, &rules)
        })
        .bench_local_values(|page| record(&runtime, &store, page));
}

fn page_tasks(failed: bool) -> Vec<clearml_alerts::domain::Task> {
    if failed { tasks(0, PAGE) } else { running(0, PAGE) }
}

fn recording(bencher: Bencher<'_, '_>, failed: bool) {
    let (runtime, rules) = (runtime(), Arc::new(one_rule()));
    bencher
        .with_inputs(|| {
            let directory = tempfile::tempdir().unwrap();
            let store = open(&directory.path().join("a.db"));
            (directory, store, page(page_tasks(failed), &rules))
        })
        .bench_local_values(|(directory, store, page)| {
            black_box(record(&runtime, &store, page));
            (directory, store)
        });
}

fn floor(bencher: Bencher<'_, '_>, failed: bool) {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("model.db"));
    record(&runtime(), &store, page(page_tasks(failed), &Arc::new(one_rule())));
    let recorded = rows::recorded(&store);
    bencher
        .with_inputs(|| {
            let directory = tempfile::tempdir().unwrap();
            let connection = rows::bare(&directory.path().join("a.db"));
            (directory, connection)
        })
        .bench_local_values(|(directory, mut connection)| {
            rows::insert(&mut connection, &recorded);
            (directory, connection)
        });
}
