//! Which tasks are alerted: every filter of the original, in every spelling, and ours.

use crate::cast::{self, USUAL, as_flags, assert_sent, look_back, reason};
use crate::world::{World, title};

#[test]
fn by_default_failed_tasks_of_everyone_run_by_agents_and_not_archived() {
    let world = World::new();
    cast::assemble(&world);
    let rows = look_back(&world, &[]);
    assert_eq!(rows.len(), 9);
    assert_sent(&rows, &USUAL, &[]);
    assert_eq!(reason(&rows, "by hand"), "manual: started by hand (system tag `development`)");
    assert_eq!(reason(&rows, "archived"), "archived: archived (system tag `archived`)");
    assert_eq!(reason(&rows, "completed"), "status: completed, watched: failed");
    assert_eq!(reason(&rows, "aborted"), "status: stopped, watched: failed");
}

fn assert_switch(flag: &str, adds: &[&str]) {
    let world = World::new();
    cast::assemble(&world);
    let with = [&USUAL, adds].concat();
    let (on, off) = cast::switch(flag);
    for (lines, expected) in [(on, with.as_slice()), (off, USUAL.as_slice())] {
        for line in lines {
            let flags = as_flags(&line);
            assert_sent(&look_back(&world, &flags), expected, &flags);
        }
    }
}

#[test]
fn include_manual_experiments() {
    assert_switch("include-manual-experiments", &["by hand"]);
}

#[test]
fn include_archived() {
    assert_switch("include-archived", &["archived"]);
}

#[test]
fn include_completed_experiments() {
    assert_switch("include-completed-experiments", &["completed", "published"]);
}

#[test]
fn include_aborted_experiments() {
    assert_switch("include-aborted-experiments", &["aborted"]);
}

#[test]
fn everything_included_is_everything() {
    let world = World::new();
    cast::assemble(&world);
    let flags = ["--include_manual_experiments", "--include_archived", "--include_completed_experiments"];
    let flags = [&flags[..], &["--include_aborted_experiments"]].concat();
    let rows = look_back(&world, &flags);
    assert!(rows.len() == 9 && rows.iter().all(|row| row["state"] == "sent"), "{rows:?}");
}

#[test]
fn min_num_iterations() {
    let world = World::new();
    cast::assemble(&world);
    for line in cast::spellings("min-num-iterations", "3") {
        let flags = as_flags(&line);
        let rows = look_back(&world, &flags);
        assert_sent(&rows, &["plain", "of bert", "homeless"], &flags);
        assert_eq!(reason(&rows, "short"), "iterations: 2 of at least 3");
    }
    let at_the_limit = ["--min-num-iterations", "2"];
    assert_sent(&look_back(&world, &at_the_limit), &USUAL, &at_the_limit);
}

#[test]
fn published_after_completed_is_one_alert_wherever_the_polls_fall() {
    let world = World::new();
    let once = || assert_eq!(world.once(&["--include-completed-experiments"]).code, 0);
    once();
    let watched = world.running_task("watched closely");
    let between = world.running_task("published between two polls");
    world.clearml.complete(&watched).unwrap();
    world.clearml.complete(&between).unwrap();
    world.clearml.publish(&between).unwrap();
    once();
    world.clearml.publish(&watched).unwrap();
    once();
    let mut titles: Vec<String> = world.slack.all_messages().iter().map(title).collect();
    titles.sort();
    assert_eq!(titles, ["Task completed: published between two polls", "Task completed: watched closely"]);
}

#[test]
fn whether_a_task_is_archived_is_asked_when_its_alert_is_decided() {
    let world = World::new();
    world.once(&[]);
    let archived = world.failed_task("archived before the poll");
    world.clearml.archive(&archived).unwrap();
    world.once(&[]);
    world.assert_alerts(&[]);
    let late = world.failed_task("archived after the poll");
    world.once(&[]);
    world.clearml.archive(&late).unwrap();
    world.clearml.unarchive(&archived).unwrap();
    world.once(&[]);
    world.assert_alerts(&["archived after the poll"]);
    let rows = world.history(&["--task", "archived before"]);
    assert_eq!(rows[0]["reason"], "archived: archived (system tag `archived`)");
}

#[test]
fn a_hidden_task_is_not_seen_and_a_task_of_a_hidden_project_is() {
    let world = World::new();
    world.clearml.add_project("vision/.pipelines", true);
    world.clearml.add_project("vision/resnet", false);
    let failed = |name: &str| {
        let seed = clearml_alerts::sandbox::TaskSeed::new(name).project("vision/.pipelines");
        seed.status(&clearml_alerts::domain::Status::Failed)
    };
    world.clearml.add_tasks([failed("hidden").hidden(), failed("step of a pipeline")]);
    assert_sent(&look_back(&world, &[]), &["step of a pipeline"], &[]);
    // A pattern is resolved among the projects that are not hidden, as in the original.
    let flags = ["--project", "vision"];
    let rows = look_back(&world, &flags);
    assert_sent(&rows, &[], &flags);
    assert_eq!(reason(&rows, "step of a pipeline"), "project: `vision/.pipelines` does not match `vision`");
}
