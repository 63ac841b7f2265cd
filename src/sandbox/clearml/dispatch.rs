//! The way of a request from its path, past the guard, to the file of its service. No endpoint is answered here but the
//! two that need no login.

use serde_json::{Value, json};

use super::wire::{self, ApiError, Call, Outcome, SERVER_VERSION, Target};
use super::world::World;
use super::{auth, edits, events, projects, queues, tasks, transitions, users, workers};
use crate::sandbox::http::Incoming;

/// Answers a request: who asks, what for, and which file knows.
pub(crate) fn respond(world: &mut World, target: &Target, request: &Incoming) -> Outcome {
    let mut call = wire::call_of(target.clone(), request)?;
    match target.endpoint.as_str() {
        "debug.ping" => return Ok(json!({"msg": "ClearML server"})),
        "server.info" => return Ok(server_info(world)),
        "auth.create_user" | "auth.edit_user" | "auth.delete_user" => {
            auth::authenticate(world, request.header("authorization"))?;
            return Err(auth::forbidden());
        }
        _ => {}
    }
    let authorization = request.header("authorization");
    match auth::authenticate(world, authorization) {
        Ok(user) => call.user = user,
        Err(error) => return Err(unknown_endpoint(target).unwrap_or(error)),
    }
    match target.endpoint.as_str() {
        "auth.login" => auth::login(world, &call),
        "auth.logout" => Ok(auth::logout(world, authorization)),
        _ => served(world, &call).unwrap_or_else(|| Err(not_found(target))),
    }
}

fn server_info(world: &World) -> Value {
    let (major, minor) = wire::API_VERSION;
    json!({
        "version": SERVER_VERSION, "build": "", "uid": world.signing_key, "commit": "",
        "endpoints_version": format!("{major}.{minor}"), "api_version": format!("{major}.{minor}"),
    })
}

fn not_found(target: &Target) -> ApiError {
    let (major, minor) = target.version;
    ApiError::new(404, 0, format!("Unable to find endpoint for name {} and version {major}.{minor}", target.endpoint))
}

/// Whether the endpoint's service exists at all; asked only when nobody is logged in.
fn unknown_endpoint(target: &Target) -> Option<ApiError> {
    let services = ["auth", "tasks", "projects", "users", "queues", "workers", "events", "server", "debug"];
    let service = target.endpoint.split('.').next().unwrap_or_default();
    (!services.contains(&service)).then(|| not_found(target))
}

/// The endpoint's answer; `None` where there is no such endpoint.
fn served(world: &mut World, call: &Call) -> Option<Outcome> {
    let (service, action) = call.endpoint.split_once('.')?;
    match service {
        "tasks" => served_tasks(world, call, action),
        "projects" => Some(match action {
            "get_all" => projects::get_all(world, call, false),
            "get_all_ex" => projects::get_all(world, call, true),
            "get_by_id" => projects::get_by_id(world, call),
            "create" => projects::create(world, call),
            "update" => projects::update(world, call),
            _ => return None,
        }),
        "users" => Some(match action {
            "get_all" => users::get_all(world, call, false),
            "get_all_ex" => users::get_all(world, call, true),
            "get_by_id" => users::get_by_id(world, call),
            "get_current_user" => users::get_current(world, call),
            _ => return None,
        }),
        "events" => Some(match action {
            "add" | "add_batch" => events::add(world, call),
            "get_task_log" => events::get_task_log(world, call),
            _ => return None,
        }),
        "queues" => Some(match action {
            "get_all" | "get_all_ex" => queues::get_all(world, call),
            "get_by_id" => queues::get_by_id(world, call),
            "get_default" => Ok(queues::get_default(world)),
            "get_num_entries" => queues::get_num_entries(world, call),
            "get_next_task" => queues::get_next_task(world, call),
            "create" => queues::create(world, call),
            "add_task" => queues::add_or_remove(world, call, true),
            "remove_task" => queues::add_or_remove(world, call, false),
            _ => return None,
        }),
        "workers" => Some(match action {
            "get_all" => Ok(workers::get_all(world)),
            "register" => workers::register(world, call),
            "unregister" => workers::unregister(world, call),
            "status_report" => workers::status_report(world, call),
            // What an agent says of itself there is of no use to anybody here.
            "set_runtime_properties" => Ok(json!({"added": [], "errors": [], "removed": []})),
            "get_runtime_properties" => Ok(json!({"runtime_properties": []})),
            _ => return None,
        }),
        _ => None,
    }
}

fn served_tasks(world: &mut World, call: &Call, action: &str) -> Option<Outcome> {
    Some(match action {
        "get_all" => tasks::get_all(world, call, false),
        "get_all_ex" => tasks::get_all(world, call, true),
        "get_by_id" => tasks::get_by_id(world, call),
        "create" => edits::create(world, call),
        "clone" => edits::clone(world, call),
        "edit" => edits::edit(world, call),
        "update" => edits::update(world, call),
        "set_requirements" => edits::set_requirements(world, call),
        "add_or_update_artifacts" => edits::add_artifacts(world, call),
        "edit_hyper_params" => edits::edit_sections(world, call, "hyperparams"),
        "edit_configuration" => edits::edit_sections(world, call, "configuration"),
        "get_hyper_params" => edits::get_sections(world, call, "hyperparams", "params"),
        "get_configurations" => edits::get_sections(world, call, "configuration", "configurations"),
        "started" => transitions::started(world, call),
        "stop" => transitions::stop(world, call),
        "stopped" => transitions::stopped(world, call),
        "completed" => transitions::completed(world, call),
        "failed" => transitions::failed(world, call),
        "close" => transitions::closed(world, call),
        "publish" => transitions::publish(world, call),
        "reset" => transitions::reset(world, call),
        "enqueue" => tasks::enqueue(world, call),
        "dequeue" => tasks::dequeue(world, call),
        "archive" => tasks::archive(world, call, true),
        "unarchive" => tasks::archive(world, call, false),
        "archive_many" => Ok(tasks::archive_many(world, call, true)),
        "unarchive_many" => Ok(tasks::archive_many(world, call, false)),
        "stop_many" => Ok(tasks::stop_many(world, call)),
        "delete" => tasks::delete(world, call),
        "move" => tasks::move_tasks(world, call),
        "update_tags" => tasks::update_tags(world, call),
        "ping" => tasks::ping(world, call),
        "make_public" | "make_private" => Ok(json!({"updated": tasks::ids_of(call).len()})),
        _ => return None,
    })
}
