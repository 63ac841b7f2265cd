//! Life as a ClearML task: the monitor puts itself in a queue, is configured by its task's hyperparameters, shows its
//! console there, and ends when its task is aborted.
//!
//! Reading order: [`enqueue`] (with `script`, what an agent runs), [`Life`] (a task that runs), [`register`] (a monitor
//! that runs outside of any agent and shows itself all the same), [`ConsoleTap`]. Nothing here polls, decides or alerts:
//! that is the monitor's business, whose stop token is all that an abort touches.

mod console;
mod disk;
mod enqueue;
mod error;
mod life;
mod register;
mod script;

pub use console::{ConsoleTap, TapWriter};
pub use disk::{Lasting, lasting};
pub use enqueue::{Enqueued, Plan, Program, enqueue, find_queue, upload_path};
pub use error::AgentError;
pub use life::{Ending, Host, Life, LifeConfig, TASK_VARIABLES};
pub use register::{Registration, register};
pub use script::service_script;

/// The project that monitors stand in, as the original's.
pub const PROJECT: &str = "DevOps";
/// The name of a monitor's task, as the original's.
pub const TASK_NAME: &str = "Slack Alerts";
/// ClearML's type of it, as the original's.
pub const TASK_TYPE: &str = "monitor";
/// The tag by which people find monitors of this program.
pub const TAG: &str = "clearml-alerts";
