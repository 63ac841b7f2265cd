//! Dead letters: listed, shown, tried again, dropped; and clear words for what is none.

use clearml_alerts::domain::AlertState;
use clearml_alerts::domain::delivery::{Answer, Reconciled, Step};
use clearml_alerts::store::{DeliveryKind, Method, NewDelivery, Retried, Store, StoreError, Which};

use crate::support::{CHANNEL, Place, Short, at, message, sent, wait};

fn dead(store: &Store, alerts: &[i64]) -> i64 {
    let delivery = store.post(alerts);
    store.send(delivery, Answer::PayloadRefused, Step::Dead).unwrap();
    delivery
}

fn kept(store: &Store, alerts: &[i64]) -> i64 {
    let delivery = store.post(alerts);
    store.send(delivery, Answer::Ambiguous, Step::Reconcile { due: at(0) }).unwrap();
    wait(store.finish_look(store.delivery(delivery), false, Reconciled::Keep { due: at(90_000) }, at(41_000))).unwrap();
    delivery
}

fn letters(store: &Store) -> Vec<(i64, AlertState)> {
    wait(store.dead_letters()).unwrap().into_iter().map(|letter| (letter.id, letter.state)).collect()
}

#[test]
fn the_list_holds_the_dead_and_the_kept_and_nothing_else() {
    let place = Place::new();
    let store = place.own();
    let alerts = store.fail(5);
    kept(&store, &alerts[0..1]);
    dead(&store, &alerts[1..3]);
    let looked_for = store.post(&alerts[3..4]);
    store.send(looked_for, Answer::Ambiguous, Step::Reconcile { due: at(0) }).unwrap();
    assert_eq!(letters(&store), [(1, AlertState::Unknown), (2, AlertState::Dead), (3, AlertState::Dead)]);
    let letter = &wait(store.dead_letters()).unwrap()[1];
    assert_eq!((letter.attempts, letter.reason.as_deref(), letter.channel.as_str()), (1, Some("because"), CHANNEL));
    assert_eq!(letter.task_name, "train t1");
    store.check();
}

#[test]
fn a_letter_is_shown_with_its_bytes_and_its_tries() {
    let place = Place::new();
    let store = place.own();
    let alerts = store.fail(3);
    let delivery = dead(&store, &alerts[..2]);
    let shown = wait(store.dead_letter(alerts[0])).unwrap();
    assert_eq!((shown.delivery, shown.alerts_in_message, shown.form.as_str()), (delivery, 2, "full"));
    assert_eq!(shown.payload, "{\"text\":\"alerts [1, 2]\"}");
    assert_eq!(shown.tries.len(), 1);
    let json = serde_json::to_value(&shown).unwrap();
    assert_eq!((&json["id"], &json["state"], &json["status"]), (&1.into(), &"dead".into(), &"failed".into()));
    assert_eq!(json["tries"][0]["class"], "payload_refused");
}

#[test]
fn a_dead_one_is_composed_anew_and_keeps_its_tries() {
    let place = Place::new();
    let store = place.own();
    let alerts = store.fail(2);
    dead(&store, &alerts);
    let retried = wait(store.retry_dead(Which::These(vec![1, 1]), at(1))).unwrap();
    assert_eq!(retried, Retried { composed_anew: 1, ..Retried::default() });
    store.check();
    assert_eq!(store.states(), [AlertState::Pending, AlertState::Dead], "its neighbour in the digest stays dead");
    assert_eq!(wait(store.alerts_to_compose(CHANNEL, 9)).unwrap().len(), 1);
    let delivery = store.post(&[1]);
    let (answer, step) = sent("1.2");
    store.send(delivery, answer, step).unwrap();
    assert_eq!(store.alert(1).attempts, 2, "the tries of the first message count");
    let classes: Vec<_> = wait(store.attempts_of(1)).unwrap().into_iter().filter_map(|attempt| attempt.class).collect();
    assert_eq!(classes, ["payload_refused", "sent"]);
    assert_eq!(letters(&store), [(2, AlertState::Dead)]);
}

#[test]
fn of_a_kept_one_the_same_message_is_sent_again() {
    let place = Place::new();
    let store = place.own();
    let alerts = store.fail(2);
    let delivery = kept(&store, &alerts);
    let retried = wait(store.retry_dead(Which::These(alerts.clone()), at(1))).unwrap();
    assert_eq!(retried, Retried { sent_again: 2, ..Retried::default() });
    store.check();
    let next = wait(store.next_delivery(CHANNEL, true)).unwrap().unwrap();
    assert_eq!((next.id, next.payload.as_str(), next.due_at), (delivery, "{\"text\":\"alerts [1, 2]\"}", at(0)));
    let (answer, step) = sent("1.2");
    store.send(delivery, answer, step).unwrap();
    assert!(store.alert(1).reason.unwrap().contains("possible duplicate"));
    assert!(letters(&store).is_empty());
}

/// What it edits may be gone; sent as a message of its own it tells all the same.
#[test]
fn a_kept_edit_is_sent_again_as_a_message_of_its_own() {
    let place = Place::new();
    let store = place.own();
    let alerts = store.fail(3);
    let digest = store.post(&alerts[..2]);
    let (answer, step) = sent("1.2");
    store.send(digest, answer, step).unwrap();
    let edit = NewDelivery {
        method: Method::Update,
        edits: Some(digest),
        payload: "{\"channel\":\"C1\",\"ts\":\"1.2\",\"text\":\"three failed\"}".to_owned(),
        ..message(DeliveryKind::Digest, &alerts[2..])
    };
    let edit = wait(store.enqueue(vec![edit], at(1))).unwrap()[0];
    store.send(edit, Answer::Ambiguous, Step::Reconcile { due: at(0) }).unwrap();
    let keep = Reconciled::Keep { due: at(90_000) };
    wait(store.finish_look(store.delivery(edit), false, keep, at(41_000))).unwrap();
    wait(store.retry_dead(Which::All, at(1))).unwrap();
    let next = wait(store.next_delivery(CHANNEL, false)).unwrap().unwrap();
    assert_eq!((next.id, next.method, next.edits), (edit, Method::Post, None));
    assert!(next.payload.contains("three failed") && !next.payload.contains("\"ts\""), "{}", next.payload);
    store.check();
}

#[test]
fn a_kept_one_that_can_be_looked_for_after_all_is_kept_no_more() {
    let place = Place::new();
    let store = place.own();
    let delivery = kept(&store, &store.fail(1));
    let look = |absent| {
        let again = Reconciled::LookAgain { due: at(50_000) };
        wait(store.finish_look(store.delivery(delivery), absent, again, at(1))).unwrap();
        letters(&store).len()
    };
    assert_eq!(look(false), 1, "a look that failed says nothing");
    assert_eq!(look(true), 0);
}

#[test]
fn held_ones_are_tried_at_once() {
    let place = Place::new();
    let store = place.own();
    let delivery = store.post(&store.fail(2)[..1]);
    store.send(delivery, Answer::OperatorMustAct, Step::Park { due: at(90_000) }).unwrap();
    let retried = wait(store.retry_dead(Which::All, at(40_000))).unwrap();
    assert_eq!(retried, Retried { due_now: 2, ..Retried::default() });
    assert_eq!(wait(store.channel(CHANNEL)).unwrap().retry_at, Some(at(40_000)));
    assert_eq!(wait(store.next_delivery(CHANNEL, false)).unwrap().unwrap().due_at, at(0));
    assert_eq!(store.states(), [AlertState::Held; 2], "held until the channel works");
    store.check();
}

#[test]
fn retried_into_a_parked_channel_they_are_held() {
    let place = Place::new();
    let store = place.own();
    let alerts = store.fail(2);
    dead(&store, &alerts[..1]);
    kept(&store, &alerts[1..]);
    wait(store.park_channel(CHANNEL, "why", at(1), at(2))).unwrap();
    let retried = wait(store.retry_dead(Which::All, at(1))).unwrap();
    assert_eq!(retried, Retried { composed_anew: 1, sent_again: 1, due_now: 0 });
    assert_eq!(store.states(), [AlertState::Held; 2]);
    store.check();
}

#[test]
fn a_dropped_one_is_gone_from_the_list_and_can_be_brought_back() {
    let place = Place::new();
    let store = place.own();
    let alerts = store.fail(3);
    dead(&store, &alerts[..1]);
    let delivery = kept(&store, &alerts[1..]);
    assert_eq!(wait(store.drop_dead(1, "known", at(7_000))).unwrap(), 1);
    assert_eq!(wait(store.drop_dead(2, "seen in the channel", at(7_001))).unwrap(), 2, "all that its message tells");
    store.check();
    assert!(letters(&store).is_empty());
    assert_eq!(store.states(), [AlertState::Dead; 3]);
    assert_eq!(store.alert(3).reason.as_deref(), Some("dropped: seen in the channel"));
    assert_eq!(wait(store.queue_counts()).unwrap().dead, 0);
    assert_eq!(wait(store.retry_dead(Which::All, at(1))).unwrap(), Retried::default());
    wait(store.finish_look(store.delivery(delivery), true, Reconciled::Resend { possible_duplicate: true }, at(1)))
        .unwrap();
    assert_eq!(store.states(), [AlertState::Dead; 3], "a look that was under way does not bring it back");
    assert_eq!(wait(store.dead_letter(1)).unwrap().letter.reason.as_deref(), Some("dropped: known"));
    let error = wait(store.drop_dead(1, "again", at(1))).unwrap_err().to_string();
    assert!(error.contains("dropped already") && error.contains("dead retry 1"), "{error}");
    assert_eq!(wait(store.retry_dead(Which::These(vec![1]), at(1))).unwrap().composed_anew, 1);
    assert_eq!(store.states()[0], AlertState::Pending);
    assert_eq!(store.sql::<Option<i64>>("SELECT dropped_at FROM alerts WHERE id = 1"), None);
    store.check();
}

#[test]
fn what_is_no_dead_letter_is_named_for_what_it_is() {
    let place = Place::new();
    let store = place.own();
    let alerts = store.fail(4);
    let deliveries: Vec<i64> = alerts[..2].iter().map(|alert| store.post(&[*alert])).collect();
    let (answer, step) = sent("1.2");
    store.send(deliveries[0], answer, step).unwrap();
    store.send(deliveries[1], Answer::Ambiguous, Step::Reconcile { due: at(0) }).unwrap();
    dead(&store, &alerts[3..]);
    let says = |alert: i64, words: &[&str]| {
        let errors = [
            wait(store.retry_dead(Which::These(vec![4, alert]), at(1))).unwrap_err(),
            wait(store.drop_dead(alert, "why", at(1))).unwrap_err(),
            wait(store.dead_letter(alert)).unwrap_err(),
        ];
        for error in errors {
            let text = error.to_string();
            assert!(matches!(error, StoreError::NotDead { .. } | StoreError::NoAlert { .. }), "{text}");
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        }
        assert_eq!(store.states()[3], AlertState::Dead, "one wrong number changes none");
    };
    says(1, &["alert 1 is sent", "in Slack since 1970-01-01T00:00:31.000Z"]);
    says(2, &["alert 2 is unknown", "Slack is being asked"]);
    says(3, &["alert 3 is pending"]);
    says(99, &["no alert 99", "history"]);
}
