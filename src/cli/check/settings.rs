//! The settings and where each came from; what cannot be settled is an item of its own, and the rest goes on.

use super::item::{Area, Item};
use crate::cli::arguments::CheckArguments;
use crate::domain::Destination;
use crate::settings::{
    self, AllFlags, ClearmlSettings, ConfigFile, DatabaseSettings, DestinationSettings, Environment, NoChannel, Origin,
    RuleSet, ServiceSettings, SettingsError, SlackAccess, Source,
};

/// The settings as far as they could be settled.
pub(super) struct Settled {
    pub clearml: Option<ClearmlSettings>,
    pub slack: Option<SlackAccess>,
    /// The channels of Slack that rules tell in.
    pub channels: Vec<String>,
    pub rules: Option<RuleSet>,
    /// What the names of destinations mean, as far as that could be settled.
    pub destinations: DestinationSettings,
    pub service: Option<ServiceSettings>,
    pub database: Option<DatabaseSettings>,
}

/// Settles every part by itself.
pub(super) fn settle(arguments: &CheckArguments, environment: &dyn Environment) -> (Settled, Vec<Item>) {
    let flags = &arguments.flags;
    let mut items = Vec::new();
    let file = config_file(flags, environment, &mut items);
    let clearml =
        part("ClearML", settings::resolve_clearml(environment, &file), environment, &mut items, |part| &part.origins);
    for warning in clearml.iter().flat_map(|clearml| &clearml.warnings) {
        items.push(Item::warning(Area::Settings, "clearml.conf", warning, "correct the file; the rest of it is used"));
    }
    if let Some(clearml) = &clearml {
        items.extend(web_address(clearml));
    }
    let slack = slack(flags, environment, &file, &mut items);
    let destinations = settings::resolve_destinations(&file, environment);
    let destinations = part("destinations", destinations, environment, &mut items, |(_, origins)| origins);
    let destinations = destinations.map(|(settings, _)| settings).unwrap_or_default();
    let rules = rules(flags, environment, &file, &mut items);
    let channels = rules.as_ref().map(|set| slack_channels(&set.rules)).unwrap_or_default();
    let service = settings::resolve_service(&flags.service, &file).map(|service| shown_as_a_task(service, arguments));
    let service = part("service", service, environment, &mut items, |part| &part.origins);
    let web = settings::resolve_web(&arguments.web, environment, &file);
    part("watching", web, environment, &mut items, |part| &part.origins);
    let database = settings::resolve_database(&flags.database, environment, &file);
    let database = part("database", database, environment, &mut items, |part| &part.origins);
    (Settled { clearml, slack, channels, rules, destinations, service, database }, items)
}

/// With what the command line says of the monitor's own task in ClearML, which is a word for `run` alone.
fn shown_as_a_task(mut service: ServiceSettings, arguments: &CheckArguments) -> ServiceSettings {
    let origin = service.origins.iter_mut().find(|origin| origin.setting == "clearml_task");
    if let (Some(hidden), Some(origin)) = (arguments.register.no_clearml_task, origin) {
        (origin.shown, origin.source) = ((!hidden).to_string(), Source::Flag("--no-clearml-task"));
    }
    service
}

/// The config file; of a broken one, the settings that can be understood, so that the rest can be looked at.
fn config_file(flags: &AllFlags, environment: &dyn Environment, items: &mut Vec<Item>) -> ConfigFile {
    let file = match ConfigFile::load(&flags.database, environment) {
        Ok(file) => file,
        Err(SettingsError::Config(errors)) => {
            items.extend(errors.problems.iter().map(|problem| {
                let found = format!("{}:{}: {}", errors.path.display(), problem.line, problem.told);
                let (found, mend) = found.rsplit_once(": ").unwrap_or((&found, "correct the file there"));
                Item::failed(Area::Settings, "config_file", found, mend)
            }));
            return ConfigFile::default();
        }
        Err(error) => {
            items.push(Item::settings_error("config_file", &error));
            return ConfigFile::default();
        }
    };
    if let Some(path) = file.path() {
        let rules = crate::domain::message::words::count(file.rules().len(), "rule");
        items.push(Item::ok(Area::Settings, "config_file", format!("{} ({rules})", path.display())));
    }
    for warning in file.warnings() {
        let (found, mend) = warning.rsplit_once(": ").unwrap_or((warning, ""));
        items.push(Item::warning(Area::Settings, "config_file", found, mend));
    }
    file
}

fn slack(
    flags: &AllFlags,
    environment: &dyn Environment,
    file: &ConfigFile,
    items: &mut Vec<Item>,
) -> Option<SlackAccess> {
    match settings::resolve_slack(&flags.slack, environment, file) {
        Ok(slack) => {
            show(&slack.origins, environment, items);
            Some(SlackAccess { token: slack.token, base_url: slack.base_url, origins: Vec::new() })
        }
        Err(error) => {
            let access = settings::resolve_slack_access(&flags.slack, environment, file);
            let channel = settings::resolve_channel(&flags.slack, file);
            let told =
                [access.as_ref().err().map(ToString::to_string), channel.as_ref().err().map(ToString::to_string)];
            if !told.iter().flatten().any(|told| *told == error.to_string()) {
                items.push(Item::settings_error("slack", &error));
            }
            part("channel", channel, environment, items, |_| &[]);
            part("slack", access, environment, items, |part| &part.origins)
        }
    }
}

/// The rules. A channel that is missing does not hide what they ask.
fn rules(flags: &AllFlags, environment: &dyn Environment, file: &ConfigFile, items: &mut Vec<Item>) -> Option<RuleSet> {
    if settings::resolve_channel(&flags.slack, file).is_err() {
        // Told already; what the flags say of tasks is looked at nevertheless.
        return part("rule", settings::resolve_rules(flags, file, NoChannel::Call("")), environment, items, |part| {
            &part.origins
        });
    }
    match settings::resolve_rules(flags, file, NoChannel::Refuse) {
        Err(error @ (SettingsError::Missing { .. } | SettingsError::Rule { .. })) => {
            items.push(Item::settings_error("channel", &error));
            part("rule", settings::resolve_rules(flags, file, NoChannel::Call("")), environment, items, |part| {
                &part.origins
            })
        }
        set => part("rule", set, environment, items, |part| &part.origins),
    }
}

/// The channels of Slack that rules tell in, each once.
fn slack_channels(rules: &[crate::domain::Rule]) -> Vec<String> {
    let mut channels: Vec<String> = Vec::new();
    for rule in rules {
        if let Destination::Channel(channel) | Destination::Owner { fallback: channel } = &rule.destination
            && !channel.is_empty()
            && !channels.contains(channel)
        {
            channels.push(channel.clone());
        }
    }
    channels
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
