//! Looks at running tasks.

use std::sync::Arc;
use std::time::Duration;

use clearml_alerts::domain::rule::Stuck;
use clearml_alerts::domain::{Rule, Stamp, Task};
use clearml_alerts::store::{Store, StuckLook, StuckRecorded, Watching};

use crate::support::{Place, Short, at, page_of, rule, rule_to, task, wait};

const HOUR: i64 = 3_600_000;

fn watching(silent: Option<u64>, iteration: Option<u64>) -> Rule {
    let stuck = Stuck { silent: silent.map(Duration::from_hours), iteration: iteration.map(Duration::from_hours) };
    Rule { stuck: Some(stuck), ..rule() }
}

fn running(id: &str, last_update: i64, iteration: i64) -> Task {
    Task { last_update: Some(at(last_update)), last_iteration: iteration, ..task(id, "in_progress", 1_000) }
}

fn look_with(store: &Store, now: i64, tasks: &[Task], rules: Vec<Rule>) -> StuckRecorded {
    let (at, rules) = (at(now), Arc::new(rules));
    let look = StuckLook { at, tasks: tasks.to_vec(), is_whole: true, rules, pages: None, now: at };
    wait(store.record_stuck(look)).unwrap()
}

fn look(store: &Store, now: i64, tasks: &[Task]) -> StuckRecorded {
    look_with(store, now, tasks, vec![watching(Some(1), None)])
}

fn generation(store: &Store) -> i64 {
    store.sql("SELECT generation FROM monitor")
}

fn count(store: &Store, table: &str) -> i64 {
    store.sql(&format!("SELECT count(*) FROM {table}"))
}

#[test]
fn an_episode_is_one_alert_and_a_look_that_brings_nothing_writes_nothing() {
    let place = Place::new();
    let store = place.own();
    store.page(&[running("t", 1_000, 7)]).unwrap();
    let before = generation(&store);
    assert_eq!(look(&store, HOUR, &[running("t", 1_000, 7)]), StuckRecorded::default());
    assert_eq!(generation(&store), before);
    let told = look(&store, HOUR + 1_000, &[running("t", 1_000, 7)]);
    assert_eq!((told.alerts.len(), told.has_news), (1, true));
    let before = generation(&store);
    for hour in 2..5 {
        assert!(!look(&store, HOUR * hour, &[running("t", 1_000, 7)]).has_news);
    }
    assert_eq!(generation(&store), before, "nothing new, nothing written");
    let first = look(&store, HOUR * 5, &[running("t", HOUR * 5, 7)]);
    assert!(first.recovered.is_empty());
    let second = look(&store, HOUR * 5 + 30_000, &[running("t", HOUR * 5 + 20_000, 7)]);
    assert_eq!(second.recovered, [(rule().name, "t".to_owned())]);
    assert_eq!(look(&store, HOUR * 7, &[running("t", HOUR * 5 + 20_000, 7)]).alerts.len(), 1, "another episode");
    assert_eq!(store.texts("SELECT outcome || ' ' || episode || ' ' || cause_detail FROM alerts").len(), 2);
    assert_eq!(store.texts("SELECT cast(episode AS TEXT) FROM alerts ORDER BY id"), ["1", "2"]);
    store.check();
}

#[test]
fn the_database_holds_no_second_alert_about_one_episode() {
    let place = Place::new();
    let store = place.own();
    store.page(&[running("t", 1_000, 7)]).unwrap();
    look(&store, HOUR * 2, &[running("t", 1_000, 7)]);
    let columns = "rule, task_id, run, outcome, status_changed, task_name, state, channel, snapshot, created_at";
    let again = format!("INSERT INTO alerts (episode, {columns}) SELECT 1, {columns} FROM alerts");
    let refused = store.write_now(|tx| tx.execute(&again, []));
    assert!(refused.unwrap_err().to_string().contains("UNIQUE"));
    let ended = format!("INSERT INTO alerts (episode, {columns}) SELECT 0, {columns} FROM alerts");
    assert!(store.write_now(|tx| tx.execute(&ended, [])).is_err(), "an episode has a number");
}

#[test]
fn a_task_from_before_the_watch_is_remembered_and_its_end_is_told() {
    let place = Place::new();
    let store = place.own();
    assert_eq!(look(&store, HOUR * 2, &[running("old", 1_000, 7)]).alerts.len(), 1);
    store.check();
    let ended = Task { status_changed: at(HOUR * 3), ..task("old", "failed", 1_000) };
    let told = store.record(page_of(&[ended], vec![watching(Some(1), None)], Watching::Outcomes)).unwrap();
    assert_eq!(told.alerts.iter().filter(|alert| alert.suppressed.is_none()).count(), 1);
    assert_eq!((count(&store, "stuck"), count(&store, "alerts")), (0, 2), "its end ends the episode");
}

#[test]
fn what_a_poll_has_to_tell_first_is_left_for_the_next_look() {
    let place = Place::new();
    let store = place.own();
    store.page(&[running("t", 1_000, 7)]).unwrap();
    let stamped_again = Task { status_changed: at(2_000), ..running("t", 1_000, 7) };
    assert_eq!(look(&store, HOUR * 2, &[stamped_again]), StuckRecorded::default());
    store.page(&[task("t", "failed", 3_000)]).unwrap();
    assert_eq!(look(&store, HOUR * 2, &[running("t", 1_000, 7)]), StuckRecorded::default(), "it has ended");
}

#[test]
fn the_memory_holds_what_runs_and_is_asked_for() {
    let place = Place::new();
    let store = place.own();
    let by_iteration = || vec![watching(None, Some(1))];
    let both = [running("a", 1_000, 7), running("b", 1_000, 7)];
    store.page(&both).unwrap();
    look_with(&store, HOUR, &both, by_iteration());
    assert_eq!(count(&store, "iterations"), 2);
    let told = look_with(&store, HOUR * 2, &both, by_iteration());
    assert_eq!((told.alerts.len(), count(&store, "stuck")), (2, 2));
    // One was deleted in ClearML.
    look_with(&store, HOUR * 2, &both[..1], by_iteration());
    assert_eq!((count(&store, "iterations"), count(&store, "stuck")), (1, 1));
    // The rule asks for silence alone now; then for nothing, while another does.
    look_with(&store, HOUR * 2, &both[..1], vec![watching(Some(9), None)]);
    assert_eq!((count(&store, "iterations"), count(&store, "stuck")), (0, 1));
    let other = Rule { stuck: watching(Some(9), None).stuck, ..rule_to("other", "#b") };
    look_with(&store, HOUR * 2, &both[..1], vec![rule(), other]);
    assert_eq!(count(&store, "stuck"), 0);
    store.check();
}

#[test]
fn a_look_at_ten_thousand_running_tasks_is_quick() {
    let place = Place::in_memory();
    let store = place.own();
    let tasks: Vec<Task> = (0..10_000).map(|number| running(&format!("t{number}"), 1_000, number)).collect();
    store.page(&tasks).unwrap();
    let by_iteration = || vec![watching(None, Some(1))];
    look_with(&store, 1_000, &tasks, by_iteration());
    let clock = clearml_alerts::clock::Clock::system();
    let before: Stamp = clock.steady();
    assert_eq!(look_with(&store, 2_000, &tasks, by_iteration()), StuckRecorded::default());
    let took = clock.steady().since(before);
    println!("a look at 10,000 running tasks that changes nothing took {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}
