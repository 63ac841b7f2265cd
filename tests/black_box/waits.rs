//! `hold`, `quiet` and `urgent`: alerts that wait because their rules say so, on a server whose clock the test sets.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clearml_alerts::domain::Stamp;
use clearml_alerts::sandbox::slack::Channel;
use clearml_alerts::sandbox::{ReceiverOptions, SimulatedReceiver};

use crate::http::Pages;
use crate::world::{CHANNEL, Ended, Running, World, title};

const NOON: &str = "2026-11-22T12:00:00Z";
/// Half an hour before midnight in Berlin.
const NIGHT: &str = "2026-11-22T22:30:00Z";
const QUIET: &str = "quiet = '22:00-07:00 Europe/Berlin'\n";
const HOLD: &str = "hold = '2m'\n";

/// A watching world whose server says that it is this time, and a file with these rules.
fn at(time: &str, rules: &str) -> (World, PathBuf) {
    let world = World::new();
    world.clearml.set_time(Stamp::parse(time).unwrap());
    let config = file(&world, rules);
    once(&world, &config);
    pass(&world, 60);
    (world, config)
}

fn file(world: &World, rules: &str) -> PathBuf {
    world.config(&format!("[slack]\nchannel = '{CHANNEL}'\nrate = 0\n{rules}"))
}

fn rule(name: &str, more: &str) -> String {
    format!("[[rule]]\nname = '{name}'\n{more}")
}

fn once(world: &World, config: &Path) -> Ended {
    let ended = world.run(&["once", "--config", config.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "what waits by its rule is not left undelivered: {ended:?}");
    ended
}

fn pass(world: &World, seconds: u64) {
    world.clearml.advance(Duration::from_secs(seconds));
}

fn titles(world: &World, channel: &str) -> Vec<String> {
    world.slack.messages(channel).iter().map(title).collect()
}

fn only_row(world: &World) -> (String, String) {
    let rows = world.history(&[]);
    assert_eq!(rows.len(), 1, "{rows:?}");
    (rows[0]["state"].as_str().unwrap().to_owned(), rows[0]["reason"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_held_alert_is_told_once_its_hold_is_over_by_clearmls_clock() {
    let (world, config) = at(NOON, &rule("r", HOLD));
    world.failed_task("resnet50");
    let ended = once(&world, &config);
    assert!(ended.stdout.contains("0 sent, 1 waiting by rule"), "{ended:?}");
    assert_eq!(only_row(&world), ("pending".to_owned(), "waits until 2026-11-22 12:03:00 UTC (hold)".to_owned()));
    pass(&world, 119);
    once(&world, &config);
    assert_eq!(titles(&world, CHANNEL), Vec::<String>::new());
    pass(&world, 1);
    once(&world, &config);
    assert_eq!(titles(&world, CHANNEL), ["Task failed: resnet50"]);
    let told = world.slack.messages(CHANNEL)[0].plain();
    assert!(!told.contains("late by"), "it is not late: {told}");
    assert_eq!(only_row(&world), ("sent".to_owned(), String::new()));
    once(&world, &config);
    world.assert_alerts(&["resnet50"]);
}

#[test]
fn a_task_that_is_started_again_within_the_hold_is_not_alerted() {
    type Again = fn(&World, &str);
    let cases: [(&str, Again); 4] = [
        ("retried: queued again at 2026-11-22T12:01:30.000Z, before its hold was over", |world, task| {
            world.clearml.enqueue(task, "default").unwrap();
        }),
        ("retried: reset at 2026-11-22T12:01:30.000Z, before its hold was over", |world, task| {
            world.clearml.reset(task).unwrap();
        }),
        ("retried: started again at", |world, task| {
            world.clearml.reset(task).unwrap();
            world.clearml.start_task(task).unwrap();
        }),
        ("retried: ran again and ended at", |world, task| {
            world.clearml.reset(task).unwrap();
            pass(world, 1);
            world.clearml.start_task(task).unwrap();
            pass(world, 1);
            world.clearml.complete(task).unwrap();
        }),
    ];
    for (reason, again) in cases {
        let (world, config) = at(NOON, &rule("r", HOLD));
        let task = world.failed_task("resnet50");
        once(&world, &config);
        pass(&world, 30);
        again(&world, &task);
        let ended = once(&world, &config);
        assert!(ended.stderr.contains("a held alert is dropped"), "{ended:?}");
        let dropped = world.history(&["--filter", "retried"]);
        assert_eq!((dropped.len(), dropped[0]["state"].as_str()), (1, Some("suppressed")), "{dropped:?}");
        assert!(dropped[0]["reason"].as_str().unwrap().starts_with(reason), "{dropped:?}");
        pass(&world, 600);
        once(&world, &config);
        assert_eq!(titles(&world, CHANNEL), Vec::<String>::new());
        world.assert_no_violations();
    }
}

#[test]
fn each_run_has_its_own_hold_and_a_task_that_fails_for_good_is_told_once() {
    let (world, config) = at(NOON, &rule("r", HOLD));
    let task = world.failed_task("flaky");
    for _ in 0..3 {
        once(&world, &config);
        pass(&world, 60);
        world.clearml.reset(&task).unwrap();
        world.clearml.start_task(&task).unwrap();
        pass(&world, 10);
        world.clearml.fail(&task, "RuntimeError: again", "").unwrap();
    }
    once(&world, &config);
    assert_eq!(titles(&world, CHANNEL), Vec::<String>::new());
    pass(&world, 120);
    once(&world, &config);
    world.assert_alerts(&["flaky"]);
    assert_eq!(world.history(&["--filter", "retried"]).len(), 3);
}

#[test]
fn what_is_started_again_after_the_hold_was_alerted() {
    let (world, config) = at(NOON, &rule("r", HOLD));
    let task = world.failed_task("resnet50");
    once(&world, &config);
    pass(&world, 121);
    once(&world, &config);
    world.clearml.enqueue(&task, "default").unwrap();
    once(&world, &config);
    world.assert_alerts(&["resnet50"]);
    assert_eq!(only_row(&world).0, "sent");
}

#[test]
fn while_polls_fail_nothing_is_let_go_and_nothing_is_lost() {
    let (world, config) = at(NOON, &rule("r", HOLD));
    let (again, stays) = (world.failed_task("again"), world.failed_task("stays"));
    once(&world, &config);
    pass(&world, 60);
    world.clearml.enqueue(&again, "default").unwrap();
    pass(&world, 600);
    world.clearml.set_online(false);
    let ended = world.run(&["once", "--config", config.to_str().unwrap()]);
    assert_eq!((ended.code, world.slack.messages(CHANNEL).len()), (3, 0), "{ended:?}");
    world.clearml.set_online(true);
    once(&world, &config);
    world.assert_alerts(&["stays"]);
    assert_eq!(world.history(&["--filter", "retried"]).len(), 1);
    assert_eq!(world.clearml.task(&stays).unwrap().name, "stays");
}

#[test]
fn what_quiet_hours_keep_is_one_digest_in_the_morning_although_it_is_not_many() {
    let (world, config) = at(NIGHT, &rule("r", QUIET));
    for name in ["one", "two", "three"] {
        world.failed_task(name);
        once(&world, &config);
        pass(&world, 3_600);
    }
    let reasons: Vec<_> = world.history(&[]).iter().map(|row| row["reason"].as_str().unwrap().to_owned()).collect();
    assert!(reasons.iter().all(|reason| reason == "waits until 2026-11-23 06:00:00 UTC (quiet hours)"), "{reasons:?}");
    world.clearml.set_time(Stamp::parse("2026-11-23T05:59:59Z").unwrap());
    once(&world, &config);
    assert_eq!(titles(&world, CHANNEL), Vec::<String>::new());
    world.clearml.set_time(Stamp::parse("2026-11-23T06:00:00Z").unwrap());
    once(&world, &config);
    assert_eq!(titles(&world, CHANNEL), ["3 tasks failed in vision/resnet"]);
    let told = world.slack.messages(CHANNEL)[0].plain();
    assert!(told.contains("Kept during quiet hours.") && told.contains("CUDA out of memory · 3"), "{told}");
    // What fails now is news, and does not go into the digest of the night.
    world.failed_task("four");
    once(&world, &config);
    assert_eq!(titles(&world, CHANNEL), ["3 tasks failed in vision/resnet", "Task failed: four"]);
    assert!(world.history(&[]).iter().all(|row| row["state"] == "sent"));
    world.assert_no_violations();
}

#[test]
fn a_single_alert_of_the_night_is_an_alert_that_says_so() {
    let (world, config) = at(NIGHT, &rule("r", QUIET));
    let task = world.failed_task("resnet50");
    once(&world, &config);
    // Started again in the night: without a hold that changes nothing.
    world.clearml.enqueue(&task, "default").unwrap();
    pass(&world, 8 * 3_600);
    once(&world, &config);
    assert_eq!(titles(&world, CHANNEL), ["Task failed: resnet50"]);
    let told = world.slack.messages(CHANNEL)[0].plain().replace('\n', " ");
    assert!(told.contains("kept during quiet hours") && !told.contains("late by"), "{told}");
    let explained = world.run(&["explain", &task, "--config", config.to_str().unwrap()]).stdout;
    assert!(explained.contains("waited for the end of quiet hours"), "{explained}");
}

#[test]
fn urgent_rules_pass_and_others_of_the_channel_wait() {
    let rules = format!("{}{}", rule("calm", QUIET), rule("urgent", &format!("{QUIET}urgent = true\n")));
    let (world, config) = at(NIGHT, &rules);
    world.failed_task("resnet50");
    once(&world, &config);
    let told: Vec<_> = world.history(&["--state", "sent"]).iter().map(|row| row["rule"].clone()).collect();
    assert_eq!((told.len(), told[0].as_str()), (1, Some("urgent")));
    pass(&world, 8 * 3_600);
    once(&world, &config);
    assert_eq!(titles(&world, CHANNEL), ["Task failed: resnet50", "Task failed: resnet50"]);
}

#[test]
fn a_hold_that_ends_in_quiet_hours_waits_for_their_end_and_drops_only_within_itself() {
    let (world, config) = at("2026-11-22T20:58:00Z", &rule("r", &format!("{HOLD}{QUIET}")));
    let (within, after) = (world.failed_task("within"), world.failed_task("after"));
    once(&world, &config);
    pass(&world, 60);
    world.clearml.enqueue(&within, "default").unwrap();
    once(&world, &config);
    pass(&world, 60);
    once(&world, &config);
    world.clearml.enqueue(&after, "default").unwrap();
    pass(&world, 9 * 3_600);
    once(&world, &config);
    world.assert_alerts(&["after"]);
    assert_eq!(world.history(&["--filter", "retried"])[0]["task_name"], "within");
}

#[test]
fn webhooks_wait_too_and_get_what_the_night_kept_in_one_event() {
    let world = World::new();
    let receiver = SimulatedReceiver::start(ReceiverOptions::default()).unwrap();
    world.clearml.set_time(Stamp::parse(NIGHT).unwrap());
    let style = "[rule.message]\nconsole_lines = 0\nfields = []\n";
    let hook = format!("[webhooks.ops]\nurl = '{}'\n", receiver.url());
    let config = file(&world, &format!("{hook}{}", rule("r", &format!("webhook = 'ops'\n{QUIET}{style}"))));
    once(&world, &config);
    for name in ["one", "two"] {
        let task = world.failed_task(name);
        world.clearml.log(&task, "the last line").unwrap();
    }
    once(&world, &config);
    assert_eq!(receiver.events().len(), 0);
    pass(&world, 8 * 3_600);
    once(&world, &config);
    let events = receiver.events();
    assert_eq!((events.len(), events[0].document["alerts"].as_array().unwrap().len()), (1, 2), "{events:?}");
    world.failed_task("three");
    once(&world, &config);
    let event = receiver.events()[1].document.clone();
    assert_eq!(event["alert"]["task"]["name"], "three");
    assert!(event.to_string().contains("console"), "an event is the same whatever messages look like: {event}");
}

#[test]
fn everything_that_tells_of_alerts_tells_of_the_wait() {
    let (world, config) = at(NIGHT, &rule("r", &format!("{HOLD}{QUIET}")));
    let config = config.to_str().unwrap();
    let task = world.failed_task("resnet50");
    let dry = world.run(&["once", "--dry-run", "--config", config]).stdout;
    let waits = "waits until 2026-11-23 06:00:00 UTC (quiet hours)";
    assert!(dry.contains(waits), "{dry}");
    assert_eq!(world.run(&["once", "--config", config]).code, 0);
    let tested = world.run(&["test-rules", &task, "--config", config, "--format", "json"]).stdout;
    assert!(tested.contains("\"waits_until\": \"2026-11-23T06:00:00.000Z\""), "{tested}");
    let tested = world.run(&["test-rules", &task, "--config", config]).stdout;
    assert!(tested.contains("waits until"), "{tested}");
    let explained = world.run(&["explain", &task, "--config", config]).stdout;
    assert!(explained.contains(waits) && explained.contains("its message is not composed yet"), "{explained}");
    let checked = world.run(&["check", "--config", config]).stdout;
    assert!(checked.contains("1 by their rules (hold, quiet hours)"), "{checked}");
    assert!(
        checked.contains("waits 2 min") && checked.contains("quiet from 22:00 to 07:00 (Europe/Berlin)"),
        "{checked}"
    );
    let retried = world.run(&["dead", "retry", "1"]);
    assert!(retried.code != 0 && retried.stderr.contains(waits), "{retried:?}");
    let listed = world.run(&["dead", "list"]).stdout;
    assert!(!listed.contains("resnet50"), "{listed}");
}

/// The service with this file, on the server's standing clock.
fn service(world: &World, config: &Path) -> Running {
    let config = config.to_str().unwrap();
    let arguments =
        ["run", "--local", "--config", config, "--refresh-rate", "0.1", "--announce", "none", "--no-clearml-task"];
    Running::start(&mut world.command(&[&arguments[..], &["--listen", "127.0.0.1:0"]].concat()))
}

#[test]
fn a_running_service_lets_go_what_it_holds_and_never_calls_it_late() {
    let (world, config) = at(NOON, &rule("r", HOLD));
    let service = service(&world, &config);
    world.failed_task("resnet50");
    world.wait_for_state("resnet50", "pending");
    world.wait_for_polls(3);
    assert_eq!(titles(&world, CHANNEL), Vec::<String>::new());
    let pages = Pages::of(&service);
    let metrics = pages.get("/metrics").body;
    assert!(metrics.contains("clearml_alerts_waiting{state=\"by_rule\"} 1"), "{metrics}");
    assert!(metrics.contains("clearml_alerts_waiting{state=\"pending\"} 0"), "{metrics}");
    assert!(metrics.contains("clearml_alerts_oldest_pending_seconds 0"), "{metrics}");
    assert!(pages.get("/").body.contains("On hold or quiet"), "the status page");
    assert_eq!(pages.get("/readyz").status, 200);
    pass(&world, 120);
    world.wait_for_messages(1);
    let ended = service.stop();
    assert!(ended.stderr.contains("alerts that waited by their rules can be told now"), "{ended:?}");
    world.assert_alerts(&["resnet50"]);
}

#[test]
fn a_reload_leaves_what_waits_its_time_and_moves_it_along() {
    let rules = format!("{}{}", rule("moved", HOLD), rule("removed", HOLD));
    let (world, config) = at(NOON, &rules);
    world.slack.add_channel(Channel::public("other"));
    let service = service(&world, &config);
    world.failed_task("resnet50");
    world.wait_for_state("resnet50", "pending");
    // Were it decided now, the hold would be an hour.
    file(&world, &rule("moved", "hold = '1h'\nchannel = '#other'\n"));
    service.signal("HUP");
    service.wait_for_log("other rules from now on");
    world.wait_for_polls(3);
    assert_eq!((titles(&world, CHANNEL).len(), titles(&world, "other").len()), (0, 0));
    pass(&world, 120);
    world.wait_for_messages(2);
    assert_eq!(service.stop().code, 0);
    assert_eq!(titles(&world, "other"), ["Task failed: resnet50"], "of the rule that tells elsewhere now");
    assert_eq!(titles(&world, CHANNEL), ["Task failed: resnet50"], "of the rule that is gone");
    world.assert_no_violations();
}

#[test]
fn after_clearmls_clock_was_set_back_a_wait_is_over_rather_than_endless() {
    let (world, config) = at("2026-12-22T12:00:00Z", &rule("r", HOLD));
    world.failed_task("resnet50");
    once(&world, &config);
    world.clearml.set_time(Stamp::parse(NOON).unwrap());
    once(&world, &config);
    assert_eq!(titles(&world, CHANNEL), ["Task failed: resnet50"], "nobody waits a month for two minutes");
}

#[test]
fn what_is_stuck_at_night_is_told_in_the_morning_and_what_is_urgent_at_once() {
    let stuck = "stuck = { silent = '1h' }\n";
    let calm = format!("{stuck}{QUIET}channel = '#calm'\n");
    let rules = rule("calm", &calm) + &rule("urgent", &format!("{stuck}{QUIET}urgent = true\n"));
    let world = World::new();
    world.slack.add_channel(Channel::public("calm"));
    world.clearml.set_time(Stamp::parse(NIGHT).unwrap());
    let config = file(&world, &rules);
    once(&world, &config);
    world.running_task("resnet50");
    once(&world, &config);
    pass(&world, 3_700);
    once(&world, &config);
    assert_eq!(titles(&world, CHANNEL), ["Task stuck: resnet50"]);
    assert_eq!(titles(&world, "calm"), Vec::<String>::new());
    world.clearml.set_time(Stamp::parse("2026-11-23T06:00:00Z").unwrap());
    once(&world, &config);
    assert_eq!(titles(&world, "calm"), ["Task stuck: resnet50"]);
}
