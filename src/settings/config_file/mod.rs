//! The config file: TOML with the settings of the service and any number of rules. Text in, checked values and rules out,
//! with the line of each; secrets are fetched from where it says they are, and only when they are needed.
//! Everything that is wrong is told at once, by line, with what to write instead.

mod conditions;
mod locate;
mod nearest;
mod problem;
mod projects;
mod quiet;
mod rules;
mod secrets;
mod sections;
mod table;
mod telling;
#[cfg(test)]
mod tests;
mod webhooks;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use toml::de::DeTable;

pub use problem::{ConfigErrors, Problem};
pub use rules::FileRule;
pub use webhooks::FileWebhook;

use super::destinations::UserMap;
use super::environment::Environment;
use super::error::SettingsError;
use super::flags::DatabaseFlags;
use super::source::{Found, Source};
use rules::FileDestination;
use secrets::SecretPlace;
use table::{Reading, Table};

/// What a config file says; one that is not there says nothing.
#[derive(Debug, Clone, Default)]
pub struct ConfigFile {
    path: Option<PathBuf>,
    /// Values of `[clearml]`, `[slack]` and `[service]` as they are written, by dotted path.
    values: BTreeMap<&'static str, Found>,
    redact: Vec<Found>,
    secrets: BTreeMap<&'static str, SecretPlace>,
    users: UserMap,
    slack_webhooks: BTreeMap<String, SecretPlace>,
    webhooks: Vec<FileWebhook>,
    rules: Vec<FileRule>,
    warnings: Vec<String>,
}

/// A config file, what is wrong with it, and the keys that were looked for in it.
#[derive(Debug)]
pub struct Parsed {
    /// What it says, as far as it can be understood.
    pub file: ConfigFile,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// Every key that means something in it, as a dotted path with `*` for names of the user's; those below a table that
    /// is not there are not among them.
    pub known: BTreeSet<String>,
}

impl ConfigFile {
    /// Reads the file that `flags` or `environment` name, or the one at its usual place, if it is there. Fails where a
    /// named one is not there, or where anything is wrong with it.
    pub fn load(flags: &DatabaseFlags, environment: &dyn Environment) -> Result<Self, SettingsError> {
        let Some((path, text)) = locate::read(flags, environment)? else { return Ok(Self::default()) };
        let parsed = Self::parse(&text, &path, environment);
        if parsed.problems.is_empty() {
            return Ok(parsed.file);
        }
        Err(SettingsError::Config(ConfigErrors::new(path, parsed.problems)))
    }

    /// The same for a command that only needs to know where the database is: whatever else is wrong does not matter.
    pub fn load_for_database(flags: &DatabaseFlags, environment: &dyn Environment) -> Result<Self, SettingsError> {
        let Some((path, text)) = locate::read(flags, environment)? else { return Ok(Self::default()) };
        let parsed = Self::parse(&text, &path, environment);
        if DeTable::parse(&text).is_err() {
            return Err(SettingsError::Config(ConfigErrors::new(path, parsed.problems)));
        }
        Ok(parsed.file)
    }

    /// Reads `text` as the content of the file `path`.
    pub fn parse(text: &str, path: &Path, environment: &dyn Environment) -> Parsed {
        let reading = Reading::new(text);
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let line = reading.line(error.span().unwrap_or_default());
            reading.problem(line, format!("this is no TOML ({}): correct the line", problem::shown(error.message())));
        }
        let mut file = Self { path: Some(path.to_owned()), ..Self::default() };
        if errors.is_empty() {
            file.read(&Table::root(document.get_ref(), &reading), path);
            file.warn(environment, path);
        }
        let (mut problems, known) = reading.into_problems();
        if problems.is_empty() {
            problems.extend(file.values_that_mean_nothing());
        }
        problems.sort_by_key(|problem| problem.line);
        Parsed { file, problems, known }
    }

    fn read(&mut self, root: &Table<'_>, path: &Path) {
        if let Some(table) = root.table("clearml") {
            sections::clearml(self, &table, path);
        }
        if let Some(table) = root.table("slack") {
            sections::slack(self, &table, path);
            self.users = webhooks::users(&table, path);
            self.slack_webhooks = webhooks::slack(&table, path);
            table.finish();
        }
        if let Some(table) = root.table("service") {
            sections::service(self, &table, path);
        }
        if let Some(table) = root.table("webhooks") {
            self.webhooks = webhooks::generic(&table, path);
        }
        let tables = root.tables("rule");
        self.rules = rules::read(&tables);
        root.finish();
        self.refuse_unknown_webhooks(root.reading);
    }

    fn refuse_unknown_webhooks(&self, reading: &Reading<'_>) {
        let slack: Vec<&str> = self.slack_webhooks.keys().map(String::as_str).collect();
        let generic: Vec<&str> = self.webhooks.iter().map(|webhook| webhook.name.as_str()).collect();
        for rule in &self.rules {
            let (key, table, name, known) = match &rule.destination {
                FileDestination::SlackWebhook(name) => ("slack_webhook", "slack.webhooks", name, &slack),
                FileDestination::Webhook(name) => ("webhook", "webhooks", name, &generic),
                _ => continue,
            };
            if known.contains(&name.as_str()) {
                continue;
            }
            let remedy = match nearest::nearest(name, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("describe it in [{table}.NAME]"),
            };
            let (rule_name, name) = (problem::shown(&rule.rule.name), problem::shown(name));
            let told = format!("rule `{rule_name}`: {key} is `{name}`, and there is no [{table}.{name}]: {remedy}");
            reading.problem(rule.line, told);
        }
    }

    fn warn(&mut self, environment: &dyn Environment, path: &Path) {
        let webhooks = self.webhooks.iter();
        let of_webhooks = webhooks.flat_map(|webhook| [Some(&webhook.url), webhook.secret.as_ref()]).flatten();
        let places: Vec<&SecretPlace> =
            self.secrets.values().chain(self.slack_webhooks.values()).chain(of_webhooks).collect();
        let has_secret_headers = self.webhooks.iter().any(|webhook| !webhook.headers.is_empty());
        let written = places.iter().find(|place| place.is_written());
        let mut warnings = Vec::new();
        if (written.is_some() || has_secret_headers) && environment.is_open_to_others(path) {
            let key = written.map_or_else(|| "a webhook's headers".to_owned(), |place| place.source.key());
            warnings.push(format!(
                "{}: it holds secrets ({key}) and others on this machine can read it: chmod 600 it, or name a variable \
                 (…_env) or a file (…_file) in it instead",
                path.display()
            ));
        }
        for file in places.iter().filter_map(|place| place.file(environment)) {
            if environment.is_open_to_others(&file) {
                let told = format!(
                    "{}: it holds a secret and others on this machine can read it: chmod 600 it",
                    file.display()
                );
                warnings.push(told);
            }
        }
        self.warnings = warnings;
    }

    /// A place in the file.
    pub(super) fn source(&self, line: usize, key: String) -> Source {
        Source::Config { path: self.path.clone().unwrap_or_default(), line, key }
    }

    /// A path as the file means it: relative to where the file is.
    pub(super) fn beside(&self, source: &Source, path: PathBuf) -> PathBuf {
        secrets::beside(source, path)
    }

    /// The file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Its rules, in order.
    pub fn rules(&self) -> &[FileRule] {
        &self.rules
    }

    /// What is odd about it and does not keep it from being used.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether a secret stands in the file itself.
    pub fn holds_secrets(&self) -> bool {
        let webhooks = self.webhooks.iter();
        let mut of_webhooks = webhooks.flat_map(|webhook| [Some(&webhook.url), webhook.secret.as_ref()]).flatten();
        let is_written = |place: &SecretPlace| place.is_written();
        self.secrets.values().any(is_written)
            || self.slack_webhooks.values().any(is_written)
            || of_webhooks.any(is_written)
            || self.webhooks.iter().any(|webhook| !webhook.headers.is_empty())
    }

    pub(super) fn value(&self, key: &str) -> Option<Found> {
        self.values.get(key).cloned()
    }

    pub(super) fn redact(&self) -> &[Found] {
        &self.redact
    }

    pub(super) fn users(&self) -> &UserMap {
        &self.users
    }

    pub(super) fn webhooks(&self) -> &[FileWebhook] {
        &self.webhooks
    }

    pub(super) fn slack_webhooks(&self) -> &BTreeMap<String, SecretPlace> {
        &self.slack_webhooks
    }

    /// A secret, fetched from where the file says it is.
    pub(super) fn secret(
        &self,
        key: &str,
        environment: &dyn Environment,
    ) -> Result<Option<(SecretString, Source)>, SettingsError> {
        self.secrets.get(key).map(|place| place.fetch(environment)).transpose()
    }

    /// The values of the sections that the settings would refuse, as far as the file alone decides it.
    fn values_that_mean_nothing(&self) -> Vec<Problem> {
        let checks = [
            super::service::resolve_service(&super::ServiceFlags::default(), self).err(),
            super::slack::check_slack_flags(&super::SlackFlags::default(), self).err(),
            super::web::check_address(self).err(),
            super::clearml::check_addresses(self).err(),
        ];
        checks.into_iter().flatten().map(|error| self.problem_of(&error)).collect()
    }

    fn problem_of(&self, error: &SettingsError) -> Problem {
        let line = error.line().unwrap_or(1);
        let told = error.to_string();
        let path = self.path.as_deref().unwrap_or(Path::new("")).display().to_string();
        let told = told.strip_prefix(&format!("{path}:{line}: ")).unwrap_or(&told).to_owned();
        Problem { line, told }
    }
}
