//! Making a task and queueing it: projects, queues, the task itself, the file server. Calls that make something are never
//! sent twice; what may already be there is looked for first.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::client::Client;
use super::error::ClearmlError;
use super::own_task::{ARGUMENTS, Anything, OwnTask};
use crate::domain::Named;

/// `tasks.enqueue`: it is in the queue already.
const ALREADY_QUEUED: i64 = 706;

/// One hyperparameter of the section `Args`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Its value, as text.
    pub value: String,
    /// What the web pages call its type: `str`, `int`, `float`, `bool`.
    pub kind: &'static str,
    /// What it is for.
    pub description: String,
}

/// What an agent is to run as a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceTask {
    /// Its name, of 3 characters or more.
    pub name: String,
    /// ClearML's type of it: `monitor`.
    pub kind: &'static str,
    /// The project's ID.
    pub project: String,
    /// Tags that people see.
    pub tags: Vec<String>,
    /// Tags for ClearML itself: `development` on a task that no agent runs.
    pub system_tags: Vec<String>,
    /// What the web pages show as its description.
    pub comment: String,
    /// Its arguments.
    pub arguments: Vec<Argument>,
    /// What an agent runs; none for a task that registers a program which runs already.
    pub script: Option<Script>,
    /// The container image to run it in.
    pub image: Option<String>,
}

/// A shell script that an agent runs, as `/bin/bash <entry point>` or with the agent's own shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The file's name.
    pub entry_point: &'static str,
    /// Its whole text.
    pub text: String,
}

/// A file that belongs to a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Its name among the task's artifacts.
    pub key: String,
    /// Where it is.
    pub address: Url,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256, in hex.
    pub sha256: String,
    /// What to show of it.
    pub preview: String,
}

#[derive(Deserialize)]
struct Made {
    id: String,
}

#[derive(Deserialize)]
struct Enqueued {
    #[serde(default)]
    queue_watched: Option<bool>,
}

impl Client {
    /// The project of exactly this full name, made where there is none.
    pub async fn project_for(&self, name: &str) -> Result<String, ClearmlError> {
        if let Some(project) = self.project_named(name).await? {
            return Ok(project);
        }
        let made = self.call_once::<Made>("projects.create", &json!({"name": name, "description": ""})).await;
        match made {
            Ok(made) => Ok(made.id),
            // It may have been made although the answer was lost, or by somebody else at the same time.
            Err(error) => self.project_named(name).await?.ok_or(error),
        }
    }

    async fn project_named(&self, name: &str) -> Result<Option<String>, ClearmlError> {
        let found = self.projects_matching(&exactly(name), true).await?;
        Ok(found.into_iter().find(|project| project.name.as_deref() == Some(name)).map(|project| project.id))
    }

    /// Every queue of the server.
    pub async fn queues(&self) -> Result<Vec<Named>, ClearmlError> {
        self.list("queues.get_all", "queues", json!({"only_fields": ["id", "name"]})).await
    }

    /// The queue of exactly this name.
    pub async fn queue_named(&self, name: &str) -> Result<Option<String>, ClearmlError> {
        let question = json!({"name": exactly(name), "only_fields": ["id", "name"]});
        let found = self.list("queues.get_all", "queues", question).await?;
        Ok(found.into_iter().find(|queue| queue.name.as_deref() == Some(name)).map(|queue| queue.id))
    }

    /// Makes a queue.
    pub async fn create_queue(&self, name: &str) -> Result<String, ClearmlError> {
        match self.call_once::<Made>("queues.create", &json!({"name": name})).await {
            Ok(made) => Ok(made.id),
            Err(error) => self.queue_named(name).await?.ok_or(error),
        }
    }

    /// Makes a task, a draft, and answers its ID. Where the answer is lost it is not known whether it was made.
    pub async fn create_task(&self, task: &ServiceTask) -> Result<String, ClearmlError> {
        let mut body = fields_of(task, json!({ (ARGUMENTS): section(&task.arguments) }));
        body.insert("tags".to_owned(), json!(task.tags));
        if let Some(image) = &task.image {
            body.insert("container".to_owned(), json!({"image": image}));
        }
        body.insert("name".to_owned(), json!(task.name));
        body.insert("type".to_owned(), json!(task.kind));
        body.insert("project".to_owned(), json!(task.project));
        body.insert("system_tags".to_owned(), json!(task.system_tags));
        Ok(self.call_once::<Made>("tasks.create", &Value::Object(body)).await?.id)
    }

    /// Brings a task that is there up to date: arguments, script, image. Its name, type and project stay, and so do the
    /// tags that people gave it, and the arguments of its container.
    pub async fn edit_task(&self, own: &OwnTask, task: &ServiceTask) -> Result<(), ClearmlError> {
        let mut body = fields_of(task, own.hyperparams_with(section(&task.arguments)));
        body.insert("task".to_owned(), json!(own.id));
        body.insert("tags".to_owned(), json!(own.tags_with(&task.tags)));
        if let Some(image) = &task.image {
            body.insert("container".to_owned(), own.container_with(image));
        }
        body.insert("force".to_owned(), json!(true));
        self.call::<Anything>("tasks.edit", &Value::Object(body)).await.map(drop)
    }

    /// Takes a task back to a draft: its last run, console included, is gone.
    pub async fn reset_task(&self, id: &str) -> Result<(), ClearmlError> {
        self.call::<Anything>("tasks.reset", &json!({"task": id, "force": false})).await.map(drop)
    }

    /// Puts a task in a queue (by ID). Answers whether an agent watches the queue, where the server tells.
    pub async fn enqueue_task(&self, id: &str, queue: &str) -> Result<Option<bool>, ClearmlError> {
        let body = json!({"task": id, "queue": queue, "verify_watched_queue": true});
        match self.call::<Enqueued>("tasks.enqueue", &body).await {
            Ok(enqueued) => Ok(enqueued.queue_watched),
            // A first try whose answer was lost.
            Err(ClearmlError::Refused { subcode: ALREADY_QUEUED, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a file to the file server at `files`, and answers its address there.
    pub async fn upload_file(&self, files: &Url, path: &str, contents: &[u8]) -> Result<Url, ClearmlError> {
        self.send_file(files.clone(), path, contents).await?;
        files.join(path).map_err(|error| ClearmlError::Setup(format!("`{path}` cannot be an address ({error})")))
    }

    /// Notes a file among a task's artifacts. It is an input of the task, so clones keep it and a reset does not delete it.
    pub async fn add_artifact(&self, id: &str, artifact: &Artifact) -> Result<(), ClearmlError> {
        let body = json!({"task": id, "force": true, "artifacts": [{
            "key": artifact.key, "type": "custom", "mode": "input", "uri": artifact.address.as_str(),
            "content_size": artifact.size, "hash": artifact.sha256,
            "type_data": {"preview": artifact.preview, "content_type": "application/octet-stream"},
        }]});
        self.call::<Anything>("tasks.add_or_update_artifacts", &body).await.map(drop)
    }
}

/// A regular expression for exactly this name.
fn exactly(name: &str) -> String {
    format!("^{}$", regex::escape(name))
}

fn fields_of(task: &ServiceTask, hyperparams: Value) -> Map<String, Value> {
    let mut fields =
        Map::from_iter([("comment".to_owned(), json!(task.comment)), ("hyperparams".to_owned(), hyperparams)]);
    if let Some(script) = &task.script {
        fields.insert("script".to_owned(), script_of(script));
    }
    fields
}

fn script_of(script: &Script) -> Value {
    json!({
        "binary": "/bin/bash", "entry_point": script.entry_point, "diff": script.text, "repository": "",
        "working_dir": ".", "requirements": {"pip": ""},
    })
}

fn section(arguments: &[Argument]) -> Value {
    let item = |argument: &Argument| {
        let Argument { name, value, kind, description } = argument;
        let item =
            json!({"section": ARGUMENTS, "name": name, "value": value, "type": kind, "description": description});
        (name.clone(), item)
    };
    Value::Object(arguments.iter().map(item).collect())
}
