//! `once`: one poll, deliver what is due, exit. For cron and systemd timers.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::arguments::OnceArguments;
use super::exit::Exit;
use super::start::{self, Context, Monitor, WhileAway};
use super::{dry_run, output, signals};
use crate::monitor::{Deliverer, Depth, Next, PollReport};
use crate::settings::Settings;
use crate::store::QueueCounts;

/// Runs the command.
pub(super) async fn run(arguments: OnceArguments, context: &Context) -> anyhow::Result<Exit> {
    if arguments.dry_run {
        return dry_run::run(&arguments.flags, context).await;
    }
    let settings = Settings::resolve(&arguments.flags, context.environment())?;
    let mut monitor = start::monitor(&settings, context, WhileAway::GiveUp).await?;
    let stop = signals::stop_on_request();
    let report = tokio::select! {
        report = monitor.poller.poll_once(Depth::Sweep) => report,
        () = stop.cancelled() => anyhow::bail!(super::Interrupted),
    };
    report.iter().for_each(crate::monitor::log_once);
    let before = monitor.store.queue_counts().await?;
    // What waits goes out also where ClearML could not be asked.
    deliver(&mut monitor.deliverer, arguments.deliver_timeout, &stop).await?;
    let report = report?;
    let after = monitor.store.queue_counts().await?;
    output::text(&summary(&report, before, after, &monitor))?;
    Ok(if after.undelivered() > 0 { Exit::Undelivered } else { Exit::Done })
}

/// Delivers until nothing is due, or everything left waits for longer than there is time.
async fn deliver(deliverer: &mut Deliverer, patience: Duration, stop: &CancellationToken) -> anyhow::Result<()> {
    let deadline = Instant::now() + patience;
    let out_of_time = stop.child_token();
    let timer = out_of_time.clone();
    let clock = tokio::spawn(async move {
        tokio::time::sleep_until(deadline).await;
        timer.cancel();
    });
    while !out_of_time.is_cancelled() {
        match deliverer.deliver_due(&out_of_time).await? {
            Next::Now => {}
            Next::At(at) if at < deadline => {
                tokio::select! {
                    () = tokio::time::sleep_until(at) => {}
                    () = out_of_time.cancelled() => {}
                }
            }
            Next::At(_) | Next::Idle => break,
        }
    }
    clock.abort();
    Ok(())
}

fn summary(report: &PollReport, before: QueueCounts, after: QueueCounts, monitor: &Monitor) -> String {
    if report.began && report.verdicts.is_empty() {
        let since = report.watermark.map_or_else(String::new, |watermark| format!(" ({watermark})"));
        return format!("Watching {} begins{since}; outcomes from now on are alerted.\n", monitor.server);
    }
    let sent = before.undelivered().saturating_sub(after.undelivered());
    let mut line = format!(
        "{} tasks changed, {} alerts recorded, {} not alerted; {sent} sent",
        report.changed,
        report.alerts().count(),
        report.verdicts.len() - report.alerts().count(),
    );
    if after.undelivered() > 0 {
        line.push_str(&format!(
            ", {} still to be sent (see `clearml-alerts history --state pending,unknown,held`)",
            after.undelivered()
        ));
    }
    if after.dead > 0 {
        line.push_str(&format!(", {} dead (see `clearml-alerts dead list`)", after.dead));
    }
    line.push_str(".\n");
    line
}
