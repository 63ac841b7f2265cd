//! The command line: what can be typed, and how it is explained. What the values mean is decided by `settings` and by
//! the commands; nothing here does anything.

mod dead;
mod examples;
mod history;
mod silence;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use dead::{DeadCommand, WhichDead};
pub use history::{GroupField, HistoryArguments, STATES};
pub use silence::{SilenceAdd, SilenceCommand, SilenceEnd, SilenceList};

use crate::domain::Outcome;
use crate::settings::time::parse_duration;
use crate::settings::{AllFlags, DatabaseFlags, EnqueueFlags, RegisterFlags, WebFlags, argv, defaults};
use examples::{
    AFTER_HELP, CHECK_EXAMPLES, DEAD_EXAMPLES, EXPLAIN_EXAMPLES, HISTORY_EXAMPLES, ONCE_EXAMPLES, RUN_EXAMPLES,
    SILENCE_EXAMPLES, TEST_RULES_EXAMPLES,
};

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
    /// Put past outcomes to the rules: who would have heard of what; sends nothing
    #[command(after_help = TEST_RULES_EXAMPLES)]
    TestRules(Box<TestRulesArguments>),
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

/// `test-rules`.
#[derive(Args, Debug, Clone, Default)]
pub struct TestRulesArguments {
    /// A task that has ended, by its ID or the address of its page; without it, --since says which
    #[arg(value_name = "TASK")]
    pub task: Option<String>,
    /// Show every rule, not only those that would alert
    #[arg(long)]
    pub all: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: RulesFormat,
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
    /// How the service is watched.
    #[command(flatten)]
    pub web: WebFlags,
    /// Whether the service shows itself in ClearML.
    #[command(flatten)]
    pub register: RegisterFlags,
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
    /// Nobody is at work: tasks come by POST /sandbox/tasks alone, and nothing is shown
    #[arg(long)]
    pub idle: bool,
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

/// How outcomes that are put to rules are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum RulesFormat {
    /// A table
    #[default]
    Table,
    /// One JSON array, with every rule
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
            Command::TestRules(test) => test.flags.service.verbosity(),
            Command::Check(check) => check.flags.service.verbosity(),
            _ => 0,
        }
    }
}

fn outcome(word: &str) -> Result<Outcome, String> {
    Outcome::parse(&word.to_ascii_lowercase()).ok_or_else(|| "write failed, completed, stopped or stuck".to_owned())
}

#[cfg(test)]
mod tests;
