//! Killed from outside while a request is under way.

use clearml_alerts::sandbox::{Fault, FaultRule};

use crate::verdict::{Scope, assert_each_alerted_once, deliver_the_rest};
use crate::world::World;

/// The sandbox posts (or not) and never answers; the process is killed meanwhile.
fn killed_during(fault: Fault, scope: Scope, is_posted: bool) -> usize {
    let world = scope.world();
    assert_eq!(world.once(&[]).code, 0);
    world.slack.faults().push(FaultRule::next(fault).on("chat.postMessage"));
    let names = ["resnet50".to_owned(), "bert base".to_owned()];
    names.iter().for_each(|name| drop(world.failed_task(name)));
    let service = world.start(&[]);
    wait_for_post(&world);
    let state = world.history(&[]);
    assert!(state.iter().any(|row| row["state"] == "sending"), "{state:?}");
    service.kill();
    assert_eq!(world.slack.all_messages().len(), usize::from(is_posted));
    deliver_the_rest(&world, &[]);
    assert_each_alerted_once(&world, &names, scope)
}

fn wait_for_post(world: &World) {
    crate::world::wait_until("a post", || world.slack.requests().count("chat.postMessage") == 1);
}

#[test]
fn request_sent_and_answer_not_read() {
    assert_eq!(killed_during(Fault::apply_then_hang(), Scope::History, true), 0);
    assert_eq!(killed_during(Fault::hang(), Scope::History, false), 0);
}

#[test]
fn without_the_history_scope_a_lost_answer_may_double_and_is_marked() {
    assert_eq!(killed_during(Fault::apply_then_hang(), Scope::NoHistory, true), 1);
    assert_eq!(killed_during(Fault::hang(), Scope::NoHistory, false), 0);
}

#[test]
fn half_an_answer() {
    assert_eq!(killed_during(Fault::hang_in_body(), Scope::History, true), 0);
}

#[test]
fn an_attempt_whose_outcome_cannot_be_recorded_is_not_made_again() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    world.failed_task("resnet50");
    // The disk is full, as far as this table is concerned: the post goes through, its outcome cannot be written.
    world.sql("CREATE TRIGGER full BEFORE UPDATE OF class ON attempts BEGIN SELECT RAISE(ABORT, 'full'); END");
    let failed = world.once(&[]);
    assert_eq!(failed.code, 6, "{failed:?}");
    assert_eq!(world.slack.all_messages().len(), 1);
    world.sql("DROP TRIGGER full");
    deliver_the_rest(&world, &[]);
    assert_each_alerted_once(&world, &["resnet50".to_owned()], Scope::History);
}
