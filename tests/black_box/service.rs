//! `run`: its flags, its start message, its end.

use std::time::Duration;

use clearml_alerts::sandbox::{Fault, FaultRule};

use crate::cast;
use crate::world::{CHANNEL, Running, World, finish, wait_until};

#[test]
fn without_local_it_says_in_one_line_how_to_run_here() {
    let world = World::new();
    for line in [&["run", "--channel", CHANNEL][..], &["run", "--channel", CHANNEL, "--local", "False"]] {
        let ended = world.run(line);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        assert!(ended.stderr.contains("clearml-alerts run --local"), "{ended:?}");
    }
    assert!(!world.database().exists());
    assert_eq!(world.clearml.requests().total() + world.slack.requests().total(), 0);
}

#[test]
fn the_originals_command_line_runs_in_both_spellings() {
    let world = World::new();
    let token = world.slack.token();
    let lines = [
        ["--local", "True", "--refresh_rate", "0.1", "--service_queue", "monitors", "--verbose", "True"],
        [
            "--local=true",
            "--refresh-rate=0.1",
            "--service-queue=monitors",
            "--verbose",
            "--announce",
            "none",
            "-v",
            "-v",
        ],
    ];
    for (number, line) in lines.iter().enumerate() {
        let usual = ["run", "--channel", CHANNEL, "--slack_api", &token, "--announce", "none"];
        let service = Running::start(&mut world.command(&[&usual, &line[..]].concat()));
        service.wait_for_log("started");
        world.wait_for_polls(2);
        world.failed_task(&format!("number {number}"));
        world.wait_for_messages(number + 1);
        let ended = service.stop();
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.stderr.contains("refresh_seconds=0.1"), "{ended:?}");
    }
    world.assert_alerts(&["number 0", "number 1"]);
}

#[test]
fn refresh_rate_in_every_spelling() {
    let world = World::new();
    for line in cast::spellings("refresh-rate", "3600") {
        let usual = ["run", "--local", "--channel", CHANNEL, "--announce", "none"];
        let service = Running::start(&mut world.command(&[&usual, &cast::as_flags(&line)[..]].concat()));
        service.wait_for_log("refresh_seconds=3600");
        assert_eq!(service.stop().code, 0);
    }
}

#[test]
fn verbose_tells_what_was_filtered_out_and_why() {
    let world = World::new();
    world.once(&[]);
    let by_hand = |name: &str| {
        let seed = clearml_alerts::sandbox::TaskSeed::new(name).system_tags(&["development"]);
        world.clearml.add_task(seed.status(&clearml_alerts::domain::Status::Failed));
    };
    by_hand("quiet");
    let quiet = world.once(&[]);
    assert!(!quiet.stderr.contains("not alerted"), "{quiet:?}");
    for (number, line) in
        [&["--verbose"][..], &["--verbose", "True"], &["-v"], &["--verbose=2"]].into_iter().enumerate()
    {
        by_hand(&format!("loud {number}"));
        let loud = world.once(line);
        assert!(loud.stderr.contains(&format!("loud {number}")), "{line:?}: {loud:?}");
        assert!(loud.stderr.contains("manual: started by hand"), "{line:?}: {loud:?}");
    }
    by_hand("off");
    let off = world.once(&["--verbose", "False"]);
    assert!(!off.stderr.contains("not alerted"), "{off:?}");
}

#[test]
fn the_log_can_be_read_by_machines() {
    let world = World::new();
    world.once(&[]);
    world.failed_task("as JSON");
    let ended = world.once(&["--log-format", "json"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let lines: Vec<serde_json::Value> = ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["name"] == "as JSON" && line["message"] == "alert recorded"), "{lines:?}");
}

#[test]
fn a_start_message_at_most_once_in_ten_minutes_however_often_it_starts() {
    let world = World::new();
    let start = |ahead: Duration, announce: &[&str]| {
        let usual = ["run", "--local", "--channel", CHANNEL, "--refresh-rate", "0.1", "--slack-rate", "0"];
        let mut command = world.command(&[&usual, announce].concat());
        command.env("CLEARML_ALERTS_TEST_CLOCK_OFF_BY_MS", ahead.as_millis().to_string());
        Running::start(&mut command)
    };
    let restart = |ahead: Duration, announce: &[&str], name: &str, messages: usize| {
        let service = start(ahead, announce);
        world.wait_for_polls(2);
        world.failed_task(name);
        world.wait_for_messages(messages);
        assert_eq!(service.stop().code, 0);
    };
    restart(Duration::ZERO, &["--announce", "none"], "silent start", 1);
    restart(Duration::ZERO, &[], "first", 3);
    restart(Duration::ZERO, &["--announce", "all"], "restarted", 4);
    restart(Duration::from_mins(9), &["--announce=all"], "restarted again", 5);
    restart(Duration::from_mins(11), &[], "much later", 7);
    let texts: Vec<String> = world.slack.messages(CHANNEL).iter().map(|message| message.text.clone()).collect();
    let starts = texts.iter().filter(|text| text.contains("the monitor of") && text.contains("has started"));
    assert_eq!(starts.count(), 2, "{texts:?}");
    assert!(texts[1].contains("It watches failed tasks of every project"), "{texts:?}");
    world.assert_no_violations();
}

#[test]
fn on_request_it_finishes_the_message_in_flight() {
    let world = World::new();
    let service = world.start(&[]);
    world.wait_for_polls(2);
    world.slack.faults().push(FaultRule::next(Fault::slow(Duration::from_millis(700))).on("chat.postMessage"));
    world.failed_task("in flight");
    wait_until("the post", || world.slack.requests().count("chat.postMessage") == 1);
    let ended = service.stop();
    assert_eq!(ended.code, 0, "{ended:?}");
    let row = &world.history(&[])[0];
    assert_eq!((&row["state"], &row["attempts"]), (&"sent".into(), &1.into()));
    world.assert_alerts(&["in flight"]);
}

#[test]
fn a_message_that_hangs_does_not_hold_it_up_and_is_not_sent_twice() {
    let world = World::new();
    let service = world.start(&[]);
    world.wait_for_polls(2);
    world.slack.faults().push(FaultRule::next(Fault::apply_then_hang()).on("chat.postMessage"));
    world.failed_task("hanging");
    world.wait_for_messages(1);
    let ended = service.stop();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("a request was still under way at the end"), "{ended:?}");
    assert_eq!(world.once(&[]).code, 0);
    assert_eq!(world.history(&[])[0]["state"], "sent");
    world.assert_alerts(&["hanging"]);
}

#[test]
fn a_hanging_clearml_does_not_hold_its_end_up() {
    let world = World::new();
    let service = world.start(&[]);
    world.wait_for_polls(2);
    world.clearml.faults().push(FaultRule::next(Fault::hang()).on("tasks.get_all_ex").forever());
    world.wait_for_polls(1);
    service.signal("INT");
    let ended = service.wait();
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn a_service_that_is_restarted_waits_for_clearml_and_one_that_never_watched_does_not() {
    let world = World::new();
    world.clearml.set_online(false);
    let fresh = world.start(&[]).wait();
    assert_eq!(fresh.code, 3, "{fresh:?}");
    assert!(!world.database().exists());
    world.clearml.set_online(true);
    world.once(&[]);
    world.failed_task("meanwhile");
    world.clearml.set_online(false);
    let service = world.start(&[]);
    service.wait_for_log("ClearML is away");
    world.clearml.set_online(true);
    world.wait_for_messages(1);
    assert_eq!(service.stop().code, 0);
    world.clearml.set_online(false);
    let waiting = world.start(&[]);
    waiting.wait_for_log("ClearML is away");
    assert_eq!(waiting.stop().code, 0);
    world.assert_alerts(&["meanwhile"]);
}

#[test]
fn a_second_instance_leaves_at_once_or_waits_as_long_as_it_is_told() {
    let world = World::new();
    let service = world.start(&[]);
    world.wait_for_polls(1);
    let second = world.once(&[]);
    assert_eq!(second.code, 5, "{second:?}");
    assert!(second.stderr.contains("another instance (process "), "{second:?}");
    assert!(second.stderr.contains("--wait-lock 30s"), "{second:?}");
    let impatient = world.once(&["--wait-lock", "100ms"]);
    assert_eq!(impatient.code, 5, "{impatient:?}");
    let line = ["once", "--channel", CHANNEL, "--slack-rate", "0", "--wait_lock", "30s"];
    let patient = Running::start(&mut world.command(&line));
    world.failed_task("by one of them");
    world.wait_for_messages(1);
    assert_eq!(service.stop().code, 0);
    assert_eq!(patient.wait().code, 0);
    world.assert_alerts(&["by one of them"]);
}

#[test]
fn a_service_that_waits_for_another_one_can_be_stopped() {
    let world = World::new();
    let service = world.start(&[]);
    world.wait_for_polls(1);
    let waiting = world.start(&["--wait-lock", "1h"]);
    waiting.wait_for_log("waiting for it to end");
    assert_eq!(waiting.stop().code, 0);
    assert_eq!(service.stop().code, 0);
}

#[test]
fn the_database_is_where_it_is_named() {
    let world = World::new();
    let named = world.folder().join("named.db");
    let ended = world.once(&["--db", named.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(named.exists() && !world.database().exists());
    let line = ["once", "--channel", CHANNEL];
    let ended = finish(world.command(&line).env_remove("CLEARML_ALERTS_DB"));
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(world.folder().join(".local/state/clearml-alerts/alerts.db").exists());
    let state = world.folder().join("state");
    let ended = finish(world.command(&line).env_remove("CLEARML_ALERTS_DB").env("XDG_STATE_HOME", &state));
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(state.join("clearml-alerts/alerts.db").exists());
}
