//! What is remembered of each task ever seen: how it stood, and how it ended.

use rusqlite::{Connection, OptionalExtension, Statement, Transaction, params};

use super::rows::{maybe_stamp, outcome, stamp};
use crate::domain::{Ended, KnownTask, OutcomeSet, Stamp, Status, Task};

pub(super) const KNOWN_TASK: &str = "SELECT run, status, status_changed, run_outcomes, ended_outcome, ended_changed,
    ended_started, ended_active FROM tasks WHERE task_id = ?1";

/// What is remembered of a task.
pub(super) fn known_task(connection: &Connection, task_id: &str) -> rusqlite::Result<Option<KnownTask>> {
    read_known(&mut *connection.prepare_cached(KNOWN_TASK)?, task_id)
}

pub(super) fn read_known(statement: &mut Statement<'_>, task_id: &str) -> rusqlite::Result<Option<KnownTask>> {
    statement
        .query_row([task_id], |row| {
            let ended = match row.get_ref(4)?.as_str_or_null()? {
                None => None,
                Some(_) => Some(Ended {
                    outcome: outcome(row, "ended_outcome")?,
                    status_changed: stamp(row, 5)?,
                    started: maybe_stamp(row, 6)?,
                    active_duration: row.get(7)?,
                }),
            };
            Ok(KnownTask {
                run: row.get(0)?,
                status: Status::parse(row.get_ref(1)?.as_str()?),
                status_changed: stamp(row, 2)?,
                run_outcomes: OutcomeSet::from_bits(row.get(3)?),
                ended,
            })
        })
        .optional()
}

pub(super) const SAVE_TASK: &str =
    "INSERT INTO tasks (task_id, name, kind, project_id, project, user_id, user, status, status_changed, run,
         run_outcomes, ended_outcome, ended_changed, ended_started, ended_active, first_seen_at, last_change_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?16)
     ON CONFLICT (task_id) DO UPDATE SET name = excluded.name, kind = excluded.kind,
         project_id = excluded.project_id, project = excluded.project, user_id = excluded.user_id,
         user = excluded.user, status = excluded.status, status_changed = excluded.status_changed,
         run = excluded.run, run_outcomes = excluded.run_outcomes, ended_outcome = excluded.ended_outcome,
         ended_changed = excluded.ended_changed, ended_started = excluded.ended_started,
         ended_active = excluded.ended_active, last_change_at = excluded.last_change_at";

pub(super) fn save_task(tx: &Transaction<'_>, task: &Task, known: &KnownTask, now: Stamp) -> rusqlite::Result<()> {
    write_task(&mut *tx.prepare_cached(SAVE_TASK)?, task, known, now)
}

pub(super) fn write_task(
    statement: &mut Statement<'_>,
    task: &Task,
    known: &KnownTask,
    now: Stamp,
) -> rusqlite::Result<()> {
    let ended = known.ended.as_ref();
    statement
        .execute(params![
            task.id,
            task.name,
            task.kind,
            task.project.as_ref().map(|project| &project.id),
            task.project_label(),
            task.user.as_ref().map(|user| &user.id),
            task.user_label(),
            known.status.as_str(),
            known.status_changed.as_millis(),
            known.run,
            known.run_outcomes.bits(),
            ended.map(|ended| ended.outcome.as_str()),
            ended.map(|ended| ended.status_changed.as_millis()),
            ended.and_then(|ended| ended.started).map(Stamp::as_millis),
            ended.and_then(|ended| ended.active_duration),
            now.as_millis(),
        ])
        .map(drop)
}
