//! `test-rules`: who would have heard of what. Sends nothing, writes nothing.

use crate::world::World;
use clearml_alerts::domain::Status;
use clearml_alerts::sandbox::TaskSeed;
use serde_json::{Value, json};

fn failed(world: &World, name: &str, project: &str, iterations: i64) -> String {
    let seed = TaskSeed::new(name).project(project).user("Ada").iterations(iterations).status(&Status::Failed);
    world.clearml.add_task(seed)
}

/// Two alerted tasks, one that a filter kept quiet, and nothing more to do.
fn recorded() -> (World, [String; 3]) {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let tasks = [
        failed(&world, "short", "vision/resnet", 2),
        failed(&world, "long", "vision/resnet", 20),
        failed(&world, "unwatched", "nlp/bert", 20),
    ];
    assert_eq!(world.once(&["--project", "^vision"]).code, 0);
    world.assert_alerts(&["short", "long"]);
    (world, tasks)
}

fn rules_of<'a>(outcomes: &'a [Value], name: &str) -> (&'a str, &'a Value) {
    let found = outcomes.iter().find(|outcome| outcome["task_name"] == name).unwrap();
    (found["source"].as_str().unwrap(), &found["rules"])
}

fn bytes(world: &World) -> Vec<u8> {
    std::fs::read(world.database()).unwrap()
}

#[test]
fn the_past_is_put_to_other_rules_and_nothing_is_sent_or_written() {
    let (world, [_, _, gone]) = recorded();
    let before = bytes(&world);
    let ask = |more: &[&str]| {
        let usual = ["test-rules", "--since", "1h", "--channel", "new"];
        let ended = world.run(&[&usual, more].concat());
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.stdout
    };
    let json_of =
        |more: &[&str]| -> Vec<Value> { serde_json::from_str(&ask(&[&["--format", "json"], more].concat())).unwrap() };
    let outcomes = json_of(&["--min-num-iterations", "10"]);
    let quiet = json!([{
        "rule": "default", "destination": "new", "verdict": "suppressed", "filter": "iterations", "reason": "2 of at least 10",
        "waits_until": null,
    }]);
    assert_eq!(rules_of(&outcomes, "short"), ("recorded", &quiet));
    let told = json!([{
        "rule": "default", "destination": "new", "verdict": "alert", "filter": null, "reason": null,
        "waits_until": null,
    }]);
    assert_eq!(rules_of(&outcomes, "long"), ("recorded", &told));
    assert_eq!(rules_of(&outcomes, "unwatched"), ("now", &told), "a quiet one is not kept whole: ClearML is asked");
    let table = ask(&["--min-num-iterations", "10"]);
    for told in
        ["iterations: 2 of at least 10", "alert", "1 outcome: judged by its fields as they are now", "Nothing was sent"]
    {
        assert!(table.contains(told), "{told}: {table}");
    }
    world.clearml.delete(&gone).unwrap();
    assert_eq!(rules_of(&json_of(&[]), "unwatched"), ("gone", &json!([])));
    assert!(ask(&[]).contains("1 outcome: the task is gone from ClearML"));
    assert_eq!(bytes(&world), before);
    world.assert_alerts(&["short", "long"]);
}

#[test]
fn a_task_is_put_to_the_rules_without_any_database() {
    let world = World::new();
    let id = failed(&world, "short", "vision/resnet", 2);
    let running = world.running_task("running");
    let ended = world.run(&["test-rules", &id, "--project", "^vision"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("default") && ended.stdout.contains("alert"), "{ended:?}");
    let ended = world.run(&["test-rules", &running]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("in_progress: it has not ended"), "{ended:?}");
    assert_eq!(world.run(&["test-rules", "00000000000000000000000000000000"]).code, 2);
    assert!(!world.database().exists());
}

#[test]
fn what_cannot_be_asked_is_an_error_by_its_code() {
    let (world, [id, ..]) = recorded();
    for wrong in [&["test-rules"][..], &["test-rules", &id, "--since", "1h"]] {
        let ended = world.run(wrong);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.stderr.contains("one of the two"), "{ended:?}");
    }
    let mut elsewhere = world.command(&["test-rules", &id]);
    elsewhere.env("CLEARML_API_HOST", "http://127.0.0.1:1");
    assert_eq!(crate::world::finish(&mut elsewhere).code, 3);
    let ended = world.run(&["test-rules", "--since", "1h", "--db", "/nowhere/alerts.db"]);
    assert_eq!(ended.code, 6, "{ended:?}");
}
