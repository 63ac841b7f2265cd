//! `[slack.users]`, `[slack.webhooks.NAME]` and `[webhooks.NAME]`: whom Slack knows by which name, and addresses that are
//! secrets.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;

use super::problem::shown;
use super::secrets::{SecretKeys, SecretPlace};
use super::table::Table;
use crate::settings::destinations::{UserMap, Webhook};
use crate::settings::error::SettingsError;
use crate::settings::source::Source;

const URL: SecretKeys = SecretKeys { written: "url", variable: "url_env", file: "url_file" };
const SECRET: SecretKeys = SecretKeys { written: "secret", variable: "secret_env", file: "secret_file" };

/// A generic webhook as the file describes it.
#[derive(Debug, Clone)]
pub struct FileWebhook {
    /// Its name: part of its alerts' lane.
    pub name: String,
    pub(in crate::settings) url: SecretPlace,
    pub(in crate::settings) secret: Option<SecretPlace>,
    /// Sent with every request; the values may be secrets.
    pub(in crate::settings) headers: Vec<(String, SecretString, Source)>,
    /// How long it may take to answer.
    pub timeout: Duration,
}

/// Whom Slack knows by which ID or e-mail, by the name or ID that ClearML knows them by.
pub(super) fn users(slack: &Table<'_>, path: &Path) -> UserMap {
    let mut users = UserMap::default();
    let Some(table) = slack.table("users") else { return users };
    for (user, at) in table.named_texts() {
        if users.insert(&user, &at.value, &at.source(path)).is_err() {
            let remedy = "write a member ID (in Slack: the profile, Copy member ID) or an e-mail address";
            table.refuse::<_, ()>(&at, "", "is neither a Slack user's ID nor an e-mail address", remedy);
        }
    }
    users
}

/// Slack's incoming webhooks by name.
pub(super) fn slack(slack: &Table<'_>, path: &Path) -> BTreeMap<String, SecretPlace> {
    let Some(table) = slack.table("webhooks") else { return BTreeMap::new() };
    let mut webhooks = BTreeMap::new();
    for (name, webhook) in table.named_tables() {
        let url = url(&name, &webhook, path);
        webhook.finish();
        webhooks.extend(url.map(|url| (name, url)));
    }
    webhooks
}

/// Generic webhooks.
pub(super) fn generic(table: &Table<'_>, path: &Path) -> Vec<FileWebhook> {
    let mut webhooks = Vec::new();
    for (name, webhook) in table.named_tables() {
        let url = url(&name, &webhook, path);
        let secret = SecretPlace::read(&webhook, &SECRET, path);
        let headers = webhook.table("headers").map(|headers| self::headers(&headers, path)).unwrap_or_default();
        let timeout = timeout(&webhook);
        webhook.finish();
        webhooks.extend(url.map(|url| FileWebhook { name, url, secret, headers, timeout }));
    }
    webhooks
}

fn url(name: &str, webhook: &Table<'_>, path: &Path) -> Option<SecretPlace> {
    let line = webhook.line;
    let is_name =
        !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
    if !is_name {
        let told = format!("the webhook's name `{}` is none: write letters, digits, - and _", shown(name));
        webhook.reading.problem(line, told);
    }
    let url = SecretPlace::read(webhook, &URL, path);
    let is_given = ["url", "url_env", "url_file"].iter().any(|key| webhook.has(key));
    if url.is_none() && !is_given {
        webhook.reading.problem(line, format!("{} is not set: give url_env, url_file, or url", webhook.place("url")));
    }
    url
}

fn headers(table: &Table<'_>, path: &Path) -> Vec<(String, SecretString, Source)> {
    let mut headers = Vec::new();
    for (name, at) in table.named_texts() {
        let source = at.source(path);
        let tried = Webhook::new("https://example.com", &source)
            .and_then(|webhook| webhook.with_header(&name, &at.value, &source));
        if let Err(error) = tried {
            let told = match error {
                SettingsError::Invalid { problem, remedy, .. } => format!("{problem}: {remedy}"),
                SettingsError::InvalidSecret { problem, remedy, .. } => format!("{problem}: {remedy}"),
                other => other.to_string(),
            };
            table.reading.problem(at.line, format!("{} {told}", at.place));
        }
        headers.push((name, SecretString::from(at.value), source));
    }
    headers
}

fn timeout(webhook: &Table<'_>) -> Duration {
    let Some(at) = webhook.duration("timeout") else { return Webhook::TIMEOUT };
    if at.value.is_zero() || at.value > Webhook::LONGEST_TIMEOUT {
        let told = crate::settings::time::format_duration(at.value);
        webhook.refuse::<_, ()>(&at, &told, "is out of range", "write more than 0s and at most 1m");
    }
    at.value
}
