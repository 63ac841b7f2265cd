//! The simulated servers, and the monitor in front of them, held to clients that nobody here wrote: ClearML's own SDK and
//! Slack's own client, from PyPI. `scripts/` is what runs in Python; here is what must come of it.
//!
//! Skipped, with a line that says why, where there is no Python or no PyPI; `CLEARML_ALERTS_REQUIRE_INTEROP=1` makes that
//! a failure.

#![cfg(feature = "sandbox")]
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test ends where its world is not as declared, and the search path is the machine's"
)]

mod agent;
mod last_lines;
mod python;
#[path = "../black_box/world.rs"]
#[allow(dead_code, reason = "the black-box tests use the rest of it")]
mod world;

use std::process::Command;

use clearml_alerts::sandbox::slack::Channel;
use clearml_alerts::sandbox::{ClearmlOptions, Fault, FaultRule, SlackOptions};

use python::Python;
use world::{CHANNEL, Ended, Running, World, wait_until};

/// Where the monitor alerts that includes everything.
const EVERYTHING: &str = "everything";

fn world() -> World {
    let channels = [CHANNEL, EVERYTHING, "general"].map(Channel::public).to_vec();
    World::with(ClearmlOptions::default(), SlackOptions { channels, ..SlackOptions::default() })
}

/// A script of ours with this world's servers, and nothing outside it within reach.
fn script(python: &Python, world: &World, name: &str) -> Command {
    let (key, secret) = world.clearml.credentials();
    let mut command = python.command(name, world.folder());
    command
        .env("CLEARML_API_HOST", world.clearml.url())
        .env("CLEARML_FILES_HOST", world.clearml.url())
        .env("CLEARML_WEB_HOST", "https://app.example.com")
        .env("CLEARML_API_ACCESS_KEY", key)
        .env("CLEARML_API_SECRET_KEY", secret)
        .env("SLACK_API_TOKEN", world.slack.token())
        .env("SLACK_API_URL", world.slack.url());
    command
}

fn run(python: &Python, world: &World, name: &str) -> Ended {
    Running::start(&mut script(python, world, name)).wait()
}

/// A second service beside the world's usual one: another database, another channel, and every filter opened.
fn start_monitor_of_everything(world: &World) -> Running {
    let database = world.folder().join("everything.db");
    let database = database.to_str().unwrap();
    world.start(&[
        "--channel",
        EVERYTHING,
        "--db",
        database,
        "--include-manual-experiments",
        "--include-completed-experiments",
        "--include-aborted-experiments",
    ])
}

fn titles(world: &World, channel: &str) -> Vec<String> {
    let mut titles: Vec<String> = world.slack.messages(channel).iter().map(world::title).collect();
    titles.sort();
    titles
}

#[test]
fn what_clearmls_own_sdk_fails_stops_and_completes_is_alerted_once() {
    let Some(python) = python::environment() else { return };
    let world = world();
    let (usual, everything) = (world.start(&[]), start_monitor_of_everything(&world));
    world.wait_for_polls(4);
    let scripts =
        ["crash.py", "close.py", "outcomes.py"].map(|name| Running::start(&mut script(&python, &world, name)));
    let [crashed, closed, outcomes] = scripts.map(Running::wait);
    assert_eq!(crashed.code, 1, "{crashed:?}");
    assert_eq!(closed.code, 0, "{closed:?}");
    assert_eq!(outcomes.code, 0, "{outcomes:?}");
    wait_until("the alerts", || world.slack.all_messages().len() >= 6);
    world.wait_for_polls(4);
    assert_eq!((usual.stop().code, everything.stop().code), (0, 0));

    let expected = [
        "Task aborted: marked as stopped",
        "Task completed: closed by its script",
        "Task failed: marked as failed",
        "Task failed: resnet50 that crashes",
        "Task failed: run by an agent",
    ];
    assert_eq!(titles(&world, EVERYTHING), expected);
    assert_eq!(titles(&world, CHANNEL), ["Task failed: run by an agent"], "manual runs are left out by default");
    check_the_crash(&world);
    world.assert_no_violations();
}

/// The alert shows what the script printed and why it ended, and mentions nobody.
fn check_the_crash(world: &World) {
    let messages = world.slack.messages(EVERYTHING);
    let crash = messages.iter().find(|message| world::title(message).ends_with("crashes")).unwrap();
    let (shown, sent) = (crash.plain(), crash.payload.to_string());
    assert!(shown.contains("epoch 7 loss 0.143"), "no console in\n{shown}");
    assert!(shown.contains("resnet50 that crashes in vision/resnet"), "no project in\n{shown}");
    assert!(sent.contains("– RuntimeError: CUDA out of memory &lt;!channel&gt;"), "no cause in\n{sent}");
    assert!(world.slack.mentions().is_empty(), "{:?}", world.slack.mentions());
    let suppressed = world.history(&["--state", "suppressed", "--task", "that crashes"]);
    assert_eq!(suppressed.len(), 1, "{suppressed:?}");
    assert!(suppressed[0]["reason"].as_str().unwrap().contains("manual"), "{suppressed:?}");
}

#[test]
fn the_originals_building_block_polls_the_simulated_server() {
    let Some(python) = python::environment() else { return };
    let world = world();
    assert_eq!(world.once(&[]).code, 0);
    let watched = run(&python, &world, "watch.py");
    assert_eq!(watched.code, 0, "{watched:?}");
    let seen: Vec<&str> = watched.stdout.lines().filter(|line| line.starts_with("seen:")).collect();
    assert_eq!(seen, ["seen: watched by both in vision/resnet, failed, 1 reports"], "{watched:?}");
    assert_eq!(world.once(&["--include-manual-experiments"]).code, 0);
    world.assert_alerts(&["watched by both"]);
}

#[test]
fn slacks_own_client_finds_posts_reads_and_edits() {
    let Some(python) = python::environment() else { return };
    let channels = [CHANNEL, "general", "random"].map(Channel::public).to_vec();
    let world = World::with(ClearmlOptions::default(), SlackOptions { channels, ..SlackOptions::default() });
    world.slack.faults().push(FaultRule::next(Fault::slack_rate_limited(0)).on("chat.postMessage"));
    let ended = run(&python, &world, "messages.py");
    assert_eq!(ended.code, 0, "{ended:?}");
    let messages = world.slack.messages(CHANNEL);
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!((messages[0].text.as_str(), messages[0].edits), ("changed", 1));
    assert_eq!(world.slack.requests().of("chat.postMessage").first().unwrap().status, Some(429));
    let violations = world.slack.violations();
    let deliberate = violations.iter().all(|violation| violation.error.as_deref() == Some("no_text"));
    assert!(deliberate && violations.len() == 1, "{violations:?}");
}
