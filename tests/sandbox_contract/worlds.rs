//! The tasks and projects that the recordings speak of, in the state in which the recorder had put them.

use std::time::Duration;

use clearml_alerts::domain::{Stamp, Status};
use clearml_alerts::sandbox::{TaskSeed, Transition};
use serde_json::Value;

use crate::replay::{Exchange, Player, recorded};

pub(crate) fn stamp(text: &str) -> Stamp {
    Stamp::parse(text).unwrap()
}

/// The ID that the recorder's task of this name had.
fn id_of(name: &str) -> String {
    let named = |exchange: &Exchange| {
        let tasks = exchange.answer["data"]["tasks"].as_array()?.clone();
        let found = tasks.into_iter().find(|task| task["name"] == name)?;
        Some(found["id"].as_str()?.to_owned())
    };
    recorded().iter().find_map(named).unwrap_or_else(|| panic!("the recording has no task {name}"))
}

/// The thirteen tasks of the sections on filters, order and pages.
pub(crate) fn prepare_filters(player: &mut Player) {
    let filt = player.clearml.add_project("filt", false);
    let sub = player.clearml.add_project("filt/sub", false);
    player.bind("b0f80e189eb14a5e952b3329ef243c23", &filt);
    player.bind("438c01c4982b47999950062c671215a8", &sub);
    let at = |millis: &str| stamp(&format!("2026-11-22T22:27:{millis}Z"));
    let tasks: [(&str, &str, Status, &str, &[&str]); 13] = [
        ("f-plain", "filt", Status::Failed, "27.789", &[]),
        ("f-arch", "filt", Status::Failed, "27.829", &["archived"]),
        ("f-dev", "filt", Status::Failed, "27.859", &["development"]),
        ("f-archdev", "filt", Status::Failed, "27.899", &["archived", "development"]),
        ("f-hidden", "filt", Status::Failed, "27.929", &["hidden"]),
        ("f-sub", "filt/sub", Status::Failed, "27.959", &[]),
        ("f-other", "another", Status::Failed, "27.989", &[]),
        ("c-done", "filt", Status::Completed, "28.021", &[]),
        ("s-stop", "filt", Status::Stopped, "28.051", &[]),
        ("p-pub", "filt", Status::Published, "28.081", &[]),
        ("r-run", "filt", Status::InProgress, "28.101", &[]),
        ("n-new", "filt", Status::Created, "28.111", &[]),
        ("q-queued", "filt", Status::Queued, "28.131", &[]),
    ];
    for (name, project, status, millis, system_tags) in tasks {
        let id = id_of(name);
        let mut seed =
            TaskSeed::new(name).id(&id).project(project).status(&status).created(at(millis)).system_tags(system_tags);
        if status != Status::Created {
            seed = seed.status_changed(at(millis)).started(at(millis)).active(Duration::ZERO);
        }
        player.clearml.add_task(seed);
        player.bind(&id, &id);
    }
}

/// What happened between the recorded requests of the first server.
pub(crate) fn before_first(player: &mut Player, exchange: &Exchange) {
    if exchange.case == "expired token" {
        player.clearml.advance(Duration::from_secs(2));
    }
    // The section on protocol errors ran before there were any tasks.
    if exchange.case == "unknown extra field" {
        let tasks = player.clearml.task_ids();
        for id in &tasks {
            player.clearml.delete(id).unwrap();
        }
    } else if exchange.case == "project list" {
        prepare_filters(player);
    }
}

/// What the recorder did before a request of the second server without recording it: mostly, making the task.
pub(crate) fn before_second(player: &mut Player, exchange: &Exchange) {
    if exchange.line == crate::SECOND_SERVER {
        let default = player.clearml.add_queue("default");
        player.bind("6ab225a795ae4d4597d50265788989d3", &default);
    }
    match exchange.section.as_str() {
        "users / projects" if exchange.case == "users.get_all" => {
            for name in ["projA", "projA/sub", "projA/sub/deep", "x-projA", "A+B (c)"] {
                player.clearml.add_project(name, false);
            }
        }
        "tasks.create/edit validation" if exchange.case == "edit in_progress no force" => {
            start(player, &task_ids(exchange));
        }
        "queues / workers" if exchange.case == "ping running" => start(player, &task_ids(exchange)),
        _ => make_tasks(player, exchange),
    }
}

fn start(player: &Player, ids: &[String]) {
    for id in ids {
        player.clearml.start_task(id).unwrap();
    }
}

/// Makes the tasks that a request is the first to speak of, in the status that its section had them in.
fn make_tasks(player: &mut Player, exchange: &Exchange) {
    for id in task_ids(exchange) {
        if player.clearml.document(&id).is_some() || id.starts_with("0000") || id.len() != 32 {
            continue;
        }
        let name = if id.starts_with("212d") { "by name3" } else { "a task" };
        player.clearml.add_task(TaskSeed::new(name).id(&id));
        player.bind(&id, &id);
        let status = first_status(exchange);
        for step in steps_to(&status) {
            player.clearml.transition(&id, Transition::to(step)).unwrap();
        }
    }
}

fn first_status(exchange: &Exchange) -> Status {
    if let Some((_, from)) = exchange.case.split_once(" from ") {
        return Status::parse(from);
    }
    match exchange.section.as_str() {
        "same-state: failed -> failed again" => Status::Failed,
        "what touches status_changed / last_update" => match exchange.case.as_str() {
            "archive created" => Status::Created,
            "publish again" => Status::Published,
            _ => Status::Failed,
        },
        "tasks.stop (abort from UI)" | "events / logs" => Status::InProgress,
        _ => Status::Created,
    }
}

fn steps_to(status: &Status) -> Vec<Status> {
    match status {
        Status::Created => Vec::new(),
        Status::Queued => vec![Status::Queued],
        Status::InProgress => vec![Status::InProgress],
        Status::Closed => vec![Status::InProgress, Status::Stopped, Status::Closed],
        Status::Published => vec![Status::InProgress, Status::Completed, Status::Published],
        end => vec![Status::InProgress, end.clone()],
    }
}

/// The tasks that a request speaks of.
fn task_ids(exchange: &Exchange) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match &exchange.body {
        Value::Object(body) => {
            let many = ["ids", "tasks"].iter().filter_map(|name| body.get(*name)?.as_array()).flatten();
            many.chain(body.get("task")).filter_map(text).collect()
        }
        Value::String(lines) => lines
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter_map(|event| text(event.get("task")?))
            .collect(),
        _ => Vec::new(),
    }
}
