//! Signals: by their numbers on Linux, and as exit codes tell them.

use std::fmt;

/// A signal that ended a process, by its number on Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

/// Those that end a process, with what a shell says of it. Numbers and names: signal(7).
const NAMES: [(u8, &str); 14] = [
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (11, "SIGSEGV"),
    (13, "SIGPIPE"),
    (15, "SIGTERM"),
    (24, "SIGXCPU"),
    (31, "SIGSYS"),
];

/// What a shell, or Python itself, prints of a process that a signal ended.
const SAID: [(&str, Signal); 8] = [
    ("Killed", Signal::KILL),
    ("Segmentation fault", Signal(11)),
    ("Bus error", Signal(7)),
    ("Aborted (core dumped)", Signal::ABORT),
    ("Illegal instruction", Signal(4)),
    ("Floating point exception", Signal(8)),
    ("Floating-point exception", Signal(8)),
    ("Terminated", Signal(15)),
];

impl Signal {
    /// It ends a process at once: the system's answer where memory runs out, and `docker kill`.
    pub const KILL: Self = Self(9);
    /// A process ends itself by it: an assertion, an exception of C++.
    pub const ABORT: Self = Self(6);

    /// By its number, if a process can end by it.
    pub fn of_number(number: i64) -> Option<Self> {
        NAMES.iter().find(|(known, _)| i64::from(*known) == number).map(|(known, _)| Self(*known))
    }

    /// From an exit code: negative as Python's `subprocess` counts signals, above 128 as shells and containers do.
    pub fn of_exit_code(code: i64) -> Option<Self> {
        match code {
            ..0 => Self::of_number(code.checked_neg()?),
            129..=255 => Self::of_number(code - 128),
            _ => None,
        }
    }

    /// From a line of a shell (`Killed`, `run.sh: line 3:  41 Segmentation fault      (core dumped) python train.py`) or
    /// of Python's fault handler (`Fatal Python error: Segmentation fault`).
    pub(super) fn of_line(line: &str) -> Option<Self> {
        let line = line.trim();
        let line = line.strip_prefix("Fatal Python error: ").unwrap_or(line);
        let words = match line.split_once(": line ") {
            None => line,
            // A script's name, a line, a process ID, then the words.
            Some((_, rest)) => rest.trim_start_matches(|letter: char| letter.is_ascii_digit() || " :".contains(letter)),
        };
        let from_shell = words.len() < line.len();
        SAID.iter().find(|(said, _)| starts_with_whole(words, said, from_shell)).map(|(_, signal)| *signal)
    }
}

/// Whether the line is those words, or begins with them where more is to be expected: a command, or `(core dumped)`.
fn starts_with_whole(line: &str, words: &str, more_follows: bool) -> bool {
    line.strip_prefix(words).is_some_and(|rest| {
        rest.is_empty() || rest.trim_start().starts_with("(core dumped)") || more_follows && rest.starts_with(' ')
    })
}

impl fmt::Display for Signal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(number, _)| *number == self.0).map_or("a signal", |(_, name)| name);
        formatter.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_of_python_and_of_shells() {
        for (code, name) in [(-9, "SIGKILL"), (137, "SIGKILL"), (139, "SIGSEGV"), (143, "SIGTERM"), (-6, "SIGABRT")] {
            assert_eq!(Signal::of_exit_code(code).map(|signal| signal.to_string()).as_deref(), Some(name), "{code}");
        }
        for code in [0, 1, 2, 127, 128, 192, 255, 256, -1_000, i64::MIN, i64::MAX] {
            assert_eq!(Signal::of_exit_code(code), None, "{code}");
        }
    }

    #[test]
    fn lines_of_shells() {
        for (line, number) in [
            ("Killed", 9),
            ("Segmentation fault (core dumped)", 11),
            ("run.sh: line 3:    41 Killed                  python train.py", 9),
            ("./x.sh: line 12: 4711 Bus error               (core dumped) ./train", 7),
            ("Fatal Python error: Segmentation fault", 11),
            ("Aborted (core dumped)", 6),
        ] {
            assert_eq!(Signal::of_line(line), Some(Signal(number)), "{line}");
        }
        for line in
            ["Killed 3 old runs", "Terminated early at step 5", "Aborted", "KilledWorker", "see Bus error above", ""]
        {
            assert_eq!(Signal::of_line(line), None, "{line}");
        }
    }
}
