//! Putting the monitor in a queue: the task is made or reused, given its arguments and its script, and enqueued.

use sha2::{Digest, Sha256};
use url::Url;

use super::error::AgentError;
use super::script::service_script;
use super::{PROJECT, TAG, TASK_NAME, TASK_TYPE};
use crate::clearml::{Argument, Artifact, Client, OwnTask, Script, ServiceTask};
use crate::domain::{Named, Status};

/// The file that an agent runs.
const ENTRY_POINT: &str = "clearml-alerts.sh";

/// What is to be enqueued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The task to use; none makes a new one.
    pub task: Option<String>,
    /// Its arguments.
    pub arguments: Vec<Argument>,
    /// The container image.
    pub image: Option<String>,
    /// Where the program comes from.
    pub program: Program,
    /// The queue's ID.
    pub queue: String,
}

/// Where an agent's machine gets the program from, if it is not there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// From nowhere.
    Installed,
    /// From this address.
    Download {
        /// Where it is.
        address: Url,
        /// Its SHA-256 in hex.
        sha256: String,
    },
    /// From ClearML's file server, where it is put first.
    Upload {
        /// Where it will be.
        address: Url,
        /// Its SHA-256 in hex.
        sha256: String,
    },
}

/// A monitor in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enqueued {
    /// The task's ID.
    pub task: String,
    /// Its project.
    pub project: Option<Named>,
    /// Whether an agent watches the queue, where the server tells.
    pub is_watched: Option<bool>,
}

impl Program {
    /// The program in `executable`, to be put on the file server at `files`; its address there tells its checksum, so the
    /// same program is never there twice.
    pub fn to_upload(executable: &[u8], files: &Url) -> Self {
        let sha256 = sha256_of(executable);
        let mut address = files.clone();
        address.set_path(&format!("{}/{}", files.path().trim_end_matches('/'), upload_path(&sha256)));
        Self::Upload { address, sha256 }
    }
}

/// Where the program stands on a file server.
pub fn upload_path(sha256: &str) -> String {
    format!("clearml-alerts/{sha256}/clearml-alerts")
}

/// SHA-256 in hex.
pub(super) fn sha256_of(contents: &[u8]) -> String {
    format!("{:x}", Sha256::digest(contents))
}

/// The queue of this name; where there is none it is made if `create` says so, or an error that lists those there are.
pub async fn find_queue(client: &Client, name: &str, create: bool) -> Result<String, AgentError> {
    let failed = || AgentError::while_doing("looking for the queue");
    if let Some(queue) = client.queue_named(name).await.map_err(failed())? {
        return Ok(queue);
    }
    if create {
        return client.create_queue(name).await.map_err(AgentError::while_doing("making the queue"));
    }
    let queues = client.queues().await.map_err(failed())?;
    let names: Vec<&str> = queues.iter().map(Named::label).collect();
    let known =
        if names.is_empty() { "there are none yet".to_owned() } else { format!("there are {}", names.join(", ")) };
    Err(AgentError::NoQueue { queue: name.to_owned(), known })
}

/// Makes the task (or brings the one that is named up to date) and enqueues it. `executable` is what an upload sends.
pub async fn enqueue(client: &Client, plan: Plan, executable: Option<&[u8]>) -> Result<Enqueued, AgentError> {
    let existing = match &plan.task {
        Some(id) => Some(reusable(client, id).await?),
        None => None,
    };
    let artifact = match (&plan.program, executable) {
        (Program::Upload { address, sha256 }, Some(contents)) => Some(upload(client, address, sha256, contents).await?),
        _ => None,
    };
    let (queue, program) = (plan.queue.clone(), plan.program.clone());
    let task = service_task(plan, service_script(&program));
    let (id, project) = match existing {
        Some(own) => (update(client, &own, &task).await?, own.project),
        None => create(client, task).await?,
    };
    if let Some(artifact) = artifact {
        client.add_artifact(&id, &artifact).await.map_err(AgentError::while_doing("noting the program in the task"))?;
    }
    let is_watched =
        client.enqueue_task(&id, &queue).await.map_err(AgentError::while_doing("putting the task in the queue"))?;
    Ok(Enqueued { task: id, project, is_watched })
}

fn service_task(plan: Plan, script: String) -> ServiceTask {
    ServiceTask {
        name: TASK_NAME.to_owned(),
        kind: TASK_TYPE,
        project: String::new(),
        tags: vec![TAG.to_owned()],
        system_tags: Vec::new(),
        comment: format!("Posts alerts about ClearML tasks to Slack (clearml-alerts {}).", env!("CARGO_PKG_VERSION")),
        arguments: plan.arguments,
        script: Some(Script { entry_point: ENTRY_POINT, text: script }),
        image: plan.image,
    }
}

/// The task that is to be used again, if it can be.
async fn reusable(client: &Client, id: &str) -> Result<OwnTask, AgentError> {
    let found = client.own_task(id).await.map_err(AgentError::while_doing("looking for the task"))?;
    let remedy = "correct --service-task, or leave it out to make a new task";
    let task = found.ok_or_else(|| AgentError::NoTask { id: id.to_owned(), remedy })?;
    if task.kind != TASK_TYPE {
        return Err(AgentError::NotAMonitor { id: id.to_owned(), kind: task.kind });
    }
    let busy = |remedy| Err(AgentError::Busy { id: id.to_owned(), status: task.state.status.clone(), remedy });
    match task.state.status {
        Status::InProgress | Status::Queued => busy("abort it in ClearML first, or leave --service-task out"),
        Status::Published | Status::Publishing => busy("a published task does not change; leave --service-task out"),
        _ => Ok(task),
    }
}

async fn update(client: &Client, own: &OwnTask, task: &ServiceTask) -> Result<String, AgentError> {
    if own.state.status != Status::Created {
        client.reset_task(&own.id).await.map_err(AgentError::while_doing("resetting the task"))?;
    }
    client.edit_task(own, task).await.map_err(AgentError::while_doing("bringing the task up to date"))?;
    Ok(own.id.clone())
}

async fn create(client: &Client, mut task: ServiceTask) -> Result<(String, Option<Named>), AgentError> {
    let project =
        client.project_for(PROJECT).await.map_err(AgentError::while_doing("looking for the project DevOps"))?;
    task.project.clone_from(&project);
    let doing = "making the task (if the answer was lost, a draft of it may stand in the project DevOps)";
    let id = client.create_task(&task).await.map_err(AgentError::while_doing(doing))?;
    Ok((id, Some(Named { id: project, name: Some(PROJECT.to_owned()) })))
}

async fn upload(client: &Client, address: &Url, sha256: &str, contents: &[u8]) -> Result<Artifact, AgentError> {
    let path = upload_path(sha256);
    let files = address.as_str().strip_suffix(&path).and_then(|files| Url::parse(files).ok());
    let files = files.ok_or(AgentError::NoFileServer)?;
    let doing = "uploading this program to ClearML's file server";
    client.upload_file(&files, &path, contents).await.map_err(AgentError::while_doing(doing))?;
    Ok(Artifact {
        key: "clearml-alerts".to_owned(),
        address: address.clone(),
        size: contents.len() as u64,
        sha256: sha256.to_owned(),
        preview: format!(
            "clearml-alerts {} for {} {}, SHA-256 {sha256}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH
        ),
    })
}
