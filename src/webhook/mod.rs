//! Webhooks of any tool: one JSON document for each event, signed, sent by POST, with a key by which a receiver knows a repeat.
//! Reading order:
//!
//! - [`event`]: the documents, as `docs/webhook.schema.json` describes them.
//! - [`signature`]: how a request proves where it comes from.
//! - [`answers`]: what every answer means, as one table.
//! - [`client`]: one request.
//!
//! Nothing here knows ClearML's API, the database or the configuration file.

pub mod answers;
pub mod client;
pub mod event;
pub mod signature;

pub use answers::Outcome;
pub use client::{Client, Config, Tried, WebhookError};
