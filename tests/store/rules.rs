//! Many rules: what one outcome leaves in the database, and what the past means to a new rule.

use clearml_alerts::domain::{Coverage, Destination, ProjectFilter, ProjectPattern, Rule, Task};
use clearml_alerts::store::{Hearing, NewSilence, Store, Watching};

use crate::support::{Place, Short, at, page_of, rule, rule_to, task, wait};

/// So many rules, each of another project.
fn strangers(many: usize) -> Vec<Rule> {
    let stranger = |number: usize| {
        let mut rule = rule_to(&format!("team-{number:03}"), &format!("#team-{number:03}"));
        let project = ProjectPattern::Subtree(format!("team-{number:03}"));
        rule.conditions.projects = ProjectFilter { only: vec![project], except: Vec::new() };
        rule
    };
    (0..many).map(stranger).collect()
}

fn record(store: &Store, tasks: &[Task], rules: &[Rule]) {
    store.record(page_of(tasks, rules.to_vec(), Watching::Outcomes)).unwrap();
}

fn hearings(store: &Store, task_id: &str) -> Vec<Hearing> {
    wait(store.task_story(task_id)).unwrap().unwrap().hearings
}

fn rows(store: &Store) -> Vec<String> {
    store.texts("SELECT task_id || ' ' || rule || ' ' || state || coalesce(' ' || reason, '') FROM alerts ORDER BY id")
}

#[test]
fn an_outcome_leaves_a_row_for_each_rule_that_speaks_and_else_one_for_the_nearest() {
    let place = Place::new();
    let store = place.own();
    let mut short = rule_to("short", "#short");
    short.conditions.min_iterations = 8;
    let rules = [strangers(2), vec![short, rule_to("all", "#all"), rule()]].concat();
    record(&store, &[task("a", "failed", 1_000)], &rules);
    record(&store, &[task("b", "failed", 2_000)], &rules[..3]);
    record(&store, &[task("c", "failed", 3_000)], &rules[..2]);
    let expected = [
        "a all pending",
        "a default pending",
        "b short suppressed iterations: 7 of at least 8 (the nearest of 3 rules, none of which matched)",
        "c team-000 suppressed project: `vision/resnet` is not in `team-000/**` (the nearest of 2 rules, none of which matched)",
    ];
    assert_eq!(rows(&store), expected);
    assert_eq!(store.texts("SELECT said FROM transitions ORDER BY id"), ["ppiAA", "ppi", "pp"]);
    let heard: Vec<_> =
        hearings(&store, "b")[0].rules.iter().map(|heard| (heard.rule.clone(), heard.verdict)).collect();
    let expected = [("team-000", "project"), ("team-001", "project"), ("short", "iterations")];
    assert_eq!(heard, expected.map(|(rule, verdict)| (rule.to_owned(), verdict)));
}

#[test]
fn a_list_of_rules_is_recorded_once_a_change() {
    let place = Place::new();
    let store = place.own();
    let (first, second) = ([rule()], [rule_to("renamed", "#a"), rule()]);
    for (number, rules) in [&first[..], &first, &second, &second, &first].into_iter().enumerate() {
        record(&store, &[task(&format!("t{number}"), "failed", 1_000)], rules);
        record(&store, &[task("running", "in_progress", 1_000)], &strangers(1));
    }
    let names = store.texts("SELECT names FROM rule_sets ORDER BY id");
    assert_eq!(names, [r#"["default"]"#, r#"["renamed","default"]"#, r#"["default"]"#]);
    assert_eq!(
        store.texts("SELECT DISTINCT rule_set_id || said FROM transitions WHERE change = 'ended'"),
        ["1A", "2AA", "3A"]
    );
}

#[test]
fn a_rule_that_is_new_hears_nothing_of_the_past_and_one_that_is_gone_keeps_its_alerts() {
    let place = Place::new();
    let store = place.own();
    let past = task("past", "failed", 1_000);
    record(&store, std::slice::from_ref(&past), &[rule()]);
    // Renamed, joined by another, and read again by a sweep: as it is, stamped again, and after a restart.
    let renamed = [rule_to("renamed", "#new"), rule_to("added", "#new")];
    record(&store, &[past.clone(), task("new", "failed", 3_000)], &renamed);
    drop(store);
    let store = place.own();
    let again = Task { status_changed: at(2_000), ..past };
    record(&store, &[again], &renamed);
    assert_eq!(rows(&store), ["past default pending", "new renamed pending", "new added pending"]);
    assert_eq!(wait(store.alerts_to_compose(crate::support::CHANNEL, 9)).unwrap().len(), 1, "it still goes out");
    assert_eq!(hearings(&store, "past").len(), 1);
}

#[test]
fn hidden_tasks_that_ended_before_a_rule_asked_for_them_are_past() {
    let place = Place::new();
    let store = place.own();
    let hidden = |id, stamp| Task { system_tags: vec!["hidden".to_owned()], ..task(id, "failed", stamp) };
    let mut asking = rule();
    asking.conditions.include_hidden = true;
    wait(store.watch_hidden(Some(at(2_000)))).unwrap();
    let page = [hidden("before", 1_999), task("seen", "failed", 1_999), hidden("since", 2_000)];
    record(&store, &page, &[asking.clone()]);
    record(&store, &page, &[asking]);
    assert_eq!(rows(&store), ["seen default pending", "since default pending"]);
    assert_eq!(store.texts("SELECT change FROM transitions WHERE task_id = 'before'"), ["baseline"]);
}

#[test]
fn a_rule_that_a_silence_keeps_quiet_has_spoken() {
    let place = Place::new();
    let store = place.own();
    let coverage = Coverage { rules: vec!["first".to_owned()], ..Coverage::default() };
    let silence = NewSilence {
        coverage,
        author: "ada".to_owned(),
        reason: "tests".to_owned(),
        starts_at: at(0),
        ends_at: at(90_000),
        quiet_end: true,
    };
    wait(store.add_silence(silence, at(1))).unwrap();
    let first = Rule { continues: false, ..rule_to("first", "#a") };
    record(&store, &[task("a", "failed", 1_000)], &[first, rule_to("second", "#b")]);
    assert_eq!(rows(&store), ["a first suppressed silence: number 1 by ada: tests"]);
    assert_eq!(store.texts("SELECT said FROM transitions"), ["ze"]);
}

/// Bytes of the database a recorded outcome, which no rule tells.
fn bytes_an_outcome(rules: &[Rule]) -> i64 {
    const OUTCOMES: i64 = 2_000;
    let place = Place::in_memory();
    let store = place.own();
    let size =
        || store.sql::<i64>("SELECT (SELECT page_count FROM pragma_page_count()) * page_size FROM pragma_page_size()");
    let before = size();
    let tasks: Vec<Task> =
        (0..OUTCOMES).map(|number| task(&format!("{number:032x}"), "failed", 1_000 + number)).collect();
    record(&store, &tasks, rules);
    (size() - before) / OUTCOMES
}

#[test]
fn the_database_grows_with_outcomes_and_hardly_with_rules() {
    let (one, many) = (bytes_an_outcome(&strangers(1)), bytes_an_outcome(&strangers(200)));
    assert!(many - one < 400, "an outcome takes {one} bytes with one rule, and {many} with 200");
}

#[test]
fn alerts_that_wait_follow_their_rule_to_an_owner_and_back() {
    let place = Place::new();
    let store = place.own();
    store.fail(2);
    let owner = Destination::Owner { fallback: "#fallback".to_owned() };
    assert_eq!(wait(store.retarget("default", &owner)).unwrap(), 2);
    assert_eq!(wait(store.retarget("default", &owner)).unwrap(), 0, "once");
    store.execute("UPDATE alerts SET channel = '#fallback' WHERE id = 2");
    assert_eq!(wait(store.retarget("default", &owner)).unwrap(), 0, "where an owner is not known at Slack");
    assert_eq!(store.texts("SELECT channel FROM alerts ORDER BY id"), ["owner:u1", "#fallback"]);
    assert_eq!(wait(store.retarget("default", &Destination::Webhook("ci".to_owned()))).unwrap(), 2);
    assert_eq!(store.texts("SELECT DISTINCT channel FROM alerts"), ["webhook:ci"]);
}
