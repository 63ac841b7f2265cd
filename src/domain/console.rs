//! The end of a console, as a terminal would show it: what an alert quotes. Input is whatever programs wrote, escape
//! sequences, progress bars and garbage included; time and memory grow with its length and no faster.

use std::collections::VecDeque;
use std::str::Chars;

use unicode_width::UnicodeWidthChar;

use super::text;

/// After this line of an agent's console the task's own output begins; before it stands the agent's configuration.
const AGENT_MARKER: &str = "Starting Task Execution:";
const TAB_STOP: usize = 8;
/// More accents than this on one character are a joke or an attack.
const MOST_MARKS: u8 = 16;
const ZERO_WIDTH_JOINER: char = '\u{200D}';

/// The last lines of a console.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsoleTail {
    /// The lines, oldest first, without line breaks, control characters or blanks at their ends; the first and the last
    /// are not blank.
    pub lines: Vec<String>,
    /// Whether the task's own console held more before these lines.
    pub cut: bool,
}

/// The last lines of `raw` that a person would have seen: at most `max_lines`, and at most `max_chars` UTF-16 units with
/// their line breaks. Lines are kept whole, from the end; only one that is longer than `max_chars` by itself is cut, at
/// its start. Where an agent ran the task, what comes before the task's own output is left out.
pub fn tail(raw: &str, max_lines: usize, max_chars: usize) -> ConsoleTail {
    let mut screen = Screen { line: Line::new(), shown: Shown::new(max_lines) };
    screen.show(raw);
    screen.shown.fit(max_chars)
}

/// The lines that may be in the tail, as they come.
struct Shown {
    max_lines: usize,
    lines: VecDeque<String>,
    /// Blank lines that only count if another line follows.
    blank: usize,
    cut: bool,
}

impl Shown {
    fn new(max_lines: usize) -> Self {
        Self { max_lines, lines: VecDeque::new(), blank: 0, cut: false }
    }

    fn push(&mut self, line: String) {
        if line.trim() == AGENT_MARKER {
            *self = Self::new(self.max_lines);
        } else if line.is_empty() {
            self.blank += 1;
        } else {
            let blank = if self.lines.is_empty() { 0 } else { self.blank.min(self.max_lines) };
            self.lines.extend(std::iter::repeat_n(String::new(), blank));
            self.lines.push_back(line);
            self.blank = 0;
            self.drop_what_is_too_much();
        }
    }

    fn drop_what_is_too_much(&mut self) {
        while self.lines.len() > self.max_lines {
            self.lines.pop_front();
            self.cut = true;
        }
    }

    /// The last of the lines that have room in `max_chars`.
    fn fit(mut self, max_chars: usize) -> ConsoleTail {
        let mut kept = VecDeque::new();
        let mut room = max_chars;
        while let Some(line) = self.lines.pop_back() {
            let line_break = usize::from(!kept.is_empty());
            let length = text::units(&line);
            if length + line_break <= room {
                room -= length + line_break;
                kept.push_front(line);
                continue;
            }
            self.cut = true;
            if length > max_chars && room > line_break + 1 {
                kept.push_front(text::truncate_start(&line, room - line_break).into_owned());
            }
            break;
        }
        while kept.front().is_some_and(String::is_empty) {
            kept.pop_front();
        }
        ConsoleTail { lines: kept.into(), cut: self.cut }
    }
}

/// A terminal without a right edge, of which only the current line can change.
struct Screen {
    line: Line,
    shown: Shown,
}

impl Screen {
    fn show(&mut self, raw: &str) {
        let mut rest = raw.chars();
        while let Some(letter) = rest.next() {
            match letter {
                '\n' | '\u{B}' | '\u{C}' | '\u{85}' => self.end_line(),
                '\r' => self.line.go_to(0),
                '\u{8}' => self.line.go_to(self.line.cursor.saturating_sub(1)),
                '\t' => self.line.tab(),
                '\u{1B}' => self.escape(&mut rest),
                '\u{9B}' => self.control_sequence(&mut rest),
                '\u{90}' | '\u{98}' | '\u{9D}'..='\u{9F}' => skip_string(&mut rest),
                '\u{2028}' | '\u{2029}' => self.line.print(' '),
                other if other.is_control() || text::is_invisible_control(other) => {}
                other => self.line.print(other),
            }
        }
        self.end_line();
    }

    fn end_line(&mut self) {
        let line = std::mem::replace(&mut self.line, Line::new());
        self.shown.push(line.finish());
    }

    /// What follows an ESC. Sequences are removed; a character that cannot belong to one is left for what it is.
    fn escape(&mut self, rest: &mut Chars<'_>) {
        match rest.clone().next() {
            Some('[') => {
                rest.next();
                self.control_sequence(rest);
            }
            Some(']' | 'P' | 'X' | '^' | '_') => {
                rest.next();
                skip_string(rest);
            }
            _ => {
                take_while(rest, |byte| (0x20..=0x2F).contains(&byte));
                take_one(rest, '\u{30}'..='\u{7E}');
            }
        }
    }

    /// What follows `ESC [`. Of all of them only "erase in line" matters to progress bars; colours and the rest are
    /// removed.
    fn control_sequence(&mut self, rest: &mut Chars<'_>) {
        let parameters = take_while(rest, |byte| (0x20..=0x3F).contains(&byte));
        match (take_one(rest, '\u{40}'..='\u{7E}'), parameters) {
            (Some('K'), "" | "0") => self.line.erase_to_end(),
            (Some('K'), "2") => self.line = Line::new(),
            _ => {}
        }
    }
}

/// Skips the text of a title, a hyperlink's address and the like, to its terminator. A line break ends it as well: a
/// string that was cut off must not swallow the rest of the console.
fn skip_string(rest: &mut Chars<'_>) {
    let text = rest.as_str();
    let end = text.find(['\u{7}', '\u{9C}', '\u{1B}', '\n', '\r']).unwrap_or(text.len());
    let after = &text[end..];
    let terminator = ["\u{7}", "\u{9C}", "\u{1B}\\"].into_iter().find(|terminator| after.starts_with(terminator));
    *rest = after[terminator.map_or(0, str::len)..].chars();
}

/// Takes the ASCII characters at the front that `wanted` accepts.
fn take_while<'a>(rest: &mut Chars<'a>, wanted: impl Fn(u8) -> bool) -> &'a str {
    let text = rest.as_str();
    let length = text.bytes().take_while(|byte| wanted(*byte)).count();
    *rest = text[length..].chars();
    &text[..length]
}

/// Takes the next character if it is in the range.
fn take_one(rest: &mut Chars<'_>, wanted: std::ops::RangeInclusive<char>) -> Option<char> {
    let next = rest.clone().next().filter(|letter| wanted.contains(letter))?;
    rest.next();
    Some(next)
}

/// The line that is being written: columns, each holding a piece of `written`.
struct Line {
    /// All that was ever written on this line, what was overwritten included; starts with a blank.
    written: String,
    /// Per column, from where to where in `written`; the second column of a wide character is empty.
    columns: Vec<(usize, usize)>,
    /// Where the next character goes; never beyond the last column's end.
    cursor: usize,
    /// How many marks the character before the cursor carries; `None` where it was not just written.
    marks: Option<u8>,
}

const BLANK: (usize, usize) = (0, 1);

impl Line {
    fn new() -> Self {
        Self { written: " ".to_owned(), columns: Vec::new(), cursor: 0, marks: None }
    }

    fn go_to(&mut self, column: usize) {
        self.cursor = column;
        self.marks = None;
    }

    fn tab(&mut self) {
        let stop = (self.cursor / TAB_STOP + 1) * TAB_STOP;
        while self.columns.len() < stop {
            self.columns.push(BLANK);
        }
        self.go_to(stop);
    }

    fn erase_to_end(&mut self) {
        if self.columns.get(self.cursor).is_some_and(|(from, to)| from == to) {
            self.columns[self.cursor - 1] = BLANK;
        }
        self.columns.truncate(self.cursor);
    }

    fn print(&mut self, letter: char) {
        let width = letter.width().unwrap_or(0);
        if width == 0 || is_part_of_emoji(letter, width, &self.written) && self.marks.is_some() {
            self.add_mark(letter);
            return;
        }
        let from = self.written.len();
        self.written.push(letter);
        let end = self.written.len();
        self.put((from, end));
        if width > 1 {
            self.put((end, end));
        }
        self.marks = Some(0);
    }

    /// Adds an accent, a joiner or a modifier to the character just written, if there is one.
    fn add_mark(&mut self, mark: char) {
        let Some(marks) = self.marks.filter(|marks| *marks < MOST_MARKS) else { return };
        let end = self.written.len();
        if let Some(base) = self.columns[..self.cursor].iter_mut().rev().take(2).find(|(from, to)| from < to) {
            self.written.push(mark);
            base.1 = end + mark.len_utf8();
            self.marks = Some(marks + 1);
        }
    }

    /// Writes one column. Half a wide character that stays behind becomes a blank, as on a terminal.
    fn put(&mut self, piece: (usize, usize)) {
        let is_second_half = |column: Option<&(usize, usize)>| column.is_some_and(|(from, to)| from == to);
        if self.cursor == self.columns.len() {
            self.columns.push(piece);
        } else {
            let continues = piece.0 == piece.1;
            if is_second_half(self.columns.get(self.cursor)) && !continues {
                self.columns[self.cursor - 1] = BLANK;
            }
            if is_second_half(self.columns.get(self.cursor + 1)) {
                self.columns[self.cursor + 1] = BLANK;
            }
            self.columns[self.cursor] = piece;
        }
        self.cursor += 1;
    }

    fn finish(self) -> String {
        let mut line: String = self.columns.iter().map(|(from, to)| &self.written[*from..*to]).collect();
        line.truncate(line.trim_end().len());
        line
    }
}

/// Whether a wide character joins the one before it: a skin tone, or what follows a joiner.
fn is_part_of_emoji(letter: char, width: usize, written: &str) -> bool {
    matches!(letter, '\u{1F3FB}'..='\u{1F3FF}') || width == 2 && written.ends_with(ZERO_WIDTH_JOINER)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(raw: &str) -> Vec<String> {
        tail(raw, 1000, 1_000_000).lines
    }

    #[test]
    fn a_progress_bar_is_what_a_terminal_shows_at_the_end() {
        let bar = "epoch 1:  10%|#  |\repoch 1:  50%|## |\repoch 1: 100%|###|\r\nsaved\r\n";
        assert_eq!(shown(bar), ["epoch 1: 100%|###|", "saved"]);
        assert_eq!(shown("downloading 123456\rdone"), ["doneloading 123456"]);
        assert_eq!(shown("downloading 123456\r\u{1b}[Kdone"), ["done"]);
        assert_eq!(shown("downloading 123456\u{1b}[2K\rdone"), ["done"]);
        assert_eq!(shown("abc\r\r\n\r\nd\r"), ["abc", "", "d"]);
        assert_eq!(shown("12%\u{8}\u{8}\u{8}34\u{8}\u{8}\u{8}\u{8}\u{8}5"), ["54%"]);
    }

    #[test]
    fn escape_sequences_are_not_shown() {
        assert_eq!(shown("\u{1b}[1;31mError\u{1b}[0m: \u{1b}[38;2;1;2;3mbad\u{1b}[m"), ["Error: bad"]);
        assert_eq!(shown("\u{1b}]0;title\u{7}a\u{1b}]8;;https://x.example\u{1b}\\b\u{1b}]8;;\u{1b}\\c"), ["abc"]);
        assert_eq!(shown("\u{1b}(Ba\u{1b}=b\u{1b}7c\u{1b}Pq#0;\u{1b}\\d\u{9b}31me\u{9d}0;t\u{9c}f"), ["abcdef"]);
        assert_eq!(shown("a\u{1b}\nb\u{1b}[31\nc\u{1b}[é\u{1b}"), ["a", "b", "cé"]);
        assert_eq!(shown("a\u{1b}]0;cut off\nthe traceback"), ["a", "the traceback"]);
        assert_eq!(shown("a\u{1b}]0;t\u{1b}[31mb"), ["ab"]);
    }

    #[test]
    fn control_characters_and_reordering_are_removed() {
        assert_eq!(shown("a\u{0}b\u{7}c\u{7f}d\u{202E}e\u{2066}f\u{200B}g\u{FEFF}h\u{84}i"), ["abcdefghi"]);
        assert_eq!(shown("a\tb\t12345678\tc"), ["a       b       12345678        c"]);
        assert_eq!(shown("abcdefghij\r\tX"), ["abcdefghXj"]);
        assert_eq!(shown("a\u{B}b\u{C}c\u{2028}d"), ["a", "b", "c d"]);
    }

    #[test]
    fn wide_characters_and_marks_are_overwritten_by_column() {
        assert_eq!(shown("漢字x\rab"), ["ab字x"]);
        assert_eq!(shown("漢字x\ra"), ["a 字x"]);
        assert_eq!(shown("abcd\r漢"), ["漢cd"]);
        assert_eq!(shown("a漢字\r漢字"), ["漢字"]);
        assert_eq!(shown("漢字\ra漢"), ["a漢"]);
        assert_eq!(shown("漢字\u{8}\u{1b}[K"), ["漢"]);
        assert_eq!(shown("e\u{301}xyz\rab"), ["abyz"]);
        assert_eq!(shown("👨‍👩‍👧‍👦!👍🏽\u{FE0F}"), ["👨‍👩‍👧‍👦!👍🏽\u{FE0F}"]);
        assert_eq!(shown("\u{301}a\r\u{301}\u{8}\u{301}"), ["a"]);
        assert_eq!(shown(&format!("a{}b", "\u{301}".repeat(5000)))[0].chars().count(), 18);
    }

    #[test]
    fn the_agents_own_lines_are_left_out() {
        let raw =
            "agent.x = 1\nStarting Task Execution:\n\nold run\nStarting Task Execution: \r\n\r\nTraceback\nboom\n\n";
        assert_eq!(tail(raw, 20, 2400), ConsoleTail { lines: vec!["Traceback".into(), "boom".into()], cut: false });
        assert_eq!(shown("log: Starting Task Execution: now\nx"), ["log: Starting Task Execution: now", "x"]);
        assert_eq!(shown("agent.x = 1\nStarting Task Execution:\n"), [""; 0]);
    }

    #[test]
    fn whole_lines_from_the_end() {
        let cut = |raw: &str, lines: usize, chars: usize| tail(raw, lines, chars);
        let expect =
            |lines: &[&str], cut: bool| ConsoleTail { lines: lines.iter().map(ToString::to_string).collect(), cut };
        assert_eq!(cut("a\nb\nc\n\n \n", 2, 100), expect(&["b", "c"], true));
        assert_eq!(cut("a\nb\nc", 3, 5), expect(&["a", "b", "c"], false));
        assert_eq!(cut("aa\nb\nc", 3, 5), expect(&["b", "c"], true));
        assert_eq!(cut("x\n\n\ny", 3, 100), expect(&["y"], true));
        assert_eq!(cut("0123456789", 3, 5), expect(&["…6789"], true));
        assert_eq!(cut("0123456789\nend", 3, 8), expect(&["…789", "end"], true));
        assert_eq!(cut("0123456789\nend", 3, 5), expect(&["end"], true));
        assert_eq!(cut("abc", 0, 5), expect(&[], true));
        assert_eq!(cut("abc", 5, 0), expect(&[], true));
        assert_eq!(cut("", 5, 5), expect(&[], false));
    }

    #[test]
    fn long_input_takes_time_in_proportion() {
        let many = 200_000;
        for piece in [
            "a",
            "\r",
            "a\r",
            "\u{8}",
            "\t",
            "ab\u{8}",
            "\u{1b}",
            "\u{1b}[",
            "\u{1b}]",
            "\u{1b}[2Kx",
            "x\r\u{1b}[K",
            "\u{1b}[1K",
            "\u{301}",
            "漢\u{8}",
            "\n",
            "\u{200D}",
            "\u{1b}[999999999Cx",
            "\u{9d}",
            "🇩🇪",
        ] {
            let long = format!("{}{}", "x".repeat(1_000_000), piece.repeat(many));
            let tail = tail(&long, 20, 2400);
            assert!(tail.lines.iter().map(|line| text::units(line) + 1).sum::<usize>() <= 2401, "{piece:?}");
        }
    }

    /// An obvious terminal for text without wide characters and escapes.
    fn model(raw: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for line in raw.split('\n') {
            let (mut cells, mut at) = (Vec::new(), 0);
            for letter in line.chars() {
                match letter {
                    '\r' => at = 0,
                    '\u{8}' => at = at.max(1) - 1,
                    '\t' => at += 8 - at % 8,
                    other => {
                        cells.resize(cells.len().max(at + 1), ' ');
                        cells[at] = other;
                        at += 1;
                    }
                }
            }
            lines.push(cells.into_iter().collect::<String>().trim_end().to_owned());
        }
        let text = lines.join("\n");
        let text = text.trim_matches('\n');
        if text.is_empty() { Vec::new() } else { text.split('\n').map(str::to_owned).collect() }
    }

    proptest! {
        #[test]
        fn agrees_with_an_obvious_terminal(raw in "[ab \r\n\t\u{8}]{0,60}") {
            prop_assert_eq!(shown(&raw), model(&raw));
        }

        #[test]
        fn keeps_its_promises_for_any_input(
            raw in prop_oneof![any::<String>(), "[a漢👍🏽\u{301}\u{200D}\r\n\t\u{8}\u{1b}\\[\\]0-2KmBP\u{7}\u{9b}\u{202E}]{0,80}"],
            max_lines in 0..6_usize,
            max_chars in 0..40_usize,
        ) {
            let tail = tail(&raw, max_lines, max_chars);
            prop_assert!(tail.lines.len() <= max_lines);
            prop_assert!(text::units(&tail.lines.join("\n")) <= max_chars);
            for line in &tail.lines {
                prop_assert!(!line.chars().any(|letter| letter.is_control() || text::is_invisible_control(letter)));
                prop_assert_eq!(line.trim_end(), line);
            }
            prop_assert!(tail.lines.first().is_none_or(|line| !line.is_empty()));
            prop_assert!(tail.lines.last().is_none_or(|line| !line.is_empty()));
        }

        #[test]
        fn what_came_before_does_not_change_the_end(before in "[a-z\n]{0,40}", raw in "[a-z\r\n]{1,40}") {
            let alone = tail(&raw, 3, 30);
            let both = tail(&format!("{before}\n{raw}"), 3, 30);
            prop_assert!(both.lines.ends_with(&alone.lines) || alone.lines.is_empty());
        }
    }
}
