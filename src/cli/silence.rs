//! `silence`: add, list and end silences. A running service obeys from its next poll on.

use super::arguments::{ReportFormat, SilenceAdd, SilenceCommand, SilenceEnd, SilenceList};
use super::exit::Exit;
use super::start::Context;
use super::{UsageError, assemble, output};
use crate::domain::silence::SilenceTerms;
use crate::domain::text::single_line;
use crate::domain::{Coverage, Silence, Stamp};
use crate::settings::{Since, find_database};
use crate::store::{Ending, NewSilence, SilenceRecord};

/// Runs the command.
pub(super) async fn run(command: SilenceCommand, context: &Context) -> anyhow::Result<Exit> {
    match command {
        SilenceCommand::Add(arguments) => add(*arguments, context).await,
        SilenceCommand::List(arguments) => list(&arguments, context).await,
        SilenceCommand::End(arguments) => end(arguments, context).await,
    }
}

async fn add(arguments: SilenceAdd, context: &Context) -> anyhow::Result<Exit> {
    let now = context.clock.now();
    let new = wanted(&arguments, now)?;
    let path = find_database(&arguments.database, context.environment())?.path;
    let store = assemble::write_database(&path)?;
    let (covers, until) = (new.coverage.to_string(), new.ends_at);
    let id = store.add_silence(new, now).await?;
    output::text(&format!(
        "Silence {id} until {until}: {covers}.\nEnd it earlier with `clearml-alerts silence end {id}`; what it keeps quiet \
         is shown by `clearml-alerts history --silence {id}`.\n"
    ))?;
    Ok(Exit::Done)
}

/// The silence that the flags describe, its patterns tried.
fn wanted(arguments: &SilenceAdd, now: Stamp) -> Result<NewSilence, UsageError> {
    let coverage = Coverage {
        project: arguments.project.clone(),
        task: arguments.task.clone(),
        users: arguments.user.clone(),
        tags: arguments.tag.clone(),
        statuses: arguments.status.clone(),
        rules: arguments.rule.clone(),
    };
    match (coverage == Coverage::default(), arguments.everything) {
        (true, false) => {
            let told = "name what to silence (--project, --task, --user, --tag, --status, --rule), or say --everything";
            return Err(UsageError(told.to_owned()));
        }
        (false, true) => {
            return Err(UsageError("--everything leaves nothing to name: give it alone, or leave it out".to_owned()));
        }
        _ => {}
    }
    let ends_at = match (arguments.duration, arguments.until) {
        (Some(duration), _) => now.plus(duration),
        (None, Some(Since::At(until))) => until,
        (None, _) => {
            return Err(UsageError("--until is not a moment to come: write a date or a time (UTC)".to_owned()));
        }
    };
    if ends_at <= now {
        return Err(UsageError(format!("the silence would be over already ({ends_at}): it is {now} now")));
    }
    let (author, reason) = (arguments.author.clone(), arguments.reason.clone());
    let terms = SilenceTerms { id: 0, author: author.clone(), reason: reason.clone(), starts_at: now, ends_at };
    Silence::new(terms, coverage.clone()).map_err(|error| {
        let told = error.to_string();
        let why = told.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
        UsageError(format!("{coverage}: this is no regular expression ({why}); escape it with `\\`"))
    })?;
    Ok(NewSilence { coverage, author, reason, starts_at: now, ends_at, quiet_end: arguments.quiet_end })
}

async fn list(arguments: &SilenceList, context: &Context) -> anyhow::Result<Exit> {
    let path = find_database(&arguments.database, context.environment())?.path;
    let store = assemble::read_database(&path)?;
    let now = context.clock.now();
    let silences = store.silences(arguments.all, now).await?;
    match arguments.format {
        ReportFormat::Text if silences.is_empty() => output::text("No silence is in force.\n")?,
        ReportFormat::Text => {
            output::report(&silences.iter().map(|silence| in_words(silence, now)).collect::<String>())?
        }
        ReportFormat::Json => output::text(&(serde_json::to_string_pretty(&silences)? + "\n"))?,
    };
    Ok(Exit::Done)
}

fn in_words(silence: &SilenceRecord, now: Stamp) -> String {
    let state = match &silence.ended_by {
        _ if silence.ends_at > now => "in force".to_owned(),
        Some(by) => format!("ended by {by}"),
        None => "over".to_owned(),
    };
    let until = silence.ends_at.to_timestamp().strftime("%Y-%m-%d %H:%M:%S");
    let [state, covers] = [state, silence.covers.to_string()].map(|text| single_line(&text));
    let [author, reason] = [&silence.author, &silence.reason].map(|text| single_line(text));
    let (id, silenced) = (silence.id, silence.silenced);
    format!("{id:>4}  {state}, until {until} UTC, {silenced} silenced\n      {covers}\n      {author}: {reason}\n")
}

async fn end(arguments: SilenceEnd, context: &Context) -> anyhow::Result<Exit> {
    let path = find_database(&arguments.database, context.environment())?.path;
    let store = assemble::write_database(&path)?;
    let id = arguments.id;
    match store.end_silence(id, arguments.author, context.clock.now()).await? {
        Ending::Ended => output::text(&format!("Silence {id} ends now; what it kept quiet stays in the history.\n"))?,
        Ending::WasOver => output::text(&format!("Silence {id} was over already.\n"))?,
        Ending::Unknown => {
            let told = format!("there is no silence {id}; `clearml-alerts silence list --all` shows all of them");
            return Err(UsageError(told).into());
        }
    };
    Ok(Exit::Done)
}
