//! Two instances on one database: one works, the other leaves or waits; readers are let in.

use crate::world::{CHANNEL, Running, World};

#[test]
fn a_second_instance_leaves_at_once_and_readers_work_meanwhile() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let service = world.start(&[]);
    world.failed_task("while both");
    world.wait_for_state("while both", "sent");
    let second = world.once(&[]);
    assert_eq!(second.code, 5, "{second:?}");
    assert!(second.stderr.contains("--wait-lock"), "{}", second.stderr);
    let run = Running::start(&mut world.service_command(&[])).wait();
    assert_eq!(run.code, 5, "{run:?}");
    assert_eq!(world.history(&[]).len(), 1);
    assert_eq!(service.stop().code, 0);
    world.assert_alerts(&["while both"]);
}

#[test]
fn one_that_waits_gets_its_turn() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let service = world.start(&[]);
    world.wait_for_polls(1);
    let usual = ["once", "--channel", CHANNEL, "--slack-rate", "0", "--wait-lock", "20s"];
    let waiting = Running::start(&mut world.command(&usual));
    world.failed_task("meanwhile");
    world.wait_for_state("meanwhile", "sent");
    assert_eq!(service.stop().code, 0);
    let ended = waiting.wait();
    assert_eq!(ended.code, 0, "{ended:?}");
    world.assert_alerts(&["meanwhile"]);
}

#[test]
fn a_killed_instance_leaves_no_lock_behind() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let service = world.start(&[]);
    world.wait_for_polls(1);
    service.kill();
    assert_eq!(world.once(&[]).code, 0);
}

#[test]
fn one_that_waits_can_be_stopped() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let service = world.start(&[]);
    world.wait_for_polls(1);
    let waiting = Running::start(&mut world.service_command(&["--wait-lock", "1h", "-v"]));
    waiting.wait_for_log("another instance");
    assert_eq!(waiting.stop().code, 0);
    assert_eq!(service.stop().code, 0);
}

#[test]
fn overlapping_runs_of_cron_tell_each_failure_once() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let names: Vec<String> = (0..8).map(|number| format!("task {number}")).collect();
    for name in &names {
        world.failed_task(name);
    }
    let usual = ["once", "--channel", CHANNEL, "--slack-rate", "0"];
    let runs: Vec<Running> = (0..5).map(|_| Running::start(&mut world.command(&usual))).collect();
    let codes: Vec<i32> = runs.into_iter().map(|run| run.wait().code).collect();
    assert!(codes.contains(&0) && codes.iter().all(|code| matches!(code, 0 | 5)), "{codes:?}");
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.assert_alerts(&names);
}
