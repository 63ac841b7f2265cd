//! Reads one answer of Slack: success or a classified error. Pure; the meaning of codes lives in `answers`.

use serde_json::{Map, Value};

use super::answers::{self, Class, Mishap};
use super::error::SlackError;
use super::lenient_json;
use super::method::Method;
use super::transport::Reply;

/// Longest detail that is kept of an answer, in characters.
const LONGEST_DETAIL: usize = 500;
/// Longest error code that is kept, in characters; Slack's own are shorter.
const LONGEST_CODE: usize = 100;

/// The fields of a successful answer, or what went wrong.
pub(super) fn open(method: Method, reply: &Reply) -> Result<Map<String, Value>, SlackError> {
    let parsed = match &reply.body {
        Ok(body) => lenient_json::object(body).map_err(|problem| format!("the answer is {problem}")),
        Err(problem) => Err(problem.clone()),
    };
    let ok = parsed.as_ref().ok().and_then(|fields| fields.get("ok")?.as_bool());
    if ok == Some(true) && (200..=299).contains(&reply.status) {
        return parsed.map_err(|problem| unreadable(method, reply, &problem));
    }
    let refusal = parsed.as_ref().ok().filter(|_| ok == Some(false)).and_then(|fields| refusal(method, fields));
    if let Some((class, advice)) = answers::of_status(reply.status) {
        return Err(by_status(method, reply, class, advice, refusal));
    }
    Err(match (refusal, parsed, ok) {
        (Some(refusal), _, _) => with_http(refusal, reply),
        (None, Err(problem), _) => unreadable(method, reply, &problem),
        (None, Ok(_), Some(false)) => unreadable(method, reply, "the answer says `ok: false` and no error"),
        (None, Ok(_), Some(true)) => unreadable(method, reply, "the answer says `ok: true`"),
        (None, Ok(_), None) => unreadable(method, reply, "the answer does not say `ok`"),
    })
}

/// What an answer says beyond success and its code, in one short line: wrong blocks, missing scopes, warnings.
pub(super) fn detail(fields: &Map<String, Value>) -> Option<String> {
    let metadata = fields.get("response_metadata");
    let mut parts = Vec::new();
    for (name, value) in [
        ("needed", fields.get("needed")),
        ("provided", fields.get("provided")),
        ("errors", fields.get("errors")),
        ("messages", metadata.and_then(|metadata| metadata.get("messages"))),
        ("warning", fields.get("warning")),
        ("warnings", metadata.and_then(|metadata| metadata.get("warnings"))),
    ] {
        let text = value.map(plain).unwrap_or_default();
        if !text.is_empty() {
            parts.push(format!("{name}: {text}"));
        }
    }
    (!parts.is_empty()).then(|| short(&parts.join("; "), LONGEST_DETAIL))
}

/// An answer whose content cannot be used, as an error: it may or may not have had an effect.
pub(super) fn unreadable(method: Method, reply: &Reply, problem: &str) -> SlackError {
    let (class, advice) = answers::of_mishap(Mishap::Unreadable);
    let what = format!("HTTP {}: {}", reply.status, short(problem, LONGEST_DETAIL));
    with_http(SlackError::new(Some(method), class, what, advice.to_owned()), reply)
}

/// The error that the body names, by its code.
fn refusal(method: Method, fields: &Map<String, Value>) -> Option<SlackError> {
    let code = fields.get("error")?.as_str()?;
    let (class, advice) = answers::of_code(code);
    let needed = fields.get("needed").map(plain).filter(|scope| !scope.is_empty());
    let needed = needed.as_deref().unwrap_or("that is missing (Slack did not say which)");
    let advice = advice.replace("{needed}", &short(needed, LONGEST_CODE));
    let code = short(code, LONGEST_CODE);
    let error = SlackError::new(Some(method), class, code.clone(), advice);
    Some(SlackError { code: Some(code), detail: detail(fields), ..error })
}

/// The status decides what it means; the body may still tell how it came, and that the wait will be long.
fn by_status(method: Method, reply: &Reply, class: Class, advice: &str, refusal: Option<SlackError>) -> SlackError {
    let told_to_wait = |class| matches!(class, Class::NotDelivered { .. });
    let error = match refusal {
        Some(refusal) if told_to_wait(class) && told_to_wait(refusal.class) => refusal,
        Some(refusal) => SlackError { class, advice: advice.to_owned(), ..refusal },
        None => SlackError::new(Some(method), class, format!("HTTP {}", reply.status), advice.to_owned()),
    };
    with_http(error, reply)
}

fn with_http(error: SlackError, reply: &Reply) -> SlackError {
    SlackError { http_status: Some(reply.status), retry_after: reply.retry_after, ..error }
}

/// A value as text: a string bare, a list joined, anything else as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// One line of at most `longest` characters, without control characters.
fn short(text: &str, longest: usize) -> String {
    let mut line: String =
        text.chars().take(longest).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if text.chars().nth(longest).is_some() {
        line.pop();
        line.push('…');
    }
    line
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
