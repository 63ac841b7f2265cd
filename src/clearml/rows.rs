//! A task as ClearML writes it on the wire, and its turning into a domain task or into the reason why not.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::{self, tidy};
use super::lenient::{integer_field, number, text, text_field, texts_field};
use crate::domain::{LastMetric, Named, Stamp, Status, Task};

/// What a request for tasks asks to be told of each; `project.name` and its like bring the ID along.
const FIELDS: [&str; 19] = [
    "id",
    "name",
    "type",
    "status",
    "status_changed",
    "status_reason",
    "status_message",
    "started",
    "completed",
    "active_duration",
    "last_update",
    "last_iteration",
    "project.name",
    "user.name",
    "tags",
    "system_tags",
    "parent",
    "last_worker",
    "execution.queue.name",
];

/// What else is asked for, beside what every rule needs. It costs the server something, so it is asked for only where a
/// rule looks at it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Tasks with the system tag `hidden`.
    pub hidden: bool,
    /// The last values of the tasks' metrics.
    pub metrics: bool,
}

impl Wanted {
    /// The fields to ask for.
    pub(super) fn fields(self) -> Vec<&'static str> {
        FIELDS.into_iter().chain(self.metrics.then_some("last_metrics")).collect()
    }
}

/// One row of an answer. Its place in the order of changes is kept apart from its content, so that a row whose content
/// makes no sense still counts for paging.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) id: Option<String>,
    pub(super) stamp: Option<Stamp>,
    pub(super) task: Result<Task, String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireTask {
    #[serde(deserialize_with = "text_field")]
    id: Option<String>,
    #[serde(deserialize_with = "text_field")]
    name: Option<String>,
    #[serde(rename = "type", deserialize_with = "text_field")]
    kind: Option<String>,
    #[serde(deserialize_with = "text_field")]
    status: Option<String>,
    #[serde(deserialize_with = "text_field")]
    status_changed: Option<String>,
    #[serde(deserialize_with = "text_field")]
    status_reason: Option<String>,
    #[serde(deserialize_with = "text_field")]
    status_message: Option<String>,
    #[serde(deserialize_with = "stamp_field")]
    started: Option<Stamp>,
    #[serde(deserialize_with = "stamp_field")]
    completed: Option<Stamp>,
    #[serde(deserialize_with = "integer_field")]
    active_duration: Option<i64>,
    #[serde(deserialize_with = "stamp_field")]
    last_update: Option<Stamp>,
    #[serde(deserialize_with = "integer_field")]
    last_iteration: Option<i64>,
    #[serde(deserialize_with = "named_field")]
    project: Option<Named>,
    #[serde(deserialize_with = "named_field")]
    user: Option<Named>,
    #[serde(deserialize_with = "texts_field")]
    tags: Vec<String>,
    #[serde(deserialize_with = "texts_field")]
    system_tags: Vec<String>,
    #[serde(deserialize_with = "named_field")]
    parent: Option<Named>,
    #[serde(deserialize_with = "text_field")]
    last_worker: Option<String>,
    #[serde(deserialize_with = "queue_field")]
    execution: Option<Named>,
    #[serde(deserialize_with = "metrics_field")]
    last_metrics: Vec<LastMetric>,
}

impl Row {
    /// Reads a row; never fails as a whole.
    pub(super) fn read(value: Value) -> Self {
        Self::of(WireTask::deserialize(value))
    }

    /// [`Row::read`] of a row as it is written.
    pub(super) fn read_written(json: &RawValue) -> Self {
        Self::of(answer::read(json))
    }

    fn of(read: serde_json::Result<WireTask>) -> Self {
        match read {
            Ok(wire) => wire.into_row(),
            Err(error) => Self { id: None, stamp: None, task: Err(tidy(&format!("it is no task: {error}"))) },
        }
    }
}

impl WireTask {
    fn into_row(self) -> Row {
        let id = filled(self.id.clone());
        let (stamp, why_not) = match self.status_changed.as_deref() {
            None => (None, "it has no `status_changed`".to_owned()),
            Some(text) => match Stamp::parse(text) {
                Ok(stamp) => (Some(stamp), String::new()),
                Err(error) => (None, tidy(&format!("its `status_changed` cannot be read: {error}"))),
            },
        };
        let task = match (id.clone(), filled(self.status.clone()), stamp) {
            (None, _, _) => Err("it has no `id`".to_owned()),
            (_, None, _) => Err("it has no `status`".to_owned()),
            (_, _, None) => Err(why_not),
            (Some(id), Some(status), Some(stamp)) => Ok(self.into_task(id, &status, stamp)),
        };
        Row { id, stamp, task }
    }

    fn into_task(self, id: String, status: &str, status_changed: Stamp) -> Task {
        Task {
            id,
            name: self.name.unwrap_or_default(),
            kind: filled(self.kind),
            status: Status::parse(status),
            status_changed,
            status_reason: filled(self.status_reason),
            status_message: filled(self.status_message),
            started: self.started,
            completed: self.completed,
            active_duration: self.active_duration,
            last_update: self.last_update,
            last_iteration: self.last_iteration.unwrap_or(0),
            project: self.project,
            user: self.user,
            tags: self.tags,
            system_tags: self.system_tags,
            parent: self.parent.map(|parent| parent.id),
            worker: filled(self.last_worker),
            queue: self.execution,
            metrics: self.last_metrics,
        }
    }
}

/// ClearML writes some values that are not set as empty text.
fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

/// Something joined (`{"id": …, "name": …}`), or its bare ID where it was not.
pub(super) fn named(value: &Value) -> Option<Named> {
    match value {
        Value::Object(fields) => {
            let field = |name| filled(fields.get(name).and_then(text));
            field("id").map(|id| Named { id, name: field("name") })
        }
        other => filled(text(other)).map(|id| Named { id, name: None }),
    }
}

fn named_field<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Named>, D::Error> {
    Ok(named(&Value::deserialize(deserializer)?))
}

fn queue_field<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Named>, D::Error> {
    Ok(Value::deserialize(deserializer)?.get("queue").and_then(named))
}

/// `last_metrics`: by the MD5 of the title, then by that of the series, `{metric, variant, value, min_value, max_value}`.
/// So the API's schema has it (`LastMetricsEvent` in `clearml/backend_api/services/v2_20/tasks.py` of the SDK 2.1.12), and
/// so `Task.get_last_scalar_metrics` of the same SDK reads it: by the names inside, whatever the keys.
fn metrics_field<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<LastMetric>, D::Error> {
    let given = Value::deserialize(deserializer)?;
    let below = |value: &Value| value.as_object().map(|fields| fields.values().cloned().collect::<Vec<_>>());
    let titles = below(&given).unwrap_or_default();
    let values = titles.iter().filter_map(below).flatten();
    Ok(values.filter_map(|value| metric(&value)).collect())
}

fn metric(value: &Value) -> Option<LastMetric> {
    let name = |field| value.get(field).and_then(text);
    let number = |field| value.get(field).and_then(number);
    Some(LastMetric {
        title: name("metric")?,
        series: name("variant")?,
        last: number("value"),
        min: number("min_value"),
        max: number("max_value"),
    })
}

fn stamp_field<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Stamp>, D::Error> {
    Ok(text_field(deserializer)?.and_then(|text| Stamp::parse(&text).ok()))
}
