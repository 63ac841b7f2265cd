//! What can be wrong with the settings, told so that a person can mend it: which flag, variable or file, which value,
//! what is wrong with it, what to write instead. Values of secrets never get in here.

use std::io;
use std::path::PathBuf;

use super::config_file::ConfigErrors;
use super::source::Source;

/// Something the user wrote, or did not write, that this program cannot run with. The process ends with exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A setting without a default was given nowhere.
    #[error("{what} is not set: {remedy}")]
    Missing {
        /// The setting, as a person calls it.
        what: &'static str,
        /// Every place that could provide it.
        remedy: &'static str,
    },
    /// A value that means nothing here.
    #[error("{place} is `{value}`, which {problem}: {remedy}")]
    Invalid {
        /// Where the value came from.
        place: Source,
        /// The value, shortened and without secrets.
        value: String,
        /// What is wrong with it, completing "which …".
        problem: String,
        /// What to write instead.
        remedy: String,
    },
    /// A secret that cannot be one; its value is not told.
    #[error("{place} holds a value that {problem}: {remedy}")]
    InvalidSecret {
        /// Where the value came from.
        place: Source,
        /// What is wrong with it, completing "a value that …".
        problem: &'static str,
        /// What to write instead.
        remedy: &'static str,
    },
    /// Two settings that cannot both be meant.
    #[error("{first} and {second} are both given: {remedy}")]
    Contradiction {
        /// One of them.
        first: Source,
        /// The other.
        second: Source,
        /// Which to leave out.
        remedy: &'static str,
    },
    /// A file that was asked for cannot be read.
    #[error("cannot read {} ({place}): {error}; correct the path or the file's permissions", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What named it.
        place: Source,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// A `clearml.conf` that cannot be understood.
    #[error("{}, line {line}: {problem}", path.display())]
    Conf {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
    /// A config file that cannot be used.
    #[error("{0}")]
    Config(ConfigErrors),
    /// A rule of the config file that cannot be used without another setting.
    #[error("{path}:{line}: {told}: {remedy}", path = path.display())]
    Rule {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong with which rule.
        told: String,
        /// What to write instead.
        remedy: &'static str,
    },
    /// A variable that the config file names is not set.
    #[error("{place} names the environment variable {variable}, which is not set: set it, or name another one")]
    UnsetVariable {
        /// The key that names it.
        place: Source,
        /// Its name.
        variable: String,
    },
    /// A hyperparameter of the monitor's own task that means nothing here.
    #[error("the task's parameter Args/{name} is not known: correct its name or delete it; known are {known}")]
    UnknownParameter {
        /// Its name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// An environment variable that is not Unicode.
    #[error("the environment variable {variable} is not valid UTF-8: set it again, or unset it")]
    NotUnicode {
        /// Its name.
        variable: String,
    },
}

impl SettingsError {
    /// A value that is wrong, shortened to what fits a line.
    pub(super) fn invalid(place: &Source, value: &str, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Invalid { place: place.clone(), value: shorten(value), problem: problem.into(), remedy: remedy.into() }
    }
}

impl SettingsError {
    /// The same error, with the task's parameters named where they, and not flags, held the values.
    pub(super) fn blaming(mut self, parameters: &[&'static str]) -> Self {
        let blame = |place: &mut Source| {
            if let Source::Flag(flag) = place
                && let Some(parameter) = parameters.iter().find(|name| super::task_parameters::flag_of(name) == *flag)
            {
                *place = Source::Parameter(parameter);
            }
        };
        match &mut self {
            Self::Invalid { place, .. } | Self::InvalidSecret { place, .. } => blame(place),
            Self::Contradiction { first, second, .. } => {
                blame(first);
                blame(second);
            }
            _ => {}
        }
        self
    }
}

impl SettingsError {
    /// The line of the config file that is to blame, if one is.
    pub(super) fn line(&self) -> Option<usize> {
        let place = match self {
            Self::Invalid { place, .. } | Self::InvalidSecret { place, .. } | Self::UnsetVariable { place, .. } => {
                place
            }
            Self::Contradiction { second, .. } => second,
            _ => return None,
        };
        match place {
            Source::Config { line, .. } => Some(*line),
            _ => None,
        }
    }
}

/// At most 80 characters, control characters made visible.
pub(super) fn shorten(value: &str) -> String {
    let mut shown: String = value
        .chars()
        .take(80)
        .flat_map(|character| {
            let control = character.is_control().then(|| character.escape_default());
            let plain = (!character.is_control()).then_some(character);
            control.into_iter().flatten().chain(plain)
        })
        .collect();
    if value.chars().nth(80).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_or_unprintable_value_does_not_spoil_the_line() {
        assert_eq!(shorten("a\nb\u{1b}[31m"), r"a\nb\u{1b}[31m");
        assert_eq!(shorten(&"é".repeat(81)).chars().count(), 81);
        assert_eq!(shorten(&"é".repeat(80)).chars().count(), 80);
    }
}
