//! Starting a monitor: everything that must be right before the first poll, checked before anything is written.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::Notify;

use super::assemble::{self, Halves, Parts};
use super::logging::Log;
use super::patience::Patience;
use super::{progress, supervisor};
use crate::clock::Clock;
use crate::domain::{Destination, Repeats, Rule, Worth};
use crate::monitor::{self, Deliverer, MonitorError, Poller, Projects, Retention};
use crate::settings::{self, Environment, Settings};
use crate::store::{Store, StoreError, Upgraded};
use crate::{clearml, slack};

/// What a command is handed from outside: environment, clock, waits, the machine's name.
pub(super) struct Context {
    /// Environment variables, home directory, files.
    pub environment: Box<dyn Environment + Send + Sync>,
    /// The time.
    pub clock: Clock,
    /// How patiently the servers are asked.
    pub patience: Patience,
    /// This machine's name.
    pub host: String,
    /// The log.
    pub log: Log,
}

impl Context {
    /// The environment as settings take it.
    pub(super) fn environment(&self) -> &dyn Environment {
        self.environment.as_ref()
    }
}

/// What to do about a ClearML that does not answer at the start of a monitor that has watched before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenAway {
    /// Ask again until it does: a service is started once and for all.
    Wait,
    /// Fail: the next run of cron asks again.
    Fail,
}

/// A monitor that is ready to run.
pub(super) struct Monitor {
    /// Asks ClearML and records.
    pub poller: Poller,
    /// Sends what is due.
    pub deliverer: Deliverer,
    /// Wakes the deliverer.
    pub news: Arc<Notify>,
    /// Removes what is old; none where everything is kept.
    pub retention: Option<Retention>,
    /// The database.
    pub store: Store,
    /// ClearML.
    pub clearml: clearml::Client,
    /// The rules, in the order of asking.
    pub rules: Vec<Rule>,
    /// The ClearML API address.
    pub server: String,
}

/// Makes a monitor ready: database, login, users, projects, channel. On a fresh database everything else is checked
/// before the file is made; on one that is there already, the lock comes first, a Slack that is away is no hindrance, and
/// a server that is away is waited for where `when_away` says so.
pub(super) async fn monitor(settings: &Settings, context: &Context, when_away: WhenAway) -> anyhow::Result<Monitor> {
    for warning in settings.clearml.warnings.iter().chain(settings.file.warnings()) {
        tracing::warn!("{warning}");
    }
    for exposed in settings::exposed_secrets(settings.origins(), context.environment()) {
        tracing::warn!("{exposed}");
    }
    let path = &settings.database.path;
    let existing = if path.exists() { Some(own(settings).await?) } else { None };
    let server = assemble::server_name(&settings.clearml);
    let has_watched = match &existing {
        Some(store) => store.claim(&server).await?.watermark.is_some(),
        None => false,
    };
    let clearml = assemble::clearml_client(&settings.clearml, context)?;
    let slack = assemble::slack_client(&settings.slack)?;
    let mut absences = Repeats::default();
    let mut is_told = false;
    let (rules, projects) = loop {
        match log_in(settings, &clearml).await {
            Ok(ready) => break ready,
            Err(error) if has_watched && when_away == WhenAway::Wait && error.is_transient() => {
                if absences.failed(&error.to_string()) != Worth::Nothing {
                    tracing::error!(%error, "ClearML is away; starting as soon as it answers");
                }
                if !std::mem::replace(&mut is_told, true) {
                    supervisor::ready(&format!("waiting for ClearML: {error}")).await;
                }
                tokio::time::sleep(context.patience.ask_again).await;
            }
            Err(error) => return Err(error.into()),
        }
    };
    let mut found = Vec::new();
    for channel in slack_channels(&rules) {
        let is_known = match &existing {
            Some(store) => monitor::is_channel_id(&channel) || store.channel(&channel).await?.channel_id.is_some(),
            None => false,
        };
        if !(has_watched && is_known)
            && let Some(channel_id) = preflight(&slack, &channel).await?
        {
            found.push((channel, channel_id));
        }
    }
    let destinations = assemble::destination_clients(&settings.destinations, &rules)?;
    let store = match existing {
        Some(store) => store,
        None => own(settings).await?,
    };
    if let Some(Upgraded { from, to, backup }) = store.upgraded() {
        let backup = backup.display();
        tracing::info!(from, to, %backup, "the database was brought up to date; how it was before is kept beside it");
    }
    let own_task = store.claim(&server).await?.service_task;
    for (channel, channel_id) in found {
        store.remember_channel(&channel, &channel_id).await?;
    }
    if has_watched && settings.service.since.is_some() {
        tracing::info!("--since only tells a fresh database where to begin; this one goes on where it was");
    }
    for rule in &rules {
        let moved = store.retarget(&rule.name, &rule.destination).await?;
        if moved > 0 {
            tracing::info!(alerts = moved, channel = %rule.destination, "alerts that waited for another channel go here now");
        }
    }
    let parts = Parts {
        store: store.clone(),
        clearml: clearml.clone(),
        slack,
        rules: rules.clone(),
        projects,
        clock: context.clock.clone(),
        waits: context.patience.slack,
        host: context.host.clone(),
        redact: settings.service.redact.clone(),
        destinations,
    };
    let on_progress = progress::reporter();
    let halves =
        assemble::halves(parts, &settings.clearml, &settings.slack, settings.service.since, on_progress).await?;
    let Halves { mut poller, mut deliverer, news } = halves;
    if let Some(task) = &own_task {
        poller.ignore_own_task(task);
    }
    deliverer.recover().await?;
    let retention = settings.service.keep.map(|keep| {
        let pace = context.patience.retention;
        Retention::new(store.clone(), clearml.clone(), context.clock.clone(), keep, pace)
    });
    Ok(Monitor { poller, deliverer, news, retention, store, clearml, rules, server })
}

async fn own(settings: &Settings) -> anyhow::Result<Store> {
    if let Some(directory) = settings.database.own_directory() {
        private_directory(directory)
            .with_context(|| format!("making the database's directory {}", directory.display()))?;
    }
    let (path, wait) = (settings.database.path.clone(), settings.service.wait_lock);
    match assemble::own_database(&path, Duration::ZERO) {
        Err(error) if is_in_use(&error) && !wait.is_zero() => {
            tracing::info!(database = %path.display(), "another instance works on the database; waiting for it to end");
        }
        other => return other,
    }
    // On a thread of its own: a request to stop must be heard meanwhile.
    tokio::task::spawn_blocking(move || assemble::own_database(&path, wait)).await?
}

fn is_in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(StoreError::InUse { .. }))
}

fn private_directory(directory: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// The rules, and what the server says of their projects.
async fn log_in(settings: &Settings, clearml: &clearml::Client) -> Result<(Vec<Rule>, Projects), MonitorError> {
    clearml.login().await?;
    let rules = assemble::ready_rules(&settings.rules, clearml).await?;
    let mut projects = Projects::of(&rules);
    projects.require_match(&rules, clearml).await?;
    Ok((rules, projects))
}

/// The channels of Slack that rules tell in, each once.
pub(super) fn slack_channels(rules: &[Rule]) -> Vec<String> {
    let is_channel = |rule: &&Rule| matches!(rule.destination, Destination::Channel(_) | Destination::Owner { .. });
    let rules: Vec<Rule> = rules.iter().filter(is_channel).cloned().collect();
    assemble::common_lanes(&rules)
}

/// Before the very first watch, and before a channel is used that never was: a token or a channel that cannot work is an
/// error at once, not a held alert later. Returns the ID of a channel that was given by name.
async fn preflight(slack: &slack::Client, channel: &str) -> anyhow::Result<Option<String>> {
    match monitor::check_slack(slack, channel).await {
        Err(error) if monitor::is_refusal(&error) => Err(error.into()),
        Err(error) => {
            tracing::warn!(%error, "Slack cannot be asked now; alerts are recorded and wait");
            Ok(None)
        }
        Ok(found) => {
            crate::crash::point("channel_found");
            Ok(found)
        }
    }
}
