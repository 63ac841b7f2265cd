//! The service: poll, compose, deliver, and the loop around them. The only room that knows ClearML, Slack and the store
//! together. [`Poller::poll_once`] and [`Deliverer::deliver_due`] serve the loop, `once` and the tests alike.

mod compose;
mod deliver;
mod error;
mod poll;
mod projects;
mod reconcile;
mod service;
mod setup;

pub use deliver::{Deliverer, DeliveryConfig, Next, StartRequest, is_channel_id, is_refusal};
pub use error::MonitorError;
pub use poll::{Depth, PollReport, Poller, PollerConfig, Progress};
pub use service::{ServiceConfig, log_once, run};
pub use setup::{check_slack, require_projects, resolve_users};
