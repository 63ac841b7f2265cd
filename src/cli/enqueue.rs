//! `run` without `--local`: puts the monitor in a queue of ClearML's, and tells where it is and what to do next.

use std::path::Path;

use anyhow::Context as _;

use super::arguments::RunArguments;
use super::exit::Exit;
use super::start::Context;
use super::{UsageError, assemble, output, own_task};
use crate::agent::{self, AgentError, Enqueued, Plan, Program};
use crate::clearml;
use crate::domain::WebPages;
use crate::monitor::Projects;
use crate::settings::{
    self, AllFlags, ClearmlSettings, ConfigFile, EnqueueSettings, NoChannel, NotGiven, ProgramSource,
};

/// Prints the script that an agent would run.
pub(super) fn print_script(arguments: &RunArguments, context: &Context) -> anyhow::Result<Exit> {
    let file = ConfigFile::load(&arguments.flags.database, context.environment())?;
    let enqueue = enqueue_settings(arguments)?;
    let (program, _) = match enqueue.program {
        // Only an upload needs to know ClearML at all.
        ProgramSource::Upload => program(enqueue.program, &settings::resolve_clearml(context.environment(), &file)?)?,
        ProgramSource::Download { address, sha256 } => (Program::Download { address, sha256 }, None),
        ProgramSource::Installed => (Program::Installed, None),
    };
    output::text(&agent::service_script(&program))?;
    Ok(Exit::Done)
}

/// Enqueues the monitor.
pub(super) async fn run(arguments: &RunArguments, context: &Context) -> anyhow::Result<Exit> {
    let flags = &arguments.flags;
    let file = ConfigFile::load(&flags.database, context.environment())?;
    let there = file_for_the_agent(&file, flags)?;
    let service = settings::resolve_service(&flags.service, &file)?;
    let rules = settings::resolve_rules(flags, &file, NoChannel::Refuse)?;
    let enqueue = enqueue_settings(arguments)?;
    settings::check_slack_flags(&flags.slack, &file)?;
    let clearml_settings = settings::resolve_clearml(context.environment(), &file)?;
    let (program, executable) = program(enqueue.program.clone(), &clearml_settings)?;
    let clearml = assemble::clearml_client(&clearml_settings, context)?;
    clearml.login().await?;
    // What would fail on the agent's machine, a person should hear here.
    let rules = assemble::ready_rules(&rules, &clearml).await?;
    Projects::of(&rules).require_match(&rules, &clearml).await?;
    let queue = agent::find_queue(&clearml, &service.queue, enqueue.create_queue).await?;
    let not_given = if there.is_some() { NotGiven::Empty } else { NotGiven::Shown(&file) };
    let plan = Plan {
        task: enqueue.task.clone(),
        arguments: own_task::arguments(flags, not_given, enqueue.store_token),
        image: enqueue.image.clone(),
        program,
        queue,
    };
    let enqueued = agent::enqueue(&clearml, plan, executable.as_deref()).await?;
    let page = page(&enqueued, &clearml_settings, &clearml);
    let mut text = told(&enqueued, &page, &service.queue, &enqueue, flags.slack.slack_api.is_some());
    if let Some(path) = there {
        text.push_str(&format!("- The agent's machine needs the config file, too, at {}.\n", path.display()));
    }
    output::text(&text)?;
    Ok(Exit::Done)
}

/// The config file that the agent's machine must have. Its rules and secrets are not put into the task, where everybody
/// who sees the task could read them; a file that only this machine has would be another monitor there.
fn file_for_the_agent<'a>(file: &ConfigFile, flags: &'a AllFlags) -> Result<Option<&'a Path>, UsageError> {
    let named = flags.database.config.as_deref();
    match (named, file.path()) {
        (Some(path), _) if !path.is_absolute() => Err(UsageError(format!(
            "--config {}: a monitor that is enqueued reads its config file on the agent's machine, so give the whole path \
             at which that machine has it (or run here with --local)",
            path.display()
        ))),
        (Some(path), _) => Ok(Some(path)),
        (None, Some(path)) if !file.rules().is_empty() => Err(UsageError(format!(
            "the rules of {} would not be known to the agent: put the file on the agent's machine and name it with --config \
             and its whole path there (or run here with --local)",
            path.display()
        ))),
        _ => Ok(None),
    }
}

fn enqueue_settings(arguments: &RunArguments) -> Result<EnqueueSettings, settings::SettingsError> {
    settings::resolve_enqueue(&arguments.enqueue, arguments.flags.slack.slack_api.is_some())
}

/// Where the program comes from, and for an upload, what is to be sent.
fn program(source: ProgramSource, clearml: &ClearmlSettings) -> anyhow::Result<(Program, Option<Vec<u8>>)> {
    Ok(match source {
        ProgramSource::Installed => (Program::Installed, None),
        ProgramSource::Download { address, sha256 } => (Program::Download { address, sha256 }, None),
        ProgramSource::Upload => {
            let files = clearml.files.as_ref().ok_or(AgentError::NoFileServer)?;
            let executable = std::env::current_exe()
                .and_then(std::fs::read)
                .map_err(|error| AgentError::Executable { error })
                .context("--upload-binary")?;
            (Program::to_upload(&executable, files), Some(executable))
        }
    })
}

fn page(enqueued: &Enqueued, settings: &ClearmlSettings, clearml: &clearml::Client) -> String {
    let version = clearml.session().and_then(|session| session.server_version);
    let web = settings.web.as_ref().map(|web| WebPages::new(web.as_str(), version.as_deref()));
    web.map_or_else(
        || "(the address of ClearML's web pages is not known: set CLEARML_WEB_HOST)".to_owned(),
        |web| web.task(enqueued.project.as_ref(), &enqueued.task),
    )
}

fn told(enqueued: &Enqueued, page: &str, queue: &str, settings: &EnqueueSettings, has_token: bool) -> String {
    let mut text = format!("Enqueued in `{queue}` as task {}:\n  {page}\n\nNext:\n", enqueued.task);
    let mut step = |step: &str| text.push_str(&format!("- {step}\n"));
    if enqueued.is_watched == Some(false) {
        step(&format!(
            "No agent watches this queue now. Start one:\n    clearml-agent daemon --services-mode --queue {queue}"
        ));
    }
    if settings.store_token {
        step(
            "The Slack token is kept in the task: everybody who can see the task can read it. Safer: give the agent\n  \
             SLACK_API_TOKEN, and enqueue without --store-token.",
        );
    } else {
        let given = if has_token { " (the token of --slack-api was not put in the task)" } else { "" };
        step(&format!(
            "The agent that runs it needs SLACK_API_TOKEN in its environment, or in the vault of its user{given}."
        ));
    }
    if settings.program == ProgramSource::Installed && settings.image.is_none() {
        step(
            "The agent's machine needs clearml-alerts on its PATH; else enqueue with --docker-image, --binary-url or\n  \
             --upload-binary.",
        );
    }
    step(
        "To change it: abort it, reset it, edit CONFIGURATION > HYPERPARAMETERS > Args, enqueue it again. A clone is\n  another monitor.",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(store_token: bool, program: ProgramSource) -> EnqueueSettings {
        EnqueueSettings { task: None, create_queue: false, image: None, program, store_token }
    }

    #[test]
    fn the_next_steps_are_those_that_are_left() {
        let enqueued = Enqueued { task: "t1".to_owned(), project: None, is_watched: Some(false) };
        let text =
            told(&enqueued, "https://app.example.com/t1", "services", &settings(false, ProgramSource::Installed), true);
        for part in
            ["as task t1", "https://app.example.com/t1", "No agent watches", "SLACK_API_TOKEN", "was not put", "PATH"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        let enqueued = Enqueued { is_watched: Some(true), ..enqueued };
        let text = told(&enqueued, "x", "services", &settings(true, ProgramSource::Upload), true);
        assert!(
            text.contains("everybody who can see the task") && !text.contains("No agent") && !text.contains("PATH")
        );
    }
}
