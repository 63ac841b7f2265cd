//! Where logs go and how they look: to standard error, for people or for machines.
//!
//! Never logged, at any level: tokens, keys, secrets, whole URLs of requests, message payloads, console lines.

use std::io::IsTerminal;

use super::arguments::{Arguments, Command, LogFormat};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Only what is wrong: where the log would come between the results.
    Quiet,
    /// What a service does: `run` and `once`.
    Usual,
    /// Also what was filtered out (`--verbose`).
    Verbose,
    /// Also each request (`-vv`).
    Requests,
}

impl Level {
    /// The level of a command line.
    pub(super) fn of(arguments: &Arguments) -> Self {
        match (&arguments.command, arguments.verbosity()) {
            (Command::Run(_) | Command::Once(_), 0) => Self::Usual,
            (_, 0) => Self::Quiet,
            (_, 1) => Self::Verbose,
            _ => Self::Requests,
        }
    }
}

/// Starts logging; `rust_log` (the variable
/// `RUST_LOG`) overrules it. Colours only on a terminal, and not where `NO_COLOR` is set.
pub(super) fn start(format: LogFormat, level: Level, rust_log: Option<&str>, no_color: bool) {
    let level = match level {
        Level::Quiet => "warn",
        Level::Usual => "clearml_alerts=info,warn",
        Level::Verbose => "clearml_alerts=debug,warn",
        Level::Requests => "clearml_alerts=trace,info",
    };
    let filter = rust_log.map_or_else(
        || EnvFilter::new(level),
        |directives| EnvFilter::try_new(directives).unwrap_or_else(|_| EnvFilter::new(level)),
    );
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| {
            super::progress::clear();
            std::io::stderr()
        })
        .with_span_events(FmtSpan::NONE)
        .with_target(false);
    // A second start, in one process only in tests, keeps the first one's settings.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal() && !no_color).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_ansi(false).try_init(),
    };
}
