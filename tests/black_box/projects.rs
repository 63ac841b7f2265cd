//! `--project`: a regular expression that the server matches against full names.

use crate::cast::{self, as_flags, assert_sent, look_back, reason};
use crate::world::{World, wait_until};
use clearml_alerts::domain::Status;
use clearml_alerts::sandbox::{Fault, FaultRule, TaskSeed};

#[test]
fn a_pattern_in_every_spelling() {
    let world = World::new();
    cast::assemble(&world);
    for line in cast::spellings("project", "^nlp/b.rt$") {
        let flags = as_flags(&line);
        let rows = look_back(&world, &flags);
        assert_sent(&rows, &["of bert"], &flags);
        assert_eq!(reason(&rows, "plain"), "project: `vision/resnet` does not match `^nlp/b.rt$`");
        assert_eq!(reason(&rows, "homeless"), "project: `none` does not match `^nlp/b.rt$`");
    }
    for (pattern, expected) in
        [("resnet", &["plain", "short"][..]), ("vision|nlp", &["plain", "short", "of bert"]), ("", &cast::USUAL)]
    {
        let flags = ["--project", pattern];
        assert_sent(&look_back(&world, &flags), expected, &flags);
    }
}

fn failed(world: &World, name: &str, project: &str) {
    world.clearml.add_task(TaskSeed::new(name).project(project).status(&Status::Failed));
}

#[test]
fn a_new_project_joins_at_once_and_others_stay_out() {
    let world = World::new();
    failed(&world, "before", "vision/resnet");
    let service = world.start(&["--project", "^vision/"]);
    world.wait_for_polls(2);
    failed(&world, "not ours", "speech/whisper");
    failed(&world, "in a new project", "vision/vit");
    world.wait_for_messages(1);
    let look_ups = world.clearml.requests().count("projects.get_all");
    world.wait_for_polls(3);
    let news = world.clearml.requests().count("projects.get_all") - look_ups;
    assert_eq!(news, 0, "a project that was looked up once is not looked up with every poll");
    assert_eq!(service.stop().code, 0);
    world.assert_alerts(&["in a new project"]);
}

#[test]
fn a_pattern_that_matches_nothing_later_never_widens() {
    let world = World::new();
    failed(&world, "before", "vision");
    let service = world.start(&["--project", "^vision$"]);
    world.wait_for_polls(2);
    world.clearml.rename_project("vision", "old/vision");
    failed(&world, "in the renamed project", "old/vision");
    failed(&world, "elsewhere", "speech");
    wait_until("both decided", || world.history(&["--state", "suppressed"]).len() == 2);
    assert_eq!(service.stop().code, 0);
    let again = world.once(&["--project", "^vision$"]);
    assert_eq!(again.code, 2, "{again:?}");
    world.assert_alerts(&[]);
}

#[test]
fn a_project_list_that_cannot_be_had_moves_nothing() {
    let world = World::new();
    failed(&world, "before", "vision/resnet");
    let service = world.start(&["--project", "^vision/"]);
    world.wait_for_polls(2);
    world.clearml.faults().push(FaultRule::next(Fault::clearml_error(500, 0, "oops")).on("projects.get_all").forever());
    failed(&world, "in a new project", "vision/vit");
    service.wait_for_log("the poll failed and moved nothing");
    assert_eq!(world.history(&[]).len(), 0);
    world.clearml.faults().clear();
    world.wait_for_messages(1);
    assert_eq!(service.stop().code, 0);
    world.assert_alerts(&["in a new project"]);
}

#[test]
fn a_pattern_that_matches_nothing_or_is_none_is_refused() {
    let world = World::new();
    failed(&world, "before", "vision/resnet");
    for (pattern, told) in [("vison", "matches no project"), ("vision(", "is not a regular expression")] {
        let ended = world.once(&["--project", pattern]);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.stderr.contains(&format!("--project `{pattern}` {told}")), "{ended:?}");
        assert!(!world.database().exists());
    }
    world.assert_alerts(&[]);
}
