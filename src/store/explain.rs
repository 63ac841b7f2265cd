//! Everything recorded of one task, in order: what `explain` and a task's page tell.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::history::{alert_record, alerts_where};
use super::letters::attempts_of;
use super::rows::{count, maybe_stamp, stamp};
use super::rule_sets::hearings;
use super::{AttemptRecord, Hearing, Store, StoreError, known_tasks, monitor};
use crate::domain::{AlertRecord, KnownTask, Stamp, Status};

/// Everything recorded of one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskStory {
    /// The task as it was last seen.
    pub task: TaskRecord,
    /// Every status change seen, in the order of seeing.
    pub transitions: Vec<TransitionRecord>,
    /// What is to be told of every outcome, in the order of deciding: by each rule that alerts or that a silence kept
    /// quiet, or by the one that came nearest.
    pub verdicts: Vec<VerdictRecord>,
    /// What every rule said to every outcome, likewise.
    pub hearings: Vec<Hearing>,
    /// What ended before this may have been removed (`--keep`), and with it what was recorded of it.
    pub kept_from: Option<Stamp>,
}

/// A task's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskRecord {
    /// ClearML's ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// ClearML's task type.
    pub kind: Option<String>,
    /// The project's full name.
    pub project: Option<String>,
    /// The user's name.
    pub user: Option<String>,
    /// ClearML's word.
    pub status: Status,
    /// When the server stamped it.
    pub status_changed: Stamp,
    /// Which run that status belongs to, from 1.
    pub run: u32,
    /// When a poll first brought it.
    pub first_seen_at: Stamp,
}

/// A status change as a poll saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransitionRecord {
    /// Which run of the task, from 1.
    pub run: u32,
    /// `baseline` (there before the watch began), `moved`, `ended` or `restamp`.
    pub change: String,
    /// ClearML's word.
    pub status: Status,
    /// When the server stamped it.
    pub status_changed: Stamp,
    /// `status_reason` as it came with this stamp.
    pub reason: Option<String>,
    /// `status_message` likewise.
    pub message: Option<String>,
    /// When a poll brought it.
    pub seen_at: Stamp,
}

/// What a rule said to an outcome, and what became of the alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerdictRecord {
    /// The row of history.
    #[serde(flatten)]
    pub alert: AlertRecord,
    /// Which run of the task, from 1.
    pub run: u32,
    /// For a suppressed one: the filter that spoke.
    pub filter: Option<String>,
    /// Up to when its rule makes it wait, by ClearML's clock; null where it does not (any more).
    pub waits_until: Option<Stamp>,
    /// Whether quiet hours made it wait.
    pub kept_quiet: bool,
    /// When its wait by its rule was over.
    pub released_at: Option<Stamp>,
    /// The message that tells it, once composed.
    pub message: Option<MessageRecord>,
    /// Every try to tell it, oldest first, those of earlier messages included.
    pub tries: Vec<AttemptRecord>,
}

/// A message to Slack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageRecord {
    /// Its number in the outbox.
    pub id: i64,
    /// `alert`, or `digest` where it tells many alerts.
    pub kind: String,
    /// How much of it was sent: `full`, `without_metadata` or `text_only`.
    pub form: String,
    /// Where it stands.
    pub state: String,
    /// Slack's ID of the channel.
    pub channel_id: String,
    /// Slack's ID of the message.
    pub message_ts: Option<String>,
    /// It was sent again without knowing whether the first had arrived.
    pub possible_duplicate: bool,
    /// It is a reply in the thread of the first message about its task.
    pub in_thread: bool,
    /// The request's body.
    #[serde(skip)]
    pub payload: String,
    /// Its address on the web, where somebody has asked Slack for it; never stored.
    pub permalink: Option<String>,
}

impl Store {
    /// IDs and names of recorded tasks whose ID begins with `prefix`, at most `limit`.
    pub async fn tasks_beginning_with(&self, prefix: &str, limit: usize) -> Result<Vec<(String, String)>, StoreError> {
        let prefix = prefix.to_owned();
        self.read(move |connection| {
            // A range on the key, not LIKE: this costs the same however many tasks there are.
            let sql = "SELECT task_id, name FROM tasks WHERE task_id >= ?1 AND task_id < ?2 ORDER BY task_id LIMIT ?3";
            let end = format!("{prefix}\u{10FFFF}");
            let rows = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            connection.prepare_cached(sql)?.query_map(params![prefix, end, count(limit)], rows)?.collect()
        })
        .await
    }

    /// Everything recorded of a task; `None` where nothing is.
    pub async fn task_story(&self, task_id: &str) -> Result<Option<TaskStory>, StoreError> {
        let task_id = task_id.to_owned();
        self.read(move |connection| task_story(connection, &task_id)).await
    }

    /// What polls remember of a task.
    pub async fn known_task(&self, task_id: &str) -> Result<Option<KnownTask>, StoreError> {
        let task_id = task_id.to_owned();
        self.read(move |connection| known_tasks::known_task(connection, &task_id)).await
    }

    /// [`Store::verdict`] on this thread.
    pub fn verdict_now(&self, alert: i64) -> Result<Option<VerdictRecord>, StoreError> {
        self.read_now(|connection| Ok(verdicts(connection, "a.id = ?1", alert)?.pop()))
    }

    /// One alert with its message and every attempt; `None` where there is no such number.
    pub async fn verdict(&self, alert: i64) -> Result<Option<VerdictRecord>, StoreError> {
        self.read(move |connection| Ok(verdicts(connection, "a.id = ?1", alert)?.pop())).await
    }
}

fn task_story(connection: &Connection, task_id: &str) -> rusqlite::Result<Option<TaskStory>> {
    let sql = "SELECT task_id, name, kind, project, user, status, status_changed, run, first_seen_at
               FROM tasks WHERE task_id = ?1";
    let Some(task) = connection.prepare_cached(sql)?.query_row([task_id], task_record).optional()? else {
        return Ok(None);
    };
    let sql = "SELECT run, change, status, status_changed, reason, message, seen_at
               FROM transitions WHERE task_id = ?1 ORDER BY id";
    let transitions = connection.prepare_cached(sql)?.query_map([task_id], transition)?.collect::<Result<_, _>>()?;
    let verdicts = verdicts(connection, "a.task_id = ?1", task_id)?;
    let hearings = hearings(connection, task_id)?;
    let kept_from = monitor::kept_from(connection)?;
    Ok(Some(TaskStory { task, transitions, verdicts, hearings, kept_from }))
}

/// What a verdict tells besides the row of history.
const OWN_COLUMNS: &str = "a.run, a.filter, a.delivery_id, a.wait_until, a.kept_quiet, a.released_at";

fn verdicts(
    connection: &Connection,
    which: &'static str,
    key: impl rusqlite::ToSql,
) -> rusqlite::Result<Vec<VerdictRecord>> {
    let sql = alerts_where(OWN_COLUMNS, which, "a.id");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([key], |row| {
        let delivery: Option<i64> = row.get("delivery_id")?;
        let (run, filter) = (row.get("run")?, row.get("filter")?);
        let (waits_until, released_at) = (maybe_stamp(row, "wait_until")?, maybe_stamp(row, "released_at")?);
        let (kept_quiet, message, tries) = (row.get("kept_quiet")?, None, Vec::new());
        let alert = alert_record(row)?;
        Ok((VerdictRecord { alert, run, filter, waits_until, kept_quiet, released_at, message, tries }, delivery))
    })?;
    let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter()
        .map(|(verdict, delivery)| {
            let message = delivery.map(|delivery| message(connection, delivery)).transpose()?;
            let tries = attempts_of(connection, verdict.alert.id)?;
            Ok(VerdictRecord { message, tries, ..verdict })
        })
        .collect()
}

fn message(connection: &Connection, delivery: i64) -> rusqlite::Result<MessageRecord> {
    let sql = "SELECT id, kind, form, state, channel_id, message_ts, possible_duplicate, payload,
               follows IS NOT NULL AS in_thread
               FROM deliveries WHERE id = ?1";
    connection.prepare_cached(sql)?.query_row([delivery], |row| {
        Ok(MessageRecord {
            id: row.get("id")?,
            kind: row.get("kind")?,
            form: row.get("form")?,
            state: row.get("state")?,
            channel_id: row.get("channel_id")?,
            message_ts: row.get("message_ts")?,
            possible_duplicate: row.get("possible_duplicate")?,
            in_thread: row.get("in_thread")?,
            payload: row.get("payload")?,
            permalink: None,
        })
    })
}

fn task_record(row: &Row<'_>) -> rusqlite::Result<TaskRecord> {
    Ok(TaskRecord {
        id: row.get("task_id")?,
        name: row.get("name")?,
        kind: row.get("kind")?,
        project: row.get("project")?,
        user: row.get("user")?,
        status: Status::parse(&row.get::<_, String>("status")?),
        status_changed: stamp(row, "status_changed")?,
        run: row.get("run")?,
        first_seen_at: stamp(row, "first_seen_at")?,
    })
}

fn transition(row: &Row<'_>) -> rusqlite::Result<TransitionRecord> {
    Ok(TransitionRecord {
        run: row.get("run")?,
        change: row.get("change")?,
        status: Status::parse(&row.get::<_, String>("status")?),
        status_changed: stamp(row, "status_changed")?,
        reason: row.get("reason")?,
        message: row.get("message")?,
        seen_at: stamp(row, "seen_at")?,
    })
}
