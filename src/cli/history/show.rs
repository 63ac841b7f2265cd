//! `history --show`: one alert whole, its message drawn as Slack shows it.

use serde_json::Value;

use crate::cli::arguments::Format;
use crate::cli::exit::Exit;
use crate::cli::start::Context;
use crate::cli::{UsageError, output};
use crate::domain::delivery::Form;
use crate::domain::message::draw::{self, BarColour};
use crate::domain::message::words;
use crate::domain::text::{is_invisible_control, single_line};
use crate::domain::{Lane, Outcome};
use crate::store::{Store, VerdictRecord};

/// Columns of a drawn message where the output is no terminal, and the most on one.
const COLUMNS: usize = 100;

pub(super) fn run(store: &Store, alert: i64, format: Format, context: &Context) -> anyhow::Result<Exit> {
    let Some(verdict) = store.verdict_now(alert)? else {
        let told = format!("there is no alert {alert}; `clearml-alerts history` shows the numbers");
        return Err(UsageError(told).into());
    };
    let text = match format {
        Format::Table => {
            let width = output::width();
            let has_colours =
                width.is_some() && context.environment().variable("NO_COLOR").is_none_or(|v| v.is_empty());
            output::report(&in_words(&verdict))?;
            message(&verdict, width.map_or(COLUMNS, usize::from).min(COLUMNS), has_colours)
        }
        Format::Json => serde_json::to_string_pretty(&with_payload(&verdict)?)? + "\n",
        Format::Jsonl => with_payload(&verdict)?.to_string() + "\n",
        Format::Csv => return Err(UsageError("--show prints text or JSON: leave --format csv out".to_owned()).into()),
    };
    output::text(&text)?;
    Ok(Exit::Done)
}

/// The record, and the request that was or will be sent.
fn with_payload(verdict: &VerdictRecord) -> anyhow::Result<Value> {
    let mut record = serde_json::to_value(verdict)?;
    if let Some(message) = &verdict.message {
        record["message"]["payload"] = serde_json::from_str(&message.payload).unwrap_or(Value::Null);
    }
    Ok(record)
}

/// Where it stands, and why.
fn in_words(verdict: &VerdictRecord) -> String {
    let alert = &verdict.alert;
    let mut text = format!("Alert {}: {} for {}", alert.id, alert.state, single_line(&alert.channel));
    if let Some(at) = alert.sent_at {
        let late = words::duration(at.since(alert.status_changed));
        let place = if is_webhook(verdict) { "delivered" } else { "in Slack" };
        text.push_str(&format!(", {place} {at}, {late} after the status changed"));
    }
    if verdict.message.as_ref().is_some_and(|message| message.in_thread) {
        text.push_str("\nA reply in the thread of the first message about this task");
    }
    if let Some(reason) = &alert.reason {
        text.push_str(&format!("\n{}", single_line(reason)));
    }
    if let Some(cause) = alert.cause {
        text.push_str(&format!(
            "\nCause: {cause}{}",
            alert.cause_detail.as_deref().map_or_else(String::new, in_brackets)
        ));
    }
    text.push_str(&format!("\nTask {}\n", alert.task_id));
    if let Some(url) = &alert.url {
        text.push_str(&format!("{}\n", single_line(url)));
    }
    text + "\n"
}

fn is_webhook(verdict: &VerdictRecord) -> bool {
    matches!(Lane::of(&verdict.alert.channel), Lane::Webhook(_))
}

fn message(verdict: &VerdictRecord, columns: usize, has_colours: bool) -> String {
    match &verdict.message {
        None => "There is no message: none was composed.\n".to_owned(),
        Some(message) if message.form == Form::Body.as_str() => document(&message.payload),
        Some(message) => drawn(&message.payload, columns, has_colours.then(|| colour(verdict.alert.status))) + "\n",
    }
}

/// The document of a webhook, as it was sent but for the layout.
fn document(payload: &str) -> String {
    let laid_out = serde_json::from_str::<Value>(payload).and_then(|document| serde_json::to_string_pretty(&document));
    let text = laid_out.unwrap_or_else(|_| payload.to_owned());
    text.lines().map(|line| line.chars().map(harmless).collect::<String>() + "\n").collect()
}

/// What a terminal would obey, or show as something else, as JSON writes it in letters.
fn harmless(letter: char) -> String {
    if letter.is_control() || is_invisible_control(letter) {
        format!("\\u{:04x}", u32::from(letter))
    } else {
        letter.to_string()
    }
}

fn in_brackets(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(" ({})", single_line(detail)) }
}

fn drawn(payload: &str, columns: usize, colour: Option<BarColour>) -> String {
    let payload: Value = serde_json::from_str(payload).unwrap_or_default();
    let text = payload.get("text").and_then(Value::as_str).unwrap_or_default();
    let blocks = payload.get("blocks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    match colour {
        Some(colour) => draw::message_with_bar(text, blocks, columns, colour),
        None => draw::message(text, blocks, columns),
    }
}

const fn colour(outcome: Outcome) -> BarColour {
    match outcome {
        Outcome::Failed => BarColour::Red,
        Outcome::Completed => BarColour::Green,
        Outcome::Stopped | Outcome::Stuck => BarColour::Yellow,
    }
}
