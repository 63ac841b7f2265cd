//! Secrets of a config file: written in it, or better, named by a variable or a file. They are fetched only when they are
//! asked for, since a flag may make them unneeded.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::table::{At, Table};
use crate::settings::environment::{self, Environment, expand_home};
use crate::settings::error::SettingsError;
use crate::settings::source::Source;

/// Where a secret is.
#[derive(Debug, Clone)]
pub(in crate::settings) struct SecretPlace {
    kind: Kind,
    /// The key that says so.
    pub(in crate::settings) source: Source,
}

#[derive(Debug, Clone)]
enum Kind {
    Written(SecretString),
    Variable(String),
    File(PathBuf),
}

/// The three keys of one secret.
pub(super) struct SecretKeys {
    pub(super) written: &'static str,
    pub(super) variable: &'static str,
    pub(super) file: &'static str,
}

impl SecretPlace {
    /// Reads the three keys of a secret, of which one at most may be given.
    pub(super) fn read(table: &Table<'_>, keys: &SecretKeys, path: &Path) -> Option<Self> {
        let written = table.text(keys.written);
        let variable = table.text(keys.variable);
        let file = table.text(keys.file);
        let source = |at: &At<String>| at.source(path);
        match (written, variable, file) {
            (None, None, None) => None,
            (Some(at), None, None) => {
                Some(Self { source: source(&at), kind: Kind::Written(SecretString::from(at.value)) })
            }
            (None, Some(at), None) => {
                let is_name = !at.value.is_empty() && !at.value.contains(['=', '\0']) && at.value == at.value.trim();
                if !is_name || looks_secret(&at.value) {
                    // Perhaps the secret itself stands here, so nothing of it is told.
                    return table.refuse(
                        &at,
                        "",
                        "names no environment variable",
                        "write its name, like SLACK_API_TOKEN",
                    );
                }
                Some(Self { source: source(&at), kind: Kind::Variable(at.value) })
            }
            (None, None, Some(at)) => {
                if at.value.trim().is_empty() {
                    return table.refuse(
                        &at,
                        "",
                        "names no file",
                        "write the path of a file that holds only the secret",
                    );
                }
                Some(Self { source: source(&at), kind: Kind::File(PathBuf::from(at.value)) })
            }
            (written, variable, file) => {
                let at = [written, variable, file].into_iter().flatten().next_back()?;
                let SecretKeys { written, variable, file } = keys;
                table.refuse(&at, "", "is not the only one", &format!("give one of {written}, {variable}, {file}"))
            }
        }
    }

    /// Whether the secret stands in the config file itself.
    pub(super) fn is_written(&self) -> bool {
        matches!(self.kind, Kind::Written(_))
    }

    /// The file that holds it, where one does. Paths are relative to the config file.
    pub(super) fn file(&self, environment: &dyn Environment) -> Option<PathBuf> {
        let Kind::File(path) = &self.kind else { return None };
        Some(beside(&self.source, expand_home(environment, path.clone())))
    }

    /// The secret, and where it is. Fails where the variable is not set, or the file cannot be read. Its form is checked
    /// by whoever needs it.
    pub(in crate::settings) fn fetch(
        &self,
        environment: &dyn Environment,
    ) -> Result<(SecretString, Source), SettingsError> {
        let source = self.source.clone();
        let invalid = |problem, remedy| SettingsError::InvalidSecret { place: source.clone(), problem, remedy };
        match &self.kind {
            Kind::Written(secret) => Ok((secret.clone(), source)),
            Kind::Variable(name) => {
                let text = environment::text(environment, name)?;
                let text =
                    text.ok_or_else(|| SettingsError::UnsetVariable { place: source.clone(), variable: name.clone() })?;
                Ok((SecretString::from(text), source))
            }
            Kind::File(_) => {
                let path = self.file(environment).unwrap_or_default();
                let read = environment.read_file(&path);
                let text = read.map_err(|error| SettingsError::Unreadable { path, place: source.clone(), error })?;
                let secret = SecretString::from(text.trim_end_matches(['\r', '\n']));
                if secret.expose_secret().is_empty() {
                    return Err(invalid("names an empty file", "write the secret into that file"));
                }
                Ok((secret, source))
            }
        }
    }
}

/// What nobody calls a variable, and many a token is.
fn looks_secret(text: &str) -> bool {
    text.starts_with("xox") || text.starts_with("xapp-") || text.contains("://") || text.contains(char::is_whitespace)
}

/// A path as the config file means it: relative to where that file is.
pub(super) fn beside(source: &Source, path: PathBuf) -> PathBuf {
    match source {
        Source::Config { path: config, .. } if path.is_relative() => {
            config.parent().unwrap_or(Path::new("")).join(path)
        }
        _ => path,
    }
}
