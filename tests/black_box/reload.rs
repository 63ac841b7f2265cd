//! The config file is read again while the service runs: on SIGHUP, and where it is watched; in mid-flood, and across kills.

use std::path::Path;

use clearml_alerts::sandbox::slack::{Channel, Message};
use serde_json::Value;

use crate::http::Pages;
use crate::world::{CHANNEL, Running, World, title, wait_until};

fn file(rules: &str) -> String {
    format!(
        "[slack]\nchannel = '{CHANNEL}'\nrate = 0\n[service]\nrefresh_rate = 0.1\nannounce = 'none'\nlocal = true\nclearml_task = false\n{rules}"
    )
}

const ALL: &str = "[[rule]]\nname = 'all'\n";
const OTHER: &str = "[[rule]]\nname = 'all'\nchannel = '#other'\n";

fn start(world: &World, config: &Path, more: &[&str]) -> Running {
    let arguments = ["run", "--config", config.to_str().unwrap()];
    let service = Running::start(&mut world.command(&[&arguments[..], more].concat()));
    service.wait_for_log("started");
    service
}

fn world() -> World {
    let world = World::new();
    world.slack.add_channel(Channel::public("other"));
    world
}

#[test]
fn on_a_hang_up_the_rules_are_those_of_the_file_now() {
    let world = world();
    let config = world.config(&file(ALL));
    let service = start(&world, &config, &[]);
    world.wait_for_polls(2);
    world.failed_task("before");
    world.wait_for_state("before", "sent");
    world.config(&file(OTHER));
    world.wait_for_polls(3);
    world.failed_task("not asked for yet");
    world.wait_for_state("not asked for yet", "sent");
    service.signal("HUP");
    service.wait_for_log("other rules from now on");
    world.failed_task("after");
    world.wait_for_state("after", "sent");
    assert_eq!(service.stop().code, 0);
    assert_eq!(world.told(CHANNEL), ["before", "not asked for yet"]);
    assert_eq!(world.told("other"), ["after"]);
}

#[test]
fn a_new_rule_tells_nothing_of_the_past_and_a_removed_one_keeps_its_history() {
    let world = world();
    let config = world.config(&file(ALL));
    let service = start(&world, &config, &["--watch-config"]);
    world.wait_for_polls(2);
    world.failed_task("before");
    world.wait_for_state("before", "sent");
    world.config(&file("[[rule]]\nname = 'new'\nchannel = '#other'\n"));
    service.wait_for_log("other rules from now on");
    world.wait_for_polls(3);
    world.failed_task("after");
    world.wait_for_state("after", "sent");
    assert_eq!(service.stop().code, 0);
    assert_eq!(world.told("other"), ["after"]);
    assert_eq!(world.history(&["--rule", "all", "--state", "sent"]).len(), 1);
}

#[test]
fn a_bad_file_keeps_the_old_rules_and_says_so_once() {
    let world = world();
    let config = world.config(&file(ALL));
    let service = start(&world, &config, &["--watch-config", "--listen", "127.0.0.1:0"]);
    let pages = Pages::of(&service);
    let get = |path: &str| pages.get(path).body;
    world.wait_for_polls(2);
    world.config(&file("[[rule]]\nname = 'all'\nchanel = '#other'\n"));
    service.wait_for_log("the config file cannot be used; the rules stay as they are");
    world.wait_for_polls(5);
    service.signal("HUP");
    wait_until("the second refusal", || service.log().matches("cannot be used").count() == 2);
    world.failed_task("told as before");
    world.wait_for_state("told as before", "sent");
    assert!(service.log().contains("did you mean `channel`?"), "{}", service.log());
    let ready: Value = serde_json::from_str(&get("/readyz")).unwrap();
    assert_eq!(ready["ready"], true);
    assert!(ready["configuration"].as_str().unwrap().contains("rules are as before"), "{ready}");
    assert!(get("/").contains("the config file cannot be used"));
    assert!(get("/metrics").contains("config_last_reload_successful 0"));
    world.config(&file(OTHER));
    service.wait_for_log("other rules from now on");
    wait_until("a good file is noted", || get("/metrics").contains("config_last_reload_successful 1"));
    assert!(get("/").contains("other"));
    assert_eq!(service.stop().code, 0);
    assert_eq!(world.told(CHANNEL), ["told as before"]);
}

#[test]
fn what_a_start_would_refuse_a_reload_refuses() {
    let world = world();
    world.failed_task("there");
    let config = world.config(&file(ALL));
    let service = start(&world, &config, &[]);
    let bad = [
        ("[[rule]]\nname = 'all'\nprojects = ['visoin/**']\n", "matches no project"),
        ("[[rule]]\nname = 'all'\nchannel = '#nowhere'\n", "has no channel `#nowhere`"),
        ("[webhooks.x]\nurl = 'http://127.0.0.1:9/'\n[[rule]]\nname = 'all'\nwebhook = 'x'\n", "which is new: restart"),
    ];
    for (at, (rules, _)) in bad.iter().enumerate() {
        world.config(&file(rules));
        service.signal("HUP");
        wait_until("a refusal", || service.log().matches("cannot be used").count() == at + 1);
    }
    std::fs::remove_file(&config).unwrap();
    service.signal("HUP");
    wait_until("a refusal", || service.log().matches("cannot be used").count() == 4);
    world.failed_task("told as before");
    world.wait_for_state("told as before", "sent");
    let log = service.stop().stderr;
    for told in bad.map(|(_, told)| told).into_iter().chain(["cannot read"]) {
        assert!(log.contains(told), "{told}: {log}");
    }
    assert_eq!(world.told(CHANNEL), ["told as before"]);
}

#[test]
fn what_only_a_start_reads_is_named() {
    let world = world();
    let config = world.config(&file(ALL));
    let service = start(&world, &config, &[]);
    world.config(&file(OTHER).replace("refresh_rate = 0.1", "refresh_rate = 0.2\ndb = 'else.db'"));
    service.signal("HUP");
    service.wait_for_log("needs a restart");
    service.wait_for_log("other rules from now on");
    let log = service.stop().stderr;
    assert!(log.contains("refresh_rate"), "{log}");
}

#[test]
fn while_clearml_is_away_a_reload_waits() {
    let world = world();
    let config = world.config(&file(ALL));
    let service = start(&world, &config, &[]);
    world.wait_for_polls(2);
    world.clearml.set_online(false);
    world.config(&file("[[rule]]\nname = 'all'\nchannel = '#other'\nusers = ['Ada']\n"));
    service.signal("HUP");
    service.wait_for_log("ClearML cannot be asked about the config file now");
    world.clearml.set_online(true);
    service.wait_for_log("other rules from now on");
    world.failed_task("after");
    world.wait_for_state("after", "sent");
    assert_eq!(service.stop().code, 0);
    assert_eq!(world.told("other"), ["after"]);
}

/// Each of so many alerts is in exactly one channel.
fn assert_each_once(world: &World, count: usize) {
    let all: Vec<Message> = [CHANNEL, "other"].iter().flat_map(|channel| world.slack.messages(channel)).collect();
    let mut titles: Vec<String> = all.iter().map(title).collect();
    titles.sort();
    let mut expected: Vec<String> = (0..count).map(|at| format!("Task failed: flood {at:03}")).collect();
    expected.sort();
    assert_eq!(titles, expected);
}

const FLOOD: usize = 60;

fn flood(world: &World) {
    for at in 0..FLOOD {
        world.failed_task(&format!("flood {at:03}"));
    }
}

#[test]
fn a_reload_in_mid_flood_loses_and_doubles_nothing() {
    let world = world();
    let config = world.config(&file(ALL));
    let service = start(&world, &config, &["--digest-above", "0"]);
    world.wait_for_polls(2);
    flood(&world);
    for turn in 0..6 {
        wait_until("some more messages", || world.slack.all_messages().len() > turn * 5);
        world.config(&file(if turn % 2 == 0 { OTHER } else { ALL }));
        service.signal("HUP");
        wait_until("rules", || service.log().matches("other rules from now on").count() > turn);
    }
    wait_until("the whole flood", || world.sent() == FLOOD);
    assert_eq!(service.stop().code, 0);
    assert_each_once(&world, FLOOD);
    world.assert_no_violations();
}

#[test]
fn a_kill_right_after_the_waiting_alerts_moved_loses_and_doubles_nothing() {
    let world = world();
    let config = world.config(&file(ALL));
    let arguments = ["run", "--config", config.to_str().unwrap(), "--digest-above", "0"];
    let mut armed = world.command(&arguments);
    let service = Running::start(armed.env("CLEARML_ALERTS_TEST_CRASH_AT", "retargeted"));
    service.wait_for_log("started");
    world.wait_for_polls(2);
    world.slack.set_online(false);
    flood(&world);
    wait_until("all recorded", || world.history(&["--limit", "100"]).len() == FLOOD);
    world.config(&file(OTHER));
    service.signal("HUP");
    assert_ne!(service.wait().code, 0, "it was killed");
    world.slack.set_online(true);
    let again = start(&world, &config, &["--digest-above", "0"]);
    wait_until("the whole flood", || world.sent() == FLOOD);
    assert_eq!(again.stop().code, 0);
    assert_each_once(&world, FLOOD);
    // One may have been under way when Slack went: where it may have arrived, it is looked for and sent again.
    assert!(world.slack.messages(CHANNEL).len() <= 1, "what waited follows the rule");
}
