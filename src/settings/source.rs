//! Where a resolved value came from, for errors and for `check`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The command line; the flag's name with its dashes.
    Flag(&'static str),
    /// An environment variable, by name.
    Variable(String),
    /// A configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The setting in it, as a dotted path.
        key: &'static str,
    },
    /// A file that holds a secret and nothing else.
    SecretFile {
        /// The file.
        path: PathBuf,
        /// The flag or the variable that named it.
        named_by: String,
    },
    /// The config file.
    Config {
        /// The file.
        path: Arc<Path>,
        /// Line, counted from 1.
        line: usize,
        /// The key, as errors name it: `slack.rate`.
        key: Box<str>,
    },
    /// A hyperparameter of the monitor's own task, by name.
    Parameter(&'static str),
    /// Worked out from another setting, which is named.
    Derived(&'static str),
    /// Given nowhere: the program's own default.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => formatter.write_str(name),
            Self::Variable(name) => write!(formatter, "environment variable {name}"),
            Self::File { path, key } => write!(formatter, "{key} in {}", path.display()),
            Self::SecretFile { path, named_by } => write!(formatter, "file {} ({named_by})", path.display()),
            Self::Config { path, line, key } => write!(formatter, "{}:{line}: {key}", path.display()),
            Self::Parameter(name) => write!(formatter, "the task's parameter Args/{name}"),
            Self::Derived(from) => write!(formatter, "derived from {from}"),
            Self::Default => formatter.write_str("default"),
        }
    }
}

impl Source {
    /// The key alone where it is one of the config file.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Config { key, .. } => key.to_string(),
            other => other.to_string(),
        }
    }
}

/// One resolved setting as `check` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The setting's name: `api_server`, `channel`, …
    pub setting: &'static str,
    /// Its value as a person reads it; secrets are `***`.
    pub shown: String,
    /// Where it came from.
    pub source: Source,
}

/// How a secret is shown.
pub const HIDDEN: &str = "***";

impl Origin {
    pub(super) fn new(setting: &'static str, shown: impl fmt::Display, source: Source) -> Self {
        Self { setting, shown: shown.to_string(), source }
    }

    pub(super) fn secret(setting: &'static str, source: Source) -> Self {
        Self::new(setting, HIDDEN, source)
    }
}

/// A text and where it came from, on its way to becoming a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) text: String,
    pub(super) source: Source,
}

impl Found {
    pub(super) fn flag(name: &'static str, text: &str) -> Self {
        Self { text: text.to_owned(), source: Source::Flag(name) }
    }

    pub(super) fn default(text: &str) -> Self {
        Self { text: text.to_owned(), source: Source::Default }
    }
}
