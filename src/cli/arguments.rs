//! The command line: what can be typed, and how it is explained. What the values mean is decided by `settings` and by
//! the commands; nothing here does anything.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::domain::{AlertState, Cause, Filter, Outcome};
use crate::settings::time::{parse_duration, parse_since};
use crate::settings::{AllFlags, DatabaseFlags, EnqueueFlags, RegisterFlags, Since, WebFlags, argv, defaults};
use crate::store::Exclusion;

/// The states of an alert, by the words of `history --state`.
pub const STATES: [&str; 7] = ["pending", "sending", "unknown", "held", "sent", "dead", "suppressed"];

const AFTER_HELP: &str = "\
Examples:
  clearml-alerts demo
  clearml-alerts check --channel '#ml-alerts'
  clearml-alerts once --channel '#ml-alerts' --dry-run
  clearml-alerts run --local --channel '#ml-alerts' --project vision
  clearml-alerts history --since 24h

ClearML is found as its SDK finds it: CLEARML_API_HOST, CLEARML_API_ACCESS_KEY,
CLEARML_API_SECRET_KEY, or ~/clearml.conf. The Slack token is SLACK_API_TOKEN.

Exit codes: 0 done, 1 unexpected, 2 usage or configuration, 3 ClearML
unreachable or refusing, 4 alerts left undelivered, 5 another instance owns the
database, 6 database unusable.";

const RUN_EXAMPLES: &str = "\
Flags may be spelled with - or _, and switches may have a value: --local,
--local True, --local=false.

Examples:
  clearml-alerts run --local --channel '#ml-alerts'
  clearml-alerts run --local --channel C0123456789 \\
      --include-completed-experiments --include-aborted-experiments
  clearml-alerts run --local --channel '#ml-alerts' --since 24h \\
      --message-prefix 'Hey <!here>,' --exclude-users alice bob";

const ONCE_EXAMPLES: &str = "\
Takes the flags of `run`; those that only a service needs have no effect.

Examples:
  clearml-alerts once --channel '#ml-alerts' --dry-run --since 24h
  */5 * * * *  clearml-alerts once --channel '#ml-alerts' --wait-lock 1m";

const HISTORY_EXAMPLES: &str = "\
Several values of one filter mean any of them, several filters mean all. States
and outcomes may be joined by commas.

Examples:
  clearml-alerts history --since '2 hours ago' --status failed --not user=bob
  clearml-alerts history --state dead,held --format json
  clearml-alerts history --since yesterday --until today --format csv
  clearml-alerts history --since 7d --group-by project
  clearml-alerts history --since 7d --stats
  clearml-alerts history --show 4711";

const EXPLAIN_EXAMPLES: &str = "\
Takes the flags of `run`: give those of your service, and it tells what that
service would do with the task now.

Examples:
  clearml-alerts explain 4f2a9c
  clearml-alerts explain https://app.clear.ml/projects/…/tasks/4f2a9c…/output/log
  clearml-alerts explain 4f2a9c --project vision --format json";

const CHECK_EXAMPLES: &str = "\
Takes the flags of `run`: give those of your service. Nothing is changed.

Exit codes: 0 it works (warnings included); otherwise that of the first
failure: 2 settings, 3 ClearML, 4 Slack, 6 the database.

Examples:
  clearml-alerts check --local --channel '#ml-alerts' --project vision
  clearml-alerts check --local --channel '#ml-alerts' --send-test";

const SILENCE_EXAMPLES: &str = "\
A running service obeys from its next poll on. What is silenced stays in the
history as suppressed; when the silence ends, one line in the channel tells how
much it was.

Examples:
  clearml-alerts silence add --project '^vision/' --for 2h \\
      --author ada --reason 'storage maintenance'
  clearml-alerts silence list
  clearml-alerts silence end 3 --author ada";

const DEAD_EXAMPLES: &str = "\
Examples:
  clearml-alerts dead list
  clearml-alerts dead retry --all
  clearml-alerts dead drop 17 --reason 'channel was deleted'";

/// Watches ClearML tasks and posts an alert to Slack for each one that fails
#[derive(Parser, Debug, Clone)]
#[command(name = "clearml-alerts", version, max_term_width = 100, args_override_self = true)]
#[command(after_help = AFTER_HELP, subcommand_required = true, arg_required_else_help = true)]
pub struct Arguments {
    /// How the log on stderr is written
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug, Clone)]
pub enum Command {
    /// Watch and alert until told to stop
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<RunArguments>),
    /// Poll once, deliver what is due, and exit: for cron and systemd timers
    #[command(after_help = ONCE_EXAMPLES)]
    Once(Box<OnceArguments>),
    /// Show past alerts: what was sent, what was not, and why
    #[command(after_help = HISTORY_EXAMPLES)]
    History(Box<HistoryArguments>),
    /// Tell why a task was, or was not, alerted; posts nothing
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(Box<ExplainArguments>),
    /// Check settings, ClearML, Slack and the database, one line each
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Box<CheckArguments>),
    /// List, show, retry or drop alerts that could not be delivered
    #[command(after_help = DEAD_EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
    Dead {
        /// What to do with them.
        #[command(subcommand)]
        command: DeadCommand,
    },
    /// Keep outcomes quiet for a while; they stay in the history
    #[command(after_help = SILENCE_EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
    Silence {
        /// What to do with them.
        #[command(subcommand)]
        command: SilenceCommand,
    },
    /// Copy the database to a file, also while the service runs
    Backup(BackupArguments),
    /// Put a copy made by `backup` back in the database's place
    Restore(BackupArguments),
    /// Show the whole pipeline on simulated servers; needs no accounts
    #[cfg(feature = "sandbox")]
    Demo(DemoArguments),
    /// Serve a simulated ClearML and a simulated Slack, to try any client on
    #[cfg(feature = "sandbox")]
    Sandbox(SandboxArguments),
    /// Print the completions for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page, of the program or of one of its commands
    Man {
        /// The command: run, silence add, …
        #[arg(value_name = "COMMAND")]
        command: Vec<String>,
    },
}

/// `run`.
#[derive(Args, Debug, Clone, Default)]
pub struct RunArguments {
    /// Every setting.
    #[command(flatten)]
    pub flags: AllFlags,
    /// How it is watched.
    #[command(flatten)]
    pub web: WebFlags,
    /// Whether it shows itself in ClearML.
    #[command(flatten)]
    pub register: RegisterFlags,
    /// How it enqueues itself.
    #[command(flatten)]
    pub enqueue: EnqueueFlags,
}

/// `once`.
#[derive(Args, Debug, Clone)]
pub struct OnceArguments {
    /// Every setting.
    #[command(flatten)]
    pub flags: AllFlags,
    /// Print what would be sent, and why the rest would not; post and write nothing
    #[arg(
        long,
        num_args = 0..=1, default_missing_value = "true", default_value = "false", value_name = "true|false",
        value_parser = crate::settings::parse_switch, hide_default_value = true, help_heading = "Once",
        action = clap::ArgAction::Set
    )]
    pub dry_run: bool,
    /// Show each run as a task in ClearML, one and the same for all runs on a database
    #[arg(
        long,
        num_args = 0..=1, default_missing_value = "true", default_value = "false", value_name = "true|false",
        value_parser = crate::settings::parse_switch, hide_default_value = true, help_heading = "Once",
        action = clap::ArgAction::Set
    )]
    pub clearml_task: bool,
    /// Go on delivering for so long
    #[arg(
        long, value_name = "DURATION", value_parser = parse_duration, default_value = defaults::DELIVER_TIMEOUT,
        help_heading = "Once"
    )]
    pub deliver_timeout: Duration,
}

/// `explain`.
#[derive(Args, Debug, Clone, Default)]
pub struct ExplainArguments {
    /// The task: its ID, the beginning of a recorded ID, or the address of its page
    #[arg(value_name = "TASK")]
    pub task: String,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: ReportFormat,
    /// Every setting.
    #[command(flatten)]
    pub flags: AllFlags,
}

/// `check`.
#[derive(Args, Debug, Clone, Default)]
pub struct CheckArguments {
    /// Every setting.
    #[command(flatten)]
    pub flags: AllFlags,
    /// Also read every page of the database
    #[arg(long, help_heading = "Check")]
    pub deep: bool,
    /// Also post a test message, and print its address
    #[arg(long, help_heading = "Check")]
    pub send_test: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Check")]
    pub format: ReportFormat,
}

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
    /// With this outcome: failed, completed, stopped (also called aborted)
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
    #[arg(long, value_name = "FIELD=VALUE", value_parser = exclusion, help_heading = "Which alerts")]
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

/// `dead`.
#[derive(Subcommand, Debug, Clone)]
pub enum DeadCommand {
    /// List alerts that could not be delivered
    List {
        /// How to print them
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        format: Format,
        /// Which database.
        #[command(flatten)]
        database: DatabaseFlags,
    },
    /// Show one of them: what was to be sent, and what Slack said
    Show {
        /// The alert's ID, as `dead list` shows it
        #[arg(value_name = "ID")]
        id: i64,
        /// Which database.
        #[command(flatten)]
        database: DatabaseFlags,
    },
    /// Put them back in the queue
    Retry {
        /// Which.
        #[command(flatten)]
        which: WhichDead,
        /// Which database.
        #[command(flatten)]
        database: DatabaseFlags,
    },
    /// Give one of them up for good
    Drop {
        /// The alert's ID, as `dead list` shows it
        #[arg(value_name = "ID")]
        id: i64,
        /// Why; it stays in the history
        #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        reason: String,
        /// Which database.
        #[command(flatten)]
        database: DatabaseFlags,
    },
}

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
    /// This outcome: failed, completed, stopped
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

/// Which dead alerts: some, or all of them.
#[derive(Args, Debug, Clone)]
#[group(required = true, multiple = false)]
pub struct WhichDead {
    /// The alerts' IDs, as `dead list` shows them
    #[arg(value_name = "ID")]
    pub ids: Vec<i64>,
    /// All of them
    #[arg(long)]
    pub all: bool,
}

/// `backup` and `restore`.
#[derive(Args, Debug, Clone)]
pub struct BackupArguments {
    /// The copy's file
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// Which database.
    #[command(flatten)]
    pub database: DatabaseFlags,
}

/// `demo`.
#[derive(Args, Debug, Clone, Default)]
pub struct DemoArguments {}

/// `sandbox`.
#[derive(Args, Debug, Clone)]
pub struct SandboxArguments {
    /// The port of the simulated ClearML on 127.0.0.1; 0 takes any that is free
    #[arg(long, value_name = "PORT", default_value_t = 8008)]
    pub clearml_port: u16,
    /// The port of the simulated Slack on 127.0.0.1; 0 takes any that is free
    #[arg(long, value_name = "PORT", default_value_t = 8009)]
    pub slack_port: u16,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// A table that fits the terminal
    #[default]
    Table,
    /// One JSON array
    Json,
    /// One JSON object a line
    Jsonl,
    /// Comma-separated, with a header
    Csv,
}

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ReportFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object
    Json,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// For machines: one JSON object a line
    Json,
}

impl Arguments {
    /// Reads a command line, the program's name first. The error is clap's: it knows how to print itself, and whether it
    /// is one at all (`--help` and `--version` are none).
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(argv::normalize(arguments))
    }

    /// How talkative the log is to be, before anything is resolved: 0, 1 or 2.
    pub fn verbosity(&self) -> u8 {
        match &self.command {
            Command::Run(run) => run.flags.service.verbosity(),
            Command::Once(once) => once.flags.service.verbosity(),
            Command::Explain(explain) => explain.flags.service.verbosity(),
            Command::Check(check) => check.flags.service.verbosity(),
            _ => 0,
        }
    }
}

fn filter(word: &str) -> Result<Filter, String> {
    let words = || Filter::ALL.map(Filter::as_str).join(", ");
    Filter::ALL.into_iter().find(|filter| filter.as_str() == word).ok_or_else(|| format!("write one of {}", words()))
}

fn causes() -> impl TypedValueParser<Value = Cause> {
    PossibleValuesParser::new(Cause::ALL.map(Cause::as_str)).try_map(|word| cause(&word))
}

fn cause(word: &str) -> Result<Cause, String> {
    Cause::parse(word).ok_or_else(|| format!("write one of {}", Cause::ALL.map(Cause::as_str).join(", ")))
}

fn exclusion(text: &str) -> Result<Exclusion, String> {
    let fields =
        "write project=, task=, user=, status=, state=, rule=, channel=, reason=, filter= or cause= with a value";
    let (field, value) = text.split_once('=').ok_or(fields)?;
    if value.is_empty() {
        return Err(fields.to_owned());
    }
    let text = value.to_owned();
    Ok(match field {
        "project" => Exclusion::Project(text),
        "task" => Exclusion::Task(text),
        "user" => Exclusion::User(text),
        "rule" => Exclusion::Rule(text),
        "channel" => Exclusion::Channel(text),
        "reason" => Exclusion::Reason(text),
        "status" => Exclusion::Status(outcome(value)?),
        "state" => {
            Exclusion::State(AlertState::parse(value).ok_or_else(|| format!("write one of {}", STATES.join(", ")))?)
        }
        "filter" => Exclusion::Filter(filter(value)?),
        "cause" => Exclusion::Cause(cause(value)?),
        _ => return Err(fields.to_owned()),
    })
}

fn outcome(word: &str) -> Result<Outcome, String> {
    Outcome::parse(&word.to_ascii_lowercase()).ok_or_else(|| "write failed, completed or stopped".to_owned())
}

#[cfg(test)]
mod tests;
