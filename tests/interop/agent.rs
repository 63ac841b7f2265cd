//! The monitor under ClearML's own agent (services mode, no docker): enqueued, run, configured, aborted, restarted.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clearml_alerts::sandbox::slack::Channel;
use clearml_alerts::sandbox::{ClearmlOptions, SlackOptions};
use serde_json::{Value, json};

use crate::python::{self, Python};
use crate::world::{self, CHANNEL, World};

pub const QUEUE: &str = "services";
/// An agent looks at its queue every 5 seconds, at its tasks every few, and takes some seconds to start one.
const PATIENCE: Duration = Duration::from_mins(2);

/// A running agent; it ends when this is dropped, and what it runs with it.
pub struct Agent(Child);

impl Agent {
    pub fn start(python: &Python, world: &World, programs: Option<&Path>) -> Self {
        let (key, secret) = world.clearml.credentials();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(world.folder().join("agent.log")).unwrap();
        let mut command: Command = python.agent(world.folder(), programs);
        command
            .args(["daemon", "--services-mode", "--queue", QUEUE, "--foreground", "--cpu-only"])
            .env("CLEARML_API_HOST", world.clearml.url())
            .env("CLEARML_FILES_HOST", world.clearml.url())
            .env("CLEARML_WEB_HOST", "https://app.example.com")
            .env("CLEARML_API_ACCESS_KEY", key)
            .env("CLEARML_API_SECRET_KEY", secret)
            .env("SLACK_API_TOKEN", world.slack.token())
            .env("SLACK_API_URL", world.slack.url())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0);
        Self(command.spawn().unwrap())
    }

    /// Ends it as a service manager does.
    pub fn stop(mut self) {
        self.signal("TERM", "");
        let start = Instant::now();
        while self.0.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < PATIENCE, "the agent does not end");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn signal(&self, signal: &str, group: &str) {
        let process = format!("{group}{}", self.0.id());
        let _ = Command::new("kill").args([&format!("-{signal}"), "--", &process]).stderr(Stdio::null()).status();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.signal("KILL", "-");
        let _ = self.0.wait();
    }
}

pub fn world() -> World {
    let channels = [CHANNEL, "general"].map(Channel::public).to_vec();
    let world = World::with(ClearmlOptions::default(), SlackOptions { channels, ..SlackOptions::default() });
    world.clearml.add_queue(QUEUE);
    world
}

/// Where the binary that is tested is, under the name that agents look for.
fn programs() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_clearml-alerts")).parent().unwrap()
}

fn enqueue(world: &World, more: &[&str]) -> String {
    let usual = ["run", "--channel", CHANNEL, "--slack-rate", "0", "--refresh-rate", "0.5", "--announce", "none"];
    let mut command = world.command(&[&usual, more].concat());
    let ended = world::finish(command.env("CLEARML_FILES_HOST", world.clearml.url()));
    assert_eq!(ended.code, 0, "{ended:?}");
    world.own_task()
}

fn enqueue_again(world: &World, task: &str) {
    world.call("tasks.enqueue", &json!({"task": task, "queue_name": QUEUE}));
}

/// Everything in a task's console.
fn console(world: &World, task: &str) -> String {
    let log = world.call("events.get_task_log", &json!({"task": task, "order": "asc", "batch_size": 10_000}));
    let messages = log["events"].as_array().unwrap().iter().filter_map(|event| event["msg"].as_str());
    messages.collect::<Vec<_>>().join("\n")
}

fn status(world: &World, task: &str) -> Value {
    world.clearml.document(task).unwrap()["status"].clone()
}

pub fn wait_until(world: &World, task: &str, what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        let late = || format!("waited too long for {what}: {}\n{}", status(world, task), console(world, task));
        assert!(start.elapsed() < PATIENCE, "{}", late());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn wait_for_console(world: &World, task: &str, text: &str, times: usize) {
    wait_until(world, task, text, || console(world, task).matches(text).count() >= times);
}

fn titles(world: &World) -> Vec<String> {
    let mut titles: Vec<String> = world.slack.messages(CHANNEL).iter().map(world::title).collect();
    titles.sort();
    titles
}

#[test]
fn an_agent_runs_it_and_an_abort_and_a_restart_lose_and_repeat_nothing() {
    let Some(python) = python::environment() else { return };
    let world = world();
    let agent = Agent::start(&python, &world, Some(programs()));
    let task = enqueue(&world, &[]);
    wait_for_console(&world, &task, "watching begins", 1);
    assert_eq!(status(&world, &task), "in_progress");

    let failed = world.failed_task("the first");
    wait_until(&world, &task, "the first alert", || titles(&world) == ["Task failed: the first"]);
    wait_for_console(&world, &task, &format!("task=\"{failed}\""), 1);

    let clone = world.clone_task(&task);
    world.edit_argument(&clone, "message_prefix", "edited in the clone");
    world.edit_argument(&clone, "include_completed_experiments", "True");
    enqueue_again(&world, &clone);
    wait_for_console(&world, &clone, "watching begins", 1);
    let completed = world.running_task("the second");
    world.clearml.complete(&completed).unwrap();
    wait_until(&world, &clone, "the clone's alert", || titles(&world).len() == 2);
    let messages = world.slack.messages(CHANNEL);
    assert!(messages[1].payload.to_string().contains("edited in the clone"), "{:?}", messages[1]);

    world.call("tasks.stop", &json!({"task": clone}));
    wait_until(&world, &clone, "the end of the clone", || status(&world, &clone) == "stopped");
    wait_for_console(&world, &clone, "aborted in ClearML; finishing what is under way", 1);
    wait_for_console(&world, &clone, "stopped; what waits is in the database", 1);
    assert_eq!(world.clearml.document(&clone).unwrap()["runtime"]["_abort_callback_completed"], "1");

    agent.stop();
    wait_until(&world, &task, "the end of the task", || status(&world, &task) == "stopped");
    world.failed_task("the third, while no agent runs");
    let agent = Agent::start(&python, &world, Some(programs()));
    enqueue_again(&world, &task);
    wait_for_console(&world, &task, "resumes_at=", 1);
    wait_until(&world, &task, "the alert after the restart", || titles(&world).len() == 3);
    world.failed_task("the fourth");
    wait_until(&world, &task, "the last alert", || titles(&world).len() == 4);
    agent.stop();

    let expected = [
        "Task completed: the second",
        "Task failed: the first",
        "Task failed: the fourth",
        "Task failed: the third, while no agent runs",
    ];
    assert_eq!(titles(&world), expected);
    check_console(&world, &task, &failed);
    check_secrets(&world);
    tell_endpoints(&world);
}

/// Each of the monitor's log lines, which are dated to the microsecond, is in the console once.
fn check_console(world: &World, task: &str, failed: &str) {
    let console = console(world, task);
    let mut lines: Vec<&str> = console.lines().filter(|line| line.contains("Z  INFO ")).collect();
    let recorded = format!("task=\"{failed}\" name=\"the first\"");
    assert_eq!(lines.iter().filter(|line| line.contains(&recorded)).count(), 1, "{lines:#?}");
    let all = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert!(all > 8 && lines.len() == all, "{all} lines, {} of them different: {lines:#?}", lines.len());
}

/// No secret is in any task or its console, nor in what the monitor asked ClearML to keep.
fn check_secrets(world: &World) {
    let (_, secret) = world.clearml.credentials();
    let tasks = world.clearml.task_ids();
    assert!(tasks.len() >= 6, "{tasks:?}");
    let parts = tasks.iter().flat_map(|task| [world.clearml.document(task).unwrap().to_string(), console(world, task)]);
    let asked = world.clearml.requests().all().into_iter().map(|request| request.body.to_string());
    for text in parts.chain(asked) {
        assert!(!text.contains(world.slack.token().as_str()) && !text.contains(&secret), "a secret in {text}");
    }
}

/// Prints which calls the monitor made (not the agent), and how often; seen with `--nocapture`.
fn tell_endpoints(world: &World) {
    let mut calls = std::collections::BTreeMap::<String, usize>::new();
    for request in world.clearml.requests().all() {
        let client = request.headers.get("x-clearml-client").map(String::as_str).unwrap_or_default();
        if client.starts_with("clearml-alerts") {
            *calls.entry(request.endpoint).or_default() += 1;
        }
    }
    println!("the monitor's calls: {calls:?}");
    let known = [
        "auth.login",
        "events.get_task_log",
        "projects.create",
        "projects.get_all",
        "queues.get_all",
        "tasks.create",
        "tasks.edit",
        "tasks.enqueue",
        "tasks.get_all",
        "tasks.get_all_ex",
        "tasks.get_by_id",
        "users.get_all",
    ];
    for endpoint in calls.keys() {
        assert!(known.contains(&endpoint.as_str()), "the monitor called {endpoint}");
    }
}

#[test]
fn a_missing_program_fails_with_a_clear_line_and_an_uploaded_one_runs() {
    let Some(python) = python::environment() else { return };
    let world = world();
    let _agent = Agent::start(&python, &world, None);
    let missing = enqueue(&world, &[]);
    wait_until(&world, &missing, "the failure", || status(&world, &missing) == "failed");
    let told = console(&world, &missing);
    let last = told.lines().rfind(|line| line.starts_with("error: ")).unwrap_or_default().to_owned();
    assert!(last.contains("there is no clearml-alerts on this agent's PATH"), "{told}");
    let uploaded = enqueue(&world, &["--upload-binary"]);
    wait_for_console(&world, &uploaded, "watching begins", 1);
    world.call("tasks.stop", &json!({"task": uploaded}));
    wait_until(&world, &uploaded, "the end", || status(&world, &uploaded) == "stopped");
}
