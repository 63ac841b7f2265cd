//! How tasks move from status to status: the table, the stamps, and the endpoints `tasks.started` … `tasks.publish`.

use serde_json::{Map, Value, json};

use super::task::SimTask;
use super::wire::{ApiError, Call, Outcome, wire_stamp};
use super::world::World;
use crate::domain::{Stamp, Status};

/// A change of status that is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Move {
    pub(crate) to: Status,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) force: bool,
    pub(crate) by: String,
    /// The stamp to write; the server's clock where absent.
    pub(crate) at: Option<Stamp>,
}

impl Move {
    pub(crate) fn of(call: &Call, to: Status) -> Self {
        let text = |field: &str| call.text(field).unwrap_or_default().to_owned();
        Self {
            to,
            reason: text("status_reason"),
            message: text("status_message"),
            force: call.flag("force"),
            by: call.user.clone(),
            at: None,
        }
    }
}

/// Whether the server allows this change without force.
pub(crate) fn allowed(from: &Status, to: &Status) -> bool {
    use Status::{Closed, Completed, Created, Failed, InProgress, Published, Queued, Stopped};
    let allowed: &[Status] = match from {
        Created => &[Queued, InProgress, Created],
        Queued => &[InProgress, Created, Stopped],
        InProgress => &[InProgress, Failed, Completed, Stopped, Created],
        Stopped => &[InProgress, Queued, Failed, Completed, Closed, Published, Created, Stopped],
        Failed => &[Failed, Queued, Stopped, Published, Created],
        Completed => &[Completed, InProgress, Published, Created],
        Closed => &[Failed, Stopped, Published, Created, Closed],
        _ => &[],
    };
    allowed.contains(to)
}

/// Makes the change and answers what was written, as the `fields` of the real answer.
pub(crate) fn apply(world: &mut World, id: &str, change: &Move) -> Result<Map<String, Value>, ApiError> {
    let mut task = world.task(id)?.clone();
    if !change.force && !allowed(&task.status, &change.to) {
        return Err(ApiError::bad(
            110,
            format!(
                "Invalid task status (Invalid status change): current_status={}, new_status={}",
                task.status, change.to
            ),
        ));
    }
    let stamp = change.at.unwrap_or_else(|| world.now());
    let fields = write_status(&mut task, change, stamp);
    let project = task.project.clone();
    world.write(task, stamp);
    world.touch_project(project.as_deref());
    Ok(fields)
}

fn write_status(task: &mut SimTask, change: &Move, stamp: Stamp) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut say = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    say("status", json!(change.to.as_str()));
    say("status_reason", json!(change.reason));
    say("status_message", json!(change.message));
    for name in ["status_changed", "last_update", "last_change"] {
        say(name, json!(wire_stamp(stamp)));
    }
    say("last_changed_by", json!(change.by));
    match change.to {
        Status::InProgress if task.started.is_none() => {
            task.started = Some(stamp);
            say("started", json!(wire_stamp(stamp)));
        }
        Status::Published => {
            task.published = Some(stamp);
            say("published", json!(wire_stamp(stamp)));
            say("output", json!({}));
        }
        Status::Queued => task.system_tags.retain(|tag| tag != "development"),
        Status::Created if change.reason == "reset" => clear_run(task),
        _ => {}
    }
    task.status = change.to.clone();
    task.status_reason = Some(change.reason.clone());
    task.status_message = Some(change.message.clone());
    task.status_changed = Some(stamp);
    task.last_update = stamp;
    task.last_change = stamp;
    task.last_changed_by.clone_from(&change.by);
    fields
}

/// What a reset takes away.
fn clear_run(task: &mut SimTask) {
    task.started = None;
    task.completed = None;
    task.published = None;
    task.active_duration = None;
    task.last_worker = None;
    task.last_worker_report = None;
    task.last_iteration = 0;
    task.enqueue_status = None;
    for field in ["last_metrics", "metric_stats", "runtime"] {
        task.more.remove(field);
    }
}

/// Writes `completed` where the endpoint does, and says so.
fn stamp_completed(world: &mut World, id: &str, fields: &mut Map<String, Value>) -> Result<(), ApiError> {
    let stamp = world.task(id)?.status_changed;
    world.change(id, |task| task.completed = stamp)?;
    if let Some(stamp) = stamp {
        fields.insert("completed".to_owned(), json!(wire_stamp(stamp)));
    }
    Ok(())
}

/// `tasks.started`.
pub(crate) fn started(world: &mut World, call: &Call) -> Outcome {
    let id = call.required("task")?.to_owned();
    let fields = apply(world, &id, &Move::of(call, Status::InProgress))?;
    Ok(json!({"updated": 1, "started": 1, "fields": fields}))
}

/// `tasks.failed`; it stamps no `completed`.
pub(crate) fn failed(world: &mut World, call: &Call) -> Outcome {
    let id = call.required("task")?.to_owned();
    let fields = apply(world, &id, &Move::of(call, Status::Failed))?;
    Ok(json!({"updated": 1, "fields": fields}))
}

/// `tasks.completed`, published on request.
pub(crate) fn completed(world: &mut World, call: &Call) -> Outcome {
    let id = call.required("task")?.to_owned();
    let mut fields = apply(world, &id, &Move::of(call, Status::Completed))?;
    stamp_completed(world, &id, &mut fields)?;
    let publish = call.flag("publish");
    if publish {
        apply(world, &id, &Move { force: true, ..Move::of(call, Status::Published) })?;
    }
    Ok(json!({"updated": 1, "published": i32::from(publish), "fields": fields}))
}

/// `tasks.stopped`: the program itself says that it ended early.
pub(crate) fn stopped(world: &mut World, call: &Call) -> Outcome {
    let id = call.required("task")?.to_owned();
    let mut fields = apply(world, &id, &Move::of(call, Status::Stopped))?;
    stamp_completed(world, &id, &mut fields)?;
    Ok(json!({"updated": 1, "fields": fields}))
}

/// `tasks.close`.
pub(crate) fn closed(world: &mut World, call: &Call) -> Outcome {
    let id = call.required("task")?.to_owned();
    let fields = apply(world, &id, &Move::of(call, Status::Closed))?;
    Ok(json!({"updated": 1, "fields": fields}))
}

/// `tasks.publish`.
pub(crate) fn publish(world: &mut World, call: &Call) -> Outcome {
    let id = call.required("task")?.to_owned();
    let fields = apply(world, &id, &Move::of(call, Status::Published))?;
    Ok(json!({"updated": 1, "fields": fields}))
}

/// `tasks.stop`, the abort of the web pages. The task of a live agent is only told; the agent ends it.
pub(crate) fn stop(world: &mut World, call: &Call) -> Outcome {
    let id = call.required("task")?.to_owned();
    Ok(json!({"updated": 1, "fields": stop_one(world, &id, call)?}))
}

pub(crate) fn stop_one(world: &mut World, id: &str, call: &Call) -> Result<Map<String, Value>, ApiError> {
    let task = world.task(id)?;
    let asked = Move::of(call, Status::Stopped);
    let told = task.status == Status::InProgress
        && !task.has_system_tag("development")
        && !asked.force
        && is_run_by_live_agent(world, id);
    let change = if told {
        Move { to: Status::InProgress, message: "stopping".to_owned(), ..asked }
    } else {
        Move { message: format!("Stopped by {}", world.login.alias), ..asked }
    };
    let fields = apply(world, id, &change)?;
    world.leave_queues(id);
    Ok(fields)
}

fn is_run_by_live_agent(world: &World, task: &str) -> bool {
    let now = world.now();
    world.workers.values().any(|worker| {
        worker.task.as_deref() == Some(task) && now.since(worker.last_report).as_secs() <= worker.timeout.unsigned_abs()
    })
}

/// `tasks.reset`: back to the beginning, events gone.
pub(crate) fn reset(world: &mut World, call: &Call) -> Outcome {
    let id = call.required("task")?.to_owned();
    reset_one(world, &id, call.flag("force"), &call.user, None)
}

pub(crate) fn reset_one(world: &mut World, id: &str, force: bool, by: &str, at: Option<Stamp>) -> Outcome {
    let status = world.task(id)?.status.clone();
    if status == Status::Published && !force {
        return Err(ApiError::bad(110, format!("Invalid task status: task_id={id}, status={status}")));
    }
    let removed = world.leave_queues(id);
    let reset = || "reset".to_owned();
    let change = Move { to: Status::Created, reason: reset(), message: reset(), force: true, by: by.to_owned(), at };
    let fields = apply(world, id, &change)?;
    world.events.remove(id);
    let dequeued = if removed > 0 { json!({"removed": removed}) } else { json!({}) };
    Ok(json!({
        "updated": 1, "deleted_models": 0, "dequeued": dequeued, "events": {}, "urls": {}, "fields": fields,
    }))
}
