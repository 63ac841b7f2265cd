//! What a step of retention costs: as much after a long history as after a short one, and never a walk through a table.

use rusqlite::{Connection, Statement, named_params};

use super::costs::{is_walk, plan, steps, with_history};
use super::*;
use crate::domain::Stamp;

const LOOKS: [&str; 4] = [prune::OLD_ALERTS, prune::OLD_TRANSITIONS, prune::OLD_SILENCES, prune::OLD_DELIVERIES];

/// A look at the oldest rows, with numbers instead of names.
fn look(sql: &str) -> String {
    let named = [(":stamped", "100"), (":recorded", "100"), (":stamp_after", "0"), (":after", "0"), (":rows", "50")];
    named.iter().fold(sql.to_owned(), |sql, (name, value)| sql.replace(name, value))
}

/// Every change of a step, of the rows numbered `id`.
fn changes(id: i64) -> Vec<String> {
    let statements = prune::REMOVE_ALERT.into_iter().chain(prune::REMOVE_SILENCE);
    let more = [prune::REMOVE_TRANSITION, prune::REMOVE_ATTEMPTS].into_iter().chain(prune::REMOVE_DELIVERY);
    let sql = |sql: &str| sql.replace("?1", &id.to_string()).replace("?2", "50");
    statements.chain(more).map(sql).collect()
}

/// Frees the message numbered 1, so that it may be removed.
fn free_the_first(connection: &Connection) {
    let sql =
        "UPDATE alerts SET state = 'suppressed', filter = 'x', sent_at = NULL, delivery_id = NULL, snapshot = NULL,
                   dropped_at = NULL WHERE delivery_id = 1;
               DELETE FROM tellings WHERE delivery_id = 1";
    connection.execute_batch(sql).unwrap();
}

#[test]
fn no_step_walks_through_a_table() {
    let (_directory, store) = with_history(2_000);
    let connection = store.connection().unwrap();
    for sql in LOOKS.map(look).into_iter().chain(changes(1)) {
        let lines = plan(&connection, &sql, &[]);
        let walks: Vec<&String> = lines.iter().filter(|line| is_walk(line)).collect();
        assert!(walks.is_empty(), "{sql}: {walks:?}");
        assert!(!lines.iter().any(|line| line.contains("TEMP B-TREE")), "{sql}: {lines:?}");
    }
}

#[test]
fn no_step_costs_more_after_a_long_history() {
    let (_short_directory, short) = with_history(200);
    let (_long_directory, long) = with_history(10_000);
    let all: Vec<String> = LOOKS.map(look).into_iter().chain(changes(1)).collect();
    let run = |store: &Store| -> Vec<i32> {
        let mut connection = store.connection().unwrap();
        let transaction = connection.transaction().unwrap();
        free_the_first(&transaction);
        all.iter().map(|sql| steps(&transaction, sql, &[])).collect()
    };
    for (sql, (few, many)) in all.iter().zip(run(&short).into_iter().zip(run(&long))) {
        assert!(many <= few + few / 4 + 50, "{sql}: {few} steps after 200 alerts, {many} after 10,000");
    }
}

/// The questions have the names that a step gives them, and no others.
#[test]
fn a_question_is_asked_with_its_names() {
    let (_directory, store) = with_history(100);
    let connection = store.connection().unwrap();
    let known = named_params! { ":stamped": 0, ":recorded": 0, ":stamp_after": 0, ":after": 0, ":rows": 0 };
    for sql in LOOKS {
        let statement: Statement<'_> = connection.prepare(sql).unwrap();
        let asked: Vec<&str> =
            (1..=statement.parameter_count()).filter_map(|at| statement.parameter_name(at)).collect();
        assert!(asked.iter().all(|name| known.iter().any(|(given, _)| given == name)), "{asked:?}");
    }
}

#[tokio::test]
async fn a_step_removes_a_bounded_number_of_rows_and_a_round_ends() {
    let (_directory, store) = with_history(1_000);
    let far = Stamp::from_millis(1_000_000);
    let old = Old { stamped_before: far, recorded_before: far };
    let (mut round, mut removed, mut most, mut looks) = (Round::default(), Removed::default(), 0, 0);
    while !round.is_over() {
        let (next, step) = store.prune_step(round, old).await.unwrap();
        most = most.max(step.alerts + step.others);
        removed.add(step);
        (round, looks) = (next, looks + 1);
        assert!(looks < 100, "{round:?}");
    }
    assert!(most <= 200, "{most}");
    // 1,000 sent, 1,000 suppressed, 500 dropped; the 20 that wait stay.
    assert_eq!(removed.alerts, 2_500);
    let left =
        |sql: &str| store.read_now(|connection| connection.query_row(sql, [], |row| row.get::<_, i64>(0))).unwrap();
    assert_eq!(left("SELECT count(*) FROM alerts"), 20);
    assert_eq!(left("SELECT count(*) FROM alerts WHERE rule <> 'w'"), 0);
    assert_eq!(left("SELECT count(*) FROM tasks"), 1_000);
    // Of runs whose alerts wait: all they have.
    assert_eq!(left("SELECT count(*) FROM transitions"), 20);
    // Five that wait, and four that are to be edited.
    assert_eq!(left("SELECT count(*) FROM deliveries"), 9);
    assert_eq!(left("SELECT count(*) FROM threads"), 4);
    assert_eq!(left("SELECT count(*) FROM attempts WHERE delivery_id <= 1000"), 4);
}
