//! Which tasks a `tasks.get_all` asks for. Their order and pages are `pages.rs`, their fields `fields.rs`.

use std::collections::HashSet;

use regex::Regex;
use serde_json::Value;

use super::lists::ListFilter;
use super::patterns;
use super::task::SimTask;
use super::times::{self, Bound};
use super::wire::{ApiError, Call};
use super::world::World;
use crate::domain::Stamp;

/// A compiled query.
#[derive(Debug, Default)]
pub(crate) struct TaskQuery {
    id: Option<ListFilter>,
    project: Option<ListFilter>,
    status: Option<ListFilter>,
    kind: Option<ListFilter>,
    user: Option<ListFilter>,
    parent: Option<ListFilter>,
    queue: Option<ListFilter>,
    tags: Option<ListFilter>,
    system_tags: Option<ListFilter>,
    name: Option<Regex>,
    status_changed: Vec<Bound>,
    last_update: Vec<Bound>,
    last_change: Vec<Bound>,
    created: (Option<Stamp>, Option<Stamp>),
    started: (Option<Stamp>, Option<Stamp>),
    iterations: (Option<i64>, Option<i64>),
    any_moment: Option<(Vec<String>, Vec<Bound>)>,
    any_pattern: Option<(Vec<String>, Regex)>,
    search_hidden: bool,
}

impl TaskQuery {
    /// Reads the filters of a request.
    pub(crate) fn read(world: &World, call: &Call) -> Result<Self, ApiError> {
        let field = |name: &str| call.data.get(name);
        let list = |name: &str| ListFilter::read(name, field(name));
        let bounds = |name: &str| field(name).map_or(Ok(Vec::new()), |value| times::bounds_of(name, value));
        refuse_advanced(field("filters"))?;
        let mut query = Self {
            id: list("id")?,
            project: list("project")?,
            status: list("status")?,
            kind: list("type")?,
            user: list("user")?,
            parent: list("parent")?,
            queue: list("execution.queue")?,
            tags: list("tags")?,
            system_tags: list("system_tags")?,
            name: patterns::read(field("name"))?,
            status_changed: bounds("status_changed")?,
            last_update: bounds("last_update")?,
            last_change: bounds("last_change")?,
            created: stamps_of("created", field("created"))?,
            started: stamps_of("started", field("started"))?,
            iterations: integers_of("last_iteration", field("last_iteration"))?,
            any_moment: None,
            any_pattern: None,
            search_hidden: call.flag("search_hidden"),
        };
        query.read_any(field("_any_"))?;
        if call.flag("include_subprojects") {
            query.widen_to_subprojects(world);
        }
        Ok(query)
    }

    fn read_any(&mut self, any: Option<&Value>) -> Result<(), ApiError> {
        let Some(Value::Object(any)) = any else { return Ok(()) };
        let fields = super::wire::texts_of(any.get("fields"));
        if let Some(moment) = any.get("datetime") {
            self.any_moment = Some((fields, times::bounds_of("_any_", moment)?));
        } else if let Some(pattern) = patterns::read(any.get("pattern"))? {
            self.any_pattern = Some((fields, pattern));
        }
        Ok(())
    }

    fn widen_to_subprojects(&mut self, world: &World) {
        let Some(filter) = &mut self.project else { return };
        let asked: HashSet<&str> = filter.included().iter().map(String::as_str).collect();
        let roots: Vec<String> = world
            .projects
            .iter()
            .filter(|project| asked.contains(project.id.as_str()))
            .map(|project| format!("{}/", project.name))
            .collect();
        let below = world.projects.iter().filter(|project| roots.iter().any(|root| project.name.starts_with(root)));
        filter.include_also(below.map(|project| project.id.clone()));
    }

    /// Whether a task is asked for.
    pub(crate) fn admits(&self, task: &SimTask) -> bool {
        self.admits_moments(task) && self.admits_lists(task) && self.admits_patterns(task) && self.admits_hidden(task)
    }

    fn admits_moments(&self, task: &SimTask) -> bool {
        let any = self.any_moment.as_ref().is_none_or(|(fields, bounds)| {
            bounds.is_empty() || fields.iter().any(|field| times::admits(bounds, moment(task, field)))
        });
        any && times::admits(&self.status_changed, task.status_changed)
            && times::admits(&self.last_update, Some(task.last_update))
            && times::admits(&self.last_change, Some(task.last_change))
            && within(self.created, Some(task.created))
            && within(self.started, task.started)
            && within(self.iterations, Some(task.last_iteration))
    }

    fn admits_lists(&self, task: &SimTask) -> bool {
        let one = |filter: &Option<ListFilter>, value: Option<&str>| {
            filter.as_ref().is_none_or(|filter| filter.admits_one(value))
        };
        let many = |filter: &Option<ListFilter>, values: &[String]| {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            filter.as_ref().is_none_or(|filter| filter.admits(&values))
        };
        one(&self.id, Some(&task.id))
            && one(&self.status, Some(task.status.as_str()))
            && one(&self.project, task.project.as_deref())
            && one(&self.kind, Some(&task.kind))
            && one(&self.user, Some(&task.user))
            && one(&self.parent, task.parent.as_deref())
            && one(&self.queue, task.queue.as_deref())
            && many(&self.tags, &task.tags)
            && many(&self.system_tags, &task.system_tags)
    }

    fn admits_patterns(&self, task: &SimTask) -> bool {
        let any = self.any_pattern.as_ref().is_none_or(|(fields, pattern)| {
            fields.iter().any(|field| {
                task.field(field).as_ref().and_then(Value::as_str).is_some_and(|text| pattern.is_match(text))
            })
        });
        any && self.name.as_ref().is_none_or(|pattern| pattern.is_match(&task.name))
    }

    fn admits_hidden(&self, task: &SimTask) -> bool {
        self.search_hidden || self.id.is_some() || !task.has_system_tag("hidden")
    }
}

fn moment(task: &SimTask, field: &str) -> Option<Stamp> {
    match field {
        "status_changed" => task.status_changed,
        "last_update" => Some(task.last_update),
        "last_change" => Some(task.last_change),
        "created" => Some(task.created),
        "started" => task.started,
        "completed" => task.completed,
        _ => None,
    }
}

fn within<T: PartialOrd>((lowest, highest): (Option<T>, Option<T>), value: Option<T>) -> bool {
    if lowest.is_none() && highest.is_none() {
        return true;
    }
    value.is_some_and(|value| lowest.is_none_or(|least| value >= least) && highest.is_none_or(|most| value <= most))
}

fn pair<'v>(field: &str, value: Option<&'v Value>) -> Result<Option<(&'v Value, &'v Value)>, ApiError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(values)) => match values.as_slice() {
            [lowest, highest] => Ok(Some((lowest, highest))),
            [] => Ok(None),
            _ => Err(unpaired(field)),
        },
        Some(_) => Err(unpaired(field)),
    }
}

fn unpaired(field: &str) -> ApiError {
    ApiError::validation(format_args!("Min and max values should be specified for range field {field}"))
}

fn stamps_of(field: &str, value: Option<&Value>) -> Result<(Option<Stamp>, Option<Stamp>), ApiError> {
    let stamp = |value: &Value| value.as_str().and_then(|text| Stamp::parse(text).ok());
    Ok(pair(field, value)?.map_or((None, None), |(lowest, highest)| (stamp(lowest), stamp(highest))))
}

fn integers_of(field: &str, value: Option<&Value>) -> Result<(Option<i64>, Option<i64>), ApiError> {
    Ok(pair(field, value)?.map_or((None, None), |(lowest, highest)| (lowest.as_i64(), highest.as_i64())))
}

/// The newer `filters` argument is not simulated beyond its refusal of unknown words.
fn refuse_advanced(filters: Option<&Value>) -> Result<(), ApiError> {
    let Some(Value::Object(filters)) = filters else { return Ok(()) };
    let Some((field, filter)) = filters.iter().next() else { return Ok(()) };
    let argument = filter.as_object().and_then(|filter| filter.keys().next()).map_or("filters", String::as_str);
    Err(ApiError::bad(
        12,
        format!(
            "Validation error: field={field}, value=GetMixin.ListQueryFilter.__init__() got an unexpected keyword argument \
             '{argument}'"
        ),
    ))
}
