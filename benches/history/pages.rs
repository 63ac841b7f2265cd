//! What the pages cost, asked for over HTTP as a browser does.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use clearml_alerts::clock::Clock;
use clearml_alerts::monitor::Status;
use clearml_alerts::settings::Readers;
use clearml_alerts::store::{Access, HistoryFilter, Order, Store};
use clearml_alerts::web::{self, Facts, Opened, Site};
use tokio_util::sync::CancellationToken;

use super::median;

/// Prints milliseconds a page.
pub(crate) fn measure(database: &Path, own: Store, alerts: u32) {
    let newest = own.history(&HistoryFilter { limit: 50, ..HistoryFilter::default() }, Order::Newest).unwrap();
    let last = newest.last().unwrap();
    let second = format!("/alerts?before={}.{}", last.status_changed.as_millis(), last.id);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let address = runtime.block_on(serve(database, own));
    let (alert, task) = (format!("/alerts/{}", alerts / 2), format!("/tasks/{:032x}", alerts / 2));
    let by_id = format!("/alerts?task={:032x}", alerts / 3);
    println!("\n{:<54}{:>12}", "page", "ms");
    for path in [
        "/",
        "/alerts",
        &second,
        "/alerts?from=oldest",
        "/alerts?status=failed",
        "/alerts?state=dead",
        "/alerts?state=dead&from=oldest",
        "/alerts?state=suppressed&status=completed",
        "/alerts?state=dead&status=stopped",
        "/alerts?project=project+0&state=pending",
        "/alerts?user=Person+7&status=stopped&from=oldest",
        "/alerts?not=state%3Dsent&not=project%3Dproject+0",
        "/alerts?reason=at+most",
        &by_id,
        "/alerts?task=run+765432",
        "/alerts?task=nothing+like+it",
        "/alerts?group-by=project&since=2026-10-20",
        &alert,
        &task,
        "/metrics",
        "/readyz",
    ] {
        let taken = median(|| get(address, path));
        println!("{path:<54}{taken:>12.2}");
    }
}

async fn serve(database: &Path, own: Store) -> SocketAddr {
    let clock = Clock::system();
    let status = Status::new(clock.now(), Duration::from_secs(10));
    let site = Site::new(&Readers::ThisMachine, status, clock);
    let reader = Store::open(database, Access::Read, "").unwrap();
    let facts = Facts { server: String::new(), watches: String::new(), channel: String::new() };
    site.open(Opened { own, reader, facts });
    let listener = web::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(web::serve(listener, site, CancellationToken::new()));
    address
}

fn get(address: SocketAddr, path: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    // Nothing has been polled here, so it is not ready, and says so.
    assert!(answer.starts_with("HTTP/1.1 200") || path == "/readyz", "{path}: {answer}");
}
