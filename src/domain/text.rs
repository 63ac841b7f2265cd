//! Text that came from outside, made fit for a Slack message: escaped, on one line, within a limit. Console output is
//! read in `console`; what a message consists of is decided elsewhere.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_segmentation::UnicodeSegmentation;

/// What stands where text was cut off.
pub const ELLIPSIS: char = '…';
/// What keeps two backticks from being neighbours, and shows nothing.
const ZERO_WIDTH_SPACE: char = '\u{200B}';

/// The length that Slack may count: UTF-16 units, which are never fewer than code points.
pub fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Escapes the three characters with which mrkdwn starts mentions, links and entities.
pub fn escape_mrkdwn(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    push_escaped(&mut escaped, text);
    escaped
}

fn push_escaped(target: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '&' => target.push_str("&amp;"),
            '<' => target.push_str("&lt;"),
            '>' => target.push_str("&gt;"),
            other => target.push(other),
        }
    }
}

/// On one line: runs of blanks, line breaks and control characters become one space, ends are trimmed, and characters
/// that only reorder or hide others are removed.
pub fn single_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut gap = false;
    for letter in text.chars().filter(|letter| *letter != '\0' && !is_invisible_control(*letter)) {
        if letter.is_whitespace() || letter.is_control() {
            gap = true;
            continue;
        }
        if gap && !line.is_empty() {
            line.push(' ');
        }
        gap = false;
        line.push(letter);
    }
    line
}

/// Whether a character shows nothing and changes how others are shown or read: marks, overrides and isolates of writing
/// direction, and blanks of no width. The joiners U+200C and U+200D are not among them: emoji and scripts need them.
pub fn is_invisible_control(letter: char) -> bool {
    matches!(letter,
        '\u{061C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

/// At most `max` units, with `…` at the end where something is missing. What a reader sees as one character (an emoji
/// with its skin tone, a letter with its accents) is kept or dropped as a whole.
pub fn truncate(text: &str, max: usize) -> Cow<'_, str> {
    match cut_point(text, max, units) {
        None => Cow::Borrowed(text),
        Some(end) => Cow::Owned(with_ellipsis(text[..end].trim_end().to_owned(), max)),
    }
}

/// Escapes `raw` so that the result has at most `max` units: entities are never cut, and what is cut ends with `…`.
pub fn truncate_escaped(raw: &str, max: usize) -> String {
    match cut_point(raw, max, escaped_units) {
        None => escape_mrkdwn(raw),
        Some(end) => with_ellipsis(escape_mrkdwn(raw[..end].trim_end()), max),
    }
}

/// The end of `text` in at most `max` units, with `…` at the start where something is missing.
pub fn truncate_start(text: &str, max: usize) -> Cow<'_, str> {
    if fits(text, max) {
        return Cow::Borrowed(text);
    }
    // Characters are looked at from a little before the part that can stay, so that a long text costs no more than a
    // short one; `from` is the start of a whole visible character unless one is longer than that.
    let nearby = text.char_indices().rev().nth(max.saturating_add(64)).map_or(0, |(from, _)| from);
    let mut left = units(&text[nearby..]);
    let mut end_part = "";
    for (from, cluster) in text[nearby..].grapheme_indices(true) {
        if left < max {
            end_part = text[nearby + from..].trim_start();
            break;
        }
        left -= units(cluster);
    }
    let mut cut = with_ellipsis(String::new(), max);
    cut.push_str(end_part);
    Cow::Owned(cut)
}

fn with_ellipsis(mut text: String, max: usize) -> String {
    if max > 0 {
        text.push(ELLIPSIS);
    }
    text
}

/// Whether `text` has at most `max` units, found without counting all of a long one.
fn fits(text: &str, max: usize) -> bool {
    text.len() <= max || units(text) <= max
}

/// Where to cut `text` so that the part before costs less than `max`, which leaves room for the ellipsis; `None` if all
/// of it costs at most `max`.
fn cut_point(text: &str, max: usize, cost: fn(&str) -> usize) -> Option<usize> {
    let (mut spent, mut end) = (0, 0);
    for (from, cluster) in text.grapheme_indices(true) {
        spent += cost(cluster);
        if spent > max {
            return Some(end);
        }
        if spent < max {
            end = from + cluster.len();
        }
    }
    None
}

fn escaped_units(text: &str) -> usize {
    let cost = |letter: char| match letter {
        '&' => "&amp;".len(),
        '<' | '>' => "&lt;".len(),
        other => other.len_utf16(),
    };
    text.chars().map(cost).sum()
}

/// A link, `<url|label>`, in mrkdwn; `label` is raw text. An address that is not of the web becomes its label alone:
/// in those brackets it could be a mention.
pub fn link(url: &str, label: &str) -> String {
    let label = escape_mrkdwn(&single_line(label).replace('|', "¦"));
    let is_web = |scheme: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    if !is_web("https://") && !is_web("http://") {
        return label;
    }
    let address = link_address(url);
    if label.is_empty() { format!("<{address}>") } else { format!("<{address}|{label}>") }
}

/// An address as it may stand in a link: nothing in it ends the link or starts another part of it.
fn link_address(url: &str) -> String {
    let mut address = String::with_capacity(url.len());
    for letter in url.chars() {
        if matches!(letter, '|' | '<' | '>')
            || letter.is_whitespace()
            || letter.is_control()
            || is_invisible_control(letter)
        {
            for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a String cannot fail.
                let _ = write!(address, "%{byte:02X}");
            }
        } else {
            push_escaped(&mut address, letter.encode_utf8(&mut [0; 4]));
        }
    }
    address
}

/// For text between fences of backticks, which have no escape: no two backticks stay neighbours, at its ends neither.
pub fn break_backticks(text: &str) -> String {
    let mut broken = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter == '`' && (broken.is_empty() || broken.ends_with('`')) {
            broken.push(ZERO_WIDTH_SPACE);
        }
        broken.push(letter);
    }
    if broken.ends_with('`') {
        broken.push(ZERO_WIDTH_SPACE);
    }
    broken
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FAMILY: &str = "👨‍👩‍👧‍👦";

    #[test]
    fn units_are_utf16_units() {
        assert_eq!(units("aé漢"), 3);
        assert_eq!(units("😀"), 2);
        assert_eq!(units(FAMILY), 11);
    }

    #[test]
    fn mentions_and_links_from_outside_are_plain_text() {
        assert_eq!(escape_mrkdwn("<!channel> & <@U1|x>"), "&lt;!channel&gt; &amp; &lt;@U1|x&gt;");
        assert_eq!(escape_mrkdwn("&lt;"), "&amp;lt;");
    }

    #[test]
    fn one_line_is_one_line() {
        assert_eq!(single_line("  a\r\n\tb\u{2028}c\u{0}d \u{1b}[31m e\u{7}  "), "a b cd [31m e");
        assert_eq!(single_line("user\u{202E}gpj.exe\u{2066}\u{200B}\u{FEFF}"), "usergpj.exe");
        assert_eq!(single_line(FAMILY), FAMILY);
        assert_eq!(single_line("\u{0}\n"), "");
    }

    #[test]
    fn what_fits_is_left_alone() {
        assert!(matches!(truncate("abc", 3), Cow::Borrowed("abc")));
        assert_eq!(truncate("abcd", 3), "ab…");
        assert_eq!(truncate("ab cd", 4), "ab…");
        assert_eq!(truncate("abc", 1), "…");
        assert_eq!(truncate("abc", 0), "");
        assert_eq!(truncate("", 0), "");
    }

    #[test]
    fn what_a_reader_sees_as_one_character_is_not_cut() {
        for (character, units_long) in [(FAMILY, 11), ("👍🏽", 4), ("e\u{301}\u{323}", 3), ("🇩🇪", 4), ("❤\u{FE0F}", 2)]
        {
            let text = format!("x{character}yz");
            for max in 2..units_long + 2 {
                assert_eq!(truncate(&text, max), "x…", "{character} in {max}");
            }
            assert_eq!(truncate(&text, units_long + 2), format!("x{character}…"));
            let text = format!("yz{character}x");
            assert_eq!(truncate_start(&text, units_long + 1), "…x", "{character}");
            assert_eq!(truncate_start(&text, units_long + 2), format!("…{character}x"));
        }
    }

    #[test]
    fn the_limit_counts_after_escaping_and_entities_stay_whole() {
        assert_eq!(truncate_escaped("<<<", 12), "&lt;&lt;&lt;");
        assert_eq!(truncate_escaped("<<<", 11), "&lt;&lt;…");
        assert_eq!(truncate_escaped("<<<", 8), "&lt;…");
        assert_eq!(truncate_escaped("a&", 5), "a…");
        assert_eq!(truncate_escaped("a&", 6), "a&amp;");
    }

    #[test]
    fn a_link_cannot_be_broken_out_of() {
        assert_eq!(
            link("https://x.example/a b|c<d>?e&f", "a|b<c>&d\ne"),
            "<https://x.example/a%20b%7Cc%3Cd%3E?e&amp;f|a¦b&lt;c&gt;&amp;d e>"
        );
        assert_eq!(link("https://x.example/\u{202E}\n", ""), "<https://x.example/%E2%80%AE%0A>");
        for not_of_the_web in ["!channel", "@U123", "#C123", "javascript:alert(1)", "", "/x", "httpé://"] {
            assert_eq!(link(not_of_the_web, "task"), "task");
        }
    }

    #[test]
    fn a_megabyte_of_one_character_is_no_trouble() {
        for piece in ["a", "e\u{301}", "🇩🇪", "\u{301}", FAMILY, "\u{200D}"] {
            let text = piece.repeat(1_000_000 / piece.len());
            assert!(units(&truncate(&text, 150)) <= 150);
            assert!(units(&truncate_start(&text, 150)) <= 150);
            assert!(units(&truncate_escaped(&text, 150)) <= 150);
        }
    }

    proptest! {
        #[test]
        fn truncated_text_is_a_start_within_the_limit(text in any::<String>(), max in 0..40_usize) {
            let cut = truncate(&text, max);
            prop_assert!(units(&cut) <= max);
            if units(&text) <= max {
                prop_assert_eq!(&*cut, &*text);
            } else if max > 0 {
                prop_assert!(text.starts_with(cut.strip_suffix(ELLIPSIS).unwrap()));
            }
            let end = truncate_start(&text, max);
            prop_assert!(units(&end) <= max);
            if units(&text) <= max {
                prop_assert_eq!(&*end, &*text);
            } else if max > 0 {
                prop_assert!(text.ends_with(end.strip_prefix(ELLIPSIS).unwrap()));
            }
        }

        #[test]
        fn truncated_escapes_stay_whole(text in "[&<>a😀é\u{301}]{0,30}", max in 0..60_usize) {
            let cut = truncate_escaped(&text, max);
            prop_assert!(units(&cut) <= max);
            let bare = cut.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
            prop_assert!(!bare.contains(['&', '<', '>']), "{}", cut);
            let whole = escape_mrkdwn(&text);
            prop_assert!(whole.starts_with(cut.trim_end_matches(ELLIPSIS)));
            prop_assert_eq!(units(&whole) <= max, cut == whole);
        }

        #[test]
        fn nothing_in_a_link_is_live_but_its_brackets(url in any::<String>(), label in any::<String>()) {
            let made = link(&format!("https://{url}"), &label);
            let inside = made.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap();
            prop_assert!(!inside.contains(['<', '>', '\n', '\0']));
            prop_assert!(inside.matches('|').count() <= 1);
            prop_assert!(!link(&url, &label).contains("<!"));
        }

        #[test]
        fn fences_cannot_be_closed_from_inside(text in "[`a\n]{1,30}") {
            let broken = break_backticks(&text);
            let fenced = format!("`{broken}`");
            prop_assert!(!fenced.contains("``"));
            prop_assert_eq!(broken.replace(ZERO_WIDTH_SPACE, ""), text);
        }

        #[test]
        fn a_single_line_has_no_controls(text in any::<String>()) {
            let line = single_line(&text);
            prop_assert!(!line.chars().any(|letter| letter.is_control() || is_invisible_control(letter)));
            prop_assert!(!line.contains("  "));
            prop_assert_eq!(single_line(&line), line.as_str());
        }
    }
}
