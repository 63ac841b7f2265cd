//! The service: poll, compose, deliver, and the loop around them. The only room that knows ClearML, Slack, webhooks
//! and the store together. [`Poller::poll_once`] and [`Deliverer::deliver_due`] serve the loop, `once` and the tests alike.

mod backlog;
mod compose;
mod consoles;
mod deliver;
mod digests;
mod error;
mod follow;
mod health;
mod heartbeat;
mod in_flight;
mod lanes;
mod next_rules;
mod owners;
mod poll;
mod projects;
mod prospect;
mod pulse;
mod reconcile;
mod replay;
mod retention;
mod ripe;
mod send;
mod service;
mod setup;
mod status;
mod stuck;
mod telling;
mod tried;

pub use deliver::{Deliverer, DeliveryConfig, Next, StartRequest, is_channel_id, is_refusal};
pub use error::MonitorError;
pub use health::{Check, Health, health, oldest_good_poll};
pub use heartbeat::Heartbeat;
pub use lanes::{Destinations, Person};
pub use next_rules::NextRules;
pub use poll::{Depth, PollReport, Poller, PollerConfig, Progress};
pub use projects::Projects;
pub use prospect::{Prospect, WhyUnseen, prospect};
pub use pulse::Pulse;
pub use replay::{Replay, Source, replay, replay_now, wanted};
pub use retention::{Pace, Retention};
pub use service::{ServiceConfig, log_once, run};
pub use setup::{check_slack, find_projects, resolve_users};
pub use status::{Figures, Histogram, PollResult, Status};
pub use telling::Tellings;
