//! What the polled row tells of an end: its status, `status_reason` and `status_message`.
//!
//! Who writes which words, as recorded in the contract's exchanges, and as the sources of `clearml` 2.1.12 and
//! `clearml-agent` 3.0.3 have them:
//!
//! | words | written by |
//! |---|---|
//! | reason and message `Forced stop (non-responsive)` | the server's watchdog; `clearml/automation/job.py` compares without case |
//! | message `Stopped by <user>`, any reason | the server, for `tasks.stop`: an abort on ClearML's pages |
//! | reason `task was stopped by tasks.stop` | the agent (`commands/worker.py`, `handle_task_termination`), for such an abort of a task that it runs; when it shuts down with GPUs shared dynamically, too |
//! | reason `user abort` | the agent, where the process ended as by a keyboard's interrupt |
//! | reason `USER ABORTED` | the SDK (`clearml/task.py`, `_dev_mode_stop_task`), for an abort of a task that runs by hand |
//! | reason `worker execution exit code N` | the agent; N is that of `Popen.poll`, below 0 for a signal |
//! | reason `Signal N`, `Signal None`, `Exception <text>` | the SDK at the end of a program that runs by hand (`clearml/task.py`, `__shutdown`); `Signal None` stands for an exit code other than 0, and the text is the exception's without its type |
//! | reason `failed cloning repository`, and whatever else comes with message `Changed by clearml-agent <worker>` | the agent |
//! | neither, stopped | the SDK at an interrupt or a SIGTERM, or `Task.mark_stopped`; `tasks.stopped` keeps what it is given |

use super::signal::Signal;
use super::{Cause, Diagnosis, Exception, fatal, memory, traceback};
use crate::domain::{Outcome, Task, console};

const WATCHDOG: &str = "forced stop (non-responsive)";
const BY_THE_AGENT: &str = "Changed by clearml-agent";
/// A reason that is longer is looked at no further.
const LONGEST_REASON: usize = 16 * 1024;
const MOST_LINES: usize = 400;

/// Diagnoses a row; `without_secrets` takes them out of a text.
pub(super) fn diagnose(task: &Task, without_secrets: &dyn Fn(&str) -> String) -> Option<Diagnosis> {
    let outcome = task.outcome().filter(|outcome| *outcome != Outcome::Completed)?;
    let clean = |text: &Option<String>| {
        let shown = console::tail(text.as_deref().unwrap_or_default(), MOST_LINES, LONGEST_REASON).lines.join("\n");
        without_secrets(&shown).trim().to_owned()
    };
    let row = Row { reason: clean(&task.status_reason), message: clean(&task.status_message) };
    if [&row.reason, &row.message].iter().any(|words| words.eq_ignore_ascii_case(WATCHDOG)) {
        return Some(Diagnosis::new(Cause::NonResponsive));
    }
    Some(match outcome {
        Outcome::Stopped => row.stopped(task.has_system_tag("archived")),
        Outcome::Failed | Outcome::Completed | Outcome::Stuck => row.failed(),
    })
}

struct Row {
    reason: String,
    message: String,
}

impl Row {
    fn stopped(&self, is_archived: bool) -> Diagnosis {
        if let Some(user) = self.message.strip_prefix("Stopped by ") {
            return Diagnosis { user: Some(first_line(user).to_owned()), ..Diagnosis::new(Cause::AbortedByUser) };
        }
        let is = |words: &str| self.reason.eq_ignore_ascii_case(words);
        if is("task was stopped by tasks.stop") || is("user abort") || is("USER ABORTED") {
            return Diagnosis::new(Cause::AbortedByUser);
        }
        if self.message.starts_with(BY_THE_AGENT) {
            return Diagnosis { said: self.said_beside_the_agent(), ..Diagnosis::new(Cause::StoppedByAgent) };
        }
        match self.said() {
            // Archiving takes the words away.
            None if is_archived => Diagnosis::new(Cause::Unknown),
            said => Diagnosis { said, ..Diagnosis::new(Cause::StoppedBySdk) },
        }
    }

    fn failed(&self) -> Diagnosis {
        if let Some(code) = number_after(&self.reason, "worker execution exit code ") {
            return of_exit_code(code);
        }
        if let Some(number) = self.reason.strip_prefix("Signal ") {
            let signal = number.trim().parse().ok().and_then(Signal::of_number);
            match (signal, number.trim()) {
                (Some(signal), _) => {
                    return Diagnosis { signal: Some(signal), ..Diagnosis::new(Cause::Signal) };
                }
                (None, "None") => return Diagnosis::new(Cause::ExitCode),
                (None, _) => {}
            }
        }
        if let Some(text) = self.reason.strip_prefix("Exception").filter(|text| is_rest_of_exception(text)) {
            return crashed(Exception { kind: None, message: first_line(text).to_owned() });
        }
        if self.message.starts_with(BY_THE_AGENT) && !self.reason.is_empty() {
            let exception = traceback::exception_of(first_line(&self.reason));
            return exception.map_or_else(
                || Diagnosis { said: self.said_beside_the_agent(), ..Diagnosis::new(Cause::AgentError) },
                crashed,
            );
        }
        self.in_own_words()
    }

    /// Words of a program's own, or of whoever marked the task.
    fn in_own_words(&self) -> Diagnosis {
        for words in [&self.reason, &self.message] {
            if let Some(exception) = traceback::exception_of(first_line(words)) {
                return crashed(exception);
            }
            let lines: Vec<String> = words.lines().map(str::to_owned).collect();
            if let Some(found) = fatal::find(&lines) {
                return found;
            }
        }
        match self.said() {
            None => Diagnosis::new(Cause::Unknown),
            said => {
                let cause = said.as_deref().and_then(memory::of_words).unwrap_or(Cause::MarkedFailed);
                Diagnosis { said, ..Diagnosis::new(cause) }
            }
        }
    }

    fn said(&self) -> Option<String> {
        [&self.reason, &self.message]
            .into_iter()
            .find(|words| !words.is_empty())
            .map(|words| first_line(words).to_owned())
    }

    fn said_beside_the_agent(&self) -> Option<String> {
        Some(first_line(&self.reason).to_owned()).filter(|reason| !reason.is_empty())
    }
}

fn of_exit_code(code: i64) -> Diagnosis {
    let signal = Signal::of_exit_code(code);
    let cause = if signal.is_some() { Cause::Signal } else { Cause::ExitCode };
    Diagnosis { exit_code: Some(code), signal, ..Diagnosis::new(cause) }
}

fn crashed(exception: Exception) -> Diagnosis {
    let cause = memory::of_words(&exception.to_string()).unwrap_or(Cause::Crash);
    Diagnosis { exception: Some(exception), ..Diagnosis::new(cause) }
}

/// Not `ExceptionGroup: …`, which is an exception with its type.
fn is_rest_of_exception(text: &str) -> bool {
    text.is_empty() || text.starts_with(char::is_whitespace)
}

/// The number that ends a text, behind these words.
pub(super) fn number_after(text: &str, words: &str) -> Option<i64> {
    text.strip_prefix(words)?.split_whitespace().next()?.parse().ok()
}

fn first_line(text: &str) -> &str {
    text.trim().lines().next().unwrap_or_default().trim()
}
