//! The order of a query's answer and the part of it that a page or a scroll shows.

use std::cmp::Ordering;
use std::time::Duration;

use serde_json::Value;

use super::task::{SimTask, TASK_FIELDS};
use super::wire::{ApiError, Call};
use super::world::{Scroll, World};

/// More are never answered, however many are asked for.
const LARGEST_PAGE: usize = 500;
const SCROLL_LIFE: Duration = Duration::from_mins(10);

/// How an answer is sorted; without a key it comes in the order of creation.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    keys: Vec<(String, bool)>,
}

impl Order {
    /// Reads `order_by`. A bare text names no field that the server would know; all it does is to sort by ID, downwards
    /// if it starts with a dash (measured).
    pub(crate) fn read(call: &Call, known: &[&str]) -> Result<Self, ApiError> {
        let Some(asked) = call.data.get("order_by") else { return Ok(Self::default()) };
        if let Value::String(text) = asked {
            return Ok(Self { keys: vec![("id".to_owned(), text.starts_with('-'))] });
        }
        let mut order = Self::default();
        for text in super::wire::texts_of(Some(asked)) {
            let (name, down) = text.strip_prefix('-').map_or((text.as_str(), false), |name| (name, true));
            let root = name.split('.').next().unwrap_or(name);
            if !known.contains(&root) {
                return Err(ApiError::no_such_field(root));
            }
            if let (true, Some((_, below))) = (is_reference(root), name.split_once('.')) {
                return Err(ApiError::no_such_field(below));
            }
            order.keys.push((name.to_owned(), down));
        }
        Ok(order)
    }

    /// Reads the order of a task query.
    pub(crate) fn of_tasks(call: &Call) -> Result<Self, ApiError> {
        Self::read(call, &TASK_FIELDS)
    }

    /// Sorts tasks; ties are broken by ID.
    pub(crate) fn sort(&self, tasks: &mut [&SimTask]) {
        if self.keys.is_empty() {
            return;
        }
        tasks.sort_by(|left, right| {
            let by_keys = self.keys.iter().map(|(name, down)| {
                let ordering = compare(name, left, right);
                if *down { ordering.reverse() } else { ordering }
            });
            by_keys.fold(Ordering::Equal, Ordering::then).then_with(|| left.id.cmp(&right.id))
        });
    }

    /// The keys, for what is not a task.
    pub(crate) fn keys(&self) -> &[(String, bool)] {
        &self.keys
    }
}

fn is_reference(field: &str) -> bool {
    matches!(field, "project" | "user" | "parent" | "company")
}

fn compare(name: &str, left: &SimTask, right: &SimTask) -> Ordering {
    match name {
        "id" => left.id.cmp(&right.id),
        "status_changed" => left.status_changed.cmp(&right.status_changed),
        "last_update" => left.last_update.cmp(&right.last_update),
        "last_change" => left.last_change.cmp(&right.last_change),
        "created" => left.created.cmp(&right.created),
        "started" => left.started.cmp(&right.started),
        "last_iteration" => left.last_iteration.cmp(&right.last_iteration),
        "active_duration" => left.active_duration.cmp(&right.active_duration),
        _ => text_of(left, name).cmp(&text_of(right, name)),
    }
}

fn text_of(task: &SimTask, name: &str) -> Option<String> {
    let value = super::fields::nested(task.field(name.split('.').next()?)?, name)?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// The part of an answer that is shown: from where, and at most how many.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) start: usize,
    pub(crate) size: usize,
    pub(crate) scroll_id: Option<String>,
}

/// Reads paging or scrolling from a request.
pub(crate) fn window_of(world: &mut World, call: &Call) -> Result<Window, ApiError> {
    if call.data.contains_key("scroll_id") {
        return scroll(world, call);
    }
    if let Some(start) = call.data.get("start").and_then(Value::as_u64) {
        let size = call.data.get("size").and_then(Value::as_u64).unwrap_or(LARGEST_PAGE as u64);
        return Ok(Window { start: small(start), size: small(size).min(LARGEST_PAGE), scroll_id: None });
    }
    let page = number(call, "page")?.unwrap_or(0);
    if page < 0 {
        return Err(ApiError::bad(12, "Validation error (page must be >=0): field=page"));
    }
    let size = number(call, "page_size")?.unwrap_or(i64::MAX);
    if size < 1 {
        return Err(ApiError::bad(12, "Validation error (page_size must be >0): field=page_size"));
    }
    let size = usize::try_from(size).unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE);
    let page = usize::try_from(page).unwrap_or(usize::MAX);
    Ok(Window { start: page.saturating_mul(size), size, scroll_id: None })
}

fn number(call: &Call, field: &str) -> Result<Option<i64>, ApiError> {
    match call.data.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(_)) => Err(ApiError::crash("'<' not supported between instances of 'str' and 'int'")),
        Some(value) => Ok(value.as_i64()),
    }
}

fn small(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A scroll is an offset that moves on with every request. `refresh_scroll` shows again all that was shown so far.
fn scroll(world: &mut World, call: &Call) -> Result<Window, ApiError> {
    let size = call.data.get("size").and_then(Value::as_u64).filter(|size| *size > 0).ok_or_else(|| {
        ApiError::validation("Integer size parameter greater than 1 should be provided when working with scroll")
    })?;
    let (now, size) = (world.now(), small(size).min(LARGEST_PAGE));
    world.scrolls.retain(|_, scroll| scroll.until > now);
    let known = call.text("scroll_id").filter(|id| world.scrolls.contains_key(*id)).map(str::to_owned);
    let id = known.unwrap_or_else(|| world.new_id());
    let until = now.plus(SCROLL_LIFE);
    let scroll = world.scrolls.entry(id.clone()).or_insert(Scroll { position: 0, until });
    scroll.until = until;
    if call.flag("refresh_scroll") {
        return Ok(Window { start: 0, size: scroll.position, scroll_id: Some(id) });
    }
    let start = scroll.position;
    Ok(Window { start, size, scroll_id: Some(id) })
}

/// Notes how far a scroll got.
pub(crate) fn advance_scroll(world: &mut World, window: &Window, shown: usize) {
    let Some(id) = &window.scroll_id else { return };
    if let Some(scroll) = world.scrolls.get_mut(id) {
        scroll.position = scroll.position.max(window.start + shown);
    }
}
