//! The monitor with every kind of destination: the real poller, deliverer, store and clients, put together here, against
//! simulated servers.
#![cfg(feature = "sandbox")]
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test ends where its world is not as declared"
)]

mod crashes;
mod incoming;
mod owners;
mod webhooks;
mod world;
