//! Where logs go and how they look: to standard error, for people or for machines.
//!
//! Never logged, at any level: tokens, keys, secrets, whole URLs of requests, message payloads, console lines.

use std::io::IsTerminal;

use super::arguments::LogFormat;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Starts logging. `verbosity` 1 tells what was filtered out too, 2 also each request; `rust_log` (the variable
/// `RUST_LOG`) overrules it. Colours only on a terminal, and not where `NO_COLOR` is set.
pub(super) fn start(format: LogFormat, verbosity: u8, rust_log: Option<&str>, no_color: bool) {
    let level = match verbosity {
        0 => "clearml_alerts=info,warn",
        1 => "clearml_alerts=debug,warn",
        _ => "clearml_alerts=trace,info",
    };
    let filter = rust_log.map_or_else(
        || EnvFilter::new(level),
        |directives| EnvFilter::try_new(directives).unwrap_or_else(|_| EnvFilter::new(level)),
    );
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE)
        .with_target(false);
    // A second start, in one process only in tests, keeps the first one's settings.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal() && !no_color).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_ansi(false).try_init(),
    };
}
