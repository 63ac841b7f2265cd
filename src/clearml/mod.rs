//! ClearML's API, as far as this program reads it: login, task changes, projects, users, console logs.
//!
//! Reading order: [`Config`], [`ClearmlError`], [`Client`], [`Changes`]. Every call here is a read, so every call may be
//! repeated. Nothing here decides what an answer means for an alert, keeps state on disk, reads the environment or the
//! wall clock: server stamps are the only times, and waiting is measured on the monotonic clock.

mod agents;
mod answer;
mod changes;
mod client;
mod config;
mod directory;
mod error;
mod lenient;
mod pager;
mod retry;
mod rows;
mod tasks;
#[cfg(test)]
mod tests;
mod token;
mod transport;

pub use changes::Changes;
pub use client::Client;
pub use config::{Config, Credentials, LARGEST_PAGE};
pub use directory::User;
pub use error::{ClearmlError, Stage};
pub use pager::{Page, RowProblem};
pub use retry::Retry;
pub use token::Session;
