//! Channels: remembered, parked until a person has acted, and changed under the messages that wait for them.

use clearml_alerts::domain::delivery::{Answer, Reconciled, Step};
use clearml_alerts::domain::{AlertState, Destination, Rule};
use clearml_alerts::store::{ChannelRecord, DeliveryKind, NewDelivery, Watching};

use crate::support::{CHANNEL, Place, Short, at, message, page_of, rule, rule_to, sent, task, wait};

#[test]
fn a_channel_is_found_once() {
    let place = Place::new();
    wait(place.own().remember_channel(CHANNEL, "C1")).unwrap();
    let store = place.own();
    assert_eq!(wait(store.channel(CHANNEL)).unwrap().channel_id.as_deref(), Some("C1"));
    assert_eq!(wait(store.channel("#other")).unwrap(), ChannelRecord::default());
}

#[test]
fn everything_for_a_parked_channel_is_held_and_drains_by_itself() {
    let place = Place::new();
    let store = place.own();
    let alerts = store.fail(3);
    let deliveries: Vec<i64> = alerts[..2].iter().map(|alert| store.post(&[*alert])).collect();
    let park = Step::Park { due: at(90_000) };
    store.send(deliveries[0], Answer::OperatorMustAct, park).unwrap();
    store.check();
    assert_eq!(store.states(), [AlertState::Held; 3], "composed or not");
    let record = wait(store.channel(CHANNEL)).unwrap();
    assert_eq!((record.parked_at, record.retry_at), (Some(at(31_000)), Some(at(90_000))));
    assert_eq!(record.parked_reason.as_deref(), Some("because"));
    store.fail(1);
    store.check();
    assert_eq!(store.states()[3], AlertState::Held, "what is recorded meanwhile is held, too");
    assert_eq!(store.alert(4).reason.as_deref(), Some("because"));

    drop(store);
    let store = place.own();
    let composed = store.post(&alerts[2..]);
    store.check();
    assert_eq!(store.states()[2], AlertState::Held, "composed while parked");
    let (answer, step) = sent("1.2");
    store.send(deliveries[0], answer, step).unwrap();
    store.check();
    let expected = [AlertState::Sent, AlertState::Pending, AlertState::Pending, AlertState::Pending];
    assert_eq!(store.states(), expected, "one that got through frees the others");
    assert_eq!(wait(store.channel(CHANNEL)).unwrap().parked_at, None);
    assert_eq!(store.alert(composed).reason, None);
}

#[test]
fn parking_again_is_news_only_for_another_reason_and_keeps_its_beginning() {
    let place = Place::new();
    let store = place.own();
    store.post(&store.fail(2)[..1]);
    let park = |reason: &str, now| wait(store.park_channel(CHANNEL, reason, at(now), at(now + 60))).unwrap();
    assert!(park("token_revoked", 1_000));
    assert!(!park("token_revoked", 2_000));
    assert!(park("is_archived", 3_000));
    let record = wait(store.channel(CHANNEL)).unwrap();
    assert_eq!((record.parked_at, record.retry_at), (Some(at(1_000)), Some(at(3_060))));
    let reasons = "SELECT reason FROM alerts UNION ALL SELECT reason FROM deliveries";
    assert_eq!(store.texts(reasons), ["is_archived"; 3]);
    assert_eq!(wait(store.unpark_channel(CHANNEL)).unwrap(), 2);
    assert_eq!(wait(store.unpark_channel(CHANNEL)).unwrap(), 0);
    store.check();
}

#[test]
fn other_channels_go_on() {
    let place = Place::new();
    let store = place.own();
    let other = rule_to("other", "#other");
    store.record(page_of(&[task("a", "failed", 1_000)], vec![rule(), other], Watching::Outcomes)).unwrap();
    wait(store.park_channel(CHANNEL, "why", at(1), at(2))).unwrap();
    assert_eq!(store.states(), [AlertState::Held, AlertState::Pending]);
    let elsewhere = NewDelivery { channel: "#other".to_owned(), ..message(DeliveryKind::Alert, &[2]) };
    let elsewhere = wait(store.enqueue(vec![elsewhere], at(1))).unwrap()[0];
    let (answer, step) = sent("1.2");
    store.send(elsewhere, answer, step).unwrap();
    assert_eq!(store.states(), [AlertState::Held, AlertState::Sent], "what #other can do says nothing about the first");
}

/// What is unknown stays so: it is looked for, parked or not. What comes of that must not slip past the parking.
#[test]
fn a_lost_answer_in_a_parked_channel() {
    let place = Place::new();
    let store = place.own();
    let delivery = store.post(&store.fail(1));
    store.send(delivery, Answer::Ambiguous, Step::Reconcile { due: at(0) }).unwrap();
    wait(store.park_channel(CHANNEL, "why", at(1), at(2))).unwrap();
    assert_eq!(store.states(), [AlertState::Unknown]);
    wait(store.finish_look(store.delivery(delivery), true, Reconciled::Resend { possible_duplicate: false }, at(3)))
        .unwrap();
    store.check();
    assert_eq!(store.states(), [AlertState::Held]);
    store.send(delivery, Answer::Ambiguous, Step::Reconcile { due: at(0) }).unwrap();
    wait(store.finish_look(store.delivery(delivery), false, Reconciled::Sent { ts: "1".to_owned() }, at(3))).unwrap();
    assert!(wait(store.channel(CHANNEL)).unwrap().parked_at.is_some(), "found is not posted");
}

#[test]
fn pauses_last_as_long_as_slack_asked_and_never_shrink() {
    let place = Place::new();
    {
        let store = place.own();
        let deliveries: Vec<i64> = store.fail(2).into_iter().map(|alert| store.post(&[alert])).collect();
        for (delivery, due) in deliveries.into_iter().zip([60_000, 50_000]) {
            let answer = Answer::NotDelivered { retry_after: None, long: false };
            store.send(delivery, answer, Step::Retry { due: at(due), pause: true }).unwrap();
        }
    }
    let store = place.own();
    let pauses = wait(store.pauses(at(59_999))).unwrap();
    assert_eq!((pauses.len(), pauses[0].method.as_str(), pauses[0].until), (1, "chat.postMessage", at(60_000)));
    assert!(wait(store.pauses(at(60_000))).unwrap().is_empty());
}

#[test]
fn a_rule_that_posts_elsewhere_now_takes_its_unseen_messages_along() {
    let place = Place::new();
    let store = place.own();
    let alerts = store.fail(6);
    let single = store.post(&alerts[..1]);
    let digest = store.post(&alerts[1..3]);
    let unknown = store.post(&alerts[3..4]);
    let doubled = store.post(&alerts[4..5]);
    for delivery in [unknown, doubled] {
        store.send(delivery, Answer::Ambiguous, Step::Reconcile { due: at(0) }).unwrap();
    }
    let resend = Reconciled::Resend { possible_duplicate: true };
    wait(store.finish_look(store.delivery(doubled), false, resend, at(1))).unwrap();
    let to_new = Destination::Channel("#new".to_owned());
    assert_eq!(wait(store.retarget("other rule", &to_new)).unwrap(), 0);
    wait(store.park_channel("#new", "not yet", at(1), at(2))).unwrap();
    assert_eq!(wait(store.retarget(Rule::DEFAULT_NAME, &to_new)).unwrap(), 4);
    store.check();
    let channels: Vec<String> = alerts.iter().map(|alert| store.alert(*alert).channel).collect();
    assert_eq!(channels, ["#new", "#new", "#new", CHANNEL, CHANNEL, "#new"], "what may have been shown stays");
    assert_eq!(store.alert(alerts[0]).state, AlertState::Held, "the new channel is parked");
    assert_eq!(wait(store.alerts_to_compose("#new", 10)).unwrap().len(), 4);
    assert!(!store.alert(alerts[1]).digest);
    for delivery in [single, digest] {
        assert_eq!(store.delivery(delivery).state.as_str(), "dead");
    }
    assert!(wait(store.dead_letters()).unwrap().is_empty(), "nobody has to care");
    assert_eq!(wait(store.retarget(Rule::DEFAULT_NAME, &to_new)).unwrap(), 0, "once");
}

#[test]
fn a_name_that_means_another_channel_has_its_messages_composed_anew() {
    let place = Place::new();
    let store = place.own();
    let alerts = store.fail(3);
    store.post(&alerts[..1]);
    let seen = store.post(&alerts[1..2]);
    let (answer, step) = sent("1.2");
    store.send(seen, answer, step).unwrap();
    assert_eq!(wait(store.recompose_for(CHANNEL, crate::support::CHANNEL_ID)).unwrap(), 0);
    assert_eq!(wait(store.recompose_for(CHANNEL, "C9")).unwrap(), 1);
    store.check();
    assert_eq!(store.states(), [AlertState::Pending, AlertState::Sent, AlertState::Pending]);
    let again = wait(store.alerts_to_compose(CHANNEL, 10)).unwrap();
    assert_eq!(again.iter().map(|alert| alert.id).collect::<Vec<_>>(), [alerts[0], alerts[2]]);
}
