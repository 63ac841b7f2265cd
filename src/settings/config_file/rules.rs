//! `[[rule]]`: who hears of what, how, and when.

use std::collections::BTreeMap;

use super::problem::shown;
use super::table::{At, Table};
use super::{conditions, telling};
use crate::domain::{Destination, Rule};
use crate::settings::slack::channel_problem;

/// The longest name of a rule: it is in the history's table, and in every message's key.
const LONGEST_NAME: usize = 60;

/// A rule as the file describes it.
#[derive(Debug, Clone)]
pub struct FileRule {
    /// The rule; where it says no destination of its own, that of [`Rule::destination`] counts for nothing.
    pub rule: Rule,
    /// Its line.
    pub line: usize,
    pub(super) destination: FileDestination,
}

/// Where a rule's alerts go, as the file says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FileDestination {
    /// Nothing: the channel of `[slack]`.
    Default,
    Channel(String),
    /// The task's owner, else this channel, else that of `[slack]`.
    Owner(Option<String>),
    SlackWebhook(String),
    Webhook(String),
}

impl FileRule {
    /// The rule with its destination, given the channel of those that name none. `None` where it needs one and there is
    /// none.
    pub fn settled(&self, default: Option<&str>) -> Option<Rule> {
        let destination = match &self.destination {
            FileDestination::Default => Destination::Channel(default?.to_owned()),
            FileDestination::Channel(channel) => Destination::Channel(channel.clone()),
            FileDestination::Owner(channel) => {
                Destination::Owner { fallback: channel.clone().or_else(|| default.map(str::to_owned))? }
            }
            FileDestination::SlackWebhook(name) => Destination::SlackWebhook(name.clone()),
            FileDestination::Webhook(name) => Destination::Webhook(name.clone()),
        };
        Some(Rule { destination, ..self.rule.clone() })
    }
}

/// All rules, in the order of the file; two of one name are refused.
pub(super) fn read(tables: &[Table<'_>]) -> Vec<FileRule> {
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    let mut rules = Vec::new();
    for table in tables {
        let Some((rule, name)) = rule(table) else { continue };
        if let Some(first) = lines.insert(rule.rule.name.clone(), name.line) {
            let told =
                format!("the rule of line {first} has this name too: alerts are told apart by it, so give another");
            table.refuse::<_, ()>(&name, &name.value, "is taken", &told);
        }
        rules.push(rule);
    }
    rules
}

fn rule(table: &Table<'_>) -> Option<(FileRule, At<String>)> {
    let line = table.line;
    let name = table.text("name");
    let label = match &name {
        Some(name) => format!("rule `{}`: ", shown(name.value.trim())),
        None => "rule: ".to_owned(),
    };
    let table = &table.relabelled(label);
    let destination = destination(table);
    let mut rule = Rule::new(name.as_ref().map_or("", |name| name.value.trim()), Destination::Channel(String::new()));
    rule.conditions = conditions::read(table);
    rule.timing = telling::timing(table);
    rule.style = telling::style(table);
    rule.stuck = telling::stuck(table);
    rule.continues = table.switch("continue").is_none_or(|at| at.value);
    table.finish();
    let Some(name) = name else {
        if !table.has("name") {
            table.reading.problem(line, "a rule has no name: give it one, like name = \"vision\"");
        }
        return None;
    };
    check_name(table, &name);
    Some((FileRule { rule, line, destination }, name))
}

fn check_name(table: &Table<'_>, name: &At<String>) {
    let text = name.value.trim();
    let problem = match text {
        "" => "is empty",
        _ if text.chars().any(char::is_control) => "has control characters in it",
        _ if text.chars().count() > LONGEST_NAME => "is longer than 60 characters",
        _ => return,
    };
    table.refuse::<_, ()>(name, &name.value, problem, "give the rule a short name, like \"vision\"");
}

fn destination(table: &Table<'_>) -> FileDestination {
    let channel = table.text("channel").map(|at| checked_channel(table, at));
    let slack_webhook = table.text("slack_webhook");
    let webhook = table.text("webhook");
    let owner = table.switch("owner").filter(|at| at.value);
    let given = [channel.as_ref().map(drop), slack_webhook.as_ref().map(drop), webhook.as_ref().map(drop)];
    let others = given.into_iter().flatten().count();
    let is_owner_alone = owner.is_some() && slack_webhook.is_none() && webhook.is_none();
    if others + usize::from(owner.is_some()) > 1 && !is_owner_alone {
        let told = "has several destinations: give one of channel, slack_webhook, webhook and owner = true (which may \
                    have a channel beside it, for tasks whose owner is not in Slack)";
        table.reading.problem(table.line, format!("{}it {told}", table.place("")));
    }
    match (owner, channel, slack_webhook, webhook) {
        (Some(_), channel, ..) => FileDestination::Owner(channel),
        (None, Some(channel), ..) => FileDestination::Channel(channel),
        (None, None, Some(name), _) => FileDestination::SlackWebhook(name.value),
        (None, None, None, Some(name)) => FileDestination::Webhook(name.value),
        (None, None, None, None) => FileDestination::Default,
    }
}

fn checked_channel(table: &Table<'_>, at: At<String>) -> String {
    let remedy = "write a name like \"#ml-alerts\", or the channel's ID (in Slack: the channel's details)";
    if let Some(problem) = channel_problem(at.value.trim()) {
        let shown = if problem == "is a Slack token" { "" } else { &at.value };
        table.refuse::<_, ()>(&at, shown, problem, remedy);
    }
    at.value.trim().to_owned()
}
