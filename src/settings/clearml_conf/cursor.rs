//! Walking through the text of a `clearml.conf`: positions, lines, blanks, comments and quoted strings.

use super::ConfError;

/// A place in a text. It only moves forward, and knows its line.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of a text, behind a byte order mark if there is one.
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 }
    }

    /// The line, counted from 1.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub(super) fn looking_at(&self, text: &str) -> bool {
        self.rest.starts_with(text)
    }

    /// What follows, if the text begins with `prefix`.
    pub(super) fn after(&self, prefix: &str) -> Option<&'a str> {
        self.rest.strip_prefix(prefix)
    }

    /// An error on the current line.
    pub(super) fn error(&self, problem: impl Into<String>) -> ConfError {
        ConfError { line: self.line, problem: problem.into() }
    }

    /// Takes the text up to the first character that `ends` it, or all of it.
    pub(super) fn take_until(&mut self, mut ends: impl FnMut(char) -> bool) -> &'a str {
        let length = self.rest.find(&mut ends).unwrap_or(self.rest.len());
        self.take(length)
    }

    /// Steps over `text` if it is next.
    pub(super) fn accept(&mut self, text: &str) -> bool {
        let here = self.looking_at(text);
        if here {
            self.take(text.len());
        }
        here
    }

    /// `length` is a boundary between characters of the rest.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.bytes().filter(|byte| *byte == b'\n').count();
        self.rest = rest;
        taken
    }

    /// Takes the blanks that do not end a line.
    pub(super) fn take_blanks(&mut self) -> &'a str {
        self.take_until(|character| !is_blank(character))
    }

    /// Steps over blanks, ends of lines, comments and, where they only separate, commas.
    pub(super) fn skip_gaps(&mut self, commas: bool) {
        loop {
            let before = self.rest.len();
            self.take_until(|character| !(is_blank(character) || character == '\n' || commas && character == ','));
            self.skip_comment();
            if self.rest.len() == before {
                return;
            }
        }
    }

    /// Steps over a comment up to the end of its line, if one begins here.
    pub(super) fn skip_comment(&mut self) {
        if self.at_comment() {
            self.take_until(|character| character == '\n');
        }
    }

    pub(super) fn at_comment(&self) -> bool {
        self.looking_at("#") || self.looking_at("//")
    }

    /// Reads the quoted string that begins here, in one or three pairs of quotes.
    pub(super) fn quoted(&mut self) -> Result<String, ConfError> {
        let unclosed = self.error("a quoted text is not closed");
        if self.accept(r#"""""#) {
            let end = self.rest.find(r#"""""#).ok_or(unclosed)?;
            // Quotes beyond the third at the end belong to the text.
            let extra = self.rest[end + 3..].bytes().take_while(|byte| *byte == b'"').count();
            let text = self.take(end + extra).to_owned();
            self.take(3);
            return Ok(text);
        }
        self.take(1);
        let mut text = String::new();
        loop {
            text.push_str(self.take_until(|character| matches!(character, '"' | '\\' | '\n')));
            match self.peek() {
                Some('"') => {
                    self.take(1);
                    return Ok(text);
                }
                Some('\\') => self.escape(&mut text),
                _ => return Err(unclosed),
            }
        }
    }

    /// Reads one escape. What is no escape stays as written: paths of Windows are common in these files.
    fn escape(&mut self, text: &mut String) {
        self.take(1);
        let simple = match self.peek() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some(character @ ('"' | '\\' | '/')) => character,
            Some('u') if hexadecimal(self.rest, "u").is_some() => return text.push(self.unicode_escape()),
            _ => return text.push('\\'),
        };
        self.take(1);
        text.push(simple);
    }

    /// Reads `uXXXX` behind a backslash, with its second half where it needs one; half a character becomes U+FFFD.
    fn unicode_escape(&mut self) -> char {
        let Some(first) = hexadecimal(self.rest, "u") else { return char::REPLACEMENT_CHARACTER };
        self.take(5);
        if let Some(second) = hexadecimal(self.rest, r"\u")
            && let Some(Ok(character)) = char::decode_utf16([first, second]).next()
            && character.len_utf16() == 2
        {
            self.take(6);
            return character;
        }
        char::from_u32(u32::from(first)).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

/// Four hexadecimal digits behind `prefix`.
fn hexadecimal(text: &str, prefix: &str) -> Option<u16> {
    let digits = text.strip_prefix(prefix)?.get(..4)?;
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    all_digits.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

/// Whether it is a blank that does not end a line.
pub(super) fn is_blank(character: char) -> bool {
    character != '\n' && (character.is_whitespace() || character == '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &str) -> Option<String> {
        Cursor::new(text).quoted().ok()
    }

    #[test]
    fn strings_are_read_with_their_escapes() {
        for (written, meant) in [
            (r#""plain""#, "plain"),
            (r#""a \"b\" \\ \/ \n \t""#, "a \"b\" \\ / \n \t"),
            (r#""\u00e9\uD83D\uDE00""#, "é😀"),
            (r#""\uD83D lone""#, "\u{fffd} lone"),
            (r#""C:\Users\me""#, r"C:\Users\me"),
            (r#""\u12 \q""#, r"\u12 \q"),
            (r#""""three "two" \n""""#, r#"three "two" \n"#),
            ("\"\"\"two\nlines\"\"\"", "two\nlines"),
            (r#""""ends with a quote""""rest"#, "ends with a quote\""),
            (r#""""#, ""),
        ] {
            assert_eq!(quoted(written).as_deref(), Some(meant), "{written}");
        }
    }

    #[test]
    fn an_open_string_is_an_error_on_the_line_where_it_began() {
        for text in ["\"abc", "\"abc\ndef\"", "\"abc\\", "\"\"\"abc\n\n\""] {
            assert_eq!(Cursor::new(text).quoted().unwrap_err().line, 1, "{text}");
        }
    }

    #[test]
    fn gaps_are_blanks_comments_and_ends_of_lines() {
        let mut cursor = Cursor::new("\u{feff} \t# one\n // two \r\n\n , x");
        cursor.skip_gaps(false);
        assert_eq!((cursor.peek(), cursor.line()), (Some(','), 4));
        cursor.skip_gaps(true);
        assert_eq!(cursor.peek(), Some('x'));
    }
}
