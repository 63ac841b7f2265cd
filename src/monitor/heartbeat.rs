//! The heartbeat: a GET of a secret address after whole good cycles, so that somebody else notices when they stop. It
//! runs beside the service and never holds it up.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::health::health;
use super::status::Status;
use crate::clock::Clock;
use crate::store::Store;

/// Between two requests.
const AT_MOST_EVERY: Duration = Duration::from_mins(1);
/// A request that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a heartbeat needs to be told.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    /// The address: whoever knows it can fake a heartbeat.
    pub url: SecretString,
    /// The service's notes.
    pub status: Status,
    /// The database, to see whether the monitor does its work.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Between two requests at least so long.
    pub at_most_every: Duration,
}

impl Heartbeat {
    /// A heartbeat of at most one a minute.
    pub fn new(url: SecretString, status: Status, store: Store, clock: Clock) -> Self {
        Self { url, status, store, clock, at_most_every: AT_MOST_EVERY }
    }

    /// Beats until `stop` is set.
    pub async fn run(self, stop: CancellationToken) {
        tokio::select! {
            () = self.beat() => {}
            () = stop.cancelled() => {}
        }
    }

    async fn beat(self) {
        let client = match crate::http::client().timeout(PATIENCE).user_agent(USER_AGENT).build() {
            Ok(client) => client,
            Err(error) => {
                let error = error.without_url();
                return tracing::error!(%error, "the heartbeat cannot be sent; the service goes on without it");
            }
        };
        let mut cycles = self.status.good_cycles();
        let mut is_failing = false;
        let mut last: Option<Instant> = None;
        while cycles.changed().await.is_ok() {
            let is_early = last.is_some_and(|at| at.elapsed() < self.at_most_every);
            if is_early || !health(&self.status, &self.store, self.clock.now()).await.is_good() {
                continue;
            }
            last = Some(Instant::now());
            is_failing = told(&self.send(&client).await, is_failing);
        }
    }

    async fn send(&self, client: &reqwest::Client) -> Result<(), String> {
        let answer = client.get(self.url.expose_secret()).send().await;
        let answer = answer.and_then(reqwest::Response::error_for_status);
        answer.map(drop).map_err(|error| causes(&error.without_url()))
    }
}

const USER_AGENT: &str = concat!("clearml-alerts/", env!("CARGO_PKG_VERSION"));

/// Logs a failure once, and its end. Returns whether it is failing now.
fn told(sent: &Result<(), String>, was_failing: bool) -> bool {
    match sent {
        Ok(()) if was_failing => tracing::info!("the heartbeat is received again"),
        Ok(()) => {}
        Err(error) if was_failing => tracing::debug!(error, "the heartbeat still fails"),
        Err(error) => tracing::warn!(error, "the heartbeat failed; the service goes on, and tries again"),
    }
    sent.is_err()
}

/// An error with what caused it: reqwest's own text stops at "error sending request".
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
