//! The newest 50 alerts, as `history` asks by default, next to the same rows by a bare query.

use clearml_alerts::store::{HistoryFilter, Order, Store};
use divan::{Bencher, black_box};
use rusqlite::types::Value;

use crate::shared::open;

const MANY_ALERTS: &str = include_str!("../many_alerts.sql");

fn history(alerts: usize) -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("a.db"));
    store.write_now(|tx| tx.execute_batch(&MANY_ALERTS.replace("{rows}", &alerts.to_string()))).unwrap();
    (directory, store)
}

#[divan::bench(args = crate::sizes())]
fn newest(bencher: Bencher<'_, '_>, alerts: usize) {
    let (_directory, store) = history(alerts);
    let filter = HistoryFilter { limit: 50, ..HistoryFilter::default() };
    bencher.bench_local(|| black_box(store.history(&filter, Order::Newest).unwrap()));
}

#[divan::bench(args = crate::sizes())]
fn floor_newest(bencher: Bencher<'_, '_>, alerts: usize) {
    let (_directory, store) = history(alerts);
    let sql = "SELECT alerts.*, tries, message_ts FROM alerts LEFT JOIN deliveries ON deliveries.id = delivery_id
               ORDER BY status_changed DESC, alerts.id DESC LIMIT 50";
    bencher.bench_local(|| {
        store
            .read_now(|connection| {
                let mut statement = connection.prepare_cached(sql)?;
                let columns = statement.column_count();
                let rows = statement.query_map([], |row| {
                    (0..columns).map(|column| row.get(column)).collect::<Result<Vec<Value>, _>>()
                })?;
                rows.collect::<Result<Vec<_>, _>>()
            })
            .unwrap()
    });
}
