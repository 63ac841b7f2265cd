//! `dead`: alerts that could not be delivered, or that wait for a person's word.

use std::io::{self, Write};

use super::arguments::{DeadCommand, Format, WhichDead};
use super::exit::Exit;
use super::start::Context;
use super::{assemble, output};
use crate::domain::text::single_line;
use crate::settings::{DatabaseFlags, find_database};
use crate::store::{AttemptRecord, DeadLetter, DeadLetterDetail, Retried, Store, Which};

/// Runs the command.
pub(super) async fn run(command: DeadCommand, context: &Context) -> anyhow::Result<Exit> {
    match command {
        DeadCommand::List { format, database } => {
            let letters = reader(&database, context)?.dead_letters().await?;
            output::write(|out| list(out, &letters, format))?;
        }
        DeadCommand::Show { id, database } => {
            let letter = reader(&database, context)?.dead_letter(id).await?;
            output::write(|out| show(out, &letter))?;
        }
        DeadCommand::Retry { which: WhichDead { ids, all }, database } => {
            let which = if all { Which::All } else { Which::These(ids) };
            let retried = writer(&database, context)?.retry_dead(which, context.clock.now()).await?;
            output::text(&told(retried))?;
        }
        DeadCommand::Drop { id, reason, database } => {
            let dropped = writer(&database, context)?.drop_dead(id, &reason, context.clock.now()).await?;
            let rest =
                if dropped > 1 { format!(", with {} more that its message tells", dropped - 1) } else { String::new() };
            output::text(&format!("Alert {id} is dropped{rest}; it stays in the history.\n"))?;
        }
    }
    Ok(Exit::Done)
}

fn reader(flags: &DatabaseFlags, context: &Context) -> anyhow::Result<Store> {
    assemble::read_database(&find_database(flags, context.environment())?.path)
}

fn writer(flags: &DatabaseFlags, context: &Context) -> anyhow::Result<Store> {
    assemble::write_database(&find_database(flags, context.environment())?.path)
}

fn list(out: &mut dyn Write, letters: &[DeadLetter], format: Format) -> io::Result<()> {
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, letters)?;
            writeln!(out)
        }
        Format::Jsonl => letters.iter().try_for_each(|letter| {
            serde_json::to_writer(&mut *out, letter)?;
            writeln!(out)
        }),
        Format::Csv => {
            let mut writer = csv::Writer::from_writer(out);
            letters.iter().try_for_each(|letter| writer.serialize(letter)).map_err(io::Error::other)?;
            writer.flush()
        }
        Format::Table if letters.is_empty() => writeln!(out, "No dead letters."),
        Format::Table => {
            letters.iter().try_for_each(|letter| in_words(out, letter))?;
            writeln!(
                out,
                "\n`clearml-alerts dead retry ID` (or --all) tries again, `dead drop ID --reason TEXT` gives up."
            )
        }
    }
}

fn in_words(out: &mut dyn Write, letter: &DeadLetter) -> io::Result<()> {
    let reason = letter.reason.as_deref().map_or_else(|| "no reason recorded".to_owned(), single_line);
    writeln!(
        out,
        "{:>6}  {:<8} {} {} (task {}), for {}, tried {} times\n        {reason}",
        letter.id,
        letter.state,
        letter.status_changed,
        single_line(&letter.task_name),
        letter.task_id,
        letter.channel,
        letter.attempts,
    )
}

fn show(out: &mut dyn Write, detail: &DeadLetterDetail) -> io::Result<()> {
    in_words(out, &detail.letter)?;
    writeln!(out, "\nTries:")?;
    detail.tries.iter().try_for_each(|attempt| attempt_in_words(out, attempt))?;
    writeln!(
        out,
        "\nThe last request ({}, tells {} alerts):",
        detail.form.replace('_', " "),
        detail.alerts_in_message
    )?;
    match serde_json::from_str::<serde_json::Value>(&detail.payload) {
        Ok(payload) => serde_json::to_writer_pretty(&mut *out, &payload)?,
        Err(_) => write!(out, "{}", detail.payload)?,
    }
    writeln!(out)
}

fn attempt_in_words(out: &mut dyn Write, attempt: &AttemptRecord) -> io::Result<()> {
    let class = attempt.class.as_deref().unwrap_or("not known").replace('_', " ");
    let status = attempt.http_status.map_or_else(String::new, |status| format!(", HTTP {status}"));
    let said: Vec<String> =
        [&attempt.error, &attempt.detail].into_iter().flatten().map(|text| single_line(text)).collect();
    let said = if said.is_empty() { String::new() } else { format!(": {}", said.join("; ")) };
    writeln!(out, "  {}  {class}{status}{said}", attempt.started_at)
}

fn told(retried: Retried) -> String {
    let Retried { composed_anew, sent_again, due_now } = retried;
    if composed_anew + sent_again + due_now == 0 {
        return "Nothing to retry.\n".to_owned();
    }
    let mut text = String::new();
    let mut line = |count: usize, what: &str| {
        if count > 0 {
            text.push_str(&format!("{count} {what}\n"));
        }
    };
    line(composed_anew, "composed anew and sent by the next run");
    line(sent_again, "sent again by the next run; they may be in the channel twice then");
    line(due_now, "held: their channel is tried at once");
    text
}
