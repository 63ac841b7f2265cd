//! Clocks that are wrong or jump: the monitor's own, ClearML's, Slack's. The same alerts come, once each.

use std::time::Duration;

use clearml_alerts::clock::Clock;
use clearml_alerts::domain::Status;
use clearml_alerts::sandbox::clearml::Transition;
use clearml_alerts::sandbox::{Fault, FaultRule};

use crate::world::{CHANNEL, Running, World, finish};

const HOUR: i64 = 3_600_000;
const POST: &str = "chat.postMessage";

fn lose_an_answer(world: &World) {
    world.slack.faults().push(FaultRule::next(Fault::apply_then_reset()).on(POST));
}

/// No alert of these tests is late.
fn assert_alerts_in_time(world: &World, expected: &[&str]) {
    world.assert_alerts(expected);
    for message in world.slack.messages(CHANNEL) {
        assert!(!message.plain().contains("late by"), "{}", message.plain());
    }
}

#[test]
fn a_monitor_whose_clock_is_an_hour_off() {
    for offset in [HOUR, -HOUR] {
        let world = World::new();
        let wrong = |arguments: &[&str]| {
            let usual = ["once", "--channel", CHANNEL, "--slack-rate", "0"];
            let mut command = world.command(&[&usual, arguments].concat());
            finish(command.env("CLEARML_ALERTS_TEST_CLOCK_OFF_BY_MS", offset.to_string()))
        };
        world.failed_task("before we watched");
        assert_eq!(wrong(&[]).code, 0);
        world.failed_task("first");
        assert_eq!(wrong(&[]).code, 0);
        lose_an_answer(&world);
        world.failed_task("second");
        assert_eq!(wrong(&[]).code, 0);
        assert_alerts_in_time(&world, &["first", "second"]);
    }
}

#[test]
fn a_clock_that_is_set_between_two_runs() {
    let world = World::new();
    let mut expected = Vec::new();
    for (position, offset) in [0, HOUR, -HOUR, 24 * HOUR, -24 * HOUR, 0].into_iter().enumerate() {
        lose_an_answer(&world);
        let mut command = world.command(&["once", "--channel", CHANNEL, "--slack-rate", "0"]);
        let ended = finish(command.env("CLEARML_ALERTS_TEST_CLOCK_OFF_BY_MS", offset.to_string()));
        assert_eq!(ended.code, 0, "{ended:?}");
        assert_alerts_in_time(&world, &expected);
        let name = ["first", "second", "third", "fourth", "fifth", "sixth"][position];
        world.failed_task(name);
        expected.push(name);
    }
}

#[test]
fn a_clock_that_jumps_while_it_runs() {
    let world = World::new();
    let file = world.folder().join("clock");
    std::fs::write(&file, "0").unwrap();
    assert_eq!(world.once(&[]).code, 0);
    let service = Running::start(world.service_command(&[]).env("CLEARML_ALERTS_TEST_CLOCK_FILE", &file));
    let mut expected = Vec::new();
    for (jump, names) in
        [(HOUR, ["ahead", "ahead, lost"]), (-HOUR, ["behind", "behind, lost"]), (0, ["right", "right, lost"])]
    {
        std::fs::write(&file, jump.to_string()).unwrap();
        world.failed_task(names[0]);
        world.wait_for_state(names[0], "sent");
        lose_an_answer(&world);
        world.failed_task(names[1]);
        world.wait_for_state(names[1], "sent");
        // A wait that began before the next jump goes on by the steady clock.
        world.slack.faults().push(FaultRule::next(Fault::slack_error("ratelimited")).on(POST));
        expected.extend(names);
    }
    assert_eq!(service.stop().code, 0);
    assert_alerts_in_time(&world, &expected);
}

#[test]
fn a_clearml_whose_clock_is_set_back_while_it_is_watched() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let service = world.start(&[]);
    world.failed_task("before");
    world.wait_for_state("before", "sent");
    world.wait_for_polls(2);
    world.clearml.set_clock(Clock::system_off_by(-HOUR));
    world.failed_task("an hour back");
    world.wait_for_state("an hour back", "sent");
    world.failed_task("still an hour back");
    world.wait_for_state("still an hour back", "sent");
    world.clearml.set_clock(Clock::system());
    world.failed_task("and forward again");
    world.wait_for_state("and forward again", "sent");
    assert_eq!(service.stop().code, 0);
    world.assert_alerts(&["before", "an hour back", "still an hour back", "and forward again"]);
}

#[test]
fn a_stamp_from_the_future_does_not_hide_what_comes_before_it() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let task = world.running_task("tomorrow");
    let tomorrow = world.clearml.now().plus(Duration::from_hours(24));
    let failed = Transition::to(Status::Failed).because("out of time", "").at(tomorrow);
    world.clearml.transition(&task, failed).unwrap();
    assert_eq!(world.once(&[]).code, 0);
    assert!(world.watermark() <= world.clearml.now().as_millis());
    world.failed_task("today");
    let service = world.start(&[]);
    world.wait_for_state("today", "sent");
    world.failed_task("today too");
    world.wait_for_state("today too", "sent");
    assert_eq!(service.stop().code, 0);
    world.assert_alerts(&["tomorrow", "today", "today too"]);
}

#[test]
fn a_stamp_from_the_future_before_we_watched() {
    let world = World::new();
    let task = world.running_task("tomorrow");
    let tomorrow = world.clearml.now().plus(Duration::from_hours(24));
    world.clearml.transition(&task, Transition::to(Status::Failed).at(tomorrow)).unwrap();
    assert_eq!(world.once(&[]).code, 0);
    world.failed_task("today");
    assert_eq!(world.once(&[]).code, 0);
    world.assert_alerts(&["today"]);
}

#[test]
fn a_slack_whose_clock_is_an_hour_off_is_searched_by_its_own() {
    for offset in [HOUR, -HOUR] {
        let world = World::new();
        world.slack.set_clock(Clock::system_off_by(offset));
        assert_eq!(world.once(&[]).code, 0);
        lose_an_answer(&world);
        world.failed_task("lost");
        assert_eq!(world.once(&[]).code, 0);
        // Killed while it sends: the look comes from another run.
        world.slack.faults().push(FaultRule::next(Fault::apply_then_hang()).on(POST));
        world.failed_task("killed");
        let service = world.start(&[]);
        world.wait_for_messages(2);
        service.kill();
        assert_eq!(world.once(&[]).code, 0);
        assert_alerts_in_time(&world, &["lost", "killed"]);
    }
}
