//! From settings to clients: the only place that knows how the settings' words become the rooms' configurations.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::ExposeSecret;
use tokio::sync::Notify;

use super::{start, test_knobs};

use crate::clock::Clock;
use crate::domain::delivery::{OnUnknown, Waits};
use crate::domain::{Conditions, Destination, Outcome, ProjectFilter, Redactor, Rule, UserFilter};
use crate::monitor::{self, Deliverer, DeliveryConfig, MonitorError, Poller, PollerConfig, Progress, StartRequest};
use crate::settings::{self, ClearmlSettings, RuleSettings, Since, SlackAccess, SlackSettings};
use crate::store::{Access, Store};
use crate::{clearml, slack};

/// Slack answers within seconds or not at all.
const SLACK_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest wait for a connection to Slack.
const SLACK_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens the database as the monitor.
pub(super) fn own_database(path: &Path, wait: Duration) -> anyhow::Result<Store> {
    Ok(Store::open(path, Access::Own { wait }, &instance_name())?)
}

/// Opens a database that must be there, to look only.
pub(super) fn read_database(path: &Path) -> anyhow::Result<Store> {
    Ok(Store::open(path, Access::Read, "")?)
}

/// Opens a database that must be there, to change a row.
pub(super) fn write_database(path: &Path) -> anyhow::Result<Store> {
    Ok(Store::open(path, Access::Write, "")?)
}

/// A name for a fresh database that no other has.
fn instance_name() -> String {
    format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}

/// The ClearML client.
pub(super) fn clearml_client(settings: &ClearmlSettings, start: &start::Context) -> anyhow::Result<clearml::Client> {
    let credentials = match &settings.credentials {
        settings::Credentials::Keys { access, secret } => {
            clearml::Credentials::Keys { access: access.expose_secret().to_owned(), secret: secret.clone() }
        }
        settings::Credentials::Token(token) => clearml::Credentials::Token(token.clone()),
    };
    let mut config = clearml::Config::new(settings.api.clone(), credentials);
    config.verify_certificate = settings.verify_certificate;
    config.retry = start.patience.clearml;
    config.timeout = test_knobs::time_limit().unwrap_or(config.timeout);
    config.connect_timeout = test_knobs::time_limit().unwrap_or(config.connect_timeout);
    start.host.clone_into(&mut config.worker);
    Ok(clearml::Client::new(config)?)
}

/// The Slack client.
pub(super) fn slack_client(settings: &SlackSettings) -> anyhow::Result<slack::Client> {
    let (token, base_url) = (settings.token.clone(), settings.base_url.clone());
    Ok(slack_client_of(SlackAccess { token, base_url, origins: Vec::new() })?)
}

/// The Slack client of a command that does not alert.
pub(super) fn slack_client_of(access: SlackAccess) -> Result<slack::Client, slack::SlackError> {
    slack::Client::new(slack::Config {
        base_url: access.base_url,
        token: access.token,
        timeout: test_knobs::time_limit().unwrap_or(SLACK_TIMEOUT),
        connect_timeout: test_knobs::time_limit().unwrap_or(SLACK_CONNECT_TIMEOUT),
    })
}

/// The rule that the command line describes, its users resolved by the server's list.
pub(super) async fn default_rule(
    settings: &RuleSettings,
    channel: &str,
    clearml: &clearml::Client,
) -> Result<Rule, MonitorError> {
    let users = match &settings.users {
        settings::UserFilter::Everyone => UserFilter::Everyone,
        settings::UserFilter::Only(users) => UserFilter::Only(users.iter().cloned().collect()),
        settings::UserFilter::Except(users) => UserFilter::Except(users.iter().cloned().collect()),
    };
    let (users, unknown) = monitor::resolve_users(clearml, users).await?;
    for user in unknown {
        tracing::warn!(user, "ClearML knows no user of this name; it is taken for a user's ID");
    }
    let outcomes = [
        Some(Outcome::Failed),
        settings.include_completed.then_some(Outcome::Completed),
        settings.include_aborted.then_some(Outcome::Stopped),
    ];
    let projects = settings.project_pattern.as_ref().map_or(ProjectFilter::All, |pattern| ProjectFilter::Matching {
        pattern: pattern.clone(),
        ids: HashSet::new(),
    });
    let mut rule = Rule::new(Rule::DEFAULT_NAME, Destination::Channel(channel.to_owned()));
    rule.conditions = Conditions {
        outcomes: outcomes.into_iter().flatten().collect(),
        projects,
        min_iterations: settings.min_iterations,
        include_manual: settings.include_manual,
        include_archived: settings.include_archived,
        users,
        ..Conditions::default()
    };
    rule.style.prefix = Some(settings.message_prefix.clone()).filter(|prefix| !prefix.is_empty());
    Ok(rule)
}

/// The rule that the command line describes, its users and its projects resolved as a poll would.
pub(super) async fn resolved_rule(
    settings: &RuleSettings,
    channel: &str,
    clearml: &clearml::Client,
) -> Result<Rule, MonitorError> {
    let mut rule = default_rule(settings, channel, clearml).await?;
    rule.conditions.projects = match rule.conditions.projects {
        ProjectFilter::All => ProjectFilter::All,
        ProjectFilter::Matching { pattern, .. } => {
            let found = monitor::find_projects(&pattern, clearml).await?;
            let ids = found.into_iter().map(|project| project.id).collect();
            ProjectFilter::Matching { pattern, ids }
        }
    };
    Ok(rule)
}

/// The two halves of a monitor, and what wakes the second when the first has news.
#[derive(Debug)]
pub(super) struct Halves {
    /// Asks ClearML and records.
    pub poller: Poller,
    /// Sends what is due.
    pub deliverer: Deliverer,
    /// Wakes the deliverer.
    pub news: Arc<Notify>,
}

/// Everything that both halves are made of.
pub(super) struct Parts {
    /// The database.
    pub store: Store,
    /// ClearML.
    pub clearml: clearml::Client,
    /// Slack.
    pub slack: slack::Client,
    /// The rule.
    pub rule: Rule,
    /// The time.
    pub clock: Clock,
    /// How patiently messages are sent.
    pub waits: Waits,
    /// This machine's name.
    pub host: String,
    /// What is blotted out of consoles, besides the built-in patterns.
    pub redact: Vec<regex::Regex>,
}

fn on_unknown(policy: settings::OnUnknown) -> OnUnknown {
    match policy {
        settings::OnUnknown::Resend => OnUnknown::Resend,
        settings::OnUnknown::Hold => OnUnknown::Hold,
    }
}

/// Puts a monitor together.
pub(super) async fn halves(
    parts: Parts,
    clearml_settings: &ClearmlSettings,
    slack_settings: &SlackSettings,
    since: Option<Since>,
    on_progress: Box<dyn Fn(Progress) + Send + Sync>,
) -> anyhow::Result<Halves> {
    let Parts { store, clearml, slack, rule, clock, waits, host, redact } = parts;
    let redactor = Redactor::new(redact);
    let web = clearml_settings.web.as_ref().map(ToString::to_string);
    let news = Arc::new(Notify::new());
    let prefixes = rule.style.prefix.iter().map(|prefix| (rule.name.clone(), prefix.clone())).collect();
    let config = DeliveryConfig {
        instance: store.monitor().await.context("reading the database")?.instance,
        host,
        web: web.clone(),
        prefixes,
        digest_above: slack_settings.digest_above,
        on_unknown: on_unknown(slack_settings.on_unknown),
        waits,
        rate: slack_settings.rate,
        redactor: redactor.clone(),
    };
    let deliverer = Deliverer::new(store.clone(), clearml.clone(), slack, clock.clone(), config);
    let server = server_name(clearml_settings);
    let config = PollerConfig { rules: vec![rule], redactor, server, web, since, on_progress };
    let poller = Poller::new(store, clearml, clock, config, Arc::clone(&news));
    Ok(Halves { poller, deliverer, news })
}

/// The ClearML server as the database remembers it: its API address without a slash at the end.
pub(super) fn server_name(settings: &ClearmlSettings) -> String {
    settings.api.as_str().trim_end_matches('/').to_owned()
}

/// What a rule watches, in words.
pub(super) fn in_words(rule: &Rule) -> String {
    let outcomes: Vec<&str> = Outcome::ALL
        .into_iter()
        .filter(|outcome| rule.conditions.outcomes.contains(*outcome))
        .map(crate::domain::message::words::outcome)
        .collect();
    let projects = match &rule.conditions.projects {
        ProjectFilter::All => "every project".to_owned(),
        ProjectFilter::Matching { pattern, .. } => format!("projects that match {pattern}"),
    };
    format!("{} tasks of {projects}", outcomes.join(", "))
}

/// The start message of a service.
pub(super) fn start_request(rule: &Rule, refresh: Duration, resume: Option<crate::domain::Stamp>) -> StartRequest {
    StartRequest { channel: rule.destination.common_lane(), watches: in_words(rule), refresh, resume }
}
