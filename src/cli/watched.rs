//! How a running service is watched: its pages and its heartbeat, beside it and never in its way.

use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::start::{Context, Monitor};
use super::supervisor;
use crate::monitor::{Heartbeat, Status};
use crate::settings::{self, Listen, Readers, Settings, WebSettings};
use crate::store::{Access, Limits, Store};
use crate::web::{self, Facts, Opened, Site};

/// A page that asks the database for longer is broken off: a reader waits no longer, and others get their turn.
const LONGEST_QUESTION: Duration = Duration::from_secs(3);

/// What watches a service that is starting.
pub(super) struct Watched {
    /// The service's notes.
    pub(super) status: Status,
    settings: WebSettings,
    site: Option<Site>,
    stop: CancellationToken,
    told: JoinHandle<()>,
}

impl Watched {
    /// Listens, if asked to: an address that cannot be had is an error before anything else happens.
    pub(super) async fn begin(
        web_settings: WebSettings,
        settled: &Settings,
        context: &Context,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        for exposed in settings::exposed_secrets(&web_settings.origins, context.environment()) {
            tracing::warn!("{exposed}");
        }
        let status = Status::new(context.clock.now(), settled.service.refresh);
        let site = match &web_settings.listen {
            None => None,
            Some(listen) => {
                let site = Site::new(&listen.readers, status.clone(), context.clock.clone());
                serve(listen, site.clone(), stop.clone()).await?;
                Some(site)
            }
        };
        let told = tokio::spawn(supervisor::keep_told(status.clone(), stop.clone()));
        Ok(Self { status, settings: web_settings, site, stop: stop.clone(), told })
    }

    /// The service has started: there is something to show, and something to tell. Answers what ends once the supervisor
    /// was told of the service's end.
    pub(super) fn started(self, monitor: &Monitor, context: &Context) -> anyhow::Result<JoinHandle<()>> {
        if let Some(site) = &self.site {
            let facts = Facts {
                server: monitor.server.clone(),
                watches: super::assemble::all_in_words(&monitor.rules),
                channel: super::assemble::destinations(&monitor.rules),
            };
            let limits = Limits { longest_question: Some(LONGEST_QUESTION), ..Limits::default() };
            let reader = Store::open_with(monitor.store.path(), Access::Read, "", limits)?;
            site.open(Opened { own: monitor.store.clone(), reader, facts });
        }
        if let Some(url) = self.settings.heartbeat {
            let heartbeat = Heartbeat::new(url, self.status, monitor.store.clone(), context.clock.clone());
            tokio::spawn(heartbeat.run(self.stop));
        }
        Ok(self.told)
    }
}

async fn serve(listen: &Listen, site: Site, stop: CancellationToken) -> anyhow::Result<()> {
    let listener = web::listen(listen.address).await;
    let listener = listener.with_context(|| format!("--listen {}: cannot listen there", listen.address))?;
    let address = listener.local_addr().unwrap_or(listen.address);
    let readers = match &listen.readers {
        Readers::ThisMachine => "this machine",
        Readers::Token(_) => "whoever has the token",
        Readers::Everyone => "everyone who can reach it",
    };
    tracing::info!(url = format!("http://{address}/"), readers, "status page");
    if matches!(listen.readers, Readers::Everyone) && !address.ip().is_loopback() {
        tracing::warn!("the status page is unprotected: everyone who can reach it reads task names, users and errors");
    }
    tokio::spawn(web::serve(listener, site, stop));
    Ok(())
}
