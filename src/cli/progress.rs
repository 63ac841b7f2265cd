//! How far a long poll has come, on a terminal.

use std::io::{IsTerminal, Write};

use crate::domain::message::words;
use crate::monitor::Progress;

/// Tells how far a long poll has come: one line that is overwritten on a terminal, log lines elsewhere.
pub(super) fn reporter() -> Box<dyn Fn(Progress) + Send + Sync> {
    if std::io::stderr().is_terminal() { Box::new(overwrite) } else { Box::new(log) }
}

fn overwrite(progress: Progress) {
    let at = progress.at.map_or_else(String::new, |at| format!(", up to {at}"));
    let tasks = words::number(progress.tasks);
    let mut terminal = std::io::stderr().lock();
    // A terminal that went away misses nothing.
    let _ = write!(terminal, "\r\u{1b}[2Kreading: {tasks} tasks, {} alerts{at}\r", words::number(progress.alerts));
    let _ = terminal.flush();
}

fn log(progress: Progress) {
    let at = progress.at.map(|at| at.to_string());
    tracing::info!(pages = progress.pages, tasks = progress.tasks, alerts = progress.alerts, at, "reading");
}
