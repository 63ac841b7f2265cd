//! A message drawn as Slack shows it, from its payload. Everything is text until it is known to be ours: a link is one
//! only where it leads to the web, and nothing of a payload reaches the page as markup.

use maud::{Markup, PreEscaped, html};
use serde_json::Value;

use super::frame;
use crate::domain::Stamp;
use crate::domain::mrkdwn::{Piece, pieces, unescaped};

/// The message of a stored payload.
pub(super) fn drawn(payload: &str) -> Markup {
    let Ok(payload) = serde_json::from_str::<Value>(payload) else {
        return html! { p.empty { "Its stored payload cannot be read." } };
    };
    let blocks = list(payload.get("blocks"));
    html! {
        div.slack {
            @if blocks.is_empty() { div.section { (mrkdwn(word(&payload, "text"))) } }
            @for each in blocks { (block(each)) }
        }
    }
}

/// The document of a webhook, as it was sent but for the layout.
pub(super) fn document(payload: &str) -> Markup {
    let laid_out = serde_json::from_str::<Value>(payload).and_then(|document| serde_json::to_string_pretty(&document));
    let text = laid_out.unwrap_or_else(|_| payload.to_owned());
    html! { pre tabindex="0" role="region" aria-label="Document" { (text) } }
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn word<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn block(block: &Value) -> Markup {
    match word(block, "type") {
        "header" => html! { p.header { (text(block.get("text"))) } },
        "section" => html! {
            @if let Some(content) = block.get("text") { div.section { (text(Some(content))) } }
            @let fields = list(block.get("fields"));
            @if !fields.is_empty() { ul.fields { @for field in fields { li { (text(Some(field))) } } } }
        },
        "context" => {
            html! { div.context { @for element in list(block.get("elements")) { span { (text(Some(element))) } " " } } }
        }
        "rich_text" => html! { @for element in list(block.get("elements")) { (rich(element)) } },
        "divider" => html! { hr; },
        _ => html! {},
    }
}

fn rich(element: &Value) -> Markup {
    let parts = list(element.get("elements"));
    match word(element, "type") {
        // It can be scrolled, so it can be reached by keyboard.
        "rich_text_preformatted" => {
            html! { pre tabindex="0" role="region" aria-label="Console" { @for part in parts { (rich_part(part)) } } }
        }
        "rich_text_list" => html! { ul { @for item in parts { li { (rich(item)) } } } },
        _ => html! { p { @for part in parts { (rich_part(part)) } } },
    }
}

fn rich_part(part: &Value) -> Markup {
    match word(part, "type") {
        "link" => link(word(part, "url"), part.get("text").and_then(Value::as_str)),
        "user" => html! { span.mention { "@" (word(part, "user_id")) } },
        "broadcast" => html! { span.mention { "@" (word(part, "range")) } },
        _ => html! { (word(part, "text")) },
    }
}

fn text(object: Option<&Value>) -> Markup {
    let Some(object) = object else {
        return html! {};
    };
    let content = word(object, "text");
    // Slack reads the escapes in a plain text too.
    if word(object, "type") == "mrkdwn" {
        mrkdwn(content)
    } else {
        html! { bdi { (unescaped(content)) } }
    }
}

fn mrkdwn(content: &str) -> Markup {
    let lines: Vec<&str> = content.split('\n').collect();
    html! {
        @for (position, line) in lines.iter().enumerate() {
            @if let Some(quote) = line.strip_prefix('>').or_else(|| line.strip_prefix("&gt;")) {
                blockquote { (line_of(quote)) }
            } @else {
                (line_of(line))
                @if lines.get(position + 1).is_some_and(|next| !next.starts_with('>')) { br; }
            }
        }
    }
}

fn line_of(line: &str) -> Markup {
    html! {
        @for piece in pieces(line) {
            @match piece {
                Piece::Text(text) => (emphasized(text)),
                Piece::Link { url, label } => (link(&unescaped(url), label.map(unescaped).as_deref())),
                Piece::Mention(entity) => span.mention { (mention(entity)) },
                Piece::Channel(channel) => span.mention { "#" (channel) },
                Piece::Date { unix, .. } => (frame::time(Stamp::from_millis(unix.saturating_mul(1_000)))),
                Piece::Malformed(entity) => (entity),
            }
        }
    }
}

fn link(url: &str, label: Option<&str>) -> Markup {
    let label = label.filter(|label| !label.is_empty()).unwrap_or(url);
    if url.starts_with("https://") || url.starts_with("http://") {
        return html! { a href=(url) rel="noreferrer noopener" { bdi { (label) } } };
    }
    html! { bdi { (label) } }
}

fn mention(entity: &str) -> String {
    let inner = entity.trim_start_matches(['<', '!', '@']).trim_end_matches('>');
    let name = inner.split_once('|').map_or(inner, |(_, label)| label);
    format!("@{}", name.trim_start_matches("subteam^").trim_start_matches('@'))
}

/// `*bold*` and `` `code` `` where they stand at the edges of words.
fn emphasized(text: &str) -> Markup {
    let mut rest = text;
    let mut before = None;
    let mut drawn = String::new();
    while let Some(at) = rest.find(['*', '`']) {
        let (head, tail) = rest.split_at(at);
        let mark = if tail.starts_with('*') { '*' } else { '`' };
        let previous = head.chars().next_back().or(before);
        let inside = tail.get(1..).unwrap_or_default();
        push(&mut drawn, head);
        if let Some(end) = closing(inside, mark).filter(|_| previous.is_none_or(|letter| !letter.is_alphanumeric())) {
            let (inner, after) = inside.split_at(end);
            let inner = unescaped(inner);
            let marked = if mark == '*' {
                html! { strong { (inner) } }
            } else {
                html! { code { (inner) } }
            };
            drawn.push_str(&marked.into_string());
            rest = after.get(1..).unwrap_or_default();
        } else {
            push(&mut drawn, &tail[..1]);
            rest = inside;
        }
        before = Some(mark);
    }
    push(&mut drawn, rest);
    PreEscaped(drawn)
}

fn push(drawn: &mut String, text: &str) {
    drawn.push_str(&html! { (unescaped(text)) }.into_string());
}

/// Where a mark that has been opened closes: not after a blank, not inside a word.
fn closing(inside: &str, mark: char) -> Option<usize> {
    if inside.starts_with(char::is_whitespace) {
        return None;
    }
    let is_end = |at: &usize| {
        let (inner, after) = inside.split_at(*at);
        let ends_word =
            after.get(1..).and_then(|after| after.chars().next()).is_none_or(|next| !next.is_alphanumeric());
        ends_word && inner.chars().next_back().is_some_and(|last| !last.is_whitespace())
    };
    inside.match_indices(mark).map(|(at, _)| at).find(is_end)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(text: &str) -> String {
        mrkdwn(text).into_string()
    }

    #[test]
    fn marks_links_quotes_and_mentions_are_drawn() {
        assert_eq!(shown("*Status*\nfailed"), "<strong>Status</strong><br>failed");
        assert_eq!(shown("`a &lt; b` 2*3*4 a*b"), "<code>a &lt; b</code> 2*3*4 a*b");
        assert_eq!(shown("x\n>why &amp; how"), "x<blockquote>why &amp; how</blockquote>");
        assert_eq!(shown("Hey <!here>,"), "Hey <span class=\"mention\">@here</span>,");
        let link = shown("<https://app.example.com/a?b&amp;c|re&lt;b&gt;s>");
        let expected =
            "<a href=\"https://app.example.com/a?b&amp;c\" rel=\"noreferrer noopener\"><bdi>re&lt;b&gt;s</bdi></a>";
        assert_eq!(link, expected);
    }

    #[test]
    fn nothing_of_a_payload_is_markup() {
        let hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>";
        let payload = json!({ "text": hostile, "blocks": [
            { "type": "header", "text": { "type": "plain_text", "text": hostile } },
            { "type": "section", "text": { "type": "mrkdwn", "text": hostile }, "fields": [{ "type": "mrkdwn", "text": hostile }] },
            { "type": "section", "text": { "type": "mrkdwn", "text": "&lt;script&gt; *<script>* `<script>` <javascript:alert(1)|x>" } },
            { "type": "context", "elements": [{ "type": "mrkdwn", "text": hostile }] },
            { "type": "rich_text", "elements": [
                { "type": "rich_text_preformatted", "elements": [{ "type": "text", "text": hostile }] },
                { "type": "rich_text_section", "elements": [{ "type": "link", "url": "javascript:alert(1)", "text": hostile }] },
            ] },
        ] });
        for payload in [payload.clone(), json!({ "text": hostile })] {
            let page = drawn(&payload.to_string()).into_string();
            assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("href"), "{page}");
        }
    }
}
