//! `silence`: what is to be quiet, and for how long.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{ReportFormat, outcome};
use crate::domain::Outcome;
use crate::settings::time::{parse_duration, parse_since};
use crate::settings::{DatabaseFlags, Since};

/// `silence`.
#[derive(Subcommand, Debug, Clone)]
pub enum SilenceCommand {
    /// Begin a silence now; everything given must fit
    Add(Box<SilenceAdd>),
    /// List silences and how many alerts each kept quiet
    List(SilenceList),
    /// End a silence now
    End(SilenceEnd),
}

/// `silence add`.
#[derive(Args, Debug, Clone)]
pub struct SilenceAdd {
    /// Projects whose full name matches (a regular expression, case-sensitive)
    #[arg(long, value_name = "PATTERN", help_heading = "What to silence")]
    pub project: Option<String>,
    /// Tasks whose name matches, likewise
    #[arg(long, value_name = "PATTERN", help_heading = "What to silence")]
    pub task: Option<String>,
    /// Tasks of this user, by name or ID; can be given several times
    #[arg(long, value_name = "USER", help_heading = "What to silence")]
    pub user: Vec<String>,
    /// Tasks with this tag; can be given several times
    #[arg(long, value_name = "TAG", help_heading = "What to silence")]
    pub tag: Vec<String>,
    /// This outcome: failed, completed, stopped, stuck
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = outcome, help_heading = "What to silence")]
    pub status: Vec<Outcome>,
    /// Alerts of this rule
    #[arg(long, value_name = "RULE", help_heading = "What to silence")]
    pub rule: Vec<String>,
    /// Every alert
    #[arg(long, help_heading = "What to silence")]
    pub everything: bool,
    /// For so long: 30m, 2h, 3d
    #[arg(
        long = "for", value_name = "DURATION", value_parser = parse_duration, required_unless_present = "until",
        conflicts_with = "until", help_heading = "How long"
    )]
    pub duration: Option<Duration>,
    /// Until this time (UTC): 2026-11-23, 2026-11-23T08:00
    #[arg(long, value_name = "WHEN", value_parser = parse_since, help_heading = "How long")]
    pub until: Option<Since>,
    /// Why; it is told with every alert that is kept quiet
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub reason: String,
    /// Who asks for it
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub author: String,
    /// Do not post what was silenced when it ends
    #[arg(long)]
    pub quiet_end: bool,
    /// Which database.
    #[command(flatten)]
    pub database: DatabaseFlags,
}

/// `silence list`.
#[derive(Args, Debug, Clone)]
pub struct SilenceList {
    /// Also those that are over
    #[arg(long)]
    pub all: bool,
    /// How to print them
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: ReportFormat,
    /// Which database.
    #[command(flatten)]
    pub database: DatabaseFlags,
}

/// `silence end`.
#[derive(Args, Debug, Clone)]
pub struct SilenceEnd {
    /// The silence's number, as `silence list` shows it
    #[arg(value_name = "ID")]
    pub id: i64,
    /// Who ends it
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// Which database.
    #[command(flatten)]
    pub database: DatabaseFlags,
}
