//! A simulated ClearML API server. It answers as the real one was recorded (`fixtures/clearml-exchanges/`), odd parts too; the
//! recorded exchanges are replayed against it in `tests/sandbox_contract.rs`. Everything is in memory.
//!
//! Here: what can be set when it starts, and the running server. `dispatch.rs` finds the endpoint of a request; the handle's
//! methods for tests are in `control.rs`, and the same over HTTP in `remote.rs`.

mod auth;
mod control;
mod dispatch;
mod edits;
mod events;
mod fields;
mod files;
mod lists;
mod metrics;
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
mod transition;
mod transitions;
mod users;
mod wire;
mod workers;
mod world;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

pub use self::control::NoSuchTask;
pub use self::seed::TaskSeed;
pub use self::transition::Transition;
use self::wire::ApiError;
use self::world::{Login, World};
use super::http::{Answer, Application, Incoming, Server};
use super::requests::RequestLog;
use super::script::FaultQueue;
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
        if request.content_type() == "multipart/form-data" {
            return json!(format!("a file, {} bytes in all", request.body.len()));
        }
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
            if let Some(answer) = files::answer(&mut world, request) {
                return answer;
            }
            let error = ApiError::bad(0, format!("Invalid request path {path}"));
            return wire::envelope(None, &trace, Err(error));
        };
        let outcome = dispatch::respond(&mut world, &target, request);
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
