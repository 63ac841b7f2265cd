//! The outcomes of the past, to be put to other rules: what `test-rules` reads. Nothing here changes a row.

use rusqlite::Row;

use super::rows::{outcome, stamp, unreadable};
use super::{Store, StoreError};
use crate::domain::{Outcome, Stamp, Task};

/// An outcome that was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastOutcome {
    /// ClearML's task ID.
    pub task_id: String,
    /// The task's name when the outcome was recorded.
    pub task_name: String,
    /// Which run of the task, from 1.
    pub run: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// When the server stamped it.
    pub status_changed: Stamp,
    /// `status_reason` as it was recorded.
    pub reason: Option<String>,
    /// `status_message` likewise.
    pub message: Option<String>,
    /// The whole task as it was polled, where an alert keeps it.
    pub task: Option<Task>,
}

/// Reads along the index `alerts_newest`: every outcome that rules were asked about has a row there.
const PAST: &str = "SELECT a.task_id, a.task_name, a.run, a.outcome, a.status_changed, max(a.snapshot) AS snapshot,
        (SELECT t.reason FROM transitions AS t WHERE t.task_id = a.task_id AND t.run = a.run AND t.change = 'ended'
             AND t.status_changed = a.status_changed ORDER BY t.id LIMIT 1) AS status_reason,
        (SELECT t.message FROM transitions AS t WHERE t.task_id = a.task_id AND t.run = a.run AND t.change = 'ended'
             AND t.status_changed = a.status_changed ORDER BY t.id LIMIT 1) AS status_message
    FROM alerts AS a WHERE a.status_changed >= ?1
    GROUP BY a.status_changed, a.task_id, a.run, a.outcome ORDER BY a.status_changed, min(a.id)";

impl Store {
    /// Every outcome stamped at or after `from` that rules were asked about, oldest first.
    pub async fn outcomes_since(&self, from: Stamp) -> Result<Vec<PastOutcome>, StoreError> {
        self.read(move |connection| connection.prepare(PAST)?.query_map([from.as_millis()], past)?.collect()).await
    }
}

fn past(row: &Row<'_>) -> rusqlite::Result<PastOutcome> {
    let snapshot: Option<String> = row.get("snapshot")?;
    let task = snapshot.map(|snapshot| serde_json::from_str(&snapshot)).transpose();
    Ok(PastOutcome {
        task_id: row.get("task_id")?,
        task_name: row.get("task_name")?,
        run: row.get("run")?,
        outcome: outcome(row, "outcome")?,
        status_changed: stamp(row, "status_changed")?,
        reason: row.get("status_reason")?,
        message: row.get("status_message")?,
        task: task.map_err(|error| unreadable(error.to_string()))?,
    })
}
