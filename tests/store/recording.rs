//! Pages: one transaction each, the same page again changes nothing, and a failed one moved nothing.

use std::time::Duration;

use clearml_alerts::domain::rule::Timing;
use clearml_alerts::domain::{AlertState, Cause, Outcome, Rule, Stamp, Task, Why};
use clearml_alerts::store::{DeliveryKind, NewDelivery, StoreError, Watching};

use crate::support::{Place, Short, at, message, page_of, rule, rule_to, task, wait};

#[test]
fn the_same_page_again_changes_nothing() {
    let place = Place::new();
    let store = place.own();
    let tasks = [task("a", "failed", 1_000), task("b", "in_progress", 1_001), task("c", "failed", 1_002)];
    let first = store.page(&tasks).unwrap();
    assert_eq!((first.changed, first.alerts.len()), (3, 2));
    let writes = store.sql::<i64>("SELECT generation FROM monitor");
    let again = store.page(&tasks).unwrap();
    assert_eq!(store.sql::<i64>("SELECT generation FROM monitor"), writes, "a poll without news writes nothing");
    assert_eq!((again.changed, again.alerts.len()), (0, 0));
    assert_eq!(store.sql::<i64>("SELECT count(*) FROM alerts"), 2);
    assert_eq!(store.sql::<i64>("SELECT count(*) FROM transitions"), 3);
}

#[test]
fn a_restamp_is_recorded_with_its_reason_and_the_first_reason_is_told() {
    let place = Place::new();
    let store = place.own();
    let because = |reason: &str, task: Task| Task { status_reason: Some(reason.to_owned()), ..task };
    store.page(&[because("ValueError: x", task("a", "failed", 1_000))]).unwrap();
    store.page(&[because("exit code 1", task("a", "failed", 3_000))]).unwrap();
    assert_eq!(
        store.texts("SELECT change || ': ' || reason FROM transitions ORDER BY id"),
        ["ended: ValueError: x", "restamp: exit code 1"]
    );
    let told = wait(store.alerts_to_compose("#ml-alerts", 10)).unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].task.status_reason.as_deref(), Some("ValueError: x"));
    assert_eq!(store.alert(told[0].id).status_changed, at(1_000), "the stamp of the outcome as first seen");
}

#[test]
fn each_run_has_its_own_alert_and_the_memory_survives_a_restart() {
    let place = Place::new();
    let rows = [("failed", 1_000), ("queued", 2_000), ("in_progress", 3_000), ("failed", 4_000), ("failed", 5_000)];
    for (status, changed) in rows {
        place.own().page(&[task("a", status, changed)]).unwrap();
    }
    let store = place.own();
    assert_eq!(store.texts("SELECT run || ' ' || status_changed FROM alerts ORDER BY id"), ["1 1000", "2 4000"]);
}

#[test]
fn what_a_baseline_saw_is_not_alerted_and_what_follows_is() {
    let place = Place::new();
    let store = place.own();
    let old = [task("old", "failed", 1_000), task("running", "in_progress", 1_500)];
    let baseline = store.record(page_of(&old, vec![rule()], Watching::Baseline)).unwrap();
    assert_eq!((baseline.changed, baseline.alerts.len()), (2, 0));
    assert_eq!(wait(store.monitor()).unwrap().watermark, None, "a baseline page begins nothing");
    let begin = Watching::Begin { from: at(500), watermark: at(1_500) };
    store.record(page_of(&[], vec![rule()], begin)).unwrap();
    let record = wait(store.monitor()).unwrap();
    assert_eq!((record.watch_from, record.watermark), (Some(at(500)), Some(at(1_500))));
    assert_eq!(store.page(&old).unwrap().alerts, []);
    assert_eq!(store.page(&[task("running", "failed", 2_000)]).unwrap().alerts.len(), 1);
    assert_eq!(store.texts("SELECT DISTINCT change FROM transitions ORDER BY id"), ["baseline", "ended"]);
}

#[test]
fn watching_begins_once() {
    let place = Place::new();
    let store = place.own();
    for (from, watermark) in [(500, 1_500), (0, 0), (9_000, 9_000)] {
        let begin = Watching::Begin { from: at(from), watermark: at(watermark) };
        store.record(page_of(&[], vec![], begin)).unwrap();
    }
    let record = wait(store.monitor()).unwrap();
    assert_eq!((record.watch_from, record.watermark), (Some(at(500)), Some(at(1_500))));
}

#[test]
fn the_watermark_never_goes_back() {
    let place = Place::new();
    let store = place.own();
    for (changed, expected) in [(5_000, 5_000), (3_000, 5_000), (6_000, 6_000)] {
        store.page(&[task(&format!("t{changed}"), "failed", changed)]).unwrap();
        assert_eq!(wait(store.monitor()).unwrap().watermark, Some(at(expected)));
    }
    store.page(&[]).unwrap();
    assert_eq!(wait(store.monitor()).unwrap().watermark, Some(at(6_000)), "an empty page moves nothing");
}

/// The key in the database holds where the code that decides has forgotten everything.
#[test]
fn a_second_alert_about_one_end_is_impossible() {
    let place = Place::new();
    let store = place.own();
    let failed = task("a", "failed", 1_000);
    store.page(std::slice::from_ref(&failed)).unwrap();
    store.execute(
        "UPDATE tasks SET status = 'created', status_changed = 1, run = 1, run_outcomes = 0, ended_outcome = NULL,
         ended_changed = NULL, ended_started = NULL, ended_active = NULL",
    );
    let again = store.page(&[failed]).unwrap();
    assert_eq!(again.changed, 1, "it was decided anew");
    assert_eq!(again.alerts, [], "and refused");
    let insert = "INSERT INTO alerts (rule, task_id, run, outcome, status_changed, task_name, state, channel, snapshot, created_at)
                  SELECT rule, task_id, run, outcome, 9, 'x', 'pending', 'y', '{}', 9 FROM alerts";
    assert!(store.write_now(|tx| tx.execute(insert, [])).is_err());
    assert_eq!(store.sql::<i64>("SELECT count(*) FROM alerts"), 1);
}

#[test]
fn rules_are_told_apart() {
    let place = Place::new();
    let store = place.own();
    let second = rule_to("second", "#second");
    let recorded =
        store.record(page_of(&[task("a", "failed", 1_000)], vec![rule(), second], Watching::Outcomes)).unwrap();
    let told: Vec<_> = recorded.alerts.iter().map(|alert| (alert.id, alert.rule.as_str())).collect();
    assert_eq!(told, [(1, "default"), (2, "second")]);
    assert_eq!(store.alert(2).channel, "#second");
    assert_eq!(wait(store.alerts_to_compose("#second", 9)).unwrap().len(), 1);
}

#[test]
fn what_a_rule_keeps_quiet_is_recorded_with_the_filter_and_the_value() {
    let place = Place::new();
    let store = place.own();
    let mut rule = rule();
    rule.conditions.min_iterations = 8;
    let recorded = store.record(page_of(&[task("a", "failed", 1_000)], vec![rule], Watching::Outcomes)).unwrap();
    assert_eq!(recorded.alerts[0].suppressed.as_ref().unwrap().to_string(), "iterations: 7 of at least 8");
    let quiet = store.alert(recorded.alerts[0].id);
    assert_eq!((quiet.state, quiet.rule.as_str()), (AlertState::Suppressed, "default"));
    assert_eq!(quiet.reason.as_deref(), Some("iterations: 7 of at least 8"));
    assert_eq!(store.texts("SELECT filter FROM alerts WHERE filter IS NOT NULL"), ["iterations"]);
    assert_eq!(wait(store.alerts_to_compose("#ml-alerts", 9)).unwrap().len(), 0, "a suppressed one is never composed");
}

#[test]
fn a_page_that_fails_to_commit_moved_nothing() {
    let place = Place::new();
    let store = place.own();
    store.page(&[task("a", "failed", 1_000)]).unwrap();
    store.execute(
        "CREATE TRIGGER out_of_luck BEFORE INSERT ON alerts WHEN NEW.task_id = 'c'
         BEGIN SELECT RAISE(ABORT, 'out of luck'); END",
    );
    let everything = "SELECT (SELECT group_concat(task_id || status) FROM tasks) || (SELECT count(*) FROM transitions)
                      || (SELECT count(*) FROM alerts) || (SELECT watermark || ' ' || generation FROM monitor)";
    let before: String = store.sql(everything);
    let page = [task("a", "queued", 2_000), task("b", "failed", 2_001), task("c", "failed", 2_002)];
    let error = store.page(&page).unwrap_err();
    assert!(matches!(error, StoreError::Other { .. }), "{error}");
    assert_eq!(store.sql::<String>(everything), before);
    store.execute("DROP TRIGGER out_of_luck");
    assert_eq!(store.page(&page).unwrap().alerts.len(), 2, "the next try records all of it");
}

#[test]
fn a_snapshot_comes_back_as_it_was() {
    let place = Place::new();
    let store = place.own();
    let hostile = Task {
        name: "<!channel> \u{202e}\u{0} ' \" ; DROP TABLE alerts; --".to_owned(),
        status_reason: Some("💥".repeat(10_000)),
        completed: Some(Stamp::from_millis(-5)),
        ..task("a", "failed", 1_000)
    };
    store.page(std::slice::from_ref(&hostile)).unwrap();
    let told = wait(store.alerts_to_compose("#ml-alerts", 10)).unwrap();
    assert_eq!(told[0].task, hostile);
    assert_eq!((told[0].outcome, told[0].run), (Outcome::Failed, 1));
    assert_eq!(store.alert(told[0].id).task_name, hostile.name);
}

#[test]
fn one_database_belongs_to_one_server() {
    let place = Place::new();
    {
        let store = place.own();
        let record = wait(store.claim("https://api.one.example.com")).unwrap();
        assert_eq!(record.server.as_deref(), Some("https://api.one.example.com"));
        assert_eq!(record.instance, "test");
    }
    let store = place.own();
    assert!(wait(store.claim("https://api.one.example.com")).is_ok());
    let error = wait(store.claim("https://api.two.example.com")).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StoreError::OtherServer { .. }));
    for part in ["https://api.one.example.com", "https://api.two.example.com", "alerts.db", "--db"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(store.texts("SELECT server FROM monitor"), ["https://api.one.example.com"]);
}

#[test]
fn why_a_task_ended_is_recorded_from_the_row_and_known_better_with_its_message() {
    let place = Place::new();
    let store = place.own();
    let ended = Task {
        status_reason: Some("worker execution exit code 1 ".to_owned()),
        status_message: Some("Changed by clearml-agent gpu-01:0".to_owned()),
        ..task("a", "failed", 1_000)
    };
    let secret =
        Task { status_reason: Some("ValueError: password=hunter2hunter2".to_owned()), ..task("b", "failed", 1_000) };
    store.page(&[ended, secret, task("c", "completed", 2_000)]).unwrap();
    let causes = || store.texts("SELECT coalesce(cause || ': ' || cause_detail, 'none') FROM alerts ORDER BY id");
    assert_eq!(causes(), ["exit_code: exit code 1", "crash: ValueError: password=***", "none"]);
    let why = Why { cause: Cause::Crash, detail: "KeyError: 'x'".to_owned() };
    let composed = NewDelivery { whys: vec![(1, why.clone())], ..message(DeliveryKind::Alert, &[1]) };
    let twice = NewDelivery { whys: vec![(2, why)], ..message(DeliveryKind::Alert, &[1]) };
    wait(store.enqueue(vec![composed], at(1))).unwrap();
    wait(store.enqueue(vec![twice], at(1))).unwrap_err();
    assert_eq!(
        causes(),
        ["crash: KeyError: 'x'", "crash: ValueError: password=***", "none"],
        "a refused message changes nothing"
    );
}

/// Whether anything is on hold is asked once a page; what the page itself puts there counts, too.
#[test]
fn a_failure_on_hold_is_dropped_by_its_retry_within_the_same_page() {
    let place = Place::new();
    let store = place.own();
    let timing = Timing { hold: Some(Duration::from_mins(10)), ..Timing::default() };
    let tasks = [task("t", "failed", 1_000), task("t", "queued", 2_000)];
    let recorded = store.record(page_of(&tasks, vec![Rule { timing, ..rule() }], Watching::Outcomes)).unwrap();
    assert_eq!(recorded.alerts.len(), 2, "{recorded:?}");
    assert_eq!(store.texts("SELECT state || ' ' || filter FROM alerts"), ["suppressed retried"]);
}
