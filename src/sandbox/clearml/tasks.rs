//! The `tasks` service except for changes of status (`transitions.rs`) and edits (`edits.rs`): reading, archiving,
//! queueing, deleting.

use serde_json::{Value, json};

use super::pages::{self, Order};
use super::query::TaskQuery;
use super::task::SimTask;
use super::transitions::{Move, apply, stop_one};
use super::wire::{ApiError, Call, Outcome, wire_stamp};
use super::world::World;
use super::{fields, workers};
use crate::domain::{Stamp, Status};

/// `tasks.get_all`, and `tasks.get_all_ex` with its joins.
pub(crate) fn get_all(world: &mut World, call: &Call, joins: bool) -> Outcome {
    let query = TaskQuery::read(world, call)?;
    let order = Order::of_tasks(call)?;
    let projection = fields::of_tasks(call, joins)?;
    let window = pages::window_of(world, call)?;
    let mut found: Vec<&SimTask> = world.tasks().filter(|task| query.admits(task)).collect();
    order.sort(&mut found);
    let show = |task: &&SimTask| if joins { projection.joined(world, task) } else { projection.bare(task) };
    let tasks: Vec<Value> = found.iter().skip(window.start).take(window.size).map(show).collect();
    pages::advance_scroll(world, &window, tasks.len());
    let mut answer = json!({"tasks": tasks});
    if let (Some(id), Some(fields)) = (&window.scroll_id, answer.as_object_mut()) {
        fields.insert("scroll_id".to_owned(), json!(id));
    }
    Ok(answer)
}

/// `tasks.get_by_id`.
pub(crate) fn get_by_id(world: &World, call: &Call) -> Outcome {
    let id = call.required("task")?;
    let task = world.seen(id).ok_or_else(|| ApiError::task_id(id))?;
    let projection = fields::of_tasks(call, false)?;
    Ok(json!({"task": projection.bare(task)}))
}

/// `tasks.ping`: answers well whatever it is asked.
pub(crate) fn ping(world: &mut World, call: &Call) -> Outcome {
    let id = call.required("task")?.to_owned();
    touch(world, &id);
    Ok(json!({}))
}

/// A sign of life: moves `last_update`, and `active_duration` while the task runs.
pub(crate) fn touch(world: &mut World, id: &str) {
    let now = world.now();
    let known = world.change(id, |task| {
        task.last_update = now;
        task.last_change = now;
        if let (Status::InProgress, Some(started)) = (&task.status, task.started) {
            task.active_duration = i64::try_from(now.since(started).as_secs()).ok();
        }
    });
    tracing::trace!(task = id, known = known.is_ok(), "sign of life");
}

/// The IDs that a call on one task or on many names.
pub(crate) fn ids_of(call: &Call) -> Vec<String> {
    let many = call.texts("ids").into_iter().chain(call.texts("tasks"));
    many.chain(call.text("task").map(str::to_owned)).collect()
}

/// Adds or removes the tag `archived`. The status and its stamp stay; reason and message are lost.
pub(crate) fn set_archived(world: &mut World, id: &str, archived: bool) -> Result<(), ApiError> {
    let (now, user) = (world.now(), world.login.user.clone());
    world.task(id)?;
    world.leave_queues(id);
    world.change(id, |task| {
        task.system_tags.retain(|tag| tag != "archived");
        if archived {
            task.system_tags.push("archived".to_owned());
            task.status_reason = None;
            task.status_message = None;
        }
        task.last_change = now;
        task.last_changed_by = user;
    })
}

/// `tasks.archive`, `tasks.unarchive`.
pub(crate) fn archive(world: &mut World, call: &Call, archived: bool) -> Outcome {
    let ids = ids_of(call);
    for id in &ids {
        set_archived(world, id, archived)?;
    }
    Ok(json!({ (if archived { "archived" } else { "unarchived" }): ids.len() }))
}

/// Runs something for each task of a `…_many` call, and lists what worked and what did not.
pub(crate) fn many(
    world: &mut World,
    call: &Call,
    mut each: impl FnMut(&mut World, &str) -> Result<Value, ApiError>,
) -> Value {
    let (mut succeeded, mut failed) = (Vec::new(), Vec::new());
    for id in ids_of(call) {
        match each(world, &id) {
            Ok(mut done) => {
                if let Some(done) = done.as_object_mut() {
                    done.insert("id".to_owned(), json!(id));
                }
                succeeded.push(done);
            }
            Err(error) => failed.push(json!({
                "id": id,
                "error": {"codes": [error.status, error.subcode], "msg": error.message, "data": {}},
            })),
        }
    }
    json!({"succeeded": succeeded, "failed": failed})
}

/// `tasks.archive_many`, `tasks.unarchive_many`.
pub(crate) fn archive_many(world: &mut World, call: &Call, archived: bool) -> Value {
    let done = if archived { "archived" } else { "unarchived" };
    many(world, call, |world, id| set_archived(world, id, archived).map(|()| json!({ done: true })))
}

/// `tasks.stop_many`.
pub(crate) fn stop_many(world: &mut World, call: &Call) -> Value {
    many(world, call, |world, id| Ok(json!({"updated": 1, "fields": stop_one(world, id, call)?})))
}

/// `tasks.enqueue`, by queue ID, by a name that may not exist yet, or into the default queue.
pub(crate) fn enqueue(world: &mut World, call: &Call) -> Outcome {
    let id = call.required("task")?.to_owned();
    let queue = match (call.text("queue"), call.text("queue_name")) {
        (Some(queue), _) => queue.to_owned(),
        (None, Some(name)) => world.ensure_queue(name),
        (None, None) => world.ensure_queue("default"),
    };
    let fields = enqueue_one(world, &id, &queue, &Move::of(call, Status::Queued))?;
    let mut answer = json!({"queued": 1, "updated": 1, "fields": fields});
    if let (true, Some(fields)) = (call.flag("verify_watched_queue"), answer.as_object_mut()) {
        fields.insert("queue_watched".to_owned(), json!(workers::watches(world, &queue)));
    }
    Ok(answer)
}

/// Queues a task; `queue` is an ID.
pub(crate) fn enqueue_one(world: &mut World, id: &str, queue: &str, change: &Move) -> Result<Value, ApiError> {
    let before = world.task(id)?.status.clone();
    if world.queue(queue).is_none() {
        return Err(no_such_queue(queue));
    }
    if before == Status::Queued {
        return Err(ApiError::bad(706, format!("Failed adding task to queue since task is already queued: task={id}")));
    }
    let mut fields = apply(world, id, change)?;
    world.change(id, |task| {
        task.queue = Some(queue.to_owned());
        task.enqueue_status = Some(before.to_string());
    })?;
    world.join_queue(queue, id);
    fields.insert("enqueue_status".to_owned(), json!(before.as_str()));
    fields.insert("execution.queue".to_owned(), json!(queue));
    Ok(Value::Object(fields))
}

pub(crate) fn no_such_queue(id: &str) -> ApiError {
    ApiError::bad(701, format!("Invalid queue id: id={id}, company={}", super::wire::COMPANY))
}

/// `tasks.dequeue`: back to a draft, or on to the status that an agent names.
pub(crate) fn dequeue(world: &mut World, call: &Call) -> Outcome {
    let id = call.required("task")?.to_owned();
    let to = call.text("new_status").map_or(Status::Created, Status::parse);
    dequeue_one(world, &id, &Move::of(call, to))
}

pub(crate) fn dequeue_one(world: &mut World, id: &str, change: &Move) -> Outcome {
    let status = world.task(id)?.status.clone();
    if status != Status::Queued {
        return Err(ApiError::bad(
            110,
            format!("Invalid task status (Task is not queued): task_id={id}, status={status}"),
        ));
    }
    let mut fields = apply(world, id, change)?;
    world.leave_queues(id);
    world.change(id, |task| task.enqueue_status = None)?;
    fields.insert("enqueue_status".to_owned(), Value::Null);
    Ok(json!({"dequeued": 1, "updated": 1, "fields": fields}))
}

/// `tasks.delete`: drafts only, unless forced.
pub(crate) fn delete(world: &mut World, call: &Call) -> Outcome {
    let id = call.required("task")?.to_owned();
    let status = world.task(&id)?.status.clone();
    if status != Status::Created && !call.flag("force") {
        return Err(ApiError::bad(
            123,
            format!(
                "Task cannot be deleted (due to status, use force=True): task={id}, expected=created, current={status}"
            ),
        ));
    }
    world.remove(&id);
    Ok(json!({
        "deleted": true, "updated_children": 0, "updated_models": 0, "deleted_models": 0, "deleted_events": 0,
        "events": {}, "urls": {},
    }))
}

/// `tasks.move`.
pub(crate) fn move_tasks(world: &mut World, call: &Call) -> Outcome {
    let project = match (call.text("project"), call.text("project_name")) {
        (Some(id), _) => id.to_owned(),
        (None, Some(name)) => world.ensure_project(name),
        (None, None) => return Err(ApiError::validation("project or project_name is required")),
    };
    let now = world.now();
    for id in ids_of(call) {
        world.change(&id, |task| {
            task.project = Some(project.clone());
            task.last_change = now;
        })?;
    }
    world.touch_project(Some(&project));
    Ok(json!({"project_id": project}))
}

/// `tasks.update_tags`.
pub(crate) fn update_tags(world: &mut World, call: &Call) -> Outcome {
    let (added, removed, now) = (call.texts("add_tags"), call.texts("remove_tags"), world.now());
    let ids = ids_of(call);
    for id in &ids {
        world.change(id, |task| {
            task.tags.retain(|tag| !removed.contains(tag) && !added.contains(tag));
            task.tags.extend(added.iter().cloned());
            task.last_change = now;
        })?;
    }
    Ok(json!({"updated": ids.len()}))
}

/// What an answer's `fields` say of any edit.
pub(crate) fn changed_by(user: &str, now: Stamp) -> serde_json::Map<String, Value> {
    serde_json::Map::from_iter([
        ("last_change".to_owned(), json!(wire_stamp(now))),
        ("last_changed_by".to_owned(), json!(user)),
    ])
}
