//! A simulated ClearML, Slack and receiver, a database, and the two halves of a monitor between them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clearml_alerts::clock::Clock;
use clearml_alerts::domain::delivery::{OnUnknown, Waits};
use clearml_alerts::domain::{AlertRecord, Destination, Redactor, Rule};
use clearml_alerts::monitor::{
    Deliverer, DeliveryConfig, Depth, Destinations, Next, Poller, PollerConfig, Projects, Tellings,
};
use clearml_alerts::sandbox::clearml::TaskSeed;
use clearml_alerts::sandbox::{
    ClearmlOptions, ReceiverOptions, SimulatedClearml, SimulatedReceiver, SimulatedSlack, SlackOptions,
};
use clearml_alerts::store::{Access, HistoryFilter, Order, Store};
use clearml_alerts::{clearml, slack, webhook};
use secrecy::SecretString;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub const CHANNEL: &str = "ml-alerts";
pub const KEY: &str = "sandbox-key";
/// Nothing here takes longer; it bounds tests that hang.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of requests, so that one that hangs does not take a test's whole time.
const TIME_LIMIT: Duration = Duration::from_millis(500);

/// Where everything is; what a process of its own needs to find it again.
#[derive(Debug, Clone)]
pub struct Addresses {
    pub clearml: String,
    pub access: String,
    pub secret: String,
    pub slack: String,
    pub token: String,
    pub receiver: String,
    pub incoming: String,
    pub database: PathBuf,
}

pub struct World {
    pub clearml: SimulatedClearml,
    pub slack: SimulatedSlack,
    pub receiver: SimulatedReceiver,
    pub incoming: String,
    folder: tempfile::TempDir,
}

/// The two halves.
pub struct Monitor {
    pub poller: Poller,
    pub deliverer: Deliverer,
    pub store: Store,
}

impl World {
    pub fn new() -> Self {
        let slack = SimulatedSlack::start(SlackOptions::default()).unwrap();
        let incoming = slack.add_webhook(CHANNEL);
        let options = ReceiverOptions { secret: Some(KEY.to_owned()), ..ReceiverOptions::default() };
        Self {
            clearml: SimulatedClearml::start(ClearmlOptions::default()).unwrap(),
            receiver: SimulatedReceiver::start(options).unwrap(),
            slack,
            incoming,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn addresses(&self) -> Addresses {
        let (access, secret) = self.clearml.credentials();
        Addresses {
            clearml: self.clearml.url(),
            access,
            secret,
            slack: self.slack.url(),
            token: self.slack.token(),
            receiver: self.receiver.url(),
            incoming: self.incoming.clone(),
            database: self.folder.path().join("alerts.db"),
        }
    }

    /// A monitor with one rule, called `mine`.
    pub async fn monitor(&self, destination: Destination) -> Monitor {
        self.monitor_with(vec![Rule::new("mine", destination)], |_| {}).await
    }

    pub async fn monitor_with(&self, rules: Vec<Rule>, change: impl FnOnce(&mut DeliveryConfig)) -> Monitor {
        Monitor::start(&self.addresses(), rules, change).await
    }

    /// A task of Ada's that failed.
    pub fn failed_task(&self, name: &str) -> String {
        let id = self.clearml.add_task(TaskSeed::new(name).project("vision/resnet").user("Ada").iterations(7));
        self.clearml.start_task(&id).unwrap();
        self.clearml.log(&id, "epoch 7 ```done```\nRuntimeError: <!channel> & more").unwrap();
        self.clearml.fail(&id, "RuntimeError: CUDA out of memory", "it failed").unwrap();
        id
    }

    pub fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.addresses().database).unwrap()
    }

    /// Neither server has anything to object to.
    pub fn assert_no_violations(&self) {
        assert!(self.slack.violations().is_empty(), "{:?}", self.slack.violations());
        assert!(self.receiver.violations().is_empty(), "{:?}", self.receiver.violations());
    }
}

impl Monitor {
    pub async fn start(at: &Addresses, rules: Vec<Rule>, change: impl FnOnce(&mut DeliveryConfig)) -> Self {
        let store = open(&at.database);
        let credentials =
            clearml::Credentials::Keys { access: at.access.clone(), secret: SecretString::from(at.secret.clone()) };
        let clearml = clearml::Client::new(clearml::Config::new(at.clearml.parse().unwrap(), credentials)).unwrap();
        clearml.login().await.unwrap();
        store.claim(&at.clearml).await.unwrap();
        let slack = slack::Client::new(slack::Config {
            base_url: at.slack.parse().unwrap(),
            token: SecretString::from(at.token.clone()),
            timeout: TIME_LIMIT,
            connect_timeout: TIME_LIMIT,
        })
        .unwrap();
        let mut config = DeliveryConfig {
            instance: "test".to_owned(),
            host: "host.example.com".to_owned(),
            web: Some("https://app.example.com".to_owned()),
            tellings: Tellings::of(&rules),
            digest_above: 0,
            on_unknown: OnUnknown::Resend,
            waits: Waits::STANDARD.scaled(0.01),
            rate: 0.0,
            redactor: Redactor::new(Vec::new()),
            destinations: destinations(at, &rules),
        };
        change(&mut config);
        let clock = Clock::system();
        let mut deliverer = Deliverer::new(store.clone(), clearml.clone(), slack, clock.clone(), config);
        deliverer.recover().await.unwrap();
        let config = PollerConfig {
            redactor: Redactor::new(Vec::new()),
            projects: Projects::of(&rules),
            rules,
            server: at.clearml.clone(),
            web: Some("https://app.example.com".to_owned()),
            since: None,
            on_progress: Box::new(|_| {}),
        };
        let poller = Poller::new(store.clone(), clearml, clock, config, Arc::default());
        Self { poller, deliverer, store }
    }

    /// Begins to watch, or polls.
    pub async fn poll(&mut self) {
        self.poller.poll_once(Depth::Sweep).await.unwrap();
    }

    /// Delivers until `enough`, which is asked after every pass.
    pub async fn deliver_until(&mut self, mut enough: impl FnMut(&Store) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let stop = CancellationToken::new();
        loop {
            let next = self.deliverer.deliver_due(&stop).await.unwrap();
            if enough(&self.store) {
                return;
            }
            assert!(Instant::now() < deadline, "{:#?}", history(&self.store));
            let at = match next {
                Next::Now => continue,
                Next::At(at) => at,
                Next::Idle => Instant::now() + Duration::from_millis(50),
            };
            tokio::select! {
                () = tokio::time::sleep_until(at) => {}
                () = self.deliverer.landed() => {}
            }
        }
    }

    /// Delivers until every alert is in this state, and there are so many.
    pub async fn deliver_until_all(&mut self, count: usize, state: &str) -> Vec<AlertRecord> {
        self.deliver_until(|store| {
            let all = history(store);
            all.len() == count && all.iter().all(|alert| alert.state.as_str() == state)
        })
        .await;
        history(&self.store)
    }
}

/// The database, as soon as whoever had it is gone.
fn open(path: &Path) -> Store {
    Store::open(path, Access::Own { wait: PATIENCE }, "test").unwrap()
}

/// Newest first.
pub fn history(store: &Store) -> Vec<AlertRecord> {
    store.history(&HistoryFilter { limit: 10_000, ..HistoryFilter::default() }, Order::Newest).unwrap()
}

fn destinations(at: &Addresses, rules: &[Rule]) -> Destinations {
    let mut destinations = Destinations::default();
    let incoming = slack::IncomingWebhook::new(SecretString::from(at.incoming.clone()), TIME_LIMIT).unwrap();
    destinations.slack_webhooks.insert("team".to_owned(), incoming);
    destinations.webhooks.insert("ops".to_owned(), webhook_to(&at.receiver, TIME_LIMIT));
    destinations.heed_rules(rules);
    destinations
}

pub fn webhook_to(url: &str, timeout: Duration) -> webhook::Client {
    let secret = Some(SecretString::from(KEY));
    let url = SecretString::from(url.to_owned());
    webhook::Client::new(webhook::Config { url, secret, headers: Vec::new(), timeout }).unwrap()
}

pub fn to_webhook() -> Destination {
    Destination::Webhook("ops".to_owned())
}

pub fn to_incoming() -> Destination {
    Destination::SlackWebhook("team".to_owned())
}

pub fn to_owner() -> Destination {
    Destination::Owner { fallback: CHANNEL.to_owned() }
}
