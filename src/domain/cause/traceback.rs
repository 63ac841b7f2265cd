//! Python's tracebacks in the end of a console: the exception that ended the program, chained ones and groups included,
//! whatever progress bars and log lines stand between the frames.

use super::{Cause, Exception, memory};

const HEADER: &str = "Traceback (most recent call last)";
const GROUP_HEADER: &str = "Exception Group Traceback (most recent call last)";
/// What stands between an exception and the one that followed from it.
const LINKS: [&str; 2] = [
    "During handling of the above exception, another exception occurred",
    "The above exception was the direct cause of the following exception",
];
/// How names of exceptions end; what ends otherwise is one only where a traceback says so.
const ENDINGS: [&str; 8] =
    ["Error", "Exception", "Interrupt", "SystemExit", "GeneratorExit", "ExceptionGroup", "Fault", "Timeout"];
/// Exceptions of launchers, which say no more than that another process failed.
const LAUNCHERS: [&str; 2] = ["ChildFailedError", "CalledProcessError"];
/// The longest name of an exception.
const LONGEST_NAME: usize = 120;
/// So many lines may come between a traceback's frames and its exception.
const MOST_BETWEEN: usize = 30;

/// A traceback's exception.
#[derive(Debug, Clone)]
pub(super) struct Raised {
    pub(super) exception: Exception,
    pub(super) cause: Cause,
    /// The line of the last exception.
    pub(super) at: usize,
}

/// One exception that was read.
struct Read {
    exception: Exception,
    at: usize,
    /// It followed from the one before it.
    is_linked: bool,
    /// The place of the group that it is in.
    group: Option<usize>,
}

/// The exception that the last traceback ends with. Of a chain it is the last, unless memory had run out before it.
pub(super) fn last(lines: &[String]) -> Option<Raised> {
    let all = read_all(lines);
    let mut place = all.len().checked_sub(1)?;
    let at = all[place].at;
    if is_launchers(&all[place].exception) {
        place = all.iter().rposition(|read| !is_launchers(&read.exception)).unwrap_or(place);
    }
    let place = all[place].group.unwrap_or(place);
    let mut first = place;
    while first > 0 && all[first].is_linked {
        first -= 1;
    }
    let members = || all.iter().filter(|read| read.group == Some(place));
    let mut family = all[first..=place].iter().chain(members()).rev();
    if let Some((cause, read)) = family.find_map(of_memory) {
        return Some(Raised { exception: read.exception.clone(), cause, at });
    }
    let mut exception = all[place].exception.clone();
    if let Some(member) = members().next() {
        exception.message = format!("{}: {}", exception.message, member.exception);
    }
    Some(Raised { exception, cause: Cause::Crash, at })
}

/// The memory that an exception says had run out.
fn of_memory(read: &Read) -> Option<(Cause, &Read)> {
    memory::of_words(&read.exception.to_string()).map(|cause| (cause, read))
}

fn read_all(lines: &[String]) -> Vec<Read> {
    let mut all: Vec<Read> = Vec::new();
    let mut is_linked = false;
    // The place of the group that lines are in, and how far its rail is indented.
    let mut group: Option<(usize, usize)> = None;
    let mut at = 0;
    while at < lines.len() {
        let line = undecorated(&lines[at]);
        // A traceback without a rail is in no group, even where the group's end is missing.
        if lines[at].starts_with(HEADER) {
            group = None;
        }
        if group.is_some_and(|(_, rail)| is_end_of_group(&lines[at], rail)) {
            group = None;
        } else if line.contains(HEADER) {
            let is_group = line.contains(GROUP_HEADER);
            let (read, next) = read_block(lines, at + 1);
            at = next;
            if let Some((exception, place)) = read {
                all.push(Read { exception, at: place, is_linked, group: group.map(|(group, _)| group) });
                if is_group && group.is_none() {
                    group = Some((all.len() - 1, indentation(&lines[place]) + 2));
                }
            }
            is_linked = false;
            continue;
        } else if LINKS.iter().any(|link| line.contains(link)) {
            is_linked = true;
        } else if let (Some((group, _)), Some(exception)) = (group, exception_of(line)) {
            all.push(Read { exception, at, is_linked: false, group: Some(group) });
        }
        at += 1;
    }
    all
}

/// The exception of the traceback whose frames begin here, with its line; and where reading goes on.
fn read_block(lines: &[String], from: usize) -> (Option<(Exception, usize)>, usize) {
    let (mut between, mut after_frame) = (0, false);
    for at in from..lines.len() {
        let line = undecorated(&lines[at]);
        if line.contains(HEADER) || LINKS.iter().any(|link| line.contains(link)) {
            return (None, at);
        }
        if line.starts_with([' ', '\t']) {
            after_frame = true;
            continue;
        }
        let found = exception_of(line).or_else(|| if after_frame { unusual_exception(lines, at) } else { None });
        if let Some(exception) = found {
            return (Some((with_next_line(exception, lines, at), at)), at + 1);
        }
        after_frame = false;
        between += 1;
        if between > MOST_BETWEEN {
            return (None, at);
        }
    }
    (None, lines.len())
}

/// An exception whose name does not say that it is one: behind its frames, and not followed by more of them.
fn unusual_exception(lines: &[String], at: usize) -> Option<Exception> {
    let exception = named(undecorated(&lines[at]))?;
    let own_name = last_name(exception.kind.as_deref()?);
    let begins_large = own_name.starts_with(char::is_uppercase) || exception.kind.as_deref()?.contains('.');
    let frames_follow = lines[at + 1..].iter().take(3).any(|line| undecorated(line).starts_with("  File \""));
    (begins_large && !frames_follow).then_some(exception)
}

/// A message that only announces what follows gets the next line.
fn with_next_line(exception: Exception, lines: &[String], at: usize) -> Exception {
    if !exception.message.is_empty() && !exception.message.ends_with(':') {
        return exception;
    }
    // A name without a colon has no message at all.
    let is_announced = undecorated(&lines[at]).trim_end().ends_with(':');
    let next = lines.get(at + 1).map(|line| undecorated(line).trim()).filter(|line| !line.is_empty());
    if let Some(next) = next.filter(|next| is_announced && exception_of(next).is_none() && !next.contains(HEADER)) {
        let message = [exception.message.as_str(), next].join(" ");
        return Exception { message: message.trim().to_owned(), ..exception };
    }
    exception
}

/// `torch.OutOfMemoryError: CUDA out of memory`, `KeyboardInterrupt`: a line that is an exception by its name.
pub(super) fn exception_of(line: &str) -> Option<Exception> {
    let exception = named(line)?;
    let kind = exception.kind.as_deref()?;
    // `Error: no such option` is what command lines print.
    let has_more = |ending: &str| kind.len() > ending.len() || ending != "Error";
    ENDINGS.iter().any(|ending| kind.ends_with(ending) && has_more(ending)).then_some(exception)
}

/// A line that consists of a dotted name, or begins with one and a colon.
fn named(line: &str) -> Option<Exception> {
    let line = line.trim_end();
    let (name, message) = match line.split_once(':') {
        None => (line, ""),
        Some((name, message)) if message.is_empty() || message.starts_with(char::is_whitespace) => {
            (name, message.trim())
        }
        Some(_) => return None,
    };
    let is_part = |part: &str| {
        let in_function = part == "<locals>";
        let mut letters = part.chars();
        let begins_well = letters.next().is_some_and(|first| first.is_alphabetic() || first == '_');
        in_function || begins_well && letters.all(|letter| letter.is_alphanumeric() || letter == '_')
    };
    let is_name = name.len() <= LONGEST_NAME && name.split('.').all(is_part);
    is_name.then(|| Exception { kind: Some(name.to_owned()), message: message.to_owned() })
}

fn is_launchers(exception: &Exception) -> bool {
    exception.kind.as_deref().is_some_and(|kind| LAUNCHERS.contains(&last_name(kind)))
}

fn last_name(kind: &str) -> &str {
    kind.rsplit('.').next().unwrap_or(kind)
}

/// The line without what launchers put before it (`[rank0]: `, `(Worker pid=7) `), and without a group's rail (`  | `).
pub(super) fn undecorated(line: &str) -> &str {
    let mut line = line;
    if let Some((tag, rest)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
        let is_tag = tag.len() <= 20 && tag.ends_with(|last: char| last.is_ascii_digit());
        if is_tag && tag.chars().all(char::is_alphanumeric) {
            line = rest.strip_prefix(' ').unwrap_or(rest);
        }
    }
    if let Some((tag, rest)) = line.strip_prefix('(').and_then(|rest| rest.split_once(") "))
        && tag.len() <= 120
        && tag.contains("pid=")
    {
        line = rest;
    }
    let start = line.trim_start();
    match start.strip_prefix('|').or_else(|| start.strip_prefix("+ ").map(|_| &start[1..])) {
        Some(rest) => rest.strip_prefix(' ').unwrap_or(rest),
        None => line,
    }
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// `    +------------------------------------`
fn is_end_of_group(line: &str, rail: usize) -> bool {
    let dashes = line.trim().strip_prefix('+');
    indentation(line) <= rail && dashes.is_some_and(|dashes| dashes.len() > 3 && dashes.chars().all(|dash| dash == '-'))
}
