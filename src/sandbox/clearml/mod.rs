//! A simulated ClearML API server. It answers as `contracts/clearml.md` and its recordings say, odd parts too; the
//! recorded exchanges are replayed against it in `tests/sandbox_contract.rs`. Everything is in memory.
//!
//! Here: what can be set when it starts, and the way of a request from its path to the file of its service. The handle's
//! methods for tests are in `control.rs`; the same over HTTP is in `remote.rs`.

mod auth;
mod control;
mod edits;
mod events;
mod fields;
mod lists;
mod pages;
mod patterns;
mod projects;
mod query;
mod queues;
mod remote;
mod seed;
mod task;
mod tasks;
mod times;
mod transitions;
mod users;
mod wire;
mod workers;
mod world;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

pub use self::control::{NoSuchTask, Transition};
pub use self::seed::TaskSeed;
use self::wire::{ApiError, Call, Outcome, SERVER_VERSION, Target};
use self::world::{Login, World};
use super::fault::FaultQueue;
use super::http::{Answer, Application, Incoming, Server};
use super::requests::RequestLog;
use crate::clock::Clock;
use crate::domain::Stamp;

/// What can be chosen when a simulated ClearML server starts.
#[derive(Debug, Clone)]
pub struct ClearmlOptions {
    /// The port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// The server's own clock; its stamps, its tokens' ages and its `Date` header follow it.
    pub clock: Clock,
    /// Where its IDs come from: the same seed gives the same IDs in the same order.
    pub seed: u64,
    /// The access key that may log in.
    pub access_key: String,
    /// And its secret.
    pub secret_key: String,
    /// The ID of the user these stand for.
    pub user_id: String,
    /// That user's name.
    pub user_name: String,
    /// The name that "Stopped by …" and the token give.
    pub login_name: String,
}

impl Default for ClearmlOptions {
    fn default() -> Self {
        Self {
            port: 0,
            clock: Clock::system(),
            seed: 7,
            access_key: "SANDBOXACCESSKEY".to_owned(),
            secret_key: "sandbox-secret-key".to_owned(),
            user_id: "__sandbox__".to_owned(),
            user_name: "Sandbox User".to_owned(),
            login_name: "sandbox".to_owned(),
        }
    }
}

/// A running simulated ClearML server, and the hand that moves it. Dropping it stops it.
#[derive(Debug)]
pub struct SimulatedClearml {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    requests: RequestLog,
    faults: FaultQueue,
}

impl Shared {
    /// The world, with delayed writes brought up to date.
    fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.settle();
        world
    }
}

impl SimulatedClearml {
    /// Starts a server on 127.0.0.1. It runs on a thread of its own and needs no runtime; it fails where the port is
    /// taken.
    pub fn start(options: ClearmlOptions) -> io::Result<Self> {
        let login = Login {
            access_key: options.access_key,
            secret_key: options.secret_key,
            user: options.user_id,
            alias: options.login_name,
        };
        let world = World::new(options.clock, options.seed, login, &options.user_name);
        let shared = Arc::new(Shared {
            world: Mutex::new(world),
            requests: RequestLog::default(),
            faults: FaultQueue::default(),
        });
        let application: Arc<dyn Application> = Arc::clone(&shared) as Arc<dyn Application>;
        let server = Server::start(options.port, "simulated-clearml", application)?;
        Ok(Self { server, shared })
    }

    /// The API's base address, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Access key and secret key that may log in.
    pub fn credentials(&self) -> (String, String) {
        let world = self.shared.world();
        (world.login.access_key.clone(), world.login.secret_key.clone())
    }

    /// What it was asked.
    pub fn requests(&self) -> &RequestLog {
        &self.shared.requests
    }

    /// What will go wrong.
    pub fn faults(&self) -> &FaultQueue {
        &self.shared.faults
    }

    /// Refuses connections from now on (`false`), or listens again on the same port (`true`).
    pub fn set_online(&self, online: bool) {
        self.server.set_online(online);
    }
}

impl Application for Shared {
    fn endpoint(&self, request: &Incoming) -> String {
        wire::target_of(request.uri.path()).map_or_else(|| request.uri.path().to_owned(), |target| target.endpoint)
    }

    fn readable_body(&self, request: &Incoming) -> Value {
        let text = String::from_utf8_lossy(&request.body);
        if text.trim().is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&text).unwrap_or_else(|_| json!(text))
    }

    fn answer(&self, request: &Incoming) -> Answer {
        let mut world = self.world();
        let trace = world.new_id();
        let path = request.uri.path();
        let Some(target) = wire::target_of(path) else {
            let error = ApiError::bad(0, format!("Invalid request path {path}"));
            return wire::envelope(None, &trace, Err(error));
        };
        let outcome = respond(&mut world, &target, request);
        wire::envelope(Some(&target), &trace, outcome)
    }

    fn control(&self, request: &Incoming) -> Answer {
        remote::answer(self, request)
    }

    fn now(&self) -> Stamp {
        self.world().now()
    }

    fn closes_connections(&self) -> bool {
        true
    }

    fn faults(&self) -> &FaultQueue {
        &self.faults
    }

    fn requests(&self) -> &RequestLog {
        &self.requests
    }
}

fn respond(world: &mut World, target: &Target, request: &Incoming) -> Outcome {
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
