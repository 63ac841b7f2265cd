//! Killed at every step of a task that is stuck and moves again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::verdict::Scope;
use crate::world::{CHANNEL, World, finish, title};

fn config(world: &World) -> PathBuf {
    let path = world.folder().join("config.toml");
    let rule = "[[rule]]\nname = 'vision'\nstuck = { silent = '1h', iteration = '1h' }\n";
    std::fs::write(&path, format!("[slack]\nchannel = '{CHANNEL}'\nrate = 0\n{rule}")).unwrap();
    path
}

/// Runs `once`, dying at this point; whether it died.
fn run(world: &World, config: &Path, crash: &str) -> bool {
    let mut command = world.command(&["once", "--config", config.to_str().unwrap()]);
    let ended = finish(command.env("CLEARML_ALERTS_TEST_CRASH_AT", crash));
    assert!(matches!(ended.code, -1 | 0), "{ended:?}");
    ended.code == -1
}

fn shows(world: &World) -> Vec<(String, bool)> {
    let messages = world.slack.messages(CHANNEL);
    messages.iter().map(|message| (title(message), message.text.contains("Now: moves again"))).collect()
}

/// Dies at `point` while the episode begins, or while it ends. Answers whether it died.
fn dies_at(point: &str, while_it_begins: bool) -> bool {
    let world = Scope::History.world();
    let config = config(&world);
    run(&world, &config, "");
    let task = world.running_task("resnet50");
    run(&world, &config, "");
    world.clearml.advance(Duration::from_hours(2));
    let mut died = run(&world, &config, if while_it_begins { point } else { "" });
    run(&world, &config, "");
    assert_eq!(shows(&world), [("Task stuck: resnet50".to_owned(), false)], "{point}");
    for iteration in [8, 9] {
        world.clearml.advance(Duration::from_mins(1));
        world.clearml.report_iteration(&task, iteration).unwrap();
        died |= !while_it_begins && run(&world, &config, point);
        run(&world, &config, "");
    }
    assert_eq!(shows(&world), [("Task stuck: resnet50".to_owned(), true)], "{point}");
    let history = world.history(&[]);
    assert_eq!((history.len(), history[0]["state"].as_str()), (1, Some("sent")), "{history:?}");
    world.assert_no_violations();
    died
}

#[test]
fn an_episode_is_told_once_and_taken_back_once_wherever_the_program_dies() {
    let both = ["stuck_looked", "before_stuck_commit", "stuck_recorded", "attempt_recorded", "answer_not_recorded"];
    for point in both {
        for while_it_begins in [true, false] {
            assert!(dies_at(point, while_it_begins), "{point} was never reached");
        }
    }
    assert!(dies_at("payload_stored", true) && dies_at("edit_stored", false));
}
