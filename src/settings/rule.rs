//! Which tasks are alerted: the one rule that the command line describes.

use super::defaults;
use super::error::SettingsError;
use super::flags::RuleFlags;
use super::source::{Found, Origin, Source};
use super::values::number;

/// Which tasks are alerted. Failed tasks always are; everything else is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
pub struct RuleSettings {
    /// Text in front of each alert; may mention people, since it comes from our own configuration. Empty is none.
    pub message_prefix: String,
    /// Tasks with fewer iterations are left out. Not negative.
    pub min_iterations: i64,
    /// A regular expression of ClearML's for project names; none is all projects.
    pub project_pattern: Option<String>,
    /// Tasks run by hand (system tag `development`) too.
    pub include_manual: bool,
    /// Completed tasks too.
    pub include_completed: bool,
    /// Aborted tasks too.
    pub include_aborted: bool,
    /// Archived tasks too.
    pub include_archived: bool,
    /// Whose tasks.
    pub users: UserFilter,
    /// Where each of these came from.
    pub origins: Vec<Origin>,
}

/// Whose tasks are alerted. Users are names or IDs, as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserFilter {
    /// Everyone's.
    Everyone,
    /// Only theirs; never empty.
    Only(Vec<String>),
    /// All but theirs; never empty.
    Except(Vec<String>),
}

/// Settles which tasks are alerted. Fails where a value cannot be meant, or two exclude each other.
pub fn resolve_rule(flags: &RuleFlags) -> Result<RuleSettings, SettingsError> {
    let mut origins = Vec::new();
    let default_iterations = defaults::MIN_ITERATIONS.to_string();
    let iterations = match &flags.min_num_iterations {
        Some(text) => Found::flag("--min-num-iterations", text),
        None => Found::default(&default_iterations),
    };
    let min_iterations = number(&iterations, &defaults::ITERATIONS_RANGE, "whole number")?;
    let message_prefix = text("message_prefix", "--message-prefix", flags.message_prefix.as_ref(), &mut origins);
    refuse_long_prefix(&message_prefix)?;
    let project = text("project", "--project", flags.project.as_ref(), &mut origins);
    origins.push(Origin::new("min_num_iterations", min_iterations, iterations.source));
    let mut switch = |setting, flag, given: Option<bool>| {
        origins.push(Origin::new(setting, given.unwrap_or_default(), flag_or_default(flag, given.is_some())));
        given.unwrap_or_default()
    };
    let [manual, completed] = [flags.include_manual_experiments, flags.include_completed_experiments];
    let [aborted, archived] = [flags.include_aborted_experiments, flags.include_archived];
    Ok(RuleSettings {
        message_prefix,
        min_iterations,
        project_pattern: Some(project).filter(|pattern| !pattern.is_empty()),
        include_manual: switch("include_manual_experiments", "--include-manual-experiments", manual),
        include_completed: switch("include_completed_experiments", "--include-completed-experiments", completed),
        include_aborted: switch("include_aborted_experiments", "--include-aborted-experiments", aborted),
        include_archived: switch("include_archived", "--include-archived", archived),
        users: users(flags, &mut origins)?,
        origins,
    })
}

/// A prefix that had to be cut could lose the end of a mention.
fn refuse_long_prefix(prefix: &str) -> Result<(), SettingsError> {
    let (place, longest) = (Source::Flag("--message-prefix"), defaults::PREFIX_CHARACTERS);
    if prefix.encode_utf16().count() <= longest {
        return Ok(());
    }
    let (problem, remedy) = (format!("is longer than {longest} characters"), "shorten it".to_owned());
    Err(SettingsError::invalid(&place, prefix, problem, remedy))
}

fn flag_or_default(flag: &'static str, given: bool) -> Source {
    if given { Source::Flag(flag) } else { Source::Default }
}

fn text(setting: &'static str, flag: &'static str, given: Option<&String>, origins: &mut Vec<Origin>) -> String {
    let text = given.cloned().unwrap_or_default();
    let shown = if text.is_empty() { "(none)" } else { &text };
    origins.push(Origin::new(setting, shown, flag_or_default(flag, given.is_some())));
    text
}

fn users(flags: &RuleFlags, origins: &mut Vec<Origin>) -> Result<UserFilter, SettingsError> {
    let (include, exclude) = (Source::Flag("--include-users"), Source::Flag("--exclude-users"));
    match (flags.include_users.as_slice(), flags.exclude_users.as_slice()) {
        ([], []) => {
            origins.push(Origin::new("include_users", "everyone", Source::Default));
            Ok(UserFilter::Everyone)
        }
        (only, []) => {
            origins.push(Origin::new("include_users", only.join(", "), include.clone()));
            user_names(&include, only).map(UserFilter::Only)
        }
        ([], except) => {
            origins.push(Origin::new("exclude_users", except.join(", "), exclude.clone()));
            user_names(&exclude, except).map(UserFilter::Except)
        }
        (_, _) => {
            let remedy = "name the users to watch, or the users to leave out, not both";
            Err(SettingsError::Contradiction { first: include, second: exclude, remedy })
        }
    }
}

fn user_names(place: &Source, users: &[String]) -> Result<Vec<String>, SettingsError> {
    let user_name = |user: &String| match user.trim() {
        "" => {
            Err(SettingsError::invalid(place, user, "names nobody", "give a user's name or ID, or leave the flag out"))
        }
        name => Ok(name.to_owned()),
    };
    users.iter().map(user_name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(flags: &RuleFlags) -> String {
        resolve_rule(flags).unwrap_err().to_string()
    }

    fn named(users: &[&str]) -> Vec<String> {
        users.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn by_default_failed_tasks_of_everyone_run_by_agents_and_not_archived() {
        let rule = resolve_rule(&RuleFlags::default()).unwrap();
        assert_eq!((rule.min_iterations, rule.project_pattern.as_deref(), rule.message_prefix.as_str()), (0, None, ""));
        let included = [rule.include_manual, rule.include_completed, rule.include_aborted, rule.include_archived];
        assert_eq!(included, [false; 4]);
        assert_eq!(rule.users, UserFilter::Everyone);
        assert!(rule.origins.iter().all(|origin| origin.source == Source::Default));
    }

    #[test]
    fn each_flag_reaches_its_setting() {
        let rule = resolve_rule(&RuleFlags {
            message_prefix: Some("Hey <!here>,".to_owned()),
            min_num_iterations: Some("100".to_owned()),
            project: Some("a/b".to_owned()),
            include_manual_experiments: Some(true),
            include_completed_experiments: Some(false),
            include_aborted_experiments: Some(true),
            include_archived: Some(false),
            include_users: named(&["alice", " Doe, John "]),
            exclude_users: Vec::new(),
        })
        .unwrap();
        assert_eq!((rule.message_prefix.as_str(), rule.min_iterations), ("Hey <!here>,", 100));
        assert_eq!(rule.project_pattern.as_deref(), Some("a/b"));
        let included = [rule.include_manual, rule.include_completed, rule.include_aborted, rule.include_archived];
        assert_eq!(included, [true, false, true, false]);
        assert_eq!(rule.users, UserFilter::Only(named(&["alice", "Doe, John"])));
        assert!(rule.origins.iter().all(|origin| origin.source != Source::Default), "{:?}", rule.origins);
    }

    #[test]
    fn a_prefix_that_would_have_to_be_cut_is_refused() {
        let with = |length| RuleFlags { message_prefix: Some("x".repeat(length)), ..RuleFlags::default() };
        assert_eq!(resolve_rule(&with(1_000)).unwrap().message_prefix.len(), 1_000);
        let told = refused(&with(1_001));
        assert!(told.starts_with("--message-prefix is `xxx") && told.contains("longer than 1000 characters"), "{told}");
    }

    #[test]
    fn an_empty_project_is_all_projects() {
        let flags = RuleFlags { project: Some(String::new()), ..RuleFlags::default() };
        assert_eq!(resolve_rule(&flags).unwrap().project_pattern, None);
    }

    #[test]
    fn users_are_included_or_excluded_and_never_nobody() {
        let exclude = RuleFlags { exclude_users: named(&["bob"]), ..RuleFlags::default() };
        assert_eq!(resolve_rule(&exclude).unwrap().users, UserFilter::Except(named(&["bob"])));
        let both = RuleFlags { include_users: named(&["alice"]), ..exclude };
        assert!(refused(&both).starts_with("--include-users and --exclude-users are both given"));
        let nobody = RuleFlags { include_users: named(&["alice", " "]), ..RuleFlags::default() };
        assert!(refused(&nobody).starts_with("--include-users is ` `, which names nobody"));
    }

    #[test]
    fn iterations_are_a_whole_number_and_not_negative() {
        for text in ["-1", "1.5", "many", "", "99999999999999999999"] {
            let told = refused(&RuleFlags { min_num_iterations: Some(text.to_owned()), ..RuleFlags::default() });
            assert!(told.starts_with("--min-num-iterations is `"), "{told}");
        }
    }
}
