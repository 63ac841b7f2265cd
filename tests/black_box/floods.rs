//! Many failures at once.

use std::collections::HashSet;

use clearml_alerts::domain::Status;
use clearml_alerts::sandbox::TaskSeed;

use crate::world::{World, title};

const ALL: usize = 1_200;
const TIED: usize = 600;

/// So many failures, half of them stamped with one millisecond.
fn flood(world: &World) {
    let tie = world.clearml.now();
    let seed = |number: usize| {
        let seed = TaskSeed::new(&format!("task {number:04}")).project("sweep/lr").user("Ada");
        let seed = seed.status(&Status::Failed).because("RuntimeError: CUDA out of memory", "");
        if number < TIED { seed.status_changed(tie) } else { seed }
    };
    world.clearml.add_tasks((0..ALL).map(seed));
}

fn assert_all_recorded_and_sent(world: &World, digest: bool) {
    let rows = world.history(&["--limit", "2000"]);
    assert_eq!(rows.len(), ALL);
    assert!(rows.iter().all(|row| row["state"] == "sent" && row["digest"] == digest), "{:?}", rows[0]);
    assert!(rows.iter().all(|row| row["message_ts"].is_string() && row["sent_at"].is_string()));
    let tasks: HashSet<&str> = rows.iter().map(|row| row["task_id"].as_str().unwrap()).collect();
    assert_eq!(tasks.len(), ALL);
}

#[test]
fn each_alert_of_a_flood_is_delivered_once_where_digests_are_off() {
    let world = World::new();
    world.once(&[]);
    flood(&world);
    let ended = world.once(&["--digest-above", "0"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(
        ended.stdout.starts_with("1,200 tasks changed, 1,200 alerts recorded, 0 not alerted; 1,200 sent"),
        "{ended:?}"
    );
    let titles: Vec<String> = world.slack.messages("ml-alerts").iter().map(title).collect();
    let distinct: HashSet<&String> = titles.iter().collect();
    assert_eq!((titles.len(), distinct.len()), (ALL, ALL));
    assert_all_recorded_and_sent(&world, false);
    let again = world.once(&["--digest-above", "0"]);
    assert!(again.stdout.starts_with("0 tasks changed, 0 alerts recorded"), "{again:?}");
    assert_eq!(world.slack.messages("ml-alerts").len(), ALL);
    world.assert_no_violations();
}

#[test]
fn a_flood_is_told_in_a_handful_of_messages() {
    let world = World::new();
    world.once(&[]);
    flood(&world);
    let ended = world.once(&[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let messages = world.slack.messages("ml-alerts");
    assert!((1..=5).contains(&messages.len()), "{}", messages.len());
    let told = messages.iter().map(title).collect::<String>();
    assert!(told.contains("1,200 tasks failed"), "{told}");
    assert_all_recorded_and_sent(&world, true);
    world.assert_no_violations();
}

#[test]
fn digest_above_is_a_border() {
    let world = World::new();
    world.once(&[]);
    let names: Vec<String> = (0..4).map(|number| format!("number {number}")).collect();
    for name in &names {
        world.failed_task(name);
    }
    assert_eq!(world.once(&["--digest_above", "4"]).code, 0);
    world.assert_alerts(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for name in &names {
        world.failed_task(name);
    }
    assert_eq!(world.once(&["--digest-above=3"]).code, 0);
    let messages = world.slack.messages("ml-alerts");
    assert_eq!(messages.len(), 5);
    assert!(title(&messages[4]).contains("4 tasks failed"), "{}", title(&messages[4]));
}
