//! A monitor that runs outside of any agent shows itself in ClearML as a task: one task a database, started again with each
//! start of the monitor.

use super::error::AgentError;
use super::{PROJECT, TAG, TASK_NAME, TASK_TYPE};
use crate::clearml::{Argument, Client, OwnTask, ServiceTask, TaskState};
use crate::domain::{Named, Status};

/// What ClearML calls a task that no agent runs.
const RUN_BY_HAND: &str = "development";

/// What is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The task that stood for this monitor before, if any.
    pub task: Option<String>,
    /// The monitor's settings.
    pub arguments: Vec<Argument>,
    /// This machine's name.
    pub host: String,
}

/// The task that stands for this monitor, brought up to date; made where there was none or it is gone.
pub async fn register(client: &Client, registration: Registration) -> Result<OwnTask, AgentError> {
    let Registration { task, arguments, host } = registration;
    let known = match task {
        Some(id) => client.own_task(&id).await.map_err(AgentError::while_doing("looking for this monitor's task"))?,
        None => None,
    };
    let mut wanted = ServiceTask {
        name: TASK_NAME.to_owned(),
        kind: TASK_TYPE,
        project: String::new(),
        tags: vec![TAG.to_owned()],
        system_tags: vec![RUN_BY_HAND.to_owned()],
        comment: format!("clearml-alerts {}, run on {host} (not by an agent).", env!("CARGO_PKG_VERSION")),
        arguments,
        script: None,
        image: None,
    };
    match known.filter(can_be_started) {
        Some(own) => {
            client
                .edit_task(&own, &wanted)
                .await
                .map_err(AgentError::while_doing("bringing this monitor's task up to date"))?;
            Ok(own)
        }
        None => {
            let project =
                client.project_for(PROJECT).await.map_err(AgentError::while_doing("looking for the project DevOps"))?;
            wanted.project.clone_from(&project);
            let id =
                client.create_task(&wanted).await.map_err(AgentError::while_doing("making this monitor's task"))?;
            let state = TaskState { status: Status::Created, reason: String::new(), message: String::new() };
            Ok(OwnTask::fresh(id, TASK_NAME, TASK_TYPE, Named { id: project, name: Some(PROJECT.to_owned()) }, state))
        }
    }
}

/// A published task never changes again.
fn can_be_started(task: &OwnTask) -> bool {
    !matches!(task.state.status, Status::Published | Status::Publishing)
}
