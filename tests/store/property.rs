//! Any sequence of calls, sensible or not, from this process or after a restart: alerts stand where their messages stand,
//! nothing is sent twice without a look or a person's word, nothing that was sent comes back.

use std::collections::{HashMap, HashSet};

use clearml_alerts::domain::delivery::{Answer, Form, Reconciled, Step};
use clearml_alerts::domain::{AlertState, Destination, Rule};
use clearml_alerts::store::{Attempt, AttemptResult, DeliveryKind, NewDelivery, Store, StoreError, Watching, Which};
use proptest::prelude::*;

use crate::support::{CHANNEL, CHANNEL_ID, Place, Short, at, message, page_of, rule_to, task, wait};

const OTHER: &str = "#other";

#[derive(Debug, Clone)]
enum Call {
    Fail(u8),
    /// Composes all that waits, in messages of so many.
    Compose(u8),
    /// Composes these alerts, whether they wait or not.
    ComposeAnything(Vec<u8>),
    Begin(u8),
    Finish(u8, Step),
    Look(u8, bool, Reconciled),
    Park(bool),
    Unpark(bool),
    Retarget(bool),
    Recompose,
    Retry(Vec<u8>),
    RetryAll,
    Drop(u8),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Sent { ts: "1.2".to_owned() }),
        1 => any::<bool>().prop_map(|pause| Step::Retry { due: at(60_000), pause }),
        3 => Just(Step::Reconcile { due: at(40_000) }),
        1 => Just(Step::Park { due: at(90_000) }),
        1 => Just(Step::Degrade { form: Form::TextOnly }),
        1 => Just(Step::Dead),
        1 => Just(Step::Recompose),
    ]
}

fn reconciled() -> impl Strategy<Value = Reconciled> {
    prop_oneof![
        Just(Reconciled::Sent { ts: "1.3".to_owned() }),
        any::<bool>().prop_map(|possible_duplicate| Reconciled::Resend { possible_duplicate }),
        Just(Reconciled::LookAgain { due: at(50_000) }),
        Just(Reconciled::Keep { due: at(50_000) }),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        3 => (1_u8..4).prop_map(Call::Fail),
        4 => (1_u8..4).prop_map(Call::Compose),
        1 => prop::collection::vec(0_u8..12, 0..3).prop_map(Call::ComposeAnything),
        8 => (0_u8..8).prop_map(Call::Begin),
        8 => (0_u8..8, step()).prop_map(|(delivery, step)| Call::Finish(delivery, step)),
        5 => (0_u8..8, any::<bool>(), reconciled()).prop_map(|(delivery, absent, to)| Call::Look(delivery, absent, to)),
        1 => any::<bool>().prop_map(Call::Park),
        1 => any::<bool>().prop_map(Call::Unpark),
        1 => any::<bool>().prop_map(Call::Retarget),
        1 => Just(Call::Recompose),
        2 => prop::collection::vec(0_u8..12, 1..3).prop_map(Call::Retry),
        1 => Just(Call::RetryAll),
        1 => (0_u8..12).prop_map(Call::Drop),
        1 => Just(Call::Restart),
    ]
}

struct World {
    place: Place,
    store: Option<Store>,
    channel: &'static str,
    /// Messages that may be in Slack although nobody knows.
    doubtful: HashSet<i64>,
    sent: HashSet<i64>,
    attempts: HashMap<i64, i64>,
}

impl World {
    fn new() -> Self {
        let place = Place::in_memory();
        let store = Some(place.own());
        Self {
            place,
            store,
            channel: CHANNEL,
            doubtful: HashSet::new(),
            sent: HashSet::new(),
            attempts: HashMap::new(),
        }
    }

    fn store(&self) -> Store {
        self.store.clone().unwrap()
    }

    /// One of the messages there are, by a number that wraps around.
    fn delivery(&self, number: u8) -> Option<i64> {
        let many: i64 = self.store().sql("SELECT count(*) FROM deliveries");
        (many > 0).then(|| i64::from(number) % many + 1)
    }

    fn call(&mut self, call: &Call) -> Result<(), StoreError> {
        let store = self.store();
        match call {
            Call::Fail(many) => self.fail(*many),
            Call::Compose(size) => self.compose(usize::from(*size))?,
            Call::ComposeAnything(alerts) => {
                let alerts: Vec<i64> = alerts.iter().map(|alert| i64::from(*alert)).collect();
                wait(store.enqueue(vec![message(DeliveryKind::Digest, &alerts)], at(1)))?;
            }
            Call::Begin(number) => self.begin(*number)?,
            Call::Finish(number, step) => self.finish(*number, step)?,
            Call::Look(number, absent, to) => self.look(*number, *absent, to)?,
            Call::Park(here) => drop(wait(store.park_channel(channel(*here), "why", at(1), at(2)))?),
            Call::Unpark(here) => drop(wait(store.unpark_channel(channel(*here)))?),
            Call::Retarget(here) => {
                self.channel = channel(*here);
                wait(store.retarget(Rule::DEFAULT_NAME, &Destination::Channel(self.channel.to_owned())))?;
            }
            Call::Recompose => drop(wait(store.recompose_for(CHANNEL, "C9"))?),
            Call::Retry(alerts) => {
                let alerts = alerts.iter().map(|alert| i64::from(*alert)).collect();
                wait(store.retry_dead(Which::These(alerts), at(1)))?;
                self.believe_persons();
            }
            Call::RetryAll => {
                wait(store.retry_dead(Which::All, at(1)))?;
                self.believe_persons();
            }
            Call::Drop(alert) => drop(wait(store.drop_dead(i64::from(*alert), "enough", at(1)))?),
            Call::Restart => {
                drop(store);
                self.restart();
            }
        }
        Ok(())
    }

    fn fail(&self, many: u8) {
        let store = self.store();
        let known: i64 = store.sql("SELECT count(*) FROM tasks");
        let rule = rule_to(Rule::DEFAULT_NAME, self.channel);
        let tasks: Vec<_> =
            (0..i64::from(many)).map(|n| task(&format!("t{}", known + n), "failed", 1_000 + known + n)).collect();
        store.record(page_of(&tasks, vec![rule], Watching::Outcomes)).unwrap();
    }

    fn compose(&self, size: usize) -> Result<(), StoreError> {
        for channel in [CHANNEL, OTHER] {
            let waiting = wait(self.store().alerts_to_compose(channel, 100))?;
            let ids: Vec<i64> = waiting.iter().map(|alert| alert.id).collect();
            let compose = |alerts: &[i64]| NewDelivery {
                channel: channel.to_owned(),
                channel_id: CHANNEL_ID.to_owned(),
                ..message(if alerts.len() == 1 { DeliveryKind::Alert } else { DeliveryKind::Digest }, alerts)
            };
            wait(self.store().enqueue(ids.chunks(size).map(compose).collect(), at(1)))?;
        }
        Ok(())
    }

    fn begin(&mut self, number: u8) -> Result<(), StoreError> {
        let Some(delivery) = self.delivery(number) else { return Ok(()) };
        let attempt = Attempt { delivery, payload_sha256: "00".to_owned(), payload_bytes: 2 };
        let attempt = wait(self.store().begin_attempt(attempt, at(1), at(1)))?;
        assert!(!self.doubtful.contains(&delivery), "message {delivery} is sent although it may be in Slack");
        assert!(!self.sent.contains(&delivery), "message {delivery} is sent again");
        self.doubtful.insert(delivery);
        self.attempts.insert(delivery, attempt);
        Ok(())
    }

    fn finish(&mut self, number: u8, step: &Step) -> Result<(), StoreError> {
        let Some(delivery) = self.delivery(number) else { return Ok(()) };
        let attempt = self.attempts.get(&delivery).copied().unwrap_or(0);
        let answer = Answer::Ambiguous;
        let result = AttemptResult { attempt, answer, http_status: None, error: None, detail: None, took_ms: 1 };
        let seen = self.store().delivery(delivery);
        wait(self.store().finish_attempt(seen, result, step.clone(), Some("why".to_owned()), None, at(2)))?;
        if !matches!(step, Step::Reconcile { .. }) {
            self.doubtful.remove(&delivery);
        }
        if matches!(step, Step::Sent { .. }) {
            self.sent.insert(delivery);
        }
        Ok(())
    }

    fn look(&mut self, number: u8, absent: bool, to: &Reconciled) -> Result<(), StoreError> {
        let Some(delivery) = self.delivery(number) else { return Ok(()) };
        let seen = self.store().delivery(delivery);
        let counts = matches!(seen.state.as_str(), "unknown" | "sending");
        wait(self.store().finish_look(seen, absent, to.clone(), at(2)))?;
        match to {
            Reconciled::Sent { .. } if counts => {
                self.sent.insert(delivery);
                self.doubtful.remove(&delivery);
            }
            Reconciled::Resend { .. } if counts => {
                self.doubtful.remove(&delivery);
            }
            _ => {}
        }
        Ok(())
    }

    /// A person said that what was kept shall be sent again: marked as possibly double.
    fn believe_persons(&mut self) {
        let again = "SELECT id || '' FROM deliveries WHERE state IN ('pending', 'held') AND possible_duplicate = 1";
        for delivery in self.store().texts(again) {
            self.doubtful.remove(&delivery.parse().unwrap());
        }
    }

    fn restart(&mut self) {
        self.store = None;
        let store = self.place.own();
        wait(store.recover_interrupted(at(99_000), at(99_000))).unwrap();
        assert_eq!(store.sql::<i64>("SELECT count(*) FROM alerts WHERE state = 'sending'"), 0);
        self.store = Some(store);
    }
}

fn channel(here: bool) -> &'static str {
    if here { CHANNEL } else { OTHER }
}

/// What a call may answer when it is not a sensible one.
fn is_expected(error: &StoreError) -> bool {
    matches!(error, StoreError::OutOfStep { .. } | StoreError::NotDead { .. } | StoreError::NoAlert { .. })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_calls_breaks_the_outbox(calls in prop::collection::vec(call(), 1..60)) {
        let mut world = World::new();
        let mut shown: HashSet<usize> = HashSet::new();
        for call in &calls {
            if let Err(error) = world.call(call) {
                prop_assert!(is_expected(&error), "{call:?}: {error}");
            }
            let store = world.store();
            store.check();
            let states = store.states();
            prop_assert!(shown.iter().all(|alert| states[*alert] == AlertState::Sent), "{call:?} took back a sent one");
            shown.extend(states.iter().enumerate().filter(|(_, state)| **state == AlertState::Sent).map(|(n, _)| n));
        }
        wait(world.store().check_deep()).unwrap();
    }
}
