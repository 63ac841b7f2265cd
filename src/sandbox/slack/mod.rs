//! A simulated Slack: the part of the Web API that this program uses, and an incoming webhook. It answers as
//! its published reference says, and looks through everything it is sent: what Slack would refuse is refused, and what a
//! careful client would not send is kept as a [`Violation`] for tests to look at.
//!
//! Here: what can be set when it starts, and the way of a request. The handle's methods are in `control.rs`.

mod call;
mod chat;
mod control;
mod conversations;
mod limits;
mod methods;
mod remote;
mod state;
mod validate;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

pub use self::control::TimedOut;
use self::limits::Pacer;
pub use self::limits::RateLimit;
pub use self::state::{Channel, Mention, Message, Violation};
use self::state::{Token, Workspace};
use super::http::{Answer, Application, Incoming, Server};
use super::requests::RequestLog;
use super::script::FaultQueue;
use crate::clock::Clock;
use crate::domain::Stamp;

/// What can be chosen when a simulated Slack starts.
#[derive(Debug, Clone)]
pub struct SlackOptions {
    /// The port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// Slack's own clock: stamps of messages and the pace follow it.
    pub clock: Clock,
    /// The bot's token.
    pub token: String,
    /// What that token may do.
    pub scopes: Vec<String>,
    /// The workspace's name.
    pub team: String,
    /// Its channels.
    pub channels: Vec<Channel>,
    /// Its pace; none of it by default.
    pub rate_limit: Option<RateLimit>,
}

/// Every scope that a method here asks for.
pub const ALL_SCOPES: [&str; 10] = [
    "chat:write",
    "channels:read",
    "groups:read",
    "channels:join",
    "channels:history",
    "groups:history",
    "im:history",
    "im:read",
    "im:write",
    "users:read.email",
];

impl Default for SlackOptions {
    fn default() -> Self {
        Self {
            port: 0,
            clock: Clock::system(),
            token: "xoxb-sandbox-0000000000".to_owned(),
            scopes: ALL_SCOPES.map(str::to_owned).to_vec(),
            team: "Sandbox".to_owned(),
            channels: vec![Channel::public("ml-alerts").with_id("C0MLALERTS")],
            rate_limit: None,
        }
    }
}

/// A running simulated Slack, and the hand that moves it. Dropping it stops it.
#[derive(Debug)]
pub struct SimulatedSlack {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    workspace: Mutex<Workspace>,
    /// Rung after every request.
    changed: Condvar,
    requests: RequestLog,
    faults: FaultQueue,
}

impl Shared {
    fn workspace(&self) -> MutexGuard<'_, Workspace> {
        self.workspace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimulatedSlack {
    /// Starts a server on 127.0.0.1. It runs on a thread of its own and needs no runtime; it fails where the port is
    /// taken.
    pub fn start(options: SlackOptions) -> io::Result<Self> {
        let mut workspace = Workspace {
            clock: options.clock,
            team: options.team,
            team_id: "T0SANDBOX".to_owned(),
            user_id: "U0SANDBOX".to_owned(),
            bot_id: "B0SANDBOX".to_owned(),
            app_id: "A0SANDBOX".to_owned(),
            tokens: vec![Token { secret: options.token, scopes: options.scopes, refused: None }],
            people: Vec::new(),
            channels: Vec::new(),
            messages: Vec::new(),
            violations: Vec::new(),
            mentions: Vec::new(),
            hooks: BTreeMap::new(),
            pacer: Pacer::default(),
            short_pages: None,
            last_ts: 0,
            next_id: 0,
            base: String::new(),
        };
        workspace.pacer.set(options.rate_limit);
        for channel in options.channels {
            control::add_channel(&mut workspace, channel);
        }
        let shared = Arc::new(Shared {
            workspace: Mutex::new(workspace),
            changed: Condvar::new(),
            requests: RequestLog::default(),
            faults: FaultQueue::default(),
        });
        let application: Arc<dyn Application> = Arc::clone(&shared) as Arc<dyn Application>;
        let server = Server::start(options.port, "simulated-slack", application)?;
        shared.workspace().base = format!("http://{}", server.address());
        Ok(Self { server, shared })
    }

    /// The Web API's base address, with a slash at its end, as `https://slack.com/api/` has one.
    pub fn url(&self) -> String {
        format!("http://{}/api/", self.server.address())
    }

    /// What it was asked.
    pub fn requests(&self) -> &RequestLog {
        &self.shared.requests
    }

    /// What will go wrong. Methods are named as `chat.postMessage`; the incoming webhook as `webhook`.
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
        let path = request.uri.path();
        if path.starts_with("/services/") {
            return "webhook".to_owned();
        }
        path.strip_prefix("/api/").unwrap_or(path).to_owned()
    }

    fn readable_body(&self, request: &Incoming) -> Value {
        if request.body.is_empty() {
            return Value::Null;
        }
        let mut fields = match serde_json::from_slice(&request.body) {
            Ok(Value::Object(fields)) => fields,
            Ok(other) => return other,
            Err(_) if request.content_type() == "application/x-www-form-urlencoded" => form_of(&request.body),
            Err(_) => return json!(String::from_utf8_lossy(&request.body)),
        };
        fields.remove("token");
        Value::Object(fields)
    }

    fn answer(&self, request: &Incoming) -> Answer {
        let mut workspace = self.workspace();
        let path = request.uri.path();
        let answer = if path.starts_with("/services/") {
            chat::webhook(&mut workspace, request)
        } else if path.starts_with("/api/") {
            respond(&mut workspace, request)
        } else {
            Answer { content_type: "text/html", ..Answer::text(404, "<html><body>Not found</body></html>") }
        };
        drop(workspace);
        self.changed.notify_all();
        answer
    }

    fn control(&self, request: &Incoming) -> Answer {
        let answer = remote::answer(self, request);
        self.changed.notify_all();
        answer
    }

    fn now(&self) -> Stamp {
        self.workspace().clock.now()
    }

    fn closes_connections(&self) -> bool {
        false
    }

    fn faults(&self) -> &FaultQueue {
        &self.faults
    }

    fn requests(&self) -> &RequestLog {
        &self.requests
    }
}

fn form_of(body: &[u8]) -> Map<String, Value> {
    url::form_urlencoded::parse(body).into_owned().map(|(name, value)| (name, json!(value))).collect()
}

fn respond(workspace: &mut Workspace, request: &Incoming) -> Answer {
    match call::read(request) {
        Err(refusal) => {
            let method = request.uri.path().trim_start_matches("/api/");
            workspace.violate(method, "the arguments cannot be read", Some(&refusal.error));
            call::answer(Err(refusal), false, None)
        }
        Ok(call) => {
            let outcome = methods::call(workspace, &call);
            let token = workspace.tokens.iter().find(|token| Some(&token.secret) == call.token.as_ref());
            let scopes = token.filter(|token| token.refused.is_none()).map(|token| token.scopes.join(","));
            call::answer(outcome, call.misses_charset, scopes.as_deref())
        }
    }
}
