//! Lanes that are no channels: direct messages to owners, with the channel that hears of unknown ones, and webhooks.

use clearml_alerts::domain::delivery::{Answer, Receipt, Step};
use clearml_alerts::domain::{AlertState, Destination, Named, Rule, Task};
use clearml_alerts::store::{DeliveryKind, HistoryFilter, NewDelivery, Order, Watching};

use crate::support::{CHANNEL, CHANNEL_ID, Place, Short, at, message, page_of, sent, task, wait};

fn to_owner() -> Destination {
    Destination::Owner { fallback: "#all".to_owned() }
}

#[test]
fn a_rule_that_writes_to_owners_now_takes_what_waits_to_each() {
    let place = Place::new();
    let store = place.own();
    let ended = ["u1", "u2", ""].map(|user| {
        let owner = (!user.is_empty()).then(|| Named { id: user.to_owned(), name: None });
        Task { user: owner, ..task(&format!("of {user}"), "failed", 1_000) }
    });
    let recorded = store.page(&ended).unwrap();
    let alerts: Vec<i64> = recorded.alerts.iter().map(|alert| alert.id).collect();
    store.post(&alerts[..2]);
    wait(store.park_channel("owner:u2", "no such person", at(1), at(2))).unwrap();
    assert_eq!(wait(store.retarget(Rule::DEFAULT_NAME, &to_owner())).unwrap(), 3);
    store.check();
    let lanes: Vec<String> = alerts.iter().map(|alert| store.alert(*alert).channel).collect();
    assert_eq!(lanes, ["owner:u1", "owner:u2", "#all"]);
    assert_eq!(store.states(), [AlertState::Pending, AlertState::Held, AlertState::Pending]);
    assert_eq!(wait(store.retarget(Rule::DEFAULT_NAME, &to_owner())).unwrap(), 0, "once");
}

#[test]
fn what_waits_for_an_unknown_owner_goes_to_the_rules_channel_and_says_so_for_good() {
    let place = Place::new();
    let store = place.own();
    let lane = "owner:u1";
    let user = Some(Named { id: "u1".to_owned(), name: Some("Ada".to_owned()) });
    let tasks: Vec<Task> =
        (0..3).map(|n| Task { user: user.clone(), ..task(&format!("t{n}"), "failed", 1_000 + n) }).collect();
    let rule = Rule { destination: to_owner(), ..Rule::new("mine", to_owner()) };
    let gone = Rule::new("gone", to_owner());
    let recorded = store.record(page_of(&tasks, vec![rule, gone], Watching::Outcomes)).unwrap();
    let mine: Vec<i64> = recorded.alerts.iter().filter(|alert| alert.rule == "mine").map(|alert| alert.id).collect();
    assert_eq!(mine.len(), 3);
    let message = NewDelivery { channel: lane.to_owned(), ..message(DeliveryKind::Alert, &mine[..1]) };
    wait(store.enqueue(vec![message], at(2))).unwrap();
    wait(store.park_channel(lane, "no such person", at(3), at(4))).unwrap();
    let fallbacks = vec![("mine".to_owned(), "#all".to_owned())];
    let why = "owner Ada is not known at Slack";
    assert_eq!(wait(store.divert(lane, fallbacks.clone(), why)).unwrap(), (3, 3));
    store.check();
    assert!(wait(store.channel(lane)).unwrap().parked_at.is_some(), "what no rule places waits for a person");
    let fallbacks = [fallbacks, vec![("gone".to_owned(), "#all".to_owned())]].concat();
    assert_eq!(wait(store.divert(lane, fallbacks, why)).unwrap(), (3, 0));
    store.check();
    assert_eq!(wait(store.channel(lane)).unwrap().parked_at, None);
    assert_eq!(wait(store.retarget("mine", &to_owner())).unwrap(), 0, "a diverted alert does not go back");
    let delivery =
        wait(store.enqueue(vec![NewDelivery { channel: "#all".to_owned(), ..message_of(&mine[..1]) }], at(5))).unwrap()
            [0];
    let (answer, step) = sent("1.2");
    store.send(delivery, answer, step).unwrap();
    let told = store.alert(mine[0]);
    assert_eq!((told.state, told.channel.as_str(), told.reason.as_deref()), (AlertState::Sent, "#all", Some(why)));
    let by_reason = HistoryFilter { reasons: vec!["not known".to_owned()], limit: 10, ..HistoryFilter::default() };
    assert_eq!(store.history(&by_reason, Order::Newest).unwrap().len(), 6);
}

fn message_of(alerts: &[i64]) -> NewDelivery {
    message(DeliveryKind::Alert, alerts)
}

#[test]
fn a_webhooks_word_holds_no_id_and_slacks_must() {
    let place = Place::new();
    let store = place.own();
    let alerts = store.fail(2);
    let rule = Destination::Webhook("ops".to_owned());
    wait(store.retarget(Rule::DEFAULT_NAME, &rule)).unwrap();
    let hooked = NewDelivery { channel: "webhook:ops".to_owned(), ..message_of(&alerts[..1]) };
    let hooked = wait(store.enqueue(vec![hooked], at(2))).unwrap()[0];
    assert_eq!(store.sql::<String>("SELECT form FROM deliveries"), "body");
    let receipt = Receipt::default();
    store.send(hooked, Answer::Sent(receipt.clone()), Step::Sent(receipt.clone())).unwrap();
    assert_eq!((store.alert(alerts[0]).state, store.alert(alerts[0]).message_ts), (AlertState::Sent, None));
    wait(store.retarget(Rule::DEFAULT_NAME, &Destination::Channel(CHANNEL.to_owned()))).unwrap();
    let posted = store.post(&alerts[1..]);
    assert!(store.send(posted, Answer::Sent(receipt.clone()), Step::Sent(receipt)).is_err());
}

#[test]
fn a_direct_message_remembers_the_conversation_that_it_is_in() {
    let place = Place::new();
    let store = place.own();
    let alerts = store.fail(1);
    let delivery = store.post(&alerts);
    let receipt = Receipt { ts: Some("1.2".to_owned()), conversation: Some("D1".to_owned()) };
    store.send(delivery, Answer::Sent(receipt.clone()), Step::Sent(receipt)).unwrap();
    assert_eq!(store.sql::<String>("SELECT channel_id FROM deliveries"), "D1");
    assert_eq!(
        wait(store.channel(CHANNEL_ID)).unwrap().channel_id.as_deref(),
        Some("D1"),
        "by the user it was sent to"
    );
}

#[test]
fn a_person_found_once_is_remembered() {
    let place = Place::new();
    let store = place.own();
    assert_eq!(wait(store.slack_user("ada@example.com")).unwrap(), None);
    for id in ["U1", "U2"] {
        wait(store.remember_slack_user("ada@example.com", id)).unwrap();
        assert_eq!(wait(store.slack_user("ada@example.com")).unwrap().as_deref(), Some(id));
    }
}
