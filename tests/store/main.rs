//! The store on real SQLite files: what is recorded, delivered, held, given up, copied, and what is refused.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail at once")]

mod attack;
mod backup;
mod channels;
mod child;
mod counted;
mod counts;
mod dead;
mod disk_full;
mod history;
mod instances;
mod lanes;
mod outbox;
mod property;
mod prune;
mod recording;
mod rules;
mod stuck;
mod support;
mod threads;
