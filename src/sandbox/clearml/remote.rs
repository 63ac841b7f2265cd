//! The sandbox's own paths on the simulated ClearML server, for clients in other languages and for people with curl.
//! They are listed in the documentation of [`crate::sandbox`].

use serde::Deserialize;
use serde_json::{Value, json};

use super::control::append_log;
use super::wire::ApiError;
use super::world::World;
use super::{Shared, TaskSeed, Transition, tasks};
use crate::clock::Clock;
use crate::domain::{Stamp, Status};
use crate::sandbox::http::{Answer, Incoming};
use crate::sandbox::{fault_commands, unknown_command};

#[derive(Deserialize)]
struct TaskCommand {
    task: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    queue: Option<String>,
    #[serde(default)]
    at: Option<Stamp>,
}

/// A task, or many that come at once.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seeds {
    Many(Vec<TaskSeed>),
    One(Box<TaskSeed>),
}

impl Seeds {
    fn plant(self, world: &mut World) -> Value {
        match self {
            Self::One(seed) => json!({"id": seed.plant(world)}),
            Self::Many(seeds) => json!({"ids": seeds.into_iter().map(|seed| seed.plant(world)).collect::<Vec<_>>()}),
        }
    }
}

#[derive(Deserialize)]
struct ClockCommand {
    set: Option<Stamp>,
    advance_ms: Option<u64>,
}

pub(crate) fn answer(shared: &Shared, request: &Incoming) -> Answer {
    let command = request.uri.path().trim_start_matches("/sandbox/");
    if let Some(answer) = fault_commands(command, request, &shared.faults, &shared.requests) {
        return answer;
    }
    match (request.method.as_str(), command) {
        ("GET", "tasks") => {
            let world = shared.world();
            let tasks: Vec<Value> = world.tasks().map(|task| Value::Object(task.document())).collect();
            Answer::json(200, &json!({"tasks": tasks}))
        }
        ("GET", "credentials") => {
            let world = shared.world();
            Answer::json(200, &json!({"access_key": world.login.access_key, "secret_key": world.login.secret_key}))
        }
        ("POST", "tasks") => with_body(request, |seeds: Seeds| Ok(seeds.plant(&mut shared.world()))),
        ("POST", "clock") => with_body(request, |command: ClockCommand| Ok(set_clock(shared, &command))),
        ("POST", "revoke") => {
            let mut world = shared.world();
            let sessions = std::mem::take(&mut world.sessions);
            world.revoked.extend(sessions);
            Answer::json(200, &json!({}))
        }
        ("POST", "events_down" | "events_up") => {
            shared.world().events_down = command == "events_down";
            Answer::json(200, &json!({}))
        }
        ("POST", command) => with_body(request, |body: TaskCommand| on_task(shared, command, &body)),
        _ => unknown_command(),
    }
}

fn with_body<T: for<'de> Deserialize<'de>>(
    request: &Incoming,
    run: impl FnOnce(T) -> Result<Value, ApiError>,
) -> Answer {
    match serde_json::from_slice(&request.body) {
        Err(error) => Answer::json(400, &json!({"error": error.to_string()})),
        Ok(body) => match run(body) {
            Ok(done) => Answer::json(200, &done),
            Err(error) => Answer::json(400, &json!({"error": error.message})),
        },
    }
}

fn set_clock(shared: &Shared, command: &ClockCommand) -> Value {
    let mut world = shared.world();
    let start = command.set.unwrap_or_else(|| world.now());
    let later = start.plus(std::time::Duration::from_millis(command.advance_ms.unwrap_or(0)));
    world.clock = Clock::manual(later);
    json!({"now": later})
}

fn on_task(shared: &Shared, command: &str, body: &TaskCommand) -> Result<Value, ApiError> {
    let mut world = shared.world();
    let to = match command {
        "start" => Status::InProgress,
        "fail" => Status::Failed,
        "complete" => Status::Completed,
        "stop" => Status::Stopped,
        "reset" => Status::Created,
        "publish" => Status::Published,
        "enqueue" => Status::Queued,
        "archive" | "unarchive" => {
            tasks::set_archived(&mut world, &body.task, command == "archive")?;
            return Ok(json!({}));
        }
        "log" => {
            append_log(&mut world, &body.task, &body.text)?;
            return Ok(json!({}));
        }
        _ => return Err(ApiError::bad(0, format!("the sandbox knows no command `{command}`"))),
    };
    let mut transition = Transition::to(to).because(&body.reason, &body.message);
    if let Some(at) = body.at {
        transition = transition.at(at);
    }
    transition.into_queue(body.queue.as_deref().unwrap_or("default")).carry_out(&mut world, &body.task)?;
    Ok(json!({}))
}
