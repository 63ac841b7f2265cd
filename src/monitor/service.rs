//! The loop around the steps: it logs, waits and goes on; only a database that cannot be trusted ends it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::deliver::{Deliverer, Next};
use super::error::MonitorError;
use super::poll::{Depth, PollReport, Poller};
use super::retention::Retention;
use super::status::Status;
use crate::clearml::RowProblem;
use crate::domain::{Filter, Repeats, Stamp, Worth};
use crate::store::RecordedAlert;

/// Between two sweeps.
const SWEEP_EVERY: Duration = Duration::from_mins(15);
/// Between two log lines that say that all is well.
const ALIVE_EVERY: Duration = Duration::from_mins(15);
/// Delivery looks at its queue at least so often.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// After a failed database call that may pass (disk full, locked).
const STORE_PATIENCE: Duration = Duration::from_secs(5);
/// How long the message in flight may take at the end.
const LAST_POST: Duration = Duration::from_secs(4);
/// How the service runs.
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    /// Between the starts of two polls.
    pub refresh: Duration,
    /// The channels that alerts may go to, as the user named them: looked at once at the start.
    pub channels: Vec<String>,
    /// Where the service notes what it does.
    pub status: Status,
    /// Removes what is old; none where everything is kept.
    pub retention: Option<Retention>,
}

/// Polls and delivers until `stop` is set. The message in flight is finished; what is pending stays in the database.
pub async fn run(
    mut poller: Poller,
    mut deliverer: Deliverer,
    config: ServiceConfig,
    news: Arc<Notify>,
    stop: CancellationToken,
) -> Result<(), MonitorError> {
    deliverer.status = config.status.clone();
    poller.beat = config.status.pulse().polling.clone();
    let pruning = tokio::spawn(prune_loop(config.retention, config.status.clone(), stop.clone()));
    let polling = tokio::spawn(poll_loop(poller, config.refresh, config.status, stop.clone()));
    let delivering = tokio::spawn(deliver_loop(deliverer, config.channels, news, stop.clone()));
    let abort = [polling.abort_handle(), delivering.abort_handle(), pruning.abort_handle()];
    let all = async {
        let (poll_end, deliver_end, prune_end) = tokio::join!(polling, delivering, pruning);
        joined(poll_end).and(joined(deliver_end)).and(joined(prune_end))
    };
    let end = async {
        stop.cancelled().await;
        tokio::time::sleep(LAST_POST).await;
    };
    tokio::select! {
        ended = all => ended,
        () = end => {
            tracing::warn!("a request was still under way at the end; the next start finds out what became of it");
            abort.iter().for_each(tokio::task::AbortHandle::abort);
            Ok(())
        }
    }
}

fn joined(result: Result<Result<(), MonitorError>, tokio::task::JoinError>) -> Result<(), MonitorError> {
    match result {
        Ok(ended) => ended,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Ok(()),
    }
}

async fn prune_loop(retention: Option<Retention>, status: Status, stop: CancellationToken) -> Result<(), MonitorError> {
    match retention {
        Some(retention) => retention.run(status, stop).await,
        None => Ok(()),
    }
}

async fn poll_loop(
    mut poller: Poller,
    refresh: Duration,
    status: Status,
    stop: CancellationToken,
) -> Result<(), MonitorError> {
    let _ends_the_other = stop.clone().drop_guard();
    let mut ticks = tokio::time::interval(refresh);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut log = PollLog::default();
    let mut swept: Option<Instant> = None;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return Ok(()),
        }
        let depth = if swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) { Depth::Sweep } else { Depth::Usual };
        let began = Instant::now();
        poller.beat.step();
        let report = tokio::select! {
            report = poller.poll_once(depth) => report,
            () = stop.cancelled() => return Ok(()),
        };
        poller.beat.rest();
        poller.note(&status, &report, began.elapsed());
        match report {
            Ok(report) => {
                if depth == Depth::Sweep {
                    swept = Some(Instant::now());
                }
                log.good(&report);
                log.looked(report.stuck_trouble.as_deref());
            }
            Err(MonitorError::Store(error)) if !error.is_passing() => return Err(error.into()),
            Err(error) => log.failed(&error),
        }
    }
}

async fn deliver_loop(
    mut deliverer: Deliverer,
    channels: Vec<String>,
    news: Arc<Notify>,
    stop: CancellationToken,
) -> Result<(), MonitorError> {
    let _ends_the_other = stop.clone().drop_guard();
    for channel in channels {
        deliverer.status.pulse().delivering.step();
        tokio::select! {
            checked = deliverer.check_channel(&channel) => checked.or_else(if_passing)?,
            () = stop.cancelled() => return Ok(()),
        }
    }
    let mut interruptions = Repeats::default();
    loop {
        deliverer.status.pulse().delivering.step();
        let pass = deliverer.deliver_due(&stop).await;
        deliverer.status.pulse().delivering.rest();
        deliverer.status.delivery_pass(pass.as_ref().err().map(ToString::to_string));
        if pass.is_ok()
            && let Some(passes) = interruptions.succeeded()
        {
            tracing::info!(passes, "delivery goes on");
        }
        let wait = match pass {
            Ok(Next::Now) => Duration::ZERO,
            Ok(Next::At(at)) => at.saturating_duration_since(Instant::now()).min(LOOK_EVERY),
            Ok(Next::Idle) => LOOK_EVERY,
            Err(MonitorError::Store(error)) if !error.is_passing() => return Err(error.into()),
            Err(error) => {
                if interruptions.failed(&error.to_string()) != Worth::Nothing {
                    tracing::error!(%error, "delivery is interrupted; trying again");
                }
                STORE_PATIENCE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = news.notified() => {}
            () = deliverer.landed() => {}
            () = stop.cancelled() => {
                deliverer.settle().await?;
                crate::crash::point("shutdown");
                return Ok(());
            }
        }
    }
}

/// A database that is busy or full for the moment is met again, and told of, in the loop.
fn if_passing(error: MonitorError) -> Result<(), MonitorError> {
    if error.is_transient() { Ok(()) } else { Err(error) }
}

/// Logs polls: what changed, failures as far as they are news, the end of failures, and now and then that all is well.
#[derive(Debug, Default)]
struct PollLog {
    failures: Repeats,
    good_since_alive: u32,
    alive_at: Option<Instant>,
    /// Looks for stuck tasks that failed.
    failed_looks: Repeats,
    told_problems: HashSet<RowProblem>,
}

impl PollLog {
    fn good(&mut self, report: &PollReport) {
        if let Some(failed_polls) = self.failures.succeeded() {
            tracing::info!(failed_polls, "ClearML answers again; everything since is caught up");
        }
        log_report(report, &mut self.told_problems);
        self.good_since_alive += 1;
        let alive_at = *self.alive_at.get_or_insert_with(Instant::now);
        if alive_at.elapsed() >= ALIVE_EVERY {
            tracing::info!(polls = self.good_since_alive, watermark = ?report.watermark, "alive");
            self.good_since_alive = 0;
            self.alive_at = Some(Instant::now());
        }
    }

    /// A look for stuck tasks is spoken of like a poll.
    fn looked(&mut self, trouble: Option<&str>) {
        match trouble {
            Some(error) if self.failed_looks.failed(error) != Worth::Nothing => {
                tracing::error!(error, "stuck tasks could not be looked for; outcomes are told as ever");
            }
            Some(_) => {}
            None => {
                if let Some(failed_looks) = self.failed_looks.succeeded() {
                    tracing::info!(failed_looks, "stuck tasks are looked for again");
                }
            }
        }
    }

    fn failed(&mut self, error: &MonitorError) {
        let text = error.to_string();
        match self.failures.failed(&text) {
            Worth::News => tracing::error!(error = %text, "the poll failed and moved nothing; trying again"),
            Worth::Reminder(failed_polls) => tracing::error!(error = %text, failed_polls, "polls still fail"),
            Worth::Nothing => {}
        }
    }
}

/// Logs what the only poll of `once` brought.
pub fn log_once(report: &PollReport) {
    log_report(report, &mut HashSet::new());
    PollLog::default().looked(report.stuck_trouble.as_deref());
}

/// Logs what one poll brought: each alert, and each row that could not be understood, once.
fn log_report(report: &PollReport, told_problems: &mut HashSet<RowProblem>) {
    let watermark = report.watermark.map(|watermark| watermark.to_string());
    match report.since {
        Some(since) => tracing::info!(%since, watermark, "watching begins: outcomes since then are alerted"),
        None if report.began => tracing::info!(watermark, "watching begins: outcomes from now on are alerted"),
        None => {}
    }
    report.verdicts.iter().for_each(|verdict| log_verdict(verdict, report.seen_at));
    if report.changed > 0 {
        let alerts = report.alerts().count();
        let (changed, not_alerted) = (report.changed, report.verdicts.len() - alerts);
        let watermark = report.watermark.map(|watermark| watermark.to_string());
        tracing::info!(changed, alerts, not_alerted, watermark, "polled");
    }
    told_problems.retain(|problem| report.problems.contains(problem));
    for problem in &report.problems {
        if told_problems.insert(problem.clone()) {
            let task = problem.task_id.as_deref().unwrap_or("unknown");
            tracing::warn!(task, problem = %problem.problem, "a task could not be read; the others were");
        }
    }
}

/// One line a verdict; `seen_at` is when the poll saw it, by the server's clock.
fn log_verdict(verdict: &RecordedAlert, seen_at: Option<Stamp>) {
    let RecordedAlert { id, rule, task_id: task, task_name: name, outcome, status_changed, .. } = verdict;
    let latency_seconds = seen_at.map(|seen_at| seen_at.since(*status_changed).as_secs_f64());
    let waits_until = verdict.wait.map(|wait| wait.until.to_string());
    match &verdict.suppressed {
        None => {
            tracing::info!(alert = id, rule, task, name, %outcome, verdict = "alert", latency_seconds, waits_until, "alert recorded");
        }
        Some(why) if why.filter == Filter::Retried => {
            tracing::info!(alert = id, rule, task, name, %outcome, verdict = "suppressed", %why, "a held alert is dropped");
        }
        Some(why) => {
            tracing::debug!(rule, task, name, %outcome, verdict = "suppressed", %why, latency_seconds, "not alerted");
        }
    }
}
