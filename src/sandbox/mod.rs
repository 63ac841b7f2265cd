//! A simulated ClearML server, a simulated Slack and a simulated receiver of webhooks, for the demo, the `sandbox` subcommand and the tests. Nothing here
//! is part of the service, and nothing here knows the clients it serves.
//!
//! - [`clearml`]: the ClearML API, from recorded exchanges.
//! - [`slack`]: the Slack Web API, which also checks what it is sent.
//! - [`webhook`]: a receiver of webhooks, which holds what it is sent against the published schema.
//! - [`fault`], [`script`]: what goes wrong, and with which requests, as data.
//! - [`workload`]: a team that keeps the simulated ClearML busy.
//! - [`render`]: a Slack message as a person would see it.
//!
//! # Control over HTTP
//! The servers answer a few paths of their own under `/sandbox/`, so that tests in other languages, and people with
//! curl, can look and meddle. Bodies are JSON. They are never struck by faults and never logged.
//!
//! | path | what |
//! |---|---|
//! | `GET /sandbox/requests[?endpoint=tasks.get_all_ex]` | `{"total", "counts", "requests": […]}` |
//! | `DELETE /sandbox/requests` | forgets them |
//! | `GET /sandbox/faults` | the faults still to come |
//! | `POST /sandbox/faults` | adds one [`script::FaultRule`] or a list: `{"effect": "answer", "status": 503, "endpoint": "tasks.get_all_ex", "times": 3}` |
//! | `DELETE /sandbox/faults` | forgets them |
//!
//! ClearML: `GET /sandbox/tasks`, `GET /sandbox/credentials`, `POST /sandbox/tasks` with a [`clearml::TaskSeed`]
//! (`{"name", "project", "user", "status", "console", …}`) or a list of them, `POST /sandbox/{start,fail,complete,stop,reset,publish,enqueue,archive,unarchive}`
//! with `{"task", "reason", "message", "at", "queue"}`, `POST /sandbox/log` with `{"task", "text"}`,
//! `POST /sandbox/clock` with `{"set": stamp, "advance_ms": n}`, `POST /sandbox/revoke`,
//! `POST /sandbox/{events_down,events_up}`.
//!
//! Slack: `GET /sandbox/messages`, `GET /sandbox/plain` (as text to read), `DELETE /sandbox/messages`,
//! `GET /sandbox/violations`, `GET /sandbox/mentions`, `GET /sandbox/channels`,
//! `POST /sandbox/people` with `{"name", "email"}`, `POST /sandbox/webhooks` with `{"channel"}`,
//! `POST /sandbox/channels` with `{"name", "id", "private", "archived", "not_joined"}`, `POST /sandbox/revoke` with
//! `{"error"}`, `POST /sandbox/token` with `{"token"}`.

mod answer;
pub mod clearml;
mod connection;
pub mod fault;
mod http;
pub mod render;
pub mod requests;
pub mod script;
pub mod slack;
mod stories;
pub mod webhook;
pub mod workload;

use serde_json::json;

pub use self::clearml::{ClearmlOptions, SimulatedClearml, TaskSeed, Transition};
pub use self::fault::{Effect, Fault};
use self::http::{Answer, Incoming};
pub use self::requests::{RequestLog, RequestRecord};
pub use self::script::{FaultQueue, FaultRule};
pub use self::slack::{Channel, SimulatedSlack, SlackOptions};
pub use self::webhook::{ReceiverOptions, SimulatedReceiver};
pub use self::workload::Workload;

/// The commands that both servers share; `None` where the command is none of them.
fn fault_commands(command: &str, request: &Incoming, faults: &FaultQueue, requests: &RequestLog) -> Option<Answer> {
    let done = || Some(Answer::json(200, &json!({})));
    match (request.method.as_str(), command) {
        ("GET", "requests") => {
            let endpoint = request.query().into_iter().find(|(name, _)| name == "endpoint").map(|(_, value)| value);
            let records = endpoint.map_or_else(|| requests.all(), |endpoint| requests.of(&endpoint));
            let body = json!({"total": requests.total(), "counts": requests.counts(), "requests": records});
            Some(Answer::json(200, &body))
        }
        ("DELETE", "requests") => {
            requests.clear();
            done()
        }
        ("GET", "faults") => Some(Answer::json(200, &json!({"faults": faults.remaining()}))),
        ("DELETE", "faults") => {
            faults.clear();
            done()
        }
        ("POST", "faults") => match rules_of(&request.body) {
            Ok(rules) => {
                faults.script(rules);
                done()
            }
            Err(error) => Some(Answer::json(400, &json!({"error": error.to_string()}))),
        },
        _ => None,
    }
}

fn rules_of(body: &[u8]) -> Result<Vec<FaultRule>, serde_json::Error> {
    if body.trim_ascii_start().first() == Some(&b'[') {
        return serde_json::from_slice(body);
    }
    Ok(vec![serde_json::from_slice(body)?])
}

fn unknown_command() -> Answer {
    Answer::json(404, &json!({"error": "the sandbox knows no such path; see the documentation of `sandbox`"}))
}
