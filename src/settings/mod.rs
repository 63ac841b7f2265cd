//! What the user wants: from the own task's parameters (under an agent), flags, environment, config file and `clearml.conf`
//! to validated settings, in that order of precedence.
//! Nothing here talks to ClearML, Slack or the database, and nothing but [`ProcessEnvironment`] reads the process
//! environment.
//!
//! Settings come in parts, since no command needs them all: `history` asks only [`resolve_database`]. Each part carries
//! the origins of its values for `check`.

pub mod argv;
mod clearml;
pub mod clearml_conf;
pub mod config_file;
mod database;
pub mod defaults;
mod destinations;
mod environment;
mod error;
pub mod flags;
mod python;
mod rule;
mod rules;
mod secret_file;
mod service;
mod slack;
mod source;
mod task_flags;
mod task_parameters;
pub mod time;
mod values;
mod web;
mod webhooks;

pub use clearml::{ClearmlSettings, Credentials, resolve_clearml};
pub use config_file::ConfigFile;
pub use database::{DatabaseSettings, find_database, resolve_database};
pub use destinations::{DestinationSettings, SlackUser, SlackWebhook, UserMap, Webhook};
pub use environment::text as variable_text;
pub use environment::{Environment, MapEnvironment, ProcessEnvironment};
pub use error::SettingsError;
pub use flags::{AllFlags, Announce, DatabaseFlags, OnUnknown, RuleFlags, ServiceFlags, SlackFlags, WebFlags};
pub use rule::{RuleSettings, UserFilter, resolve_rule};
pub use rules::{NoChannel, RuleSet, resolve_rules};
pub use secret_file::{ExposedSecret, exposed_secrets};
pub use service::{ServiceSettings, resolve_service};
pub use slack::{SlackAccess, SlackSettings, check_slack_flags, resolve_channel, resolve_slack, resolve_slack_access};
pub use source::{HIDDEN, Origin, Source};
pub use task_flags::{EnqueueFlags, EnqueueSettings, ProgramSource, RegisterFlags, resolve_enqueue};
pub use task_parameters::{NotGiven, TaskParameter, apply_parameters, parameters_of};
pub use time::Since;
pub use values::{parse_switch, parse_verbosity};
pub use web::{Listen, Readers, WebSettings, resolve_web};
pub use webhooks::resolve_destinations;

/// Everything that a command that watches needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How ClearML is reached.
    pub clearml: ClearmlSettings,
    /// Where alerts go.
    pub slack: SlackSettings,
    /// Who hears of which tasks.
    pub rules: RuleSet,
    /// What the names of destinations mean.
    pub destinations: DestinationSettings,
    /// How the service runs.
    pub service: ServiceSettings,
    /// Where it remembers.
    pub database: DatabaseSettings,
    /// The config file, as it was read.
    pub file: ConfigFile,
}

impl Settings {
    /// Settles every part, what was typed first: a mistyped flag is told before a missing token is.
    pub fn resolve(flags: &AllFlags, environment: &dyn Environment) -> Result<Self, SettingsError> {
        let file = ConfigFile::load(&flags.database, environment)?;
        let service = resolve_service(&flags.service, &file)?;
        let rules = resolve_rules(flags, &file, NoChannel::Refuse)?;
        let mut slack = resolve_slack(&flags.slack, environment, &file)?;
        let (destinations, named) = resolve_destinations(&file, environment)?;
        let database = resolve_database(&flags.database, environment, &file)?;
        let clearml = resolve_clearml(environment, &file)?;
        slack.origins.extend(named);
        Ok(Self { clearml, slack, rules, destinations, service, database, file })
    }

    /// Settles every part for the monitor that runs as a ClearML task: the task's arguments win over the flags, and a
    /// database that nobody named is the task's own.
    pub fn resolve_as_task(
        flags: &AllFlags,
        task_id: &str,
        arguments: &[(String, String)],
        environment: &dyn Environment,
    ) -> Result<Self, SettingsError> {
        let mut flags = flags.clone();
        let parameters = apply_parameters(&mut flags, arguments)?;
        let file = ConfigFile::load(&flags.database, environment)?;
        if flags.slack.channel.is_none() && file.rules().is_empty() && file.value("slack.channel").is_none() {
            let remedy = "write the channel's name there, such as #ml-alerts, or its ID";
            return Err(SettingsError::invalid(&Source::Parameter("channel"), "", "names no channel", remedy));
        }
        let mut settings = Self::resolve(&flags, environment).map_err(|error| error.blaming(&parameters))?;
        settings.database.keep_to_task(task_id);
        Ok(settings)
    }

    /// Where every value came from, in the order in which `check` shows them.
    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        let parts = [
            &self.clearml.origins,
            &self.slack.origins,
            &self.rules.origins,
            &self.service.origins,
            &self.database.origins,
        ];
        parts.into_iter().flatten()
    }
}
