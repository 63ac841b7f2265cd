//! The exit codes that scripts rely on, and which error means which.

use std::process::ExitCode;

use crate::agent::AgentError;
use crate::monitor::MonitorError;
use crate::settings::SettingsError;
use crate::store::StoreError;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Something nobody foresaw.
    Unexpected = 1,
    /// The command line, the environment or a file says something that cannot be.
    Usage = 2,
    /// ClearML cannot be reached, or refuses.
    Clearml = 3,
    /// Alerts are left undelivered, or Slack refuses.
    Undelivered = 4,
    /// Another instance works on the database.
    InUse = 5,
    /// The database cannot be used.
    Database = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Which exit code an error means.
pub(super) fn of(error: &anyhow::Error) -> Exit {
    if let Some(error) = error.downcast_ref::<MonitorError>() {
        return of_monitor(error);
    }
    if let Some(error) = error.downcast_ref::<StoreError>() {
        return of_store(error);
    }
    if error.is::<SettingsError>() || error.is::<super::UsageError>() {
        return Exit::Usage;
    }
    if let Some(error) = error.downcast_ref::<AgentError>() {
        return of_agent(error);
    }
    if error.is::<crate::clearml::ClearmlError>() {
        return Exit::Clearml;
    }
    if error.is::<crate::slack::SlackError>() {
        return Exit::Undelivered;
    }
    Exit::Unexpected
}

fn of_monitor(error: &MonitorError) -> Exit {
    match error {
        MonitorError::Clearml(_) => Exit::Clearml,
        MonitorError::Slack(_) | MonitorError::NoChannel { .. } | MonitorError::ArchivedChannel { .. } => {
            Exit::Undelivered
        }
        MonitorError::Store(error) => of_store(error),
        MonitorError::NoProject { .. } | MonitorError::BadPattern { .. } => Exit::Usage,
    }
}

fn of_agent(error: &AgentError) -> Exit {
    match error {
        AgentError::Clearml { .. } => Exit::Clearml,
        AgentError::NoQueue { .. }
        | AgentError::NoTask { .. }
        | AgentError::NotAMonitor { .. }
        | AgentError::Busy { .. }
        | AgentError::Executable { .. }
        | AgentError::NoFileServer => Exit::Usage,
    }
}

fn of_store(error: &StoreError) -> Exit {
    match error {
        StoreError::InUse { .. } => Exit::InUse,
        // The database is fine; what was asked of it is not.
        StoreError::NoAlert { .. } | StoreError::NotDead { .. } | StoreError::Exists { .. } => Exit::Usage,
        _ => Exit::Database,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_number_is_the_users_and_a_wrong_file_the_databases() {
        let code = |error: StoreError| of(&anyhow::Error::from(error)) as u8;
        let path = std::path::PathBuf::from("alerts.db");
        assert_eq!(code(StoreError::NoAlert { alert: 7 }), 2);
        assert_eq!(code(StoreError::Exists { path: path.clone() }), 2);
        assert_eq!(code(StoreError::InUse { path: path.clone(), holder: String::new() }), 5);
        assert_eq!(code(StoreError::Missing { path }), 6);
    }
}
