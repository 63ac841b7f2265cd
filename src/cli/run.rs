//! `run`: the service.

use super::arguments::RunArguments;
use super::exit::Exit;
use super::start::{self, Context, WhenAway};
use super::{UsageError, signals};
use crate::domain::Stamp;
use crate::monitor::{self, ServiceConfig};
use crate::settings::{self, Announce, Settings};

/// At most one start message in so long, however often the service is started.
const ANNOUNCE_EVERY: std::time::Duration = std::time::Duration::from_mins(10);

/// Runs the command.
pub(super) async fn run(arguments: RunArguments, context: &Context) -> anyhow::Result<Exit> {
    if !settings::resolve_service(&arguments.flags.service)?.local {
        return Err(UsageError(
            "enqueuing itself in ClearML's services queue comes with a later version: run the service here with \
             `clearml-alerts run --local`"
                .to_owned(),
        )
        .into());
    }
    let settings = Settings::resolve(&arguments.flags, context.environment())?;
    let stop = signals::stop_on_request();
    let starting = start::monitor(&settings, context, WhenAway::Wait);
    let mut monitor = tokio::select! {
        monitor = starting => monitor?,
        () = stop.cancelled() => return Ok(Exit::Done),
    };
    let record = monitor.store.monitor().await?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        server = monitor.server,
        watches = super::assemble::in_words(&monitor.rule),
        channel = monitor.rule.channel,
        database = %monitor.store.path().display(),
        refresh_seconds = settings.service.refresh.as_secs_f64(),
        resumes_at = record.watermark.map(|watermark| watermark.to_string()),
        "started"
    );
    if settings.service.announce != Announce::None && is_announcement_due(record.announced_at, context.clock.now()) {
        monitor.deliverer.announce(super::assemble::start_request(
            &monitor.rule,
            settings.service.refresh,
            record.watermark,
        ));
    }
    let config = ServiceConfig { refresh: settings.service.refresh, channels: vec![monitor.rule.channel.clone()] };
    let store = monitor.store.clone();
    monitor::run(monitor.poller, monitor.deliverer, config, monitor.news, stop).await?;
    let waiting = store.queue_counts().await?.undelivered();
    tracing::info!(waiting, "stopped; what waits is in the database and goes out after the next start");
    Ok(Exit::Done)
}

fn is_announcement_due(last: Option<Stamp>, now: Stamp) -> bool {
    last.is_none_or(|last| now.since(last) >= ANNOUNCE_EVERY || last > now)
}
