//! Which fields of a document an answer shows (`only_fields`), and the joins that only `get_all_ex` can make.

use serde_json::{Map, Value, json};

use super::task::{SimTask, TASK_FIELDS};
use super::wire::{ApiError, COMPANY_NAME, Call, texts_of};
use super::world::World;

/// The fields to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Projection {
    /// All but these.
    AllBut(Vec<String>),
    /// Only these, dots reaching inside; the ID always comes along.
    Only(Vec<String>),
}

const REFERENCES: [&str; 4] = ["project", "user", "parent", "company"];
const QUEUE: &str = "execution.queue";

impl Projection {
    /// Reads `only_fields`. `joins` says whether the endpoint can follow references.
    pub(crate) fn read(call: &Call, known: &[&str], joins: bool) -> Result<Self, ApiError> {
        let asked = texts_of(call.data.get("only_fields"));
        for name in &asked {
            check(name.trim_start_matches('-'), known, joins)?;
        }
        if asked.iter().all(|name| name.starts_with('-')) {
            return Ok(Self::AllBut(asked.iter().map(|name| name.trim_start_matches('-').to_owned()).collect()));
        }
        Ok(Self::Only(asked.into_iter().filter(|name| !name.starts_with('-')).collect()))
    }

    /// Shows a task with bare IDs.
    pub(crate) fn bare(&self, task: &SimTask) -> Value {
        let mut shown = Map::new();
        match self {
            Self::AllBut(left_out) => {
                shown = task.document();
                shown.retain(|name, _| !left_out.contains(name));
            }
            Self::Only(names) => {
                shown.insert("id".to_owned(), json!(task.id));
                for name in names {
                    let root = name.split('.').next().unwrap_or(name);
                    if let Some(value) = task.field(root).and_then(|value| nested(value, name)) {
                        place(&mut shown, name, value);
                    }
                }
            }
        }
        Value::Object(shown)
    }

    /// Shows a task with its references as objects, named where a name was asked for.
    pub(crate) fn joined(&self, world: &World, task: &SimTask) -> Value {
        let names = match self {
            Self::AllBut(_) => Vec::new(),
            Self::Only(names) => names.clone(),
        };
        let plain: Vec<String> = names.iter().map(|name| without_join(name).to_owned()).collect();
        let bare = match self {
            Self::AllBut(left_out) => Self::AllBut(left_out.clone()).bare(task),
            Self::Only(_) => Self::Only(plain).bare(task),
        };
        let Value::Object(mut shown) = bare else { return bare };
        for reference in REFERENCES {
            if let Some(Value::String(id)) = shown.get(reference) {
                let object = reference_object(world, reference, &id.clone(), &names);
                shown.insert(reference.to_owned(), object);
            }
        }
        if let Some(execution) = shown.get_mut("execution").and_then(Value::as_object_mut)
            && let Some(Value::String(id)) = execution.get("queue")
        {
            let object = reference_object(world, QUEUE, &id.clone(), &names);
            execution.insert("queue".to_owned(), object);
        }
        Value::Object(shown)
    }
}

fn check(name: &str, known: &[&str], joins: bool) -> Result<(), ApiError> {
    let root = name.split('.').next().unwrap_or(name);
    if !known.contains(&root) {
        return Err(ApiError::no_such_field(root));
    }
    let below = REFERENCES
        .iter()
        .chain(std::iter::once(&QUEUE))
        .find_map(|reference| name.strip_prefix(reference)?.strip_prefix('.'));
    match below {
        Some(below) if !joins || !matches!(below, "id" | "name") => Err(ApiError::no_such_field(below)),
        _ => Ok(()),
    }
}

/// `project` for `project.name`, `execution.queue` for `execution.queue.name`.
fn without_join(name: &str) -> &str {
    let reference = REFERENCES.iter().chain(std::iter::once(&QUEUE));
    let found =
        reference.copied().find(|reference| name.strip_prefix(reference).is_some_and(|rest| rest.starts_with('.')));
    found.unwrap_or(name)
}

fn reference_object(world: &World, reference: &str, id: &str, asked: &[String]) -> Value {
    let mut object = Map::from_iter([("id".to_owned(), json!(id))]);
    if asked.iter().any(|name| name.strip_prefix(reference) == Some(".name"))
        && let Some(name) = name_of(world, reference, id)
    {
        object.insert("name".to_owned(), json!(name));
    }
    Value::Object(object)
}

fn name_of(world: &World, reference: &str, id: &str) -> Option<String> {
    match reference {
        "project" => world.project(id).map(|project| project.name.clone()),
        "user" => world.user(id).map(|user| user.name.clone()),
        "parent" => world.seen(id).map(|task| task.name.clone()),
        "company" => Some(COMPANY_NAME.to_owned()),
        _ => world.queue(id).map(|queue| queue.name.clone()),
    }
}

/// What `name` (with its root already taken) finds inside `value`.
pub(crate) fn nested(value: Value, name: &str) -> Option<Value> {
    name.split('.').skip(1).try_fold(value, |value, part| match value {
        Value::Object(mut fields) => fields.remove(part),
        _ => None,
    })
}

/// Puts a value at a dotted place.
fn place(shown: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        None => drop(shown.insert(name.to_owned(), value)),
        Some((root, rest)) => {
            let below = shown.entry(root.to_owned()).or_insert_with(|| json!({}));
            if let Value::Object(below) = below {
                place(below, rest, value);
            }
        }
    }
}

/// Reads `only_fields` for a task query.
pub(crate) fn of_tasks(call: &Call, joins: bool) -> Result<Projection, ApiError> {
    Projection::read(call, &TASK_FIELDS, joins)
}

/// Shows a document that is not a task; `id` comes along unless `bare_fields` says that only what was asked for does.
pub(crate) fn shown(document: Value, call: &Call, with_id: bool) -> Value {
    let asked = texts_of(call.data.get("only_fields"));
    let Value::Object(document) = document else { return document };
    if asked.is_empty() {
        return Value::Object(document);
    }
    let wanted = |name: &String| asked.contains(name) || (with_id && name == "id");
    Value::Object(document.into_iter().filter(|(name, _)| wanted(name)).collect())
}
