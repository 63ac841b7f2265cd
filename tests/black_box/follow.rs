//! `history --follow`: alerts as they come, and as their state changes.

use clearml_alerts::sandbox::{Fault, FaultRule};

use crate::world::{CHANNEL, Running, World, wait_until};

fn follow(world: &World, more: &[&str]) -> Running {
    Running::start(&mut world.command(&[&["history", "--follow"], more].concat()))
}

#[test]
fn new_alerts_are_told_and_again_when_their_state_changes() {
    let world = World::new();
    world.once(&[]);
    world.failed_task("before");
    world.once(&[]);
    let all = follow(&world, &["--format", "csv"]);
    let sent = follow(&world, &["--format", "json", "--state", "sent"]);
    let table = follow(&world, &[]);
    all.wait_for_output("id,rule,task_id");
    // The other two have no header to wait for; a first alert tells that they are there.
    wait_until("the others follow", || {
        world.failed_task("warming up");
        world.once(&[]);
        [&sent, &table].iter().all(|one| one.has_output("warming up"))
    });
    world.failed_task("waiting");
    world.slack.set_online(false);
    assert_eq!(world.once(&["--deliver-timeout", "50ms"]).code, 4);
    table.wait_for_output("pending");
    world.slack.set_online(true);
    assert_eq!(world.once(&[]).code, 0);
    sent.wait_for_output("\"waiting\"");
    let is_sent = |told: &str| told.lines().any(|line| line.contains("waiting") && line.contains("sent"));
    all.wait_until(is_sent);
    table.wait_until(is_sent);
    let (all, sent, table) = (all.kill(), sent.kill(), table.kill());
    assert!([&all, &sent, &table].iter().all(|told| !told.stdout.contains("before")), "{all:?}");
    let sent: Vec<serde_json::Value> = sent.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(sent.iter().all(|row| row["state"] == "sent"), "{sent:?}");
    assert_eq!(sent.iter().filter(|row| row["task_name"] == "waiting").count(), 1);
}

#[test]
fn a_service_is_followed_while_it_runs() {
    let world = World::new();
    let service = world.start(&["--channel", CHANNEL]);
    world.wait_for_polls(1);
    let followed = follow(&world, &["--format", "csv"]);
    followed.wait_for_output("id,rule");
    world.failed_task("live");
    followed.wait_for_output("live");
    assert_eq!(service.stop().code, 0);
    followed.signal("TERM");
    followed.wait();
}

#[test]
fn an_alert_that_is_sent_after_newer_ones_is_told_all_the_same() {
    let world = World::new();
    world.once(&[]);
    let sent = follow(&world, &["--format", "csv", "--state", "sent"]);
    sent.wait_for_output("id,rule,task_id");
    world.slack.set_scopes(&["chat:write", "channels:read"]);
    world.slack.faults().push(FaultRule::next(Fault::reset()).on("chat.postMessage"));
    world.failed_task("the lost one");
    assert_eq!(world.once(&["--on-unknown", "hold"]).code, 4);
    world.failed_task("a newer one");
    world.once(&["--on-unknown", "hold"]);
    sent.wait_for_output("a newer one");
    assert_eq!(world.run(&["dead", "retry", "--all"]).code, 0);
    assert_eq!(world.once(&[]).code, 0);
    sent.wait_for_output("the lost one");
    sent.kill();
}
