//! The settings and where each came from; what cannot be settled is an item of its own, and the rest goes on.

use super::item::{Area, Item};
use crate::settings::{
    self, AllFlags, ClearmlSettings, DatabaseSettings, Environment, Origin, RuleSettings, ServiceSettings,
    SettingsError, SlackAccess,
};

/// The settings as far as they could be settled.
pub(super) struct Settled {
    pub clearml: Option<ClearmlSettings>,
    pub slack: Option<SlackAccess>,
    pub channel: Option<String>,
    pub rule: Option<RuleSettings>,
    pub service: Option<ServiceSettings>,
    pub database: Option<DatabaseSettings>,
}

/// Settles every part by itself.
pub(super) fn settle(flags: &AllFlags, environment: &dyn Environment) -> (Settled, Vec<Item>) {
    let mut items = Vec::new();
    let clearml =
        part("ClearML", settings::resolve_clearml(environment), environment, &mut items, |part| &part.origins);
    for warning in clearml.iter().flat_map(|clearml| &clearml.warnings) {
        items.push(Item::warning(Area::Settings, "clearml.conf", warning, "correct the file; the rest of it is used"));
    }
    if let Some(clearml) = &clearml {
        items.extend(web_address(clearml));
    }
    let whole = settings::resolve_slack(&flags.slack, environment);
    let (slack, channel) = match whole {
        Ok(slack) => {
            show(&slack.origins, environment, &mut items);
            let (token, base_url) = (slack.token, slack.base_url);
            (Some(SlackAccess { token, base_url, origins: Vec::new() }), Some(slack.channel))
        }
        Err(error) => {
            let access = settings::resolve_slack_access(&flags.slack, environment);
            let channel = settings::resolve_channel(&flags.slack);
            let told =
                [access.as_ref().err().map(ToString::to_string), channel.as_ref().err().map(ToString::to_string)];
            let is_told = told.iter().flatten().any(|told| *told == error.to_string());
            if !is_told {
                items.push(Item::settings_error("slack", &error));
            }
            let channel = part("channel", channel, environment, &mut items, |_| &[]);
            (part("slack", access, environment, &mut items, |part| &part.origins), channel)
        }
    };
    let rule = part("rule", settings::resolve_rule(&flags.rule), environment, &mut items, |part| &part.origins);
    let service =
        part("service", settings::resolve_service(&flags.service), environment, &mut items, |part| &part.origins);
    let database = settings::resolve_database(&flags.database, environment);
    let database = part("database", database, environment, &mut items, |part| &part.origins);
    (Settled { clearml, slack, channel, rule, service, database }, items)
}

fn part<T>(
    name: &str,
    settled: Result<T, SettingsError>,
    environment: &dyn Environment,
    items: &mut Vec<Item>,
    origins: impl Fn(&T) -> &[Origin],
) -> Option<T> {
    match settled {
        Ok(settled) => {
            show(origins(&settled), environment, items);
            Some(settled)
        }
        Err(error) => {
            items.push(Item::settings_error(name, &error));
            None
        }
    }
}

fn show(origins: &[Origin], environment: &dyn Environment, items: &mut Vec<Item>) {
    let line =
        |origin: &Origin| Item::ok(Area::Settings, origin.setting, format!("{} ({})", origin.shown, origin.source));
    items.extend(origins.iter().map(line));
    for exposed in settings::exposed_secrets(origins, environment) {
        let found = format!("{} can be read by every user of this machine", exposed.place);
        items.push(Item::warning(Area::Settings, exposed.setting, found, exposed.remedy));
    }
}

fn web_address(clearml: &ClearmlSettings) -> Option<Item> {
    let mend = "set CLEARML_WEB_HOST, or api.web_server in clearml.conf, to the address of ClearML's pages";
    let found = "unknown, so alerts carry no links";
    clearml.web.is_none().then(|| Item::warning(Area::Settings, "web_server", found, mend))
}
