//! Results on standard output. A pipe that closes is not an error; colours only on a terminal that wants them.

use std::io::{self, IsTerminal, Write};

use terminal_size::{Height, Width, terminal_size_of};
use unicode_width::UnicodeWidthStr;

use crate::domain::Stamp;

/// Whether results go to a terminal.
fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Writes results. `Ok(false)` when the reader has gone: the command is done then.
pub(super) fn write(results: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<bool> {
    super::progress::clear();
    let mut out = io::BufWriter::new(io::stdout().lock());
    match results(&mut out).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            // The buffer is dropped with what the reader did not want.
            let (_, _) = out.into_parts();
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Writes one text as it is.
pub(super) fn text(text: &str) -> io::Result<bool> {
    write(|out| out.write_all(text.as_bytes()))
}

/// What is said where somebody may look for what retention has removed.
pub(super) fn removed(kept_from: Stamp) -> String {
    format!("what ended before {kept_from} is not kept any more (--keep)")
}

/// Writes a report: on a terminal, its long lines are folded between words.
pub(super) fn report(report: &str) -> io::Result<bool> {
    match width() {
        Some(width) => text(&report.lines().map(|line| folded(line, width)).collect::<String>()),
        None => text(report),
    }
}

/// A line as lines that fit, the further ones further in. Advice begins a line of its own, so that a command in it can be
/// copied whole where it fits.
fn folded(line: &str, width: u16) -> String {
    if line.width() <= usize::from(width) {
        return format!("{line}\n");
    }
    if let Some((found, advice)) = line.split_once(" -> ") {
        return folded(found, width) + &folded(&format!("    -> {advice}"), width);
    }
    let indent = " ".repeat((line.len() - line.trim_start().len() + 4).min(usize::from(width) / 2));
    let (mut folded, mut current) = (String::new(), String::new());
    for word in line.split_inclusive(' ') {
        let is_full = current.width() + word.trim_end().width() > usize::from(width);
        if is_full && !current.trim().is_empty() {
            folded.push_str(current.trim_end());
            folded.push('\n');
            current.clone_from(&indent);
        }
        current.push_str(word);
    }
    folded + current.trim_end() + "\n"
}

/// The terminal's width; `None` where results go to a pipe or a file, which get whole values.
pub(super) fn width() -> Option<u16> {
    is_terminal().then(|| columns(terminal_size_of(io::stdout())))
}

/// The width of the terminal that errors go to; `None` where they go elsewhere, and stay on one line.
pub(super) fn error_width() -> Option<u16> {
    io::stderr().is_terminal().then(|| columns(terminal_size_of(io::stderr())))
}

/// A terminal that does not say, or says 0, gets what terminals once were.
fn columns(size: Option<(Width, Height)>) -> u16 {
    size.map_or(80, |(Width(columns), _)| if columns == 0 { 80 } else { columns })
}

/// Breaks a text between words, so that no line is longer than `width` unless one word is.
pub(super) fn wrap(text: &str, width: u16) -> String {
    let mut wrapped = String::with_capacity(text.len());
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.width();
        if column > 0 && column + 1 + length > usize::from(width) {
            wrapped.push('\n');
            column = 0;
        } else if column > 0 {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += length;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_nothing_is_lost() {
        assert_eq!(wrap("error: one two three", 13), "error: one\ntwo three");
        assert_eq!(wrap("error: one two three", 10), "error: one\ntwo three");
        assert_eq!(wrap("a http://a.very.long/address b", 8), "a\nhttp://a.very.long/address\nb");
        assert_eq!(wrap("", 8), "");
    }

    #[test]
    fn a_report_folds_between_words_and_gives_advice_a_line_of_its_own() {
        assert_eq!(folded("ok       short: line", 20), "ok       short: line\n");
        assert_eq!(folded("  by ada: storage maintenance", 20), "  by ada: storage\n      maintenance\n");
        let item = "warning  database  owner: others can read -> chmod 600 /a.db";
        assert_eq!(folded(item, 30), "warning  database  owner:\n    others can read\n    -> chmod 600 /a.db\n");
        let address = "  https://app.example.com/projects/a/tasks/b/output/log";
        assert_eq!(folded(address, 20), format!("{address}\n"), "what is one word stays one");
    }
}
