//! From settings to clients: the only place that knows how the settings' words become the rooms' configurations.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::ExposeSecret;
use tokio::sync::Notify;

use super::{start, test_knobs};

use crate::clock::Clock;
use crate::domain::delivery::{OnUnknown, Waits};
use crate::domain::message::words;
use crate::domain::{Redactor, Rule};
use crate::monitor::{
    self, Deliverer, DeliveryConfig, Destinations, MonitorError, Person, Poller, PollerConfig, Progress, Projects,
    StartRequest, Tellings,
};
use crate::settings::{
    self, ClearmlSettings, DestinationSettings, RuleSet, Since, SlackAccess, SlackSettings, SlackUser, Webhook,
};
use crate::store::{Access, Store};
use crate::{clearml, slack, webhook};

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

/// The rules with their users resolved by the server's list.
pub(super) async fn ready_rules(set: &RuleSet, clearml: &clearml::Client) -> Result<Vec<Rule>, MonitorError> {
    let mut rules = set.rules.clone();
    for user in monitor::resolve_users(clearml, &mut rules).await? {
        tracing::warn!(user, "ClearML knows no user of this name; it is taken for a user's ID");
    }
    Ok(rules)
}

/// The rules, their users and their projects resolved as a poll would.
pub(super) async fn resolved_rules(set: &RuleSet, clearml: &clearml::Client) -> Result<Vec<Rule>, MonitorError> {
    let mut rules = ready_rules(set, clearml).await?;
    Projects::of(&rules).resolve(&mut rules, clearml).await?;
    Ok(rules)
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
    /// The rules, in the order of asking.
    pub rules: Vec<Rule>,
    /// What is known of their project patterns.
    pub projects: Projects,
    /// The time.
    pub clock: Clock,
    /// How patiently messages are sent.
    pub waits: Waits,
    /// This machine's name.
    pub host: String,
    /// What is blotted out of consoles, besides the built-in patterns.
    pub redact: Vec<regex::Regex>,
    /// What the names of destinations mean.
    pub destinations: Destinations,
}

/// Clients of what the destinations' names mean, and what the rules ask of them.
pub(super) fn destination_clients(settings: &DestinationSettings, rules: &[Rule]) -> anyhow::Result<Destinations> {
    let mut destinations = Destinations::default();
    for (name, hook) in &settings.slack_webhooks {
        let client = slack::IncomingWebhook::new(hook.url.clone(), hook_time_limit(Webhook::TIMEOUT));
        destinations.slack_webhooks.insert(name.clone(), client.with_context(|| format!("[slack.webhooks.{name}]"))?);
    }
    for (name, hook) in &settings.webhooks {
        let headers = hook.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let timeout = hook_time_limit(hook.timeout);
        let config = webhook::Config { url: hook.url.clone(), secret: hook.secret.clone(), headers, timeout };
        let client = webhook::Client::new(config).with_context(|| format!("[webhooks.{name}]"))?;
        destinations.webhooks.insert(name.clone(), client);
    }
    for (user, person) in &settings.users.0 {
        let person = match person {
            SlackUser::Id(id) => Person::Id(id.clone()),
            SlackUser::Email(email) => Person::Email(email.clone()),
        };
        destinations.people.insert(user.clone(), person);
    }
    destinations.heed_rules(rules);
    Ok(destinations)
}

fn hook_time_limit(given: Duration) -> Duration {
    test_knobs::time_limit().map_or(given, |limit| limit.min(given))
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
    let Parts { store, clearml, slack, rules, projects, clock, waits, host, redact, destinations } = parts;
    let redactor = Redactor::new(redact);
    let web = clearml_settings.web.as_ref().map(ToString::to_string);
    let news = Arc::new(Notify::new());
    let config = DeliveryConfig {
        instance: store.monitor().await.context("reading the database")?.instance,
        host,
        web: web.clone(),
        tellings: Tellings::of(&rules),
        digest_above: slack_settings.digest_above,
        on_unknown: on_unknown(slack_settings.on_unknown),
        waits,
        rate: slack_settings.rate,
        redactor: redactor.clone(),
        destinations,
    };
    let deliverer = Deliverer::new(store.clone(), clearml.clone(), slack, clock.clone(), config);
    let server = server_name(clearml_settings);
    let config = PollerConfig { redactor, rules, projects, server, web, since, on_progress };
    let mut poller = Poller::new(store, clearml, clock, config, Arc::clone(&news));
    poller.look_for_stuck_every(waits.stuck);
    poller.hand_on_to(deliverer.next_rules());
    Ok(Halves { poller, deliverer, news })
}

/// The ClearML server as the database remembers it: its API address without a slash at the end.
pub(super) fn server_name(settings: &ClearmlSettings) -> String {
    settings.api.as_str().trim_end_matches('/').to_owned()
}

/// What rules watch, in words: of one, all of it; of several, their names.
pub(super) fn all_in_words(rules: &[Rule]) -> String {
    match rules {
        [rule] => rule.watches(),
        several => {
            let names: Vec<&str> = several.iter().map(|rule| rule.name.as_str()).collect();
            format!("{} rules: {}", words::number(several.len()), names.join(", "))
        }
    }
}

/// Where rules tell, each place once.
pub(super) fn destinations(rules: &[Rule]) -> String {
    let mut all: Vec<String> = Vec::new();
    for destination in rules.iter().map(|rule| rule.destination.to_string()) {
        if !all.contains(&destination) {
            all.push(destination);
        }
    }
    all.join(", ")
}

/// The lanes that rules tell of no task in particular, each once.
pub(super) fn common_lanes(rules: &[Rule]) -> Vec<String> {
    let mut lanes: Vec<String> = Vec::new();
    for lane in rules.iter().map(|rule| rule.destination.common_lane()) {
        if !lanes.contains(&lane) {
            lanes.push(lane);
        }
    }
    lanes
}

/// The start message of a service, in the first rule's channel; `None` where there is no rule.
pub(super) fn start_request(
    rules: &[Rule],
    refresh: Duration,
    resume: Option<crate::domain::Stamp>,
) -> Option<StartRequest> {
    let channel = rules.first()?.destination.common_lane();
    Some(StartRequest { channel, watches: all_in_words(rules), refresh, resume })
}
