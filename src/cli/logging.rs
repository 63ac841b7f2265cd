//! Where logs go and how they look: to standard error, for people or for machines; and to the console of the monitor's task
//! in ClearML, where it has one that no agent fills.
//!
//! Never logged, at any level: tokens, keys, secrets, whole URLs of requests, message payloads, console lines.

use std::io::IsTerminal;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use super::arguments::{Arguments, Command, LogFormat};
use crate::agent::ConsoleTap;
use crate::clock::Clock;

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
            (Command::Run(_) | Command::Once(_), verbosity) => Self::of_service(verbosity),
            (_, 0) => Self::Quiet,
            (_, 1) => Self::Verbose,
            _ => Self::Requests,
        }
    }

    /// The level of a service that is to be so talkative: 0, 1 or 2.
    pub(super) fn of_service(verbosity: u8) -> Self {
        match verbosity {
            0 => Self::Usual,
            1 => Self::Verbose,
            _ => Self::Requests,
        }
    }

    fn targets(self) -> Targets {
        let (ours, others) = match self {
            Self::Quiet => (LevelFilter::WARN, LevelFilter::WARN),
            Self::Usual => (LevelFilter::INFO, LevelFilter::WARN),
            Self::Verbose => (LevelFilter::DEBUG, LevelFilter::WARN),
            Self::Requests => (LevelFilter::TRACE, LevelFilter::INFO),
        };
        Targets::new().with_default(others).with_target(env!("CARGO_CRATE_NAME"), ours)
    }
}

/// The log, once it has started.
#[derive(Debug, Clone)]
pub(super) struct Log {
    /// Where lines wait for the console of the monitor's task.
    pub console: ConsoleTap,
    /// `None` where `RUST_LOG` has said what is logged.
    level: Option<reload::Handle<Targets, Registry>>,
}

impl Log {
    /// A log that goes nowhere but where it went already.
    #[cfg(feature = "sandbox")]
    pub(super) fn none() -> Self {
        let console = ConsoleTap::new(Clock::system());
        console.close();
        Self { console, level: None }
    }

    /// Logs at another level from now on; `RUST_LOG` still overrules it.
    pub(super) fn set_level(&self, level: Level) {
        if let Some(handle) = &self.level {
            // It fails only where the log is gone already.
            let _ = handle.reload(level.targets());
        }
    }
}

/// Starts logging; `rust_log` (the variable `RUST_LOG`) overrules the level. Colours only on a terminal, and not where
/// `NO_COLOR` is set.
pub(super) fn start(format: LogFormat, level: Level, rust_log: Option<&str>, no_color: bool) -> Log {
    let asked = rust_log.and_then(|directives| directives.parse::<Targets>().ok());
    let is_fixed = asked.is_some();
    let (filter, handle) = reload::Layer::new(asked.unwrap_or_else(|| level.targets()));
    let console = ConsoleTap::new(Clock::system());
    let lines = console.clone();
    let to_console = fmt::layer()
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .with_writer(move || lines.writer())
        // Requests about the console would be lines of the console, and so on for ever.
        .with_filter(LevelFilter::DEBUG);
    let to_stderr = fmt::layer().with_target(false).with_writer(|| {
        super::progress::clear();
        std::io::stderr()
    });
    let to_stderr = match format {
        LogFormat::Text => to_stderr.with_ansi(std::io::stderr().is_terminal() && !no_color).boxed(),
        LogFormat::Json => to_stderr.json().flatten_event(true).with_ansi(false).boxed(),
    };
    // A second start, in one process only in tests, keeps the first one's settings.
    let _ = tracing_subscriber::registry().with(filter).with(to_stderr).with(to_console).try_init();
    Log { console, level: (!is_fixed).then_some(handle) }
}
