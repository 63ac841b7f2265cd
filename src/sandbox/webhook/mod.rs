//! A simulated receiver of webhooks. It looks through everything it is sent: the signature, the headers, and the document
//! by the published schema; it refuses what does not fit and keeps it as a violation. What it has taken before it knows by
//! the Idempotency-Key, and takes once.
//!
//! Over HTTP it answers, besides the paths that all simulated servers share: `GET /sandbox/events`,
//! `GET /sandbox/violations`.

mod schema;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hmac::{Hmac, Mac};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::Sha256;

pub use self::schema::problems as schema_problems;
use super::http::{Answer, Application, Incoming, Server};
use super::requests::RequestLog;
use super::script::FaultQueue;
use super::{fault_commands, unknown_command};
use crate::clock::Clock;
use crate::domain::Stamp;

/// What can be chosen when a simulated receiver starts.
#[derive(Debug, Clone, Default)]
pub struct ReceiverOptions {
    /// The port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// The key that requests must be signed with; `None` looks at no signature.
    pub secret: Option<String>,
    /// A header that every request must carry, such as an Authorization.
    pub required_header: Option<(String, String)>,
}

/// An event that was taken.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// `alert`, `digest` or `notice`.
    pub kind: String,
    /// The Idempotency-Key, as the document has it.
    pub key: String,
    /// The document.
    pub document: Value,
    /// The headers, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// How often it came again.
    pub repeats: u32,
}

/// A running receiver. It ends when this is dropped.
#[derive(Debug)]
pub struct SimulatedReceiver {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: ReceiverOptions,
    clock: Clock,
    taken: Mutex<Taken>,
    /// Rung after every request.
    changed: Condvar,
    requests: RequestLog,
    faults: FaultQueue,
}

#[derive(Debug, Default)]
struct Taken {
    events: Vec<Event>,
    violations: Vec<String>,
}

impl SimulatedReceiver {
    /// Starts a receiver on 127.0.0.1, on a thread of its own; fails where the port is taken.
    pub fn start(options: ReceiverOptions) -> io::Result<Self> {
        let port = options.port;
        let shared = Arc::new(Shared {
            options,
            clock: Clock::system(),
            taken: Mutex::default(),
            changed: Condvar::new(),
            requests: RequestLog::default(),
            faults: FaultQueue::default(),
        });
        let application: Arc<dyn Application> = Arc::clone(&shared) as Arc<dyn Application>;
        let server = Server::start(port, "simulated-receiver", application)?;
        Ok(Self { server, shared })
    }

    /// Where it takes events; any path will do.
    pub fn url(&self) -> String {
        format!("http://{}/in/sandboxhooksecret", self.server.address())
    }

    /// What it was asked; every event is of the endpoint `event`.
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

    /// What was taken, oldest first, each event once.
    pub fn events(&self) -> Vec<Event> {
        self.shared.taken().events.clone()
    }

    /// What a careful client would not have sent.
    pub fn violations(&self) -> Vec<String> {
        self.shared.taken().violations.clone()
    }

    /// Blocks until so many events were taken, at most so long by the real clock; whether they were.
    pub fn wait_for_events(&self, count: usize, at_most: Duration) -> bool {
        let taken = self.shared.taken();
        let waited = self.shared.changed.wait_timeout_while(taken, at_most, |taken| taken.events.len() < count);
        let (taken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        taken.events.len() >= count
    }
}

impl Shared {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to an event, or the status and the words of its refusal.
    fn take(&self, request: &Incoming) -> Result<&'static str, (u16, String)> {
        self.admit(request)?;
        let document: Value =
            serde_json::from_slice(&request.body).map_err(|error| (400, format!("the body is no JSON: {error}")))?;
        let problems = schema::problems(&document);
        if !problems.is_empty() {
            return Err((422, problems.join("; ")));
        }
        let word = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (kind, key) = (word("event"), word("key"));
        if request.header("x-clearml-alerts-event") != Some(&kind) {
            return Err((422, "X-ClearML-Alerts-Event is not the document's event".to_owned()));
        }
        if decoded(request.header("idempotency-key").unwrap_or_default()).as_deref() != Some(&key) {
            return Err((422, "Idempotency-Key is not the document's key".to_owned()));
        }
        let mut taken = self.taken();
        if let Some(before) = taken.events.iter_mut().find(|event| event.key == key) {
            if before.document != document {
                return Err((422, format!("`{key}` came before with another document")));
            }
            before.repeats += 1;
            return Ok("taken before");
        }
        let headers = request.headers.iter();
        let headers = headers.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
        taken.events.push(Event { kind, key, document, headers: headers.collect(), repeats: 0 });
        Ok("taken")
    }

    fn admit(&self, request: &Incoming) -> Result<(), (u16, String)> {
        if request.method != "POST" {
            return Err((405, format!("{} is not POST", request.method)));
        }
        if request.header("content-type") != Some("application/json") {
            return Err((415, "the body is not said to be application/json".to_owned()));
        }
        if let Some((name, value)) = &self.options.required_header
            && request.header(name) != Some(value)
        {
            return Err((401, format!("no {name}")));
        }
        match &self.options.secret {
            Some(key) if !is_signed(key, request) => Err((401, "the signature does not fit".to_owned())),
            _ => Ok(()),
        }
    }
}

/// What a receiver does, written from the documentation: `t=<seconds>,v1=<hex of HMAC-SHA256 of "t.body">`.
fn is_signed(key: &str, request: &Incoming) -> bool {
    let header = request.header("x-clearml-alerts-signature").unwrap_or_default();
    let Some((time, digits)) = header.strip_prefix("t=").and_then(|rest| rest.split_once(",v1=")) else {
        return false;
    };
    let (Ok(mut mac), Ok(_)) = (Hmac::<Sha256>::new_from_slice(key.as_bytes()), time.parse::<i64>()) else {
        return false;
    };
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(&request.body);
    unhex(digits).is_some_and(|digest| mac.verify_slice(&digest).is_ok())
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let bytes = digits.as_bytes().chunks(2);
    bytes.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// A percent-encoded header.
fn decoded(header: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = header.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            bytes.extend(unhex(std::str::from_utf8(digits).ok()?)?);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

impl Application for Shared {
    fn endpoint(&self, _: &Incoming) -> String {
        "event".to_owned()
    }

    fn readable_body(&self, request: &Incoming) -> Value {
        serde_json::from_slice(&request.body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&request.body)))
    }

    fn answer(&self, request: &Incoming) -> Answer {
        let answer = match self.take(request) {
            Ok(word) => Answer::json(200, &json!({"status": word})),
            Err((status, problem)) => {
                self.taken().violations.push(problem.clone());
                Answer::json(status, &json!({"error": problem}))
            }
        };
        self.changed.notify_all();
        answer
    }

    fn control(&self, request: &Incoming) -> Answer {
        let command = request.uri.path().trim_start_matches("/sandbox/");
        if let Some(answer) = fault_commands(command, request, &self.faults, &self.requests) {
            return answer;
        }
        match (request.method.as_str(), command) {
            ("GET", "events") => Answer::json(200, &json!({"events": self.taken().events})),
            ("GET", "violations") => Answer::json(200, &json!({"violations": self.taken().violations})),
            _ => unknown_command(),
        }
    }

    fn now(&self) -> Stamp {
        self.clock.now()
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
