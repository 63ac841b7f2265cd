//! What the questions of every poll and every step cost: by the plan that SQLite makes, and in steps of its machine. None
//! may grow with the history.

use rusqlite::{Connection, StatementStatus, ToSql};
use tempfile::TempDir;

use super::*;
use crate::domain::Stamp;

/// A database with a long history: `done` alerts sent, as many suppressed, and a few of each kind that wait.
pub(super) fn with_history(done: i64) -> (TempDir, Store) {
    let directory = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
    let access = Access::Own { wait: std::time::Duration::ZERO };
    let store = Store::open(&directory.path().join("alerts.db"), access, "test").unwrap();
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ";
    store
        .write_now(|tx| {
            tx.execute_batch(&format!(
                "{many} {done}) INSERT INTO tasks (task_id, name, status, status_changed, run, run_outcomes, first_seen_at,
                     last_change_at) SELECT 't' || i, 'n', 'failed', i, 1, 1, i, i FROM n;
                 {many} {done}) INSERT INTO deliveries (kind, method, channel, channel_id, key, payload, state, due_at,
                     message_ts, created_at, sent_at) SELECT iif(i % 9, 'alert', 'digest'), 'post', '#a', 'C', 'k', 'p', 'sent',
                     i, 'ts', i, i FROM n;
                 {many} {done}) INSERT INTO alerts (rule, task_id, run, outcome, status_changed, task_name, state, channel,
                     snapshot, delivery_id, created_at, sent_at) SELECT 'r', 't' || i, 1, 'failed', i, 'n', 'sent', '#a', '{{}}',
                     i, i, i FROM n;
                 {many} {done}) INSERT INTO alerts (rule, task_id, run, outcome, status_changed, task_name, state, filter,
                     channel, created_at) SELECT 'q', 't' || i, 1, 'failed', i, 'n', 'suppressed', 'user', '#a', i FROM n;
                 {many} {done}) INSERT INTO alerts (rule, task_id, run, outcome, status_changed, task_name, state, dropped_at,
                     channel, snapshot, delivery_id, created_at) SELECT 'd', 't' || i, 1, 'failed', i, 'n', 'dead', 1, '#a',
                     '{{}}', i, i FROM n WHERE i % 2;
                 INSERT INTO tellings SELECT id, delivery_id FROM alerts WHERE delivery_id IS NOT NULL;
                 {many} {done}) INSERT INTO transitions (task_id, run, change, status, status_changed, seen_at)
                     SELECT 't' || i, 1, 'ended', 'failed', i, i FROM n;
                 {many} {done}) INSERT INTO threads (task_id, rule, delivery_id, channel, told, shown, wanted)
                     SELECT 't' || i, 'r', i, '#a', 's', 's', 's' FROM n;
                 UPDATE threads SET channel = '#b', wanted = 'w' WHERE delivery_id < 5;
                 {many} {done}) INSERT INTO attempts (delivery_id, started_at, payload_sha256, payload_bytes)
                     SELECT i, i, '', 0 FROM n;
                 {many} 5) INSERT INTO deliveries (kind, method, channel, channel_id, key, payload, state, due_at, created_at)
                     SELECT 'alert', 'post', '#b', 'C', 'k', 'p', iif(i % 2, 'pending', 'unknown'), 0, i FROM n;
                 {many} 20) INSERT INTO alerts (rule, task_id, run, outcome, status_changed, task_name, state, channel,
                     snapshot, created_at) SELECT 'w', 't' || i, 1, 'failed', i, 'n', 'pending', '#b', '{{}}', i FROM n"
            ))
        })
        .unwrap();
    (directory, store)
}

pub(super) type Values = Vec<Box<dyn ToSql>>;

/// Every question and change that a poll or a step of delivery asks, with values.
fn asked() -> Vec<(&'static str, String, Values)> {
    fn values<const N: usize>(values: [&dyn Asked; N]) -> Values {
        values.into_iter().map(Asked::value).collect()
    }
    let history = |order| history::question(&HistoryFilter { limit: 50, ..HistoryFilter::default() }, order).0;
    let far = Stamp::from_millis(i64::MAX).as_millis();
    vec![
        ("known_task", known_tasks::KNOWN_TASK.to_owned(), values([&"t7"])),
        ("user_label", slack_users::USER_LABEL.to_owned(), values([&"u7"])),
        ("alerts_to_compose", outbox::alerts_to_compose(), values([&"#b", &8])),
        ("due_by_rule", outbox::due_by_rule(), values([&"#b"])),
        ("alerts_to_digest", outbox::alerts_to_digest(), values([&"#b", &"[\"w\"]", &0, &8])),
        ("any wait over", waiting::ANY_OVER.to_owned(), values([&far, &far])),
        ("end holds", waiting::END_HOLDS.to_owned(), values([&far, &far])),
        ("drop retried", waiting::DROP_RETRIED.to_owned(), values([&"t7", &2, &"x"])),
        ("channels_with_work", outbox::channels_with_work(), values([])),
        ("next_delivery", outbox::next_delivery(), values([&"#b", &1])),
        ("next_delivery of an idle channel", outbox::next_delivery(), values([&"#a", &0])),
        ("lost_answers", outbox::lost_answers(), values([&"#b", &far])),
        ("next_look", outbox::next_look(), values([&"#b"])),
        ("open_digest", outbox::open_digest(), values([&"#a", &far, &far, &"r", &0])),
        ("alerts_of_digest", outbox::alerts_of_digest(), values([&9])),
        ("first_message", threads::FIRST_MESSAGE.to_owned(), values([&"t7", &"r"])),
        ("state_to_show", threads::state_to_show(), values([&"#b"])),
        ("state_to_show of an idle channel", threads::state_to_show(), values([&"#a"])),
        ("set_alerts", outbox::SET_ALERTS.to_owned(), values([&10, &"sent", &"x"])),
        ("tie", outbox::tie_one(), values([&1, &1, &0, &"#b"])),
        ("park deliveries", channels::park_deliveries(), values([&"#b", &"x"])),
        ("park alerts", channels::park_alerts(), values([&"#b", &"x"])),
        ("unpark deliveries", channels::unpark_deliveries(), values([&"#b"])),
        ("unpark alerts", channels::UNPARK_ALERTS.to_owned(), values([&"#b"])),
        ("queue_counts", queue::counts_by_state(), values([])),
        ("dead_letters", letters::dead_letters(), values([])),
        ("forget_one", attempts::FORGET_ONE.to_owned(), values([&9])),
        ("attempts_of", letters::ATTEMPTS_OF.to_owned(), values([&9])),
        ("history", history(Order::Newest), values([&50])),
        ("history --follow", history(Order::RecordedAfter(0)), values([&far, &50])),
    ]
}

/// A value of a question.
trait Asked {
    fn value(&self) -> Box<dyn ToSql>;
}

impl Asked for &'static str {
    fn value(&self) -> Box<dyn ToSql> {
        Box::new(*self)
    }
}

impl Asked for i64 {
    fn value(&self) -> Box<dyn ToSql> {
        Box::new(*self)
    }
}

/// How many steps SQLite's machine makes.
pub(super) fn steps(connection: &Connection, sql: &str, values: &[Box<dyn ToSql>]) -> i32 {
    let mut statement = connection.prepare(sql).unwrap();
    let mut rows = statement.query(rusqlite::params_from_iter(values)).unwrap();
    while rows.next().unwrap().is_some() {}
    drop(rows);
    statement.get_status(StatementStatus::VmStep)
}

pub(super) fn plan(connection: &Connection, sql: &str, values: &[Box<dyn ToSql>]) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let lines = statement.query_map(rusqlite::params_from_iter(values), |row| row.get("detail")).unwrap();
    lines.map(Result::unwrap).collect()
}

/// A walk through a whole table, or through a whole index that holds more than what waits.
pub(super) fn is_walk(line: &str) -> bool {
    let small = ["threads_to_edit", "deliveries_open", "alerts_to_compose", "alerts_open", "alerts_dead"];
    let tables = [
        "tasks",
        "transitions",
        "alerts",
        "deliveries",
        "attempts",
        "tellings",
        "threads",
        "a",
        "d",
        "t",
        "told",
        "root",
    ];
    let walked = line.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
    walked.is_some_and(|table| tables.contains(&table)) && !small.iter().any(|index| line.contains(index))
}

#[test]
fn no_question_walks_through_a_table() {
    let (_directory, store) = with_history(2_000);
    let connection = store.connection().unwrap();
    for (what, sql, values) in asked() {
        let lines = plan(&connection, &sql, &values);
        // History reads its newest page along an index, and `--follow` along the numbers: the limit ends the walk.
        let walks: Vec<&String> =
            lines.iter().filter(|line| is_walk(line) && !line.contains("alerts_newest")).collect();
        assert!(walks.is_empty(), "{what}: {walks:?}");
        let sorts = lines.iter().any(|line| line.contains("TEMP B-TREE FOR ORDER BY"));
        // Few rows: those of one alert, of one digest, of the dead, of the channels.
        let may_sort = [
            "next_delivery",
            "next_delivery of an idle channel",
            "attempts_of",
            "alerts_of_digest",
            "dead_letters",
            "open_digest",
            "channels_with_work",
        ];
        assert!(!sorts || may_sort.contains(&what), "{what}: {lines:?}");
    }
}

#[test]
fn no_question_costs_more_after_a_long_history() {
    let (_short_directory, short) = with_history(100);
    let (_long_directory, long) = with_history(10_000);
    for (what, sql, values) in asked() {
        let run = |store: &Store| {
            let mut connection = store.connection().unwrap();
            let transaction = connection.transaction().unwrap();
            steps(&transaction, &sql, &values)
        };
        let (few, many) = (run(&short), run(&long));
        assert!(many <= few + few / 4 + 50, "{what}: {few} steps after 100 alerts, {many} after 10,000");
    }
}

/// What waits by its rule costs nothing when the rest is told: the night's thousands are not walked through at each step.
#[test]
fn what_waits_by_its_rule_makes_nothing_else_cost_more() {
    let waiting = |count: i64| {
        let (directory, store) = with_history(100);
        let far = Stamp::from_millis(i64::MAX).as_millis() - 1_000_000;
        let sql = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
             INSERT INTO tasks (task_id, name, status, status_changed, run, run_outcomes, first_seen_at, last_change_at)
                 SELECT 'h' || i, 'n', 'failed', i, 1, 1, i, i FROM n;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
             INSERT INTO alerts (rule, task_id, run, outcome, status_changed, task_name, state, channel, snapshot, created_at,
                 wait_until, hold_until, kept_quiet)
                 SELECT 'h', 'h' || i, 1, 'failed', i, 'n', 'pending', '#b', '{{}}', i, {far} + i, {far} + i, 1 FROM n"
        );
        store.write_now(|tx| tx.execute_batch(&sql)).unwrap();
        (directory, store)
    };
    let ((_few, few), (_many, many)) = (waiting(10), waiting(10_000));
    // These count or mark what waits, and so may cost as much as does.
    let counting = ["queue_counts", "park alerts", "end holds"];
    for (what, sql, mut values) in asked().into_iter().filter(|(what, ..)| !counting.contains(what)) {
        if what == "any wait over" {
            values = vec![Box::new(1_000), Box::new(i64::MAX)];
        }
        let run = |store: &Store| {
            let mut connection = store.connection().unwrap();
            let transaction = connection.transaction().unwrap();
            steps(&transaction, &sql, &values)
        };
        let (few, many) = (run(&few), run(&many));
        assert!(many <= few + few / 4 + 50, "{what}: {few} steps with 10 that wait, {many} with 10,000");
    }
}

/// The measure itself can tell: a walk through the table costs what it should.
#[test]
fn a_walk_would_be_noticed() {
    let (_directory, store) = with_history(1_000);
    let connection = store.connection().unwrap();
    let sql = "SELECT count(*) FROM alerts WHERE snapshot = 'x'";
    assert!(steps(&connection, sql, &[]) > 1_000);
    assert!(plan(&connection, sql, &[]).iter().any(|line| is_walk(line)));
}
