//! The monitor's own task in ClearML, as the commands need it: which one it is, its settings, showing it there.

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::start::{Context, Monitor};
use crate::agent::{self, AgentError, Host, Life, LifeConfig, Registration, TASK_VARIABLES};
use crate::clearml::{Argument, Client, OwnTask};
use crate::settings::{self, AllFlags, ConfigFile, Environment, NotGiven, Settings, SettingsError};

/// Set to 0 by an agent that captures the console.
const REPORTS_CONSOLE: [&str; 2] = ["CLEARML_LOG_TASK_TO_BACKEND", "TRAINS_LOG_TASK_TO_BACKEND"];

/// The task that this process is; `None` where it is none.
pub(super) fn id(environment: &dyn Environment) -> Result<Option<String>, SettingsError> {
    for variable in TASK_VARIABLES {
        if let Some(id) = settings::variable_text(environment, variable)? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Who runs this process.
pub(super) fn host(environment: &dyn Environment) -> Host {
    let is_captured = |name: &&str| {
        settings::variable_text(environment, name)
            .ok()
            .flatten()
            .is_some_and(|text| settings::parse_switch(&text) == Ok(false))
    };
    if REPORTS_CONSOLE.iter().any(is_captured) { Host::Agent } else { Host::Ourselves }
}

/// The task with this ID.
pub(super) async fn find(clearml: &Client, id: &str) -> anyhow::Result<OwnTask> {
    let remedy = "CLEARML_TASK_ID names it; it may have been deleted, or belong to another server";
    let task = clearml.own_task(id).await?;
    Ok(task.ok_or_else(|| AgentError::NoTask { id: id.to_owned(), remedy })?)
}

/// The settings of the monitor that this task is.
pub(super) fn settings(flags: &AllFlags, task: &OwnTask, environment: &dyn Environment) -> anyhow::Result<Settings> {
    Settings::resolve_as_task(flags, &task.id, &task.arguments(), environment)
        .with_context(|| format!("task {} (CONFIGURATION > HYPERPARAMETERS > Args)", task.id))
}

/// What a life needs to be told.
pub(super) fn life_config(host: Host, context: &Context) -> LifeConfig {
    LifeConfig {
        host,
        worker: context.host.clone(),
        every: context.patience.own_task,
        ping_every: context.patience.ping,
        console: context.log.console.clone(),
    }
}

/// The flags as hyperparameters; the Slack token only where `with_token` says so.
pub(super) fn arguments(flags: &AllFlags, not_given: NotGiven<'_>, with_token: bool) -> Vec<Argument> {
    let argument = |parameter: settings::TaskParameter| Argument {
        name: parameter.name.to_owned(),
        value: parameter.value,
        kind: parameter.kind,
        description: parameter.description.to_owned(),
    };
    settings::parameters_of(flags, not_given, with_token).into_iter().map(argument).collect()
}

/// Shows a monitor that runs here as a task in ClearML. `None` where ClearML refuses: the monitor works on without.
pub(super) async fn show(
    monitor: &Monitor,
    flags: &AllFlags,
    file: &ConfigFile,
    context: &Context,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Life>> {
    let known = monitor.store.monitor().await?.service_task;
    let arguments = arguments(flags, NotGiven::Shown(file), false);
    let registration = Registration { task: known, arguments, host: context.host.clone() };
    let shown = async {
        let task = agent::register(&monitor.clearml, registration).await?;
        let config = life_config(Host::Ourselves, context);
        // Noted before it is started: a kill in between must not make another task with each start.
        let noted = monitor.store.note_service_task(&task.id).await;
        let life = Life::begin(monitor.clearml.clone(), &task, config, stop.clone()).await?;
        anyhow::Ok(noted.map(|()| life)?)
    };
    match shown.await {
        Ok(life) => Ok(Some(life)),
        Err(error) if error.is::<AgentError>() => {
            let error = format!("{error:#}");
            tracing::warn!(
                error,
                "this monitor does not show in ClearML; it works on without (--no-clearml-task keeps this quiet)"
            );
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
