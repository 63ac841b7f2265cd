//! `once --dry-run`: polls and decides on a throw-away copy of the database; writes and posts nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::exit::Exit;
use super::start::Context;
use super::{assemble, output};
use crate::domain::Redactor;
use crate::domain::message::words;
use crate::domain::text::single_line;
use crate::monitor::{Depth, PollReport, Poller, PollerConfig, Projects};
use crate::settings::{self, AllFlags, ConfigFile, NoChannel};
use crate::store::{Overwrite, RecordedAlert, Store};

/// The channel of rules that say none: nothing is posted.
const NO_CHANNEL: &str = "(no channel)";

/// Runs the command.
pub(super) async fn run(flags: &AllFlags, context: &Context) -> anyhow::Result<Exit> {
    let environment = context.environment();
    let file = ConfigFile::load(&flags.database, environment)?;
    let service = settings::resolve_service(&flags.service, &file)?;
    let rule_set = settings::resolve_rules(flags, &file, NoChannel::Call(NO_CHANNEL))?;
    let database = settings::resolve_database(&flags.database, environment, &file)?;
    let clearml_settings = settings::resolve_clearml(environment, &file)?;
    let folder = tempfile::tempdir()?;
    let server = assemble::server_name(&clearml_settings);
    let store = throw_away_copy(&database.path, folder.path(), &server).await?;
    let clearml = assemble::clearml_client(&clearml_settings, context)?;
    clearml.login().await?;
    let rules = assemble::ready_rules(&rule_set, &clearml).await?;
    let mut projects = Projects::of(&rules);
    projects.require_match(&rules, &clearml).await?;
    let watches = assemble::all_in_words(&rules);
    let to = assemble::destinations(&rules);
    let channel = Some(to.as_str()).filter(|to| *to != NO_CHANNEL);
    let waiting = usize::try_from(store.queue_counts().await?.undelivered()).unwrap_or(usize::MAX);
    let config = PollerConfig {
        redactor: Redactor::new(Vec::new()),
        rules,
        projects,
        server,
        web: clearml_settings.web.as_ref().map(ToString::to_string),
        since: service.since,
        on_progress: super::progress::reporter(),
    };
    let mut poller = Poller::new(store, clearml, context.clock.clone(), config, Arc::default());
    let report = poller.poll_once(Depth::Sweep).await?;
    output::text(&describe(&report, &watches, channel, waiting))?;
    Ok(Exit::Done)
}

/// A database to play with: a copy of the one that is there, or a fresh one.
async fn throw_away_copy(path: &Path, folder: &Path, server: &str) -> anyhow::Result<Store> {
    let copy = folder.join("dry-run.db");
    if path.exists() {
        let original = assemble::read_database(path)?;
        if original.monitor().await?.server.is_some() {
            // Refuses another server's database, by its own name and not by the copy's.
            original.claim(server).await?;
        }
        original.backup(&copy, Overwrite::Never).await?;
    }
    assemble::own_database(&copy, std::time::Duration::ZERO)
}

fn describe(report: &PollReport, watches: &str, channel: Option<&str>, waiting: usize) -> String {
    let mut text = format!("Dry run: nothing was written and nothing was posted. It watches {watches}.\n");
    if report.began && report.since.is_none() {
        text.push_str("A first run would begin to watch now and alert nothing yet; ");
        text.push_str("--since 24h shows what it would have alerted.\n");
    }
    for problem in &report.problems {
        let task = problem.task_id.as_deref().unwrap_or("a task");
        text.push_str(&format!("\nCould not be read: {} ({})\n", single_line(task), single_line(&problem.problem)));
    }
    text.push_str(&kept(report));
    let alerts: Vec<&RecordedAlert> = report.alerts().collect();
    let to = channel.map_or_else(String::new, |channel| format!(" to {channel}"));
    text.push_str(&format!("\nWould be sent{to}: {}\n", words::number(alerts.len())));
    text.extend(alerts.into_iter().map(line));
    if waiting > 0 {
        let waiting = words::count(waiting, "alert");
        text.push_str(&format!("Besides, {waiting} of earlier runs would be tried again.\n"));
    }
    text
}

/// What would not be sent, by the reason why.
fn kept(report: &PollReport) -> String {
    let mut by_reason: BTreeMap<String, Vec<&RecordedAlert>> = BTreeMap::new();
    for verdict in &report.verdicts {
        if let Some(why) = &verdict.suppressed {
            by_reason.entry(single_line(&why.to_string())).or_default().push(verdict);
        }
    }
    let all: usize = by_reason.values().map(Vec::len).sum();
    let mut text = format!("\nWould not be sent: {}\n", words::number(all));
    for (why, alerts) in by_reason {
        text.push_str(&format!(" because of {why}\n"));
        text.extend(alerts.into_iter().map(line));
    }
    text
}

/// The start of its ID is enough to find a task again, and leaves room for its name.
fn line(alert: &RecordedAlert) -> String {
    let (outcome, name) = (words::outcome(alert.outcome), single_line(&alert.task_name));
    let time = alert.status_changed.to_timestamp().strftime("%Y-%m-%d %H:%M:%S");
    let id: String = single_line(&alert.task_id).chars().take(8).collect();
    let wait = alert.wait.map_or_else(String::new, |wait| format!("  ({})", wait.reason()));
    format!("  {time}  {outcome:<9}  {id}  {name}{wait}\n")
}
