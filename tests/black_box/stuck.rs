//! `stuck`: running tasks that do not move, by the server's clock.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clearml_alerts::sandbox::slack::Message;
use clearml_alerts::sandbox::{Fault, FaultRule, ReceiverOptions, SimulatedReceiver, TaskSeed};

use crate::world::{CHANNEL, Ended, World, title};

const HOUR: Duration = Duration::from_hours(1);
const SILENT: &str = "stuck = { silent = '1h' }\n";

fn file(world: &World, rules: &str) -> PathBuf {
    world.config(&format!("[slack]\nchannel = '{CHANNEL}'\nrate = 0\n{rules}"))
}

fn rule(world: &World, more: &str) -> PathBuf {
    file(world, &format!("[[rule]]\nname = 'vision'\n{more}"))
}

fn once(world: &World, config: &Path) -> Ended {
    let ended = world.run(&["once", "--config", config.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{ended:?}");
    ended
}

/// Watches a task that runs.
fn watching(more: &str) -> (World, PathBuf, String) {
    let world = World::new();
    let config = rule(&world, more);
    once(&world, &config);
    let task = world.running_task("resnet50");
    once(&world, &config);
    (world, config, task)
}

fn titles(world: &World) -> Vec<String> {
    world.slack.messages(CHANNEL).iter().map(title).collect()
}

/// The first words of a message's state line.
fn now(message: &Message) -> String {
    let shown = message.plain();
    let line = shown.lines().find(|line| line.starts_with("Now: ")).unwrap_or_default().to_owned();
    line.split(" since ").next().unwrap().split(", ").next().unwrap().to_owned()
}

#[test]
fn silence_is_told_once_and_taken_back_by_an_edit() {
    let (world, config, task) = watching(SILENT);
    world.clearml.advance(Duration::from_mins(59));
    once(&world, &config);
    assert_eq!(titles(&world), Vec::<String>::new());
    world.clearml.advance(Duration::from_mins(2));
    let told = once(&world, &config);
    assert!(told.stderr.contains("outcome=stuck"), "{told:?}");
    assert_eq!(titles(&world), ["Task stuck: resnet50"]);
    println!("{}", world.slack.messages(CHANNEL)[0].plain());
    for _ in 0..3 {
        world.clearml.advance(HOUR);
        once(&world, &config);
    }
    assert_eq!(titles(&world).len(), 1, "once an episode");
    assert_eq!(world.slack.messages(CHANNEL)[0].edits, 0);
    // One sign of life is none yet: it may be silent again.
    world.clearml.log(&task, "epoch 8").unwrap();
    once(&world, &config);
    assert_eq!(world.slack.messages(CHANNEL)[0].edits, 0);
    world.clearml.advance(Duration::from_mins(1));
    world.clearml.log(&task, "epoch 9").unwrap();
    once(&world, &config);
    let message = &world.slack.messages(CHANNEL)[0];
    assert_eq!((now(message).as_str(), message.edits), ("Now: moves again", 1));
    println!("{}", message.plain());
    let row = &world.history(&["--status", "stuck"])[0];
    assert_eq!((row["status"].as_str(), row["state"].as_str()), (Some("stuck"), Some("sent")));
    assert!(row["cause_detail"].as_str().unwrap().starts_with("no sign of life since 20"), "{row}");
    // Another episode is another alert.
    world.clearml.advance(HOUR * 2);
    once(&world, &config);
    assert_eq!(titles(&world).len(), 2);
    assert_eq!(world.history(&["--status", "stuck"]).len(), 2);
    world.assert_no_violations();
}

#[test]
fn a_task_that_flaps_is_told_of_once() {
    let (world, config, task) = watching(SILENT);
    for _ in 0..5 {
        world.clearml.advance(HOUR + Duration::from_mins(1));
        once(&world, &config);
        world.clearml.log(&task, "still there").unwrap();
        once(&world, &config);
    }
    assert_eq!(titles(&world), ["Task stuck: resnet50"]);
    assert_eq!(world.slack.messages(CHANNEL)[0].edits, 0);
}

#[test]
fn one_that_ends_while_it_is_stuck_is_alerted_as_ever_and_its_message_says_so() {
    let (world, config, task) = watching(SILENT);
    world.clearml.advance(HOUR * 2);
    once(&world, &config);
    world.clearml.fail(&task, "RuntimeError: no", "").unwrap();
    once(&world, &config);
    assert_eq!(titles(&world), ["Task stuck: resnet50", "Task failed: resnet50"]);
    let messages = world.slack.messages(CHANNEL);
    assert_eq!((now(&messages[0]).as_str(), messages[0].edits), ("Now: failed", 1));
    assert!(messages.iter().all(|message| message.thread_ts.is_none()), "the rule has no threads");
    // Another run is nothing to the message about this one.
    world.clearml.reset(&task).unwrap();
    world.clearml.start_task(&task).unwrap();
    once(&world, &config);
    assert_eq!(world.slack.messages(CHANNEL)[0].edits, 1);
    world.clearml.advance(HOUR * 2);
    once(&world, &config);
    assert_eq!(titles(&world).len(), 3, "another run, another episode");
    world.assert_no_violations();
}

#[test]
fn in_a_thread_the_first_message_shows_that_it_is_stuck_and_what_follows_is_below() {
    let (world, config, task) = watching(&format!("{SILENT}thread = true\n"));
    world.clearml.advance(HOUR * 2);
    once(&world, &config);
    world.clearml.fail(&task, "RuntimeError: no", "").unwrap();
    once(&world, &config);
    let messages = world.slack.messages(CHANNEL);
    assert_eq!(messages[1].thread_ts, Some(messages[0].ts.clone()), "its end follows the alert that it is stuck");
    assert_eq!(now(&messages[0]), "Now: failed");
    world.clearml.reset(&task).unwrap();
    world.clearml.start_task(&task).unwrap();
    once(&world, &config);
    world.clearml.advance(HOUR * 2);
    once(&world, &config);
    let messages = world.slack.messages(CHANNEL);
    assert_eq!((messages.len(), messages[2].broadcast), (3, true));
    assert_eq!(now(&messages[0]), "Now: stuck");
    for line in ["one", "two"] {
        world.clearml.log(&task, line).unwrap();
        once(&world, &config);
        world.clearml.advance(Duration::from_mins(1));
    }
    assert_eq!(now(&world.slack.messages(CHANNEL)[0]), "Now: running again");
    world.assert_no_violations();
}

#[test]
fn an_iteration_that_stands_still_is_told_however_lively_the_task_is() {
    let (world, config, task) = watching("stuck = { iteration = '3h' }\n");
    for hour in 0..3 {
        assert_eq!(titles(&world).len(), 0, "{hour}");
        world.clearml.advance(HOUR);
        world.clearml.log(&task, "waiting for the data").unwrap();
        once(&world, &config);
    }
    assert_eq!(titles(&world), ["Task stuck: resnet50"]);
    let detail = world.history(&[])[0]["cause_detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("at iteration 7 since 20"), "{detail}");
    for iteration in [8, 9] {
        world.clearml.report_iteration(&task, iteration).unwrap();
        once(&world, &config);
    }
    assert_eq!(now(&world.slack.messages(CHANNEL)[0]), "Now: moves again");
    let watched = |world: &World| -> i64 {
        let database = rusqlite::Connection::open(world.database()).unwrap();
        database.query_row("SELECT count(*) FROM iterations", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(watched(&world), 1);
    world.clearml.complete(&task).unwrap();
    once(&world, &config);
    assert_eq!(watched(&world), 0, "only what runs is remembered");
}

#[test]
fn everything_else_that_the_rule_asks_holds_and_a_task_from_before_is_seen() {
    let world = World::new();
    let old = world.running_task("ran before we watched");
    world.clearml.advance(HOUR * 48);
    let config = rule(&world, &format!("{SILENT}projects = ['vision/**']\n"));
    let add = |seed: TaskSeed| {
        let id = world.clearml.add_task(seed.user("Ada"));
        world.clearml.start_task(&id).unwrap();
    };
    once(&world, &config);
    add(TaskSeed::new("elsewhere").project("speech"));
    add(TaskSeed::new("by hand").project("vision/resnet").system_tags(&["development"]));
    add(TaskSeed::new("archived").project("vision/resnet").system_tags(&["archived"]));
    once(&world, &config);
    world.clearml.advance(HOUR * 2);
    once(&world, &config);
    assert_eq!(titles(&world), ["Task stuck: ran before we watched"]);
    // What became of it later is told as ever.
    world.clearml.fail(&old, "at last", "").unwrap();
    once(&world, &config);
    assert_eq!(titles(&world)[1], "Task failed: ran before we watched");
    let all = world.history(&[]);
    assert_eq!(all.iter().filter(|row| row["status"] == "stuck").count(), 1, "{all:?}");
}

#[test]
fn a_silence_keeps_it_quiet_and_history_says_so() {
    let (world, config, _) = watching(SILENT);
    let quiet = ["silence", "add", "--status", "stuck", "--for", "3d", "--reason", "known", "--author", "Ada"];
    assert_eq!(world.run(&quiet).code, 0);
    world.clearml.advance(HOUR * 2);
    once(&world, &config);
    assert_eq!(titles(&world), Vec::<String>::new());
    let row = &world.history(&["--status", "stuck"])[0];
    assert_eq!(row["state"], "suppressed");
    assert!(row["reason"].as_str().unwrap().starts_with("silence: number 1 by Ada: known"), "{row}");
    once(&world, &config);
    assert_eq!(world.history(&["--status", "stuck"]).len(), 1);
}

#[test]
fn no_rule_asks_and_no_question_is_put() {
    let (world, config, _) = watching("");
    world.clearml.advance(HOUR * 100);
    world.clearml.requests().clear();
    once(&world, &config);
    let asked = world.clearml.requests().of("tasks.get_all_ex");
    assert!(asked.iter().all(|request| request.body.get("status").is_none()), "{asked:?}");
    assert_eq!(titles(&world), Vec::<String>::new());
}

#[test]
fn many_that_are_stuck_come_page_by_page_and_become_a_digest() {
    let world = World::new();
    let config = rule(&world, SILENT);
    once(&world, &config);
    let seeds = (0..1_200).map(|number| TaskSeed::new(&format!("sleeper {number:04}")).user("Ada").project("vision"));
    let ids = world.clearml.add_tasks(seeds);
    world
        .clearml
        .transition_all(&ids, &clearml_alerts::sandbox::Transition::to(clearml_alerts::domain::Status::InProgress))
        .unwrap();
    once(&world, &config);
    world.clearml.advance(HOUR * 2);
    once(&world, &config);
    assert_eq!(titles(&world), ["1,200 tasks stuck in vision"]);
    let history = world.history(&["--limit", "2000"]);
    assert_eq!(history.len(), 1_200);
    assert!(history.iter().all(|row| row["status"] == "stuck" && row["state"] == "sent"));
    // In a digest nothing is taken back.
    for id in &ids[..2] {
        world.clearml.log(id, "a").unwrap();
        once(&world, &config);
        world.clearml.log(id, "b").unwrap();
        once(&world, &config);
    }
    assert_eq!(world.slack.messages(CHANNEL)[0].edits, 0);
    world.assert_no_violations();
}

#[test]
fn a_look_that_fails_costs_no_outcome_and_is_spoken_of() {
    let (world, config, _) = watching(SILENT);
    world.clearml.advance(HOUR * 2);
    world.failed_task("bert base");
    let refused = Fault::clearml_error(400, 12, "no such filter");
    // The poll's question goes through, the look's does not.
    world.clearml.faults().push(FaultRule::next(refused).on("tasks.get_all_ex").after(1));
    let ended = once(&world, &config);
    assert!(ended.stderr.contains("stuck tasks could not be looked for; outcomes are told as ever"), "{ended:?}");
    assert_eq!(titles(&world), ["Task failed: bert base"]);
    once(&world, &config);
    assert_eq!(titles(&world), ["Task failed: bert base", "Task stuck: resnet50"]);
}

#[test]
fn webhooks_hear_of_it_once_and_of_nothing_afterwards() {
    let (world, receiver) = (World::new(), SimulatedReceiver::start(ReceiverOptions::default()).unwrap());
    let hook = world.slack.add_webhook(CHANNEL);
    let config = world.config(&format!(
        "[slack]\nrate = 0\n[slack.webhooks.team]\nurl = '{hook}'\n[webhooks.ops]\nurl = '{}'\n\
         [[rule]]\nname = 'hooked'\nslack_webhook = 'team'\n{SILENT}[[rule]]\nname = 'fed'\nwebhook = 'ops'\n{SILENT}",
        receiver.url(),
    ));
    once(&world, &config);
    let task = world.running_task("resnet50");
    once(&world, &config);
    world.clearml.advance(HOUR * 2);
    once(&world, &config);
    for line in ["one", "two", "three"] {
        world.clearml.advance(Duration::from_mins(1));
        world.clearml.log(&task, line).unwrap();
        once(&world, &config);
    }
    assert_eq!(titles(&world), ["Task stuck: resnet50"]);
    let events = receiver.events();
    assert_eq!((events.len(), events[0].document["alert"]["outcome"].as_str()), (1, Some("stuck")));
    assert!(events[0].document["alert"]["reason"].as_str().unwrap().starts_with("no sign of life since"));
    assert!(receiver.violations().is_empty(), "{:?}", receiver.violations());
    world.assert_no_violations();
}
