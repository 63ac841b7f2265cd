//! `test-rules`: who would have heard of what. Sends nothing, writes nothing.

use serde::Serialize;

use super::arguments::{RulesFormat, TestRulesArguments};
use super::exit::Exit;
use super::history::table::fit;
use super::start::Context;
use super::{UsageError, assemble, output};
use crate::clearml::Client;
use crate::domain::link::task_id_in;
use crate::domain::message::words;
use crate::domain::rule::Wait;
use crate::domain::text::single_line;
use crate::domain::{Destination, Outcome, Rule, RuleVerdict, Stamp, Verdict};
use crate::monitor::{Replay, Source, replay, replay_now, wanted};
use crate::settings::{self, ConfigFile, NoChannel, Since};

/// The channel of the rule where none was given: nothing is posted.
const NO_CHANNEL: &str = "(no channel)";

/// Runs the command.
pub(super) async fn run(arguments: TestRulesArguments, context: &Context) -> anyhow::Result<Exit> {
    // What the file says of a fresh database is no question.
    let since = settings::resolve_service(&arguments.flags.service, &ConfigFile::default())?.since;
    let (task, since) = match (&arguments.task, since) {
        (Some(task), None) => (Some(task_id_in(task)), None),
        (None, Some(since)) => (None, Some(since)),
        _ => {
            let told = "name a task, or say --since for all that was recorded since then: one of the two";
            return Err(UsageError(told.to_owned()).into());
        }
    };
    let flags = &arguments.flags;
    let file = ConfigFile::load(&flags.database, context.environment())?;
    let rules = settings::resolve_rules(flags, &file, NoChannel::Call(NO_CHANNEL))?;
    let clearml_settings = settings::resolve_clearml(context.environment(), &file)?;
    // Before ClearML is asked anything: where there is no database, there is nothing to ask about.
    let past = match since {
        Some(since) => outcomes_since(since, &arguments, &clearml_settings, context).await?,
        None => Vec::new(),
    };
    let clearml = assemble::clearml_client(&clearml_settings, context)?;
    let rules = assemble::resolved_rules(&rules, &clearml).await?;
    let replays = match task {
        Some(task) => vec![replay_task(task, &rules, &clearml).await?],
        None => replay(past, &rules, &clearml).await?,
    };
    let is_all = arguments.task.is_some() || arguments.all;
    match arguments.format {
        RulesFormat::Table => output::text(&table(&replays, &rules, is_all))?,
        RulesFormat::Json => {
            let shown: Vec<Shown<'_>> = replays.iter().map(|replay| Shown::new(replay, &rules)).collect();
            output::text(&(serde_json::to_string_pretty(&shown)? + "\n"))?
        }
    };
    Ok(Exit::Done)
}

async fn outcomes_since(
    since: Since,
    arguments: &TestRulesArguments,
    clearml: &settings::ClearmlSettings,
    context: &Context,
) -> anyhow::Result<Vec<crate::store::PastOutcome>> {
    let path = settings::find_database(&arguments.flags.database, context.environment())?.path;
    let store = assemble::read_database(&path)?;
    let server = assemble::server_name(clearml);
    if let Some(recorded) = store.monitor().await?.server.filter(|recorded| *recorded != server) {
        let told = format!("the database belongs to {recorded}, and this environment names {server}");
        return Err(UsageError(told).into());
    }
    let since = since.resolve(context.clock.now());
    if let Some(kept_from) = store.kept_from_now()?.filter(|kept_from| since < *kept_from) {
        tracing::warn!("{}", output::removed(kept_from));
    }
    Ok(store.outcomes_since(since).await?)
}

async fn replay_task(id: &str, rules: &[Rule], clearml: &Client) -> anyhow::Result<Replay> {
    let Some(task) = clearml.task(id, wanted(rules)).await? else {
        return Err(
            UsageError(format!("ClearML knows no task `{id}`: give its whole ID, or the address of its page")).into()
        );
    };
    replay_now(&task, rules).ok_or_else(|| {
        UsageError(format!("task {id} is {}: it has not ended, so no rule is asked", task.status)).into()
    })
}

/// One outcome as JSON tells it.
#[derive(Serialize)]
struct Shown<'r> {
    task_id: &'r str,
    task_name: &'r str,
    status: Outcome,
    status_changed: Stamp,
    /// `recorded`, `now` (its fields are those of today) or `gone`.
    source: &'static str,
    rules: Vec<Said<'r>>,
}

/// What one rule says, as JSON tells it.
#[derive(Serialize)]
struct Said<'r> {
    rule: &'r str,
    destination: String,
    /// `alert` or `suppressed`.
    verdict: &'static str,
    filter: Option<&'static str>,
    reason: Option<&'r str>,
    /// Up to when the rule would make it wait (`hold`, `quiet`), had it been recorded when it ended.
    waits_until: Option<Stamp>,
}

impl<'r> Shown<'r> {
    fn new(replay: &'r Replay, rules: &'r [Rule]) -> Self {
        Self {
            task_id: &replay.task_id,
            task_name: &replay.task_name,
            status: replay.outcome,
            status_changed: replay.status_changed,
            source: match replay.source {
                Source::Recorded => "recorded",
                Source::Now => "now",
                Source::Gone => "gone",
            },
            rules: replay.verdicts.iter().map(|verdict| Said::new(replay, verdict, &rules[verdict.rule])).collect(),
        }
    }
}

impl<'r> Said<'r> {
    fn new(replay: &Replay, verdict: &'r RuleVerdict, rule: &'r Rule) -> Self {
        let why = verdict.verdict.suppression();
        let wait = if why.is_none() { wait(replay, rule) } else { None };
        Self {
            rule: &rule.name,
            destination: destination(rule),
            verdict: if why.is_none() { "alert" } else { "suppressed" },
            filter: why.map(|why| why.filter.as_str()),
            reason: why.map(|why| why.detail.as_str()),
            waits_until: wait.map(|wait| wait.until),
        }
    }
}

/// How long the rule would make an alert wait, had it been recorded when the outcome was stamped.
fn wait(replay: &Replay, rule: &Rule) -> Option<Wait> {
    rule.timing.wait(replay.status_changed, replay.status_changed)
}

fn destination(rule: &Rule) -> String {
    match &rule.destination {
        Destination::Channel(channel) if channel == NO_CHANNEL => "-".to_owned(),
        other => other.to_string(),
    }
}

/// The table. Where not every rule is wanted: those that would alert, and where none would, the nearest.
fn table(replays: &[Replay], rules: &[Rule], is_all: bool) -> String {
    if replays.is_empty() {
        return "No outcome was put to rules in that time.\n".to_owned();
    }
    let head = ["ENDED", "OUTCOME", "TASK", "NAME", "RULE", "TO", "VERDICT"].map(str::to_owned).to_vec();
    let mut rows = vec![head];
    for replay in replays {
        rows.extend(rows_of(replay, rules, is_all));
    }
    let mut text = fit(&rows, &[0, 0, 0, 2, 1, 1, 3], output::width()).join("\n") + "\n";
    let count = |source| replays.iter().filter(|replay| replay.source == source).count();
    if count(Source::Now) > 0 {
        text.push_str(&format!(
            "{}: judged by its fields as they are now in ClearML, which may have changed since it ended (marked *).\n",
            words::count(count(Source::Now), "outcome")
        ));
    }
    if count(Source::Gone) > 0 {
        let gone = words::count(count(Source::Gone), "outcome");
        text.push_str(&format!("{gone}: the task is gone from ClearML, and the database does not keep its fields.\n"));
    }
    if rules.iter().any(|rule| rule.stuck.is_some()) {
        text.push_str(
            "Rules with `stuck` were asked about ends only: what did not move in the past is not recorded.\n",
        );
    }
    text.push_str("Nothing was sent. Silences were left out of account.\n");
    text
}

fn rows_of(replay: &Replay, rules: &[Rule], is_all: bool) -> Vec<Vec<String>> {
    let mark = if replay.source == Source::Now { "*" } else { "" };
    let id: String = single_line(&replay.task_id).chars().take(8).collect();
    let row = |rule: &str, to: String, said: String| {
        let ended = replay.status_changed.to_timestamp().strftime("%Y-%m-%d %H:%M:%S").to_string();
        let (outcome, name) = (words::outcome(replay.outcome).to_owned(), single_line(&replay.task_name));
        vec![ended, outcome, format!("{id}{mark}"), name, single_line(rule), single_line(&to), said]
    };
    if replay.source == Source::Gone {
        return vec![row("-", "-".to_owned(), "gone".to_owned())];
    }
    shown(&replay.verdicts, is_all)
        .into_iter()
        .map(|verdict| {
            let rule = &rules[verdict.rule];
            let said = match &verdict.verdict {
                Verdict::Alert => {
                    wait(replay, rule).map_or_else(|| "alert".to_owned(), |wait| format!("alert, {}", wait.reason()))
                }
                Verdict::Suppressed(why) => format!("no, {}", single_line(&why.to_string())),
            };
            row(&rule.name, destination(rule), said)
        })
        .collect()
}

fn shown(verdicts: &[RuleVerdict], is_all: bool) -> Vec<&RuleVerdict> {
    let alerts: Vec<&RuleVerdict> = verdicts.iter().filter(|verdict| verdict.verdict == Verdict::Alert).collect();
    if is_all {
        return verdicts.iter().collect();
    }
    if !alerts.is_empty() {
        return alerts;
    }
    let depth = |verdict: &&RuleVerdict| verdict.verdict.suppression().map(|why| why.filter);
    // The first of several: `max_by_key` would take the last.
    verdicts.iter().rev().max_by_key(depth).into_iter().collect()
}
