//! The schema that a newcomer reads, and the ways to it from every released one.

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::store::Limits;

/// Every schema that was ever released, oldest first.
const RELEASED: &[&str] = &[include_str!("../../fixtures/store/schema-1.sql")];

struct Place {
    _directory: TempDir,
    site: Site,
}

/// A database as the given schema made it.
fn made_by(schema: &str, version: i64) -> Place {
    let directory = TempDir::new().unwrap();
    let site = Site { path: directory.path().join("alerts.db"), limits: Limits::default() };
    let connection = Connection::open(&site.path).unwrap();
    connection.execute_batch("PRAGMA journal_mode = wal").unwrap();
    connection.execute_batch(schema).unwrap();
    connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    connection.pragma_update(None, "user_version", version).unwrap();
    connection.execute("INSERT INTO monitor (id, instance) VALUES (1, 'old')", []).unwrap();
    Place { _directory: directory, site }
}

fn open(place: &Place) -> Connection {
    let connection = Connection::open(&place.site.path).unwrap();
    configure(&connection, &place.site, false).unwrap();
    connection
}

/// What a schema is, whatever its comments and blanks.
fn shape(connection: &Connection) -> Vec<String> {
    let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name";
    let mut statement = connection.prepare(sql).unwrap();
    let texts = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let plain = |text: String| -> String {
        let without_comments: String = text.lines().map(|line| line.split("--").next().unwrap_or("")).collect();
        without_comments.chars().filter(|character| !character.is_whitespace()).collect()
    };
    texts.map(|text| plain(text.unwrap())).collect()
}

#[test]
fn every_released_schema_becomes_the_one_that_newcomers_read() {
    assert_eq!(i64::try_from(RELEASED.len()).unwrap(), SCHEMA_VERSION, "a released schema is kept as a fixture");
    let fresh = made_by(SCHEMA, SCHEMA_VERSION);
    for (version, schema) in (1..).zip(RELEASED) {
        let place = made_by(schema, version);
        let mut connection = open(&place);
        migrate(&place.site, &mut connection, MIGRATIONS).unwrap();
        assert_eq!(shape(&connection), shape(&open(&fresh)), "from schema {version}");
        assert_eq!(dangling_reference(&connection).unwrap(), None);
    }
}

#[test]
fn every_table_is_strict() {
    assert_eq!(SCHEMA.matches(") STRICT").count(), SCHEMA.matches("CREATE TABLE").count());
}

const ADD: &str = "CREATE TABLE extras (id INTEGER PRIMARY KEY) STRICT";
const FILL: &str = "INSERT INTO extras (id) VALUES (7); UPDATE monitor SET instance = 'new'";

fn everything(connection: &Connection) -> (i64, String, i64) {
    let count = "SELECT (SELECT count(*) FROM sqlite_schema) + (SELECT generation FROM monitor)";
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let instance = connection.query_row("SELECT instance FROM monitor", [], |row| row.get(0)).unwrap();
    (version, instance, connection.query_row(count, [], |row| row.get(0)).unwrap())
}

#[test]
fn missing_migrations_run_in_order_and_once() {
    let place = made_by(SCHEMA, 1);
    let mut connection = open(&place);
    migrate(&place.site, &mut connection, &[ADD]).unwrap();
    assert_eq!(version(&place.site, &connection, 2).unwrap(), 2);
    migrate(&place.site, &mut connection, &[ADD, FILL]).unwrap();
    migrate(&place.site, &mut connection, &[ADD, FILL]).unwrap();
    let (version, instance, _) = everything(&connection);
    assert_eq!((version, instance.as_str()), (3, "new"));
    let is_on: bool = connection.pragma_query_value(None, "foreign_keys", |row| row.get(0)).unwrap();
    assert!(is_on, "references are enforced again");
}

#[test]
fn a_failed_migration_leaves_the_old_one_whole() {
    let broken = ["INSERT INTO nowhere VALUES (1)", "UPDATE monitor SET id = 2", "this is no SQL"];
    for bad in broken {
        let place = made_by(SCHEMA, 1);
        let mut connection = open(&place);
        let before = everything(&connection);
        let error = migrate(&place.site, &mut connection, &[ADD, FILL, bad]).unwrap_err();
        assert!(error.to_string().contains("alerts.db"), "{error}");
        assert_eq!(everything(&connection), before, "{bad}");
        drop(connection);
        assert_eq!(everything(&open(&place)), before, "{bad}");
    }
}

#[test]
fn a_migration_may_rebuild_a_table_but_leave_no_dangling_reference() {
    let rebuild = "CREATE TABLE next (task_id TEXT PRIMARY KEY, name TEXT NOT NULL) STRICT;
                   INSERT INTO next SELECT task_id, name FROM tasks; DROP TABLE tasks; ALTER TABLE next RENAME TO tasks";
    let forgets = "DELETE FROM tasks";
    let place = made_by(SCHEMA, 1);
    let mut connection = open(&place);
    let task =
        "INSERT INTO tasks (task_id, name, status, status_changed, run, run_outcomes, first_seen_at, last_change_at)
                VALUES ('t', 'n', 'failed', 1, 1, 1, 1, 1);
                INSERT INTO transitions (task_id, run, change, status, status_changed, seen_at)
                VALUES ('t', 1, 'ended', 'failed', 1, 1)";
    connection.execute_batch(task).unwrap();
    let error = migrate(&place.site, &mut connection, &[forgets]).unwrap_err().to_string();
    assert!(error.contains("row 1 of transitions refers to a missing row of tasks"), "{error}");
    migrate(&place.site, &mut connection, &[rebuild]).unwrap();
    let name: String = connection.query_row("SELECT name FROM tasks", [], |row| row.get(0)).unwrap();
    assert_eq!(name, "n");
}

#[test]
fn only_the_owner_migrates_and_others_are_told_who_does() {
    let place = made_by(SCHEMA, 1);
    let connection = open(&place);
    let found = version(&place.site, &connection, 2).unwrap();
    let error = StoreError::Older { path: place.site.path.clone(), found, known: 2 }.to_string();
    assert!(
        error.contains("older schema 1 (this version wants 2)") && error.contains("clearml-alerts once"),
        "{error}"
    );
    let newer = version(&place.site, &connection, 0).unwrap_err();
    assert!(matches!(newer, StoreError::Newer { found: 1, known: 0, .. }), "{newer}");
}
