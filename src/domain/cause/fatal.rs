//! The end of a console, read for what ended the program: a traceback, a panic, the words of a shell or of the system.

use super::signal::Signal;
use super::traceback::{self, Raised, exception_of, undecorated};
use super::{Cause, Diagnosis, Exception, memory, row};

/// Nothing older than so many lines is looked at.
const MOST_LINES: usize = 2_000;
/// An exception is the end's if no more lines follow it.
const NEAR_THE_END: usize = 200;
/// So near to the end are the words of shells and systems, and exceptions without a traceback.
const AT_THE_END: usize = 40;
/// The agent's own last words.
const AGENTS: [&str; 5] = [
    "Process failed, exit code ",
    "Process aborted by user",
    "Process terminated by user",
    "User aborted: stopping task",
    "Task failed: stopping task",
];

/// What the console says of the end.
pub(super) fn find(lines: &[String]) -> Option<Diagnosis> {
    let lines = &lines[lines.len().saturating_sub(MOST_LINES)..];
    let from_end = |at: usize| lines.len() - at;
    let raised = traceback::last(lines).filter(|raised| from_end(raised.at) <= NEAR_THE_END);
    let last_words = lines.len().saturating_sub(AT_THE_END);
    let after_raised = raised.as_ref().map_or(0, |raised| raised.at + 1);
    let system = (last_words.max(after_raised)..lines.len()).rev().find_map(|at| memory_of_system(&lines[at]));
    if let Some(system) = system {
        return Some(system);
    }
    let signal = (last_words.max(after_raised)..lines.len()).rev().find_map(|at| signal_of(&lines[at]));
    let program = (last_words.max(after_raised)..lines.len()).rev().find_map(|at| panic_of(lines, at));
    match raised {
        // What comes right after a traceback is the end of the same program; one far before a signal was got over.
        Some(raised) if from_end(raised.at) <= AT_THE_END || program.is_none() && signal.is_none() => {
            Some(of_raised(raised))
        }
        _ => program.or(signal),
    }
}

fn of_raised(raised: Raised) -> Diagnosis {
    Diagnosis { exception: Some(raised.exception), ..Diagnosis::new(raised.cause) }
}

/// Words of the system or of a run time that memory has run out, outside of a traceback.
fn memory_of_system(line: &str) -> Option<Diagnosis> {
    let line = undecorated(line).trim();
    let cause = memory::of_words(line)?;
    Some(match exception_of(without_thread(line)) {
        None => Diagnosis { said: Some(line.to_owned()), ..Diagnosis::new(cause) },
        exception => Diagnosis { exception, ..Diagnosis::new(cause) },
    })
}

fn signal_of(line: &str) -> Option<Diagnosis> {
    let signal = Signal::of_line(undecorated(line))?;
    Some(Diagnosis { signal: Some(signal), ..Diagnosis::new(Cause::Signal) })
}

/// Rust, Go, C++, the JVM, and exceptions whose traceback was not printed.
fn panic_of(lines: &[String], at: usize) -> Option<Diagnosis> {
    let line = undecorated(&lines[at]);
    let next = || lines.get(at + 1).map(|line| undecorated(line).trim().to_owned()).unwrap_or_default();
    let named = |kind: &str, message: String| Some(Exception { kind: Some(kind.to_owned()), message });
    let exception = if line.starts_with("thread '") {
        let (_, place) = line.split_once("panicked at ")?;
        // Until Rust 1.73 the message stood before the place, in quotes; since then it has a line of its own.
        let quoted = place.strip_prefix('\'').and_then(|rest| rest.rsplit_once("', "));
        named("panic", quoted.map_or_else(next, |(message, _)| message.to_owned()))
    } else if let Some(message) = line.strip_prefix("panic: ") {
        named("panic", message.trim().to_owned())
    } else if let Some(thrown) = line.strip_prefix("terminate called after throwing an instance of '") {
        let what = next().strip_prefix("what():").map(|what| what.trim().to_owned()).unwrap_or_default();
        named(thrown.trim_end_matches('\''), what)
    } else {
        exception_of(without_thread(line))
    }?;
    let cause = memory::of_words(&exception.to_string()).unwrap_or(Cause::Crash);
    Some(Diagnosis { exception: Some(exception), ..Diagnosis::new(cause) })
}

/// The JVM names the thread before the exception.
fn without_thread(line: &str) -> &str {
    let thread = line.strip_prefix("Exception in thread \"").and_then(|rest| rest.split_once("\" "));
    thread.map_or(line, |(_, exception)| exception)
}

/// The exit code that the agent ends a failed task's console with.
pub(super) fn agents_exit_code(lines: &[String]) -> Option<i64> {
    lines.iter().rev().take(10).find_map(|line| row::number_after(line.trim(), AGENTS[0]))
}

/// The last line that speaks of an error, in whatever language: what is left where nothing else is recognised.
pub(super) fn last_error_line(lines: &[String]) -> Option<String> {
    let speaks_of_error = |line: &&str| {
        let lower = line.to_ascii_lowercase();
        let is_word = |word: &str| {
            lower.match_indices(word).any(|(at, _)| {
                let before = lower[..at].chars().next_back();
                let after = lower[at + word.len()..].chars().next();
                before.is_none_or(|letter| !letter.is_alphanumeric())
                    && after.is_none_or(|letter| ":] ".contains(letter))
            })
        };
        ["error", "fatal", "critical", "panic", "exception"].iter().any(|word| is_word(word))
            && !AGENTS.iter().any(|agents| line.starts_with(agents))
    };
    let last = lines.iter().rev().take(AT_THE_END).map(|line| line.trim());
    last.into_iter().find(speaks_of_error).map(str::to_owned)
}
