//! Which file is the config file.

use std::io;
use std::path::PathBuf;

use crate::settings::defaults::CONFIG_BELOW_CONFIG;
use crate::settings::environment::{Environment, expand_home};
use crate::settings::error::SettingsError;
use crate::settings::flags::DatabaseFlags;
use crate::settings::source::Source;

const VARIABLE: &str = "CLEARML_ALERTS_CONFIG";

/// The config file and its text. One that a flag or a variable names must be there; the one at the usual place need not.
pub(super) fn read(
    flags: &DatabaseFlags,
    environment: &dyn Environment,
) -> Result<Option<(PathBuf, String)>, SettingsError> {
    let Some((path, place, is_named)) = locate(flags, environment)? else { return Ok(None) };
    match environment.read_file(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_named => Ok(None),
        Err(error) => Err(SettingsError::Unreadable { path, place, error }),
    }
}

fn locate(
    flags: &DatabaseFlags,
    environment: &dyn Environment,
) -> Result<Option<(PathBuf, Source, bool)>, SettingsError> {
    let variable = |name| environment.variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = &flags.config {
        let source = Source::Flag("--config");
        if path.as_os_str().is_empty() {
            return Err(SettingsError::invalid(&source, "", "names no file", "give a file, or leave the flag out"));
        }
        return Ok(Some((expand_home(environment, path.clone()), source, true)));
    }
    if let Some(path) = variable(VARIABLE) {
        return Ok(Some((expand_home(environment, path), Source::Variable(VARIABLE.to_owned()), true)));
    }
    // Relative base directories are to be ignored, says the XDG specification.
    let base = variable("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let base = base.or_else(|| environment.home_directory().map(|home| home.join(".config")));
    Ok(base.map(|base| (base.join(CONFIG_BELOW_CONFIG), Source::Default, false)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::environment::MapEnvironment;

    fn found(flag: Option<&str>, environment: &MapEnvironment) -> Option<String> {
        let flags = DatabaseFlags { config: flag.map(PathBuf::from), ..DatabaseFlags::default() };
        read(&flags, environment).unwrap().map(|(_, text)| text)
    }

    #[test]
    fn the_nearest_place_wins_and_only_the_usual_one_may_be_empty() {
        let environment = MapEnvironment::new().with_home("/home/me");
        assert_eq!(found(None, &environment), None);
        let environment = environment.with_file("/home/me/.config/clearml-alerts/config.toml", "home");
        assert_eq!(found(None, &environment).as_deref(), Some("home"));
        let environment =
            environment.with("XDG_CONFIG_HOME", "/xdg").with_file("/xdg/clearml-alerts/config.toml", "xdg");
        assert_eq!(found(None, &environment).as_deref(), Some("xdg"));
        let environment = environment.with(VARIABLE, "~/mine.toml").with_file("/home/me/mine.toml", "variable");
        assert_eq!(found(None, &environment).as_deref(), Some("variable"));
        let environment = environment.with_file("/given.toml", "flag");
        assert_eq!(found(Some("/given.toml"), &environment).as_deref(), Some("flag"));
    }

    #[test]
    fn a_named_file_that_is_not_there_is_an_error_that_names_it() {
        let refused =
            |flags: &DatabaseFlags, environment: &MapEnvironment| read(flags, environment).unwrap_err().to_string();
        let by_flag = DatabaseFlags { config: Some("/gone.toml".into()), ..DatabaseFlags::default() };
        assert!(refused(&by_flag, &MapEnvironment::new()).starts_with("cannot read /gone.toml (--config)"));
        let by_variable = MapEnvironment::new().with(VARIABLE, "/gone.toml");
        assert!(refused(&DatabaseFlags::default(), &by_variable).contains(VARIABLE));
        let empty = DatabaseFlags { config: Some(PathBuf::new()), ..DatabaseFlags::default() };
        assert!(refused(&empty, &MapEnvironment::new()).starts_with("--config is ``"));
    }
}
