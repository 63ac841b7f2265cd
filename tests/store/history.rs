//! History: every filter, the order, the limit, and what `--follow` reads.

use clearml_alerts::domain::delivery::{Answer, Step};
use clearml_alerts::domain::{AlertState, Cause, Named, Outcome, Task};
use clearml_alerts::store::{Exclusion, HistoryFilter, Order, Store, Watching};

use crate::support::{Place, Short, at, page_of, rule, rule_to, sent, task};

fn everything() -> HistoryFilter {
    HistoryFilter { limit: 50, ..HistoryFilter::default() }
}

fn ids(store: &Store, filter: &HistoryFilter) -> Vec<i64> {
    store.history(filter, Order::Newest).unwrap().into_iter().map(|alert| alert.id).collect()
}

/// Alerts 1 to 5 of two rules and three outcomes.
fn filled() -> (Place, Store) {
    let place = Place::new();
    let store = place.own();
    let named = |id: &str, name: &str| Some(Named { id: id.to_owned(), name: Some(name.to_owned()) });
    let tasks = [
        Task { name: "100%_done".to_owned(), ..task("abc1", "failed", 3_000) },
        Task { name: "1000 done".to_owned(), project: named("p2", "NLP/Bert"), ..task("abd2", "completed", 1_000) },
        Task { name: "Train X".to_owned(), user: named("u2", "Grace"), ..task("fff3", "stopped", 2_000) },
    ];
    let outcomes = Outcome::ALL.into_iter().collect();
    let mut all = rule();
    all.conditions.outcomes = outcomes;
    let quiet = rule_to("quiet", "C024BE91L");
    store.record(page_of(&tasks[..2], vec![all.clone(), quiet], Watching::Outcomes)).unwrap();
    // What a single rule would have left.
    store.execute(
        "INSERT INTO alerts (rule, task_id, run, outcome, status_changed, task_name, project_id, project, user_id, user, state,
             filter, reason, channel, created_at)
         SELECT 'quiet', task_id, run, outcome, status_changed, task_name, project_id, project, user_id, user, 'suppressed',
             'status', 'status: completed, watched: failed', 'C024BE91L', created_at
         FROM alerts WHERE task_id = 'abd2'",
    );
    store.record(page_of(&tasks[2..], vec![all], Watching::Outcomes)).unwrap();
    (place, store)
}

#[test]
fn each_filter_finds_its_own() {
    let (_place, store) = filled();
    let some = |text: &str| vec![text.to_owned()];
    let cases = [
        (everything(), vec![2, 1, 5, 4, 3]),
        (HistoryFilter { since: Some(at(2_000)), ..everything() }, vec![2, 1, 5]),
        (HistoryFilter { until: Some(at(2_000)), ..everything() }, vec![4, 3]),
        (HistoryFilter { since: Some(at(2_000)), until: Some(at(3_000)), ..everything() }, vec![5]),
        (HistoryFilter { projects: some("bert"), ..everything() }, vec![4, 3]),
        (HistoryFilter { projects: some("p2"), ..everything() }, vec![4, 3]),
        (HistoryFilter { tasks: some("ab"), ..everything() }, vec![2, 1, 4, 3]),
        (HistoryFilter { tasks: some("ABC1"), ..everything() }, vec![2, 1]),
        (HistoryFilter { tasks: some("train x"), ..everything() }, vec![5]),
        (HistoryFilter { users: some("grace"), ..everything() }, vec![5]),
        (HistoryFilter { users: some("u1"), ..everything() }, vec![2, 1, 4, 3]),
        (HistoryFilter { statuses: vec![Outcome::Stopped, Outcome::Completed], ..everything() }, vec![5, 4, 3]),
        (HistoryFilter { states: vec![AlertState::Suppressed], ..everything() }, vec![4]),
        (HistoryFilter { states: vec![AlertState::Pending, AlertState::Sent], ..everything() }, vec![2, 1, 5, 3]),
        (HistoryFilter { rules: some("quiet"), ..everything() }, vec![2, 4]),
        (HistoryFilter { channels: some("ml-alerts"), ..everything() }, vec![1, 5, 3]),
        (HistoryFilter { channels: some("#ml-alerts"), ..everything() }, vec![1, 5, 3]),
        (HistoryFilter { channels: some("C024BE91L"), ..everything() }, vec![2, 4]),
        (HistoryFilter { causes: vec![Cause::StoppedBySdk], ..everything() }, vec![5]),
        (HistoryFilter { causes: vec![Cause::StoppedBySdk, Cause::Unknown], ..everything() }, vec![2, 1, 5]),
        (HistoryFilter { not: vec![Exclusion::Cause(Cause::Unknown)], ..everything() }, vec![5, 4, 3]),
        (HistoryFilter { limit: 2, ..everything() }, vec![2, 1]),
        (HistoryFilter { rules: some("quiet"), statuses: vec![Outcome::Failed], limit: 1, ..everything() }, vec![2]),
        (HistoryFilter { rules: some("nobody's"), ..everything() }, vec![]),
        (HistoryFilter { tasks: vec!["fff".to_owned(), "1000".to_owned()], ..everything() }, vec![5, 4, 3]),
        (HistoryFilter { projects: vec!["BERT".to_owned(), "p1".to_owned()], ..everything() }, vec![2, 1, 5, 4, 3]),
        (
            HistoryFilter { rules: vec!["quiet".to_owned(), "default".to_owned()], limit: 3, ..everything() },
            vec![2, 1, 5],
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(ids(&store, &filter), expected, "{filter:?}");
    }
}

#[test]
fn wildcards_and_quotes_are_plain_letters() {
    let (_place, store) = filled();
    for (text, expected) in [
        ("100%", vec![2, 1]),
        ("%", vec![2, 1]),
        ("_", vec![2, 1]),
        ("ab_1", vec![]),
        ("a%1", vec![]),
        ("' OR 1=1 --", vec![]),
    ] {
        let by_task = HistoryFilter { tasks: vec![text.to_owned()], ..everything() };
        assert_eq!(ids(&store, &by_task), expected, "{text}");
        for filter in [
            HistoryFilter { projects: vec![text.to_owned()], ..everything() },
            HistoryFilter { users: vec![text.to_owned()], ..everything() },
            HistoryFilter { rules: vec![text.to_owned()], ..everything() },
            HistoryFilter { channels: vec![text.to_owned()], ..everything() },
        ] {
            assert_eq!(ids(&store, &filter), Vec::<i64>::new(), "{filter:?}");
        }
    }
}

#[test]
fn following_reads_in_the_order_of_recording() {
    let (_place, store) = filled();
    let after = |id| -> Vec<i64> {
        let rows = store.history(&everything(), Order::RecordedAfter(id)).unwrap();
        rows.into_iter().map(|alert| alert.id).collect()
    };
    assert_eq!((after(0), after(3), after(5)), (vec![1, 2, 3, 4, 5], vec![4, 5], vec![]));
    assert_eq!(store.newest_alert().unwrap(), 5);
    assert_eq!(Place::new().own().newest_alert().unwrap(), 0);
}

#[test]
fn a_row_tells_how_it_went() {
    let (_place, store) = filled();
    let delivery = store.post(&[1]);
    let not_yet = Answer::NotDelivered { retry_after: None, long: false };
    store.send(delivery, not_yet, Step::Retry { due: at(0), pause: false }).unwrap();
    let (answer, step) = sent("1795386448.000200");
    store.send(delivery, answer, step).unwrap();
    let row = serde_json::to_value(store.alert(1)).unwrap();
    assert_eq!(row["attempts"], 2);
    assert_eq!(row["message_ts"], "1795386448.000200");
    assert_eq!((&row["state"], &row["reason"]), (&"sent".into(), &serde_json::Value::Null));
    assert_eq!(
        (&row["sent_at"], &row["created_at"]),
        (&"1970-01-01T00:00:31.000Z".into(), &"1970-01-01T00:00:10.000Z".into())
    );
    assert_eq!(store.alert(2).attempts, 0);
}

/// A number that no version of this program wrote is damage, not a default.
#[test]
fn a_word_without_meaning_is_damage() {
    let (_place, store) = filled();
    store.execute("PRAGMA ignore_check_constraints = on; UPDATE alerts SET state = 'lost' WHERE id = 1");
    let error = store.history(&everything(), Order::Newest).unwrap_err().to_string();
    assert!(error.contains("damaged") && error.contains("`lost`") && error.contains("restore"), "{error}");
}
