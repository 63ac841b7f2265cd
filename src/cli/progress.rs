//! How far a long poll has come. On a terminal it is one line, overwritten in place and wiped away before anything else is
//! written: log lines and results never run into it.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::domain::message::words;
use crate::monitor::Progress;

/// From the line's beginning, over whatever is there, and cut rather than wrapped where the terminal is narrow.
const BEGIN: &str = "\r\u{1b}[2K\u{1b}[?7l";
const END: &str = "\u{1b}[?7h\r";
const WIPE: &str = "\r\u{1b}[2K";

/// Whether the line is on the terminal now.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Tells how far a long poll has come: one line that is overwritten on a terminal, log lines elsewhere.
pub(super) fn reporter() -> Box<dyn Fn(Progress) + Send + Sync> {
    if std::io::stderr().is_terminal() { Box::new(overwrite) } else { Box::new(log) }
}

/// Wipes the line away, if it is there. To be called before anything else goes to the terminal.
pub(super) fn clear() {
    if SHOWN.swap(false, Ordering::SeqCst) {
        write(WIPE);
    }
}

fn overwrite(progress: Progress) {
    SHOWN.store(true, Ordering::SeqCst);
    write(&format!("{BEGIN}{}{END}", line(progress)));
}

fn line(progress: Progress) -> String {
    let (tasks, alerts) = (words::number(progress.tasks), words::number(progress.alerts));
    let up_to = |stamp: crate::domain::Stamp| stamp.to_timestamp().strftime(", up to %Y-%m-%d %H:%M").to_string();
    format!("reading: {tasks} tasks, {alerts} alerts{}", progress.at.map(up_to).unwrap_or_default())
}

fn write(text: &str) {
    let mut terminal = std::io::stderr().lock();
    // A terminal that went away misses nothing.
    let _ = terminal.write_all(text.as_bytes());
    let _ = terminal.flush();
}

fn log(progress: Progress) {
    let at = progress.at.map(|at| at.to_string());
    tracing::info!(pages = progress.pages, tasks = progress.tasks, alerts = progress.alerts, at, "reading");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Stamp;

    #[test]
    fn a_long_poll_fits_a_narrow_terminal() {
        let at = Stamp::parse("2026-11-22T22:27:28.021Z").ok();
        let told = line(Progress { pages: 25, tasks: 12_500, alerts: 1_200, at });
        assert_eq!(told, "reading: 12,500 tasks, 1,200 alerts, up to 2026-11-22 22:27");
        assert!(told.len() < 60);
    }
}
