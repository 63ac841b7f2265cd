//! ClearML's API, as far as this program needs it: login, task changes, projects, users, console logs; and for the program's
//! own task: making it, queueing it, its state and its console.
//!
//! Reading order: [`Config`], [`ClearmlError`], [`Client`], [`Changes`], [`OwnTask`], [`ServiceTask`]. A read may be
//! repeated; a call that makes something is repeated only where it surely did nothing. Nothing here decides what an answer means for an alert, keeps state on disk, reads the environment or the
//! wall clock: server stamps are the only times, and waiting is measured on the monotonic clock.

mod agents;
mod answer;
mod changes;
mod client;
mod config;
mod directory;
mod enqueue;
mod error;
mod lenient;
mod own_task;
mod pager;
mod retry;
mod rows;
mod running;
mod tasks;
#[cfg(test)]
mod tests;
mod token;
mod transport;

pub use changes::{Changes, page_of};
pub use client::Client;
pub use config::{Config, Credentials, LARGEST_PAGE};
pub use directory::User;
pub use enqueue::{Argument, Artifact, Script, ServiceTask};
pub use error::{ClearmlError, Stage};
pub use own_task::{ARGUMENTS, OwnTask, TaskEnd, TaskState};
pub use pager::{Page, RowProblem};
pub use retry::Retry;
pub use rows::Wanted;
pub use running::Running;
pub use token::Session;
