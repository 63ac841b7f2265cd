//! The config file and the monitor's own task in ClearML: which of them says what.

use serde_json::Value;

use crate::own_task::{agents_command, argument, status};
use crate::world::{CHANNEL, Running, World, finish, wait_until};

const QUEUE: &str = "services";

fn value(world: &World, task: &str, name: &str) -> Value {
    argument(world, task, name)["value"].clone()
}

#[test]
fn enqueued_with_a_config_file_it_runs_by_that_file() {
    let world = World::new();
    world.clearml.add_queue(QUEUE);
    let config = world.config(&format!(
        "[slack]\nchannel = '{CHANNEL}'\nrate = 0\n[service]\nannounce = 'none'\nrefresh_rate = 0.1\n\
         [[rule]]\nname = 'aborted'\nstatuses = ['stopped']\n"
    ));
    let ended = world.run(&["run", "--config", config.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("needs the config file, too, at"), "{ended:?}");
    let task = world.own_task();
    for name in ["channel", "refresh_rate", "announce", "include_aborted_experiments"] {
        assert_eq!(value(&world, &task, name), "", "{name}: the file says it");
    }
    let service = Running::start(&mut agents_command(&world, &task));
    world.wait_for_polls(4);
    world.failed_task("not of the rule");
    let aborted = world.running_task("of the rule");
    world.clearml.stop(&aborted).unwrap();
    world.wait_for_messages(1);
    assert_eq!(service.stop().code, 0);
    assert_eq!(world.told(CHANNEL), ["of the rule"]);
}

#[test]
fn parameters_that_nobody_changed_leave_the_say_to_the_agents_file() {
    let world = World::new();
    world.clearml.add_queue(QUEUE);
    let ended = world.run(&["run", "--channel", CHANNEL, "--announce", "none"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let task = world.own_task();
    assert_eq!((value(&world, &task, "refresh_rate"), value(&world, &task, "slack_rate")), ("10.0".into(), "1".into()));
    let config = world.config("[slack]\nrate = 0\n[service]\nrefresh_rate = 0.1\n[[rule]]\nname = 'all'\n");
    let mut command = agents_command(&world, &task);
    let service = Running::start(command.env("CLEARML_ALERTS_CONFIG", &config));
    world.wait_for_polls(4);
    world.failed_task("told by the rule of the file");
    world.wait_for_messages(1);
    assert_eq!(service.stop().code, 0);
    world.assert_alerts(&["told by the rule of the file"]);
    world.edit_argument(&task, "refresh_rate", "20");
    let mut command = agents_command(&world, &task);
    let service = Running::start(command.env("CLEARML_ALERTS_CONFIG", &config));
    service.wait_for_log("refresh_seconds=20");
    assert_eq!(service.stop().code, 0);
}

#[test]
fn what_the_usual_file_says_here_goes_with_the_task() {
    let world = World::new();
    world.clearml.add_queue(QUEUE);
    let config = world.config(&format!("[slack]\nchannel = '{CHANNEL}'\nrate = 3\n[service]\nrefresh_rate = 0.5\n"));
    let ended = finish(world.command(&["run", "--slack-rate", "2"]).env("CLEARML_ALERTS_CONFIG", &config));
    assert_eq!(ended.code, 0, "{ended:?}");
    let task = world.own_task();
    for (name, expected) in [("channel", CHANNEL), ("slack_rate", "2"), ("refresh_rate", "0.5"), ("digest_above", "10")]
    {
        assert_eq!(value(&world, &task, name), expected, "{name}");
    }
    std::fs::remove_file(config).unwrap();
    let service = Running::start(&mut agents_command(&world, &task));
    service.wait_for_log("watching begins");
    wait_until("its start", || status(&world, &task) == "in_progress");
    assert_eq!(service.stop().code, 0);
}

#[test]
fn a_task_and_a_file_without_a_channel_name_the_parameter() {
    let world = World::new();
    world.clearml.add_queue(QUEUE);
    assert_eq!(world.run(&["run", "--channel", CHANNEL]).code, 0);
    let task = world.own_task();
    world.edit_argument(&task, "channel", "");
    let config = world.config("[slack]\nrate = 0\n");
    let mut command = agents_command(&world, &task);
    let ended = finish(command.env("CLEARML_ALERTS_CONFIG", &config));
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.lines().last().unwrap().contains("Args/channel is ``"), "{ended:?}");
}
