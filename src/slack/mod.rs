//! Slack's Web API: send, find again, look channels up, and say what an answer means. Reading order:
//!
//! - [`method`]: the methods this program calls.
//! - [`answers`]: what every answer means, as one table.
//! - [`client`], [`identity`], [`channels`], [`people`], [`history`]: the calls.
//! - [`incoming`]: incoming webhooks, which are an address without a token.
//! - [`delivery`], [`error`]: what a caller learns.
//! - [`pacing`]: when the next message may go.
//!
//! Nothing here knows a task, an alert, the database or a setting's name in a file; payloads arrive as ready JSON text.
//! Source of every fact: Slack's published reference, as collected in the project's contract notes.

pub mod answers;
pub mod channels;
pub mod client;
pub mod delivery;
mod envelope;
pub mod error;
pub mod history;
pub mod identity;
pub mod incoming;
mod lenient_json;
pub mod method;
pub mod pacing;
mod pages;
mod patience;
pub mod people;
mod transport;

pub use answers::Class;
pub use channels::Channel;
pub use client::{Client, Config};
pub use delivery::{Delivery, DeliveryOutcome};
pub use error::SlackError;
pub use history::Needle;
pub use identity::Identity;
pub use incoming::IncomingWebhook;
pub use method::Method;
pub use pacing::{Pacer, Pauses};
