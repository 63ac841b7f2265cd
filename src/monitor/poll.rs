//! One poll: ask ClearML for every status change since the watermark, decide, record. A poll that fails moves nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::error::MonitorError;
use super::next_rules::NextRules;
use super::projects::Projects;
use super::pulse::Beat;
use super::status::Status;
use super::stuck::Looks;
use tokio::sync::Notify;

use crate::clearml::{Client, RowProblem, Wanted};
use crate::clock::Clock;
use crate::domain::{Redactor, Rule, Stamp, Task, WebPages};
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
    /// When the first page came, likewise: everything that was stamped before has been read.
    pub whole_at: Option<Stamp>,
    /// Alerts whose wait by their rules was over.
    pub released: usize,
    /// Why running tasks could not be looked at, where a rule asks for it; the outcomes were recorded as ever.
    pub stuck_trouble: Option<String>,
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
    /// The rules to ask, in order, their users resolved.
    pub rules: Vec<Rule>,
    /// What is known of their project patterns.
    pub projects: Projects,
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
    next: NextRules,
    /// Where rules are put that this poller has taken over.
    adopted: NextRules,
    own_task: Option<String>,
    news: Arc<Notify>,
    /// Beats with every page.
    pub(super) beat: Beat,
    pub(super) looks: Looks,
}

impl Poller {
    /// A poller that wakes `news` whenever there is something to deliver.
    pub fn new(store: Store, clearml: Client, clock: Clock, config: PollerConfig, news: Arc<Notify>) -> Self {
        let rules = Arc::new(config.rules.clone());
        let mut poller = Self {
            store,
            clearml,
            clock,
            rules,
            next: NextRules::default(),
            adopted: NextRules::default(),
            own_task: None,
            config,
            news,
            beat: Beat::default(),
            looks: Looks::default(),
        };
        poller.fill_in();
        poller
    }

    /// Keeps quiet about this task: it is the monitor itself.
    pub fn ignore_own_task(&mut self, task: &str) {
        self.own_task = Some(task.to_owned());
        self.fill_in();
    }

    /// Puts rules that replaced others there, once outcomes are put to them.
    pub fn hand_on_to(&mut self, adopted: NextRules) {
        self.adopted = adopted;
    }

    /// Where rules are put that this poller is to ask from its next poll on.
    pub fn next_rules(&self) -> NextRules {
        self.next.clone()
    }

    /// Asks these rules from now on, their users resolved. Each outcome is put to the rules once, when it is recorded, so
    /// that a rule that is new here hears of what is recorded from now on and of nothing else.
    pub fn replace_rules(&mut self, rules: Vec<Rule>) {
        self.config.projects.follow(&rules);
        self.rules = Arc::new(rules);
        self.fill_in();
    }

    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn clearml(&self) -> &Client {
        &self.clearml
    }

    pub(super) fn server_time(&self) -> Option<Stamp> {
        self.clearml.server_time()
    }

    pub(super) fn now(&self) -> Stamp {
        self.clock.now()
    }

    /// There is something to deliver.
    pub(super) fn ring(&self) {
        self.news.notify_one();
    }

    /// Completes the rules by what is known of their projects and of the monitor's own task.
    fn fill_in(&mut self) {
        let rules = Arc::make_mut(&mut self.rules);
        self.config.projects.fill(rules);
        if let Some(own_task) = &self.own_task {
            for rule in rules {
                rule.own_task = Some(own_task.clone());
            }
        }
    }

    /// What the rules look at besides what every rule needs.
    pub(super) fn wanted(&self) -> Wanted {
        super::replay::wanted(&self.rules)
    }

    /// One poll. The first one on a fresh database begins to watch: from the server's newest stamp, alerting nothing, or
    /// from where `--since` says.
    pub async fn poll_once(&mut self, depth: Depth) -> Result<PollReport, MonitorError> {
        if let Some(rules) = self.next.take() {
            tracing::info!(rules = rules.len(), "other rules from now on");
            self.replace_rules(rules.clone());
            self.adopted.replace(rules);
            self.news.notify_one();
        }
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
        if !began && record.hidden_from.is_some() != self.wanted().hidden {
            self.watch_hidden(watermark).await?;
        }
        let from = self.not_in_the_future(watermark).minus(depth.overlap()).max(watch_from);
        let since = began.then_some(watch_from);
        let mut report = PollReport { began, since, ..self.read_outcomes(from).await? };
        report.watermark = self.store.monitor().await?.watermark;
        report.seen_at = self.clearml.server_time();
        report.released = self.release_waiting(report.whole_at).await?;
        self.note_poll(record.last_poll_at).await?;
        self.close_silences().await?;
        Box::pin(self.look_for_stuck(&mut report)).await?;
        Ok(report)
    }

    /// Ends what rules' waits are over at a moment up to which everything was polled, so that a task that was started again
    /// within a hold has been seen. A server that does not tell its time is taken to be as late as this machine.
    async fn release_waiting(&self, whole_at: Option<Stamp>) -> Result<usize, MonitorError> {
        let now = self.clock.now();
        let released = self.store.release_waiting(whole_at.unwrap_or(now), now).await?;
        if released > 0 {
            crate::crash::point("released");
            tracing::info!(alerts = released, "alerts that waited by their rules can be told now");
            self.news.notify_one();
        }
        Ok(released)
    }

    /// Takes up or gives up hidden tasks, as the rules have it now. Those that ended before are past: a new rule never
    /// alerts about them. Past is what the server has stamped by now, as it says itself.
    async fn watch_hidden(&self, watermark: Stamp) -> Result<(), MonitorError> {
        if !self.wanted().hidden {
            return Ok(self.store.watch_hidden(None).await?);
        }
        let newest = self.clearml.newest_change(self.wanted()).await?.map_or(watermark, |newest| watermark.max(newest));
        // A stamp from a clock that was wrong once must not keep them unseen for long.
        let latest = self.clearml.server_time().map_or(newest, |now| newest.min(now.plus(Duration::from_secs(1))));
        Ok(self.store.watch_hidden(Some(latest.plus(Duration::from_millis(1)))).await?)
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

    /// Everything since `from`, page by page. The next one is asked for while one is recorded, so that neither waits for
    /// the other; where that fails, what came before is recorded all the same.
    async fn read_outcomes(&mut self, from: Stamp) -> Result<PollReport, MonitorError> {
        let mut report = PollReport::default();
        let mut progress = Progress { pages: 0, tasks: 0, alerts: 0, at: None };
        let mut changes = self.clearml.changes_since(from, self.wanted());
        let mut next = changes.next_page().await?;
        while let Some(mut page) = next {
            progress.pages += 1;
            report.whole_at = report.whole_at.or_else(|| self.clearml.server_time());
            progress.tasks += page.tasks.len();
            progress.at = page.newest.or(progress.at);
            report.problems.extend(page.problems);
            let rules = self.rules_for(&page.tasks).await?;
            forget_other_metrics(&mut page.tasks, &rules);
            let newest = page.newest.map(|newest| self.not_in_the_future(newest));
            let page_to_record = self.page(page.tasks, rules, newest, Watching::Outcomes);
            crate::crash::point("page_received");
            let (recorded, following) = tokio::join!(self.record(page_to_record), changes.next_page());
            let (recorded, alerts) = recorded?;
            progress.alerts += alerts;
            report.add(recorded);
            self.beat.step();
            if page.more {
                (self.config.on_progress)(progress);
            }
            next = following?;
        }
        Ok(report)
    }

    /// Records a page, and wakes the deliverer where there is something to tell. Returns how many alerts that is, too.
    async fn record(&self, page: PageToRecord) -> Result<(Recorded, usize), MonitorError> {
        let recorded = self.store.record_page(page).await?;
        crate::crash::point("after_commit");
        let alerts = recorded.alerts.iter().filter(|alert| alert.suppressed.is_none()).count();
        if alerts > 0 {
            self.news.notify_one();
        }
        Ok((recorded, alerts))
    }

    /// Sets the first watermark. Without `--since` the last two hours are remembered as they are, so that whatever the
    /// server writes late into them is news, and nothing that is there already is alerted.
    async fn begin_watching(&mut self) -> Result<Stamp, MonitorError> {
        let newest = self.clearml.newest_change(self.wanted()).await?;
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
        let mut changes = self.clearml.changes_since(from, self.wanted());
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
        if self.wanted().hidden {
            self.store.watch_hidden(Some(from)).await?;
        }
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

    pub(super) fn web_pages(&self) -> Option<WebPages> {
        let version = self.clearml.session().and_then(|session| session.server_version);
        self.config.web.as_deref().map(|web| WebPages::new(web, version.as_deref()))
    }

    /// The rules, with what the server says of their projects now.
    pub(super) async fn rules_for(&mut self, tasks: &[Task]) -> Result<Arc<Vec<Rule>>, MonitorError> {
        if self.config.projects.refresh(&self.clearml, tasks).await? {
            self.fill_in();
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

/// Keeps only the metrics that a rule looks at: an alert remembers its task, and a task may have thousands.
pub(super) fn forget_other_metrics(tasks: &mut [Task], rules: &[Rule]) {
    let conditions: Vec<_> = rules.iter().filter_map(|rule| rule.conditions.metric.as_ref()).collect();
    for task in tasks {
        task.metrics.retain(|metric| conditions.iter().any(|condition| condition.is_about(metric)));
    }
}
