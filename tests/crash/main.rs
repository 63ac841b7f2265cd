//! Kills the real binary at every step and starts it again: nothing may be lost, and nothing shown twice.
#![cfg(feature = "sandbox")]
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test ends where its world is not as declared, and the soak tells its seed"
)]

mod points;
mod requests;
mod soak;
mod stuck;
mod threads;
mod verdict;
mod waits;
#[path = "../black_box/world.rs"]
#[allow(dead_code, reason = "shared with the black-box tests; each binary uses a part")]
mod world;
