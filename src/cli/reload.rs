//! Reading the config file again while the service runs: when asked to (SIGHUP), and where it is watched, when it changes.
//! Good rules replace the old ones between two polls; a file that is wrong in any way changes nothing and says so once.

use std::convert::Infallible;
use std::future::pending;
use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::start::{self, Context, Monitor};
use super::{assemble, own_task};
use crate::clearml::{self, OwnTask};
use crate::domain::{Destination, Repeats, Rule, Worth};
use crate::monitor::{self, MonitorError, NextRules, Projects, Status};
use crate::settings::{AllFlags, Credentials, Settings};
use crate::slack;

/// Settings that are told by the rules themselves, and so are not asked of a restart.
const OF_RULES: [&str; 2] = ["rule", "channel"];

/// What the settings of a service come from.
pub(super) struct Origin<'a> {
    /// The command line.
    pub flags: &'a AllFlags,
    /// The task that the service is, where it is one.
    pub task: Option<&'a OwnTask>,
}

/// Reads the config file again for a running service.
pub(super) struct Reload<'a> {
    origin: Origin<'a>,
    context: &'a Context,
    /// As they were at the start.
    settings: &'a Settings,
    clearml: clearml::Client,
    slack: slack::Client,
    next: NextRules,
    status: Status,
    requests: Requests,
}

/// What came of reading the file.
enum Outcome {
    /// Its rules are asked from the next poll on.
    Adopted,
    /// It cannot be used, and why.
    Refused(String),
    /// ClearML could not be asked about it now.
    Away(String),
}

/// The content of the file, without a word of it.
type Fingerprint = Option<[u8; 32]>;

impl<'a> Reload<'a> {
    /// Listens for requests from now on, where there is a config file: without one a hang-up ends the program as ever.
    pub(super) fn new(
        origin: Origin<'a>,
        settings: &'a Settings,
        monitor: &Monitor,
        status: Status,
        context: &'a Context,
    ) -> anyhow::Result<Self> {
        let requests = if settings.file.path().is_some() { Requests::listen() } else { Requests::none() };
        if settings.service.watch_config && settings.file.path().is_none() {
            tracing::warn!("there is no config file to watch: name one with --config, and start again");
        }
        let slack = assemble::slack_client(&settings.slack)?;
        let (clearml, next) = (monitor.clearml.clone(), monitor.poller.next_rules());
        Ok(Self { origin, context, settings, clearml, slack, next, status, requests })
    }

    /// Goes on for as long as the service does.
    pub(super) async fn run(mut self) -> Infallible {
        let Some(path) = self.settings.file.path().map(Path::to_owned) else { return pending().await };
        let mut ticks = tokio::time::interval(self.context.patience.config);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut done = fingerprint(&path);
        let mut seen = done;
        let mut is_open = false;
        let mut absences = Repeats::default();
        loop {
            let is_asked = tokio::select! {
                () = self.requests.next() => true,
                _ = ticks.tick() => false,
            };
            let now = fingerprint(&path);
            // A file that is being written changes from look to look; half a file may be a good one.
            let is_settled = now == seen;
            seen = now;
            let is_news = self.settings.service.watch_config && now != done && is_settled;
            if !is_asked && !is_news && !is_open {
                continue;
            }
            is_open = false;
            done = now;
            match self.read().await {
                Outcome::Adopted => {
                    absences = Repeats::default();
                    self.status.configured(None);
                }
                Outcome::Refused(error) => {
                    tracing::error!(error, "the config file cannot be used; the rules stay as they are");
                    self.status.configured(Some(error));
                }
                Outcome::Away(error) => {
                    if absences.failed(&error) != Worth::Nothing {
                        tracing::warn!(error, "ClearML cannot be asked about the config file now; trying again");
                    }
                    is_open = true;
                    self.pause().await;
                }
            }
        }
    }

    async fn pause(&self) {
        tokio::time::sleep(self.context.patience.ask_again).await;
    }

    async fn read(&self) -> Outcome {
        let settings = match self.settle() {
            Ok(settings) => settings,
            Err(error) => return Outcome::Refused(format!("{error:#}")),
        };
        for warning in settings.file.warnings() {
            tracing::warn!("{warning}");
        }
        match self.ready(&settings).await {
            Ok(rules) => self.adopt(&settings, rules),
            Err(error) if error.is_transient() => return Outcome::Away(error.to_string()),
            Err(error) => return Outcome::Refused(error.to_string()),
        }
        Outcome::Adopted
    }

    fn settle(&self) -> anyhow::Result<Settings> {
        let environment = self.context.environment();
        let settings = match self.origin.task {
            Some(task) => own_task::settings(self.origin.flags, task, environment)?,
            None => Settings::resolve(self.origin.flags, environment)?,
        };
        anyhow::ensure!(settings.file.path().is_some(), "it is gone");
        for rule in &settings.rules.rules {
            let (kind, name, known) = match &rule.destination {
                Destination::SlackWebhook(name) => {
                    ("slack.webhooks", name, self.settings.destinations.slack_webhooks.contains_key(name))
                }
                Destination::Webhook(name) => {
                    ("webhooks", name, self.settings.destinations.webhooks.contains_key(name))
                }
                Destination::Channel(_) | Destination::Owner { .. } => continue,
            };
            let rule = &rule.name;
            anyhow::ensure!(known, "rule `{rule}` tells [{kind}.{name}], which is new: restart the service for it");
        }
        Ok(settings)
    }

    /// The rules, everything checked that is checked at a start.
    async fn ready(&self, settings: &Settings) -> Result<Vec<Rule>, MonitorError> {
        let rules = assemble::ready_rules(&settings.rules, &self.clearml).await?;
        Projects::of(&rules).require_match(&rules, &self.clearml).await?;
        let before = start::slack_channels(&self.settings.rules.rules);
        for channel in start::slack_channels(&rules).iter().filter(|channel| !before.contains(channel)) {
            match monitor::check_slack(&self.slack, channel).await {
                Err(error) if monitor::is_refusal(&error) => return Err(error),
                Err(error) => tracing::warn!(%error, channel, "Slack cannot be asked about the channel now"),
                Ok(_) => {}
            }
        }
        Ok(rules)
    }

    fn adopt(&self, settings: &Settings, rules: Vec<Rule>) {
        let fixed = needs_restart(self.settings, settings);
        if !fixed.is_empty() {
            tracing::warn!(settings = fixed.join(", "), "changed in the config file, and needs a restart");
        }
        tracing::info!(
            watches = assemble::all_in_words(&rules),
            channel = assemble::destinations(&rules),
            "the config file was read again"
        );
        self.status.rules_are(assemble::all_in_words(&rules), assemble::destinations(&rules));
        self.next.replace(rules);
    }
}

/// The settings that differ and are read only at a start.
fn needs_restart(before: &Settings, after: &Settings) -> Vec<String> {
    let shown = |settings: &Settings| -> Vec<(&'static str, String)> {
        let origins = settings.origins().filter(|origin| !OF_RULES.contains(&origin.setting));
        origins.map(|origin| (origin.setting, origin.shown.clone())).collect()
    };
    let (old, new) = (shown(before), shown(after));
    let differs = |one: &[(&'static str, String)], two: &[(&'static str, String)]| {
        one.iter().filter(|each| !two.contains(each)).map(|each| each.0.to_owned()).collect::<Vec<_>>()
    };
    let mut names = [differs(&old, &new), differs(&new, &old)].concat();
    if before.slack.token.expose_secret() != after.slack.token.expose_secret() {
        names.push("slack_token".to_owned());
    }
    if !is_same_login(&before.clearml.credentials, &after.clearml.credentials) {
        names.push("access_key and secret_key".to_owned());
    }
    if is_other_destination(before, after) {
        names.push("webhooks and slack.users".to_owned());
    }
    names.sort_unstable();
    names.dedup();
    names
}

fn is_same_login(one: &Credentials, two: &Credentials) -> bool {
    match (one, two) {
        (Credentials::Token(one), Credentials::Token(two)) => one.expose_secret() == two.expose_secret(),
        (Credentials::Keys { access: one, secret: first }, Credentials::Keys { access: two, secret: second }) => {
            one.expose_secret() == two.expose_secret() && first.expose_secret() == second.expose_secret()
        }
        _ => false,
    }
}

fn is_other_destination(before: &Settings, after: &Settings) -> bool {
    let (before, after) = (&before.destinations, &after.destinations);
    let slack = |settings: &crate::settings::DestinationSettings| -> Vec<(String, String)> {
        let hooks = settings.slack_webhooks.iter();
        hooks.map(|(name, hook)| (name.clone(), hook.url.expose_secret().to_owned())).collect()
    };
    let generic = |settings: &crate::settings::DestinationSettings| -> Vec<(String, Vec<String>, Duration)> {
        let hooks = settings.webhooks.iter();
        let secrets = |hook: &crate::settings::Webhook| {
            let own = [Some(&hook.url), hook.secret.as_ref()].into_iter().flatten();
            let headers =
                hook.headers.iter().flat_map(|(name, value)| [name.clone(), value.expose_secret().to_owned()]);
            own.map(|secret| secret.expose_secret().to_owned()).chain(headers).collect()
        };
        hooks.map(|(name, hook)| (name.clone(), secrets(hook), hook.timeout)).collect()
    };
    before.users != after.users || slack(before) != slack(after) || generic(before) != generic(after)
}

fn fingerprint(path: &Path) -> Fingerprint {
    std::fs::read(path).ok().map(|content| Sha256::digest(content).into())
}

/// Requests to read the file again (SIGHUP), as they come; none ever where the system knows no such thing.
#[cfg(unix)]
struct Requests(Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Requests {
    fn listen() -> Self {
        Self(tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok())
    }

    fn none() -> Self {
        Self(None)
    }

    async fn next(&mut self) {
        let heard = match &mut self.0 {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if heard.is_none() {
            pending::<()>().await;
        }
    }
}

#[cfg(not(unix))]
struct Requests;

#[cfg(not(unix))]
impl Requests {
    fn listen() -> Self {
        Self
    }

    fn none() -> Self {
        Self
    }

    async fn next(&mut self) {
        pending().await
    }
}
