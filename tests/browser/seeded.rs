//! A database with a past: alerts of many weeks, put there directly. What the monitor itself would have written looks
//! the same to a reader.

use std::path::Path;

use rusqlite::{Connection, params};

const DAY: i64 = 24 * 3_600_000;

/// Adds `count` alerts of the `days` before `now` (milliseconds since 1970) to a database that a monitor has made:
/// most of them sent, some suppressed, a few given up. The same numbers make the same past.
pub fn fill(database: &Path, count: i64, days: i64, now: i64) {
    let connection = Connection::open(database).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
    connection.execute_batch("PRAGMA synchronous = off; PRAGMA cache_size = -200000").unwrap();
    let numbers = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1),
        past AS (SELECT n,
            -- Fewer at night and at weekends, a bad evening now and then.
            ?2 - (n * 104729 % (?3 * 24)) * 3600000 - (n * 7919 % 3600000)
               - CASE WHEN n % 5 < 3 THEN (n * 31 % 9) * 3600000 ELSE 0 END AS changed,
            CASE WHEN n % 10 < 6 THEN 'failed' WHEN n % 10 < 9 THEN 'completed' ELSE 'stopped' END AS outcome,
            CASE WHEN n % 50 = 7 THEN 'dead' WHEN n % 10 IN (3, 5) THEN 'suppressed' ELSE 'sent' END AS state
        FROM numbers)";
    let transaction = connection.unchecked_transaction().unwrap();
    let values = params![count, now, days];
    let tasks = "INSERT INTO tasks (task_id, name, project_id, project, user_id, user, status, status_changed, run,
            run_outcomes, first_seen_at, last_change_at)
        SELECT printf('%032x', n), ?4, 'p' || (n % 40), ?5, 'u' || (n % 25), ?6, outcome, changed, 1, 1, changed, changed FROM past";
    let name = "trim(substr('vit-b16 pretrain  wav2vec distill   ranker retrain    tokenizer rebuild ', n % 4 * 18 + 1, 17)) || ' ' || (n % 997)";
    let project = "'team-' || (n % 8) || '/project-' || (n % 40)";
    let user = "trim(substr('Grace  Alan   Edsger Barbara', n % 4 * 7 + 1, 7))";
    let with = |sql: &str| {
        let sql = sql.replace("?4", name).replace("?5", project).replace("?6", user);
        transaction.execute(&format!("{numbers} {sql}"), values).unwrap();
    };
    with(tasks);
    with("INSERT INTO deliveries (id, kind, method, channel, channel_id, key, payload, state, reason, due_at, tries,
            message_ts, created_at, sent_at)
        SELECT n + 1000, 'alert', 'post', 'ml-alerts', 'C0ML00001', 'seeded:' || n,
            json_object('text', 'Task ' || outcome || ': ' || ?4), state, CASE WHEN state = 'dead' THEN 'invalid_blocks' END, 0, 1,
            CASE WHEN state = 'sent' THEN changed / 1000 || '.000100' END, changed, CASE WHEN state = 'sent' THEN changed + 2000 END
        FROM past WHERE state <> 'suppressed'");
    with("INSERT INTO attempts (delivery_id, started_at, payload_sha256, payload_bytes, class, http_status, took_ms)
        SELECT n + 1000, changed + 1500, '', 40, CASE WHEN state = 'sent' THEN 'sent' ELSE 'payload_refused' END, 200, 120
        FROM past WHERE state <> 'suppressed'");
    with("INSERT INTO alerts (rule, task_id, run, outcome, status_changed, task_name, project_id, project, user_id, user, state,
            filter, reason, channel, snapshot, delivery_id, url, created_at, sent_at, dropped_at)
        SELECT 'default', printf('%032x', n), 1, outcome, changed, ?4, 'p' || (n % 40), ?5, 'u' || (n % 25), ?6, state,
            CASE WHEN state = 'suppressed' THEN 'iterations' END,
            CASE state WHEN 'suppressed' THEN 'iterations: 7 of at least 100' WHEN 'dead' THEN 'invalid_blocks' END, 'ml-alerts',
            CASE WHEN state = 'dead' THEN '{}' END, CASE WHEN state <> 'suppressed' THEN n + 1000 END,
            'https://app.example.com/projects/p/tasks/' || printf('%032x', n) || '/output/log', changed,
            CASE WHEN state = 'sent' THEN changed + 2000 END, CASE WHEN state = 'dead' THEN changed + 9000 END
        FROM past");
    with("INSERT INTO transitions (task_id, run, change, status, status_changed, reason, seen_at)
        SELECT printf('%032x', n), 1, 'ended', outcome, changed, 'RuntimeError: CUDA out of memory', changed + 1000 FROM past");
    transaction.commit().unwrap();
    connection.execute_batch("PRAGMA wal_checkpoint(truncate)").unwrap();
    assert!(days * DAY > 0);
}
