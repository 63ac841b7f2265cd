//! clearml-alerts: watches ClearML tasks and posts an alert to Slack for every outcome that passes a rule.
//!
//! The rooms in reading order, from the core to the street; a room knows only the ones above it in this list:
//!
//! - [`domain`]: what things are and what is decided about them. Pure.
//! - [`clock`]: the only reader of the wall clock. [`crash`]: where a debug build can be made to die, for tests.
//!   [`http`]: how every HTTP client begins.
//! - [`settings`], [`store`], [`clearml`], [`slack`], [`webhook`]: the five outer worlds (what the user wants, SQLite,
//!   ClearML's API, Slack's API, any other tool's webhook). They do not know each other.
//! - [`monitor`]: the service, the only room that knows ClearML, Slack, webhooks and the store together.
//! - [`web`]: the status page, metrics and probes of a running service. Read-only.
//! - [`agent`]: life as a ClearML task: enqueue itself, report its console, heed an abort.
//! - [`sandbox`]: a simulated ClearML, Slack and receiver of webhooks, for the demo and the tests.
//! - [`cli`]: a file per subcommand.

pub mod agent;
pub mod clearml;
pub mod cli;
pub mod clock;
pub mod crash;
pub mod domain;
pub mod http;
pub mod monitor;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod settings;
pub mod slack;
pub mod store;
pub mod web;
pub mod webhook;
