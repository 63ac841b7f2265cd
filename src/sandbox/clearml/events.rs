//! The `events` service: console lines in, console lines out, with the recorded oddities of `events.get_task_log`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::metrics;
use super::tasks::touch;
use super::wire::{ApiError, Call, Outcome, event_stamp};
use super::world::World;
use crate::domain::Status;

const KINDS: [&str; 5] = ["log", "training_stats_scalar", "training_stats_vector", "training_debug_image", "plot"];
const DEFAULT_BATCH: i64 = 500;

/// `events.add` and `events.add_batch`.
pub(crate) fn add(world: &mut World, call: &Call) -> Outcome {
    let given = if call.is_batch { call.batch.clone() } else { vec![call.data.clone()] };
    if given.is_empty() {
        return Err(ApiError::bad(17, "Batch request contains no items"));
    }
    store_is_up(world)?;
    let mut errors: BTreeMap<String, u64> = BTreeMap::new();
    let mut added = 0_u64;
    for event in given {
        match add_one(world, event) {
            Ok(()) => added += 1,
            Err(reason) => *errors.entry(reason).or_default() += 1,
        }
    }
    let failed: u64 = errors.values().sum();
    if added == 0 {
        let listed: Vec<String> = errors.iter().map(|(reason, count)| format!("{reason}={count}")).collect();
        return Err(ApiError::bad(131, format!("Events not added: {}", listed.join(", "))));
    }
    Ok(json!({"added": added, "errors": failed, "errors_info": errors}))
}

fn add_one(world: &mut World, mut event: Map<String, Value>) -> Result<(), String> {
    let text = |event: &Map<String, Value>, name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
    let kind = text(&event, "type").ok_or("Event must have a 'type' field")?;
    if !KINDS.contains(&kind.as_str()) {
        return Err(format!("Invalid event type {kind}"));
    }
    let id = text(&event, "task").ok_or("Event must have a 'task' field")?;
    let locked = !event.get("allow_locked").and_then(Value::as_bool).unwrap_or(false);
    match world.task(&id) {
        Ok(task) if !(locked && task.status == Status::Published) => {}
        _ => return Err(format!("Invalid task id {id}")),
    }
    let now = world.now();
    event.retain(|name, _| name != "allow_locked" && name != "method");
    let defaults = [
        ("timestamp", json!(now.as_millis())),
        ("metric", json!("")),
        ("variant", json!("")),
        ("model_event", json!(false)),
    ];
    for (name, value) in defaults {
        event.entry(name.to_owned()).or_insert(value);
    }
    event.insert("@timestamp".to_owned(), json!(event_stamp(now)));
    touch(world, &id);
    if let Some(iteration) = event.get("iter").and_then(Value::as_i64) {
        let advanced = world.change(&id, |task| task.last_iteration = task.last_iteration.max(iteration));
        tracing::trace!(task = id, known = advanced.is_ok(), "iteration reported");
    }
    if let (Some(title), Some(series), Some(value)) =
        (text(&event, "metric"), text(&event, "variant"), event.get("value").and_then(Value::as_f64))
        && kind == "training_stats_scalar"
    {
        let kept = world.change(&id, |task| metrics::report(&mut task.more, &title, &series, value));
        tracing::trace!(task = id, known = kept.is_ok(), "scalar reported");
    }
    world.events.entry(id).or_default().push(event);
    Ok(())
}

fn store_is_up(world: &World) -> Result<(), ApiError> {
    if world.events_down {
        return Err(ApiError::crash("Connection error (elasticsearch): ConnectionError(Connection refused)"));
    }
    Ok(())
}

/// How a part of a log is asked for.
struct Asked {
    size: i64,
    from: Option<i64>,
    /// Towards older events.
    earlier: bool,
    /// The answer's order.
    descending: bool,
}

/// `events.get_task_log`; before version 2.9 it had other arguments and a scroll.
pub(crate) fn get_task_log(world: &mut World, call: &Call) -> Outcome {
    let id = call.required("task")?.to_owned();
    let order = order_of(call)?;
    if world.seen(&id).is_none() {
        return Err(ApiError::task_id(&id));
    }
    store_is_up(world)?;
    let size = call.integer("batch_size").unwrap_or(DEFAULT_BATCH);
    let old = call.version < (2, 9);
    let asked = if old {
        let tail = call.text("from") == Some("tail") || (call.version < (1, 7) && order == Some("desc"));
        Asked { size, from: None, earlier: tail, descending: order != Some("asc") }
    } else {
        let earlier = call.data.get("navigate_earlier").and_then(Value::as_bool).unwrap_or(true);
        let descending = order.map_or(earlier, |order| order == "desc");
        Asked { size, from: call.integer("from_timestamp"), earlier, descending }
    };
    let (events, total) = log_of(world, &id, &asked);
    let mut answer = json!({"returned": events.len(), "total": total, "events": events});
    if let (true, Some(fields)) = (old, answer.as_object_mut()) {
        fields.insert("scroll_id".to_owned(), json!(world.new_id()));
    }
    Ok(answer)
}

fn order_of(call: &Call) -> Result<Option<&str>, ApiError> {
    match call.text("order") {
        None => Ok(None),
        Some(order @ ("asc" | "desc")) => Ok(Some(order)),
        Some(other) => Err(ApiError::validation(format_args!(
            "error for field 'order': ('value is wrong, expected type \"logorderenum\"', '{other}')."
        ))),
    }
}

fn log_of(world: &World, task: &str, asked: &Asked) -> (Vec<Value>, usize) {
    let stamp = |event: &Map<String, Value>| event.get("timestamp").and_then(Value::as_i64).unwrap_or(0);
    let all = world.events.get(task).map(Vec::as_slice).unwrap_or_default();
    let logs: Vec<&Map<String, Value>> = all.iter().filter(|event| event.get("type") == Some(&json!("log"))).collect();
    let total = logs.len();
    let mut found: Vec<&Map<String, Value>> = logs
        .into_iter()
        .filter(|event| match asked.from {
            None => true,
            Some(from) if asked.earlier => stamp(event) < from,
            Some(from) => stamp(event) > from,
        })
        .collect();
    found.sort_by_key(|event| if asked.earlier { -stamp(event) } else { stamp(event) });
    let size = usize::try_from(asked.size).unwrap_or(found.len());
    // What shares the last event's timestamp comes along, however many that are.
    let last = size.checked_sub(1).and_then(|index| found.get(index)).map(|event| stamp(event));
    let along = found.iter().skip(size).take_while(|event| Some(stamp(event)) == last).count();
    found.truncate(size + along);
    if asked.descending != asked.earlier {
        found.reverse();
    }
    (found.into_iter().cloned().map(Value::Object).collect(), total)
}
