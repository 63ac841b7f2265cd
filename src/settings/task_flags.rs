//! The flags about the monitor's own task in ClearML: how it is enqueued, and whether a local run is registered.

use clap::Args;
use url::Url;

use super::error::SettingsError;
use super::source::{Found, Source};
use super::values::{parse_switch, server_address};

/// How the service enqueues itself, without `--local`.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Enqueuing (without --local)")]
pub struct EnqueueFlags {
    /// Use this task instead of making a new one
    #[arg(long, value_name = "ID")]
    pub service_task: Option<String>,
    /// Make the queue if there is none of its name
    #[arg(
        long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true",
        value_parser = parse_switch
    )]
    pub create_queue: Option<bool>,
    /// Container image that has this program on its PATH
    #[arg(long, value_name = "IMAGE")]
    pub docker_image: Option<String>,
    /// Where agents that have no such program fetch it from
    #[arg(long, value_name = "URL", requires = "binary_sha256")]
    pub binary_url: Option<String>,
    /// SHA-256 of what is at --binary-url; anything else is not run
    #[arg(long, value_name = "HEX", requires = "binary_url")]
    pub binary_sha256: Option<String>,
    /// Put this very program on ClearML's file server, for agents that have none
    #[arg(
        long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true",
        value_parser = parse_switch, conflicts_with = "binary_url"
    )]
    pub upload_binary: Option<bool>,
    /// Keep the token of --slack-api in the task, where everybody who sees the task can read it
    #[arg(
        long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true",
        value_parser = parse_switch
    )]
    pub store_token: Option<bool>,
    /// Print the script that an agent would run, and do nothing
    #[arg(
        long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true",
        value_parser = parse_switch
    )]
    pub service_script: Option<bool>,
}

/// Whether a monitor that runs here shows itself in ClearML.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Service")]
pub struct RegisterFlags {
    /// Do not show this monitor as a task in ClearML
    #[arg(
        long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true",
        value_parser = parse_switch
    )]
    pub no_clearml_task: Option<bool>,
}

/// How the service enqueues itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnqueueSettings {
    /// The task to use; none makes a new one.
    pub task: Option<String>,
    /// Make the queue if there is none.
    pub create_queue: bool,
    /// The container image.
    pub image: Option<String>,
    /// Where the program comes from, where an agent has none.
    pub program: ProgramSource,
    /// Keep the Slack token in the task.
    pub store_token: bool,
}

/// Where an agent's machine gets the program from, if it is not there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgramSource {
    /// From nowhere.
    Installed,
    /// From here.
    Download {
        /// Where it is.
        address: Url,
        /// Its SHA-256, 64 digits in lower case.
        sha256: String,
    },
    /// From ClearML's file server, where this very program is put.
    Upload,
}

/// Settles how the service enqueues itself; `has_token` tells whether `--slack-api` was given.
pub fn resolve_enqueue(flags: &EnqueueFlags, has_token: bool) -> Result<EnqueueSettings, SettingsError> {
    let store_token = flags.store_token.unwrap_or_default();
    if store_token && !has_token {
        let (what, remedy) =
            ("the token that --store-token is to keep", "give it as --slack-api, or leave --store-token out");
        return Err(SettingsError::Missing { what, remedy });
    }
    let image = Found::flag("--docker-image", flags.docker_image.as_deref().unwrap_or_default());
    if flags.docker_image.is_some() && (image.text.trim().is_empty() || image.text.contains(char::is_whitespace)) {
        let remedy = "give an image like registry.example.com/clearml-alerts:1.0";
        return Err(SettingsError::invalid(&image.source, &image.text, "names no image", remedy));
    }
    Ok(EnqueueSettings {
        task: flags.service_task.as_deref().map(task_id).transpose()?,
        create_queue: flags.create_queue.unwrap_or_default(),
        image: flags.docker_image.clone(),
        program: program(flags)?,
        store_token,
    })
}

fn task_id(text: &str) -> Result<String, SettingsError> {
    let id = text.trim();
    let is_id = id.len() == 32 && id.chars().all(|letter| letter.is_ascii_hexdigit());
    let remedy = "copy the ID from the task's page in ClearML: 32 letters and digits";
    let refuse = || SettingsError::invalid(&Source::Flag("--service-task"), text, "is no task's ID", remedy);
    if is_id { Ok(id.to_ascii_lowercase()) } else { Err(refuse()) }
}

fn program(flags: &EnqueueFlags) -> Result<ProgramSource, SettingsError> {
    let (Some(address), Some(digits)) = (&flags.binary_url, &flags.binary_sha256) else {
        let upload = flags.upload_binary.unwrap_or_default();
        return Ok(if upload { ProgramSource::Upload } else { ProgramSource::Installed });
    };
    let sha256 = digits.trim().to_ascii_lowercase();
    if sha256.len() != 64 || !sha256.chars().all(|digit| digit.is_ascii_hexdigit()) {
        let place = Source::Flag("--binary-sha256");
        let remedy = "give the 64 digits that `sha256sum` prints for the program";
        return Err(SettingsError::invalid(&place, digits, "is no SHA-256", remedy));
    }
    let mut address = server_address(&Found::flag("--binary-url", address))?;
    // A file's address does not end as a server's does.
    let path = address.path().trim_end_matches('/').to_owned();
    address.set_path(&path);
    Ok(ProgramSource::Download { address, sha256 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA256: &str = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855";

    fn refused(flags: &EnqueueFlags) -> String {
        resolve_enqueue(flags, false).unwrap_err().to_string()
    }

    #[test]
    fn by_default_a_new_task_and_an_installed_program() {
        let settings = resolve_enqueue(&EnqueueFlags::default(), true).unwrap();
        assert_eq!((settings.task, settings.program, settings.store_token), (None, ProgramSource::Installed, false));
    }

    #[test]
    fn a_download_needs_an_address_and_a_checksum() {
        let flags = |url: &str, sha256: &str| EnqueueFlags {
            binary_url: Some(url.to_owned()),
            binary_sha256: Some(sha256.to_owned()),
            ..EnqueueFlags::default()
        };
        let settings = resolve_enqueue(&flags("https://example.com/dl/clearml-alerts", SHA256), false).unwrap();
        let address = Url::parse("https://example.com/dl/clearml-alerts").unwrap();
        assert_eq!(settings.program, ProgramSource::Download { address, sha256: SHA256.to_lowercase() });
        assert!(refused(&flags("ftp://example.com/x", SHA256)).starts_with("--binary-url is `"));
        assert!(refused(&flags("https://example.com/x", "abc")).starts_with("--binary-sha256 is `abc`"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let flags = EnqueueFlags { service_task: Some("mine".to_owned()), ..EnqueueFlags::default() };
        assert!(refused(&flags).starts_with("--service-task is `mine`"));
        let flags = EnqueueFlags { docker_image: Some("an image".to_owned()), ..EnqueueFlags::default() };
        assert!(refused(&flags).starts_with("--docker-image is `an image`"));
        let flags = EnqueueFlags { store_token: Some(true), ..EnqueueFlags::default() };
        assert!(refused(&flags).contains("--slack-api"));
    }
}
