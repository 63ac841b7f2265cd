//! Being asked to stop: SIGINT and SIGTERM.

use tokio_util::sync::CancellationToken;

/// A token that is set when the process is asked to stop. A second request ends it at once.
pub(super) fn stop_on_request() -> CancellationToken {
    let stop = CancellationToken::new();
    let set = stop.clone();
    tokio::spawn(async move {
        requested().await;
        if set.is_cancelled() {
            // An abort in ClearML was the first request.
            std::process::exit(130);
        }
        tracing::info!("asked to stop; finishing what is under way");
        set.cancel();
        requested().await;
        std::process::exit(130);
    });
    stop
}

#[cfg(unix)]
async fn requested() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn requested() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
