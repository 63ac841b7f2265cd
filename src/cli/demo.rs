//! `demo`: the real pipeline on simulated servers, in about 20 seconds. No accounts, no network.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::arguments::Format;
use super::exit::Exit;
use super::logging::Log;
use super::patience::Patience;
use super::start::{self, Context, WhenAway};
use super::{history, output};
use crate::monitor::{self, MonitorError, ServiceConfig};
use crate::sandbox::workload::{Happening, What};
use crate::sandbox::{ClearmlOptions, SimulatedClearml, SimulatedSlack, SlackOptions, Workload, render};
use crate::settings::{AllFlags, MapEnvironment, Settings};
use crate::store::{HistoryFilter, Order};

/// The seed of the story: the same tasks fail every time.
const SEED: u64 = 20;
/// Steps of the story while the monitor runs.
const STEPS: usize = 14;
/// Tasks that fail while the monitor is down.
const FAILURES_WHILE_DOWN: usize = 3;
/// Between two steps, so that a person can follow.
const STEP: Duration = Duration::from_millis(900);
/// As long as an alert may take before the demo says that something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);
/// Columns of a drawn message where the output is no terminal.
const COLUMNS: usize = 80;

/// Runs the command.
pub(super) async fn run(context: &Context) -> anyhow::Result<Exit> {
    let folder = tempfile::tempdir()?;
    let mut stage = Stage::set(&folder.path().join("alerts.db"))?;
    stage
        .say("A simulated ClearML and a simulated Slack are running; the monitor in front of them is the real one.")?;
    let first = stage.start_monitor(context).await?;
    stage.say("The monitor watches: outcomes from now on are alerted. A team goes to work.")?;
    for _ in 0..STEPS {
        stage.step().await?;
    }
    while stage.failed.is_empty() {
        stage.fail_one()?;
    }
    stage.wait_for_alerts().await?;
    first.stop().await?;
    stage.say("The monitor is stopped. Meanwhile more tasks fail:")?;
    for _ in 0..FAILURES_WHILE_DOWN {
        stage.fail_one()?;
    }
    tokio::time::sleep(STEP).await;
    stage.say("The monitor is started again, on the same database:")?;
    let second = stage.start_monitor(context).await?;
    stage.wait_for_alerts().await?;
    second.stop().await?;
    stage.conclude()
}

struct Stage {
    clearml: SimulatedClearml,
    slack: SimulatedSlack,
    team: Workload,
    settings: Settings,
    /// Tasks that failed, by ID.
    failed: BTreeMap<String, String>,
    /// Messages that were shown.
    shown: usize,
}

struct Playing {
    stop: CancellationToken,
    service: JoinHandle<Result<(), MonitorError>>,
}

impl Playing {
    async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        Ok(self.service.await??)
    }
}

impl Stage {
    fn set(database: &Path) -> anyhow::Result<Self> {
        let clearml = SimulatedClearml::start(ClearmlOptions::default())?;
        let slack = SimulatedSlack::start(SlackOptions::default())?;
        let (key, secret) = clearml.credentials();
        let environment = MapEnvironment::new()
            .with("CLEARML_API_HOST", clearml.url())
            .with("CLEARML_WEB_HOST", "https://app.example.com")
            .with("CLEARML_API_ACCESS_KEY", key)
            .with("CLEARML_API_SECRET_KEY", secret)
            .with("SLACK_API_TOKEN", slack.token())
            .with("SLACK_API_URL", slack.url());
        let mut flags = AllFlags::default();
        flags.slack.channel = Some("#ml-alerts".to_owned());
        flags.service.local = Some(true);
        flags.service.refresh_rate = Some("0.5".to_owned());
        flags.database.db = Some(database.to_owned());
        let settings = Settings::resolve(&flags, &environment)?;
        let team = Workload::new(SEED);
        Ok(Self { clearml, slack, team, settings, failed: BTreeMap::new(), shown: 0 })
    }

    async fn start_monitor(&self, context: &Context) -> anyhow::Result<Playing> {
        let mut patience = Patience::standard();
        // The simulated agents send consoles at once.
        patience.slack.console = Duration::ZERO;
        let context = Context {
            environment: Box::new(MapEnvironment::new()),
            clock: context.clock.clone(),
            patience,
            host: context.host.clone(),
            log: Log::none(),
        };
        let monitor = start::monitor(&self.settings, &context, WhenAway::Fail).await?;
        let polled = self.clearml.requests().count("tasks.get_all_ex");
        let stop = CancellationToken::new();
        let refresh = self.settings.service.refresh;
        let status = monitor::Status::new(context.clock.now(), refresh);
        let config = ServiceConfig { refresh, channels: Vec::new(), status, retention: None };
        let service = tokio::spawn(monitor::run(monitor.poller, monitor.deliverer, config, monitor.news, stop.clone()));
        while self.clearml.requests().count("tasks.get_all_ex") < polled + 2 && !service.is_finished() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Playing { stop, service })
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        for happening in self.team.step(&self.clearml)? {
            self.note(&happening)?;
        }
        tokio::time::sleep(STEP).await;
        self.show_news()
    }

    fn fail_one(&mut self) -> anyhow::Result<()> {
        let happening = self.team.fail_one(&self.clearml)?;
        self.note(&happening)
    }

    fn note(&mut self, happening: &Happening) -> anyhow::Result<()> {
        let what = match happening.what {
            What::Failed => "failed",
            What::Completed => "completed",
            What::Stopped => "was aborted",
            What::Restamped => "was stamped as failed again by its agent (no second alert)",
            What::Queued | What::Started | What::Progressed => return Ok(()),
        };
        if happening.what == What::Failed {
            self.failed.insert(happening.task.clone(), happening.name.clone());
        }
        output::text(&format!("  ClearML: {} {what}\n", happening.name))?;
        Ok(())
    }

    /// Waits until every task that failed is in the channel, and shows what is new there.
    async fn wait_for_alerts(&mut self) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.alerted().len() < self.failed.len() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.show_news()
    }

    fn show_news(&mut self) -> anyhow::Result<()> {
        let messages = self.slack.all_messages();
        for message in messages.iter().skip(self.shown) {
            let columns = output::width().map_or(COLUMNS, usize::from).min(100);
            output::text(&format!("\n{}\n", render::message(message, columns)))?;
        }
        self.shown = messages.len();
        Ok(())
    }

    /// How often each task was told in the channel.
    fn alerted(&self) -> BTreeMap<String, usize> {
        let mut told = BTreeMap::new();
        for message in self.slack.all_messages() {
            let task = message
                .metadata
                .as_ref()
                .and_then(|metadata| metadata["event_payload"]["task_id"].as_str().map(str::to_owned));
            if let Some(task) = task {
                *told.entry(task).or_default() += 1;
            }
        }
        told
    }

    fn conclude(&self) -> anyhow::Result<Exit> {
        let alerted = self.alerted();
        let lost = self.failed.keys().filter(|task| !alerted.contains_key(*task)).count();
        let doubled = alerted.values().filter(|times| **times > 1).count();
        self.say(&format!(
            "{} tasks failed, {} alerts arrived: {lost} lost, {doubled} doubled, across a restart.\nThe history, from the database:",
            self.failed.len(),
            alerted.values().sum::<usize>(),
        ))?;
        let store = super::assemble::read_database(&self.settings.database.path)?;
        let alerts = store.history(&HistoryFilter { limit: 50, ..HistoryFilter::default() }, Order::Newest)?;
        history::print(&alerts, Format::Table)?;
        self.say(
            "Next: `clearml-alerts sandbox` keeps such servers running for you to play with;\n\
             `clearml-alerts once --dry-run --since 24h` shows what your own ClearML would alert (see README.md).",
        )?;
        let is_sound = lost == 0 && doubled == 0 && self.slack.violations().is_empty();
        Ok(if is_sound { Exit::Done } else { Exit::Unexpected })
    }

    #[expect(clippy::unused_self, reason = "the stage speaks")]
    fn say(&self, words: &str) -> anyhow::Result<()> {
        output::text(&format!("\n{words}\n"))?;
        Ok(())
    }
}
