//! `once`: what it delivers in its time, what it leaves, and what its exit code says.

use std::time::Duration;

use clearml_alerts::sandbox::{Fault, FaultRule};

use crate::world::{CHANNEL, Running, World, wait_until};

#[test]
fn slack_down_leaves_alerts_and_the_next_run_drains_them() {
    let world = World::new();
    world.once(&[]);
    world.failed_task("one");
    world.failed_task("two");
    world.slack.set_online(false);
    let left = world.once(&["--deliver-timeout", "300ms"]);
    assert_eq!(left.code, 4, "{left:?}");
    assert!(left.stdout.contains("2 alerts recorded") && left.stdout.contains("2 still to be sent"), "{left:?}");
    let advised = left.stdout.split('`').nth(1).unwrap();
    let advised: Vec<&str> = advised.split_whitespace().skip(1).chain(["--format", "json"]).collect();
    let rows = world.run(&advised);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&rows.stdout).unwrap();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows.iter().all(|row| row["state"] == "pending"), "{rows:?}");
    world.slack.set_online(true);
    let drained = world.once(&[]);
    assert_eq!(drained.code, 0, "{drained:?}");
    assert!(drained.stdout.contains("0 alerts recorded") && drained.stdout.contains("2 sent"), "{drained:?}");
    world.assert_alerts(&["one", "two"]);
}

#[test]
fn a_passing_fault_costs_a_retry_within_its_time() {
    let world = World::new();
    world.once(&[]);
    world.failed_task("retried");
    world.slack.faults().push(FaultRule::next(Fault::slack_error("request_timeout")).on("chat.postMessage").times(2));
    assert_eq!(world.once(&[]).code, 0);
    let row = &world.history(&[])[0];
    assert_eq!((&row["state"], &row["attempts"]), (&"sent".into(), &3.into()));
    world.assert_alerts(&["retried"]);
}

#[test]
fn a_wait_that_slack_asks_for_beyond_its_time_is_left_to_the_next_run() {
    let world = World::new();
    world.once(&[]);
    world.failed_task("limited");
    world.slack.faults().push(FaultRule::next(Fault::slack_rate_limited(3_000)).on("chat.postMessage"));
    let left = world.once(&[]);
    assert_eq!(left.code, 4, "{left:?}");
    let honoured = world.once(&[]);
    assert_eq!(honoured.code, 4, "{honoured:?}");
    assert_eq!(world.slack.requests().count("chat.postMessage"), 1);
}

#[test]
fn a_message_that_hangs_is_given_up_when_the_time_is_up() {
    let world = World::new();
    world.once(&[]);
    world.failed_task("hanging");
    world.slack.faults().push(FaultRule::next(Fault::apply_then_hang()).on("chat.postMessage"));
    let left = world.once(&["--deliver-timeout", "2s"]);
    assert_eq!(left.code, 4, "{left:?}");
    assert!(left.stderr.contains("the next run finds out"), "{left:?}");
    assert_eq!(world.once(&[]).code, 0);
    world.assert_alerts(&["hanging"]);
}

#[test]
fn interrupted_in_the_middle_it_finishes_its_message_and_loses_nothing() {
    let world = World::new();
    world.once(&[]);
    let names: Vec<String> = (0..5).map(|number| format!("number {number}")).collect();
    for name in &names {
        world.failed_task(name);
    }
    world.slack.faults().push(FaultRule::next(Fault::slow(Duration::from_millis(500))).on("chat.postMessage").after(1));
    let line = ["once", "--channel", CHANNEL, "--slack-rate", "0"];
    let running = Running::start(&mut world.command(&line));
    wait_until("the second message", || world.slack.requests().count("chat.postMessage") == 2);
    running.signal("INT");
    let ended = running.wait();
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.stdout.contains("2 sent, 3 still to be sent"), "{ended:?}");
    assert_eq!(world.once(&[]).code, 0);
    world.assert_alerts(&names.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn interrupted_while_it_polls_it_ends_and_moves_nothing() {
    let world = World::new();
    world.once(&[]);
    world.failed_task("later");
    world.clearml.faults().push(FaultRule::next(Fault::hang()).on("tasks.get_all_ex"));
    let before = world.clearml.requests().count("tasks.get_all_ex");
    let running = Running::start(&mut world.command(&["once", "--channel", CHANNEL]));
    wait_until("the poll", || world.clearml.requests().count("tasks.get_all_ex") > before);
    running.signal("INT");
    let ended = running.wait();
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("error: stopped on request"), "{ended:?}");
    assert_eq!(world.once(&[]).code, 0);
    world.assert_alerts(&["later"]);
}

#[test]
fn with_clearml_away_it_leaves_at_once_even_where_it_has_watched() {
    let world = World::new();
    world.once(&[]);
    world.clearml.set_online(false);
    let ended = world.once(&[]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("cannot be reached"), "{ended:?}");
}

#[test]
fn a_poll_that_fails_does_not_keep_what_is_due() {
    let world = World::new();
    world.once(&[]);
    world.failed_task("due");
    world.slack.set_online(false);
    assert_eq!(world.once(&["--deliver-timeout", "100ms"]).code, 4);
    world.slack.set_online(true);
    world.clearml.faults().push(FaultRule::next(Fault::clearml_maintenance()).on("tasks.get_all_ex").forever());
    let ended = world.once(&[]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("maintenance"), "{ended:?}");
    world.assert_alerts(&["due"]);
}

#[test]
fn since_begins_in_the_past_on_a_fresh_database_only() {
    let world = World::new();
    world.failed_task("today");
    let now = world.clearml.now();
    let hours_ago = |hours: u64| now.minus(Duration::from_hours(hours));
    let old = |name: &str, hours: u64| {
        let seed = clearml_alerts::sandbox::TaskSeed::new(name).status(&clearml_alerts::domain::Status::Failed);
        world.clearml.add_task(seed.status_changed(hours_ago(hours)));
    };
    old("yesterday", 30);
    old("this morning", 5);
    let timestamp = hours_ago(31).to_string();
    for (flags, expected) in [
        (["--since", "24h"], &["today", "this morning"][..]),
        (["--since", "6 hours ago"], &["today", "this morning"]),
        (["--since", "1h"], &["today"]),
        (["--since", timestamp.as_str()], &["today", "this morning", "yesterday"]),
    ] {
        crate::cast::assert_sent(&crate::cast::look_back(&world, &flags), expected, &flags);
    }
    world.once(&[]);
    let late = world.once(&["--since", "48h"]);
    assert_eq!(late.code, 0, "{late:?}");
    assert!(late.stderr.contains("--since only tells a fresh database where to begin"), "{late:?}");
    assert_eq!(world.history(&[]).len(), 0);
}

#[test]
fn its_output_is_one_line() {
    let world = World::new();
    let first = world.once(&[]);
    assert!(first.stdout.starts_with("Watching http://127.0.0.1:") && first.stdout.lines().count() == 1, "{first:?}");
    world.failed_task("told");
    let second = world.once(&[]);
    assert_eq!(second.stdout, "1 task changed, 1 alert recorded, 0 not alerted; 1 sent.\n");
}
