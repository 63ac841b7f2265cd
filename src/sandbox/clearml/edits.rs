//! Creating tasks and changing what they say: `tasks.create`, `edit`, `update`, and the smaller setters that the Python
//! SDK uses.

use serde_json::{Map, Value, json};

use super::task::{SimTask, TASK_TYPES, blank};
use super::tasks::changed_by;
use super::wire::{ApiError, Call, Outcome, texts_of, wire_stamp};
use super::world::World;
use crate::domain::{Stamp, Status};

/// Fields kept as they come; an edit replaces them.
const REPLACED: [&str; 6] = ["comment", "report", "hyperparams", "configuration", "runtime", "container"];
/// Fields whose given parts are laid over what is there.
const MERGED: [&str; 4] = ["script", "execution", "models", "output"];
/// An edit of one of these counts as an update of the task.
const UPDATES: [&str; 7] = ["script", "execution", "hyperparams", "configuration", "runtime", "container", "models"];

/// `tasks.create`; a status in it is ignored.
pub(crate) fn create(world: &mut World, call: &Call) -> Outcome {
    let name = call.required("name")?.to_owned();
    let kind = call.required("type")?.to_owned();
    if !TASK_TYPES.contains(&kind.as_str()) {
        return Err(ApiError::validation(format_args!(
            "error for field 'type': value '{kind}' is not a valid choice.."
        )));
    }
    if name.trim().chars().count() < 3 {
        return Err(ApiError::bad(800, "Data validation error: name=String value is too short"));
    }
    check_project(world, call.text("project"))?;
    let (id, now) = (world.new_id(), world.now());
    let mut task = SimTask::new(id.clone(), &name, &kind, &call.user, now);
    task.last_changed_by.clone_from(&call.user);
    write_fields(&mut task, &call.data);
    world.touch_project(task.project.clone().as_deref());
    world.insert(task);
    Ok(json!({"id": id}))
}

/// `tasks.clone`: a draft with the same inputs.
pub(crate) fn clone(world: &mut World, call: &Call) -> Outcome {
    let source = world.task(call.required("task")?)?.clone();
    let (id, now) = (world.new_id(), world.now());
    let name = call.text("new_task_name").unwrap_or(&source.name).to_owned();
    let mut task = SimTask::new(id.clone(), &name, &source.kind, &call.user, now);
    task.project = call.text("new_task_project").map(str::to_owned).or_else(|| source.project.clone());
    task.parent = Some(call.text("new_task_parent").unwrap_or(&source.id).to_owned());
    task.tags.clone_from(&source.tags);
    let inputs = ["script", "hyperparams", "configuration", "container", "execution", "comment"];
    task.more = source.more.iter().filter(|(name, _)| inputs.contains(&name.as_str())).map(own).collect();
    world.insert(task);
    Ok(json!({"id": id}))
}

fn own((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

fn check_project(world: &World, project: Option<&str>) -> Result<(), ApiError> {
    match project {
        Some(id) if world.project(id).is_none() => {
            Err(ApiError::value(format_args!("(expecting Project id): id={id}, field=project")))
        }
        _ => Ok(()),
    }
}

/// `tasks.edit`: a draft, unless forced.
pub(crate) fn edit(world: &mut World, call: &Call) -> Outcome {
    let id = call.required("task")?.to_owned();
    let status = world.task(&id)?.status.clone();
    if status != Status::Created && !call.flag("force") {
        return Err(ApiError::bad(110, format!("Invalid task status: expected=created, status={status}")));
    }
    write(world, &id, call)
}

/// `tasks.update`: name, comment, tags and the like, in any status.
pub(crate) fn update(world: &mut World, call: &Call) -> Outcome {
    let id = call.required("task")?.to_owned();
    world.task(&id)?;
    write(world, &id, call)
}

fn write(world: &mut World, id: &str, call: &Call) -> Outcome {
    check_project(world, call.text("project"))?;
    let (now, user) = (world.now(), call.user.clone());
    let fields = world.change(id, |task| {
        let written = write_fields(task, &call.data);
        stamp_edit(task, written, now, &user)
    })?;
    Ok(json!({"updated": 1, "fields": fields}))
}

fn stamp_edit(task: &mut SimTask, mut written: Map<String, Value>, now: Stamp, user: &str) -> Map<String, Value> {
    if written.keys().any(|name| UPDATES.contains(&name.as_str())) {
        task.last_update = now;
        written.insert("last_update".to_owned(), json!(wire_stamp(now)));
    }
    task.last_change = now;
    user.clone_into(&mut task.last_changed_by);
    written.extend(changed_by(user, now));
    written
}

/// Writes what is known of `data` into the task, and returns it as it now stands.
fn write_fields(task: &mut SimTask, data: &Map<String, Value>) -> Map<String, Value> {
    let mut written = Map::new();
    for (name, value) in data {
        if write_plain(task, name, value) {
            written.insert(name.clone(), value.clone());
        } else if REPLACED.contains(&name.as_str()) {
            task.more.insert(name.clone(), value.clone());
            written.insert(name.clone(), value.clone());
        } else if MERGED.contains(&name.as_str()) {
            let before = task.more.get(name).cloned().or_else(|| blank(name));
            let merged = laid_over(name, before.unwrap_or_else(|| json!({})), value);
            task.more.insert(name.clone(), merged.clone());
            written.insert(name.clone(), merged);
        }
    }
    written
}

fn write_plain(task: &mut SimTask, name: &str, value: &Value) -> bool {
    let text = value.as_str().map(str::to_owned);
    match name {
        "name" => task.name = text.unwrap_or_default(),
        "type" => task.kind = text.unwrap_or_default(),
        "project" => task.project = text,
        "parent" => task.parent = text,
        "tags" => task.tags = texts_of(Some(value)),
        "system_tags" => task.system_tags = texts_of(Some(value)),
        _ => return false,
    }
    true
}

fn laid_over(name: &str, before: Value, value: &Value) -> Value {
    let (Value::Object(mut merged), Value::Object(given)) = (before, value) else { return value.clone() };
    if name == "script" {
        // A script given anew starts from the interpreter it names, not from the blank one.
        merged.retain(|part, kept| given.contains_key(part) || part == "requirements" || *kept != json!("python"));
    }
    merged.extend(given.iter().map(own));
    Value::Object(merged)
}

/// `tasks.set_requirements`.
pub(crate) fn set_requirements(world: &mut World, call: &Call) -> Outcome {
    let id = call.required("task")?.to_owned();
    let requirements = call.data.get("requirements").cloned().unwrap_or_else(|| json!({}));
    world.change(&id, |task| {
        let mut script = task.field("script").unwrap_or_else(|| json!({}));
        if let Some(script) = script.as_object_mut() {
            script.insert("requirements".to_owned(), requirements);
        }
        task.more.insert("script".to_owned(), script);
    })?;
    Ok(json!({"updated": 1, "fields": {}}))
}

/// `tasks.add_or_update_artifacts`: by key.
pub(crate) fn add_artifacts(world: &mut World, call: &Call) -> Outcome {
    let id = call.required("task")?.to_owned();
    let given = call.data.get("artifacts").and_then(Value::as_array).cloned().unwrap_or_default();
    world.change(&id, |task| {
        let mut execution = task.field("execution").unwrap_or_else(|| json!({}));
        if let Some(artifacts) = execution.get_mut("artifacts").and_then(Value::as_array_mut) {
            artifacts.retain(|own| !given.iter().any(|new| new.get("key") == own.get("key")));
            artifacts.extend(given);
        }
        task.more.insert("execution".to_owned(), execution);
    })?;
    Ok(json!({"updated": 1}))
}

/// `tasks.edit_hyper_params`, `tasks.edit_configuration`: lays sections over what is there.
pub(crate) fn edit_sections(world: &mut World, call: &Call, field: &str) -> Outcome {
    let id = call.required("task")?.to_owned();
    let items = call.data.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let replace = call.text("replace_hyperparams").is_some_and(|how| how == "all");
    world.change(&id, |task| {
        let mut all = if replace { json!({}) } else { task.field(field).unwrap_or_else(|| json!({})) };
        for item in items {
            let name = item.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            let section = item.get("section").and_then(Value::as_str).map(str::to_owned);
            match (all.as_object_mut(), section) {
                (Some(all), Some(section)) => {
                    if let Some(section) = all.entry(section).or_insert_with(|| json!({})).as_object_mut() {
                        section.insert(name, item);
                    }
                }
                (Some(all), None) => drop(all.insert(name, item)),
                (None, _) => {}
            }
        }
        task.more.insert(field.to_owned(), all);
    })?;
    Ok(json!({"updated": 1}))
}

/// `tasks.get_hyper_params`, `tasks.get_configurations`: the items of several tasks as lists.
pub(crate) fn get_sections(world: &World, call: &Call, field: &str, answer: &str) -> Outcome {
    let mut found = Vec::new();
    for id in call.texts("tasks") {
        let task = world.seen(&id).ok_or_else(|| ApiError::task_id(&id))?;
        let all = task.field(field).unwrap_or_else(|| json!({}));
        let items: Vec<Value> = all.as_object().into_iter().flat_map(items_of).collect();
        found.push(json!({"task": id, (field): items}));
    }
    Ok(json!({ (answer): found }))
}

fn items_of(all: &Map<String, Value>) -> Vec<Value> {
    let item = |value: &Value| value.get("value").is_some();
    let below = |value: &Value| value.as_object().map(|section| section.values().cloned().collect::<Vec<_>>());
    all.values()
        .flat_map(|value| if item(value) { vec![value.clone()] } else { below(value).unwrap_or_default() })
        .collect()
}
