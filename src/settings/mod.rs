//! What the user wants: from flags, environment and `clearml.conf` to validated settings. Nothing here talks to ClearML,
//! Slack or the database, and nothing reads the process environment but [`ProcessEnvironment`].

pub mod argv;
pub mod clearml_conf;
mod environment;
mod error;
mod source;
pub mod time;
mod values;

pub use environment::{Environment, MapEnvironment, ProcessEnvironment};
pub use error::SettingsError;
pub use source::{HIDDEN, Origin, Source};
pub use values::{parse_switch, parse_verbosity};
