//! What a program asks and says about the task that it is itself: read it, start and end it, a sign of life, its
//! `runtime` notes, its console. How a task is made and queued is in `enqueue`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::Client;
use super::error::ClearmlError;
use super::lenient::{self, text};
use super::rows::named;
use crate::domain::{Named, Stamp, Status};

/// The section of hyperparameters that holds a command line's arguments.
pub const ARGUMENTS: &str = "Args";

/// A task, as the program that it is sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnTask {
    /// ClearML's ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// ClearML's type of it: `monitor`.
    pub kind: String,
    /// Its project, without the name.
    pub project: Option<Named>,
    /// What is known of its state.
    pub state: TaskState,
    /// Every hyperparameter, by section and name.
    hyperparams: Map<String, Value>,
    /// Its tags.
    tags: Vec<String>,
    /// The container that it runs in: image, arguments and a script to set it up.
    container: Map<String, Value>,
}

/// What is looked at again and again while a task runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskState {
    /// Its status.
    pub status: Status,
    /// Why, in a word.
    pub reason: String,
    /// Why, in words; `stopping` asks the program to end.
    pub message: String,
}

impl TaskState {
    /// Whether somebody asked the running task to end: it is still in progress, and its agent waits.
    pub fn is_asked_to_stop(&self) -> bool {
        self.status == Status::InProgress && self.message.contains("stopping")
    }

    /// Whether the server's watchdog ended it because it had not heard of it for 2 hours.
    pub fn is_given_up_by_watchdog(&self) -> bool {
        self.status == Status::Stopped && self.reason.contains("non-responsive")
    }
}

impl OwnTask {
    /// A task that was made just now, without hyperparameters to look at.
    pub fn fresh(id: String, name: &str, kind: &str, project: Named, state: TaskState) -> Self {
        let (hyperparams, tags, container) = (Map::new(), Vec::new(), Map::new());
        let (name, kind) = (name.to_owned(), kind.to_owned());
        Self { id, name, kind, project: Some(project), state, hyperparams, tags, container }
    }

    /// Its arguments (hyperparameters of the section `Args`), by name.
    pub fn arguments(&self) -> Vec<(String, String)> {
        let Some(Value::Object(section)) = self.hyperparams.get(ARGUMENTS) else { return Vec::new() };
        let value = |item: &Value| item.get("value").and_then(text).unwrap_or_default();
        section.iter().map(|(name, item)| (name.clone(), value(item))).collect()
    }

    /// All its hyperparameters, those of `Args` replaced.
    pub(super) fn hyperparams_with(&self, arguments: Value) -> Value {
        let mut all = self.hyperparams.clone();
        all.insert(ARGUMENTS.to_owned(), arguments);
        Value::Object(all)
    }

    /// Its tags and these: what people gave it stays.
    pub(super) fn tags_with(&self, tags: &[String]) -> Vec<String> {
        let new = tags.iter().filter(|tag| !self.tags.contains(tag));
        self.tags.iter().chain(new).cloned().collect()
    }

    /// Its container with another image: arguments, such as the volume of the database, stay.
    pub(super) fn container_with(&self, image: &str) -> Value {
        let mut container = self.container.clone();
        container.insert("image".to_owned(), Value::from(image));
        Value::Object(container)
    }
}

/// How a program's task ended, as the program says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskEnd {
    /// It was asked to end.
    Stopped,
    /// It did what it was to do.
    Completed,
    /// It could not go on.
    Failed {
        /// Why, for a person.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Found {
    task: Value,
}

#[derive(Deserialize)]
struct Listed {
    tasks: Vec<Value>,
}

/// An answer of which only the arrival matters.
#[derive(Deserialize)]
pub(super) struct Anything {}

impl Client {
    /// A task in full; `None` where the server knows no such ID.
    pub async fn own_task(&self, id: &str) -> Result<Option<OwnTask>, ClearmlError> {
        match self.task_document(id).await? {
            Some(document) => Ok(Some(own_task(id, &document))),
            None => Ok(None),
        }
    }

    /// What state a task is in; `None` where the server knows no such ID.
    pub async fn task_state(&self, id: &str) -> Result<Option<TaskState>, ClearmlError> {
        let fields = ["id", "status", "status_reason", "status_message"];
        let body = json!({"id": [id], "only_fields": fields, "search_hidden": true});
        let answer: Listed = self.call("tasks.get_all", &body).await?;
        Ok(answer.tasks.first().map(state))
    }

    /// Starts a task, whatever its status; what it reported before stays.
    pub async fn start_task(&self, id: &str) -> Result<(), ClearmlError> {
        let body = json!({"task": id, "force": true});
        self.call::<Anything>("tasks.started", &body).await.map(drop)
    }

    /// Says how a task ended.
    pub async fn end_task(&self, id: &str, end: &TaskEnd) -> Result<(), ClearmlError> {
        let (endpoint, reason) = match end {
            TaskEnd::Stopped => ("tasks.stopped", ""),
            TaskEnd::Completed => ("tasks.completed", ""),
            TaskEnd::Failed { reason } => ("tasks.failed", reason.as_str()),
        };
        let body = json!({"task": id, "status_reason": reason, "status_message": "", "force": true});
        self.call::<Anything>(endpoint, &body).await.map(drop)
    }

    /// A sign of life, which keeps the server's watchdog away.
    pub async fn ping_task(&self, id: &str) -> Result<(), ClearmlError> {
        self.call::<Anything>("tasks.ping", &json!({"task": id})).await.map(drop)
    }

    /// Writes notes of the running program into its task (`runtime`); `None` takes one away. Other notes stay.
    pub async fn note_runtime(&self, id: &str, notes: &[(&str, Option<&str>)]) -> Result<(), ClearmlError> {
        let document = self.task_document(id).await?.unwrap_or_default();
        let mut runtime = document.get("runtime").and_then(Value::as_object).cloned().unwrap_or_default();
        for (name, value) in notes {
            match value {
                Some(value) => drop(runtime.insert((*name).to_owned(), json!(value))),
                None => drop(runtime.remove(*name)),
            }
        }
        let body = json!({"task": id, "runtime": runtime, "force": true});
        self.call::<Anything>("tasks.edit", &body).await.map(drop)
    }

    /// Appends lines to a task's console, one event each. A batch whose answer is lost is not sent again, since its lines
    /// would stand there twice.
    pub async fn report_console(&self, id: &str, worker: &str, lines: &[(Stamp, String)]) -> Result<(), ClearmlError> {
        if lines.is_empty() {
            return Ok(());
        }
        let event = |(at, line): &(Stamp, String)| {
            let event = json!({
                "type": "log", "task": id, "level": "info", "worker": worker, "timestamp": at.as_millis(), "msg": line,
            });
            format!("{event}\n")
        };
        let batch: String = lines.iter().map(event).collect();
        self.call_batch_once::<Anything>("events.add_batch", &batch).await.map(drop)
    }

    async fn task_document(&self, id: &str) -> Result<Option<Value>, ClearmlError> {
        match self.call::<Found>("tasks.get_by_id", &json!({"task": id})).await {
            Ok(found) => Ok(Some(found.task)),
            Err(error) if error.is_unknown_task() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn own_task(id: &str, document: &Value) -> OwnTask {
    let fields = |name: &str| document.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    let tags = document.get("tags").and_then(Value::as_array);
    OwnTask {
        id: id.to_owned(),
        name: document.get("name").and_then(text).unwrap_or_default(),
        kind: document.get("type").and_then(text).unwrap_or_default(),
        project: document.get("project").and_then(named),
        state: state(document),
        hyperparams: fields("hyperparams"),
        tags: tags.into_iter().flatten().filter_map(text).collect(),
        container: fields("container"),
    }
}

fn state(document: &Value) -> TaskState {
    let field = |name| document.get(name).and_then(lenient::text).unwrap_or_default();
    TaskState {
        status: Status::parse(&field("status")),
        reason: field("status_reason"),
        message: field("status_message"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_the_section_args_and_nothing_else() {
        let task = own_task(
            "t1",
            &json!({"status": "queued", "hyperparams": {
                "Args": {"channel": {"value": "#ml"}, "empty": {"value": ""}, "odd": {}},
                "General": {"lr": {"value": "1"}},
            }}),
        );
        let arguments = [("channel", "#ml"), ("empty", ""), ("odd", "")];
        assert_eq!(task.arguments(), arguments.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let replaced = task.hyperparams_with(json!({}));
        assert_eq!(replaced, json!({"Args": {}, "General": {"lr": {"value": "1"}}}));
        assert_eq!(own_task("t1", &json!({})).arguments(), Vec::new());
    }

    #[test]
    fn an_abort_is_a_request_while_the_agent_waits() {
        let said = |status: &str, message: &str| state(&json!({"status": status, "status_message": message}));
        assert!(said("in_progress", "stopping").is_asked_to_stop());
        assert!(!said("in_progress", "").is_asked_to_stop());
        assert!(!said("stopped", "stopping").is_asked_to_stop());
        let reason = "Forced stop (non-responsive)";
        assert!(state(&json!({"status": "stopped", "status_reason": reason})).is_given_up_by_watchdog());
    }
}
