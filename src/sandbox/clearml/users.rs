//! The `users` service.

use serde_json::{Map, Value, json};

use super::lists::ListFilter;
use super::projects::with_reference_objects;
use super::wire::{ApiError, COMPANY, COMPANY_NAME, Call, Outcome, wire_stamp};
use super::world::{User, World};
use super::{fields, pages, patterns};

fn document(user: &User) -> Map<String, Value> {
    let (given, family) = names_of(&user.name);
    Map::from_iter([
        ("id".to_owned(), json!(user.id)),
        ("company".to_owned(), json!(COMPANY)),
        ("name".to_owned(), json!(user.name)),
        ("family_name".to_owned(), json!(family)),
        ("given_name".to_owned(), json!(given)),
        ("created".to_owned(), json!(wire_stamp(user.created))),
    ])
}

/// Given and family name of a full name.
fn names_of(name: &str) -> (&str, &str) {
    name.split_once(' ').unwrap_or((name, ""))
}

/// `users.get_all` and `users.get_all_ex`. Unlike elsewhere, `only_fields` does not bring the ID along.
pub(crate) fn get_all(world: &mut World, call: &Call, extended: bool) -> Outcome {
    let pattern = patterns::read(call.data.get("name"))?;
    let id = ListFilter::read("id", call.data.get("id"))?;
    let window = pages::window_of(world, call)?;
    let found = world
        .users
        .iter()
        .filter(|user| pattern.as_ref().is_none_or(|pattern| pattern.is_match(&user.name)))
        .filter(|user| id.as_ref().is_none_or(|filter| filter.admits_one(Some(&user.id))));
    let shown = found.skip(window.start).take(window.size).map(|user| {
        let document = document(user);
        let document = if extended { with_reference_objects(document) } else { document };
        fields::shown(Value::Object(document), call, false)
    });
    Ok(json!({"users": shown.collect::<Vec<_>>()}))
}

/// `users.get_by_id`.
pub(crate) fn get_by_id(world: &World, call: &Call) -> Outcome {
    let id = call.required("user")?;
    let user = world.user(id).ok_or_else(|| ApiError::bad(201, format!("Invalid user id: id={id}")))?;
    let mut document = document(user);
    document.insert("preferences".to_owned(), json!(""));
    Ok(json!({"user": document}))
}

/// `users.get_current_user`.
pub(crate) fn get_current(world: &World, call: &Call) -> Outcome {
    let user = world.user(&call.user).ok_or_else(|| ApiError::bad(201, "Invalid user id"))?;
    let mut document = document(user);
    document.insert("company".to_owned(), json!({"id": COMPANY, "name": COMPANY_NAME}));
    document.insert("role".to_owned(), json!("user"));
    Ok(json!({
        "user": document,
        "getting_started": {
            "agentName": "clearml", "configure": "clearml-init", "install": "pip install clearml",
            "packageName": "clearml",
        },
        "settings": {"max_download_items": 50000},
    }))
}
