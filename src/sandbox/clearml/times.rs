//! Filters on moments, as the recorded server reads them: prefixes, ranges, offsets, and the silence with which it
//! ignores what it cannot parse.

use serde_json::Value;

use super::wire::ApiError;
use crate::domain::Stamp;

/// One comparison with a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    After(Stamp),
    AtOrAfter(Stamp),
    Before(Stamp),
    AtOrBefore(Stamp),
    At(Stamp),
}

impl Bound {
    fn admits(self, stamp: Stamp) -> bool {
        match self {
            Self::After(bound) => stamp > bound,
            Self::AtOrAfter(bound) => stamp >= bound,
            Self::Before(bound) => stamp < bound,
            Self::AtOrBefore(bound) => stamp <= bound,
            Self::At(bound) => stamp == bound,
        }
    }
}

/// Whether a moment passes all bounds; a moment that is not there passes only an empty list.
pub(crate) fn admits(bounds: &[Bound], stamp: Option<Stamp>) -> bool {
    bounds.is_empty() || stamp.is_some_and(|stamp| bounds.iter().all(|bound| bound.admits(stamp)))
}

/// Reads a filter on a moment: a text, a list of texts, a pair without prefixes as a range.
pub(crate) fn bounds_of(field: &str, value: &Value) -> Result<Vec<Bound>, ApiError> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => Ok(bound_of(text).into_iter().collect()),
        Value::Array(values) => list(field, values),
        other => Err(unreadable(field, other)),
    }
}

fn list(field: &str, values: &[Value]) -> Result<Vec<Bound>, ApiError> {
    let mut texts = Vec::new();
    for value in values {
        match value {
            Value::String(text) => texts.push(Some(text.as_str())),
            Value::Null => texts.push(None),
            other => return Err(unreadable(field, other)),
        }
    }
    if let [first, second] = texts[..]
        && !has_prefix(first)
        && !has_prefix(second)
    {
        return Ok(range(first, second));
    }
    Ok(texts.into_iter().flatten().filter_map(bound_of).collect())
}

/// Measured: an absent lower end makes the server ignore the upper one as well.
fn range(lowest: Option<&str>, highest: Option<&str>) -> Vec<Bound> {
    let Some(lowest) = lowest else { return Vec::new() };
    let from = moment_of(lowest).map(Bound::AtOrAfter);
    let to = highest.and_then(moment_of).map(Bound::AtOrBefore);
    from.into_iter().chain(to).collect()
}

fn has_prefix(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.starts_with(['<', '>']))
}

fn bound_of(text: &str) -> Option<Bound> {
    if let Some(rest) = text.strip_prefix(">=") {
        return moment_of(rest).map(Bound::AtOrAfter);
    }
    if let Some(rest) = text.strip_prefix("<=") {
        return moment_of(rest).map(Bound::AtOrBefore);
    }
    match text.split_at_checked(1) {
        Some((">", rest)) => moment_of(rest).map(Bound::After),
        Some(("<", rest)) => moment_of(rest).map(Bound::Before),
        _ => moment_of(text).map(Bound::At),
    }
}

/// A moment cut to milliseconds, or nothing where the server's parser gives up. A bare year or month means its start.
fn moment_of(text: &str) -> Option<Stamp> {
    let text = text.trim();
    if let Ok(stamp) = Stamp::parse(text) {
        return Some(stamp);
    }
    let digits = text.chars().all(|c| c.is_ascii_digit() || c == '-');
    match (digits, text.len()) {
        (true, 4) => Stamp::parse(&format!("{text}-01-01T00:00:00")).ok(),
        (true, 7) => Stamp::parse(&format!("{text}-01T00:00:00")).ok(),
        (true, 10) => Stamp::parse(&format!("{text}T00:00:00")).ok(),
        _ => None,
    }
}

fn unreadable(field: &str, value: &Value) -> ApiError {
    let kind = match value {
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::Array(_) => "list",
        _ => "dict",
    };
    ApiError::value(format_args!(
        "(failed parsing query field): error=expected string or bytes-like object, got '{kind}', field={field}"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_parse_is_ignored() {
        for value in [json!([">garbage"]), json!([">1795386448"]), json!([">"]), json!([]), json!(null)] {
            assert_eq!(bounds_of("status_changed", &value).unwrap(), [], "{value}");
        }
        assert_eq!(bounds_of("status_changed", &json!(12345)).unwrap_err().subcode, 16);
    }

    #[test]
    fn bounds_are_cut_to_milliseconds() {
        let stamp = Stamp::parse("2026-11-22T22:27:28.021Z").unwrap();
        assert_eq!(bounds_of("x", &json!([">2026-11-22 22:27:28.021400"])).unwrap(), [Bound::After(stamp)]);
        assert!(!admits(&[Bound::After(stamp)], None));
        assert!(admits(&[], None));
    }
}
