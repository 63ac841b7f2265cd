//! Secrets that stand in files, which is how systemd, Kubernetes and Docker hand them over: nobody else sees them, as
//! others can see variables and command lines.

use std::fmt;
use std::path::{Path, PathBuf};

use super::environment::{self, Environment};
use super::error::SettingsError;
use super::source::{Found, Origin, Source};

/// No token and no key is longer: a larger file is not one, whatever it holds.
const LARGEST: usize = 16 << 10;

/// The secret of a variable: its own text, or that of the file whose path the variable `<name>_FILE` holds. Fails where
/// both are set, or the file holds no secret.
pub(super) fn from_variable(environment: &dyn Environment, name: &str) -> Result<Option<Found>, SettingsError> {
    let of_file = format!("{name}_FILE");
    let text = environment::text(environment, name)?;
    let path = environment::text(environment, &of_file)?;
    match (text, path) {
        (Some(_), Some(_)) => Err(SettingsError::Contradiction {
            first: Source::Variable(name.to_owned()),
            second: Source::Variable(of_file),
            remedy: "unset the one that is not meant",
        }),
        (Some(text), None) => Ok(Some(Found { text, source: Source::Variable(name.to_owned()) })),
        (None, Some(path)) => read(environment, Path::new(&path), &Source::Variable(of_file)).map(Some),
        (None, None) => Ok(None),
    }
}

/// The secret in the file at `path`, which `place` named, without the line break that editors end files with.
pub(super) fn read(environment: &dyn Environment, path: &Path, place: &Source) -> Result<Found, SettingsError> {
    let path = environment::expand_home(environment, path.to_owned());
    let unreadable = |error| SettingsError::Unreadable { path: path.clone(), place: place.clone(), error };
    let text = environment.read_file(&path).map_err(unreadable)?;
    let named_by = match place {
        Source::Variable(name) => name.clone(),
        other => other.to_string(),
    };
    let source = Source::SecretFile { path, named_by };
    let problem = match text.trim() {
        "" => "is empty",
        text if text.len() > LARGEST => "is longer than 16 KiB",
        text => return Ok(Found { text: text.to_owned(), source }),
    };
    let remedy = "put the secret into the file, and nothing else";
    Err(SettingsError::InvalidSecret { place: source, problem, remedy })
}

/// A secret that every user of this machine can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExposedSecret {
    /// The setting.
    pub setting: &'static str,
    /// Where it stands.
    pub place: Source,
    /// What to type.
    pub remedy: String,
}

impl fmt::Display for ExposedSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} can be read by every user of this machine: {}", self.place, self.remedy)
    }
}

/// Which of these settings stand in files that everybody can read.
pub fn exposed_secrets<'a>(
    origins: impl IntoIterator<Item = &'a Origin>,
    environment: &dyn Environment,
) -> Vec<ExposedSecret> {
    let exposed = |origin: &Origin| {
        let path: &PathBuf = match &origin.source {
            Source::SecretFile { path, .. } if environment.is_open_to_all(path) => path,
            _ => return None,
        };
        let remedy = format!("chmod o= {}", path.display());
        Some(ExposedSecret { setting: origin.setting, place: origin.source.clone(), remedy })
    };
    origins.into_iter().filter_map(exposed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{MapEnvironment, ProcessEnvironment};

    const PATH: &str = "/run/secrets/token";

    fn with_file(text: &str) -> MapEnvironment {
        MapEnvironment::new().with("TOKEN_FILE", PATH).with_file(PATH, text)
    }

    #[test]
    fn the_line_break_at_the_end_is_no_part_of_it() {
        for text in ["xoxb-1", "xoxb-1\n", "xoxb-1\r\n"] {
            let found = from_variable(&with_file(text), "TOKEN").unwrap().unwrap();
            assert_eq!(found.text, "xoxb-1");
            assert_eq!(found.source.to_string(), "file /run/secrets/token (TOKEN_FILE)");
        }
        assert_eq!(from_variable(&MapEnvironment::new(), "TOKEN").unwrap(), None);
        let home = MapEnvironment::new().with_home("/home/me").with_file("/home/me/token", "t");
        assert_eq!(read(&home, Path::new("~/token"), &Source::Flag("--slack-api-file")).unwrap().text, "t");
    }

    #[test]
    fn what_cannot_be_meant_names_the_file_and_who_named_it() {
        let huge = "SECRET".repeat(4_000);
        let cases = [
            (with_file(""), "file /run/secrets/token (TOKEN_FILE) holds a value that is empty"),
            (with_file(" \n"), "file /run/secrets/token (TOKEN_FILE) holds a value that is empty"),
            (with_file(&huge), "file /run/secrets/token (TOKEN_FILE) holds a value that is longer than 16 KiB"),
            (
                MapEnvironment::new().with("TOKEN_FILE", PATH),
                "cannot read /run/secrets/token (environment variable TOKEN_FILE): entity not found",
            ),
            (
                with_file("SECRET").with("TOKEN", "SECRET"),
                "environment variable TOKEN and environment variable TOKEN_FILE are both given: unset the one",
            ),
        ];
        for (environment, expected) in cases {
            let told = from_variable(&environment, "TOKEN").unwrap_err();
            assert!(told.to_string().starts_with(expected), "{told}");
            assert!(!format!("{told}{told:?}").contains("SECRET"), "{told}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_everybody_can_read_is_told_with_what_to_type() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, b"xoxb-1\xff").unwrap();
        let broken = read(&ProcessEnvironment, &path, &Source::Flag("--slack-api-file")).unwrap_err().to_string();
        assert!(broken.contains("(--slack-api-file)") && broken.contains("UTF-8"), "{broken}");
        std::fs::write(&path, "xoxb-1\n").unwrap();
        for (mode, is_exposed) in [(0o644, true), (0o604, true), (0o640, false), (0o600, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let found = read(&ProcessEnvironment, &path, &Source::Flag("--slack-api-file")).unwrap();
            let exposed = exposed_secrets(&[Origin::secret("slack_token", found.source)], &ProcessEnvironment);
            assert_eq!(!exposed.is_empty(), is_exposed, "{mode:o}");
            if let Some(told) = exposed.first().map(ToString::to_string) {
                assert!(
                    told.contains("token (--slack-api-file) can be read by") && told.contains("chmod o= /"),
                    "{told}"
                );
            }
        }
    }
}
