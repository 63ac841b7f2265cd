//! Where the database is.

use std::path::{Path, PathBuf};

use super::config_file::ConfigFile;
use super::defaults::DATABASE_BELOW_STATE;
use super::environment::{Environment, expand_home};
use super::error::SettingsError;
use super::flags::DatabaseFlags;
use super::source::{Origin, Source};

/// The file in a folder that was named with a `/` at its end.
const FILE_IN_FOLDER: &str = "alerts.db";

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseSettings {
    /// The file; it need not exist yet.
    pub path: PathBuf,
    /// Whether a folder was named and not a file.
    is_in_named_folder: bool,
    /// Where that came from.
    pub origins: Vec<Origin>,
}

impl DatabaseSettings {
    /// The directory that is this program's own to make: that of a path which nobody named. A named path's directory is
    /// not: a missing one is more likely a typo or a disk that is not mounted.
    pub fn own_directory(&self) -> Option<&Path> {
        let source = &self.origins.first()?.source;
        let is_ours = matches!(source, Source::Default) || *source == Source::Variable("XDG_STATE_HOME".to_owned());
        self.path.parent().filter(|_| is_ours)
    }

    /// Gives a task a database of its own, unless somebody named a file: a clone of the task is another monitor.
    pub(super) fn keep_to_task(&mut self, task_id: &str) {
        let is_named = self.own_directory().is_none() && !self.is_in_named_folder;
        if !is_named {
            self.path.set_file_name(format!("task-{task_id}.db"));
        }
    }
}

/// Settles where the database is, for a command that needs to know nothing else: of the config file, if there is one, it
/// only matters where it says that the database is.
pub fn find_database(flags: &DatabaseFlags, environment: &dyn Environment) -> Result<DatabaseSettings, SettingsError> {
    resolve_database(flags, environment, &ConfigFile::load_for_database(flags, environment)?)
}

/// Settles where the database is: flag, environment, config file, `$XDG_STATE_HOME`, home. Fails where none of these says.
pub fn resolve_database(
    flags: &DatabaseFlags,
    environment: &dyn Environment,
    file: &ConfigFile,
) -> Result<DatabaseSettings, SettingsError> {
    let (path, source) = locate(flags, environment, file)?;
    let mut path = expand_home(environment, path);
    if let (Source::Config { path: config, .. }, true) = (&source, path.is_relative()) {
        path = config.parent().unwrap_or(Path::new("")).join(path);
    }
    let is_in_named_folder = path.as_os_str().to_string_lossy().ends_with('/');
    if is_in_named_folder {
        path.push(FILE_IN_FOLDER);
    }
    let origins = vec![Origin::new("database", path.display(), source)];
    Ok(DatabaseSettings { path, is_in_named_folder, origins })
}

fn locate(
    flags: &DatabaseFlags,
    environment: &dyn Environment,
    file: &ConfigFile,
) -> Result<(PathBuf, Source), SettingsError> {
    const VARIABLE: &str = "CLEARML_ALERTS_DB";
    const REMEDY: &str = "give --db a file, or set CLEARML_ALERTS_DB to one";
    // Paths need not be Unicode, so these variables are taken as they are.
    let variable = |name| environment.variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = &flags.db {
        let source = Source::Flag("--db");
        if path.as_os_str().is_empty() {
            return Err(SettingsError::invalid(&source, "", "names no file", REMEDY));
        }
        return Ok((path.clone(), source));
    }
    if let Some(path) = variable(VARIABLE) {
        return Ok((path, Source::Variable(VARIABLE.to_owned())));
    }
    if let Some(found) = file.value("service.db") {
        if found.text.trim().is_empty() {
            return Err(SettingsError::invalid(&found.source, &found.text, "names no file", REMEDY));
        }
        return Ok((PathBuf::from(found.text), found.source));
    }
    // Relative base directories are to be ignored, says the XDG specification.
    if let Some(state) = variable("XDG_STATE_HOME").filter(|path| path.is_absolute()) {
        return Ok((state.join(DATABASE_BELOW_STATE), Source::Variable("XDG_STATE_HOME".to_owned())));
    }
    let home = environment.home_directory().ok_or(SettingsError::Missing {
        what: "the place of the database (there is no home directory)",
        remedy: REMEDY,
    })?;
    Ok((home.join(".local/state").join(DATABASE_BELOW_STATE), Source::Default))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::environment::MapEnvironment;

    fn located(flag: Option<&str>, environment: &MapEnvironment) -> PathBuf {
        resolve_database(
            &DatabaseFlags { db: flag.map(PathBuf::from), config: None },
            environment,
            &ConfigFile::default(),
        )
        .unwrap()
        .path
    }

    #[test]
    fn the_nearest_place_wins() {
        let environment = MapEnvironment::new().with_home("/home/me");
        assert_eq!(located(None, &environment), Path::new("/home/me/.local/state/clearml-alerts/alerts.db"));
        let environment = environment.with("XDG_STATE_HOME", "/state");
        assert_eq!(located(None, &environment), Path::new("/state/clearml-alerts/alerts.db"));
        let environment = environment.with("CLEARML_ALERTS_DB", "~/alerts.db");
        assert_eq!(located(None, &environment), Path::new("/home/me/alerts.db"));
        assert_eq!(located(Some("here.db"), &environment), Path::new("here.db"));
    }

    #[test]
    fn empty_variables_and_a_relative_state_directory_do_not_count() {
        let environment =
            MapEnvironment::new().with_home("/h").with("XDG_STATE_HOME", "state").with("CLEARML_ALERTS_DB", "");
        assert_eq!(located(None, &environment), Path::new("/h/.local/state/clearml-alerts/alerts.db"));
    }

    #[test]
    fn a_task_has_a_database_of_its_own_unless_a_file_was_named() {
        let of_task = |flag: Option<&str>, environment: &MapEnvironment| {
            let flags = DatabaseFlags { db: flag.map(PathBuf::from), config: None };
            let mut settings = resolve_database(&flags, environment, &ConfigFile::default()).unwrap();
            settings.keep_to_task("abc");
            settings.path
        };
        let environment = MapEnvironment::new().with_home("/home/me");
        assert_eq!(of_task(None, &environment), Path::new("/home/me/.local/state/clearml-alerts/task-abc.db"));
        assert_eq!(of_task(Some("/state/"), &environment), Path::new("/state/task-abc.db"));
        assert_eq!(of_task(Some("/state/mine.db"), &environment), Path::new("/state/mine.db"));
        let environment = environment.with("CLEARML_ALERTS_DB", "/state/");
        assert_eq!(of_task(None, &environment), Path::new("/state/task-abc.db"));
        assert_eq!(located(None, &environment), Path::new("/state/alerts.db"));
    }

    #[test]
    fn nowhere_to_put_it_is_told_with_the_way_out() {
        let refused = |db: Option<PathBuf>| {
            resolve_database(&DatabaseFlags { db, config: None }, &MapEnvironment::new(), &ConfigFile::default())
                .unwrap_err()
                .to_string()
        };
        assert!(refused(None).contains("--db") && refused(None).contains("CLEARML_ALERTS_DB"));
        assert!(refused(Some(PathBuf::new())).starts_with("--db is ``, which names no file"));
    }
}
