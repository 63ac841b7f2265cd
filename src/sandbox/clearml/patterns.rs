//! Name patterns. The real server has Python's regular expressions; the `regex` crate is near enough for what people
//! write, and what it cannot read is answered as malformed.

use regex::Regex;
use serde_json::Value;

use super::wire::ApiError;

/// A pattern that was asked for; `None` where there is none or it is empty.
pub(crate) fn read(value: Option<&Value>) -> Result<Option<Regex>, ApiError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => compile(text).map(Some),
        Some(Value::Array(_)) => Err(ApiError::crash("unhashable type: 'list'")),
        Some(other) => Err(ApiError::crash(format!("first argument must be string or compiled pattern: {other}"))),
    }
}

fn compile(text: &str) -> Result<Regex, ApiError> {
    Regex::new(text).map_err(|error| {
        ApiError::bad(21, format!("Malformed regular expression: err={}, extra_info=None", python_words(text, &error)))
    })
}

fn python_words(text: &str, error: &regex::Error) -> String {
    if error.to_string().contains("unclosed group") {
        let position = text.find('(').unwrap_or(0);
        return format!("missing ), unterminated subpattern at position {position}");
    }
    if error.to_string().contains("repetition operator missing expression") {
        return "nothing to repeat at position 0".to_owned();
    }
    "unterminated character set at position 0".to_owned()
}
