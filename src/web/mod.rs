//! The status page, the metrics and the probes of a running service: read-only, served by itself, needing nothing from
//! anywhere else. Nothing here changes a row, sets a cookie, or is needed for the service to go on.
//!
//! In reading order: [`guard`] (who may read), [`overview`], [`alerts`] and its filters, [`alert`] with its message,
//! [`task`], then [`metrics`] and [`probes`] for machines.

mod address;
mod alert;
mod alerts;
mod assets;
mod chart;
mod connections;
mod counts;
mod frame;
mod guard;
mod message;
mod metrics;
mod overview;
mod page;
mod probes;
mod site;
mod task;

use std::net::SocketAddr;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use connections::Connections;

pub use metrics::CONTENT_TYPE as METRICS_CONTENT_TYPE;
pub use site::{Facts, Opened, Site};

/// Connections at the same time; a browser opens six.
const MOST_CONNECTIONS: usize = 64;

/// Listens on an address; fails with what the system says.
pub async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves the pages until `stop` is set; requests that are under way are finished.
pub async fn serve(listener: TcpListener, site: Site, stop: CancellationToken) {
    let served = axum::serve(Connections::new(listener, MOST_CONNECTIONS), router(site))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the status page is gone; the service goes on without it");
    }
}

/// Every address there is.
fn router(site: Site) -> Router {
    Router::new()
        .route("/", get(overview::page))
        .route("/alerts", get(alerts::page))
        .route("/alerts/{id}", get(alert::page))
        .route("/tasks/{id}", get(task::page))
        .route("/metrics", get(metrics::page))
        .route("/healthz", get(probes::alive))
        .route("/readyz", get(probes::ready))
        .route("/assets/page.css", get(assets::style))
        .route("/assets/page.js", get(assets::script))
        .route("/favicon.svg", get(assets::icon))
        .fallback(page::not_found)
        .layer(from_fn_with_state(site.clone(), guard::guard))
        .with_state(site)
}
