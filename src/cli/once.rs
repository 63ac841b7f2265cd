//! `once`: one poll, deliver what is due, exit. For cron and systemd timers.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::arguments::OnceArguments;
use super::exit::Exit;
use super::start::{self, Context, Monitor, WhenAway};
use super::{dry_run, output, own_task, signals};
use crate::agent::{Ending, Life};
use crate::domain::message::words;
use crate::monitor::{Deliverer, Depth, MonitorError, Next, PollReport};
use crate::settings::Settings;
use crate::store::QueueCounts;

/// How long the message in flight may take once the time is up.
const LAST_POST: Duration = Duration::from_secs(4);

/// Runs the command.
pub(super) async fn run(arguments: OnceArguments, context: &Context) -> anyhow::Result<Exit> {
    if arguments.dry_run {
        return dry_run::run(&arguments.flags, context).await;
    }
    let settings = Settings::resolve(&arguments.flags, context.environment())?;
    let monitor = start::monitor(&settings, context, WhenAway::Fail).await?;
    let stop = signals::stop_on_request();
    let life = if arguments.clearml_task {
        own_task::show(&monitor, &arguments.flags, &settings.file, context, &stop).await?
    } else {
        None
    };
    let ended = poll_and_deliver(monitor, life.as_ref(), arguments.deliver_timeout, &stop).await;
    if let Some(life) = life {
        life.end(match &ended {
            Ok(_) => Ending::Done,
            Err(error) if error.is::<super::Interrupted>() => Ending::Stopped,
            Err(error) => Ending::Failed(format!("{error:#}")),
        })
        .await;
    }
    ended
}

async fn poll_and_deliver(
    mut monitor: Monitor,
    life: Option<&Life>,
    patience: Duration,
    stop: &CancellationToken,
) -> anyhow::Result<Exit> {
    if let Some(life) = life {
        monitor.poller.ignore_own_task(life.task());
    }
    let polled = tokio::select! {
        polled = monitor.poller.poll_once(Depth::Sweep) => polled,
        () = stop.cancelled() => anyhow::bail!(super::Interrupted),
    };
    let polled = match polled {
        Err(error @ MonitorError::Store(_)) => return Err(error.into()),
        polled => polled,
    };
    if let Ok(report) = &polled {
        crate::monitor::log_once(report);
    } else {
        tracing::error!("the poll failed and moved nothing; what is due is delivered nevertheless");
    }
    let before = monitor.store.queue_counts().await?;
    deliver(&mut monitor.deliverer, patience, stop).await?;
    let after = monitor.store.queue_counts().await?;
    output::text(&summary(&polled?, before, after, &monitor))?;
    if let Some(retention) = &monitor.retention {
        match retention.once(stop).await {
            Err(error) if error.is_transient() => tracing::warn!(%error, "old alerts could not be removed this time"),
            ended => ended?,
        }
    }
    Ok(if after.undelivered() > 0 { Exit::Undelivered } else { Exit::Done })
}

/// Delivers until nothing is due, everything left waits for longer than there is time, or the time is up. The message in
/// flight then has a little longer; what becomes of one that hangs is found out by the next run.
async fn deliver(deliverer: &mut Deliverer, patience: Duration, stop: &CancellationToken) -> anyhow::Result<()> {
    let deadline = Instant::now() + patience;
    let time_is_up = stop.child_token();
    let end = async {
        tokio::select! {
            () = tokio::time::sleep_until(deadline) => {}
            () = stop.cancelled() => {}
        }
        time_is_up.cancel();
        tokio::time::sleep(LAST_POST).await;
    };
    tokio::select! {
        ended = deliver_until(deliverer, deadline, &time_is_up) => ended,
        () = end => {
            tracing::warn!("a message was still under way at the end; the next run finds out what became of it");
            Ok(())
        }
    }
}

async fn deliver_until(
    deliverer: &mut Deliverer,
    deadline: Instant,
    time_is_up: &CancellationToken,
) -> anyhow::Result<()> {
    while !time_is_up.is_cancelled() {
        match deliverer.deliver_due(time_is_up).await? {
            Next::Now => {}
            Next::At(at) if at < deadline => {
                tokio::select! {
                    () = tokio::time::sleep_until(at) => {}
                    () = deliverer.landed() => {}
                    () = time_is_up.cancelled() => {}
                }
            }
            Next::At(_) | Next::Idle if deliverer.is_sending() => {
                tokio::select! {
                    () = deliverer.landed() => {}
                    () = time_is_up.cancelled() => {}
                }
            }
            Next::At(_) | Next::Idle => break,
        }
    }
    Ok(deliverer.settle().await?)
}

fn summary(report: &PollReport, before: QueueCounts, after: QueueCounts, monitor: &Monitor) -> String {
    if report.began && report.since.is_none() {
        let since = report.watermark.map_or_else(String::new, |watermark| format!(" ({watermark})"));
        return format!("Watching {} begins{since}; outcomes from now on are alerted.\n", monitor.server);
    }
    let number = |count: u32| words::number(usize::try_from(count).unwrap_or(usize::MAX));
    let open = |counts: QueueCounts| counts.undelivered() + counts.dead + counts.by_rule;
    let alerts = report.alerts().count();
    let mut line = format!(
        "{} changed, {} recorded, {} not alerted; {} sent",
        words::count(report.changed, "task"),
        words::count(alerts, "alert"),
        words::number(report.verdicts.len() - alerts),
        number(open(before).saturating_sub(open(after))),
    );
    if after.by_rule > 0 {
        let see = "clearml-alerts history --state pending";
        line.push_str(&format!(", {} waiting by rule (see `{see}`)", number(after.by_rule)));
    }
    if after.undelivered() > 0 {
        let waiting = number(after.undelivered());
        let see = "clearml-alerts history --state pending,sending,unknown,held";
        line.push_str(&format!(", {waiting} still to be sent (see `{see}`)"));
    }
    if after.dead > 0 {
        line.push_str(&format!(", {} dead (see `clearml-alerts dead list`)", number(after.dead)));
    }
    line.push_str(".\n");
    line
}
