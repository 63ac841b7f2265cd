//! Counts and short names, next to a model that looks at every alert: whatever was recorded, changed and removed, at the
//! edges of days, without names, in any alphabet.

use std::collections::BTreeMap;

use clearml_alerts::store::{GroupBy, HistoryFilter, Order, Store};
use proptest::prelude::*;

use crate::counted::{Alert, Change, Row, WAYS, alert, change, filter, groups_by_hand, matches, statistics_by_hand};
use crate::support::{Place, Short, wait};

fn groups_of(store: &Store, filter: &HistoryFilter, by: GroupBy) -> Vec<Row> {
    let groups = store.groups(filter, by).unwrap();
    let row = |group: clearml_alerts::store::Group| {
        (group.name, [group.alerts, group.sent, group.waiting, group.dead, group.suppressed])
    };
    groups.into_iter().map(row).collect()
}

fn statistics_of(store: &Store, filter: &HistoryFilter) -> (usize, usize, [Option<i64>; 3]) {
    let found = store.statistics(filter).unwrap();
    #[expect(clippy::cast_possible_truncation, reason = "what comes out of whole milliseconds")]
    let millis = |seconds: Option<f64>| seconds.map(|seconds| (seconds * 1_000.0).round() as i64);
    let late = [found.median_seconds, found.p95_seconds, found.longest_seconds].map(millis);
    (found.alerts as usize, found.sent as usize, late)
}

fn filled(alerts: &[Alert], changes: &[(usize, Change)]) -> (Place, Store, BTreeMap<i64, Alert>) {
    let place = Place::in_memory();
    let store = place.own();
    store.execute(
        "INSERT INTO tasks (task_id, name, status, status_changed, run, run_outcomes, first_seen_at, last_change_at)
             VALUES ('t0', 'n', 'failed', 0, 1, 1, 0, 0);
         INSERT INTO deliveries (id, kind, method, channel, channel_id, key, payload, state, due_at, created_at, message_ts, sent_at)
             SELECT key, 'digest', 'post', '#a', 'C', 'k', 'p', value, 0, 0, 'ts', iif(value = 'sent', 0, NULL)
             FROM json_each('[\"pending\", \"sending\", \"unknown\", \"held\", \"sent\", \"dead\"]')",
    );
    let mut known: BTreeMap<i64, Alert> = BTreeMap::new();
    let mut sql = String::new();
    for (number, alert) in alerts.iter().enumerate() {
        let (names, values): (Vec<_>, Vec<_>) = alert.columns(number).into_iter().unzip();
        let id = i64::try_from(number + 1).unwrap();
        sql.push_str(&format!("INSERT INTO alerts (id, {}) VALUES ({id}, {});", names.join(", "), values.join(", ")));
        known.insert(id, alert.clone());
    }
    for (number, change) in changes {
        let id = i64::try_from(number + 1).unwrap();
        match change {
            // A name is never changed: it is not kept in the index of names.
            Change::Becomes(alert) if known.contains_key(&id) => {
                let alert = Alert { name: known[&id].name, ..alert.clone() };
                let set: Vec<String> =
                    alert.columns(*number).iter().map(|(name, value)| format!("{name} = {value}")).collect();
                sql.push_str(&format!("UPDATE alerts SET {} WHERE id = {id};", set.join(", ")));
                known.insert(id, alert);
            }
            Change::Becomes(_) => {}
            Change::Goes => {
                sql.push_str(&format!("DELETE FROM alerts WHERE id = {id};"));
                known.remove(&id);
            }
        }
    }
    store.execute(&sql);
    (place, store, known)
}

fn numbers(store: &Store, filter: &HistoryFilter, order: Order) -> Vec<i64> {
    store.history(filter, order).unwrap().into_iter().map(|alert| alert.id).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_counted_is_what_is_there(
        alerts in prop::collection::vec(alert(), 0..60),
        changes in prop::collection::vec(change(), 0..40),
        filters in prop::collection::vec(filter(), 12),
    ) {
        let (_place, store, known) = filled(&alerts, &changes);
        for filter in &filters {
            for by in WAYS {
                prop_assert_eq!(groups_of(&store, filter, by), groups_by_hand(&known, filter, by), "{:?} {:?}", by, filter);
            }
            prop_assert_eq!(statistics_of(&store, filter), statistics_by_hand(&known, filter), "{:?}", filter);
            let mut expected: Vec<(i64, i64)> =
                known.iter().filter(|(_, alert)| matches(filter, alert)).map(|(id, alert)| (alert.status_changed, *id)).collect();
            expected.sort_unstable();
            let oldest: Vec<i64> = expected.iter().map(|(_, id)| *id).collect();
            prop_assert_eq!(numbers(&store, filter, Order::Oldest), oldest, "{:?}", filter);
        }
        prop_assert_eq!(store.sql::<i64>(EMPTY), 0);
        wait(store.check_deep()).unwrap();
    }
}

/// Tallies that count nothing.
const EMPTY: &str = "SELECT count(*) FROM tallies WHERE max(abs(pending), abs(sending), abs(unknown), abs(held), abs(sent), abs(dead), abs(suppressed)) = 0";

#[test]
fn a_tally_that_is_wrong_is_found() {
    let place = Place::in_memory();
    let store = place.own();
    store.fail(3);
    wait(store.check_deep()).unwrap();
    store.execute("UPDATE tallies SET pending = pending + 1 WHERE of = 'user'");
    let error = wait(store.check_deep()).unwrap_err().to_string();
    assert!(error.contains("the tally of user Ada on day 0 has 1 pending more than there are"), "{error}");
}

/// What a name holds is found by one letter of it and by two, also where it is not among the newest.
#[test]
fn one_letter_and_two_are_found_behind_thousands() {
    let place = Place::in_memory();
    let store = place.own();
    store.execute(
        "INSERT INTO tasks (task_id, name, status, status_changed, run, run_outcomes, first_seen_at, last_change_at)
             VALUES ('t0', 'n', 'failed', 0, 1, 1, 0, 0);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
         INSERT INTO alerts (rule, task_id, run, outcome, status_changed, task_name, state, filter, channel, created_at)
             SELECT 'r', 't0', i, 'failed', i, CASE i WHEN 1 THEN 'q' WHEN 2 THEN 'Xq' WHEN 3 THEN 'bÄ' WHEN 4 THEN 'ends in ßQ'
                 WHEN 5 THEN 'v' ELSE 'run' END, 'suppressed', 'user', '#a', 0 FROM n",
    );
    let found = |text: &str| {
        numbers(
            &store,
            &HistoryFilter { tasks: vec![text.to_owned()], limit: 50, ..HistoryFilter::default() },
            Order::Newest,
        )
    };
    let cases: [(&str, &[i64]); 8] = [
        ("q", &[4, 2, 1]),
        ("XQ", &[2]),
        ("bä", &[3]),
        ("ßq", &[4]),
        ("V", &[5]),
        ("vv", &[]),
        ("s ", &[4]),
        ("é", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(found(text), expected, "{text}");
    }
    // A number that comes again is below those whose names were added in lots.
    store.execute(
        "DELETE FROM alerts WHERE id = 2;
         INSERT INTO alerts (id, rule, task_id, run, outcome, status_changed, task_name, state, filter, channel, created_at)
             VALUES (2, 'r', 't0', 2, 'failed', 2, 'jw', 'suppressed', 'user', '#a', 0)",
    );
    assert_eq!((found("jw"), found("xq")), (vec![2], vec![]));
    let either =
        HistoryFilter { tasks: vec!["bä".to_owned(), "ends".to_owned()], limit: 50, ..HistoryFilter::default() };
    assert_eq!(numbers(&store, &either, Order::Newest), [4, 3]);
    assert_eq!(found("u").len(), 50);
}
