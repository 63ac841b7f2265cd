//! Black-box tests: the real binary against the simulated ClearML and Slack. Each test declares a world, lets things
//! happen in it, and says what must have arrived; the world fails on anything extra and on anything Slack had to object to.

#![cfg(feature = "sandbox")]
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where its world is not as declared"
)]

mod check;
mod everyday;
mod explain;
mod history;
mod logs;
mod silence;
mod world;
