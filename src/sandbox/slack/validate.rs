//! What Slack accepts as blocks, and what a careful client keeps to on top. A problem either carries the error that
//! Slack answers, or is noted and accepted.

use serde_json::{Map, Value};

use crate::domain::mrkdwn;

/// Blocks with more text than this are refused (the smallest refusal that was seen).
const REFUSED_TEXT: usize = 11_341;
/// The most text in blocks that this program may send.
const CAREFUL_TEXT: usize = 8_000;

const BLOCKS: [&str; 10] =
    ["header", "section", "context", "rich_text", "divider", "actions", "image", "input", "video", "file"];

/// Something wrong with a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) text: String,
    /// Slack's error, where it refuses.
    pub(crate) error: Option<&'static str>,
}

#[derive(Default)]
struct Findings {
    problems: Vec<Problem>,
    /// All text in blocks, in UTF-16 units.
    length: usize,
}

impl Findings {
    fn refuse(&mut self, text: impl Into<String>) {
        self.problems.push(Problem { text: text.into(), error: Some("invalid_blocks") });
    }

    fn note(&mut self, text: impl Into<String>) {
        self.problems.push(Problem { text: text.into(), error: None });
    }
}

/// UTF-16 units, never fewer than code points: the larger of the two ways to count.
pub(crate) fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Looks through a message's blocks.
pub(crate) fn blocks(blocks: &Value) -> Vec<Problem> {
    let mut findings = Findings::default();
    let Some(blocks) = blocks.as_array() else {
        return vec![Problem { text: "blocks is not a list".to_owned(), error: Some("invalid_blocks_format") }];
    };
    if blocks.len() > 50 {
        findings.refuse(format!("{} blocks, 50 are allowed", blocks.len()));
    }
    for block in blocks {
        match block.as_object() {
            Some(block) => check_block(block, &mut findings),
            None => findings.refuse("a block is not an object"),
        }
    }
    check_block_ids(blocks, &mut findings);
    if findings.length >= REFUSED_TEXT {
        let text = format!("{} characters of text in blocks", findings.length);
        findings.problems.insert(0, Problem { text, error: Some("msg_blocks_too_long") });
    } else if findings.length > CAREFUL_TEXT {
        findings.note(format!("{} characters of text in blocks, more than {CAREFUL_TEXT}", findings.length));
    }
    findings.problems
}

fn check_block_ids(blocks: &[Value], findings: &mut Findings) {
    let ids: Vec<&str> = blocks.iter().filter_map(|block| block.get("block_id")?.as_str()).collect();
    for (index, id) in ids.iter().enumerate() {
        if length(id) > 255 {
            findings.refuse("a block_id is longer than 255");
        }
        if ids.get(..index).is_some_and(|before| before.contains(id)) {
            findings.refuse(format!("block_id `{id}` is used twice"));
        }
    }
}

fn check_block(block: &Map<String, Value>, findings: &mut Findings) {
    let kind = block.get("type").and_then(Value::as_str).unwrap_or_default();
    if !BLOCKS.contains(&kind) {
        return findings.refuse(format!("there is no block of type `{kind}`"));
    }
    let allowed: &[&str] = match kind {
        "header" => &["text"],
        "section" => &["text", "fields", "accessory", "expand"],
        "context" | "actions" | "rich_text" => &["elements"],
        "divider" => &[],
        _ => return,
    };
    for name in block.keys() {
        if !allowed.contains(&name.as_str()) && name != "type" && name != "block_id" {
            findings.refuse(format!("a {kind} block has no field `{name}`"));
        }
    }
    match kind {
        "header" => check_header(block, findings),
        "section" => check_section(block, findings),
        "context" => check_context(block, findings),
        "actions" => check_actions(block, findings),
        "rich_text" => check_rich_text(block, findings),
        _ => {}
    }
}

fn check_header(block: &Map<String, Value>, findings: &mut Findings) {
    let Some(text) = block.get("text") else { return findings.refuse("a header without text") };
    if text.get("type").and_then(Value::as_str) != Some("plain_text") {
        findings.refuse("a header's text must be plain_text");
    }
    check_text(text, 150, "a header's text", findings);
}

fn check_section(block: &Map<String, Value>, findings: &mut Findings) {
    match (block.get("text"), block.get("fields")) {
        (None, None) => findings.refuse("a section has neither text nor fields"),
        (text, fields) => {
            if let Some(text) = text {
                check_text(text, 3000, "a section's text", findings);
            }
            if let Some(fields) = fields {
                check_fields(fields, findings);
            }
        }
    }
    if let Some(accessory) = block.get("accessory") {
        check_element(accessory, findings);
    }
}

fn check_fields(fields: &Value, findings: &mut Findings) {
    let fields = fields.as_array().map(Vec::as_slice).unwrap_or_default();
    if fields.is_empty() || fields.len() > 10 {
        findings.refuse(format!("a section has {} fields, 1 to 10 are allowed", fields.len()));
    }
    for field in fields {
        check_text(field, 2000, "a section's field", findings);
    }
}

fn check_context(block: &Map<String, Value>, findings: &mut Findings) {
    let elements = block.get("elements").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if elements.is_empty() || elements.len() > 10 {
        findings.refuse(format!("a context has {} elements, 1 to 10 are allowed", elements.len()));
    }
    for element in elements {
        match element.get("type").and_then(Value::as_str) {
            Some("image") => {}
            _ => check_text(element, 3000, "a context's element", findings),
        }
    }
}

fn check_actions(block: &Map<String, Value>, findings: &mut Findings) {
    let elements = block.get("elements").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if elements.is_empty() || elements.len() > 25 {
        findings.refuse(format!("an actions block has {} elements, 1 to 25 are allowed", elements.len()));
    }
    for element in elements {
        check_element(element, findings);
    }
}

/// Buttons: Slack sends an interaction that nobody here answers, even for those that only open a page.
fn check_element(element: &Value, findings: &mut Findings) {
    if element.get("type").and_then(Value::as_str) == Some("button") {
        findings.note("a button: Slack will send an interaction that nobody answers");
        if let Some(text) = element.get("text") {
            check_text(text, 75, "a button's text", findings);
        }
    }
}

fn check_text(text: &Value, longest: usize, what: &str, findings: &mut Findings) {
    let Some(fields) = text.as_object() else { return findings.refuse(format!("{what} is not a text object")) };
    let content = fields.get("text").and_then(Value::as_str).unwrap_or_default();
    let size = length(content);
    findings.length += size;
    if size == 0 || size > longest {
        findings.refuse(format!("{what} has {size} characters, 1 to {longest} are allowed"));
    }
    let allowed: &[&str] = match fields.get("type").and_then(Value::as_str) {
        Some("plain_text") => &["type", "text", "emoji"],
        Some("mrkdwn") => {
            if fields.get("verbatim") != Some(&Value::Bool(true)) {
                findings.note(format!("{what} is mrkdwn without \"verbatim\": true"));
            }
            for problem in mrkdwn::problems(content) {
                findings.note(format!("{what}: {problem}"));
            }
            &["type", "text", "verbatim"]
        }
        other => return findings.refuse(format!("{what} has the type {other:?}")),
    };
    for name in fields.keys() {
        if !allowed.contains(&name.as_str()) {
            findings.refuse(format!("{what} has no field `{name}`"));
        }
    }
}

fn check_rich_text(block: &Map<String, Value>, findings: &mut Findings) {
    let Some(elements) = block.get("elements").and_then(Value::as_array) else {
        return findings.refuse("a rich_text block without elements");
    };
    for element in elements {
        check_rich_element(element, findings);
    }
}

fn check_rich_element(element: &Value, findings: &mut Findings) {
    let kind = element.get("type").and_then(Value::as_str).unwrap_or_default();
    let inner = element.get("elements").and_then(Value::as_array);
    match (kind, inner) {
        ("rich_text_section" | "rich_text_preformatted" | "rich_text_quote", Some(inner)) => {
            for part in inner {
                check_rich_part(part, kind, findings);
            }
        }
        ("rich_text_list", Some(inner)) => {
            for item in inner {
                check_rich_element(item, findings);
            }
        }
        _ => findings.refuse(format!("rich_text has no element of type `{kind}`, or it is empty")),
    }
}

fn check_rich_part(part: &Value, inside: &str, findings: &mut Findings) {
    match part.get("type").and_then(Value::as_str) {
        Some("text") => {
            let text = part.get("text").and_then(Value::as_str).unwrap_or_default();
            findings.length += length(text);
            if text.is_empty() {
                findings.refuse(format!("an empty text in {inside}"));
            }
            if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
                findings.note(format!("control characters in {inside}"));
            }
        }
        Some("link" | "emoji" | "user" | "usergroup" | "channel" | "broadcast" | "date") => {}
        other => findings.refuse(format!("{inside} has no part of type {other:?}")),
    }
}

/// Every live mention in a message's blocks.
pub(crate) fn mentions(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().flat_map(mentions).collect(),
        Value::Object(fields) => {
            let text = fields.get("text").and_then(Value::as_str).unwrap_or_default();
            match fields.get("type").and_then(Value::as_str) {
                Some("mrkdwn") => mrkdwn::mentions(text).into_iter().map(str::to_owned).collect(),
                Some("user") => vec![format!("<@{}>", word(fields, "user_id"))],
                Some("usergroup") => vec![format!("<!subteam^{}>", word(fields, "usergroup_id"))],
                Some("broadcast") => vec![format!("<!{}>", word(fields, "range"))],
                _ => fields.values().flat_map(mentions).collect(),
            }
        }
        _ => Vec::new(),
    }
}

fn word<'v>(fields: &'v Map<String, Value>, name: &str) -> &'v str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Looks through a message's metadata: an event type, and scalars, objects of scalars and lists of those.
pub(crate) fn metadata(metadata: &Value) -> Option<Problem> {
    let problem = |text: &str, error| Some(Problem { text: text.to_owned(), error: Some(error) });
    let Some(fields) = metadata.as_object() else {
        return problem("metadata is not an object", "invalid_metadata_format");
    };
    let kind = fields.get("event_type").and_then(Value::as_str).unwrap_or_default();
    let Some(payload) = fields.get("event_payload").and_then(Value::as_object) else {
        return problem("metadata without event_payload", "invalid_metadata_format");
    };
    if kind.is_empty() || fields.len() != 2 {
        return problem("metadata has exactly event_type and event_payload", "invalid_metadata_format");
    }
    if !payload.values().all(is_allowed) {
        return problem("metadata is nested too deeply", "invalid_metadata_schema");
    }
    if metadata.to_string().len() > 8_000 {
        return problem("metadata is longer than 8,000 bytes", "metadata_too_large");
    }
    None
}

fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_))
}

fn is_flat(value: &Value) -> bool {
    is_scalar(value) || value.as_object().is_some_and(|fields| fields.values().all(is_scalar))
}

fn is_allowed(value: &Value) -> bool {
    is_flat(value) || value.as_array().is_some_and(|values| values.iter().all(is_flat))
}
