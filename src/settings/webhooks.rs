//! The webhooks of the config file, their addresses and secrets fetched from where it says they are.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::config_file::ConfigFile;
use super::environment::Environment;
use super::error::SettingsError;
use super::source::{Origin, Source};
use super::values::secret;

/// A Slack incoming webhook.
#[derive(Debug, Clone)]
pub struct SlackWebhook {
    /// Its name in the file: part of its alerts' lane.
    pub name: String,
    /// Where it is posted to; whoever knows it can post.
    pub url: SecretString,
}

/// A generic webhook.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Its name in the file: part of its alerts' lane.
    pub name: String,
    /// Where it is posted to; it may hold a token.
    pub url: SecretString,
    /// What its requests are signed with.
    pub secret: Option<SecretString>,
    /// Sent with every request.
    pub headers: Vec<(String, SecretString)>,
    /// How long it may take to answer.
    pub timeout: Duration,
}

/// Every webhook.
#[derive(Debug, Clone, Default)]
pub struct WebhookSettings {
    /// Slack's incoming ones.
    pub slack: Vec<SlackWebhook>,
    /// Generic ones.
    pub generic: Vec<Webhook>,
    /// Where each came from.
    pub origins: Vec<Origin>,
}

/// Settles the webhooks. Fails where an address or a secret cannot be had, or can be none.
pub fn resolve_webhooks(file: &ConfigFile, environment: &dyn Environment) -> Result<WebhookSettings, SettingsError> {
    let mut settings = WebhookSettings::default();
    for (name, place) in file.slack_webhooks() {
        let (found, source) = place.fetch(environment)?;
        let url = address(&found, &source)?;
        settings.origins.push(Origin::secret("slack_webhook", source));
        settings.slack.push(SlackWebhook { name: name.clone(), url });
    }
    for webhook in file.webhooks() {
        let (found, source) = webhook.url.fetch(environment)?;
        let url = address(&found, &source)?;
        settings.origins.push(Origin::secret("webhook", source));
        let signed = webhook.secret.as_ref().map(|place| {
            let (found, source) = place.fetch(environment)?;
            let key = secret(found.expose_secret(), &source)?;
            settings.origins.push(Origin::secret("webhook_secret", source));
            Ok(key)
        });
        settings.generic.push(Webhook {
            name: webhook.name.clone(),
            url,
            secret: signed.transpose()?,
            headers: webhook.headers.clone(),
            timeout: webhook.timeout,
        });
    }
    Ok(settings)
}

/// A web address that is a secret: nothing of it is told.
fn address(found: &SecretString, source: &Source) -> Result<SecretString, SettingsError> {
    let url = Url::parse(found.expose_secret().trim()).ok();
    match url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
        Some(url) => Ok(SecretString::from(String::from(url))),
        None => Err(SettingsError::InvalidSecret {
            place: source.clone(),
            problem: "is no web address",
            remedy: "give the whole address, beginning with https://",
        }),
    }
}
