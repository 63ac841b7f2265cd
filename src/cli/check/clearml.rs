//! ClearML: whether it answers, as whom, what is watched, and what an enqueued service would run on.

use std::time::Duration;

use super::item::{Area, Item};
use super::settings::Settled;
use crate::clearml::{ClearmlError, Client, Session};
use crate::cli::assemble;
use crate::cli::start::Context;
use crate::domain::message::words;
use crate::domain::{Named, ProjectPattern, Rule, Stamp, UserFilter};
use crate::monitor::{self, MonitorError};
use crate::settings::{RuleSet, ServiceSettings};

/// Clocks that differ by no more than this are as good as equal: the server's is known to the second.
const CLOCKS_AGREE: Duration = Duration::from_secs(5);
/// So many projects are named.
const NAMED: usize = 3;

pub(super) async fn look(settled: &Settled, context: &Context) -> Vec<Item> {
    let Some(settings) = &settled.clearml else { return Vec::new() };
    let client = match assemble::clearml_client(settings, context) {
        Ok(client) => client,
        Err(error) => {
            let mend = "correct the address, or install the certificate authorities (package ca-certificates)";
            return vec![Item::failed(Area::Clearml, "client", format!("{error:#}"), mend)];
        }
    };
    if let Err(error) = client.ping().await {
        return vec![Item::clearml_error("reachable", &error)];
    }
    let mut items = vec![Item::ok(Area::Clearml, "reachable", format!("{} answers", client.host()))];
    match client.login().await {
        Ok(session) => items.extend(logged_in(&session)),
        Err(error) => {
            items.push(Item::clearml_error("login", &error));
            return items;
        }
    }
    items.extend(clock(client.server_time(), context.clock.now()));
    if let Some(set) = &settled.rules {
        items.extend(projects(set, &client).await);
        items.extend(users(set, &client).await);
    }
    if let Some(service) = settled.service.as_ref().filter(|service| !service.local) {
        items.push(queue(service, &client).await);
    }
    items
}

pub(super) fn logged_in(session: &Session) -> Vec<Item> {
    let label = |named: &Option<Named>| named.as_ref().map_or("somebody", Named::label).to_owned();
    let login = format!("as {} of {}", label(&session.user), label(&session.company));
    let version = session.server_version.as_deref().unwrap_or("unknown");
    let api = session.api_version.as_deref().unwrap_or("unknown");
    vec![
        Item::ok(Area::Clearml, "login", login),
        Item::ok(Area::Clearml, "server_version", format!("{version}, API {api}")),
    ]
}

pub(super) fn clock(server: Option<Stamp>, ours: Stamp) -> Option<Item> {
    let server = server?;
    let apart = server.since(ours).max(ours.since(server));
    if apart <= CLOCKS_AGREE {
        return Some(Item::ok(Area::Clearml, "clock", format!("within {} s of the server's", CLOCKS_AGREE.as_secs())));
    }
    let side = if ours > server { "ahead of" } else { "behind" };
    let found = format!("this machine's is {} {side} the server's", words::duration(apart));
    let mend = "set the clocks (NTP); no alert is lost or doubled by it, but the times in history are off";
    Some(Item::warning(Area::Clearml, "clock", found, mend))
}

/// What each rule's patterns match.
async fn projects(set: &RuleSet, client: &Client) -> Vec<Item> {
    let mut items = Vec::new();
    for rule in &set.rules {
        let filter = &rule.conditions.projects;
        if filter.is_open() && !set.of_file {
            items.push(Item::ok(Area::Clearml, "projects", "no pattern: every project is watched"));
        }
        for pattern in filter.patterns() {
            let found = monitor::find_projects(pattern, rule.conditions.include_hidden, client).await;
            items.push(found_projects(&asked(pattern, rule, set.of_file), set.of_file, found));
        }
    }
    items
}

/// Who asks for a project, as the user wrote it.
fn asked(pattern: &ProjectPattern, rule: &Rule, of_file: bool) -> String {
    match pattern {
        _ if of_file => format!("rule `{}`: `{pattern}`", rule.name),
        ProjectPattern::Regex(regex) => format!("`{}`", regex.pattern),
        other => format!("`{other}`"),
    }
}

pub(super) fn found_projects(asked: &str, of_file: bool, found: Result<Vec<Named>, MonitorError>) -> Item {
    match found {
        Ok(found) if found.is_empty() => {
            let mend = if of_file {
                "patterns are compared with full project names, case-sensitive: correct it, or delete it from the rule"
            } else {
                "--project is a regular expression on full project names, case-sensitive: correct it, or leave it out to \
                 watch every project"
            };
            Item::failed(Area::Clearml, "projects", format!("{asked} matches none"), mend).by_the_user()
        }
        Ok(found) => {
            let names: Vec<&str> = found.iter().take(NAMED).map(Named::label).collect();
            let more = if found.len() > NAMED { ", …" } else { "" };
            let count = words::number(found.len());
            Item::ok(Area::Clearml, "projects", format!("{asked} matches {count}: {}{more}", names.join(", ")))
        }
        Err(MonitorError::BadPattern { message, .. }) => {
            let mend = if of_file {
                "write a regular expression of Python's after `re:`, or escape it with `\\`"
            } else {
                "write --project as a regular expression of Python's, or escape it with `\\`"
            };
            let found = format!("the server cannot read {asked}: {message}");
            Item::failed(Area::Clearml, "projects", found, mend).by_the_user()
        }
        Err(MonitorError::Clearml(error)) => Item::clearml_error("projects", &error),
        Err(error) => Item::failed(Area::Clearml, "projects", error.to_string(), "try again"),
    }
}

async fn users(set: &RuleSet, client: &Client) -> Vec<Item> {
    let wanted: Vec<(String, &String)> = set.rules.iter().flat_map(|rule| users_of(rule, set.of_file)).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let known = match client.users().await {
        Ok(known) => known,
        Err(error) => return vec![Item::clearml_error("users", &error)],
    };
    let is_known = |user: &String| known.iter().any(|each| each.name == *user || each.id == *user);
    wanted.iter().map(|(asked, user)| found_user(asked, user, is_known(user))).collect()
}

/// The users that a rule names, each with what names it.
fn users_of(rule: &Rule, of_file: bool) -> Vec<(String, &String)> {
    let (flag, key, users) = match &rule.conditions.users {
        UserFilter::Everyone => return Vec::new(),
        UserFilter::Only(users) => ("--include-users", "users", users),
        UserFilter::Except(users) => ("--exclude-users", "exclude_users", users),
    };
    let asked = if of_file { format!("rule `{}`: {key}", rule.name) } else { flag.to_owned() };
    let mut users: Vec<&String> = users.iter().collect();
    users.sort_unstable();
    users.into_iter().map(|user| (asked.clone(), user)).collect()
}

pub(super) fn found_user(flag: &str, user: &str, is_known: bool) -> Item {
    if is_known {
        return Item::ok(Area::Clearml, "users", format!("{flag} `{user}` is known"));
    }
    let found = format!("{flag} `{user}`: the server knows no user of this name or ID");
    Item::warning(
        Area::Clearml,
        "users",
        found,
        "write the name as ClearML's pages show it; until then it matches nobody",
    )
}

async fn queue(service: &ServiceSettings, client: &Client) -> Item {
    found_queue(&service.queue, client.agents_of_queue(&service.queue).await)
}

pub(super) fn found_queue(queue: &str, agents: Result<Option<Vec<String>>, ClearmlError>) -> Item {
    match agents {
        Ok(Some(agents)) if !agents.is_empty() => {
            Item::ok(Area::Clearml, "queue", format!("`{queue}` is served by {}", agents.join(", ")))
        }
        Ok(Some(_)) => {
            let found = format!("no agent takes tasks from `{queue}`, so an enqueued service would wait there");
            let mend = format!(
                "start one (clearml-agent daemon --services-mode --queue {queue}), or run the service here with --local"
            );
            Item::warning(Area::Clearml, "queue", found, mend)
        }
        Ok(None) => {
            let mend = "create it in ClearML (Orchestration, Queues), name another with --service-queue, or run the \
                        service here with --local";
            Item::warning(Area::Clearml, "queue", format!("there is no queue `{queue}`"), mend)
        }
        Err(error) => Item::clearml_error("queue", &error),
    }
}
