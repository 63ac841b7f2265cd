//! Being asked to stop: SIGINT and SIGTERM.

use tokio_util::sync::CancellationToken;

/// A token that is set when the process is asked to stop, from the moment this returns. A second request ends it at once.
pub(super) fn stop_on_request() -> CancellationToken {
    let stop = CancellationToken::new();
    let set = stop.clone();
    let mut requests = Requests::listen();
    tokio::spawn(async move {
        requests.next().await;
        if set.is_cancelled() {
            // An abort in ClearML was the first request.
            std::process::exit(130);
        }
        tracing::info!("asked to stop; finishing what is under way");
        set.cancel();
        requests.next().await;
        std::process::exit(130);
    });
    stop
}

/// Requests to stop, as they come; none ever where the system does not let us listen.
#[cfg(unix)]
struct Requests(Vec<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Requests {
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
        Self(kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect())
    }

    async fn next(&mut self) {
        if self.0.is_empty() {
            return std::future::pending().await;
        }
        let waiting = self.0.iter_mut().map(|signal| Box::pin(signal.recv()));
        futures_util::future::select_all(waiting).await;
    }
}

#[cfg(not(unix))]
struct Requests;

#[cfg(not(unix))]
impl Requests {
    fn listen() -> Self {
        Self
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
