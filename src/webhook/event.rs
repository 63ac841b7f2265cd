//! The documents that a webhook receives. They are a contract: `docs/webhook.schema.json` describes them, version by
//! version, and a field that is there stays what it is. Values from ClearML stand as they are, cut where they are endless;
//! nothing is escaped, because nothing here is markup.

use serde::Serialize;

use crate::domain::console::ConsoleTail;
use crate::domain::{Named, PendingAlert, Stamp, Task, Why, text};

/// The version of the schema that these documents follow.
pub const VERSION: u32 = 1;

/// The event of one alert, as the header names it.
pub const ALERT: &str = "alert";
/// The event of many alerts at once.
pub const DIGEST: &str = "digest";
/// The event of something that the monitor says about itself.
pub const NOTICE: &str = "notice";

/// Longest name that is sent, in UTF-16 units.
const NAME: usize = 1_000;
/// Longest reason or message that is sent.
const WORDS: usize = 8_000;
/// Most tags that are sent.
const TAGS: usize = 100;

/// What every document tells.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// By it a receiver knows a repeat.
    pub key: &'a str,
    /// The database's own name: it tells one monitor from another.
    pub instance: &'a str,
    /// The ClearML server's host.
    pub server: &'a str,
    /// When the document was made.
    pub created_at: Stamp,
}

/// One alert with what is known besides.
#[derive(Debug, Clone, Copy)]
pub struct AlertEvent<'a> {
    /// The alert.
    pub alert: &'a PendingAlert,
    /// Why it ended, where that is known better than the alert knows.
    pub why: Option<&'a Why>,
    /// The project's page.
    pub project_url: Option<&'a str>,
    /// The last lines of the console; `None` where they were not, or could not be, fetched.
    pub console: Option<&'a ConsoleTail>,
    /// The key of the first alert about this task, which this one follows.
    pub follows: Option<&'a str>,
}

#[derive(Serialize)]
struct Document<'a, Content: Serialize> {
    version: u32,
    event: &'static str,
    key: &'a str,
    instance: &'a str,
    server: &'a str,
    created_at: Stamp,
    #[serde(flatten)]
    content: Content,
}

#[derive(Serialize)]
struct OneAlert<'a> {
    alert: Alert<'a>,
}

#[derive(Serialize)]
struct ManyAlerts<'a> {
    alerts: Vec<Alert<'a>>,
}

#[derive(Serialize)]
struct Notice<'a> {
    notice: NoticeText<'a>,
}

#[derive(Serialize)]
struct NoticeText<'a> {
    text: &'a str,
}

#[derive(Serialize)]
struct Alert<'a> {
    rule: &'a str,
    outcome: &'static str,
    run: u32,
    follows: Option<&'a str>,
    status_changed: Stamp,
    cause: Option<&'static str>,
    cause_detail: Option<&'a str>,
    reason: Option<String>,
    message: Option<String>,
    task: TaskBody<'a>,
    console: Option<Console<'a>>,
}

#[derive(Serialize)]
struct TaskBody<'a> {
    id: &'a str,
    name: String,
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    url: Option<&'a str>,
    project: Option<Place<'a>>,
    user: Option<Reference<'a>>,
    queue: Option<Reference<'a>>,
    worker: Option<&'a str>,
    tags: Vec<&'a str>,
    iterations: i64,
    started: Option<Stamp>,
    completed: Option<Stamp>,
    active_seconds: Option<i64>,
}

#[derive(Serialize)]
struct Reference<'a> {
    id: &'a str,
    name: Option<String>,
}

#[derive(Serialize)]
struct Place<'a> {
    id: &'a str,
    name: Option<String>,
    url: Option<&'a str>,
}

#[derive(Serialize)]
struct Console<'a> {
    lines: &'a [String],
    cut: bool,
}

/// The document of one alert.
pub fn alert(envelope: Envelope<'_>, event: AlertEvent<'_>) -> String {
    document(envelope, ALERT, OneAlert { alert: of(event) })
}

/// The document of many alerts, oldest first; consoles are not in it.
pub fn digest(envelope: Envelope<'_>, alerts: &[PendingAlert]) -> String {
    let alone = |alert| of(AlertEvent { alert, why: None, project_url: None, console: None, follows: None });
    document(envelope, DIGEST, ManyAlerts { alerts: alerts.iter().map(alone).collect() })
}

/// The document of something that the monitor says about itself, in plain text.
pub fn notice(envelope: Envelope<'_>, text: &str) -> String {
    document(envelope, NOTICE, Notice { notice: NoticeText { text } })
}

fn document<Content: Serialize>(envelope: Envelope<'_>, event: &'static str, content: Content) -> String {
    let Envelope { key, instance, server, created_at } = envelope;
    let document = Document { version: VERSION, event, key, instance, server, created_at, content };
    #[expect(
        clippy::expect_used,
        reason = "structs of texts and numbers, with texts as keys: nothing in them can fail"
    )]
    serde_json::to_string(&document).expect("a document is JSON")
}

fn of(event: AlertEvent<'_>) -> Alert<'_> {
    let PendingAlert { rule, run, outcome, task, url, why, .. } = event.alert;
    let why = event.why.or(why.as_ref());
    Alert {
        rule,
        outcome: outcome.as_str(),
        run: *run,
        follows: event.follows,
        status_changed: task.status_changed,
        cause: why.map(|why| why.cause.as_str()),
        cause_detail: why.map(|why| why.detail.as_str()).filter(|detail| !detail.is_empty()),
        reason: words(task.status_reason.as_deref()),
        message: words(task.status_message.as_deref()),
        task: task_body(task, url.as_deref(), event.project_url),
        console: event.console.map(|console| Console { lines: &console.lines, cut: console.cut }),
    }
}

fn task_body<'a>(task: &'a Task, url: Option<&'a str>, project_url: Option<&'a str>) -> TaskBody<'a> {
    TaskBody {
        id: &task.id,
        name: name(&task.name),
        kind: task.kind.as_deref(),
        url,
        project: task.project.as_ref().map(|project| {
            let Reference { id, name } = reference(project);
            Place { id, name, url: project_url }
        }),
        user: task.user.as_ref().map(reference),
        queue: task.queue.as_ref().map(reference),
        worker: task.worker.as_deref(),
        tags: task.tags.iter().take(TAGS).map(String::as_str).collect(),
        iterations: task.last_iteration,
        started: task.started,
        completed: task.completed,
        active_seconds: task.active_duration,
    }
}

fn reference(named: &Named) -> Reference<'_> {
    Reference { id: &named.id, name: named.name.as_deref().map(name) }
}

fn name(given: &str) -> String {
    text::truncate(given, NAME).into_owned()
}

fn words(given: Option<&str>) -> Option<String> {
    given.map(str::trim).filter(|words| !words.is_empty()).map(|words| text::truncate(words, WORDS).into_owned())
}
