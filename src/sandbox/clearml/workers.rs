//! The `workers` service: agents announce themselves and report.

use serde_json::{Value, json};

use super::wire::{ApiError, COMPANY, COMPANY_NAME, Call, Outcome, wire_stamp};
use super::world::{Worker, World};

const DEFAULT_TIMEOUT_SECONDS: i64 = 600;

/// Whether a live agent takes tasks from this queue.
pub(crate) fn watches(world: &World, queue: &str) -> bool {
    let now = world.now();
    world.workers.values().any(|worker| is_live(worker, now) && worker.queues.iter().any(|own| own == queue))
}

fn is_live(worker: &Worker, now: crate::domain::Stamp) -> bool {
    now.since(worker.last_report).as_secs() <= worker.timeout.unsigned_abs()
}

/// `workers.register`.
pub(crate) fn register(world: &mut World, call: &Call) -> Outcome {
    let (id, now) = (call.required("worker")?.to_owned(), world.now());
    let timeout = call.integer("timeout").filter(|seconds| *seconds > 0).unwrap_or(DEFAULT_TIMEOUT_SECONDS);
    let worker = Worker {
        id: id.clone(),
        queues: call.texts("queues"),
        task: None,
        registered: now,
        last_report: now,
        timeout,
        tags: call.texts("tags"),
        user: call.user.clone(),
    };
    world.workers.insert(id, worker);
    Ok(json!({}))
}

/// `workers.unregister`.
pub(crate) fn unregister(world: &mut World, call: &Call) -> Outcome {
    let id = call.required("worker")?;
    match world.workers.remove(id) {
        Some(_) => Ok(json!({})),
        None => Err(ApiError::bad(1001, format!("Worker is not registered: worker={id}"))),
    }
}

/// `workers.status_report`; an unknown worker is registered by it.
pub(crate) fn status_report(world: &mut World, call: &Call) -> Outcome {
    let (id, now) = (call.required("worker")?.to_owned(), world.now());
    if !world.workers.contains_key(&id) {
        register(world, call)?;
    }
    let task = call.text("task").map(str::to_owned);
    if let Some(worker) = world.workers.get_mut(&id) {
        worker.last_report = now;
        worker.task.clone_from(&task);
        if call.data.contains_key("queues") {
            worker.queues = call.texts("queues");
        }
    }
    if let Some(task) = task {
        let known = world.change(&task, |task| {
            task.last_worker = Some(id.clone());
            task.last_worker_report = Some(now);
        });
        tracing::trace!(worker = id, known = known.is_ok(), "worker reported its task");
    }
    Ok(json!({}))
}

/// `workers.get_all`.
pub(crate) fn get_all(world: &World) -> Value {
    let now = world.now();
    let workers: Vec<Value> =
        world.workers.values().filter(|worker| is_live(worker, now)).map(|worker| document(world, worker)).collect();
    json!({"workers": workers})
}

fn document(world: &World, worker: &Worker) -> Value {
    let queues: Vec<Value> = worker.queues.iter().filter_map(|id| queue_of(world, id)).collect();
    let mut document = json!({
        "id": worker.id, "key": format!("worker_{COMPANY}_{}_{}", worker.user, worker.id), "ip": "127.0.0.1",
        "company": {"id": COMPANY, "name": COMPANY_NAME},
        "user": {"id": worker.user, "name": world.login.alias},
        "queues": queues, "tags": worker.tags, "system_tags": [],
        "register_time": wire_stamp(worker.registered), "register_timeout": worker.timeout,
        "last_activity_time": wire_stamp(worker.last_report), "last_report_time": wire_stamp(worker.last_report),
    });
    if let (Some(task), Some(fields)) = (&worker.task, document.as_object_mut()) {
        let name = world.seen(task).map(|task| task.name.clone());
        fields.insert("task".to_owned(), json!({"id": task, "name": name}));
    }
    document
}

fn queue_of(world: &World, id: &str) -> Option<Value> {
    let queue = world.queue(id)?;
    let mut document = json!({"id": id, "name": queue.name, "num_tasks": queue.entries.len()});
    if let (Some((task, _)), Some(fields)) = (queue.entries.front(), document.as_object_mut()) {
        let name = world.seen(task).map(|task| task.name.clone());
        fields.insert("next_task".to_owned(), json!({"id": task, "name": name}));
    }
    Some(document)
}
