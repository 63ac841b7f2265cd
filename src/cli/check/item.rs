//! One line of `check`: what was looked at, how it stands, what was found, and how to mend it.

use serde::Serialize;

use crate::clearml::ClearmlError;
use crate::cli::exit::Exit;
use crate::settings::SettingsError;
use crate::slack::SlackError;

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Grade {
    /// As it should be.
    Ok,
    /// It works, but not as well as it could.
    Warning,
    /// It cannot work like this.
    Failed,
}

impl Grade {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// The part of the world that an item belongs to; decides the exit code of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Area {
    Settings,
    Clearml,
    Slack,
    Database,
}

impl Area {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Clearml => "clearml",
            Self::Slack => "slack",
            Self::Database => "database",
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are those of the JSON")]
pub(super) struct Item {
    pub grade: Grade,
    pub area: Area,
    pub item: String,
    pub found: String,
    /// What to do about it; nothing where it is as it should be.
    pub mend: Option<String>,
    /// The exit code, where it failed.
    #[serde(skip)]
    pub exit: Exit,
}

impl Item {
    pub(super) fn ok(area: Area, item: impl Into<String>, found: impl Into<String>) -> Self {
        Self { grade: Grade::Ok, area, item: item.into(), found: found.into(), mend: None, exit: Exit::Done }
    }

    pub(super) fn warning(
        area: Area,
        item: impl Into<String>,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { grade: Grade::Warning, mend: Some(mend.into()), ..Self::ok(area, item, found) }
    }

    pub(super) fn failed(
        area: Area,
        item: impl Into<String>,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        let exit = match area {
            Area::Settings => Exit::Usage,
            Area::Clearml => Exit::Clearml,
            Area::Slack => Exit::Undelivered,
            Area::Database => Exit::Database,
        };
        Self { grade: Grade::Failed, mend: Some(mend.into()), exit, ..Self::ok(area, item, found) }
    }

    /// The same with the exit code of a wrong setting: what the user wrote is what has to change.
    pub(super) fn by_the_user(self) -> Self {
        Self { exit: Exit::Usage, ..self }
    }

    pub(super) fn settings_error(item: &str, error: &SettingsError) -> Self {
        let told = error.to_string();
        let remedy = match error {
            SettingsError::Missing { remedy, .. }
            | SettingsError::InvalidSecret { remedy, .. }
            | SettingsError::Contradiction { remedy, .. }
            | SettingsError::Rule { remedy, .. } => remedy,
            SettingsError::Invalid { remedy, .. } => remedy.as_str(),
            SettingsError::UnsetVariable { .. } => "set it, or name another one",
            SettingsError::Unreadable { .. } => "correct the path or the file's permissions",
            SettingsError::Config(_) | SettingsError::Conf { .. } => "correct the file there",
            SettingsError::NotUnicode { .. } => "set it again, or unset it",
            SettingsError::UnknownParameter { .. } => "correct its name or delete it",
        };
        let found = told.strip_suffix(remedy).unwrap_or(&told).trim_end_matches([':', ';', ' ']);
        Self::failed(Area::Settings, item, found, remedy)
    }

    pub(super) fn clearml_error(item: &str, error: &ClearmlError) -> Self {
        let (found, mend) = split(&error.to_string(), "; ");
        Self::failed(Area::Clearml, item, found, mend)
    }

    pub(super) fn slack_error(item: &str, error: &SlackError) -> Self {
        let told = error.to_string();
        let found = told.strip_suffix(&error.advice).unwrap_or(&told).trim_end_matches(": ").to_owned();
        Self::failed(Area::Slack, item, found, &error.advice)
    }

    pub(super) fn database_error(item: &str, error: &crate::store::StoreError) -> Self {
        let told = error.to_string();
        // Advice of more than a few words is a sentence of its own, with marks within it.
        let mark = [". ", "; "].into_iter().find(|mark| told.contains(mark)).unwrap_or(": ");
        let (found, mend) = split(&told, mark);
        Self::failed(Area::Database, item, found, mend)
    }
}

/// Splits what happened from what to do, at the last `mark`; errors are written in this order.
fn split(told: &str, mark: &str) -> (String, String) {
    match told.rsplit_once(mark) {
        Some((found, mend)) => (found.to_owned(), mend.to_owned()),
        None => (told.to_owned(), "see the documentation of this setting in README.md".to_owned()),
    }
}

/// The exit code of all items: that of the first failure, since what comes first has to be mended first.
pub(super) fn exit_of(items: &[Item]) -> Exit {
    items.iter().find(|item| item.grade == Grade::Failed).map_or(Exit::Done, |item| item.exit)
}
