//! What is asked about tasks and their consoles.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answer;
use super::client::Client;
use super::error::ClearmlError;
use super::lenient::{integer, text};
use super::pager::Request;
use super::retry::Repeat;
use super::rows::{Row, Wanted};
use super::transport::Body;
use crate::domain::{Stamp, Task};

/// The one endpoint that tells names of projects, users and queues along with the tasks.
pub(super) const TASKS: &str = "tasks.get_all_ex";

const CONSOLE: &str = "events.get_task_log";

#[derive(Deserialize)]
struct Tasks {
    tasks: Vec<Value>,
}

/// Rows that are read one after the other, so that a page is never held as a whole tree of values.
#[derive(Deserialize)]
struct Unread<'a> {
    #[serde(borrow)]
    tasks: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Events {
    events: Vec<Value>,
}

impl Client {
    /// The newest status change that the server knows of, whatever the task; `None` on a server where no task ever
    /// changed its status.
    pub async fn newest_change(&self, wanted: Wanted) -> Result<Option<Stamp>, ClearmlError> {
        let body = json!({
            "order_by": ["-status_changed"],
            "page": 0,
            "page_size": 1,
            "only_fields": ["id", "status", "status_changed"],
            "search_hidden": wanted.hidden,
        });
        let answer: Tasks = self.call(TASKS, &body).await?;
        let Some(newest) = answer.tasks.into_iter().next() else { return Ok(None) };
        // Tasks without a stamp sort last here, so one that comes first means that there is no other.
        let never_changed = newest.get("status_changed").is_none_or(Value::is_null);
        match Row::read(newest) {
            Row { stamp: Some(stamp), .. } => Ok(Some(stamp)),
            _ if never_changed => Ok(None),
            Row { task, .. } => Err(ClearmlError::protocol(TASKS, task.err().unwrap_or_default())),
        }
    }

    /// One task as it is now, hidden and archived ones included; `None` where the server knows no such ID. A task that
    /// never changed its status carries [`Stamp::EPOCH`].
    pub async fn task(&self, id: &str, wanted: Wanted) -> Result<Option<Task>, ClearmlError> {
        let found = self.tasks(&[id.to_owned()], wanted).await?;
        Ok(found.into_iter().next())
    }

    /// The tasks with these IDs as they are now, hidden and archived ones included, a page at a time; those that the
    /// server does not know (any more) are missing. One that never changed its status carries [`Stamp::EPOCH`].
    pub async fn tasks(&self, ids: &[String], wanted: Wanted) -> Result<Vec<Task>, ClearmlError> {
        // An empty list of IDs is no filter at all, and an empty ID is no ID.
        let ids: Vec<&String> = ids.iter().filter(|id| !id.trim().is_empty()).collect();
        let mut tasks = Vec::with_capacity(ids.len());
        for some in ids.chunks(self.page_size()) {
            let (page_size, fields) = (some.len(), wanted.fields());
            let body =
                json!({"id": some, "page": 0, "page_size": page_size, "only_fields": fields, "search_hidden": true});
            let answer: Tasks = self.call(TASKS, &body).await?;
            for found in answer.tasks {
                tasks.push(asked_for(found, some)?);
            }
        }
        Ok(tasks)
    }

    /// Asks for a task by its ID alone: where the server knows none, the error holds its words.
    pub async fn require_task(&self, id: &str) -> Result<(), ClearmlError> {
        self.call::<Value>("tasks.get_by_id", &json!({"task": id})).await.map(drop)
    }

    /// The messages of a task's newest `events` log events, oldest first. A message can hold many lines. More than
    /// `events` can come, since events of one millisecond come together and in no particular order.
    pub async fn console_tail(&self, task_id: &str, events: u32) -> Result<Vec<String>, ClearmlError> {
        if events == 0 {
            return Ok(Vec::new());
        }
        let body = json!({"task": task_id, "batch_size": events, "navigate_earlier": true, "order": "asc"});
        let mut answer: Events = self.call(CONSOLE, &body).await?;
        answer.events.sort_by_key(|event| event.get("timestamp").and_then(integer));
        Ok(answer.events.iter().filter_map(|event| event.get("msg").and_then(text)).collect())
    }

    /// The rows that a pager asks for.
    pub(super) async fn changed_rows(&self, request: Request, wanted: Wanted) -> Result<Vec<Row>, ClearmlError> {
        self.rows(&changes_body(request, self.page_size(), wanted)).await
    }

    /// The rows of a question about tasks.
    pub(super) async fn rows(&self, body: &Value) -> Result<Vec<Row>, ClearmlError> {
        rows_of(&self.call_unread(TASKS, Body::Json(body), Repeat::Freely).await?)
    }
}

/// The rows in the `data` of an answer.
pub(super) fn rows_of(data: &RawValue) -> Result<Vec<Row>, ClearmlError> {
    let unread: Unread = serde_json::from_str(data.get())
        .map_err(|error| ClearmlError::protocol(TASKS, answer::tidy(&error.to_string())))?;
    Ok(unread.tasks.into_iter().map(Row::read_written).collect())
}

/// A task that was asked for by its ID.
fn asked_for(mut found: Value, ids: &[&String]) -> Result<Task, ClearmlError> {
    if let Value::Object(fields) = &mut found {
        let stamp = fields.entry("status_changed").or_insert(Value::Null);
        if stamp.is_null() {
            *stamp = Value::String(Stamp::EPOCH.to_string());
        }
    }
    let asked = || ids.first().map_or("none", |id| id.as_str());
    match Row::read(found) {
        Row { task: Ok(task), .. } if ids.contains(&&task.id) => Ok(task),
        Row { task: Ok(_), .. } => Err(ClearmlError::protocol(TASKS, format!("it is not about task {}", asked()))),
        Row { id, task: Err(problem), .. } => {
            let id = id.unwrap_or_else(|| asked().to_owned());
            Err(ClearmlError::protocol(TASKS, format!("of task {id}: {problem}")))
        }
    }
}

/// A page by number needs an order without ties, by ID as well; one by key-set does not.
fn changes_body(request: Request, page_size: usize, wanted: Wanted) -> Value {
    let order: &[&str] = if request.by_number { &["status_changed", "id"] } else { &["status_changed"] };
    json!({
        "status_changed": [format!(">={}", as_bound(request.from))],
        "order_by": order,
        "page": request.page,
        "page_size": page_size,
        "only_fields": wanted.fields(),
        "search_hidden": wanted.hidden,
    })
}

/// `2026-11-22T22:27:28.021000`: the way of writing a bound that was seen to be understood. What the server does not
/// understand it ignores in silence, and answers with everything.
pub(super) fn as_bound(stamp: Stamp) -> String {
    stamp.to_timestamp().strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_written_as_the_server_is_known_to_read_them() {
        let stamp = Stamp::parse("2026-11-22T22:27:28.021Z").unwrap();
        assert_eq!(as_bound(stamp), "2026-11-22T22:27:28.021000");
        assert_eq!(as_bound(Stamp::EPOCH), "1970-01-01T00:00:00.000000");
    }

    #[test]
    fn what_costs_the_server_something_is_asked_for_only_where_wanted() {
        let request = Request { from: Stamp::EPOCH, page: 0, by_number: false };
        for (hidden, metrics) in [(false, false), (true, false), (false, true), (true, true)] {
            let body = changes_body(request, 500, Wanted { hidden, metrics });
            assert_eq!(body["search_hidden"], json!(hidden));
            let fields = body["only_fields"].as_array().unwrap();
            assert_eq!(fields.contains(&json!("last_metrics")), metrics);
        }
    }

    #[test]
    fn a_page_is_asked_for_as_the_contract_says() {
        let request = Request { from: Stamp::EPOCH, page: 0, by_number: false };
        let body = changes_body(request, 500, Wanted::default());
        assert_eq!(body["status_changed"], json!([">=1970-01-01T00:00:00.000000"]));
        assert_eq!(body["order_by"], json!(["status_changed"]));
        assert_eq!((&body["page"], &body["page_size"]), (&json!(0), &json!(500)));
        assert_eq!(
            changes_body(Request { by_number: true, ..request }, 500, Wanted::default())["order_by"],
            json!(["status_changed", "id"])
        );
    }
}
