//! The rules: those of the config file, or the one that the command line describes.

use super::config_file::ConfigFile;
use super::defaults;
use super::error::SettingsError;
use super::flags::{AllFlags, RuleFlags};
use super::rule::{self, RuleSettings, resolve_rule};
use super::slack::{CHANNEL_REMEDY, resolve_channel};
use super::source::{Origin, Source};
use crate::domain::{Conditions, Destination, Outcome, ProjectFilter, Rule, UserFilter};

/// The rules to ask, in order. Users are named as the user wrote them, and projects are not looked up yet.
#[derive(Debug, Clone)]
pub struct RuleSet {
    /// The rules; never none.
    pub rules: Vec<Rule>,
    /// Whether they come from the config file.
    pub of_file: bool,
    /// Where each setting came from.
    pub origins: Vec<Origin>,
}

/// What to do where a rule's alerts have nowhere to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoChannel<'a> {
    /// It is an error.
    Refuse,
    /// Nothing is sent, and this stands for the channel.
    Call(&'a str),
}

/// Settles the rules. Fails where flags describe a rule and the file has some too, or where a value cannot be meant.
pub fn resolve_rules(flags: &AllFlags, file: &ConfigFile, no_channel: NoChannel<'_>) -> Result<RuleSet, SettingsError> {
    let channel = resolve_channel(&flags.slack, file)?;
    let channel = match (channel, no_channel) {
        (None, NoChannel::Call(name)) => Some(name.to_owned()),
        (channel, _) => channel,
    };
    if file.rules().is_empty() {
        let missing = SettingsError::Missing { what: "the Slack channel", remedy: CHANNEL_REMEDY };
        let settings = resolve_rule(&flags.rule)?;
        let rule = rule_of_flags(&settings, &channel.ok_or(missing)?);
        return Ok(RuleSet { rules: vec![rule], of_file: false, origins: settings.origins });
    }
    if let (Some(flag), Some(first)) = (given(&flags.rule), file.rules().first()) {
        return Err(SettingsError::Contradiction {
            first: Source::Flag(flag),
            second: file.source(first.line, format!("rule `{}`", first.rule.name)),
            remedy: "flags about tasks describe a rule of their own; write it into the file instead, or leave the file out",
        });
    }
    let mut rules = Vec::new();
    let mut origins = Vec::new();
    for each in file.rules() {
        let rule = each.settled(channel.as_deref()).ok_or_else(|| SettingsError::Rule {
            path: file.path().unwrap_or(std::path::Path::new("")).to_owned(),
            line: each.line,
            told: format!("rule `{}` says not where its alerts go", each.rule.name),
            remedy: "give it channel, slack_webhook or webhook, or set channel in [slack] for all rules that name none",
        })?;
        let source = file.source(each.line, format!("rule `{}`", rule.name));
        origins.push(Origin::new("rule", rule.in_words(), source));
        rules.push(rule);
    }
    Ok(RuleSet { rules, of_file: true, origins })
}

/// A flag that describes a rule and says something else than nothing, if there is one.
fn given(flags: &RuleFlags) -> Option<&'static str> {
    let is_text = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let least = defaults::MIN_ITERATIONS.to_string();
    let is_on = |switch: Option<bool>| switch.unwrap_or_default();
    let all = [
        ("--message-prefix", is_text(&flags.message_prefix)),
        ("--min-num-iterations", flags.min_num_iterations.as_ref().is_some_and(|text| text.trim() != least)),
        ("--project", is_text(&flags.project)),
        ("--include-manual-experiments", is_on(flags.include_manual_experiments)),
        ("--include-completed-experiments", is_on(flags.include_completed_experiments)),
        ("--include-aborted-experiments", is_on(flags.include_aborted_experiments)),
        ("--include-archived", is_on(flags.include_archived)),
        ("--include-users", !flags.include_users.is_empty()),
        ("--exclude-users", !flags.exclude_users.is_empty()),
    ];
    all.into_iter().find(|(_, is_given)| *is_given).map(|(flag, _)| flag)
}

/// The rule that the command line describes.
fn rule_of_flags(settings: &RuleSettings, channel: &str) -> Rule {
    let outcomes = [
        Some(Outcome::Failed),
        settings.include_completed.then_some(Outcome::Completed),
        settings.include_aborted.then_some(Outcome::Stopped),
    ];
    let projects = settings.project_pattern.as_ref().map(ProjectFilter::matching).unwrap_or_default();
    let users = match &settings.users {
        rule::UserFilter::Everyone => UserFilter::Everyone,
        rule::UserFilter::Only(users) => UserFilter::Only(users.iter().cloned().collect()),
        rule::UserFilter::Except(users) => UserFilter::Except(users.iter().cloned().collect()),
    };
    let mut rule = Rule::new(Rule::DEFAULT_NAME, Destination::Channel(channel.to_owned()));
    rule.conditions = Conditions {
        outcomes: outcomes.into_iter().flatten().collect(),
        projects,
        users,
        min_iterations: settings.min_iterations,
        include_manual: settings.include_manual,
        include_archived: settings.include_archived,
        ..Conditions::default()
    };
    rule.style.prefix = Some(settings.message_prefix.clone()).filter(|prefix| !prefix.is_empty());
    rule
}
