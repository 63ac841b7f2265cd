//! `run`: the service. Here, or as the ClearML task that it was enqueued as; without `--local` it is put in a queue.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::arguments::RunArguments;
use super::exit::Exit;
use super::logging::Level;
use super::reload::{Origin, Reload};
use super::start::{self, Context, Monitor, WhenAway};
use super::watched::Watched;
use super::{assemble, enqueue, own_task, signals, supervisor};
use crate::agent::{Ending, Host, Life};
use crate::domain::Stamp;
use crate::monitor::{self, ServiceConfig};
use crate::settings::{self, Announce, ConfigFile, Settings};

/// At most one start message in so long, however often the service is started.
const ANNOUNCE_EVERY: std::time::Duration = std::time::Duration::from_mins(10);

/// Runs the command.
pub(super) async fn run(arguments: RunArguments, context: &Context) -> anyhow::Result<Exit> {
    if arguments.enqueue.service_script.unwrap_or_default() {
        return enqueue::print_script(&arguments, context);
    }
    if let Some(task) = own_task::id(context.environment())? {
        return Box::pin(as_task(&arguments, &task, context)).await;
    }
    let file = ConfigFile::load(&arguments.flags.database, context.environment())?;
    if !settings::resolve_service(&arguments.flags.service, &file)?.local {
        return enqueue::run(&arguments, context).await;
    }
    let settings = Settings::resolve(&arguments.flags, context.environment())?;
    let web = settings::resolve_web(&arguments.web, context.environment(), &settings.file)?;
    let stop = signals::stop_on_request();
    let watched = Watched::begin(web, &settings, context, &stop).await?;
    let Some(monitor) = ready(&settings, context, &stop).await? else { return Ok(Exit::Done) };
    let is_hidden = arguments.register.no_clearml_task.unwrap_or(!settings.service.clearml_task);
    let life = if is_hidden {
        None
    } else {
        own_task::show(&monitor, &arguments.flags, &settings.file, context, &stop).await?
    };
    if life.is_none() {
        context.log.console.close();
    }
    let origin = Origin { flags: &arguments.flags, task: None };
    Box::pin(serve(monitor, watched, &settings, origin, context, stop, life)).await
}

/// The service as the task that an agent runs: the task's parameters win over the command line. From here on the task tells
/// how it went, whatever goes wrong.
async fn as_task(arguments: &RunArguments, task: &str, context: &Context) -> anyhow::Result<Exit> {
    // Which file the task's parameters name is known only once ClearML has told them.
    let file = ConfigFile::load(&arguments.flags.database, context.environment())?;
    let clearml = assemble::clearml_client(&settings::resolve_clearml(context.environment(), &file)?, context)?;
    let task = own_task::find(&clearml, task).await?;
    let stop = signals::stop_on_request();
    let host = own_task::host(context.environment());
    let life = Life::begin(clearml, &task, own_task::life_config(host, context), stop.clone()).await?;
    let begun = async {
        let settings = own_task::settings(&arguments.flags, &task, context.environment())?;
        context.log.set_level(Level::of_service(settings.service.verbose));
        let web = settings::resolve_web(&arguments.web, context.environment(), &settings.file)?;
        let watched = Watched::begin(web, &settings, context, &stop).await?;
        if host == Host::Agent {
            warn_where_memory_is_short(&settings.database.path, context);
        }
        let monitor = ready(&settings, context, &stop).await?;
        anyhow::Ok(monitor.map(|monitor| (monitor, watched, settings)))
    };
    match begun.await {
        Ok(Some((monitor, watched, settings))) => {
            let origin = Origin { flags: &arguments.flags, task: Some(&task) };
            Box::pin(serve(monitor, watched, &settings, origin, context, stop, Some(life))).await
        }
        Ok(None) => {
            life.end(Ending::Stopped).await;
            Ok(Exit::Done)
        }
        Err(error) => {
            life.end(Ending::Failed(format!("{error:#}"))).await;
            Err(error)
        }
    }
}

/// Makes the monitor ready; `None` where it was asked to stop before it was.
async fn ready(settings: &Settings, context: &Context, stop: &CancellationToken) -> anyhow::Result<Option<Monitor>> {
    let starting = start::monitor(settings, context, WhenAway::Wait);
    tokio::select! {
        monitor = starting => monitor.map(Some),
        () = stop.cancelled() => Ok(None),
    }
}

/// Serves until it is asked to stop, and says how it ended where it has a task.
async fn serve(
    mut monitor: Monitor,
    watched: Watched,
    settings: &Settings,
    origin: Origin<'_>,
    context: &Context,
    stop: CancellationToken,
    life: Option<Life>,
) -> anyhow::Result<Exit> {
    if let Some(life) = &life {
        monitor.poller.ignore_own_task(life.task());
    }
    let served = watch(monitor, watched, settings, origin, context, stop).await;
    if let Some(life) = life {
        let ending = served.as_ref().map_or_else(|error| Ending::Failed(format!("{error:#}")), |_| Ending::Stopped);
        life.end(ending).await;
    }
    served
}

async fn watch(
    mut monitor: Monitor,
    watched: Watched,
    settings: &Settings,
    origin: Origin<'_>,
    context: &Context,
    stop: CancellationToken,
) -> anyhow::Result<Exit> {
    let reload = Reload::new(origin, settings, &monitor, watched.status.clone(), context)?;
    let record = monitor.store.monitor().await?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        server = monitor.server,
        watches = assemble::all_in_words(&monitor.rules),
        channel = assemble::destinations(&monitor.rules),
        database = %monitor.store.path().display(),
        refresh_seconds = settings.service.refresh.as_secs_f64(),
        resumes_at = record.watermark.map(|watermark| watermark.to_string()),
        "started"
    );
    let start = assemble::start_request(&monitor.rules, settings.service.refresh, record.watermark);
    if settings.service.announce != Announce::None
        && is_announcement_due(record.announced_at, context.clock.now())
        && let Some(start) = start
    {
        monitor.deliverer.announce(start);
    }
    supervisor::ready("watching; the first poll is under way").await;
    let config = ServiceConfig {
        refresh: settings.service.refresh,
        channels: start::slack_channels(&monitor.rules),
        status: watched.status.clone(),
        retention: monitor.retention.take(),
    };
    let told = watched.started(&monitor, context)?;
    let store = monitor.store.clone();
    let ended = tokio::select! {
        ended = monitor::run(monitor.poller, monitor.deliverer, config, monitor.news, stop) => ended,
        never = reload.run() => match never {},
    };
    told.await?;
    ended?;
    let queue = store.queue_counts().await?;
    let (waiting, by_rule) = (queue.undelivered(), queue.by_rule);
    tracing::info!(waiting, by_rule, "stopped; what waits is in the database and goes out after the next start");
    Ok(Exit::Done)
}

fn is_announcement_due(last: Option<Stamp>, now: Stamp) -> bool {
    last.is_none_or(|last| now.since(last) >= ANNOUNCE_EVERY || last > now)
}

/// A database that goes with its container takes with it what was alerted, and from where on to read.
fn warn_where_memory_is_short(database: &Path, context: &Context) {
    let mounts = context.environment().read_file(Path::new("/proc/self/mountinfo")).unwrap_or_default();
    if let crate::agent::Lasting::No(kind) = crate::agent::lasting(database, &mounts) {
        tracing::warn!(
            database = %database.display(),
            kind,
            "this disk goes with the container, and the database with it: after that the history is gone, and what ended \
             between two runs is not alerted; mount a volume and set the parameter db, or CLEARML_ALERTS_DB, to a folder on \
             it (with / at its end)"
        );
    }
}
