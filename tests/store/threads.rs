//! First messages that are followed and kept current.

use clearml_alerts::domain::delivery::{Answer, DeliveryState, Receipt, Step};
use clearml_alerts::domain::rule::Timing;
use clearml_alerts::domain::{Destination, Rule, Status, Task, TaskState};
use clearml_alerts::store::{Delivery, DeliveryKind, Method, NewDelivery, Store, Thread, Watching};

use crate::support::{CHANNEL, Place, Short, at, message, page_of, rule, sent, task, wait};

fn state(run: u32, status: Status, since: i64) -> TaskState {
    TaskState { run, status, since: at(since), stuck: false }
}

fn following() -> Rule {
    Rule { timing: Timing { thread: true, ..Timing::default() }, ..rule() }
}

fn see(store: &Store, status: &str, changed: i64) -> Option<i64> {
    let task = Task { started: Some(at(changed)), ..task("t", status, changed) };
    let recorded = store.record(page_of(&[task], vec![following()], Watching::Outcomes)).unwrap();
    recorded.alerts.first().map(|alert| alert.id)
}

/// The first message about a task that failed, in the outbox.
fn begun(store: &Store) -> i64 {
    let alert = see(store, "failed", 1_000).unwrap();
    let told = state(1, Status::Failed, 1_000);
    let thread = Some(Thread::Begins { rule: rule().name, task_id: "t".to_owned(), told });
    let first = NewDelivery { thread, ..message(DeliveryKind::Alert, &[alert]) };
    wait(store.enqueue(vec![first], at(2_000))).unwrap()[0]
}

fn is_sent(store: &Store, delivery: i64) {
    let (answer, step) = sent("1.000001");
    store.send(delivery, answer, step).unwrap();
}

fn edit(first: i64) -> NewDelivery {
    let update = NewDelivery { method: Method::Update, edits: Some(first), ..message(DeliveryKind::Edit, &[]) };
    NewDelivery { key: "edit".to_owned(), ..update }
}

fn first(store: &Store) -> Option<i64> {
    wait(store.first_message(&rule().name, "t")).unwrap().map(|first| first.delivery)
}

#[test]
fn changes_are_one_edit_and_no_second_one_is_due_while_that_waits() {
    let place = Place::new();
    let store = place.own();
    let delivery = begun(&store);
    see(&store, "queued", 2_000);
    assert_eq!(wait(store.state_to_show(CHANNEL)).unwrap(), None, "it is not shown yet");
    is_sent(&store, delivery);
    see(&store, "in_progress", 3_000);
    let due = wait(store.state_to_show(CHANNEL)).unwrap().unwrap();
    assert_eq!((due.delivery, &due.wanted), (delivery, &state(2, Status::InProgress, 3_000)), "the newest alone");
    assert_eq!(wait(store.channels_with_work()).unwrap(), [CHANNEL]);
    let id = wait(store.enqueue_edit(edit(delivery), due.wanted, at(4_000))).unwrap();
    see(&store, "completed", 5_000);
    assert_eq!(wait(store.state_to_show(CHANNEL)).unwrap(), None, "one edit at a time");
    is_sent(&store, id);
    assert_eq!(wait(store.state_to_show(CHANNEL)).unwrap().unwrap().wanted, state(2, Status::Completed, 5_000));
    let told: i64 = store.sql("SELECT count(*) FROM alerts WHERE state <> 'suppressed'");
    assert_eq!(told, 1, "an edit is no alert");
    store.check();
}

#[test]
fn what_happened_before_the_first_message_was_made_is_shown_at_once() {
    let place = Place::new();
    let store = place.own();
    let alert = see(&store, "failed", 1_000).unwrap();
    see(&store, "queued", 2_000);
    let told = state(1, Status::Failed, 1_000);
    let thread = Some(Thread::Begins { rule: rule().name, task_id: "t".to_owned(), told });
    let first = NewDelivery { thread, ..message(DeliveryKind::Alert, &[alert]) };
    is_sent(&store, wait(store.enqueue(vec![first], at(2_000))).unwrap()[0]);
    assert_eq!(wait(store.state_to_show(CHANNEL)).unwrap().unwrap().wanted.status, Status::Queued);
}

#[test]
fn an_edit_waits_behind_every_alert() {
    let place = Place::new();
    let store = place.own();
    let delivery = begun(&store);
    is_sent(&store, delivery);
    see(&store, "queued", 2_000);
    let edit = wait(store.enqueue_edit(edit(delivery), state(2, Status::Queued, 2_000), at(3_000))).unwrap();
    let later = store.fail(1);
    let alert = store.post(&later);
    let next = || wait(store.next_delivery(CHANNEL, false)).unwrap().unwrap();
    assert_eq!(next().id, alert);
    is_sent(&store, alert);
    assert_eq!((next().id, next().kind, next().edits), (edit, DeliveryKind::Edit, Some(delivery)));
}

/// Ends the newest delivery so.
fn ends(store: &Store, delivery: i64, step: Step) {
    let found: Delivery = wait(store.next_delivery(CHANNEL, false)).unwrap().unwrap();
    assert_eq!(found.id, delivery);
    let attempt = clearml_alerts::store::Attempt { delivery, payload_sha256: "00".to_owned(), payload_bytes: 2 };
    let attempt = wait(store.begin_attempt(attempt, at(1), at(1))).unwrap();
    let answer = Answer::PayloadRefused;
    let result = clearml_alerts::store::AttemptResult {
        attempt,
        answer,
        http_status: Some(200),
        error: Some("message_not_found".to_owned()),
        detail: None,
        took_ms: 1,
    };
    wait(store.finish_attempt(found, result, step, None, None, at(2))).unwrap();
}

#[test]
fn a_message_that_is_gone_is_followed_no_more_and_nothing_is_lost() {
    let place = Place::new();
    let store = place.own();
    let delivery = begun(&store);
    is_sent(&store, delivery);
    let again = see(&store, "failed", 3_000).unwrap();
    let reply = NewDelivery { thread: Some(Thread::Follows(delivery)), ..message(DeliveryKind::Alert, &[again]) };
    let reply = wait(store.enqueue(vec![reply], at(3_000))).unwrap()[0];
    ends(&store, reply, Step::Recompose);
    assert_eq!(first(&store), None);
    let freed = wait(store.alerts_to_compose(CHANNEL, 8)).unwrap();
    assert_eq!(freed.iter().map(|alert| alert.id).collect::<Vec<_>>(), [again]);
    store.check();
}

#[test]
fn an_edit_that_is_given_up_leaves_its_message_and_one_refused_as_gone_does_not() {
    for (step, is_left) in [(Step::GiveUp, true), (Step::Recompose, false)] {
        let place = Place::new();
        let store = place.own();
        let delivery = begun(&store);
        is_sent(&store, delivery);
        see(&store, "queued", 2_000);
        let id = wait(store.enqueue_edit(edit(delivery), state(2, Status::Queued, 2_000), at(3_000))).unwrap();
        ends(&store, id, step);
        assert_eq!(first(&store).is_some(), is_left);
        assert_eq!(wait(store.state_to_show(CHANNEL)).unwrap(), None);
        assert!(wait(store.channels_with_work()).unwrap().is_empty());
        assert!(wait(store.dead_letters()).unwrap().is_empty(), "no alert was lost");
    }
}

#[test]
fn a_dead_first_message_is_none() {
    let place = Place::new();
    let store = place.own();
    let delivery = begun(&store);
    ends(&store, delivery, Step::Dead);
    assert_eq!(first(&store), None);
}

#[test]
fn a_rule_that_tells_elsewhere_now_follows_nothing_there() {
    let place = Place::new();
    let store = place.own();
    is_sent(&store, begun(&store));
    see(&store, "queued", 2_000);
    let here = Destination::Channel(CHANNEL.to_owned());
    wait(store.retarget(&rule().name, &here)).unwrap();
    assert!(first(&store).is_some());
    wait(store.retarget("another", &Destination::Channel("#b".to_owned()))).unwrap();
    assert!(first(&store).is_some());
    wait(store.retarget(&rule().name, &Destination::Channel("#b".to_owned()))).unwrap();
    assert_eq!(first(&store), None);
    assert!(wait(store.channels_with_work()).unwrap().is_empty(), "nothing keeps the old channel busy");
}

#[test]
fn a_first_message_in_an_owners_conversation_stays_where_the_rule_tells_owners() {
    let place = Place::new();
    let store = place.own();
    let delivery = begun(&store);
    let receipt = Receipt { ts: Some("1.5".to_owned()), conversation: Some("D1".to_owned()) };
    store.send(delivery, Answer::Sent(receipt.clone()), Step::Sent(receipt)).unwrap();
    store.execute("UPDATE threads SET channel = 'owner:u1'");
    wait(store.retarget(&rule().name, &Destination::Owner { fallback: "#all".to_owned() })).unwrap();
    assert_eq!(first(&store), Some(delivery));
    let found = wait(store.first_message(&rule().name, "t")).unwrap().unwrap();
    assert_eq!((found.state, found.ts.as_deref()), (DeliveryState::Sent, Some("1.5")));
}
