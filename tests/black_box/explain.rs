//! `explain`: why a task was, or was not, alerted.

use serde_json::Value;

use crate::world::{Ended, World};

const FLAGS: [&str; 2] = ["--channel", "ml-alerts"];

fn explain(world: &World, task: &str, more: &[&str]) -> Ended {
    world.run(&[&["explain", task], &FLAGS[..], more].concat())
}

fn explain_json(world: &World, task: &str) -> Value {
    let ended = explain(world, task, &["--format", "json"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

#[test]
fn an_alerted_task_by_id_by_prefix_and_by_address() {
    let world = World::new();
    world.once(&[]);
    let task = world.failed_task("resnet50 baseline");
    world.once(&[]);
    let messages = world.slack.messages("ml-alerts").len();
    let whole = explain(&world, &task, &[]);
    assert_eq!(whole.code, 0, "{whole:?}");
    for part in
        ["alert 1 to ml-alerts: sent", "attempt 1: sent (HTTP 200", "/archives/C0MLALERTS/p", "nothing: this status"]
    {
        assert!(whole.stdout.contains(part), "{part}: {}", whole.stdout);
    }
    let address = format!("https://app.example.com/projects/p/tasks/{task}/output/log");
    for other in [&task[..8], &address] {
        assert_eq!(explain(&world, other, &[]).stdout, whole.stdout);
    }
    let json = explain_json(&world, &task);
    assert_eq!(json["recorded"]["verdicts"][0]["state"], "sent");
    assert_eq!(json["recorded"]["verdicts"][0]["tries"][0]["class"], "sent");
    assert_eq!(json["if_polled_now"]["what"], "nothing");
    assert_eq!(world.slack.messages("ml-alerts").len(), messages, "explain posts nothing");
}

#[test]
fn a_task_that_a_filter_kept_quiet_names_filter_and_value() {
    let world = World::new();
    world.once(&[]);
    let task = world.failed_task("crashes at once");
    world.once(&["--min-num-iterations", "100"]);
    let told = explain(&world, &task, &[]).stdout;
    assert!(told.contains("not alerted, because of iterations: 7 of at least 100"), "{told}");
}

#[test]
fn a_task_not_polled_yet_and_one_older_than_the_watch() {
    let world = World::new();
    let long_ago = clearml_alerts::domain::Stamp::parse("2020-01-01T00:00:00Z").unwrap();
    let old = world.clearml.add_task(
        clearml_alerts::sandbox::TaskSeed::new("old one")
            .status(&clearml_alerts::domain::Status::Failed)
            .status_changed(long_ago),
    );
    world.failed_task("newest before the watch");
    world.once(&[]);
    let new = world.failed_task("not polled yet");
    let told = explain(&world, &new, &[]).stdout;
    assert!(told.contains("run 1 failed would be alerted to ml-alerts") && told.contains("not recorded yet"), "{told}");
    let told = explain(&world, &new, &["--exclude-users", "Ada"]).stdout;
    assert!(told.contains("would not be alerted, because of user: `Ada` is among the excluded users"), "{told}");
    let told = explain(&world, &new, &["--project", "nlp"]).stdout;
    assert!(told.contains("because of project: `vision/resnet` does not match `nlp`"), "{told}");
    let told = explain(&world, &old, &[]).stdout;
    assert!(told.contains("is older than the watch"), "{told}");
    assert!(world.history(&[]).is_empty(), "explain records nothing");
}

#[test]
fn a_task_that_does_not_exist_is_3_with_the_servers_words() {
    let world = World::new();
    world.once(&[]);
    let ended = explain(&world, "0123456789abcdef0123456789abcdef", &[]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("Invalid task id") && ended.stdout.is_empty(), "{ended:?}");
}

#[test]
fn a_deleted_task_is_still_explained() {
    let world = World::new();
    world.once(&[]);
    let task = world.failed_task("deleted later");
    world.once(&[]);
    world.clearml.delete(&task).unwrap();
    let ended = explain(&world, &task, &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("does not exist any more; the server says: Invalid task id"), "{ended:?}");
}

#[test]
fn a_server_that_is_down_leaves_what_is_recorded_and_3() {
    let world = World::new();
    world.once(&[]);
    let task = world.failed_task("resnet50 baseline");
    world.once(&[]);
    let mut command = world.command(&["explain", &task]);
    command.env("CLEARML_API_HOST", "http://127.0.0.1:9");
    let other = crate::world::finish(&mut command);
    assert!(other.code == 2 && other.stdout.contains("not asked: the database belongs to"), "{other:?}");
    world.clearml.set_online(false);
    let ended = explain(&world, &task, &[]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stdout.contains("alert 1 to ml-alerts: sent") && ended.stdout.contains("not asked"), "{ended:?}");
}

#[test]
fn the_beginning_of_several_ids_names_them() {
    let world = World::new();
    world.once(&[]);
    for number in 0..20 {
        world.failed_task(&format!("task {number}"));
    }
    world.once(&["--digest-above", "5"]);
    let ids: Vec<String> = world.clearml.task_ids();
    let doubled = ids.iter().find(|id| ids.iter().filter(|other| other[..1] == id[..1]).count() > 1).unwrap();
    let ended = explain(&world, &doubled[..1], &[]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(
        ended.stderr.contains("is the beginning of several recorded tasks") && ended.stderr.contains(doubled),
        "{ended:?}"
    );
    let told = explain(&world, doubled, &[]).stdout;
    assert!(told.contains("in a digest: sent"), "{told}");
}
