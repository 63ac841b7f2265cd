//! Reads JSON values the way a tolerant reader should: null is the same as absent, a number may come as text and text as
//! a number, and what makes no sense is nothing rather than an error. What must be there is checked by the caller.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::domain::Finite;

/// Text, or a number written out; empty text is text.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A whole number, or text that holds one; fractions are cut off.
pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(whole)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A number, or text that holds one; what is infinite or "not a number" is none.
pub(super) fn number(value: &Value) -> Option<Finite> {
    match value {
        Value::Number(number) => number.as_f64().and_then(Finite::new),
        Value::String(text) => text.trim().parse().ok().and_then(Finite::new),
        _ => None,
    }
}

fn whole(number: f64) -> Option<i64> {
    // Beyond 2^53 a float no longer counts seconds or iterations exactly, so it is no count at all.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "bounded to 2^53 on the line before")]
    (number.abs() <= EXACT).then(|| number.trunc() as i64)
}

/// A list of texts; a bare text is a list of one, and members that are no text are left out.
pub(super) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(members) => members.iter().filter_map(text).collect(),
        Value::String(text) => vec![text.clone()],
        _ => Vec::new(),
    }
}

/// For `#[serde(deserialize_with)]`.
pub(super) fn text_field<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(text(&Value::deserialize(deserializer)?))
}

/// For `#[serde(deserialize_with)]`.
pub(super) fn integer_field<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(integer(&Value::deserialize(deserializer)?))
}

/// For `#[serde(deserialize_with)]`.
pub(super) fn texts_field<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(texts(&Value::deserialize(deserializer)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_and_texts_stand_in_for_each_other() {
        assert_eq!(text(&json!(7)), Some("7".into()));
        assert_eq!(integer(&json!(" 7 ")), Some(7));
        assert_eq!(integer(&json!(7.9)), Some(7));
    }

    #[test]
    fn nonsense_is_nothing() {
        for value in [json!(null), json!({}), json!([]), json!(true)] {
            assert_eq!((text(&value), integer(&value)), (None, None), "{value}");
        }
        assert_eq!(integer(&json!(1e300)), None);
        assert_eq!(texts(&json!(["a", null, 5, {}])), ["a", "5"]);
        assert_eq!(texts(&json!("alone")), ["alone"]);
    }
}
