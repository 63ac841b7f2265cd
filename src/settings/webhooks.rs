//! What the names of destinations mean, by the config file: addresses and keys fetched from where it says they are.

use secrecy::ExposeSecret;

use super::config_file::ConfigFile;
use super::destinations::{DestinationSettings, SlackWebhook, Webhook};
use super::environment::Environment;
use super::error::SettingsError;
use super::source::Origin;

/// Settles the webhooks and who is who at Slack. Fails where an address or a key cannot be had, or can be none.
pub fn resolve_destinations(
    file: &ConfigFile,
    environment: &dyn Environment,
) -> Result<(DestinationSettings, Vec<Origin>), SettingsError> {
    let mut settings = DestinationSettings { users: file.users().clone(), ..DestinationSettings::default() };
    let mut origins = Vec::new();
    for (name, place) in file.slack_webhooks() {
        let (url, source) = place.fetch(environment)?;
        settings.slack_webhooks.insert(name.clone(), SlackWebhook::new(url.expose_secret(), &source)?);
        origins.push(Origin::secret("slack_webhook", source));
    }
    for described in file.webhooks() {
        let (url, source) = described.url.fetch(environment)?;
        let mut webhook = Webhook::new(url.expose_secret(), &source)?.within(described.timeout, &source)?;
        origins.push(Origin::secret("webhook", source));
        if let Some(place) = &described.secret {
            let (key, source) = place.fetch(environment)?;
            webhook = webhook.signed(key.expose_secret(), &source)?;
            origins.push(Origin::secret("webhook_secret", source));
        }
        for (name, value, source) in &described.headers {
            webhook = webhook.with_header(name, value.expose_secret(), source)?;
        }
        settings.webhooks.insert(described.name.clone(), webhook);
    }
    Ok((settings, origins))
}
