//! Who would run an enqueued task: the agents of a queue.

use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Client;
use super::error::ClearmlError;
use super::lenient::text;
use super::rows::named;

#[derive(Deserialize)]
struct Queues {
    queues: Vec<Value>,
}

#[derive(Deserialize)]
struct Workers {
    workers: Vec<Value>,
}

impl Client {
    /// The agents that take tasks from the queue of this name; `None` where there is no such queue.
    pub async fn agents_of_queue(&self, queue: &str) -> Result<Option<Vec<String>>, ClearmlError> {
        let pattern = format!("^{}$", regex::escape(queue));
        let found: Queues =
            self.call("queues.get_all", &json!({"name": pattern, "only_fields": ["id", "name"]})).await?;
        let Some(queue) = found.queues.iter().filter_map(named).find(|found| found.label() == queue) else {
            return Ok(None);
        };
        let answer: Workers = self.call("workers.get_all", &json!({})).await?;
        let serves = |worker: &&Value| {
            let queues = worker.get("queues").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            queues.iter().filter_map(named).any(|served| served.id == queue.id)
        };
        let serving = answer.workers.iter().filter(serves).filter_map(|worker| worker.get("id").and_then(text));
        Ok(Some(serving.collect()))
    }
}
