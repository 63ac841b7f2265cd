//! The outbox: a message through every step, its alerts always where it is.

use clearml_alerts::domain::delivery::{Answer, DeliveryState, Form, Reconciled, Step};
use clearml_alerts::domain::{AlertState, Stamp};
use clearml_alerts::store::{
    Attempt, DeliveryKind, DigestSeries, HistoryFilter, Method, NewDelivery, Order, Store, StoreError,
};

use crate::support::{CHANNEL, Place, Short, at, message, sent, wait};

fn composed() -> (Place, Store, i64, i64) {
    let place = Place::new();
    let store = place.own();
    let alert = store.fail(1)[0];
    let delivery = store.post(&[alert]);
    (place, store, alert, delivery)
}

fn begin(store: &Store, delivery: i64) -> Result<i64, StoreError> {
    let attempt = Attempt { delivery, payload_sha256: "00".to_owned(), payload_bytes: 2 };
    wait(store.begin_attempt(attempt, at(30_000), at(30_001)))
}

fn lost() -> (Answer, Step) {
    (Answer::Ambiguous, Step::Reconcile { due: at(40_000) })
}

#[test]
fn every_step_leads_where_it_says() {
    let not_delivered = Answer::NotDelivered { retry_after: None, long: false };
    let cases = [
        (sent("1.2"), AlertState::Sent, at(20_000)),
        ((not_delivered, Step::Retry { due: at(60_000), pause: false }), AlertState::Pending, at(60_000)),
        (lost(), AlertState::Unknown, at(40_000)),
        ((Answer::OperatorMustAct, Step::Park { due: at(90_000) }), AlertState::Held, at(90_000)),
        ((Answer::PayloadRefused, Step::Degrade { form: Form::TextOnly }), AlertState::Pending, Stamp::EPOCH),
        ((Answer::PayloadRefused, Step::Dead), AlertState::Dead, at(31_000)),
    ];
    for ((answer, step), state, due) in cases {
        let (_place, store, alert, delivery) = composed();
        store.send(delivery, answer.clone(), step.clone()).unwrap();
        store.check();
        let told = store.alert(alert);
        assert_eq!((told.state, told.attempts), (state, 1), "{step:?}");
        assert_eq!(told.sent_at.is_some(), state == AlertState::Sent);
        assert_eq!(told.reason.is_none(), state == AlertState::Sent, "{step:?}");
        if state != AlertState::Sent {
            assert_eq!(store.sql::<i64>("SELECT due_at FROM deliveries"), due.as_millis(), "{step:?}");
        }
        let attempts = wait(store.attempts_of(alert)).unwrap();
        assert_eq!(attempts.len(), 1);
        assert_eq!(attempts[0].class.as_deref(), Some(answer.class()));
        assert_eq!(attempts[0].took_ms, Some(5));
    }
}

#[test]
fn a_plainer_form_brings_its_own_bytes() {
    let (_place, store, _, delivery) = composed();
    let attempt = begin(&store, delivery).unwrap();
    let result = clearml_alerts::store::AttemptResult {
        attempt,
        answer: Answer::PayloadRefused,
        http_status: Some(200),
        error: Some("invalid_blocks".to_owned()),
        detail: None,
        took_ms: 1,
    };
    let step = Step::Degrade { form: Form::WithoutMetadata };
    let plainer = Some("{\"text\":\"plain\"}".to_owned());
    wait(store.finish_attempt(store.delivery(delivery), result, step, None, plainer, at(31_000))).unwrap();
    let next = wait(store.next_delivery(CHANNEL, false)).unwrap().unwrap();
    assert_eq!((next.form, next.payload.as_str()), (Form::WithoutMetadata, "{\"text\":\"plain\"}"));
    assert_eq!((next.tries, next.failures, next.first_try_at), (1, 1, Some(at(30_001))));
}

#[test]
fn every_look_leads_where_it_says() {
    let cases = [
        (Reconciled::Sent { ts: "1.2".to_owned() }, false, AlertState::Sent),
        (Reconciled::Resend { possible_duplicate: false }, true, AlertState::Pending),
        (Reconciled::Resend { possible_duplicate: true }, false, AlertState::Pending),
        (Reconciled::LookAgain { due: at(50_000) }, true, AlertState::Unknown),
        (Reconciled::Keep { due: at(50_000) }, false, AlertState::Unknown),
    ];
    for (reconciled, absent, state) in cases {
        let (_place, store, alert, delivery) = composed();
        let (answer, step) = lost();
        store.send(delivery, answer, step).unwrap();
        wait(store.finish_look(store.delivery(delivery), absent, reconciled.clone(), at(41_000))).unwrap();
        store.check();
        assert_eq!(store.alert(alert).state, state, "{reconciled:?}");
        assert_eq!(
            store.sql::<bool>("SELECT kept_at IS NOT NULL FROM deliveries"),
            matches!(reconciled, Reconciled::Keep { .. })
        );
    }
}

#[test]
fn a_resend_that_may_double_is_told_in_the_history() {
    let (_place, store, alert, delivery) = composed();
    let (answer, step) = lost();
    store.send(delivery, answer, step).unwrap();
    let resend = Reconciled::Resend { possible_duplicate: true };
    wait(store.finish_look(store.delivery(delivery), false, resend, at(41_000))).unwrap();
    let again = wait(store.next_delivery(CHANNEL, false)).unwrap().unwrap();
    assert_eq!(again.payload, message(DeliveryKind::Alert, &[alert]).payload, "the same bytes");
    let (answer, step) = sent("1.2");
    store.send(delivery, answer, step).unwrap();
    let told = store.alert(alert);
    assert_eq!((told.attempts, told.message_ts.as_deref()), (2, Some("1.2")));
    assert!(told.reason.unwrap().contains("possible duplicate"));
}

#[test]
fn looks_are_counted_and_a_failed_look_says_nothing() {
    let (_place, store, alert, delivery) = composed();
    let (answer, step) = lost();
    store.send(delivery, answer, step).unwrap();
    for (absent, looks, failures) in [(true, 1, 1), (false, 1, 2), (true, 2, 2)] {
        let again = Reconciled::LookAgain { due: at(50_000) };
        wait(store.finish_look(store.delivery(delivery), absent, again, at(41_000))).unwrap();
        assert_eq!(store.sql::<i64>("SELECT looks FROM deliveries"), looks);
        assert_eq!(store.sql::<i64>("SELECT failures FROM deliveries"), failures);
    }
    assert_eq!(store.alert(alert).reason.as_deref(), Some("because"), "why it is unknown stays told");
    assert!(wait(store.lost_answers(CHANNEL, at(49_999))).unwrap().is_empty());
    assert_eq!(wait(store.lost_answers(CHANNEL, at(50_000))).unwrap().len(), 1);
}

#[test]
fn only_what_surely_did_not_arrive_can_be_sent() {
    let (_place, store, _, delivery) = composed();
    begin(&store, delivery).unwrap();
    let stale = |result: Result<i64, StoreError>| {
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::OutOfStep { .. }) && error.is_passing(), "{error}");
    };
    stale(begin(&store, delivery));
    wait(store.recover_interrupted(at(99_000), at(99_000))).unwrap();
    stale(begin(&store, delivery));
    wait(store.finish_look(store.delivery(delivery), false, Reconciled::Sent { ts: "1".to_owned() }, at(1))).unwrap();
    stale(begin(&store, delivery));
    stale(begin(&store, 999));
    assert_eq!(store.sql::<i64>("SELECT count(*) FROM attempts"), 1, "a refused attempt is none");
    assert_eq!(store.sql::<i64>("SELECT tries FROM deliveries"), 1);
}

#[test]
fn an_answer_is_recorded_once() {
    let (_place, store, _, delivery) = composed();
    let (answer, step) = sent("1.2");
    store.send(delivery, answer.clone(), step.clone()).unwrap();
    let result = clearml_alerts::store::AttemptResult {
        attempt: 1,
        answer: Answer::PayloadRefused,
        http_status: None,
        error: None,
        detail: None,
        took_ms: 0,
    };
    let again = wait(store.finish_attempt(store.delivery(delivery), result, Step::Dead, None, None, at(1)));
    assert!(matches!(again, Err(StoreError::OutOfStep { .. })));
    assert_eq!(store.states(), [AlertState::Sent]);
    wait(store.finish_look(store.delivery(delivery), true, Reconciled::Resend { possible_duplicate: true }, at(1)))
        .unwrap();
    assert_eq!(store.states(), [AlertState::Sent], "a late look changes nothing");
}

#[test]
fn what_was_under_way_at_a_kill_is_unknown_and_waits_have_a_bound() {
    let place = Place::new();
    {
        let store = place.own();
        let alerts = store.fail(3);
        let deliveries: Vec<i64> = alerts.iter().map(|alert| store.post(&[*alert])).collect();
        begin(&store, deliveries[0]).unwrap();
        let far = Step::Retry { due: at(i64::MAX), pause: true };
        store.send(deliveries[1], Answer::NotDelivered { retry_after: None, long: false }, far).unwrap();
    }
    let store = place.own();
    assert_eq!(wait(store.recover_interrupted(at(70_000), at(80_000))).unwrap(), 1);
    store.check();
    assert_eq!(store.states(), [AlertState::Unknown, AlertState::Pending, AlertState::Pending]);
    assert_eq!(store.texts("SELECT due_at || '' FROM deliveries ORDER BY id"), ["0", "70000", "0"]);
    assert_eq!(wait(store.pauses(at(0))).unwrap()[0].until, at(80_000));
    assert_eq!(wait(store.recover_interrupted(at(70_000), at(80_000))).unwrap(), 0);
    assert!(store.alert(1).reason.unwrap().contains("before Slack's answer was recorded"));
}

/// The answer came, but the disk was full: the message stands at `sending` while the monitor goes on.
#[test]
fn an_answer_that_could_not_be_recorded_is_looked_for() {
    let (_place, store, alert, delivery) = composed();
    begin(&store, delivery).unwrap();
    let lost = wait(store.lost_answers(CHANNEL, at(0))).unwrap();
    assert_eq!(lost.iter().map(|lost| (lost.id, lost.state)).collect::<Vec<_>>(), [(delivery, DeliveryState::Sending)]);
    wait(store.finish_look(lost[0].clone(), true, Reconciled::LookAgain { due: at(50_000) }, at(1))).unwrap();
    store.check();
    assert_eq!(store.alert(alert).state, AlertState::Unknown);
    assert!(store.alert(alert).reason.is_some());
}

#[test]
fn the_oldest_message_comes_first_and_unknown_ones_can_be_passed_over() {
    let place = Place::new();
    let store = place.own();
    let deliveries: Vec<i64> = store.fail(2).into_iter().map(|alert| store.post(&[alert])).collect();
    let (answer, step) = lost();
    store.send(deliveries[0], answer, step).unwrap();
    let next = |skip| wait(store.next_delivery(CHANNEL, skip)).unwrap().unwrap().id;
    assert_eq!((next(false), next(true)), (deliveries[0], deliveries[1]));
    assert_eq!(wait(store.next_delivery("#other", false)).unwrap(), None);
}

#[test]
fn an_alert_that_is_told_is_not_told_again() {
    let place = Place::new();
    let store = place.own();
    let alerts = store.fail(2);
    store.post(&alerts[..1]);
    for again in [vec![alerts[0]], vec![alerts[1], alerts[0]], vec![999]] {
        let error = wait(store.enqueue(vec![message(DeliveryKind::Digest, &again)], at(1))).unwrap_err();
        assert!(matches!(error, StoreError::OutOfStep { .. }), "{error}");
    }
    let elsewhere = NewDelivery { channel: "#other".to_owned(), ..message(DeliveryKind::Alert, &alerts[1..]) };
    assert!(matches!(wait(store.enqueue(vec![elsewhere], at(1))), Err(StoreError::OutOfStep { .. })));
    assert_eq!(store.sql::<i64>("SELECT count(*) FROM deliveries"), 1, "a refused call leaves nothing");
    assert_eq!(wait(store.alerts_to_compose(CHANNEL, 9)).unwrap().len(), 1);
    store.check();
}

#[test]
fn a_digest_tells_many_and_an_edit_tells_more() {
    let place = Place::new();
    let store = place.own();
    let alerts = store.fail(3);
    let digest = store.post(&alerts[..2]);
    let (answer, step) = sent("7.7");
    store.send(digest, answer, step).unwrap();
    let open = wait(store.open_digest(CHANNEL, &DigestSeries::default(), at(0), at(0))).unwrap().unwrap();
    assert_eq!((open.id, open.message_ts.as_deref()), (digest, Some("7.7")));
    assert!(
        wait(store.open_digest(CHANNEL, &DigestSeries::default(), at(31_001), at(0))).unwrap().is_none(),
        "too old to be edited"
    );
    assert!(
        wait(store.open_digest(CHANNEL, &DigestSeries::default(), at(0), at(31_001))).unwrap().is_none(),
        "the flood is over"
    );
    let edit =
        NewDelivery { method: Method::Update, edits: Some(digest), ..message(DeliveryKind::Digest, &alerts[2..]) };
    let edit = wait(store.enqueue(vec![edit], at(1))).unwrap()[0];
    assert_eq!(wait(store.alerts_of_digest(digest)).unwrap().len(), 3);
    store.send(edit, Answer::PayloadRefused, Step::Recompose).unwrap();
    store.check();
    assert_eq!(store.states(), [AlertState::Sent, AlertState::Sent, AlertState::Pending]);
    assert!(
        wait(store.open_digest(CHANNEL, &DigestSeries::default(), at(0), at(0))).unwrap().is_none(),
        "its message is gone"
    );
    assert!(store.history(&HistoryFilter::default(), Order::Newest).unwrap().is_empty(), "limit 0");
    let again = store.send(edit, Answer::PayloadRefused, Step::Recompose);
    assert!(matches!(again, Err(StoreError::OutOfStep { .. })), "{again:?}");
}

#[test]
fn channels_with_work_are_those_with_something_open() {
    let place = Place::new();
    let store = place.own();
    assert!(wait(store.channels_with_work()).unwrap().is_empty());
    let mut tasks = Vec::new();
    for (name, channel) in [("b", "#b"), ("a", "#a"), ("c", "#c")] {
        let rule = crate::support::rule_to(name, channel);
        tasks.push(crate::support::task(name, "failed", 1_000));
        let page =
            crate::support::page_of(&tasks[tasks.len() - 1..], vec![rule], clearml_alerts::store::Watching::Outcomes);
        store.record(page).unwrap();
    }
    assert_eq!(wait(store.channels_with_work()).unwrap(), ["#a", "#b", "#c"]);
    let one = NewDelivery { channel: "#b".to_owned(), ..message(DeliveryKind::Alert, &[1]) };
    let delivery = wait(store.enqueue(vec![one], at(1))).unwrap()[0];
    assert_eq!(wait(store.channels_with_work()).unwrap(), ["#a", "#b", "#c"]);
    let (answer, step) = sent("1.2");
    store.send(delivery, answer, step).unwrap();
    assert_eq!(wait(store.channels_with_work()).unwrap(), ["#a", "#c"]);
}

#[test]
fn the_start_message_is_remembered() {
    let place = Place::new();
    let store = place.own();
    let notice = NewDelivery { ..message(DeliveryKind::Notice, &[]) };
    wait(store.announce(notice, at(7_000))).unwrap();
    assert_eq!(wait(store.monitor()).unwrap().announced_at, Some(at(7_000)));
    let next = wait(store.next_delivery(CHANNEL, false)).unwrap().unwrap();
    assert_eq!(next.kind, DeliveryKind::Notice);
}

#[test]
fn the_counts_say_what_waits() {
    let place = Place::new();
    let store = place.own();
    let alerts = store.fail(4);
    let deliveries: Vec<i64> = alerts[..3].iter().map(|alert| store.post(&[*alert])).collect();
    store.send(deliveries[0], Answer::PayloadRefused, Step::Dead).unwrap();
    let (answer, step) = lost();
    store.send(deliveries[1], answer, step).unwrap();
    begin(&store, deliveries[2]).unwrap();
    let counts = wait(store.queue_counts()).unwrap();
    assert_eq!((counts.pending, counts.unknown, counts.held, counts.dead), (2, 1, 0, 1));
    assert_eq!((counts.undelivered(), counts.oldest_at), (3, Some(at(10_000))));
    wait(store.park_channel(CHANNEL, "why", at(1), at(2))).unwrap();
    let counts = wait(store.queue_counts()).unwrap();
    assert_eq!((counts.pending, counts.held), (1, 1), "what is being sent is not parked");
}
