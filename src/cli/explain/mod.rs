//! `explain`: everything known of one task, and what a poll would make of it now. Posts nothing, changes nothing.

mod foresight;
mod render;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::arguments::{ExplainArguments, ReportFormat};
use super::exit::{self, Exit};
use super::start::Context;
use super::{UsageError, assemble, output};
use crate::clearml::{self, Wanted};
use crate::domain::link::task_id_in;
use crate::domain::{Rule, Silences, Stamp, Task};
use crate::monitor::prospect;
use crate::settings::{self, ConfigFile, NoChannel};
use crate::store::{MonitorRecord, Store, TaskStory};
use foresight::Foresight;

/// So many tasks are named where the beginning of an ID means several.
const NAMED_AT_MOST: usize = 10;
/// The channel of the rule where none was given: nothing is posted.
const NO_CHANNEL: &str = "(no channel)";

/// Everything that can be told.
#[derive(Debug, Serialize)]
struct Explanation {
    /// ClearML's ID.
    task_id: String,
    /// What the database knows.
    recorded: Option<TaskStory>,
    /// What ClearML says now.
    clearml: OnServer,
    /// What a poll would make of it now.
    if_polled_now: Option<Foresight>,
    /// How far the watch has come.
    watch: Watch,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum OnServer {
    /// As it is now.
    Task(Box<Task>),
    /// The server knows no such task; its words.
    Gone(String),
    /// It could not be asked, and why.
    NotAsked(String),
}

#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are those of the JSON")]
struct Watch {
    server: Option<String>,
    watch_from: Option<Stamp>,
    watermark: Option<Stamp>,
    last_poll_at: Option<Stamp>,
    /// The rule or the rules that were asked, in words.
    rule: Option<String>,
}

/// Runs the command.
pub(super) async fn run(arguments: ExplainArguments, context: &Context) -> anyhow::Result<Exit> {
    let path = settings::find_database(&arguments.flags.database, context.environment())?.path;
    let store = assemble::read_database(&path)?;
    let task_id = find(&store, task_id_in(&arguments.task)).await?;
    let mut recorded = store.task_story(&task_id).await?;
    let record = store.monitor().await?;
    let asked = ask_clearml(&arguments, context, &record, &task_id).await;
    let server_now = asked.as_ref().ok().and_then(|asked| asked.server_now);
    let (clearml, rules, exit) = match asked {
        Ok(Asked { task: Some(task), rules, .. }) => (OnServer::Task(Box::new(task)), Some(rules), Exit::Done),
        Ok(Asked { task: None, .. }) | Err(_) if recorded.is_none() => return Err(unknown(asked, &arguments.task)),
        Ok(Asked { task: None, .. }) => {
            (OnServer::Gone("it knows no such task (any more)".to_owned()), None, Exit::Done)
        }
        Err(error) => match server_words(&error) {
            Some(words) => (OnServer::Gone(words), None, Exit::Done),
            None => (OnServer::NotAsked(format!("{error:#}")), None, exit::of(&error)),
        },
    };
    if let Some(story) = &mut recorded {
        add_permalinks(story, &arguments, context).await;
    }
    let if_polled_now = match (&clearml, &rules) {
        (OnServer::Task(task), Some(rules)) => {
            let known = store.known_task(&task_id).await?;
            let silences = store.silences_in_force().await?;
            let silences = Silences::new(silences, context.clock.now(), server_now);
            let prospect = prospect(&record, known.as_ref(), task, rules, &silences);
            Some(foresight::tell(&prospect, task, recorded.as_ref(), &record, rules, &silences, server_now))
        }
        _ => None,
    };
    let watch = watch(record, rules.as_deref());
    print(&Explanation { task_id, recorded, clearml, if_polled_now, watch }, arguments.format)?;
    Ok(exit)
}

/// The ID that is meant: of a recorded task, or as it stands.
async fn find(store: &Store, given: &str) -> anyhow::Result<String> {
    if given.is_empty() {
        return Err(UsageError("name a task: its ID, or the address of its page".to_owned()).into());
    }
    let found = store.tasks_beginning_with(given, NAMED_AT_MOST + 1).await?;
    match found.as_slice() {
        [] => Ok(given.to_owned()),
        [(id, _)] => Ok(id.clone()),
        [(id, _), ..] if id == given => Ok(id.clone()),
        several => {
            let more = if several.len() > NAMED_AT_MOST { "\n  …" } else { "" };
            let mut named = String::new();
            for (id, name) in several.iter().take(NAMED_AT_MOST) {
                named.push_str(&format!("\n  {id}  {}", crate::domain::text::single_line(name)));
            }
            let told =
                format!("`{given}` is the beginning of several recorded tasks, give more of the ID:{named}{more}");
            Err(UsageError(told).into())
        }
    }
}

/// What asking ClearML brought.
struct Asked {
    task: Option<Task>,
    rules: Vec<Rule>,
    /// The time by the server's clock.
    server_now: Option<Stamp>,
}

/// What ClearML says of the task now, and the rule as a poll would ask it.
async fn ask_clearml(
    arguments: &ExplainArguments,
    context: &Context,
    record: &MonitorRecord,
    task_id: &str,
) -> anyhow::Result<Asked> {
    let flags = &arguments.flags;
    let file = ConfigFile::load(&flags.database, context.environment())?;
    let rules = settings::resolve_rules(flags, &file, NoChannel::Call(NO_CHANNEL))?;
    let clearml_settings = settings::resolve_clearml(context.environment(), &file)?;
    let server = assemble::server_name(&clearml_settings);
    if let Some(recorded) = record.server.as_ref().filter(|recorded| **recorded != server) {
        let told = format!("the database belongs to {recorded}, and this environment names {server}");
        return Err(UsageError(told).into());
    }
    let client = assemble::clearml_client(&clearml_settings, context)?;
    let task = client.task(task_id, Wanted { hidden: true, metrics: true }).await?;
    if task.is_none() {
        client.require_task(task_id).await?;
    }
    let mut rules = assemble::resolved_rules(&rules, &client).await?;
    for rule in &mut rules {
        rule.own_task.clone_from(&record.service_task);
    }
    Ok(Asked { task, rules, server_now: client.server_time() })
}

/// What the server said, where it said that there is no such task.
fn server_words(error: &anyhow::Error) -> Option<String> {
    match error.downcast_ref()? {
        clearml::ClearmlError::Refused { status: 400, message, .. } => Some(message.clone()),
        _ => None,
    }
}

/// Neither the database nor the server knows the task, or the server could not be asked.
fn unknown(asked: anyhow::Result<Asked>, given: &str) -> anyhow::Error {
    match asked {
        Err(error) if server_words(&error).is_none() => {
            error.context("nothing is recorded of this task, and ClearML could not be asked")
        }
        Err(error) => error.context(format!(
            "nothing is recorded of `{given}` (the beginning of an ID is enough only for recorded tasks), and the server says"
        )),
        Ok(_) => UsageError(format!("neither this database nor ClearML knows a task `{given}`")).into(),
    }
}

/// Asks Slack where the messages are. Without a token, or where Slack does not say, they stay without an address.
async fn add_permalinks(story: &mut TaskStory, arguments: &ExplainArguments, context: &Context) {
    let environment = context.environment();
    let Ok(file) = ConfigFile::load(&arguments.flags.database, environment) else { return };
    let Ok(access) = settings::resolve_slack_access(&arguments.flags.slack, environment, &file) else { return };
    let Ok(slack) = assemble::slack_client_of(access) else { return };
    for message in story.verdicts.iter_mut().filter_map(|verdict| verdict.message.as_mut()) {
        let Some(ts) = &message.message_ts else { continue };
        match slack.permalink(&message.channel_id, ts).await {
            Ok(permalink) => message.permalink = Some(permalink),
            Err(error) => {
                tracing::debug!(%error, "Slack does not say where the message is");
                return;
            }
        }
    }
}

fn watch(record: MonitorRecord, rules: Option<&[Rule]>) -> Watch {
    let MonitorRecord { server, watch_from, watermark, last_poll_at, .. } = record;
    Watch { server, watch_from, watermark, last_poll_at, rule: rules.map(assemble::all_in_words) }
}

fn print(explanation: &Explanation, format: ReportFormat) -> anyhow::Result<()> {
    match format {
        ReportFormat::Text => output::report(&render::text(explanation))?,
        ReportFormat::Json => output::text(&(serde_json::to_string_pretty(explanation)? + "\n"))?,
    };
    Ok(())
}
