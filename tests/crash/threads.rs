//! Killed at every step of a follow-up: the reply in the thread, and the edit of the first message.

use std::path::{Path, PathBuf};

use clearml_alerts::sandbox::slack::Message;
use clearml_alerts::sandbox::{Fault, FaultRule};

use crate::verdict::Scope;
use crate::world::{CHANNEL, World, finish, title};

fn config(world: &World) -> PathBuf {
    let path = world.folder().join("config.toml");
    let statuses = "['failed', 'completed']";
    let rule = format!("[[rule]]\nname = 'vision'\nthread = true\nstatuses = {statuses}\n");
    std::fs::write(&path, format!("[slack]\nchannel = '{CHANNEL}'\nrate = 0\n{rule}")).unwrap();
    path
}

/// Runs `once`, dying at this point; whether it died.
fn run(world: &World, config: &Path, crash: &str) -> bool {
    let mut command = world.command(&["once", "--config", config.to_str().unwrap()]);
    let ended = finish(command.env("CLEARML_ALERTS_TEST_CRASH_AT", crash));
    assert!(matches!(ended.code, -1 | 0 | 4), "{ended:?}");
    ended.code == -1
}

/// Dies at `point` once the first message is there, while the reply or the edit is on its way, and is started again.
/// Answers how often it died.
fn dies_at(point: &str, end: impl Fn(&World, &str), check: impl Fn(&World)) -> usize {
    for pass in 1..=6 {
        let world = Scope::History.world();
        let config = config(&world);
        run(&world, &config, "");
        let task = world.failed_task("resnet50");
        run(&world, &config, "");
        world.clearml.reset(&task).unwrap();
        world.clearml.start_task(&task).unwrap();
        end(&world, &task);
        let died = run(&world, &config, &format!("{point}:{pass}"));
        world.slack.faults().clear();
        while run(&world, &config, "") {}
        run(&world, &config, "");
        check(&world);
        if !died {
            return pass - 1;
        }
    }
    6
}

fn told_once(world: &World) {
    let messages = world.slack.messages(CHANNEL);
    let titles: Vec<String> = messages.iter().map(title).collect();
    assert_eq!(titles, ["Task failed: resnet50", "Task completed: resnet50"]);
    assert_eq!(messages[1].thread_ts.as_ref(), Some(&messages[0].ts));
    shows_completed(&messages[0]);
    let history = world.history(&[]);
    assert_eq!(history.len(), 2);
    assert!(history.iter().all(|row| row["state"] == "sent" && row["reason"].is_null()), "{history:?}");
    world.assert_no_violations();
}

fn shows_completed(first: &Message) {
    assert!(first.text.contains("Now: completed"), "{}", first.text);
    let shown = first.blocks.iter().filter(|block| block["text"]["text"].as_str().unwrap_or("").starts_with("Now: "));
    assert_eq!(shown.count(), 1);
}

#[test]
fn a_reply_and_an_edit_are_there_once_wherever_the_program_dies() {
    let completes = |world: &World, task: &str| world.clearml.complete(task).unwrap();
    for point in ["before_commit", "after_commit", "payload_stored", "attempt_recorded", "answer_not_recorded"] {
        assert!(dies_at(point, completes, told_once) > 0, "{point} was never reached");
    }
    assert_eq!(dies_at("edit_stored", completes, told_once), 1);
}

#[test]
fn lost_answers_of_both_and_a_death_on_top_show_each_once() {
    let completes = |world: &World, task: &str| {
        world.slack.faults().script([
            FaultRule::next(Fault::apply_then_reset()).on("chat.postMessage"),
            FaultRule::next(Fault::reset()).on("chat.update"),
            FaultRule::next(Fault::apply_then_reset()).on("chat.update"),
        ]);
        world.clearml.complete(task).unwrap();
    };
    for point in ["look_not_recorded", "answer_not_recorded"] {
        assert!(dies_at(point, completes, told_once) > 0, "{point} was never reached");
    }
}

#[test]
fn a_deleted_first_message_is_replaced_once_wherever_the_program_dies() {
    let deleted = |world: &World, task: &str| {
        let first = world.slack.messages(CHANNEL)[0].ts.clone();
        assert!(world.slack.delete_message(&first));
        // Its agent told the end, so that no console is waited for: the reply goes before the edit.
        world.clearml.fail(task, "worker execution exit code 1", "Changed by clearml-agent host:0").unwrap();
    };
    let replaced = |world: &World| {
        let messages = world.slack.messages(CHANNEL);
        assert_eq!(messages.iter().map(title).collect::<Vec<_>>(), ["Task failed: resnet50"]);
        assert_eq!(messages[0].thread_ts, None);
        assert!(world.history(&[]).iter().all(|row| row["state"] == "sent"));
    };
    for point in ["payload_stored", "attempt_recorded", "answer_not_recorded"] {
        assert!(dies_at(point, deleted, replaced) > 1, "{point} was never reached");
    }
}
