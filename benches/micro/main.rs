//! What the steps of an alert cost, each next to its floor, measured in the same run: `cargo bench --bench micro`. A name
//! after `--` runs a part of it. `BENCH_MILLION=1` adds what needs a database of a million rows, which takes minutes to make.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    reason = "a benchmark ends where something is wrong, is configured by a variable, and takes what divan hands it"
)]

#[path = "../shared/mod.rs"]
mod shared;

mod commit;
mod compose;
mod decide;
mod history;
mod read;
mod start;

fn main() {
    divan::main();
}

/// Sizes of databases.
fn sizes() -> Vec<usize> {
    let million = std::env::var_os("BENCH_MILLION").map(|_| 1_000_000);
    [1_000, 100_000].into_iter().chain(million).collect()
}
