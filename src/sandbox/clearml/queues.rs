//! The `queues` service.

use serde_json::{Value, json};

use super::lists::ListFilter;
use super::tasks::no_such_queue;
use super::wire::{ApiError, COMPANY, Call, Outcome, wire_stamp};
use super::world::{Queue, World};
use super::{fields, pages, patterns};
use crate::domain::Stamp;

fn entry(task: &str, added: Stamp) -> Value {
    json!({"task": task, "added": wire_stamp(added)})
}

fn document(queue: &Queue) -> Value {
    let entries: Vec<Value> = queue.entries.iter().map(|(task, added)| entry(task, *added)).collect();
    json!({
        "id": queue.id, "name": queue.name, "company": COMPANY, "created": wire_stamp(queue.created),
        "tags": queue.tags, "system_tags": queue.system_tags, "entries": entries,
        "last_update": wire_stamp(queue.last_update), "metadata": queue.metadata,
    })
}

/// `queues.get_all` and `queues.get_all_ex`.
pub(crate) fn get_all(world: &mut World, call: &Call) -> Outcome {
    let pattern = patterns::read(call.data.get("name"))?;
    let id = ListFilter::read("id", call.data.get("id"))?;
    let tags = ListFilter::read("tags", call.data.get("tags"))?;
    let window = pages::window_of(world, call)?;
    let found = world
        .queues
        .iter()
        .filter(|queue| pattern.as_ref().is_none_or(|pattern| pattern.is_match(&queue.name)))
        .filter(|queue| id.as_ref().is_none_or(|filter| filter.admits_one(Some(&queue.id))))
        .filter(|queue| {
            let own: Vec<&str> = queue.tags.iter().map(String::as_str).collect();
            tags.as_ref().is_none_or(|filter| filter.admits(&own))
        });
    let shown = found.skip(window.start).take(window.size).map(|queue| fields::shown(document(queue), call, true));
    Ok(json!({"queues": shown.collect::<Vec<_>>()}))
}

fn find<'w>(world: &'w World, call: &Call) -> Result<&'w Queue, ApiError> {
    let id = call.required("queue")?;
    world.queue(id).ok_or_else(|| no_such_queue(id))
}

/// `queues.get_by_id`.
pub(crate) fn get_by_id(world: &World, call: &Call) -> Outcome {
    Ok(json!({"queue": document(find(world, call)?)}))
}

/// `queues.get_default`.
pub(crate) fn get_default(world: &mut World) -> Value {
    let id = world.ensure_queue("default");
    json!({"id": id, "name": "default"})
}

/// `queues.get_num_entries`.
pub(crate) fn get_num_entries(world: &World, call: &Call) -> Outcome {
    Ok(json!({"num": find(world, call)?.entries.len()}))
}

/// `queues.create`.
pub(crate) fn create(world: &mut World, call: &Call) -> Outcome {
    let name = call.required("name")?.to_owned();
    if world.queue_named(&name).is_some() {
        return Err(ApiError::bad(
            801,
            "Value combination already exists (unique field already contains this value): err=Tried to save duplicate \
             unique keys (E11000 Duplicate Key Error)",
        ));
    }
    let id = world.ensure_queue(&name);
    let (tags, system_tags) = (call.texts("tags"), call.texts("system_tags"));
    if let Some(queue) = world.queues.iter_mut().find(|queue| queue.id == id) {
        queue.tags = tags;
        queue.system_tags = system_tags;
    }
    Ok(json!({"id": id}))
}

/// `queues.get_next_task`: what an agent takes; an empty queue answers an empty object.
pub(crate) fn get_next_task(world: &mut World, call: &Call) -> Outcome {
    let id = find(world, call)?.id.clone();
    let now = world.now();
    let taken = world.queues.iter_mut().find(|queue| queue.id == id).and_then(|queue| {
        queue.last_update = now;
        queue.entries.pop_front()
    });
    let Some((task, added)) = taken else { return Ok(json!({})) };
    if call.flag("get_task_info") {
        let user = world.task(&task).map(|task| task.user.clone()).unwrap_or_default();
        return Ok(json!({"entry": entry(&task, added), "task_info": {"company": COMPANY, "user": user}}));
    }
    Ok(json!({"entry": entry(&task, added)}))
}

/// `queues.add_task` and `queues.remove_task`, without a change of status.
pub(crate) fn add_or_remove(world: &mut World, call: &Call, add: bool) -> Outcome {
    let (queue, task) = (find(world, call)?.id.clone(), call.required("task")?.to_owned());
    if add {
        world.join_queue(&queue, &task);
        return Ok(json!({"added": 1}));
    }
    Ok(json!({"removed": world.leave_queues(&task)}))
}
