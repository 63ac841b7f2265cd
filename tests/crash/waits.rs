//! Killed at every step of a wait by rule: the end of a hold, the drop of what was started again, the digest of the night.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clearml_alerts::domain::Stamp;
use clearml_alerts::sandbox::{Fault, FaultRule};

use crate::verdict::Scope;
use crate::world::{CHANNEL, World, finish, title};

const NAMES: [&str; 3] = ["resnet50", "bert base", "gpt nano"];

fn config(world: &World, timing: &str) -> PathBuf {
    let path = world.folder().join("config.toml");
    let file = format!("[slack]\nchannel = '{CHANNEL}'\nrate = 0\n[[rule]]\nname = 'vision'\n{timing}\n");
    std::fs::write(&path, file).unwrap();
    path
}

/// Runs `once`, dying at this point; whether it died.
fn run(world: &World, config: &Path, crash: &str) -> bool {
    let mut command = world.command(&["once", "--config", config.to_str().unwrap()]);
    let ended = finish(command.env("CLEARML_ALERTS_TEST_CRASH_AT", crash));
    assert!(matches!(ended.code, -1 | 0 | 4), "{ended:?}");
    ended.code == -1
}

/// Dies at `point` after `happens` to three failures that wait, and is started again. Answers how often it died.
fn dies_at(point: &str, timing: &str, happens: impl Fn(&World, &[String]), check: impl Fn(&World)) -> usize {
    for pass in 1..=4 {
        let world = Scope::History.world();
        world.clearml.set_time(Stamp::parse("2026-11-22T22:30:00Z").unwrap());
        let config = config(&world, timing);
        run(&world, &config, "");
        world.clearml.advance(Duration::from_mins(1));
        let tasks = NAMES.map(|name| world.failed_task(name));
        run(&world, &config, "");
        assert!(world.slack.messages(CHANNEL).is_empty());
        happens(&world, &tasks);
        let died = run(&world, &config, &format!("{point}:{pass}"));
        world.slack.faults().clear();
        while run(&world, &config, "") {}
        run(&world, &config, "");
        check(&world);
        world.assert_no_violations();
        if !died {
            return pass - 1;
        }
    }
    4
}

/// The wait is over.
fn over(world: &World, _: &[String]) {
    world.clearml.advance(Duration::from_hours(8));
}

fn each_told_once(world: &World) {
    world.assert_alerts(&NAMES);
    let history = world.history(&[]);
    assert!(history.len() == 3 && history.iter().all(|row| row["state"] == "sent"), "{history:?}");
}

fn told_in_one_digest(world: &World) {
    let titles: Vec<String> = world.slack.messages(CHANNEL).iter().map(title).collect();
    assert_eq!(titles, ["3 tasks failed in vision/resnet"]);
    let history = world.history(&[]);
    assert!(
        history.len() == 3 && history.iter().all(|row| row["state"] == "sent" && row["digest"] == true),
        "{history:?}"
    );
}

#[test]
fn a_hold_that_is_over_is_told_once_wherever_the_program_dies() {
    for point in ["before_release", "released", "payload_stored", "attempt_recorded", "answer_not_recorded"] {
        assert!(dies_at(point, "hold = '2m'", over, each_told_once) > 0, "{point} was never reached");
    }
}

#[test]
fn the_night_is_told_in_one_digest_wherever_the_program_dies() {
    let quiet = "quiet = '22:00-07:00 UTC'";
    let over = |world: &World, _: &[String]| world.clearml.advance(Duration::from_hours(9));
    for point in ["before_release", "released", "payload_stored", "attempt_recorded", "answer_not_recorded"] {
        assert!(dies_at(point, quiet, over, told_in_one_digest) > 0, "{point} was never reached");
    }
    let lost = |world: &World, tasks: &[String]| {
        world.slack.faults().script([FaultRule::next(Fault::apply_then_reset()).on("chat.postMessage")]);
        over(world, tasks);
    };
    for point in ["answer_not_recorded", "look_not_recorded"] {
        assert!(dies_at(point, quiet, lost, told_in_one_digest) > 0, "{point} was never reached");
    }
}

#[test]
fn what_is_started_again_is_dropped_and_the_others_told_wherever_the_program_dies() {
    let again = |world: &World, tasks: &[String]| {
        world.clearml.advance(Duration::from_secs(30));
        world.clearml.enqueue(&tasks[0], "default").unwrap();
        over(world, tasks);
    };
    let check = |world: &World| {
        world.assert_alerts(&NAMES[1..]);
        let dropped = world.history(&["--filter", "retried"]);
        assert!(dropped.len() == 1 && dropped[0]["task_name"] == NAMES[0], "{dropped:?}");
        assert_eq!(world.history(&["--state", "sent"]).len(), 2);
    };
    for point in ["page_received", "before_commit", "after_commit", "before_release", "released", "payload_stored"] {
        assert!(dies_at(point, "hold = '2m'", again, check) > 0, "{point} was never reached");
    }
}
