//! The `projects` service.

use serde_json::{Map, Value, json};

use super::lists::ListFilter;
use super::pages::Order;
use super::wire::{ApiError, COMPANY, Call, Outcome, wire_stamp};
use super::world::{Project, World};
use super::{fields, pages, patterns};
use crate::domain::Status;

const PROJECT_FIELDS: [&str; 16] = [
    "id",
    "company",
    "user",
    "name",
    "basename",
    "description",
    "created",
    "tags",
    "system_tags",
    "last_update",
    "featured",
    "parent",
    "path",
    "default_output_destination",
    "company_origin",
    "logo_url",
];

fn document(project: &Project) -> Map<String, Value> {
    let basename = project.name.rsplit('/').next().unwrap_or(&project.name);
    let mut document = Map::from_iter([
        ("id".to_owned(), json!(project.id)),
        ("company".to_owned(), json!(COMPANY)),
        ("user".to_owned(), json!(project.user)),
        ("name".to_owned(), json!(project.name)),
        ("basename".to_owned(), json!(basename)),
        ("description".to_owned(), json!(project.description)),
        ("created".to_owned(), json!(wire_stamp(project.created))),
        ("tags".to_owned(), json!(project.tags)),
        ("system_tags".to_owned(), json!(project.system_tags)),
        ("last_update".to_owned(), json!(wire_stamp(project.last_update))),
        ("featured".to_owned(), json!(9999)),
    ]);
    if let Some(parent) = &project.parent {
        document.insert("parent".to_owned(), json!(parent));
    }
    document
}

/// The references as objects, as `_ex` endpoints show them.
pub(crate) fn with_reference_objects(mut document: Map<String, Value>) -> Map<String, Value> {
    for name in ["company", "user", "parent"] {
        if let Some(id) = document.get(name).cloned() {
            document.insert(name.to_owned(), json!({"id": id}));
        }
    }
    document
}

/// `projects.get_all` and `projects.get_all_ex`.
pub(crate) fn get_all(world: &mut World, call: &Call, extended: bool) -> Outcome {
    let pattern = patterns::read(call.data.get("name"))?;
    let id = ListFilter::read("id", call.data.get("id"))?;
    let tags = ListFilter::read("system_tags", call.data.get("system_tags"))?;
    let order = Order::read(call, &PROJECT_FIELDS)?;
    let window = pages::window_of(world, call)?;
    let (hidden, shallow) = (call.flag("search_hidden") || id.is_some(), call.flag("shallow_search"));
    let texts = |values: &'_ [String]| values.iter().map(String::as_str).map(str::to_owned).collect::<Vec<_>>();
    let mut found: Vec<&Project> = world
        .projects
        .iter()
        .filter(|project| pattern.as_ref().is_none_or(|pattern| pattern.is_match(&project.name)))
        .filter(|project| id.as_ref().is_none_or(|filter| filter.admits_one(Some(&project.id))))
        .filter(|project| hidden || !project.system_tags.iter().any(|tag| tag == "hidden"))
        .filter(|project| !shallow || project.parent.is_none())
        .filter(|project| {
            let own = texts(&project.system_tags);
            let own: Vec<&str> = own.iter().map(String::as_str).collect();
            tags.as_ref().is_none_or(|filter| filter.admits(&own))
        })
        .collect();
    sort(&mut found, &order);
    let shown = found.into_iter().skip(window.start).take(window.size).map(|project| {
        let mut document = document(project);
        if extended {
            document = with_reference_objects(document);
            if call.flag("include_stats") {
                document.extend(statistics(world, project));
            }
        }
        fields::shown(Value::Object(document), call, true)
    });
    Ok(json!({"projects": shown.collect::<Vec<_>>()}))
}

fn sort(projects: &mut [&Project], order: &Order) {
    for (name, down) in order.keys().iter().rev() {
        let key = |project: &&Project| document(project).get(name).map(Value::to_string);
        projects.sort_by_key(key);
        if *down {
            projects.reverse();
        }
    }
}

fn statistics(world: &World, project: &Project) -> Map<String, Value> {
    let below = format!("{}/", project.name);
    let children: Vec<&Project> = world.projects.iter().filter(|other| other.name.starts_with(&below)).collect();
    let inside = |id: &str| id == project.id || children.iter().any(|child| child.id == id);
    let mut counts: Map<String, Value> = [
        "closed",
        "completed",
        "created",
        "failed",
        "in_progress",
        "published",
        "publishing",
        "queued",
        "stopped",
        "unknown",
    ]
    .into_iter()
    .map(|status| (status.to_owned(), json!(0)))
    .collect();
    let (mut total, mut runtime) = (0_u64, 0_i64);
    for task in world.tasks().filter(|task| task.project.as_deref().is_some_and(inside)) {
        total += 1;
        runtime += task.active_duration.unwrap_or(0);
        let count = counts.entry(task.status.to_string()).or_insert(json!(0));
        *count = json!(count.as_u64().unwrap_or(0) + 1);
    }
    let finished = world.tasks().filter(|task| task.status == Status::Completed).count();
    let sub_projects: Vec<Value> = children.iter().map(|child| json!({"id": child.id, "name": child.name})).collect();
    Map::from_iter([
        (
            "stats".to_owned(),
            json!({"active": {
                "status_count": counts, "total_tasks": total, "total_runtime": runtime,
                "completed_tasks_24h": if total == 0 { 0 } else { finished }, "last_task_run": null,
            }}),
        ),
        ("sub_projects".to_owned(), json!(sub_projects)),
    ])
}

/// `projects.get_by_id`.
pub(crate) fn get_by_id(world: &World, call: &Call) -> Outcome {
    let id = call.required("project")?;
    let project = world.project(id).ok_or_else(|| no_such_project(id))?;
    let mut document = document(project);
    document.insert("path".to_owned(), json!(path_of(world, project)));
    Ok(json!({"project": document}))
}

fn path_of(world: &World, project: &Project) -> Vec<String> {
    let mut path = Vec::new();
    let mut parent = project.parent.as_deref().and_then(|id| world.project(id));
    while let Some(above) = parent {
        path.insert(0, above.id.clone());
        parent = above.parent.as_deref().and_then(|id| world.project(id));
    }
    path
}

fn no_such_project(id: &str) -> ApiError {
    ApiError::bad(401, format!("Invalid project id: id={id}"))
}

/// `projects.create`; parents that are missing are made.
pub(crate) fn create(world: &mut World, call: &Call) -> Outcome {
    let name = call.required("name")?.to_owned();
    if name.trim().chars().count() < 3 {
        return Err(ApiError::bad(800, "Data validation error: name=String value is too short"));
    }
    if world.projects.iter().any(|project| project.name == name) {
        return Err(ApiError::bad(
            801,
            "Value combination already exists (unique field already contains this value): err=Tried to save duplicate \
             unique keys (E11000 Duplicate Key Error)",
        ));
    }
    let id = world.ensure_project(&name);
    let description = call.text("description").unwrap_or_default().to_owned();
    let (tags, system_tags) = (call.texts("tags"), call.texts("system_tags"));
    if let Some(project) = world.projects.iter_mut().find(|project| project.id == id) {
        project.description = description;
        project.tags = tags;
        project.system_tags = system_tags;
        project.user.clone_from(&call.user);
    }
    Ok(json!({"id": id}))
}

/// `projects.update`: what the SDK sets on projects it made.
pub(crate) fn update(world: &mut World, call: &Call) -> Outcome {
    let id = call.required("project")?.to_owned();
    let now = world.now();
    let project = world.projects.iter_mut().find(|project| project.id == id).ok_or_else(|| no_such_project(&id))?;
    if let Some(description) = call.text("description") {
        description.clone_into(&mut project.description);
    }
    if call.data.contains_key("system_tags") {
        project.system_tags = call.texts("system_tags");
    }
    if call.data.contains_key("tags") {
        project.tags = call.texts("tags");
    }
    project.last_update = now;
    Ok(json!({"updated": 1, "fields": {}}))
}
