//! Reads JSON as real servers write it: bytes that are no UTF-8 and halves of surrogate pairs become U+FFFD, where a
//! strict reader would refuse the whole answer because of one strange message in it.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// The JSON object in `body`, or what is wrong with it.
pub(super) fn object(body: &str) -> Result<Map<String, Value>, String> {
    let value = serde_json::from_str(body).or_else(|error| match without_lone_surrogates(body) {
        Cow::Owned(repaired) => serde_json::from_str(&repaired),
        Cow::Borrowed(_) => Err(error),
    });
    match value {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("JSON, but no object".to_owned()),
        Err(error) if error.is_eof() => Err("cut off".to_owned()),
        Err(_) => Err("not JSON".to_owned()),
    }
}

/// The same text with every `\uD800`–`\uDFFF` escape that is not half of a pair replaced by `\uFFFD`.
fn without_lone_surrogates(body: &str) -> Cow<'_, str> {
    let mut repaired = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(offset) = body.get(at..).and_then(|rest| rest.find('\\')) {
        at += offset;
        at += match escaped_unit(body, at) {
            None => 2,
            Some(0xD800..=0xDBFF) if matches!(escaped_unit(body, at + 6), Some(0xDC00..=0xDFFF)) => 12,
            Some(0xD800..=0xDFFF) => {
                repaired.push_str(&body[copied..at]);
                repaired.push_str("\\uFFFD");
                copied = at + 6;
                6
            }
            Some(_) => 6,
        };
    }
    if copied == 0 {
        return Cow::Borrowed(body);
    }
    repaired.push_str(&body[copied..]);
    Cow::Owned(repaired)
}

/// The UTF-16 unit of the `\uXXXX` escape at byte `at`, if one is there.
fn escaped_unit(body: &str, at: usize) -> Option<u16> {
    let digits = body.get(at..at + 6)?.strip_prefix("\\u")?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(body: &str) -> String {
        object(body).unwrap()["text"].as_str().unwrap().to_owned()
    }

    #[test]
    fn half_a_surrogate_pair_costs_one_character_not_the_answer() {
        assert_eq!(text_of(r#"{"text":"a\ud83d b"}"#), "a\u{FFFD} b");
        assert_eq!(text_of(r#"{"text":"\ude00\ud83d\ude00"}"#), "\u{FFFD}😀");
        assert_eq!(text_of(r#"{"text":"\ud83d\ud83d\ude00"}"#), "\u{FFFD}😀");
        assert_eq!(text_of(r#"{"text":"\\ud83d \ud83d"}"#), "\\ud83d \u{FFFD}");
    }

    #[test]
    fn pairs_and_other_escapes_stay_as_they_are() {
        let body = r#"{"text":"\ud83d\ude00 \\ud83d \n \u00e9"}"#;
        assert!(matches!(without_lone_surrogates(body), Cow::Borrowed(_)));
        assert_eq!(text_of(body), "😀 \\ud83d \n é");
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(object("<html>"), Err("not JSON".to_owned()));
        assert_eq!(object(r#"{"ok":true,"#), Err("cut off".to_owned()));
        assert_eq!(object(""), Err("cut off".to_owned()));
        assert_eq!(object("[]"), Err("JSON, but no object".to_owned()));
        assert_eq!(object(r#"{"a":"\ud83"#), Err("cut off".to_owned()));
        assert_eq!(object("\\"), Err("not JSON".to_owned()));
        assert_eq!(object("\\é\\u12é4"), Err("not JSON".to_owned()));
    }
}
