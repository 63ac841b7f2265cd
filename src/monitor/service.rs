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
use crate::domain::Stamp;
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
/// A failure that goes on is spoken of again after so many times.
const REMIND_EVERY: u32 = 60;

/// So many different failures are spoken of; a server that says something else each time is only counted.
const MOST_SPOKEN: usize = 10;

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
    loop {
        deliverer.status.pulse().delivering.step();
        let pass = deliverer.deliver_due(&stop).await;
        deliverer.status.pulse().delivering.rest();
        deliverer.status.delivery_pass(pass.as_ref().err().map(ToString::to_string));
        let wait = match pass {
            Ok(Next::Now) => Duration::ZERO,
            Ok(Next::At(at)) => at.saturating_duration_since(Instant::now()).min(LOOK_EVERY),
            Ok(Next::Idle) => LOOK_EVERY,
            Err(MonitorError::Store(error)) if !error.is_passing() => return Err(error.into()),
            Err(error) => {
                tracing::error!(%error, "delivery is interrupted; trying again");
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

/// Logs polls: what changed, a failure once and then counted, the end of failures, and now and then that all is well.
#[derive(Debug, Default)]
struct PollLog {
    failures: u32,
    /// What the failures since the last good poll said, each told once.
    spoken: HashSet<String>,
    good_since_alive: u32,
    alive_at: Option<Instant>,
    told_problems: HashSet<RowProblem>,
}

impl PollLog {
    fn good(&mut self, report: &PollReport) {
        if self.failures > 0 {
            tracing::info!(failed_polls = self.failures, "ClearML answers again; everything since is caught up");
        }
        self.failures = 0;
        self.spoken.clear();
        log_report(report, &mut self.told_problems);
        self.good_since_alive += 1;
        let alive_at = *self.alive_at.get_or_insert_with(Instant::now);
        if alive_at.elapsed() >= ALIVE_EVERY {
            tracing::info!(polls = self.good_since_alive, watermark = ?report.watermark, "alive");
            self.good_since_alive = 0;
            self.alive_at = Some(Instant::now());
        }
    }

    fn failed(&mut self, error: &MonitorError) {
        self.failures = self.failures.saturating_add(1);
        let text = error.to_string();
        if self.spoken.len() < MOST_SPOKEN && self.spoken.insert(text.clone()) {
            tracing::error!(error = %text, "the poll failed and moved nothing; trying again");
        } else if self.failures.is_multiple_of(REMIND_EVERY) {
            tracing::error!(error = %text, failed_polls = self.failures, "polls still fail");
        }
    }
}

/// Logs what the only poll of `once` brought.
pub fn log_once(report: &PollReport) {
    log_report(report, &mut HashSet::new());
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
    match &verdict.suppressed {
        None => {
            tracing::info!(alert = id, rule, task, name, %outcome, verdict = "alert", latency_seconds, "alert recorded");
        }
        Some(why) => {
            tracing::debug!(rule, task, name, %outcome, verdict = "suppressed", %why, latency_seconds, "not alerted");
        }
    }
}
