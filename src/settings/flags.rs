//! The flags that describe settings, as typed: the commands flatten these. Texts stay texts here; what they mean, and
//! whether they can be meant, is decided in one place, when settings are resolved.
//!
//! `clap` is not told of environment variables: it would read the process environment, and print what it finds there
//! in `--help`.

use std::convert::Infallible;
use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};
use secrecy::SecretString;

use super::defaults;
use super::values::{parse_switch, parse_verbosity};

/// All the flags of a command that watches.
#[derive(Args, Debug, Clone, Default)]
pub struct AllFlags {
    /// Where alerts go.
    #[command(flatten)]
    pub slack: SlackFlags,
    /// Which tasks are alerted.
    #[command(flatten)]
    pub rule: RuleFlags,
    /// How the service runs.
    #[command(flatten)]
    pub service: ServiceFlags,
    /// Where it remembers.
    #[command(flatten)]
    pub database: DatabaseFlags,
}

/// Where alerts go, and how.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Slack")]
pub struct SlackFlags {
    /// Channel to post to: #name, or its ID (a private channel needs the ID)
    #[arg(long, value_name = "CHANNEL")]
    pub channel: Option<String>,
    /// The bot token.
    #[arg(
        long, value_name = "TOKEN", value_parser = hidden,
        help = "Slack bot token; others can see command lines, so better set the variable [env: SLACK_API_TOKEN]"
    )]
    pub slack_api: Option<SecretString>,
    /// The file of the bot token.
    #[arg(
        long,
        value_name = "FILE",
        help = "File that holds the Slack bot token and nothing else [env: SLACK_API_TOKEN_FILE]"
    )]
    pub slack_api_file: Option<PathBuf>,
    /// Slack's base URL.
    #[arg(
        long, value_name = "URL",
        help = format!("Slack's base URL [env: SLACK_API_URL] [default: {}]", defaults::SLACK_API_URL)
    )]
    pub slack_api_url: Option<String>,
    /// Messages a second to a channel.
    #[arg(
        long, value_name = "NUMBER", allow_negative_numbers = true,
        help = format!(
            "Messages a second to a channel; 0 leaves the pacing to Slack [default: {}]",
            defaults::SLACK_RATE
        )
    )]
    pub slack_rate: Option<String>,
    /// More alerts than this, due at once, become one digest.
    #[arg(
        long, value_name = "NUMBER", allow_negative_numbers = true,
        help = format!(
            "More alerts than this, due at once, become one digest; 0 turns digests off [default: {}]",
            defaults::DIGEST_ABOVE
        )
    )]
    pub digest_above: Option<String>,
    /// What to do with a message whose arrival stays unknown because the token may not read the channel's history
    /// [default: resend]
    #[arg(long, value_name = "WHAT", value_enum)]
    pub on_unknown: Option<OnUnknown>,
}

/// Which tasks are alerted.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Which tasks")]
pub struct RuleFlags {
    /// Text in front of each alert; to alert everyone in the channel: "Hey <!here>,"
    #[arg(long, value_name = "TEXT")]
    pub message_prefix: Option<String>,
    /// Tasks with fewer iterations are left out.
    #[arg(
        long, value_name = "NUMBER", allow_negative_numbers = true,
        help = format!(
            "Leave out tasks with fewer iterations, such as debug runs that crash at once [default: {}]",
            defaults::MIN_ITERATIONS
        )
    )]
    pub min_num_iterations: Option<String>,
    /// Name of the projects to watch, in full or in part (a regular expression); all projects by default
    #[arg(long, value_name = "PATTERN")]
    pub project: Option<String>,
    /// Include tasks run by hand, not by an agent
    #[arg(
        long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true",
        value_parser = parse_switch
    )]
    pub include_manual_experiments: Option<bool>,
    /// Include tasks that completed, not only those that failed
    #[arg(
        long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true",
        value_parser = parse_switch
    )]
    pub include_completed_experiments: Option<bool>,
    /// Include tasks that were aborted
    #[arg(
        long, value_name = "true|false", alias = "include-stopped-experiments", num_args = 0..=1,
        default_missing_value = "true", value_parser = parse_switch
    )]
    pub include_aborted_experiments: Option<bool>,
    /// Include archived tasks
    #[arg(
        long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true",
        value_parser = parse_switch
    )]
    pub include_archived: Option<bool>,
    /// Only tasks of these users, by name or ID
    #[arg(long, value_name = "USER", num_args = 1.., action = ArgAction::Append)]
    pub include_users: Vec<String>,
    /// Only tasks not of these users, by name or ID
    #[arg(long, value_name = "USER", num_args = 1.., action = ArgAction::Append)]
    pub exclude_users: Vec<String>,
}

/// How the service runs.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Service")]
pub struct ServiceFlags {
    /// Seconds between polls.
    #[arg(
        long, value_name = "SECONDS", allow_negative_numbers = true,
        help = format!(
            "Seconds between polls, {} to {} [default: {:?}]",
            defaults::REFRESH_RANGE.start(), defaults::REFRESH_RANGE.end(), defaults::REFRESH_SECONDS
        )
    )]
    pub refresh_rate: Option<String>,
    /// The queue to enqueue the service in.
    #[arg(
        long, value_name = "QUEUE",
        help = format!("Queue to enqueue the service in, without --local [default: {}]", defaults::SERVICE_QUEUE)
    )]
    pub service_queue: Option<String>,
    /// Run here, instead of enqueuing the service in ClearML
    #[arg(
        long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true",
        value_parser = parse_switch
    )]
    pub local: Option<bool>,
    /// Post a message when the service starts, at most one in 10 minutes [default: all]
    #[arg(long, value_name = "WHAT", value_enum)]
    pub announce: Option<Announce>,
    /// On a fresh database, also alert what ended since: 24h, yesterday, 2026-11-22, a time
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Keep what was told, or left untold by a filter or a silence, so long, and remove it then: 400d; all of it by default
    #[arg(long, value_name = "DURATION")]
    pub keep: Option<String>,
    /// Wait so long for another instance on the same database to end, instead of leaving at once: 30s, 5m
    #[arg(long, value_name = "DURATION")]
    pub wait_lock: Option<String>,
    /// Read the config file again when it changes, and not only when asked to (SIGHUP)
    #[arg(
        long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true",
        value_parser = parse_switch, help_heading = "Config file"
    )]
    pub watch_config: Option<bool>,
    /// Blot out what matches in console lines before they are stored or sent; can be given several times
    #[arg(long, value_name = "REGEX", action = ArgAction::Append)]
    pub redact: Vec<String>,
    /// Tell more: also the tasks that were filtered out, and why; twice: also requests
    #[arg(
        long, value_name = "true|false|LEVEL", num_args = 0..=1, default_missing_value = "1",
        value_parser = parse_verbosity, action = ArgAction::Append
    )]
    pub verbose: Vec<u8>,
    /// Like --verbose; -vv is twice
    #[arg(short, action = ArgAction::Count)]
    pub v: u8,
}

impl ServiceFlags {
    /// How talkative: 0, 1 or 2.
    pub fn verbosity(&self) -> u8 {
        self.verbose.iter().fold(self.v, |sum, level| sum.saturating_add(*level)).min(2)
    }
}

/// How it is watched.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Watching the watcher")]
pub struct WebFlags {
    /// Serve a status page and metrics on this address, such as 127.0.0.1:8097; off by default
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// The token that readers must show.
    #[arg(
        long, value_name = "TOKEN", value_parser = hidden,
        help = "What readers of the page must show, as a bearer token or as a password; needed where other machines \
                can reach the address; better set the variable [env: CLEARML_ALERTS_LISTEN_TOKEN, or \
                CLEARML_ALERTS_LISTEN_TOKEN_FILE: a file that holds it]"
    )]
    pub listen_token: Option<SecretString>,
    /// Let everyone who can reach the address read the alerts
    #[arg(
        long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true",
        value_parser = parse_switch
    )]
    pub listen_unprotected: Option<bool>,
    /// The address of the heartbeat.
    #[arg(
        long, value_name = "URL", value_parser = hidden,
        help = "Ask for this address after every good cycle, at most once a minute, so that a heartbeat service notices \
                when they stop; it is a secret, better set the variable [env: CLEARML_ALERTS_HEARTBEAT_URL]"
    )]
    pub heartbeat_url: Option<SecretString>,
}

/// Where it remembers.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Database")]
pub struct DatabaseFlags {
    /// The database file.
    #[arg(
        long, value_name = "FILE",
        help = format!(
            "Database file [env: CLEARML_ALERTS_DB] [default: $XDG_STATE_HOME/{below}, or ~/.local/state/{below}]",
            below = defaults::DATABASE_BELOW_STATE
        )
    )]
    pub db: Option<PathBuf>,
    /// The config file.
    #[arg(
        long, value_name = "FILE", help_heading = "Config file",
        help = format!(
            "Config file, with settings and rules [env: CLEARML_ALERTS_CONFIG] [default: $XDG_CONFIG_HOME/{below}, or \
             ~/.config/{below}]",
            below = defaults::CONFIG_BELOW_CONFIG
        )
    )]
    pub config: Option<PathBuf>,
}

/// What is announced in the channel besides alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Announce {
    /// That the service started.
    #[default]
    All,
    /// Nothing.
    None,
}

/// What becomes of a message whose answer was lost, where Slack cannot be asked whether it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OnUnknown {
    /// Send it once more: perhaps twice, never not at all.
    #[default]
    Resend,
    /// Leave it to a person.
    Hold,
}

#[expect(clippy::unnecessary_wraps, reason = "a value parser of clap's returns a result")]
fn hidden(token: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(token))
}
