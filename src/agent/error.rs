//! What keeps a monitor from becoming a task.

use std::io;

use crate::clearml::ClearmlError;
use crate::domain::Status;

/// Why the monitor cannot be, or run as, a ClearML task.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// ClearML did not do what it was asked to.
    #[error("{doing}: {error}")]
    Clearml {
        /// What was being done.
        doing: &'static str,
        /// What came of it.
        #[source]
        error: ClearmlError,
    },
    /// The queue does not exist.
    #[error(
        "there is no queue `{queue}`: name one that exists with --service-queue ({known}), or make it with --create-queue"
    )]
    NoQueue {
        /// Its name.
        queue: String,
        /// Those that there are.
        known: String,
    },
    /// The task does not exist.
    #[error("ClearML has no task {id}: {remedy}")]
    NoTask {
        /// Its ID.
        id: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The task is somebody's work, which would be lost.
    #[error(
        "task {id} is of type `{kind}` and no monitor: its results would be lost; correct --service-task, or leave it out \
         to make a new task"
    )]
    NotAMonitor {
        /// Its ID.
        id: String,
        /// ClearML's word for what it is.
        kind: String,
    },
    /// The task cannot be enqueued as it is.
    #[error("task {id} is {status}: {remedy}")]
    Busy {
        /// Its ID.
        id: String,
        /// Its status.
        status: Status,
        /// What to do.
        remedy: &'static str,
    },
    /// This program's own file cannot be read.
    #[error("this program's own file cannot be read ({error}): give agents another one with --binary-url")]
    Executable {
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// There is no file server to upload to.
    #[error("--upload-binary needs ClearML's file server: set CLEARML_FILES_HOST, or api.files_server in clearml.conf")]
    NoFileServer,
}

impl AgentError {
    /// For `map_err`, with what was being done.
    pub(super) fn while_doing(doing: &'static str) -> impl FnOnce(ClearmlError) -> Self {
        move |error| Self::Clearml { doing, error }
    }
}
