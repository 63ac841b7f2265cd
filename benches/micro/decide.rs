//! Deciding: a page of tasks that failed, by one rule and by many. The floor is nothing, so it is told per task.

use clearml_alerts::domain::{Silences, decide};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

use crate::shared::{PAGE, one_rule, rules, tasks};

#[divan::bench(args = [1, 10, 200])]
fn page(bencher: Bencher<'_, '_>, count: usize) {
    let (rules, tasks) = (if count == 1 { one_rule() } else { rules(count) }, tasks(0, PAGE));
    bencher.counter(ItemsCount::new(PAGE)).bench_local(|| {
        for task in &tasks {
            black_box(decide(None, task, &rules, &Silences::default()));
        }
    });
}

/// One rule of each kind: a subtree of projects, a name, tags, a worker, a cause.
#[divan::bench(args = [0, 1, 2, 3, 4])]
fn kind(bencher: Bencher<'_, '_>, number: usize) {
    let (rules, tasks) = (rules(5).drain(number..=number).collect::<Vec<_>>(), tasks(0, PAGE));
    bencher.counter(ItemsCount::new(PAGE)).bench_local(|| {
        for task in &tasks {
            black_box(decide(None, task, &rules, &Silences::default()));
        }
    });
}
