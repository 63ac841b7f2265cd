//! One poll: ask ClearML for every status change since the watermark, decide, record. A poll that fails moves nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::error::MonitorError;
use super::projects::Projects;
use super::pulse::Beat;
use super::status::Status;
use tokio::sync::Notify;

use crate::clearml::{Client, RowProblem};
use crate::clock::Clock;
use crate::domain::{ProjectFilter, Redactor, Rule, Stamp, Task, WebPages};
use crate::settings::time::Since;
use crate::store::{PageToRecord, Recorded, RecordedAlert, Store, Watching};

/// Every poll reads again what was stamped so shortly before the watermark: servers stamp before they write.
const OVERLAP: Duration = Duration::from_mins(2);
/// A sweep reads again this much: the server's watchdog stamps late, and servers may be slow.
pub(super) const SWEEP: Duration = Duration::from_hours(2);

/// How far back a poll reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The usual overlap of 2 minutes.
    Usual,
    /// A sweep over 2 hours: on start and every 15 minutes.
    Sweep,
}

impl Depth {
    fn overlap(self) -> Duration {
        match self {
            Self::Usual => OVERLAP,
            Self::Sweep => SWEEP,
        }
    }
}

/// What a poll brought.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct PollReport {
    /// Tasks that had changed.
    pub changed: usize,
    /// Every verdict, in order.
    pub verdicts: Vec<RecordedAlert>,
    /// Rows that could not be understood.
    pub problems: Vec<RowProblem>,
    /// Watching began with this poll.
    pub began: bool,
    /// Where `--since` made it begin, if it did.
    pub since: Option<Stamp>,
    /// Everything stamped up to here is recorded.
    pub watermark: Option<Stamp>,
    /// When the last page came, by the server's clock, to the second.
    pub seen_at: Option<Stamp>,
}

impl PollReport {
    /// The verdicts that are to be told.
    pub fn alerts(&self) -> impl Iterator<Item = &RecordedAlert> {
        self.verdicts.iter().filter(|verdict| verdict.suppressed.is_none())
    }

    fn add(&mut self, recorded: Recorded) {
        self.changed += recorded.changed;
        self.verdicts.extend(recorded.alerts);
    }
}

/// How far a long poll has come; reported after every page that another one follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Pages recorded.
    pub pages: usize,
    /// Tasks read.
    pub tasks: usize,
    /// Alerts recorded.
    pub alerts: usize,
    /// Everything stamped up to here is recorded.
    pub at: Option<Stamp>,
}

/// What a poller needs to be told.
pub struct PollerConfig {
    /// What takes secrets out of the words that tell why a task ended.
    pub redactor: Redactor,
    /// The rules to ask, their users resolved. One project pattern at most is common to all.
    pub rules: Vec<Rule>,
    /// The ClearML API address, as the database remembers it.
    pub server: String,
    /// The web application's address, where links are known to lead.
    pub web: Option<String>,
    /// Where a fresh database begins to look, instead of now.
    pub since: Option<Since>,
    /// Told how far a long poll has come.
    pub on_progress: Box<dyn Fn(Progress) + Send + Sync>,
}

impl fmt::Debug for PollerConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PollerConfig")
            .field("rules", &self.rules)
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}

/// Asks ClearML, decides, records.
#[derive(Debug)]
pub struct Poller {
    store: Store,
    clearml: Client,
    clock: Clock,
    config: PollerConfig,
    rules: Arc<Vec<Rule>>,
    projects: Option<Projects>,
    news: Arc<Notify>,
    /// Beats with every page.
    pub(super) beat: Beat,
}

impl Poller {
    /// A poller that wakes `news` whenever there is something to deliver.
    pub fn new(store: Store, clearml: Client, clock: Clock, config: PollerConfig, news: Arc<Notify>) -> Self {
        let pattern = config.rules.iter().find_map(|rule| match &rule.conditions.projects {
            ProjectFilter::All => None,
            ProjectFilter::Matching { pattern, .. } => Some(pattern.clone()),
        });
        let rules = Arc::new(config.rules.clone());
        let (projects, beat) = (pattern.map(Projects::new), Beat::default());
        Self { store, clearml, clock, config, rules, projects, news, beat }
    }

    /// Keeps quiet about this task: it is the monitor itself.
    pub fn ignore_own_task(&mut self, task: &str) {
        for rule in Arc::make_mut(&mut self.rules) {
            rule.own_task = Some(task.to_owned());
        }
    }

    /// Refuses to start with a project pattern that matches nothing.
    pub async fn require_projects(&mut self) -> Result<(), MonitorError> {
        let Some(projects) = &mut self.projects else {
            return Ok(());
        };
        projects.require_match(&self.clearml).await?;
        self.adopt_projects();
        Ok(())
    }

    fn adopt_projects(&mut self) {
        let Some(filter) = self.projects.as_ref().map(Projects::filter) else {
            return;
        };
        for rule in Arc::make_mut(&mut self.rules) {
            if rule.conditions.projects != ProjectFilter::All {
                rule.conditions.projects.clone_from(&filter);
            }
        }
    }

    /// One poll. The first one on a fresh database begins to watch: from the server's newest stamp, alerting nothing, or
    /// from where `--since` says.
    pub async fn poll_once(&mut self, depth: Depth) -> Result<PollReport, MonitorError> {
        let record = self.store.claim(&self.config.server).await?;
        let (watch_from, watermark, began) =
            if let (Some(watch_from), Some(watermark)) = (record.watch_from, record.watermark) {
                (watch_from, watermark, false)
            } else {
                let begun = self.begin_watching().await?;
                (begun, begun, true)
            };
        if began && self.config.since.is_none() {
            let watermark = self.store.monitor().await?.watermark;
            return Ok(PollReport { began, watermark, ..PollReport::default() });
        }
        let from = self.not_in_the_future(watermark).minus(depth.overlap()).max(watch_from);
        let since = began.then_some(watch_from);
        let mut report = PollReport { began, since, ..self.read_outcomes(from).await? };
        report.watermark = self.store.monitor().await?.watermark;
        report.seen_at = self.clearml.server_time();
        self.note_poll(record.last_poll_at).await?;
        self.close_silences().await?;
        Ok(report)
    }

    /// Silences whose time is over when a poll has gone through are closed, and what they kept quiet is told.
    async fn close_silences(&self) -> Result<(), MonitorError> {
        for closed in self.store.close_silences(self.clock.now()).await? {
            tracing::info!(silence = closed.id, silenced = closed.silenced, "a silence has ended");
            self.news.notify_one();
        }
        Ok(())
    }

    /// Notes how a poll ended.
    pub(super) fn note(&self, status: &Status, report: &Result<PollReport, MonitorError>, took: Duration) {
        let now = self.clock.now();
        match report {
            Ok(report) => status.polled(report, took, now, self.clearml.server_time()),
            Err(error) => status.poll_failed(error, took, now),
        }
    }

    /// Everything since `from`, page by page, each recorded before the next one is asked for.
    async fn read_outcomes(&mut self, from: Stamp) -> Result<PollReport, MonitorError> {
        let mut report = PollReport::default();
        let mut progress = Progress { pages: 0, tasks: 0, alerts: 0, at: None };
        let mut changes = self.clearml.changes_since(from);
        while let Some(page) = changes.next_page().await? {
            progress.pages += 1;
            progress.tasks += page.tasks.len();
            progress.at = page.newest.or(progress.at);
            report.problems.extend(page.problems);
            let rules = self.rules_for(&page.tasks).await?;
            let newest = page.newest.map(|newest| self.not_in_the_future(newest));
            let page_to_record = self.page(page.tasks, rules, newest, Watching::Outcomes);
            crate::crash::point("page_received");
            let recorded = self.store.record_page(page_to_record).await?;
            crate::crash::point("after_commit");
            progress.alerts += recorded.alerts.iter().filter(|alert| alert.suppressed.is_none()).count();
            if recorded.alerts.iter().any(|alert| alert.suppressed.is_none()) {
                self.news.notify_one();
            }
            report.add(recorded);
            self.beat.step();
            if page.more {
                (self.config.on_progress)(progress);
            }
        }
        Ok(report)
    }

    /// Sets the first watermark. Without `--since` the last two hours are remembered as they are, so that whatever the
    /// server writes late into them is news, and nothing that is there already is alerted.
    async fn begin_watching(&mut self) -> Result<Stamp, MonitorError> {
        let newest = self.clearml.newest_change().await?;
        if let Some(since) = self.config.since {
            let now = self.clearml.server_time().or(newest).unwrap_or_else(|| self.clock.now());
            let from = since.resolve(now).max(Stamp::EPOCH);
            self.begin(from, from).await?;
            return Ok(from);
        }
        let Some(newest) = newest.map(|newest| self.not_in_the_future(newest)) else {
            self.begin(Stamp::EPOCH, Stamp::EPOCH).await?;
            return Ok(Stamp::EPOCH);
        };
        let from = newest.minus(SWEEP);
        let mut watermark = newest;
        let mut changes = self.clearml.changes_since(from);
        while let Some(page) = changes.next_page().await? {
            watermark = page.newest.map_or(watermark, |newest| watermark.max(self.not_in_the_future(newest)));
            let page = self.page(page.tasks, Arc::default(), None, Watching::Baseline);
            self.store.record_page(page).await?;
            crate::crash::point("baseline_page");
            self.beat.step();
        }
        self.begin(from, watermark).await?;
        Ok(from)
    }

    async fn begin(&self, from: Stamp, watermark: Stamp) -> Result<(), MonitorError> {
        let page = self.page(Vec::new(), Arc::default(), None, Watching::Begin { from, watermark });
        self.store.record_page(page).await?;
        Ok(())
    }

    fn page(&self, tasks: Vec<Task>, rules: Arc<Vec<Rule>>, newest: Option<Stamp>, watching: Watching) -> PageToRecord {
        let (now, server_now) = (self.clock.now(), self.clearml.server_time());
        let (redactor, pages) = (self.config.redactor.clone(), self.web_pages());
        PageToRecord { tasks, rules, redactor, pages, newest, watching, now, server_now }
    }

    /// A stamp that lies ahead of the server's own clock must not become the watermark, and is none any more where that
    /// clock was set back: everything until then would be passed over.
    fn not_in_the_future(&self, stamp: Stamp) -> Stamp {
        self.clearml.server_time().map_or(stamp, |now| stamp.min(now))
    }

    fn web_pages(&self) -> Option<WebPages> {
        let version = self.clearml.session().and_then(|session| session.server_version);
        self.config.web.as_deref().map(|web| WebPages::new(web, version.as_deref()))
    }

    async fn rules_for(&mut self, tasks: &[Task]) -> Result<Arc<Vec<Rule>>, MonitorError> {
        if let Some(projects) = &mut self.projects
            && projects.refresh(&self.clearml, tasks).await?
        {
            self.adopt_projects();
        }
        Ok(Arc::clone(&self.rules))
    }

    /// Notes the good poll, at most twice a minute: an idle poll shall cost no write.
    async fn note_poll(&self, last: Option<Stamp>) -> Result<(), MonitorError> {
        let now = self.clock.now();
        let is_due = last.is_none_or(|last| now.since(last) >= Duration::from_secs(30) || now < last);
        if is_due {
            self.store.note_poll(now).await?;
        }
        Ok(())
    }
}
