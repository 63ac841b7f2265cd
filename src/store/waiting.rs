//! Alerts that wait because their rules say so: for the end of a hold, or of quiet hours. ClearML's clock ends a wait, and
//! only a poll that went through whole says what it shows.

use rusqlite::{Connection, Transaction, params};

use super::outbox::resting_alert;
use super::rows::{outcome, stamp};
use super::{RecordedAlert, Store, StoreError};
use crate::domain::rule::LONGEST_WAIT;
use crate::domain::{AlertState, Change, Decision, Filter, Stamp, Status, Suppression, Task};

/// The wait is over by `?1`, or it would end after `?2`: longer than any wait is, by a clock that was set back meanwhile.
const IS_OVER: &str = "(wait_until <= ?1 OR wait_until > ?2)";

impl Store {
    /// Ends the waits that are over at `server_now`, a moment by ClearML's clock at which everything before it had been
    /// polled. Returns how many alerts can be told now. Where none can, nothing is written.
    pub async fn release_waiting(&self, server_now: Stamp, now: Stamp) -> Result<usize, StoreError> {
        let bounds = [server_now.as_millis(), server_now.plus(LONGEST_WAIT).as_millis()];
        let is_any =
            move |connection: &Connection| connection.prepare_cached(ANY_OVER)?.query_row(bounds, |row| row.get(0));
        if !self.read(is_any).await? {
            return Ok(0);
        }
        self.write(move |tx| {
            tx.prepare_cached(END_HOLDS)?.execute(bounds)?;
            let released = release(tx, bounds, now)?;
            crate::crash::point("before_release");
            Ok(released)
        })
        .await
    }
}

pub(super) const ANY_OVER: &str =
    "SELECT EXISTS (SELECT 1 FROM alerts WHERE wait_until <= ?1) OR EXISTS (SELECT 1 FROM alerts WHERE wait_until > ?2)
         OR EXISTS (SELECT 1 FROM alerts WHERE hold_until <= ?1)";

/// From here on nothing drops them, be they kept quiet for longer.
pub(super) const END_HOLDS: &str = "UPDATE alerts SET hold_until = NULL WHERE hold_until <= ?1 OR hold_until > ?2";

fn release(tx: &Transaction<'_>, bounds: [i64; 2], now: Stamp) -> rusqlite::Result<usize> {
    let sql = format!("SELECT DISTINCT channel FROM alerts WHERE {IS_OVER}");
    let lanes: Vec<String> =
        tx.prepare_cached(&sql)?.query_map(bounds, |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let sql = format!(
        "UPDATE alerts SET wait_until = NULL, hold_until = NULL, released_at = ?3, state = ?4, reason = ?5
         WHERE {IS_OVER} AND channel = ?6"
    );
    let mut released = 0;
    for lane in lanes {
        let (state, reason) = resting_alert(tx, &lane)?;
        let of = params![bounds[0], bounds[1], now.as_millis(), state.as_str(), reason, lane];
        released += tx.prepare_cached(&sql)?.execute(of)?;
    }
    Ok(released)
}

/// Alerts about earlier runs of a task that are held when it is queued or started again are never told.
pub(super) const DROP_RETRIED: &str =
    "UPDATE alerts SET state = 'suppressed', filter = 'retried', reason = ?3, snapshot = NULL,
        wait_until = NULL, hold_until = NULL
    WHERE task_id = ?1 AND hold_until IS NOT NULL AND run < ?2
    RETURNING id, rule, task_name, outcome, status_changed";

/// Drops the held alerts of a task that the page shows in another run. Returns what to log of each.
pub(super) fn drop_retried(
    tx: &Transaction<'_>,
    task: &Task,
    decision: &Decision,
) -> rusqlite::Result<Vec<RecordedAlert>> {
    let Some(detail) = again(task, decision.observation.change) else {
        return Ok(Vec::new());
    };
    let why = Suppression { filter: Filter::Retried, detail };
    let of = params![task.id, decision.observation.known.run, why.to_string()];
    let mut statement = tx.prepare_cached(DROP_RETRIED)?;
    let dropped = statement.query_map(of, |row| {
        Ok(RecordedAlert {
            id: row.get("id")?,
            rule: row.get("rule")?,
            task_id: task.id.clone(),
            task_name: row.get("task_name")?,
            outcome: outcome(row, "outcome")?,
            status_changed: stamp(row, "status_changed")?,
            suppressed: Some(why.clone()),
            wait: None,
        })
    })?;
    dropped.collect()
}

/// How the task came to run again, in words; `None` where it did not.
fn again(task: &Task, change: Change) -> Option<String> {
    let how = match (change, &task.status) {
        (Change::Moved, Status::Queued) => "queued again",
        (Change::Moved, Status::InProgress) => "started again",
        (Change::Moved, Status::Created) => "reset",
        (Change::Ended(_), _) => "ran again and ended",
        _ => return None,
    };
    Some(format!("{how} at {}, before its hold was over", task.status_changed))
}

/// Where an alert rests that is recorded now: its wait by its rule goes before whatever its lane waits for.
pub(super) fn resting_place(parked: Option<String>, wait: Option<String>) -> (AlertState, Option<String>) {
    match (wait, parked) {
        (Some(wait), _) => (AlertState::Pending, Some(wait)),
        (None, Some(parked)) => (AlertState::Held, Some(parked)),
        (None, None) => (AlertState::Pending, None),
    }
}
