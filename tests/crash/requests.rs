//! Killed from outside while a request is under way.

use std::time::Duration;

use clearml_alerts::sandbox::{Fault, FaultRule};

use crate::verdict::{Scope, assert_each_alerted_once, deliver_the_rest};
use crate::world::World;
use crate::world::wait_until;

/// The sandbox posts (or not) and never answers; the process is killed meanwhile.
fn killed_during(fault: Fault, scope: Scope, is_posted: bool) -> usize {
    let world = scope.world();
    assert_eq!(world.once(&[]).code, 0);
    world.slack.faults().push(FaultRule::next(fault).on("chat.postMessage"));
    let names = ["resnet50".to_owned(), "bert base".to_owned()];
    for name in &names {
        world.failed_task(name);
    }
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
fn an_outcome_that_could_not_be_recorded_at_once_is_recorded_later() {
    // Nobody may look in Slack, so what the answer said is all there is.
    let world = Scope::NoHistory.world();
    assert_eq!(world.once(&[]).code, 0);
    world.slack.faults().push(FaultRule::next(Fault::slow(Duration::from_millis(500))).on("chat.postMessage"));
    let service = world.start(&[]);
    world.failed_task("resnet50");
    // Another writer takes the database while Slack's answer is on its way, and keeps it longer than is waited for.
    wait_until("the attempt", || world.history(&[]).iter().any(|row| row["state"] == "sending"));
    let other = rusqlite::Connection::open(world.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    service.wait_for_log("delivery is interrupted");
    other.execute_batch("ROLLBACK").unwrap();
    // News wakes the delivery before its patience ends.
    world.failed_task("bert base");
    world.wait_for_messages(2);
    world.wait_for_state("bert base", "sent");
    assert_eq!(service.stop().code, 0);
    let names = ["resnet50".to_owned(), "bert base".to_owned()];
    assert_eq!(assert_each_alerted_once(&world, &names, Scope::NoHistory), 0);
    assert!(world.history(&[]).iter().all(|row| row["reason"].is_null() && row["attempts"] == 1));
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
