//! One message that stands for many alerts of a channel, so that a flood does not bury it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    HEADER_CHARACTERS, Parts, Place, SECTION_CHARACTERS, context, header, key, linked, payload, safe, section, words,
};
use crate::domain::rule::Times;
use crate::domain::{Cause, Outcome, Stamp, text};

/// Tasks that a digest names.
const NAMED_TASKS: usize = 10;
/// Groups of a project and a cause that a digest tells apart.
const NAMED_GROUPS: usize = 8;
/// All the text of a digest's groups, so that its whole stays within what Slack takes.
const GROUPS_CHARACTERS: usize = 4_700;
/// Reasons that a digest counts.
const NAMED_REASONS: usize = 3;

/// One alert as a digest tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestItem {
    /// The task's name.
    pub task_name: String,
    /// Its project's name, if it is in one.
    pub project: Option<String>,
    /// Its user's name.
    pub user: Option<String>,
    /// The outcome.
    pub outcome: Outcome,
    /// When the server stamped it.
    pub status_changed: Stamp,
    /// Last iteration reported.
    pub iteration: i64,
    /// Why, in a word, if that is known.
    pub cause: Option<Cause>,
    /// Why, in the server's words.
    pub reason: Option<String>,
    /// The task's page.
    pub url: Option<String>,
}

/// Everything a digest is made of.
#[derive(Debug, Clone, Copy)]
pub struct DigestMessage<'a> {
    /// The alerts it stands for, oldest first; at least one.
    pub items: &'a [DigestItem],
    /// Configured text before it, in Slack's markup.
    pub prefix: Option<&'a str>,
    /// The database's own name.
    pub instance: &'a str,
    /// What tells this digest from others of the database.
    pub id: &'a str,
    /// How moments are shown.
    pub times: &'a Times,
    /// Whether quiet hours kept what it tells.
    pub kept_quiet: bool,
}

/// The payload of a digest and the key in its metadata.
pub fn compose_digest(place: &Place, message: &DigestMessage<'_>) -> (String, String) {
    let key = key(message.instance, &format!("digest/{}", message.id));
    let title = title(message.items);
    let mut facts = Map::new();
    facts.insert("digest_of".to_owned(), message.items.len().into());
    let text = format!("{}: {}", safe(&title, 300), safe(&summary_words(message.items), 600));
    let parts = Parts { text, blocks: blocks(message, &title), key: key.clone(), facts };
    (payload(place, parts), key)
}

/// `27 tasks failed in vision/resnet`, `1,200 tasks failed in 3 projects`, `12 tasks ended`.
fn title(items: &[DigestItem]) -> String {
    let outcomes = count_by(items, |item| Some(words::outcome(item.outcome)));
    let verb = match outcomes.as_slice() {
        [(only, _)] => only,
        _ if items.iter().any(|item| item.outcome == Outcome::Stuck) => "ended or are stuck",
        _ => "ended",
    };
    let tasks = if items.len() == 1 { "1 task".to_owned() } else { format!("{} tasks", words::number(items.len())) };
    let projects = count_by(items, |item| item.project.as_deref());
    match projects.as_slice() {
        [] => format!("{tasks} {verb}"),
        [(project, _)] => format!("{tasks} {verb} in {}", text::single_line(project)),
        several => format!("{tasks} {verb} in {} projects", several.len()),
    }
}

/// `1,180 failed, 20 aborted`.
fn summary_words(items: &[DigestItem]) -> String {
    let counts = count_by(items, |item| Some(words::outcome(item.outcome)));
    let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{} {word}", words::number(*count))).collect();
    counts.join(", ")
}

fn blocks(message: &DigestMessage<'_>, title: &str) -> Vec<Value> {
    let mut blocks = vec![header(&text::truncate_escaped(title, HEADER_CHARACTERS)), section(&summary(message))];
    let groups = by_project_and_cause(message.items);
    let (mut named, mut room) = (0, GROUPS_CHARACTERS);
    for (position, group) in groups.iter().take(NAMED_GROUPS).enumerate() {
        let groups_left = groups.len().min(NAMED_GROUPS) - position;
        let share = (NAMED_TASKS - named).div_ceil(groups_left);
        // A group that comes later has its room, whatever the names of those before it are.
        let (text, bullets) = group.section(share, room / groups_left);
        named += bullets;
        room -= text::units(&text);
        blocks.push(section(&text));
    }
    let see = "`clearml-alerts history` lists every one";
    blocks.push(context(&match message.items.len() - named {
        0 => see.to_owned(),
        more => format!("{} more{}: {see}", words::number(more), further_groups(groups.len())),
    }));
    blocks
}

fn summary(message: &DigestMessage<'_>) -> String {
    let items = message.items;
    let mut lines = String::new();
    if let Some(prefix) = message.prefix.map(str::trim).filter(|prefix| !prefix.is_empty()) {
        lines.push_str(&text::truncate(prefix, super::BEFORE_CHARACTERS));
        lines.push(' ');
    }
    lines.push_str(&summary_words(items));
    if let (Some(first), Some(last)) = (items.first(), items.last()) {
        let (first, last) = (first.status_changed, last.status_changed);
        lines.push_str(&format!(
            " · {} to {}",
            words::moment(first, message.times),
            words::moment(last, message.times)
        ));
    }
    if message.kept_quiet {
        lines.push_str("\nKept during quiet hours.");
    }
    for (reason, count) in count_by(items, |item| item.reason.as_deref()).into_iter().take(NAMED_REASONS) {
        lines.push_str(&format!("\n>{} × {}", words::number(count), safe(reason, 250)));
    }
    lines
}

/// Of how many groups a digest names nothing.
fn further_groups(groups: usize) -> String {
    match groups.saturating_sub(NAMED_GROUPS) {
        0 => String::new(),
        more => format!(", and {} of project and cause", words::count(more, "more group")),
    }
}

/// Alerts of one project that have the same cause, or where none is known, the same outcome.
struct Group<'a> {
    project: Option<&'a str>,
    cause: &'static str,
    items: Vec<&'a DigestItem>,
}

/// The alerts by project and cause, the largest group first.
fn by_project_and_cause(items: &[DigestItem]) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<(Option<&str>, &str), Vec<&DigestItem>> = BTreeMap::new();
    for item in items {
        let cause = item.cause.map_or_else(|| words::outcome(item.outcome), Cause::label);
        groups.entry((item.project.as_deref(), cause)).or_default().push(item);
    }
    let mut groups: Vec<Group<'_>> =
        groups.into_iter().map(|((project, cause), items)| Group { project, cause, items }).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.items.len()));
    groups
}

impl Group<'_> {
    /// The project, the cause and how many; then its first tasks as bullets, `share` of them at the most and as many as
    /// there is room for. Tells how many those are.
    fn section(&self, share: usize, room: usize) -> (String, usize) {
        let project = safe(self.project.unwrap_or("without a project"), 150);
        let mut lines = format!("*{project}* · {} · {}", self.cause, words::number(self.items.len()));
        let mut named = 0;
        for item in self.items.iter().take(share) {
            let line = format!("\n• {}", bullet(item));
            if text::units(&lines) + text::units(&line) > room.min(SECTION_CHARACTERS) {
                break;
            }
            lines.push_str(&line);
            named += 1;
        }
        (lines, named)
    }
}

fn bullet(item: &DigestItem) -> String {
    let mut parts = vec![linked(item.url.as_deref(), &item.task_name, 300)];
    parts.extend(item.user.as_deref().map(|user| safe(user, 60)));
    parts.push(format!("it {}", item.iteration));
    parts.extend(item.reason.as_deref().map(|reason| safe(reason, 120)));
    parts.join(" · ")
}

/// Counts values, most frequent first, ties by value; what has none is left out.
fn count_by<'a>(items: &'a [DigestItem], value: impl Fn(&'a DigestItem) -> Option<&'a str>) -> Vec<(&'a str, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for item in items {
        if let Some(value) = value(item).filter(|value| !value.trim().is_empty()) {
            *counts.entry(value).or_default() += 1;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}
