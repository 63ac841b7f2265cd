//! A test per named point at which a debug build can kill itself.

use std::time::Duration;

use clearml_alerts::clock::Clock;
use clearml_alerts::sandbox::slack::Channel;
use clearml_alerts::sandbox::{Fault, FaultRule};

use crate::verdict::{Scope, assert_each_alerted_once, deliver_the_rest};
use crate::world::{CHANNEL, World, finish};

const NAMES: [&str; 3] = ["resnet50", "bert base", "gpt nano"];

fn names() -> Vec<String> {
    NAMES.map(str::to_owned).to_vec()
}

/// Dies at `point` while it alerts three failures, and is started again. `prepare` makes the point be reached.
fn dies_at(point: &str, scope: Scope, prepare: impl Fn(&World)) {
    for pass in 1..=NAMES.len() {
        let world = scope.world();
        assert_eq!(world.once(&[]).code, 0);
        for name in &NAMES {
            world.failed_task(name);
        }
        prepare(&world);
        if !dies_once(&world, point, pass) {
            assert!(pass > 1, "{point} was never reached");
            return;
        }
        world.slack.faults().clear();
        deliver_the_rest(&world, &[]);
        assert_each_alerted_once(&world, &names(), scope);
        assert_eq!(world.once(&[]).code, 0);
        assert_each_alerted_once(&world, &names(), scope);
    }
}

/// Runs `once` with this point armed; whether it died of it.
fn dies_once(world: &World, point: &str, pass: usize) -> bool {
    let mut command = world.command(&["once", "--channel", CHANNEL, "--slack-rate", "0"]);
    command.env("CLEARML_ALERTS_TEST_CRASH_AT", format!("{point}:{pass}"));
    let ended = finish(&mut command);
    assert!(matches!(ended.code, -1 | 0), "{ended:?}");
    ended.code == -1
}

fn nothing(_: &World) {}

/// Dies at `point` while it removes alerts of the past, and is started again.
fn dies_while_it_removes(point: &str) {
    let days = Duration::from_hours(24 * 40);
    for pass in 1..=6 {
        let world = Scope::History.world();
        world.clearml.set_time(Clock::system().now());
        assert_eq!(world.once(&[]).code, 0);
        world.clearml.advance(Duration::from_secs(1));
        let ids = NAMES.map(|name| world.failed_task(name));
        assert_eq!(world.once(&[]).code, 0);
        world.clearml.advance(days);
        // Told while it is old already, and so kept.
        world.failed_task("young");
        let once = |point: Option<String>| {
            let line = ["once", "--channel", CHANNEL, "--slack-rate", "0", "--keep", "30d"];
            let mut command = world.command(&line);
            command.env("CLEARML_ALERTS_TEST_CLOCK_OFF_BY_MS", days.as_millis().to_string());
            point.map(|point| command.env("CLEARML_ALERTS_TEST_CRASH_AT", point));
            finish(&mut command)
        };
        let ended = once(Some(format!("{point}:{pass}")));
        assert!(matches!(ended.code, -1 | 0), "{ended:?}");
        let has_died = ended.code == -1;
        for id in ids {
            world.clearml.restamp(&id, world.clearml.now()).unwrap();
        }
        assert_eq!(once(None).code, 0);
        let left: Vec<_> = world.history(&[]).iter().map(|alert| alert["task_name"].clone()).collect();
        assert_eq!(left, ["young"]);
        world.assert_alerts(&[&NAMES[..], &["young"]].concat());
        if !has_died {
            assert!(pass > 1, "{point} was never reached");
            return;
        }
    }
}

#[test]
fn prune_step() {
    dies_while_it_removes("prune_step");
}

#[test]
fn pruned() {
    dies_while_it_removes("pruned");
}

/// Every other answer to a post is lost, whether it arrived or not.
fn lost_answers(world: &World) {
    world.slack.faults().script([
        FaultRule::next(Fault::apply_then_reset()).on("chat.postMessage"),
        FaultRule::next(Fault::reset()).on("chat.postMessage"),
    ]);
}

#[test]
fn page_received() {
    dies_at("page_received", Scope::History, nothing);
}

#[test]
fn before_commit() {
    dies_at("before_commit", Scope::History, nothing);
}

#[test]
fn after_commit() {
    dies_at("after_commit", Scope::History, nothing);
}

#[test]
fn payload_stored() {
    dies_at("payload_stored", Scope::History, nothing);
}

#[test]
fn attempt_recorded() {
    dies_at("attempt_recorded", Scope::History, nothing);
    dies_at("attempt_recorded", Scope::NoHistory, nothing);
}

#[test]
fn answer_not_recorded() {
    dies_at("answer_not_recorded", Scope::History, nothing);
    dies_at("answer_not_recorded", Scope::NoHistory, nothing);
}

#[test]
fn look_not_recorded() {
    dies_at("look_not_recorded", Scope::History, lost_answers);
    dies_at("look_not_recorded", Scope::NoHistory, lost_answers);
}

#[test]
fn join_not_recorded() {
    // The bot was thrown out after the channel had been found.
    let thrown_out = |world: &World| world.slack.change_channel(CHANNEL, |channel| channel.joined = false);
    dies_at("join_not_recorded", Scope::History, thrown_out);
    dies_at("join_not_recorded", Scope::NoHistory, thrown_out);
}

#[test]
fn channel_found() {
    // Slack is away when watching begins, so that the channel is found later, by a run that has something to tell.
    let world = Scope::History.world();
    world.slack.set_online(false);
    assert_eq!(world.once(&[]).code, 0);
    world.slack.set_online(true);
    for name in NAMES {
        world.failed_task(name);
    }
    assert!(dies_once(&world, "channel_found", 1));
    deliver_the_rest(&world, &[]);
    assert_each_alerted_once(&world, &names(), Scope::History);
}

#[test]
fn parked() {
    for scope in [Scope::History, Scope::NoHistory] {
        let world = scope.world();
        assert_eq!(world.once(&[]).code, 0);
        world.failed_task("resnet50");
        assert_eq!(world.once(&[]).code, 0);
        world.slack.change_channel(CHANNEL, |channel| channel.archived = true);
        let rest = ["--deliver-timeout", "1s"];
        world.failed_task("bert base");
        assert_eq!(world.once(&rest).code, 4);
        assert!(dies_once(&world, "parked", 1));
        world.failed_task("gpt nano");
        assert_eq!(world.once(&rest).code, 4);
        let held = world.history(&["--state", "held"]);
        assert_eq!(held.len(), 2, "{held:?}");
        world.slack.change_channel(CHANNEL, |channel| channel.archived = false);
        deliver_the_rest(&world, &[]);
        assert_each_alerted_once(&world, &names(), scope);
    }
}

#[test]
fn a_channel_of_the_same_name_takes_over_what_waits_for_a_deleted_one() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    world.failed_task("before");
    assert_eq!(world.once(&[]).code, 0);
    world.slack.change_channel(CHANNEL, |channel| {
        channel.name = "gone".to_owned();
        channel.archived = true;
    });
    world.failed_task("bert base");
    assert_eq!(world.once(&["--deliver-timeout", "1s"]).code, 4);
    let new = world.slack.add_channel(Channel::public(CHANNEL));
    deliver_the_rest(&world, &[]);
    let titles: Vec<String> = world.slack.messages(&new).iter().map(crate::world::title).collect();
    assert_eq!(titles, ["Task failed: bert base"]);
}

#[test]
fn while_the_first_tasks_are_read() {
    let world = World::new();
    world.failed_task("before we watched");
    assert!(dies_once(&world, "baseline_page", 1));
    assert_eq!(world.once(&[]).code, 0);
    for name in &NAMES {
        world.failed_task(name);
    }
    deliver_the_rest(&world, &[]);
    assert_each_alerted_once(&world, &names(), Scope::History);
}

#[test]
fn shutdown() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    for name in &NAMES {
        world.failed_task(name);
    }
    let mut command = world.service_command(&[]);
    let service = crate::world::Running::start(command.env("CLEARML_ALERTS_TEST_CRASH_AT", "shutdown"));
    world.wait_for_messages(1);
    let ended = service.stop();
    assert_eq!(ended.code, -1, "{ended:?}");
    deliver_the_rest(&world, &[]);
    assert_each_alerted_once(&world, &names(), Scope::History);
}

#[test]
fn every_step_of_a_digest() {
    for point in ["payload_stored", "attempt_recorded", "answer_not_recorded", "look_not_recorded"] {
        for pass in 1..=2 {
            digest_dies_at(point, pass);
        }
    }
}

/// A flood of two waves, so that a digest is posted and edited, dying at the point while one of them is on its way.
fn digest_dies_at(point: &str, pass: usize) {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let mut failed = 0;
    for wave in 0..2 {
        for number in 0..12 {
            world.failed_task(&format!("flood {wave} {number}"));
            failed += 1;
        }
        if point == "look_not_recorded" {
            lost_answers(&world);
            world.slack.faults().push(FaultRule::next(Fault::apply_then_reset()).on("chat.update"));
        }
        dies_once(&world, point, pass);
        world.slack.faults().clear();
        deliver_the_rest(&world, &[]);
    }
    let history = world.history(&["--limit", "100"]);
    let messages = world.slack.messages(CHANNEL);
    assert_eq!(history.len(), failed);
    assert!(history.iter().all(|row| row["state"] == "sent" && row["digest"] == true), "{history:?}");
    assert!(history.iter().all(|row| messages.iter().any(|message| row["message_ts"] == *message.ts)), "{history:?}");
    assert_eq!(messages.len(), 1, "one digest, edited once: {messages:?}");
    assert_eq!(crate::world::title(&messages[0]), "24 tasks failed in vision/resnet");
    world.assert_no_violations();
}
