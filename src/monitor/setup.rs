//! What must be right before a monitor starts: users resolved, projects
//! found, Slack ready.

use std::collections::{HashMap, HashSet};

use super::deliver::is_channel_id;
use super::error::MonitorError;
use super::projects::bad_pattern;
use crate::clearml::Client;
use crate::domain::{Named, ProjectPattern, Rule, UserFilter};
use crate::slack;

/// Turns the user names of rules into IDs by the server's list, which is asked for once and only where a rule names users.
/// A name that the server does not know is kept as it stands, taken for an ID, and returned for a warning.
pub async fn resolve_users(clearml: &Client, rules: &mut [Rule]) -> Result<Vec<String>, MonitorError> {
    if rules.iter().all(|rule| rule.conditions.users == UserFilter::Everyone) {
        return Ok(Vec::new());
    }
    let known = clearml.users().await?;
    let mut unknown = Vec::new();
    for rule in rules {
        let users = std::mem::replace(&mut rule.conditions.users, UserFilter::Everyone);
        let (users, own_unknown) = by_the_list(&known, users);
        rule.conditions.users = users;
        unknown.extend(own_unknown);
    }
    unknown.sort_unstable();
    unknown.dedup();
    Ok(unknown)
}

fn by_the_list(known: &[crate::clearml::User], users: UserFilter) -> (UserFilter, Vec<String>) {
    let (wanted, build): (_, fn(HashSet<String>) -> UserFilter) = match users {
        UserFilter::Everyone => return (UserFilter::Everyone, Vec::new()),
        UserFilter::Only(wanted) => (wanted, UserFilter::Only),
        UserFilter::Except(wanted) => (wanted, UserFilter::Except),
    };
    let mut by_name: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut ids = HashSet::new();
    for user in known {
        by_name.entry(&user.name).or_default().push(&user.id);
        ids.insert(user.id.as_str());
    }
    let mut resolved = HashSet::new();
    let mut unknown = Vec::new();
    for entry in wanted {
        match by_name.get(entry.as_str()) {
            Some(found) => resolved.extend(found.iter().map(|id| (*id).to_owned())),
            None if ids.contains(entry.as_str()) => {}
            None => unknown.push(entry.clone()),
        }
        resolved.insert(entry);
    }
    (build(resolved), unknown)
}

/// The projects that `pattern` names, as a rule means it; none is no error.
pub async fn find_projects(
    pattern: &ProjectPattern,
    hidden: bool,
    clearml: &Client,
) -> Result<Vec<Named>, MonitorError> {
    let (text, hidden) = match pattern {
        ProjectPattern::Exact(name) => (format!("^{}$", regex::escape(name)), true),
        ProjectPattern::Subtree(name) => (format!("^{}(/.*)?$", regex::escape(name)), true),
        ProjectPattern::Regex(regex) => (regex.pattern.clone(), hidden),
    };
    clearml.projects_matching(&text, hidden).await.map_err(|error| bad_pattern(error, &text, clearml))
}

/// Tests the token, and looks for the channel: by name, or by ID where the token may look. Posts nothing and joins
/// nothing. Returns the ID of a channel that was given by name.
pub async fn check_slack(slack: &slack::Client, channel: &str) -> Result<Option<String>, MonitorError> {
    slack.auth_test().await?;
    if is_channel_id(channel) {
        return check_channel_id(slack, channel).await.map(|()| None);
    }
    match slack.find_channel(channel).await? {
        Some(found) => Ok(Some(found.id)),
        None => Err(not_found(slack, channel).await),
    }
}

/// Why no living channel of this name was found: one that is archived has a way out of its own.
pub(super) async fn not_found(slack: &slack::Client, channel: &str) -> MonitorError {
    let channel = channel.to_owned();
    match slack.find_archived_channel(&channel).await {
        Ok(Some(_)) => MonitorError::ArchivedChannel { channel },
        Ok(None) | Err(_) => MonitorError::NoChannel { channel },
    }
}

/// An ID that Slack does not know, or of an archived channel, is refused. A token that may post may still not be allowed
/// to look: then only the first alert can tell.
async fn check_channel_id(slack: &slack::Client, id: &str) -> Result<(), MonitorError> {
    match slack.channel_info(id).await {
        Ok(channel) if channel.is_archived => Err(MonitorError::ArchivedChannel { channel: id.to_owned() }),
        Err(error) if error.code.as_deref() == Some("channel_not_found") => {
            Err(MonitorError::NoChannel { channel: id.to_owned() })
        }
        Ok(_) | Err(_) => Ok(()),
    }
}
