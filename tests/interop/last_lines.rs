//! The end of a console under ClearML's own agent. Where a program crashes, the agent alone tells it, after it has sent the
//! traceback. Where a program tells its failure itself, the traceback comes with the agent's next look, seconds later.

use clearml_alerts::sandbox::RequestRecord;
use clearml_alerts::sandbox::slack::Message;
use serde_json::json;

use crate::agent::{self, Agent, QUEUE, world};
use crate::python::{self, Python};
use crate::world::{CHANNEL, Running, World};

/// A task that an agent runs as a shell script, which becomes one of our scripts.
fn enqueue_script(python: &Python, world: &World, name: &str) -> String {
    let script = format!("#!/bin/sh\nexec {}\n", python.words_of(name));
    let made = world.call(
        "tasks.create",
        &json!({"name": name, "type": "training", "script": {
            "binary": "/bin/bash", "entry_point": "train.sh", "diff": script, "repository": "", "working_dir": ".",
            "requirements": {"pip": ""},
        }}),
    );
    let task = made["id"].as_str().unwrap().to_owned();
    world.call("tasks.enqueue", &json!({"task": task, "queue_name": QUEUE}));
    task
}

fn alert(world: &World, name: &str) -> Option<String> {
    let messages = world.slack.messages(CHANNEL);
    messages.iter().find(|message| crate::world::title(message).ends_with(name)).map(Message::plain)
}

/// Requests about a task that say this, oldest first.
fn requests(world: &World, task: &str, endpoint: &str, text: &str) -> Vec<RequestRecord> {
    let all = world.clearml.requests().of(endpoint).into_iter();
    all.filter(|request| {
        let body = request.body.to_string();
        body.contains(task) && body.contains(text)
    })
    .collect()
}

#[test]
fn the_traceback_of_a_task_that_an_agent_runs_is_in_its_alert() {
    let Some(python) = python::environment() else { return };
    let world = world();
    // The waits of the field.
    let service = Running::start(world.service_command(&[]).env("CLEARML_ALERTS_TEST_WAIT_FACTOR", "1"));
    world.wait_for_polls(2);
    let agent = Agent::start(&python, &world, None);
    for (script, traceback, reason, who_tells) in [
        ("crash.py", "raise RuntimeError(\"CUDA", "worker execution exit code 1", "the agent"),
        ("gives_up.py", "raise RuntimeError(\"validation", "gave up: validation loss is NaN", "the program"),
    ] {
        let task = enqueue_script(&python, &world, script);
        agent::wait_until(&world, &task, "the alert", || alert(&world, script).is_some());
        let shown = alert(&world, script).unwrap();
        assert!(shown.contains(traceback), "no traceback in\n{shown}");
        assert!(shown.contains(reason), "no reason in\n{shown}");
        let sent = requests(&world, &task, "events.add_batch", traceback.split('"').next().unwrap());
        let told = requests(&world, &task, "tasks.failed", "");
        let (sent, told) = (&sent[0], &told[0]);
        println!("{script}: told by {who_tells} at {}, traceback sent at {}", told.at, sent.at);
        assert_eq!(sent.number < told.number, who_tells == "the agent", "{script}: {sent:?} {told:?}");
    }
    agent.stop();
    assert_eq!(service.stop().code, 0);
    world.assert_alerts(&["crash.py", "gives_up.py"]);
}
