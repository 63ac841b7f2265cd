//! Years in minutes: the real service on a simulated ClearML whose clock is driven through months. What is told is compared
//! with a model, and at the end of each month memory, files and the log are measured: none of them may grow for ever.
//!
//! `CLEARML_ALERTS_SOAK_TASKS=1000000` makes it a year of a million tasks, `CLEARML_ALERTS_SOAK_SEED` repeats one.
#![cfg(all(feature = "sandbox", target_os = "linux"))]
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test ends where its world is not as declared, and the soak tells what it measured"
)]

mod measure;
mod model;
#[path = "../black_box/world.rs"]
#[allow(dead_code, reason = "shared with the black-box tests; each binary uses a part")]
mod world;

use measure::Measure;
use model::Months;

fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn months_go_by_and_nothing_is_lost_doubled_or_grows_for_ever() {
    let seed = from_environment("CLEARML_ALERTS_SOAK_SEED").unwrap_or_else(|| fastrand::u64(..));
    let tasks: usize = from_environment("CLEARML_ALERTS_SOAK_TASKS").unwrap_or(3_600);
    let (months, steps) = if tasks > 100_000 { (12, 60) } else { (6, 6) };
    println!("soak of {tasks} tasks in {months} months: CLEARML_ALERTS_SOAK_SEED={seed}");
    let mut world = Months::begin(seed, tasks / (months * steps), steps);
    let mut measured = Vec::new();
    println!("{}", Measure::TITLE);
    for _ in 0..months {
        world.pass();
        let measure = world.measure();
        println!("{measure}");
        measured.push(measure);
    }
    world.end();
    measure::assert_flat(&measured);
}
