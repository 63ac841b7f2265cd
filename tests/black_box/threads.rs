//! `thread = true`: what follows the first alert about a task, and what the first message shows of it.

use std::path::{Path, PathBuf};

use clearml_alerts::sandbox::slack::{Channel, Message};
use clearml_alerts::sandbox::{Fault, FaultRule, ReceiverOptions, SimulatedReceiver};

use crate::world::{CHANNEL, Ended, Running, World, title, wait_until};

const ALL: &str = "statuses = ['failed', 'completed', 'stopped']\nthread = true\n";

/// A file with one rule.
fn rule(world: &World, more: &str) -> PathBuf {
    world.config(&format!("[slack]\nchannel = '{CHANNEL}'\nrate = 0\n[[rule]]\nname = 'vision'\n{more}"))
}

fn once(world: &World, config: &Path) -> Ended {
    let ended = world.run(&["once", "--config", config.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{ended:?}");
    ended
}

/// A world whose rule has told of a first failure.
fn told(more: &str) -> (World, PathBuf, String) {
    let world = World::new();
    let config = rule(&world, more);
    once(&world, &config);
    let task = world.failed_task("resnet50");
    once(&world, &config);
    assert_eq!(world.slack.messages(CHANNEL).len(), 1);
    (world, config, task)
}

fn run_again(world: &World, task: &str) {
    world.clearml.reset(task).unwrap();
    world.clearml.start_task(task).unwrap();
}

/// The state line of a message.
fn now(message: &Message) -> String {
    let line = message.plain().lines().find(|line| line.starts_with("Now: ")).unwrap_or_default().to_owned();
    // Without the time, which is another in each run.
    let words: Vec<&str> = line.split(' ').filter(|word| !word.starts_with("20")).collect();
    words.join(" ").replace(" since", "").trim_end_matches(',').to_owned()
}

/// Top-level messages and replies.
fn shape(world: &World) -> Vec<(String, bool, bool)> {
    let messages = world.slack.messages(CHANNEL);
    messages.iter().map(|message| (title(message), message.thread_ts.is_some(), message.broadcast)).collect()
}

fn row(title: &str, reply: bool, broadcast: bool) -> (String, bool, bool) {
    (title.to_owned(), reply, broadcast)
}

#[test]
fn later_outcomes_follow_in_the_thread_and_the_first_message_shows_how_it_stands() {
    let (world, config, task) = told(ALL);
    world.clearml.enqueue(&task, "default").unwrap();
    once(&world, &config);
    let first = || world.slack.messages(CHANNEL)[0].clone();
    assert_eq!((now(&first()).as_str(), first().edits), ("Now: queued again", 1));
    run_again(&world, &task);
    once(&world, &config);
    assert_eq!(now(&first()), "Now: running again");
    world.clearml.fail(&task, "RuntimeError: again", "").unwrap();
    once(&world, &config);
    assert_eq!(now(&first()), "Now: failed again, run 2");
    run_again(&world, &task);
    world.clearml.complete(&task).unwrap();
    once(&world, &config);
    assert_eq!(now(&first()), "Now: completed, run 3");
    let expected = [
        row("Task failed: resnet50", false, false),
        row("Task failed: resnet50", true, true),
        row("Task completed: resnet50", true, false),
    ];
    assert_eq!(shape(&world), expected);
    let messages = world.slack.messages(CHANNEL);
    assert!(messages[1..].iter().all(|reply| reply.thread_ts.as_ref() == Some(&messages[0].ts)));
    assert_eq!(messages.iter().map(|message| message.edits).collect::<Vec<_>>(), [4, 0, 0]);
    // An edit is no alert.
    let rows = world.history(&[]);
    assert_eq!(rows.len(), 3);
    let (first_row, reply) = (rows[2]["id"].to_string(), rows[0]["id"].to_string());
    let show = |id: &str| world.run(&["history", "--show", id]).stdout;
    assert!(show(&reply).contains("A reply in the thread of the first message about this task"), "{}", show(&reply));
    assert!(!show(&first_row).contains("thread"), "{}", show(&first_row));
    let explained = world.run(&["explain", &task]).stdout;
    assert_eq!(explained.matches(", in the thread: sent").count(), 2, "{explained}");
    println!("{}", messages.iter().map(Message::plain).collect::<Vec<_>>().join("\n\n"));
    once(&world, &config);
    assert_eq!(world.slack.messages(CHANNEL)[0].edits, 4, "nothing new, no edit");
    world.assert_no_violations();
}

#[test]
fn what_the_rule_does_not_tell_is_shown_by_the_edit_alone() {
    let (world, config, task) = told("thread = true\n");
    run_again(&world, &task);
    world.clearml.complete(&task).unwrap();
    once(&world, &config);
    let messages = world.slack.messages(CHANNEL);
    assert_eq!((messages.len(), now(&messages[0]).as_str()), (1, "Now: completed, run 2"));
    assert!(messages[0].text.contains("Now: completed"), "{}", messages[0].text);
    world.clearml.publish(&task).unwrap();
    once(&world, &config);
    assert_eq!(world.slack.messages(CHANNEL)[0].edits, 1, "published is no other end than completed");
    let told = world.history(&["--state", "sent"]);
    assert_eq!(told.len(), 1, "{told:?}");
    world.assert_no_violations();
}

#[test]
fn many_changes_between_two_deliveries_are_one_edit() {
    let (world, config, task) = told("thread = true\n");
    world.slack.set_online(false);
    let away = ["once", "--deliver-timeout", "50ms", "--config", config.to_str().unwrap()];
    for _ in 0..3 {
        run_again(&world, &task);
        world.run(&away);
        world.clearml.complete(&task).unwrap();
        world.run(&away);
    }
    world.slack.set_online(true);
    once(&world, &config);
    let first = world.slack.messages(CHANNEL)[0].clone();
    assert_eq!(now(&first), "Now: completed, run 4");
    assert!(first.edits <= 2, "one that was on its way, and one for all that came since: {}", first.edits);
}

#[test]
fn a_deleted_message_begins_a_new_one_that_is_the_first_from_then_on() {
    let (world, config, task) = told(ALL);
    let first = world.slack.messages(CHANNEL)[0].ts.clone();
    world.slack.delete_message(&first);
    run_again(&world, &task);
    world.clearml.fail(&task, "again", "").unwrap();
    once(&world, &config);
    assert_eq!(shape(&world), [row("Task failed: resnet50", false, false)]);
    run_again(&world, &task);
    once(&world, &config);
    assert_eq!(now(&world.slack.messages(CHANNEL)[0]), "Now: running again");
    world.clearml.stop(&task).unwrap();
    once(&world, &config);
    assert_eq!(shape(&world)[1], row("Task aborted: resnet50", true, false));
    assert!(world.history(&[]).iter().all(|row| row["state"] == "sent"));
    world.assert_no_violations();
}

#[test]
fn an_edit_that_cannot_be_made_is_no_alert_and_the_next_one_begins_anew() {
    for code in ["message_not_found", "cant_update_message", "edit_window_closed"] {
        let (world, config, task) = told(ALL);
        world.slack.faults().push(FaultRule::next(Fault::slack_error(code)).on("chat.update"));
        run_again(&world, &task);
        once(&world, &config);
        assert_eq!(shape(&world).len(), 1, "{code}");
        world.clearml.complete(&task).unwrap();
        once(&world, &config);
        let expected = [row("Task failed: resnet50", false, false), row("Task completed: resnet50", false, false)];
        assert_eq!(shape(&world), expected, "{code}");
        assert_eq!(world.run(&["dead", "list"]).code, 0);
        assert!(world.history(&[]).iter().all(|row| row["state"] == "sent"), "{code}");
    }
}

#[test]
fn an_edit_whose_answer_says_nothing_is_given_up_and_holds_no_alert_up() {
    let (world, config, task) = told(ALL);
    world.slack.faults().push(FaultRule::next(Fault::slack_error("invented_yesterday")).on("chat.update").forever());
    run_again(&world, &task);
    world.failed_task("bert base");
    let ended = once(&world, &config);
    assert!(ended.stderr.contains("could not be made to show how its task stands"), "{ended:?}");
    assert_eq!(shape(&world)[1], row("Task failed: bert base", false, false));
    world.slack.faults().clear();
    world.clearml.complete(&task).unwrap();
    once(&world, &config);
    assert_eq!(shape(&world)[2], row("Task completed: resnet50", true, false));
    assert_eq!(now(&world.slack.messages(CHANNEL)[0]), "Now: completed, run 2");
}

#[test]
fn a_thread_that_takes_no_reply_is_left_for_the_channel() {
    for code in ["cannot_reply_to_message", "restricted_action_thread_locked", "thread_not_found"] {
        let (world, config, task) = told(ALL);
        world.slack.faults().push(FaultRule::next(Fault::slack_error(code)).on("chat.postMessage"));
        run_again(&world, &task);
        world.clearml.complete(&task).unwrap();
        once(&world, &config);
        assert_eq!(shape(&world)[1], row("Task completed: resnet50", false, false), "{code}");
        assert_eq!(shape(&world).len(), 2, "{code}");
        assert!(world.history(&[]).iter().all(|row| row["state"] == "sent"), "{code}");
    }
}

/// The answers to two replies are lost: one of them arrived.
fn lost_replies(world: &World, config: &Path, task: &str, ends: impl Fn(&str)) {
    world.slack.faults().script([
        FaultRule::next(Fault::apply_then_reset()).on("chat.postMessage"),
        FaultRule::next(Fault::reset()).on("chat.postMessage"),
    ]);
    run_again(world, task);
    ends(task);
    once(world, config);
    run_again(world, task);
    ends(task);
    once(world, config);
}

#[test]
fn a_reply_whose_answer_was_lost_is_looked_for_in_its_thread() {
    let (world, config, task) = told(ALL);
    lost_replies(&world, &config, &task, |task| world.clearml.complete(task).unwrap());
    let completed = row("Task completed: resnet50", true, false);
    assert_eq!(shape(&world), [row("Task failed: resnet50", false, false), completed.clone(), completed]);
    assert!(world.history(&[]).iter().all(|row| row["state"] == "sent" && row["reason"].is_null()));
    assert!(world.slack.requests().count("conversations.replies") >= 2);
    world.assert_no_violations();
}

#[test]
fn where_a_thread_may_not_be_read_a_broadcast_is_found_in_the_channel() {
    let (world, config, task) = told(ALL);
    let refused = Fault::slack_error("not_allowed_token_type");
    world.slack.faults().push(FaultRule::next(refused).on("conversations.replies").forever());
    world.slack.faults().push(FaultRule::next(Fault::apply_then_reset()).on("chat.postMessage"));
    run_again(&world, &task);
    world.clearml.fail(&task, "again", "").unwrap();
    once(&world, &config);
    assert_eq!(shape(&world).len(), 2, "found among what the channel shows");
    assert!(world.history(&[]).iter().all(|row| row["reason"].is_null()));
    world.slack.faults().push(FaultRule::next(Fault::apply_then_reset()).on("chat.postMessage"));
    run_again(&world, &task);
    world.clearml.complete(&task).unwrap();
    once(&world, &config);
    assert_eq!(shape(&world).len(), 4, "nobody may look: sent again, and marked");
    let newest = &world.history(&[])[0];
    assert!(newest["reason"].as_str().unwrap().starts_with("possible duplicate"), "{newest}");
}

#[test]
fn a_first_message_that_is_kept_keeps_no_later_alert_back() {
    let world = World::new();
    world.slack.set_scopes(&["chat:write", "channels:read", "channels:join"]);
    let config = rule(&world, ALL);
    once(&world, &config);
    world.slack.faults().push(FaultRule::next(Fault::apply_then_reset()).on("chat.postMessage"));
    let task = world.failed_task("resnet50");
    let patience = ["--deliver-timeout", "1s"];
    let hold = [&["once", "--on-unknown", "hold", "--config", config.to_str().unwrap()][..], &patience].concat();
    assert_eq!(world.run(&hold).code, 4);
    run_again(&world, &task);
    world.clearml.complete(&task).unwrap();
    world.run(&hold);
    assert_eq!(shape(&world)[1], row("Task completed: resnet50", false, false));
    assert_eq!(shape(&world).len(), 2);
}

#[test]
fn two_ends_of_one_task_that_wait_together_are_a_message_and_its_reply() {
    let world = World::new();
    let config = rule(&world, ALL);
    once(&world, &config);
    world.slack.set_online(false);
    let away = ["once", "--deliver-timeout", "50ms", "--config", config.to_str().unwrap()];
    let task = world.failed_task("resnet50");
    world.run(&away);
    run_again(&world, &task);
    world.clearml.complete(&task).unwrap();
    world.run(&away);
    world.slack.set_online(true);
    once(&world, &config);
    let expected = [row("Task failed: resnet50", false, false), row("Task completed: resnet50", true, false)];
    assert_eq!(shape(&world), expected);
    assert_eq!(now(&world.slack.messages(CHANNEL)[0]), "Now: completed, run 2");
}

#[test]
fn told_in_a_digest_it_is_no_first_message() {
    let world = World::new();
    let config = rule(&world, ALL);
    once(&world, &config);
    let tasks: Vec<String> = (0..12).map(|number| world.failed_task(&format!("flood {number}"))).collect();
    once(&world, &config);
    world.sql("UPDATE deliveries SET sent_at = sent_at - 61000 WHERE sent_at IS NOT NULL");
    run_again(&world, &tasks[0]);
    world.clearml.fail(&tasks[0], "again", "").unwrap();
    once(&world, &config);
    assert_eq!(shape(&world)[1], row("Task failed: flood 0", false, false));
    run_again(&world, &tasks[0]);
    world.clearml.complete(&tasks[0]).unwrap();
    once(&world, &config);
    assert_eq!(shape(&world)[2], row("Task completed: flood 0", true, false));
    world.assert_no_violations();
}

#[test]
fn another_channel_begins_anew_and_a_switch_is_heeded_at_a_reload() {
    let world = World::new();
    world.slack.add_channel(Channel::public("other"));
    let file = |more: &str| {
        let service = "[service]\nrefresh_rate = 0.1\nannounce = 'none'\nlocal = true\nclearml_task = false\n";
        let text = format!("[slack]\nchannel = '{CHANNEL}'\nrate = 0\n{service}[[rule]]\nname = 'vision'\n{more}");
        world.config(&text)
    };
    let config = file(ALL);
    let mut command = world.command(&["run", "--config", config.to_str().unwrap()]);
    let service = Running::start(&mut command);
    world.wait_for_polls(2);
    let task = world.failed_task("resnet50");
    world.wait_for_messages(1);
    let reload = |more: &str, count: usize| {
        file(more);
        service.signal("HUP");
        wait_until("a reload", || service.log().matches("other rules from now on").count() == count);
    };
    reload(&ALL.replace("thread = true", "thread = false"), 1);
    run_again(&world, &task);
    world.clearml.complete(&task).unwrap();
    world.wait_for_messages(2);
    assert_eq!(shape(&world)[1], row("Task completed: resnet50", false, false));
    assert_eq!(world.slack.messages(CHANNEL)[0].edits, 0, "the rule does not follow up now");
    reload(ALL, 2);
    run_again(&world, &task);
    world.clearml.fail(&task, "again", "").unwrap();
    world.wait_for_messages(3);
    wait_until("the edit", || now(&world.slack.messages(CHANNEL)[0]) == "Now: failed again, run 3");
    assert_eq!(shape(&world)[2], row("Task failed: resnet50", true, true));
    reload(&format!("channel = '#other'\n{ALL}"), 3);
    run_again(&world, &task);
    world.clearml.complete(&task).unwrap();
    wait_until("the other channel", || world.slack.messages("other").len() == 1);
    assert_eq!(world.slack.messages("other")[0].thread_ts, None);
    assert_eq!(service.stop().code, 0);
    world.assert_no_violations();
}

#[test]
fn owners_have_threads_incoming_webhooks_have_none_and_events_say_what_they_follow() {
    let (world, receiver) = (World::new(), SimulatedReceiver::start(ReceiverOptions::default()).unwrap());
    let ada = world.slack.add_person("Ada", "ada@example.com");
    let config = world.config(&format!(
        "[slack]\nchannel = '{CHANNEL}'\nrate = 0\n[slack.users]\nAda = 'ada@example.com'\n\
         [slack.webhooks.team]\nurl = '{}'\n[webhooks.ops]\nurl = '{}'\n\
         [[rule]]\nname = 'hooked'\nslack_webhook = 'team'\n{ALL}\
         [[rule]]\nname = 'fed'\nwebhook = 'ops'\n{ALL}\
         [[rule]]\nname = 'mine'\nowner = true\n{ALL}",
        world.slack.add_webhook(CHANNEL),
        receiver.url(),
    ));
    once(&world, &config);
    let task = world.failed_task("resnet50");
    once(&world, &config);
    run_again(&world, &task);
    world.clearml.complete(&task).unwrap();
    once(&world, &config);
    assert_eq!(shape(&world).iter().map(|row| row.1).collect::<Vec<_>>(), [false, false], "the incoming webhook");
    let direct = world.slack.direct_messages(&ada);
    assert_eq!((direct.len(), &direct[1].thread_ts), (2, &Some(direct[0].ts.clone())));
    assert_eq!(now(&direct[0]), "Now: completed, run 2");
    let events = receiver.events();
    assert_eq!(events[0].document["alert"]["follows"], serde_json::Value::Null);
    assert_eq!(events[1].document["alert"]["follows"], events[0].document["key"]);
    assert_eq!(events.len(), 2, "nothing is edited at a webhook, and nothing is sent instead");
    assert!(receiver.violations().is_empty(), "{:?}", receiver.violations());
    world.assert_no_violations();
}
