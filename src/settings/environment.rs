//! What the outside tells this program: environment variables, the home directory, files. It is an argument everywhere,
//! so that tests need no process environment and no real home; [`ProcessEnvironment`] is the one place that has it.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::error::SettingsError;

/// A configuration file larger than this is not one.
const LARGEST_FILE: u64 = 4 << 20;

/// Where settings are looked up.
pub trait Environment {
    /// The variable as it is, if it is set.
    fn variable(&self, name: &str) -> Option<OsString>;

    /// The user's home directory, if there is one.
    fn home_directory(&self) -> Option<PathBuf>;

    /// The text of a configuration file; fails with what is wrong with it.
    fn read_file(&self, path: &Path) -> io::Result<String>;

    /// Whether every user of this machine can read the file.
    fn is_open_to_all(&self, path: &Path) -> bool;
    /// Whether the group of a file, or everybody, may read it; false where the system knows no such thing.
    fn is_open_to_others(&self, path: &Path) -> bool;
}

/// The environment of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<OsString> {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the process environment")]
        std::env::var_os(name)
    }

    fn home_directory(&self) -> Option<PathBuf> {
        std::env::home_dir().filter(|home| home.is_absolute())
    }

    fn read_file(&self, path: &Path) -> io::Result<String> {
        let metadata = std::fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
        }
        if metadata.len() > LARGEST_FILE {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 4 MiB"));
        }
        std::fs::read_to_string(path)
    }

    #[cfg(unix)]
    fn is_open_to_all(&self, path: &Path) -> bool {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
    }

    #[cfg(not(unix))]
    fn is_open_to_all(&self, _path: &Path) -> bool {
        false
    }

    #[cfg(unix)]
    fn is_open_to_others(&self, path: &Path) -> bool {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o044 != 0)
    }

    #[cfg(not(unix))]
    fn is_open_to_others(&self, _path: &Path) -> bool {
        false
    }
}

/// An environment made of maps, for tests and for the demo.
#[derive(Clone, Default)]
pub struct MapEnvironment {
    variables: HashMap<String, OsString>,
    files: HashMap<PathBuf, String>,
    open: HashSet<PathBuf>,
    home: Option<PathBuf>,
}

/// Names only: values can be secrets.
impl fmt::Debug for MapEnvironment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = (self.variables.keys(), self.files.keys());
        formatter.debug_tuple("MapEnvironment").field(&names.0).field(&names.1).field(&self.home).finish()
    }
}

impl MapEnvironment {
    /// An environment with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with a variable set.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// The same with a home directory.
    #[must_use]
    pub fn with_home(mut self, home: impl Into<PathBuf>) -> Self {
        self.home = Some(home.into());
        self
    }

    /// The same with a file.
    #[must_use]
    pub fn with_file(mut self, path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }

    /// The same with a file that others may read.
    #[must_use]
    pub fn with_open_file(mut self, path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        let path = path.into();
        self.open.insert(path.clone());
        self.with_file(path, text)
    }
}

impl Environment for MapEnvironment {
    fn variable(&self, name: &str) -> Option<OsString> {
        self.variables.get(name).cloned()
    }

    fn home_directory(&self) -> Option<PathBuf> {
        self.home.clone()
    }

    fn read_file(&self, path: &Path) -> io::Result<String> {
        self.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn is_open_to_all(&self, path: &Path) -> bool {
        self.open.contains(path)
    }

    fn is_open_to_others(&self, path: &Path) -> bool {
        self.open.contains(path)
    }
}

/// A variable's text without the blanks around it. A variable that is set to nothing counts as not set, as it does for
/// ClearML's SDK; one that is not Unicode is refused.
pub fn text(environment: &dyn Environment, name: &str) -> Result<Option<String>, SettingsError> {
    let Some(value) = environment.variable(name) else { return Ok(None) };
    let text = value.to_str().ok_or_else(|| SettingsError::NotUnicode { variable: name.to_owned() })?.trim();
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

/// A path with a leading `~` replaced by the home directory, since nothing expands it in a unit file or an `.env` file.
pub(super) fn expand_home(environment: &dyn Environment, path: PathBuf) -> PathBuf {
    match (path.strip_prefix("~"), environment.home_directory()) {
        (Ok(below_home), Some(home)) => home.join(below_home),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_around_a_value_are_no_part_of_it_and_blanks_alone_are_no_value() {
        let environment = MapEnvironment::new().with("FULL", " value\n").with("BLANK", " ").with("EMPTY", "");
        assert_eq!(text(&environment, "FULL").unwrap().as_deref(), Some("value"));
        for name in ["BLANK", "EMPTY", "ABSENT"] {
            assert_eq!(text(&environment, name).unwrap(), None, "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_unicode_is_named() {
        use std::os::unix::ffi::OsStringExt;
        let environment = MapEnvironment::new().with("BROKEN", OsString::from_vec(vec![0xff]));
        assert!(text(&environment, "BROKEN").unwrap_err().to_string().contains("BROKEN"));
    }

    #[test]
    fn the_tilde_stands_for_home_only_at_the_front_and_by_itself() {
        let environment = MapEnvironment::new().with_home("/home/me");
        for (given, meant) in [("~/a", "/home/me/a"), ("~", "/home/me"), ("~you/a", "~you/a"), ("/a/~/b", "/a/~/b")] {
            assert_eq!(expand_home(&environment, given.into()), Path::new(meant));
        }
        assert_eq!(expand_home(&MapEnvironment::new(), "~/a".into()), Path::new("~/a"));
    }

    #[test]
    fn the_process_reads_files_only() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("clearml.conf");
        std::fs::write(&file, "api {}").unwrap();
        assert_eq!(ProcessEnvironment.read_file(&file).unwrap(), "api {}");
        assert!(ProcessEnvironment.read_file(directory.path()).unwrap_err().to_string().contains("not a file"));
        assert!(ProcessEnvironment.variable("PATH").is_some());
    }
}
