//! The end of a task's console, as a message quotes it and as the search for a cause reads it. One that cannot be fetched
//! costs the alert its console, never the alert.

use std::time::Duration;

use super::deliver::Deliverer;
use crate::domain::rule::Style;
use crate::domain::{PendingAlert, Redactor, console};

/// Log events asked for at least to find the last console lines.
const FEWEST_EVENTS: u32 = 20;
/// Characters of console in an alert.
const USUAL_CHARACTERS: usize = 2_400;
/// Characters of console where a rule wants more lines than usual; the rest of the message must fit too.
const MOST_CHARACTERS: usize = 2_900;
/// Lines of console in which secrets are looked for.
pub(super) const SEARCHED_LINES: usize = 20_000;
/// Characters of console in which secrets are looked for.
pub(super) const SEARCHED_CHARACTERS: usize = 256 * 1024;
/// A console is waited for no longer than this.
const CONSOLE_PATIENCE: Duration = Duration::from_secs(10);

impl Deliverer {
    /// The end of an alert's console, with so many lines to quote; `None` where nobody wants any, or it cannot be had.
    pub(super) async fn console(&self, alert: &PendingAlert, lines: usize) -> Option<Seen> {
        if lines == 0 {
            return None;
        }
        let events = FEWEST_EVENTS.max(u32::try_from(lines).unwrap_or(FEWEST_EVENTS));
        let asked = self.clearml.console_tail(&alert.task.id, events);
        match tokio::time::timeout(CONSOLE_PATIENCE, asked).await {
            Ok(Ok(messages)) => Some(seen_without_secrets(&messages.join("\n"), lines, &self.config.redactor)),
            Ok(Err(error)) => {
                tracing::warn!(task = %alert.task.id, %error, "the console could not be fetched; the alert goes without it");
                None
            }
            Err(_) => {
                tracing::warn!(task = %alert.task.id, "the console took too long; the alert goes without it");
                None
            }
        }
    }
}

/// What was seen of a console.
pub(super) struct Seen {
    /// What the message quotes.
    pub(super) tail: console::ConsoleTail,
    /// More of it: what tells why the task ended.
    pub(super) lines: Vec<String>,
}

/// The console's end. Secrets are looked for in what a terminal would show, and in more of it than is quoted: one that is
/// cut in two is hard to know.
fn seen_without_secrets(raw: &str, lines: usize, redactor: &Redactor) -> Seen {
    let shown = console::tail(raw, SEARCHED_LINES, SEARCHED_CHARACTERS);
    let text = shown.lines.join("\n");
    let text = redactor.redact(&text);
    let characters = if lines > Style::CONSOLE_LINES { MOST_CHARACTERS } else { USUAL_CHARACTERS };
    let tail = console::tail(&text, lines, characters);
    let tail = console::ConsoleTail { cut: tail.cut || shown.cut, ..tail };
    Seen { tail, lines: text.lines().map(str::to_owned).collect() }
}
