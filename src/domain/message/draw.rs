//! A message's blocks as plain terminal text, the way a person would see it in Slack. No colours unless they are asked
//! for. What a message consists of is decided elsewhere; here it is only read.

use serde_json::Value;

use crate::domain::Stamp;
use crate::domain::mrkdwn::{self, Piece};

/// A colour for the bar at the left of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarColour {
    /// For what failed.
    Red,
    /// For what completed.
    Green,
    /// For what was aborted.
    Yellow,
}

impl BarColour {
    const fn code(self) -> &'static str {
        match self {
            Self::Red => "31",
            Self::Green => "32",
            Self::Yellow => "33",
        }
    }
}

/// A message in lines of at most `columns` characters; `text` is what is shown where there are no blocks.
pub fn message(text: &str, blocks: &[Value], columns: usize) -> String {
    lines(text, blocks, columns.max(20)).join("\n")
}

/// The fallback text of a payload as it reads, on one line; empty where it has none.
pub fn plain_text(payload: &str) -> String {
    let body: Value = serde_json::from_str(payload).unwrap_or_default();
    crate::domain::text::single_line(&spoken(body.get("text").and_then(Value::as_str).unwrap_or_default()))
}

/// The same with a coloured bar at the left of every line, for terminals that understand ANSI codes.
pub fn message_with_bar(text: &str, blocks: &[Value], columns: usize, colour: BarColour) -> String {
    let bar = format!("\u{1b}[{}m\u{2503}\u{1b}[0m", colour.code());
    let lines = lines(text, blocks, columns.max(20).saturating_sub(2));
    lines.iter().map(|line| format!("{bar} {line}").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn lines(text: &str, blocks: &[Value], columns: usize) -> Vec<String> {
    let lines = match blocks {
        [] => wrapped(&spoken(text), columns),
        _ => blocks.iter().flat_map(|block| block_lines(block, columns)).collect(),
    };
    lines.into_iter().map(|line| harmless(&line)).collect()
}

/// A terminal obeys control characters: no value from outside may speak to it.
fn harmless(line: &str) -> String {
    line.chars().filter(|letter| !letter.is_control()).collect()
}

fn block_lines(block: &Value, columns: usize) -> Vec<String> {
    match block.get("type").and_then(Value::as_str).unwrap_or_default() {
        "header" => wrapped(&text_of(block.get("text")), columns),
        "section" => section_lines(block, columns),
        "context" => {
            let elements = block.get("elements").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let texts: Vec<String> = elements.iter().map(|element| text_of(Some(element))).collect();
            wrapped(&texts.join("  "), columns)
        }
        "rich_text" => {
            let elements = block.get("elements").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            elements.iter().flat_map(|element| rich_lines(element, columns)).collect()
        }
        "divider" => vec!["\u{2500}".repeat(columns)],
        other => vec![format!("[{other}]")],
    }
}

fn section_lines(block: &Value, columns: usize) -> Vec<String> {
    let mut lines = block.get("text").map(|text| wrapped(&text_of(Some(text)), columns)).unwrap_or_default();
    let fields = block.get("fields").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let width = columns.saturating_sub(4) / 2;
    for pair in fields.chunks(2) {
        let mut columns_of_pair = pair.iter().map(|field| wrapped(&text_of(Some(field)), width));
        let (left, right) = (columns_of_pair.next().unwrap_or_default(), columns_of_pair.next().unwrap_or_default());
        for row in 0..left.len().max(right.len()) {
            let left = left.get(row).map(String::as_str).unwrap_or_default();
            let right = right.get(row).map(String::as_str).unwrap_or_default();
            lines.push(format!("  {left:<width$}  {right}").trim_end().to_owned());
        }
    }
    lines
}

fn rich_lines(element: &Value, columns: usize) -> Vec<String> {
    let parts = element.get("elements").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    match element.get("type").and_then(Value::as_str).unwrap_or_default() {
        "rich_text_list" => {
            parts.iter().flat_map(|item| wrapped(&format!("\u{2022} {}", rich_text(item)), columns)).collect()
        }
        "rich_text_preformatted" => rich_text(element)
            .lines()
            .flat_map(|line| chopped(line, columns.saturating_sub(4)))
            .map(|line| format!("  \u{2502} {line}").trim_end().to_owned())
            .collect(),
        _ => wrapped(&rich_text(element), columns),
    }
}

fn rich_text(element: &Value) -> String {
    let parts = element.get("elements").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let word = |part: &Value, name: &str| part.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let text = |part: &Value| match part.get("type").and_then(Value::as_str) {
        Some("link") if part.get("text").is_none() => word(part, "url"),
        Some("user") => format!("@{}", word(part, "user_id")),
        Some("broadcast") => format!("@{}", word(part, "range")),
        _ => word(part, "text"),
    };
    parts.iter().map(text).collect()
}

fn text_of(text: Option<&Value>) -> String {
    let Some(text) = text else { return String::new() };
    let content = text.get("text").and_then(Value::as_str).unwrap_or_default();
    // Slack reads the escapes in a plain text too.
    if text.get("type").and_then(Value::as_str) == Some("mrkdwn") {
        spoken(content)
    } else {
        mrkdwn::unescaped(content)
    }
}

/// mrkdwn as it reads: labels for links, names for mentions, no emphasis marks, escapes undone.
fn spoken(text: &str) -> String {
    let mut spoken = String::new();
    for piece in mrkdwn::pieces(text) {
        match piece {
            Piece::Text(text) => spoken.push_str(&mrkdwn::unescaped(&without_emphasis(text))),
            Piece::Link { url, label } => spoken.push_str(&mrkdwn::unescaped(label.unwrap_or(url))),
            Piece::Mention(entity) => spoken.push_str(&mention_name(entity)),
            Piece::Channel(channel) => spoken.push_str(channel),
            Piece::Date { unix, fallback, .. } => spoken.push_str(&date(unix, fallback)),
            Piece::Malformed(entity) => spoken.push_str(entity),
        }
    }
    spoken
}

fn date(unix: i64, fallback: &str) -> String {
    if fallback.is_empty() { Stamp::from_millis(unix.saturating_mul(1000)).to_string() } else { fallback.to_owned() }
}

fn mention_name(entity: &str) -> String {
    let inner = entity.trim_start_matches(['<', '!', '@']).trim_end_matches('>');
    let name = inner.split_once('|').map_or(inner, |(_, label)| label);
    format!("@{}", name.trim_start_matches("subteam^").trim_start_matches('@'))
}

/// `*bold*` without its stars where they stand at the edges of words; stars inside words stay.
fn without_emphasis(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let outside = |index: Option<usize>| {
        index.and_then(|index| characters.get(index)).is_none_or(|c| !c.is_alphanumeric() && *c != '*')
    };
    let is_mark = |index: usize| outside(index.checked_sub(1)) != outside(Some(index + 1));
    let kept = characters.iter().enumerate().filter(|(index, c)| **c != '*' || !is_mark(*index));
    kept.map(|(_, c)| *c).collect()
}

/// Lines broken between words, and inside words that are too long.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    text.lines().flat_map(|line| wrapped_line(line, columns)).collect()
}

fn wrapped_line(line: &str, columns: usize) -> Vec<String> {
    let indent: String = if line.starts_with('\u{2022}') { "  ".to_owned() } else { String::new() };
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in line.split(' ') {
        for part in chopped(word, columns.saturating_sub(indent.len())) {
            let needed = current.chars().count() + 1 + part.chars().count();
            if current.is_empty() && lines.is_empty() {
                current = part;
            } else if needed > columns {
                lines.push(std::mem::replace(&mut current, format!("{indent}{part}")));
            } else {
                current.push(' ');
                current.push_str(&part);
            }
        }
    }
    lines.push(current);
    lines.into_iter().map(|line| line.trim_end().to_owned()).collect()
}

fn chopped(word: &str, columns: usize) -> Vec<String> {
    let characters: Vec<char> = word.chars().collect();
    if characters.len() <= columns {
        return vec![word.to_owned()];
    }
    characters.chunks(columns.max(1)).map(|chunk| chunk.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn escapes_are_undone_in_plain_text_as_in_any() {
        let header = json!({"type": "header", "text": {"type": "plain_text", "text": "&lt;b&gt; &amp; *stars*"}});
        let section = json!({"type": "section", "text": {"type": "mrkdwn", "text": "&lt;b&gt; &amp;amp;"}});
        assert_eq!(message("", &[header, section], 40), "<b> & *stars*\n<b> &amp;");
    }

    #[test]
    fn no_value_speaks_to_the_terminal() {
        let blocks = [json!({"type": "header", "text": {"type": "plain_text", "text": "a\u{1b}[31mb\u{7}"}})];
        assert_eq!(message("", &blocks, 40), "a[31mb");
        assert_eq!(message("x\u{9b}31my", &[], 40), "x31my");
        let barred = message_with_bar("", &blocks, 40, BarColour::Red);
        assert_eq!(barred, "\u{1b}[31m\u{2503}\u{1b}[0m a[31mb");
    }
}
