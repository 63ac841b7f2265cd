//! Messages that are kept current: where a task's later alerts follow its first, and what that one shows of the task.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::rows::{unreadable, word};
use super::{NewDelivery, Store, StoreError, outbox};
use crate::domain::delivery::DeliveryState;
use crate::domain::follow::shown_after;
use crate::domain::{FirstMessage, Observation, Rule, Stamp, Status, TaskState};

/// How a message takes part in a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thread {
    /// Later alerts of this task and this rule follow it.
    Begins {
        /// The rule.
        rule: String,
        /// ClearML's task ID.
        task_id: String,
        /// What the message itself tells of the task.
        told: TaskState,
    },
    /// It follows the message of this delivery.
    Follows(i64),
}

/// A message that does not show yet how its task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateToShow {
    /// Its delivery.
    pub delivery: i64,
    /// The rule that told it.
    pub rule: String,
    /// The task.
    pub task_id: String,
    /// Slack's ID of its channel.
    pub address: String,
    /// Slack's ID of the message.
    pub ts: String,
    /// The key in its metadata.
    pub key: String,
    /// The message as it was sent.
    pub payload: String,
    /// What it tells of the task.
    pub told: TaskState,
    /// How the task stands.
    pub wanted: TaskState,
}

impl Store {
    /// The message that a later alert of this rule about this task follows.
    pub async fn first_message(&self, rule: &str, task_id: &str) -> Result<Option<FirstMessage>, StoreError> {
        let (rule, task_id) = (rule.to_owned(), task_id.to_owned());
        self.read(move |connection| {
            connection.prepare_cached(FIRST_MESSAGE)?.query_row([task_id, rule], first_message).optional()
        })
        .await
    }

    /// A message of `channel` that does not show yet how its task stands, and of which no edit is under way.
    pub async fn state_to_show(&self, channel: &str) -> Result<Option<StateToShow>, StoreError> {
        let channel = channel.to_owned();
        self.read(move |connection| {
            connection.prepare_cached(&state_to_show())?.query_row([channel], to_show).optional()
        })
        .await
    }

    /// Puts the edit by which a message shows `state` into the outbox.
    pub async fn enqueue_edit(&self, edit: NewDelivery, state: TaskState, now: Stamp) -> Result<i64, StoreError> {
        self.change(move |tx| {
            show(tx, edit.edits, &state)?;
            outbox::insert(tx, &edit, now)
        })
        .await
    }

    /// Takes a state for shown that nobody is to be shown: the rule does not follow up any more, or its message is out of
    /// reach.
    pub async fn pass_over_state(&self, delivery: i64, state: TaskState) -> Result<(), StoreError> {
        self.write(move |tx| show(tx, Some(delivery), &state)).await
    }
}

pub(super) const FIRST_MESSAGE: &str =
    "SELECT d.id, d.state, d.kept_at IS NOT NULL AS kept, d.channel, d.channel_id, d.message_ts, d.key
     FROM threads AS t JOIN deliveries AS d ON d.id = t.delivery_id WHERE t.task_id = ?1 AND t.rule = ?2";

/// By the index that holds only what is to be edited.
pub(super) fn state_to_show() -> String {
    "SELECT t.delivery_id, t.rule, t.task_id, t.told, t.wanted, d.channel_id, d.message_ts, d.key, d.payload
     FROM threads AS t INDEXED BY threads_to_edit JOIN deliveries AS d ON d.id = t.delivery_id
     WHERE t.channel = ?1 AND t.shown <> t.wanted AND d.state = 'sent' AND d.message_ts IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM deliveries AS edit WHERE edit.edits = d.id
                         AND edit.state IN ('pending', 'sending', 'unknown', 'held'))
     ORDER BY t.delivery_id LIMIT 1"
        .to_owned()
}

fn first_message(row: &Row<'_>) -> rusqlite::Result<FirstMessage> {
    Ok(FirstMessage {
        delivery: row.get("id")?,
        state: word(row, "state", DeliveryState::parse)?,
        kept: row.get("kept")?,
        lane: row.get("channel")?,
        address: row.get("channel_id")?,
        ts: row.get("message_ts")?,
        key: row.get("key")?,
    })
}

fn to_show(row: &Row<'_>) -> rusqlite::Result<StateToShow> {
    Ok(StateToShow {
        delivery: row.get("delivery_id")?,
        rule: row.get("rule")?,
        task_id: row.get("task_id")?,
        address: row.get("channel_id")?,
        ts: row.get("message_ts")?,
        key: row.get("key")?,
        payload: row.get("payload")?,
        told: state(row, "told")?,
        wanted: state(row, "wanted")?,
    })
}

fn state(row: &Row<'_>, column: &str) -> rusqlite::Result<TaskState> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| unreadable(format!("column {column}: {error}")))
}

fn text_of(state: &TaskState) -> rusqlite::Result<String> {
    serde_json::to_string(state).map_err(|error| unreadable(error.to_string()))
}

fn show(tx: &Transaction<'_>, delivery: Option<i64>, state: &TaskState) -> rusqlite::Result<()> {
    let sql = "UPDATE threads SET shown = ?2 WHERE delivery_id = ?1";
    tx.prepare_cached(sql)?.execute(params![delivery, text_of(state)?]).map(drop)
}

/// Remembers a message as the one that later alerts follow. What happened to its task since its alert was decided is to be
/// shown at once.
pub(super) fn begin(
    tx: &Transaction<'_>,
    delivery: i64,
    channel: &str,
    (rule, task_id, told): (&str, &str, &TaskState),
) -> rusqlite::Result<()> {
    let now = state_of_task(tx, task_id, rule)?.filter(|now| !told.says_as_much_as(now));
    let (told, wanted) = (text_of(told)?, text_of(now.as_ref().unwrap_or(told))?);
    tx.prepare_cached("DELETE FROM threads WHERE task_id = ?1 AND rule = ?2")?.execute([task_id, rule])?;
    let sql = "INSERT INTO threads (task_id, rule, delivery_id, channel, told, shown, wanted)
               VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)";
    tx.prepare_cached(sql)?.execute(params![task_id, rule, delivery, channel, told, wanted]).map(drop)
}

fn state_of_task(connection: &Connection, task_id: &str, rule: &str) -> rusqlite::Result<Option<TaskState>> {
    let sql = "SELECT run, status, status_changed,
                   EXISTS (SELECT 1 FROM stuck WHERE stuck.task_id = ?1 AND stuck.rule = ?2) AS stuck
               FROM tasks WHERE task_id = ?1";
    let found = connection.prepare_cached(sql)?.query_row([task_id, rule], |row| {
        let (run, status, since): (u32, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (status, since) = (Status::parse(&status), Stamp::from_millis(since));
        let stuck = status == Status::InProgress && row.get("stuck")?;
        Ok(TaskState { run, status, since, stuck })
    });
    found.optional()
}

/// Forgets that later alerts follow this message: it was never shown, or cannot be followed any more.
pub(super) fn forget(tx: &Transaction<'_>, delivery: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM threads WHERE delivery_id = ?1")?.execute([delivery]).map(drop)
}

/// Notes for the first messages of a task that it stands otherwise now. Those of rules that do not follow up are left as
/// they are, but for those that told that it is stuck in this run; and so are webhooks, where nothing can be edited.
pub(super) fn note(
    tx: &Transaction<'_>,
    task_id: &str,
    observation: &Observation,
    rules: &[Rule],
) -> rusqlite::Result<()> {
    let Some(now) = shown_after(observation) else {
        return Ok(());
    };
    let sql = "SELECT rule, told FROM threads WHERE task_id = ?1";
    let mut statement = tx.prepare_cached(sql)?;
    let told = statement.query_map([task_id], |row| Ok((row.get("rule")?, state(row, "told")?)))?;
    let told: Vec<(String, TaskState)> = told.collect::<rusqlite::Result<_>>()?;
    for (rule, told) in told {
        let is_followed = |known: &Rule| {
            known.name == rule && (known.timing.thread || (known.stuck.is_some() && told.stuck && told.run == now.run))
        };
        if rules.iter().any(is_followed) {
            want(tx, &rule, task_id, &now)?;
        }
    }
    Ok(())
}

/// The first message of a rule about a task is to show this.
pub(super) fn want(tx: &Transaction<'_>, rule: &str, task_id: &str, state: &TaskState) -> rusqlite::Result<()> {
    let sql = "UPDATE threads SET wanted = ?3 WHERE task_id = ?1 AND rule = ?2 AND channel NOT GLOB 'webhook:*'";
    tx.prepare_cached(sql)?.execute(params![task_id, rule, text_of(state)?]).map(drop)
}
