//! A task as the simulated server keeps it, and the document that it shows to clients.

use serde_json::{Map, Value, json};

use super::wire::{COMPANY, wire_stamp};
use super::world::World;
use crate::domain::{Named, Stamp, Status, Task};

/// A task in the simulated server's memory. What has no value is left out of its document, as in the real one.
#[derive(Debug, Clone)]
pub(crate) struct SimTask {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) user: String,
    pub(crate) project: Option<String>,
    pub(crate) parent: Option<String>,
    pub(crate) status: Status,
    pub(crate) status_changed: Option<Stamp>,
    pub(crate) status_reason: Option<String>,
    pub(crate) status_message: Option<String>,
    pub(crate) created: Stamp,
    pub(crate) started: Option<Stamp>,
    pub(crate) completed: Option<Stamp>,
    pub(crate) published: Option<Stamp>,
    pub(crate) active_duration: Option<i64>,
    pub(crate) last_update: Stamp,
    pub(crate) last_change: Stamp,
    pub(crate) last_changed_by: String,
    pub(crate) last_iteration: i64,
    pub(crate) last_worker: Option<String>,
    pub(crate) last_worker_report: Option<Stamp>,
    pub(crate) tags: Vec<String>,
    pub(crate) system_tags: Vec<String>,
    pub(crate) queue: Option<String>,
    pub(crate) enqueue_status: Option<String>,
    /// Script, hyperparameters, comment and the rest that nothing here looks into, by field name.
    pub(crate) more: Map<String, Value>,
}

/// Every top-level field of a task document.
pub(crate) const TASK_FIELDS: [&str; 41] = [
    "id",
    "company",
    "user",
    "name",
    "type",
    "status",
    "status_reason",
    "status_message",
    "status_changed",
    "comment",
    "report",
    "report_assets",
    "created",
    "started",
    "completed",
    "published",
    "active_duration",
    "parent",
    "project",
    "output",
    "execution",
    "tags",
    "system_tags",
    "script",
    "last_worker",
    "last_worker_report",
    "last_update",
    "last_change",
    "last_iteration",
    "last_metrics",
    "unique_metrics",
    "metric_stats",
    "hyperparams",
    "configuration",
    "runtime",
    "models",
    "container",
    "enqueue_status",
    "last_changed_by",
    "company_origin",
    "hidden_tags",
];

/// The types that a task can have.
pub(crate) const TASK_TYPES: [&str; 16] = [
    "training",
    "testing",
    "inference",
    "data_processing",
    "application",
    "monitor",
    "controller",
    "optimizer",
    "service",
    "qc",
    "custom",
    "dataset_import",
    "annotation",
    "annotation_manual",
    "report",
    "dataset",
];

impl SimTask {
    pub(crate) fn new(id: String, name: &str, kind: &str, user: &str, now: Stamp) -> Self {
        Self {
            id,
            name: name.to_owned(),
            kind: kind.to_owned(),
            user: user.to_owned(),
            project: None,
            parent: None,
            status: Status::Created,
            status_changed: None,
            status_reason: None,
            status_message: None,
            created: now,
            started: None,
            completed: None,
            published: None,
            active_duration: None,
            last_update: now,
            last_change: now,
            last_changed_by: user.to_owned(),
            last_iteration: 0,
            last_worker: None,
            last_worker_report: None,
            tags: Vec::new(),
            system_tags: Vec::new(),
            queue: None,
            enqueue_status: None,
            more: Map::new(),
        }
    }

    pub(crate) fn has_system_tag(&self, tag: &str) -> bool {
        self.system_tags.iter().any(|own| own == tag)
    }

    /// One top-level field as the document shows it, with bare IDs; `None` where it has no value.
    pub(crate) fn field(&self, name: &str) -> Option<Value> {
        let text = |value: &Option<String>| value.clone().map(Value::String);
        let stamp = |value: Option<Stamp>| value.map(|stamp| Value::String(wire_stamp(stamp)));
        match name {
            "id" => Some(json!(self.id)),
            "company" => Some(json!(COMPANY)),
            "user" => Some(json!(self.user)),
            "name" => Some(json!(self.name)),
            "type" => Some(json!(self.kind)),
            "status" => Some(json!(self.status.as_str())),
            "status_reason" => text(&self.status_reason),
            "status_message" => text(&self.status_message),
            "status_changed" => stamp(self.status_changed),
            "created" => stamp(Some(self.created)),
            "started" => stamp(self.started),
            "completed" => stamp(self.completed),
            "published" => stamp(self.published),
            "active_duration" => self.active_duration.map(Value::from),
            "parent" => text(&self.parent),
            "project" => text(&self.project),
            "tags" => Some(json!(self.tags)),
            "system_tags" => Some(json!(self.system_tags)),
            "last_worker" => text(&self.last_worker),
            "last_worker_report" => stamp(self.last_worker_report),
            "last_update" => stamp(Some(self.last_update)),
            "last_change" => stamp(Some(self.last_change)),
            "last_iteration" => Some(json!(self.last_iteration)),
            "last_changed_by" => Some(json!(self.last_changed_by)),
            "enqueue_status" => text(&self.enqueue_status),
            "execution" => Some(self.execution()),
            other => self.more.get(other).cloned().or_else(|| blank(other)),
        }
    }

    fn execution(&self) -> Value {
        let mut execution = self.more.get("execution").cloned().or_else(|| blank("execution")).unwrap_or_default();
        if let (Some(fields), Some(queue)) = (execution.as_object_mut(), &self.queue) {
            fields.insert("queue".to_owned(), json!(queue));
        }
        execution
    }

    /// As the rest of the program knows tasks; a task that never changed its status carries its creation as stamp.
    pub(crate) fn as_domain(&self, world: &World) -> Task {
        let named = |id: &String, name: Option<String>| Named { id: id.clone(), name };
        let project = |id: &String| named(id, world.project(id).map(|project| project.name.clone()));
        let queue = |id: &String| named(id, world.queue(id).map(|queue| queue.name.clone()));
        Task {
            id: self.id.clone(),
            name: self.name.clone(),
            kind: Some(self.kind.clone()),
            status: self.status.clone(),
            status_changed: self.status_changed.unwrap_or(self.created),
            status_reason: self.status_reason.clone(),
            status_message: self.status_message.clone(),
            started: self.started,
            completed: self.completed,
            active_duration: self.active_duration,
            last_update: Some(self.last_update),
            last_iteration: self.last_iteration,
            project: self.project.as_ref().map(project),
            user: Some(named(&self.user, world.user(&self.user).map(|user| user.name.clone()))),
            tags: self.tags.clone(),
            system_tags: self.system_tags.clone(),
            parent: self.parent.clone(),
            worker: self.last_worker.clone(),
            queue: self.queue.as_ref().map(queue),
            metrics: Vec::new(),
        }
    }

    /// The whole document, with bare IDs.
    pub(crate) fn document(&self) -> Map<String, Value> {
        TASK_FIELDS.iter().filter_map(|name| Some(((*name).to_owned(), self.field(name)?))).collect()
    }
}

/// What a new task has in the fields that nobody filled.
pub(crate) fn blank(field: &str) -> Option<Value> {
    Some(match field {
        "report_assets" | "unique_metrics" => json!([]),
        "output" | "last_metrics" | "metric_stats" | "hyperparams" | "configuration" | "runtime" | "container" => {
            json!({})
        }
        "models" => json!({"input": [], "output": []}),
        "script" => json!({"binary": "python", "repository": "", "entry_point": "", "requirements": {}}),
        "execution" => {
            json!({"test_split": 0, "parameters": {}, "model_desc": {}, "model_labels": {}, "artifacts": []})
        }
        _ => return None,
    })
}
