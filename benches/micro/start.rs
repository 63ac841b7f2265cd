//! Opening a database that knows so many tasks, as a start does, next to bare `rusqlite` opening the same file.

use divan::Bencher;
use rusqlite::Connection;

use crate::shared::{database, open};

#[divan::bench(args = crate::sizes())]
fn database_opened(bencher: Bencher<'_, '_>, known: usize) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    drop(database(&path, known));
    bencher.bench_local(|| open(&path));
}

#[divan::bench(args = crate::sizes())]
fn floor_database_opened(bencher: Bencher<'_, '_>, known: usize) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    drop(database(&path, known));
    bencher.bench_local(|| {
        let connection = Connection::open(&path).unwrap();
        let tasks: i64 = connection.query_row("SELECT generation FROM monitor", [], |row| row.get(0)).unwrap();
        (connection, tasks)
    });
}
