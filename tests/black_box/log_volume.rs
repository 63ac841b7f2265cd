//! However long something goes wrong, the log says it a few times and not each time.

use clearml_alerts::sandbox::{Fault, FaultRule};

use crate::world::{Running, World, wait_until};

const POLL: &str = "tasks.get_all_ex";
const POST: &str = "chat.postMessage";

/// How many lines a service has logged since `before`.
fn lines_since(service: &Running, before: usize) -> usize {
    service.log().lines().count() - before
}

#[test]
fn a_clearml_that_fails_every_other_time_is_told_of_a_few_times() {
    let world = World::new();
    let service = world.start(&[]);
    world.wait_for_polls(2);
    let before = service.log().lines().count();
    // One question of a poll is tried four times.
    for _ in 0..15 {
        world.clearml.faults().push(FaultRule::next(Fault::clearml_maintenance()).on(POLL).times(4));
        wait_until("the failure", || world.clearml.faults().remaining().is_empty());
        world.wait_for_polls(1);
    }
    let lines = lines_since(&service, before);
    let log = service.stop().stderr;
    assert!(log.contains("the poll failed and moved nothing") && lines <= 8, "{lines} lines: {log}");
}

#[test]
fn a_clearml_that_is_away_at_the_start_is_told_of_once() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    world.clearml.faults().push(FaultRule::next(Fault::clearml_maintenance()).on("auth.login").forever());
    let service = world.start(&[]);
    wait_until("many tries", || world.clearml.requests().count("auth.login") >= 60);
    let log = service.log();
    world.clearml.faults().clear();
    service.wait_for_log("started");
    service.stop();
    assert_eq!(log.matches("ClearML is away; starting as soon as it answers").count(), 1, "{log}");
}

#[test]
fn a_parked_channel_and_a_slack_that_fails_are_not_told_of_with_each_try() {
    for error in ["is_archived", "ratelimited", "an_error_that_nobody_knows"] {
        let world = World::new();
        assert_eq!(world.once(&[]).code, 0);
        world.slack.faults().push(FaultRule::next(Fault::slack_error(error)).on(POST).forever());
        let service = world.start(&["--digest-above", "0"]);
        for number in 0..5 {
            world.failed_task(&format!("task {number}"));
        }
        wait_until("tries", || world.slack.requests().count(POST) >= 6);
        let log = service.log();
        world.slack.faults().clear();
        world.wait_for_messages(5);
        service.stop();
        // How much waits is said once a minute, which is a moment here.
        let usual = ["alert recorded", "polled", "alerts wait"];
        let told = log.lines().filter(|line| !usual.iter().any(|usual| line.contains(usual))).count();
        assert!(told <= 8, "{told} lines: {log}");
    }
}
