//! One alert as a message: header, link, fields, console tail, context.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::fields::field_sections;
use super::{
    FALLBACK_CHARACTERS, HEADER_CHARACTERS, Parts, Place, SECTION_CHARACTERS, context, header, key, linked, payload,
    safe, section, words,
};
use crate::domain::console::ConsoleTail;
use crate::domain::rule::{MetricCondition, Style};
use crate::domain::{Cause, PendingAlert, Task, Why, text};

/// The longest configured prefix that is sent; settings refuse a longer one.
pub(super) const PREFIX_CHARACTERS: usize = 1_000;
/// The part of a title that a name gets where there is more to say.
const TITLE_NAME_CHARACTERS: usize = 60;
/// An outcome older than this when it is told says how late it is.
const LATE: Duration = Duration::from_mins(15);

/// Everything an alert's message is made of.
#[derive(Debug, Clone, Copy)]
pub struct AlertMessage<'a> {
    /// The alert.
    pub alert: &'a PendingAlert,
    /// Slack's ID of the channel.
    pub channel_id: &'a str,
    /// The database's own name.
    pub instance: &'a str,
    /// Configured text before the alert, in Slack's markup.
    pub prefix: Option<&'a str>,
    /// The project's page, if known.
    pub project_url: Option<&'a str>,
    /// The ClearML server, as people call it: its host.
    pub server: &'a str,
    /// The last lines of the console; `None` where they could not be fetched, or nobody wants them.
    pub console: Option<&'a ConsoleTail>,
    /// Why the task ended, as far as it is known by now.
    pub why: Option<&'a Why>,
    /// How long ago the server stamped the outcome, or the wait was over that its rule asked for.
    pub age: Duration,
    /// What the rule wants its messages to look like.
    pub style: &'a Style,
    /// The metric that the rule asks about.
    pub metric: Option<&'a MetricCondition>,
}

/// The key of an alert's message: by it the message is found again in Slack.
pub(super) fn alert_key(instance: &str, alert: &PendingAlert) -> String {
    let episode = if alert.episode > 0 { format!("/{}", alert.episode) } else { String::new() };
    key(instance, &format!("{}/{}/{}/{}{episode}", alert.rule, alert.task.id, alert.run, alert.outcome))
}

/// The payload that tells one alert, and the key in its metadata.
pub fn compose_alert(message: &AlertMessage<'_>) -> (String, String) {
    let alert = message.alert;
    let key = alert_key(message.instance, alert);
    let parts =
        Parts { text: fallback(alert, message.why), blocks: blocks(message), key: key.clone(), facts: facts(alert) };
    (payload(&Place::New { channel: message.channel_id.to_owned() }, parts), key)
}

fn facts(alert: &PendingAlert) -> Map<String, Value> {
    let mut facts = Map::new();
    facts.insert("rule".to_owned(), alert.rule.clone().into());
    facts.insert("task_id".to_owned(), alert.task.id.clone().into());
    facts.insert("run".to_owned(), alert.run.into());
    facts.insert("status".to_owned(), alert.outcome.as_str().into());
    facts
}

/// The notification's text, and all that is left where blocks are refused: it names the task's ID.
fn fallback(alert: &PendingAlert, why: Option<&Why>) -> String {
    let task = &alert.task;
    let mut text = format!("Task {}: {}", words::outcome(alert.outcome), safe(name_of(task), 200));
    if let Some(project) = task.project_label() {
        text.push_str(&format!(" in {}", safe(project, 200)));
    }
    if let Some(why) = why.and_then(known).or_else(|| first_reason(task)) {
        text.push_str(&format!(" - {}", safe(why, 250)));
    }
    text.push_str(" (");
    if let Some(user) = task.user_label() {
        text.push_str(&format!("user {}, ", safe(user, 100)));
    }
    text.push_str(&format!("iteration {}, task {})", task.last_iteration, safe(&task.id, 80)));
    debug_assert!(text::units(&text) <= FALLBACK_CHARACTERS, "the parts' limits add up to less");
    text
}

/// What ended the task, in the words that tell most: the SDK puts the exception into the reason.
pub fn first_reason(task: &Task) -> Option<&str> {
    [&task.status_reason, &task.status_message]
        .into_iter()
        .flatten()
        .map(|text| first_line(text))
        .find(|line| !line.is_empty())
}

pub(super) fn first_line(text: &str) -> &str {
    text.trim().lines().next().unwrap_or_default().trim()
}

fn blocks(message: &AlertMessage<'_>) -> Vec<Value> {
    let mut blocks = vec![header(&title(message)), section(&lead(message))];
    blocks.extend(field_sections(message));
    if let Some(console) = message.console.filter(|console| !console.lines.is_empty()) {
        blocks.push(preformatted(&console.lines.join("\n")));
    }
    blocks.push(context(&context_line(message)));
    blocks
}

/// The outcome, the task and, where it is known, why: `Task failed: resnet50 – RuntimeError: CUDA out of memory`. A long
/// name gives way to why; it stands whole below.
fn title(message: &AlertMessage<'_>) -> String {
    let name = text::single_line(name_of(&message.alert.task));
    let outcome = words::outcome(message.alert.outcome);
    let title = match message.why.and_then(known) {
        None => format!("Task {outcome}: {name}"),
        Some(why) => format!("Task {outcome}: {} – {why}", text::truncate(&name, TITLE_NAME_CHARACTERS)),
    };
    text::truncate_escaped(&title, HEADER_CHARACTERS)
}

/// The line that tells why, if there is one.
fn known(why: &Why) -> Option<&str> {
    Some(why.detail.as_str()).filter(|detail| !detail.is_empty())
}

/// Whether the message says it already: ClearML's own words for the cause that was made of them.
pub(super) fn is_told(message: &AlertMessage<'_>, words: &str) -> bool {
    let Some(why) = message.why else {
        return false;
    };
    let words = words.to_ascii_lowercase();
    // The worker has a field of its own.
    let of_agent = words.starts_with("changed by clearml-agent");
    let of_watchdog = why.cause == Cause::NonResponsive && words.contains("non-responsive");
    let core = ["exception ", "worker execution "].into_iter().find_map(|start| words.strip_prefix(start));
    of_agent || of_watchdog || why.detail.to_ascii_lowercase().contains(core.unwrap_or(&words))
}

/// Prefix, link to the task and its project, and the first line of the server's message as a quote.
fn lead(message: &AlertMessage<'_>) -> String {
    let task = &message.alert.task;
    let mut lead = String::new();
    if let Some(prefix) = message.prefix.map(str::trim).filter(|prefix| !prefix.is_empty()) {
        lead.push_str(&text::truncate(prefix, super::BEFORE_CHARACTERS));
        lead.push(' ');
    }
    lead.push_str(&linked(message.alert.url.as_deref(), name_of(task), 400));
    if let Some(project) = task.project_label() {
        lead.push_str(&format!(" in {}", linked(message.project_url, project, 400)));
    }
    let quote = task.status_message.as_deref().map(first_line).filter(|line| !line.is_empty());
    if let Some(quote) = quote.filter(|line| !is_told(message, line)) {
        lead.push_str(&format!("\n>{}", safe(quote, 400)));
    }
    debug_assert!(text::units(&lead) <= SECTION_CHARACTERS + 1_000, "the parts' limits add up to less");
    lead
}

fn name_of(task: &Task) -> &str {
    if task.name.trim().is_empty() { &task.id } else { &task.name }
}

fn preformatted(text: &str) -> Value {
    json!({
        "type": "rich_text",
        "elements": [{ "type": "rich_text_preformatted", "elements": [{ "type": "text", "text": text }] }],
    })
}

fn context_line(message: &AlertMessage<'_>) -> String {
    let mut parts = vec![format!("Task {}", safe(&message.alert.task.id, 80)), safe(message.server, 150)];
    if message.alert.rule != crate::domain::Rule::DEFAULT_NAME {
        parts.push(format!("rule {}", safe(&message.alert.rule, 100)));
    }
    if message.alert.waited.is_some_and(|waited| waited.quiet) {
        parts.push("kept during quiet hours".to_owned());
    }
    if message.age > LATE {
        parts.push(format!("late by {}", words::duration(message.age)));
    }
    match message.console {
        _ if message.style.console_lines == 0 => {}
        None => parts.push("console not available".to_owned()),
        Some(console) if console.lines.is_empty() => parts.push("no console output".to_owned()),
        Some(console) if console.lines.len() == 1 => parts.push("last console line".to_owned()),
        Some(console) => parts.push(format!("last {} console lines", console.lines.len())),
    }
    parts.join(" · ")
}
