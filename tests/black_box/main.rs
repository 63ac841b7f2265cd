//! Black-box tests: the real binary against the simulated ClearML and Slack. Each test declares a world, lets things
//! happen in it, and says what must have arrived; the world fails on anything extra and on anything Slack had to object to.

#![cfg(feature = "sandbox")]
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test ends where its world is not as declared"
)]

mod bad_input;
mod cast;
mod causes;
mod check;
mod check_answers;
mod check_database;
mod check_people;
mod clearml_faults;
mod clocks;
mod config;
mod config_service;
mod config_task;
mod contrib;
mod destinations;
mod digests;
mod dry_run;
mod everyday;
mod explain;
mod explain_answers;
mod filters;
mod floods;
mod follow;
mod history;
mod hostile;
mod http;
mod instances;
mod log_volume;
mod logs;
mod message_style;
mod once;
mod own_digests;
mod own_task;
mod past_alerts;
mod projects;
mod reload;
mod reports;
mod retention;
mod runs;
mod secret_files;
mod secrets;
mod service;
mod silence;
mod slack_faults;
mod slack_flags;
mod stuck;
mod supervised;
mod terminal;
mod test_rules;
mod threads;
mod trouble;
mod users;
mod waits;
mod web;
mod world;
