//! The floor of recording: the rows that a page left behind, put into a fresh database by bare `rusqlite`.

use std::path::Path;

use clearml_alerts::store::Store;
use rusqlite::types::Value;
use rusqlite::{Connection, TransactionBehavior, params_from_iter};

/// The tables that a page of a poll is recorded in, in the order of their references.
const TABLES: [&str; 4] = ["rule_sets", "tasks", "transitions", "alerts"];

/// All rows of a table.
pub(crate) struct Rows {
    insert: String,
    rows: Vec<Vec<Value>>,
}

/// What was recorded.
pub(crate) fn recorded(store: &Store) -> Vec<Rows> {
    TABLES
        .iter()
        .map(|table| {
            store
                .read_now(|connection| {
                    let mut statement = connection.prepare(&format!("SELECT * FROM {table}"))?;
                    let columns = statement.column_count();
                    let values = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column)).collect();
                    let rows = statement.query_map([], values)?.collect::<Result<_, _>>()?;
                    let places = vec!["?"; columns].join(", ");
                    Ok(Rows { insert: format!("INSERT INTO {table} VALUES ({places})"), rows })
                })
                .unwrap()
        })
        .collect()
}

/// A connection as the program configures it, to a database that the program made.
pub(crate) fn bare(path: &Path) -> Connection {
    drop(super::open(path));
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    connection.pragma_update(None, "synchronous", "full").unwrap();
    connection
}

/// Inserts them in one transaction.
pub(crate) fn insert(connection: &mut Connection, tables: &[Rows]) {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    for table in tables {
        let mut statement = transaction.prepare_cached(&table.insert).unwrap();
        for row in &table.rows {
            statement.execute(params_from_iter(row)).unwrap();
        }
    }
    transaction.commit().unwrap();
}
