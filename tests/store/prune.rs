//! Retention: what goes, what stays whatever its age, and that nothing that went is news when it is seen again.

use std::collections::BTreeMap;
use std::time::Duration;

use clearml_alerts::domain::delivery::{Answer, Step};
use clearml_alerts::domain::{Coverage, Status, Task, TaskState};
use clearml_alerts::store::{
    DeliveryKind, HistoryFilter, Method, NewDelivery, NewSilence, Old, Order, Removed, Round, Store, StoreError,
    Thread, Watching,
};
use proptest::prelude::*;
use rusqlite::Connection;

use crate::support::{CHANNEL, Place, Short, at, message, page_of, rule, rule_to, sent, task, wait};

/// Everything that the helpers record is older than this.
const LATER: i64 = 1_000_000;

fn old(stamped: i64, recorded: i64) -> Old {
    Old { stamped_before: at(stamped), recorded_before: at(recorded) }
}

/// One whole round.
fn prune(store: &Store, old: Old) -> Removed {
    let (mut round, mut removed) = (Round::default(), Removed::default());
    while !round.is_over() {
        let (next, step) = wait(store.prune_step(round, old)).unwrap();
        removed.add(step);
        round = next;
        sound(store);
    }
    removed
}

/// What must be true after every step.
fn sound(store: &Store) {
    store.check();
    assert_eq!(store.sql::<i64>("SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

fn tell(store: &Store, alerts: &[i64]) -> i64 {
    let delivery = store.post(alerts);
    let (answer, step) = sent("1.2");
    store.send(delivery, answer, step).unwrap();
    delivery
}

fn notice(store: &Store) -> i64 {
    wait(store.enqueue(vec![message(DeliveryKind::Notice, &[])], at(20_000))).unwrap()[0]
}

/// The alerts that are there, each by its task and its state.
fn alerts(store: &Store) -> Vec<String> {
    store.texts("SELECT task_id || ' ' || state FROM alerts ORDER BY id")
}

fn found_by_name(store: &Store, name: &str) -> Vec<String> {
    let filter = HistoryFilter { tasks: vec![name.to_owned()], limit: 100, ..HistoryFilter::default() };
    let found = store.history(&filter, Order::Newest).unwrap();
    found.into_iter().map(|alert| alert.task_id).collect()
}

#[test]
fn what_is_done_and_old_goes_and_what_waits_stays_whatever_its_age() {
    let place = Place::in_memory();
    let store = place.own();
    let a = store.fail(8);
    tell(&store, &a[..1]);
    let digest = tell(&store, &a[1..3]);
    let dead = store.post(&a[3..4]);
    store.send(dead, Answer::PayloadRefused, Step::Dead).unwrap();
    let dropped = store.post(&a[4..5]);
    store.send(dropped, Answer::PayloadRefused, Step::Dead).unwrap();
    wait(store.drop_dead(a[4], "nobody wants it", at(32_000))).unwrap();
    let lost = store.post(&a[5..6]);
    store.send(lost, Answer::Ambiguous, Step::Reconcile { due: at(0) }).unwrap();
    store.post(&a[6..7]);
    let start = notice(&store);
    let (answer, step) = sent("1.1");
    store.send(start, answer, step).unwrap();
    let mut picky = rule();
    picky.conditions.min_iterations = 100;
    store.record(page_of(&[task("short", "failed", 2_000)], vec![picky], Watching::Outcomes)).unwrap();
    let removed = prune(&store, old(LATER, LATER));
    assert_eq!(alerts(&store), ["t3 dead", "t5 unknown", "t6 pending", "t7 pending"]);
    assert_eq!(removed.alerts, 5);
    let messages = store.texts("SELECT id || ' ' || state FROM deliveries ORDER BY id");
    assert_eq!(messages, [format!("{dead} dead"), format!("{lost} unknown"), format!("{} pending", lost + 1)]);
    assert!(digest < dead && store.sql::<i64>("SELECT count(*) FROM attempts") == 2);
    assert_eq!(store.texts("SELECT task_id FROM transitions ORDER BY id"), ["t3", "t5", "t6", "t7"]);
    assert_eq!(store.sql::<i64>("SELECT count(*) FROM tasks"), 9, "a task is what tells news from what is known");
    assert_eq!(wait(store.monitor()).unwrap().kept_from, Some(at(2_001)));
    assert_eq!(prune(&store, old(LATER, LATER)), Removed::default(), "a second round finds nothing");
}

#[test]
fn only_what_both_clocks_call_old_goes() {
    let place = Place::in_memory();
    let store = place.own();
    let a = store.fail(3);
    tell(&store, &a);
    // Stamped at 1,000 to 1,002, recorded at 10,000, told at 31,000.
    for young in [old(1_000, LATER), old(LATER, 10_000), old(LATER, 31_000)] {
        assert_eq!(prune(&store, young).alerts, 0, "{young:?}");
    }
    assert_eq!(wait(store.monitor()).unwrap().kept_from, None);
    assert_eq!(prune(&store, old(1_002, 31_001)).alerts, 2);
    assert_eq!(alerts(&store), ["t2 sent"]);
    assert_eq!(store.sql::<i64>("SELECT count(*) FROM deliveries"), 1, "its message tells one that stays");
    assert_eq!(wait(store.monitor()).unwrap().kept_from, Some(at(1_002)));
}

#[test]
fn an_alert_that_is_dropped_goes_when_the_dropping_is_old() {
    let place = Place::in_memory();
    let store = place.own();
    let a = store.fail(1);
    let delivery = store.post(&a);
    store.send(delivery, Answer::PayloadRefused, Step::Dead).unwrap();
    wait(store.drop_dead(a[0], "x", at(500_000))).unwrap();
    assert_eq!(prune(&store, old(LATER, 500_000)).alerts, 0);
    assert_eq!(prune(&store, old(LATER, 500_001)).alerts, 1);
}

#[test]
fn what_a_silence_keeps_quiet_stays_until_its_end_is_told() {
    let place = Place::in_memory();
    let store = place.own();
    let silence = NewSilence {
        coverage: Coverage::default(),
        author: "ada".to_owned(),
        reason: "night".to_owned(),
        starts_at: at(1),
        ends_at: at(50_000),
        quiet_end: false,
    };
    let number = wait(store.add_silence(silence, at(1))).unwrap();
    store.page(&[task("quiet", "failed", 1_000)]).unwrap();
    assert_eq!(alerts(&store), ["quiet suppressed"]);
    prune(&store, old(LATER, LATER));
    assert_eq!(alerts(&store), ["quiet suppressed"], "the silence goes on: its end counts what it kept quiet");
    assert_eq!(wait(store.close_silences(at(60_000))).unwrap().len(), 1);
    prune(&store, old(LATER, LATER));
    assert_eq!(alerts(&store), ["quiet suppressed"], "its end is not told yet");
    wait(store.tell_silence(number, message(DeliveryKind::Notice, &[]), at(61_000))).unwrap();
    prune(&store, old(LATER, LATER));
    assert_eq!(alerts(&store), Vec::<String>::new(), "the message that tells it counts by itself");
    assert_eq!(store.sql::<i64>("SELECT count(*) FROM silences"), 1, "the message that tells it is not sent yet");
    let (answer, step) = sent("1.2");
    store.send(1, answer, step).unwrap();
    prune(&store, old(LATER, 60_000));
    assert_eq!(store.sql::<i64>("SELECT count(*) FROM silences"), 1, "closed at 60,000");
    prune(&store, old(LATER, LATER));
    assert_eq!(store.sql::<i64>("SELECT count(*) FROM silences"), 0);
    assert_eq!(store.sql::<i64>("SELECT count(*) FROM deliveries"), 0);
}

#[test]
fn that_a_run_was_stuck_stays_until_the_run_has_ended() {
    let place = Place::in_memory();
    let store = place.own();
    store.page(&[task("slow", "in_progress", 1_000)]).unwrap();
    store.execute(
        "INSERT INTO alerts (rule, task_id, run, outcome, episode, status_changed, task_name, state, filter, channel, created_at)
             VALUES ('r', 'slow', 1, 'stuck', 1, 1000, 'n', 'suppressed', 'silence', '#a', 1000)",
    );
    prune(&store, old(LATER, LATER));
    assert_eq!(alerts(&store), ["slow suppressed"], "its next episode is numbered after it");
    store.page(&[task("slow", "failed", 2_000)]).unwrap();
    prune(&store, old(LATER, LATER));
    assert_eq!(alerts(&store), ["slow pending"]);
}

#[test]
fn a_digest_goes_after_its_edits() {
    let place = Place::in_memory();
    let store = place.own();
    let a = store.fail(4);
    let digest = tell(&store, &a[..2]);
    let edit = NewDelivery { method: Method::Update, edits: Some(digest), ..message(DeliveryKind::Digest, &a[2..]) };
    let edit = wait(store.enqueue(vec![edit], at(21_000))).unwrap()[0];
    prune(&store, old(LATER, LATER));
    assert_eq!(store.texts("SELECT id || '' FROM deliveries ORDER BY id"), [digest.to_string(), edit.to_string()]);
    let (answer, step) = sent("1.2");
    store.send(edit, answer, step).unwrap();
    prune(&store, old(LATER, LATER));
    prune(&store, old(LATER, LATER));
    assert_eq!(store.sql::<i64>("SELECT count(*) FROM deliveries"), 0);
}

#[test]
fn the_first_message_of_a_thread_stays_while_something_is_to_follow_it() {
    let place = Place::in_memory();
    let store = place.own();
    let deliveries = || store.texts("SELECT id || ' ' || state FROM deliveries ORDER BY id");
    let tell_in = |thread: Thread| {
        let waiting = wait(store.alerts_to_compose(CHANNEL, 10)).unwrap();
        let numbers: Vec<i64> = waiting.iter().map(|alert| alert.id).collect();
        let told = NewDelivery { thread: Some(thread), ..message(DeliveryKind::Alert, &numbers) };
        let delivery = wait(store.enqueue(vec![told], at(20_000))).unwrap()[0];
        let (answer, step) = sent("1.2");
        store.send(delivery, answer, step).unwrap();
    };
    let fail = |at_millis: i64| {
        let task = Task { started: Some(at(at_millis)), ..task("t", "failed", at_millis) };
        store.page(&[task]).unwrap();
    };
    fail(1_000);
    let told = TaskState { run: 1, status: Status::Failed, since: at(1_000), stuck: false };
    tell_in(Thread::Begins { rule: rule().name, task_id: "t".to_owned(), told });
    fail(2_000);
    store.execute("UPDATE threads SET shown = wanted");
    prune(&store, old(1_500, LATER));
    assert_eq!(alerts(&store), ["t pending"]);
    assert_eq!(deliveries(), ["1 sent"], "the alert that waits is to follow it");
    tell_in(Thread::Follows(1));
    prune(&store, old(1_500, LATER));
    assert_eq!(deliveries(), ["1 sent", "2 sent"], "a message that stays follows it");
    store.execute("UPDATE threads SET wanted = '{\"run\":3,\"status\":\"queued\",\"since\":3000}'");
    prune(&store, old(LATER, LATER));
    assert_eq!(deliveries(), ["1 sent"], "it is to be edited");
    store.execute("UPDATE threads SET shown = wanted");
    prune(&store, old(LATER, LATER));
    assert_eq!((deliveries().len(), store.sql::<i64>("SELECT count(*) FROM threads")), (0, 0));
    fail(3_000);
    assert_eq!(alerts(&store), ["t pending"]);
    assert_eq!(wait(store.first_message(&rule().name, "t")).unwrap(), None, "the next alert begins anew");
}

#[test]
fn a_message_that_was_tried_for_ages_goes_in_several_steps() {
    let place = Place::in_memory();
    let store = place.own();
    let a = store.fail(1);
    tell(&store, &a);
    store.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
         INSERT INTO attempts (delivery_id, started_at, payload_sha256, payload_bytes) SELECT 1, i, '', 0 FROM n",
    );
    let (mut round, mut steps) = (Round::default(), Vec::new());
    while !round.is_over() {
        let before: i64 = store.sql("SELECT count(*) FROM attempts");
        round = wait(store.prune_step(round, old(LATER, LATER))).unwrap().0;
        steps.push(before - store.sql::<i64>("SELECT count(*) FROM attempts"));
    }
    assert!(steps.iter().all(|step| *step <= 2_000) && steps.iter().sum::<i64>() == 5_001, "{steps:?}");
    assert_eq!(store.sql::<i64>("SELECT count(*) FROM deliveries"), 0);
}

#[test]
fn of_a_message_that_is_tried_without_end_the_first_and_the_newest_tries_are_remembered() {
    let place = Place::in_memory();
    let store = place.own();
    let delivery = store.post(&store.fail(1));
    let answer = Answer::NotDelivered { retry_after: None, long: false };
    let again = || store.send(delivery, answer.clone(), Step::Retry { due: at(0), pause: false }).unwrap();
    again();
    store.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
         INSERT INTO attempts (delivery_id, started_at, payload_sha256, payload_bytes) SELECT 1, i, '', 0 FROM n;
         UPDATE deliveries SET tries = 1000",
    );
    (0..5).for_each(|_| again());
    let rows = |sql: &str| store.sql::<i64>(&format!("SELECT {sql} FROM attempts"));
    assert_eq!((rows("count(*)"), rows("min(id)"), rows("max(id)")), (1_000, 1, 1_005));
    assert_eq!(rows("min(id)") + 6, store.sql::<i64>("SELECT min(id) FROM attempts WHERE id > 1"), "the oldest went");
    assert_eq!(store.alert(1).attempts, 1_005, "all are counted");
}

#[test]
fn a_thousand_that_must_stay_do_not_hide_what_lies_behind_them() {
    let place = Place::in_memory();
    let store = place.own();
    let a = store.fail(1_000);
    tell(&store, &a[990..]);
    assert_eq!(prune(&store, old(LATER, LATER)).alerts, 10);
}

#[test]
fn names_that_went_are_not_found_and_those_that_stay_are() {
    let place = Place::in_memory();
    let store = place.own();
    let a = store.fail(40);
    tell(&store, &a[..20]);
    assert_eq!(found_by_name(&store, "train t").len(), 40);
    prune(&store, old(LATER, LATER));
    assert_eq!(found_by_name(&store, "train t").len(), 20);
    assert_eq!(found_by_name(&store, "train t25"), ["t25"]);
    assert_eq!(found_by_name(&store, "train t5"), Vec::<String>::new());
    let rows: i64 = store.sql("SELECT count(*) FROM (SELECT rowid FROM alert_names WHERE alert_names MATCH '\"tra\"')");
    assert_eq!(rows, 12, "the index itself holds no more than what stays of its lot of 32");
    store.execute("INSERT INTO alert_names (alert_names) VALUES ('integrity-check')");
    wait(store.check_deep()).unwrap();
}

#[test]
fn a_new_number_is_never_an_old_one() {
    let place = Place::in_memory();
    let store = place.own();
    let first = store.fail(2);
    tell(&store, &first);
    prune(&store, old(LATER, LATER));
    assert_eq!(store.fail(1), [3]);
}

#[test]
fn the_file_shrinks_in_steps_and_keeps_some_room() {
    let place = Place::in_memory();
    let store = place.own();
    for _ in 0..40 {
        tell(&store, &store.fail(100));
    }
    let (pages, before): (i64, i64) = (store.sql("PRAGMA page_count"), store.sql("PRAGMA freelist_count"));
    assert!(!wait(store.give_back_step()).unwrap() && store.sql::<i64>("PRAGMA page_count") == pages, "{before} free");
    prune(&store, old(LATER, LATER));
    let mut last: i64 = store.sql("PRAGMA page_count");
    loop {
        let more = wait(store.give_back_step()).unwrap();
        let now: i64 = store.sql("PRAGMA page_count");
        assert!(last - now <= 200 + 5, "{last} to {now} pages in one step");
        last = now;
        if !more {
            break;
        }
    }
    let free: i64 = store.sql("PRAGMA freelist_count");
    assert!(last < pages / 2 && free <= (last / 10).max(256), "{pages} pages, then {last}, {free} of them free");
    wait(store.check_deep()).unwrap();
}

/// A reader that does not end makes the log grow; once it has, the log is cut back.
#[test]
fn a_long_reader_makes_the_log_large_for_no_longer_than_it_reads() {
    let place = Place::in_memory();
    let store = place.own();
    let reader = Connection::open(place.path()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM tasks").unwrap();
    let write = || store.execute("UPDATE channels SET parked_reason = hex(randomblob(1000000))");
    store.execute("INSERT INTO channels (name) VALUES ('#big')");
    let length = || std::fs::metadata(place.beside("-wal")).unwrap().len();
    while length() < 40_000_000 {
        write();
    }
    reader.execute_batch("COMMIT").unwrap();
    (0..10).for_each(|_| write());
    assert!(length() <= 17_000_000, "{} bytes of log", length());
}

/// A step that is under way is all that a page of a poll ever waits for.
#[test]
fn a_poll_goes_through_between_two_steps() {
    let place = Place::in_memory();
    let store = place.own();
    for _ in 0..20 {
        tell(&store, &store.fail(100));
    }
    let most_rows = |round| wait(store.prune_step(round, old(LATER, LATER))).unwrap();
    let (mut round, mut polls) = (Round::default(), 0);
    while !round.is_over() {
        let (next, step) = most_rows(round);
        assert!(step.alerts + step.others <= 200, "{step:?}");
        store.page(&[task(&format!("new{polls}"), "failed", 900_000 + polls)]).unwrap();
        (round, polls) = (next, polls + 1);
    }
    let waiting = alerts(&store);
    assert!(waiting.len() == usize::try_from(polls).unwrap() && waiting.iter().all(|alert| alert.ends_with("pending")));
}

#[derive(Debug, Clone)]
enum Event {
    /// Which task, which status, and whether it is another run.
    Move(u8, u8, bool),
    Tell(u8),
    Lose(u8),
    Kill(u8),
    Prune(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0_u8..6, 0_u8..5, any::<bool>()).prop_map(|(task, status, anew)| Event::Move(task, status, anew)),
        4 => (1_u8..4).prop_map(Event::Tell),
        1 => (1_u8..3).prop_map(Event::Lose),
        1 => (1_u8..3).prop_map(Event::Kill),
        3 => (0_u8..100).prop_map(Event::Prune),
    ]
}

/// Composes the next alerts that wait, and sends them with this answer.
fn send(store: &Store, many: u8, answer: &Answer, step: &Step) -> Result<(), StoreError> {
    let waiting = wait(store.alerts_to_compose(CHANNEL, usize::from(many))).unwrap();
    let numbers: Vec<i64> = waiting.iter().map(|alert| alert.id).collect();
    if numbers.is_empty() {
        return Ok(());
    }
    let delivery = store.post(&numbers);
    store.send(delivery, answer.clone(), step.clone())
}

/// Whatever happened, and whenever it is removed: no end is ever alerted a second time, and nothing that waits is lost.
fn no_end_is_news_twice(events: &[Event]) {
    let place = Place::in_memory();
    let store = place.own();
    let rules = || vec![rule(), rule_to("completions", CHANNEL)];
    let mut seen: Vec<Task> = Vec::new();
    let mut ever: BTreeMap<(String, String, i64), usize> = BTreeMap::new();
    for (number, event) in events.iter().enumerate() {
        let now = 1_000 + 10 * i64::try_from(number).unwrap();
        match event {
            Event::Move(which, status, anew) => {
                let status = ["failed", "completed", "stopped", "in_progress", "queued"][usize::from(*status)];
                let mut task = task(&format!("t{which}"), status, now);
                if *anew {
                    task.started = Some(at(now));
                }
                let recorded = store.record(page_of(&[task.clone()], rules(), Watching::Outcomes)).unwrap();
                for alert in recorded.alerts {
                    let key = (alert.rule, alert.task_id, alert.status_changed.as_millis());
                    *ever.entry(key).or_default() += 1;
                }
                seen.push(task);
            }
            Event::Tell(many) => {
                let (answer, step) = sent("1.2");
                let _ = send(&store, *many, &answer, &step);
            }
            Event::Lose(many) => {
                let _ = send(&store, *many, &Answer::Ambiguous, &Step::Reconcile { due: at(0) });
            }
            Event::Kill(many) => {
                let _ = send(&store, *many, &Answer::PayloadRefused, &Step::Dead);
            }
            Event::Prune(share) => {
                let waiting = "SELECT count(*) FROM alerts WHERE state NOT IN ('sent', 'suppressed')";
                let before: i64 = store.sql(waiting);
                prune(&store, old(now * i64::from(*share) / 100, LATER));
                assert_eq!(store.sql::<i64>(waiting), before, "what waits stays");
            }
        }
    }
    prune(&store, old(LATER, LATER));
    // A sweep reads every row that ClearML shows: of each task its newest.
    seen.reverse();
    let mut newest: Vec<Task> = Vec::new();
    for task in seen {
        if !newest.iter().any(|known| known.id == task.id) {
            newest.push(task);
        }
    }
    let again = store.record(page_of(&newest, rules(), Watching::Outcomes)).unwrap();
    assert_eq!((again.changed, again.alerts.len()), (0, 0), "what was removed is no news");
    // Unarchived, published, stamped again by an agent: the same ends with later stamps.
    for task in &mut newest {
        task.status_changed = task.status_changed.plus(Duration::from_mins(15));
    }
    let again = store.record(page_of(&newest, rules(), Watching::Outcomes)).unwrap();
    assert_eq!(again.alerts, Vec::new(), "an old end that is stamped again is no news");
    assert!(ever.values().all(|times| *times == 1), "{ever:?}");
    sound(&store);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_end_that_was_removed_is_ever_news_again(events in prop::collection::vec(event(), 1..60)) {
        no_end_is_news_twice(&events);
    }
}
