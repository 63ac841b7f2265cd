//! `history`: which alerts, and how they are printed.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::{Format, outcome};
use crate::domain::{Cause, Filter, Outcome};
use crate::settings::time::parse_since;
use crate::settings::{DatabaseFlags, Since};
use crate::store::Exclusion;

/// The states of an alert, by the words of `history --state`.
pub const STATES: [&str; 7] = ["pending", "sending", "unknown", "held", "sent", "dead", "suppressed"];

/// `history`.
#[derive(Args, Debug, Clone)]
pub struct HistoryArguments {
    /// Since then: 24h, "2 hours ago", today, yesterday, 2026-11-22, a time (UTC)
    #[arg(long, value_name = "WHEN", value_parser = parse_since, help_heading = "Which alerts")]
    pub since: Option<Since>,
    /// Until then, written alike
    #[arg(long, value_name = "WHEN", value_parser = parse_since, help_heading = "Which alerts", conflicts_with = "follow")]
    pub until: Option<Since>,
    /// Of projects with this in their name
    #[arg(long, value_name = "TEXT", help_heading = "Which alerts")]
    pub project: Vec<String>,
    /// Of tasks with this ID, or with this in their name
    #[arg(long, value_name = "TEXT", help_heading = "Which alerts")]
    pub task: Vec<String>,
    /// Of this user
    #[arg(long, value_name = "USER", help_heading = "Which alerts")]
    pub user: Vec<String>,
    /// With this outcome: failed, completed, stopped (also called aborted), stuck
    #[arg(long, value_name = "STATUS", value_parser = outcome, value_delimiter = ',', help_heading = "Which alerts")]
    pub status: Vec<Outcome>,
    /// In this state
    #[arg(
        long, value_name = "STATE", value_parser = PossibleValuesParser::new(STATES), value_delimiter = ',',
        help_heading = "Which alerts"
    )]
    pub state: Vec<String>,
    /// Of this rule
    #[arg(long, value_name = "RULE", help_heading = "Which alerts")]
    pub rule: Vec<String>,
    /// For this channel
    #[arg(long, value_name = "CHANNEL", help_heading = "Which alerts")]
    pub channel: Vec<String>,
    /// With this in the reason, whatever the state
    #[arg(long, value_name = "TEXT", help_heading = "Which alerts")]
    pub reason: Vec<String>,
    /// Kept quiet by this filter: status, project, user, manual, archived, iterations, silence
    #[arg(long, value_name = "FILTER", value_parser = filter, value_delimiter = ',', help_heading = "Which alerts")]
    pub filter: Vec<Filter>,
    /// Whose task ended because of this
    #[arg(
        long, value_name = "CAUSE", value_parser = causes(), value_delimiter = ',', help_heading = "Which alerts"
    )]
    pub cause: Vec<Cause>,
    /// Kept quiet by this silence, by number
    #[arg(long, value_name = "ID", help_heading = "Which alerts")]
    pub silence: Option<i64>,
    /// Leave out: project=TEXT, task=TEXT, user=USER, status=STATUS, state=STATE, rule=RULE, channel=CHANNEL,
    /// reason=TEXT, filter=FILTER or cause=CAUSE; can be given several times
    #[arg(long, value_name = "FIELD=VALUE", value_parser = Exclusion::parse, help_heading = "Which alerts")]
    pub not: Vec<Exclusion>,
    /// Only those that come after this alert in the list: the next page
    #[arg(long, value_name = "ID", conflicts_with_all = ["follow", "stats", "group_by"], help_heading = "Which alerts")]
    pub before: Option<i64>,
    /// At most so many, the newest
    #[arg(
        long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Which alerts"
    )]
    pub limit: u32,
    /// How to print them
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
    /// Count them instead, by project, user, status, rule, state, cause or day
    #[arg(long, value_name = "FIELD", value_enum, help_heading = "What to print", conflicts_with = "follow")]
    pub group_by: Option<GroupField>,
    /// Tell how many they are and how late they came instead: median and 95th percentile, from status change to Slack
    #[arg(long, help_heading = "What to print", conflicts_with_all = ["follow", "group_by"])]
    pub stats: bool,
    /// Print the addresses of their tasks instead, one a line
    #[arg(long, help_heading = "What to print", conflicts_with_all = ["follow", "group_by", "stats"])]
    pub open: bool,
    /// Show this one whole: where it stands, and the message as Slack shows it
    #[arg(
        long, value_name = "ID", help_heading = "What to print",
        conflicts_with_all = ["follow", "group_by", "stats", "open"]
    )]
    pub show: Option<i64>,
    /// Go on printing new ones as they come
    #[arg(long, help_heading = "What to print")]
    pub follow: bool,
    /// Which database.
    #[command(flatten)]
    pub database: DatabaseFlags,
}

/// What `history --group-by` counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GroupField {
    /// The project
    Project,
    /// The user
    User,
    /// The outcome
    Status,
    /// The rule
    Rule,
    /// The state
    State,
    /// Why the task ended
    Cause,
    /// The day of the outcome (UTC)
    Day,
}

fn filter(word: &str) -> Result<Filter, String> {
    let words = || Filter::ALL.map(Filter::as_str).join(", ");
    Filter::ALL.into_iter().find(|filter| filter.as_str() == word).ok_or_else(|| format!("write one of {}", words()))
}

fn causes() -> impl TypedValueParser<Value = Cause> {
    PossibleValuesParser::new(Cause::ALL.map(Cause::as_str))
        .try_map(|word| Cause::parse(&word).ok_or_else(|| format!("there is no cause `{word}`")))
}
