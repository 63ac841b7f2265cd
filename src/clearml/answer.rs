//! What an answer says: ClearML's envelope taken apart, and every status turned into its class of error.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::error::ClearmlError;
use super::lenient;
use super::transport::RawAnswer;

/// Messages from the server are cut to this many characters before they enter an error.
const LONGEST_MESSAGE: usize = 300;

const MALFORMED_PATTERN: i64 = 21;

#[derive(Deserialize)]
struct Envelope {
    meta: Option<Meta>,
    data: Option<Box<RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Meta {
    #[serde(rename = "result_code", deserialize_with = "lenient::integer_field")]
    code: Option<i64>,
    #[serde(rename = "result_subcode", deserialize_with = "lenient::integer_field")]
    subcode: Option<i64>,
    #[serde(rename = "result_msg", deserialize_with = "lenient::text_field")]
    message: Option<String>,
}

/// The `data` of a good answer, as it is written there, or the class of error that the answer stands for.
pub(super) fn understand(host: &str, endpoint: &str, answer: RawAnswer) -> Result<Box<RawValue>, ClearmlError> {
    if let Some(to) = answer.redirect {
        return Err(ClearmlError::Redirected { host: host.to_owned(), to });
    }
    let envelope = parse(&answer.body);
    let said = Said::new(&answer, envelope.as_ref());
    if (200..300).contains(&said.status) {
        let envelope = envelope.map_err(|what| ClearmlError::protocol(endpoint, what))?;
        return match envelope.data {
            Some(data) if data.get().starts_with('{') => Ok(data),
            _ => Err(ClearmlError::protocol(endpoint, "it has no `data`")),
        };
    }
    Err(said.into_error(host, endpoint, answer.retry_after))
}

/// Whether an answer that has no envelope (the file server's) is a success.
pub(super) fn expect_success(what: &str, answer: &RawAnswer) -> Result<(), ClearmlError> {
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    let message = tidy(&String::from_utf8_lossy(&answer.body));
    Err(ClearmlError::Refused { endpoint: what.to_owned(), status: answer.status, subcode: 0, message })
}

/// What an answer that is no success says of itself.
struct Said {
    status: u16,
    subcode: i64,
    message: String,
    /// Whether ClearML itself said it, and not something between.
    is_clearmls: bool,
}

impl Said {
    fn new(answer: &RawAnswer, envelope: Result<&Envelope, &String>) -> Self {
        let meta = envelope.ok().and_then(|envelope| envelope.meta.as_ref());
        let own_code = meta.and_then(|meta| meta.code).and_then(|code| u16::try_from(code).ok());
        // A proxy may turn an error into a 200; the server's own code counts then.
        let status = own_code.filter(|code| answer.status < 300 && *code >= 300).unwrap_or(answer.status);
        let message = match (meta.and_then(|meta| meta.message.as_deref()), envelope) {
            (Some(message), _) => tidy(message),
            (None, Ok(_)) => "it gave no reason".to_owned(),
            (None, Err(what)) => what.clone(),
        };
        let subcode = meta.and_then(|meta| meta.subcode).unwrap_or(0);
        Self { status, subcode, message, is_clearmls: envelope.is_ok() }
    }

    fn into_error(self, host: &str, endpoint: &str, retry_after: Option<std::time::Duration>) -> ClearmlError {
        let Self { status, subcode, message, is_clearmls } = self;
        let (host, endpoint) = (host.to_owned(), endpoint.to_owned());
        match status {
            401 => ClearmlError::Unauthorized { subcode, message },
            403 => ClearmlError::Forbidden { endpoint, message },
            429 | 509 => ClearmlError::RateLimited { host, status, retry_after },
            503 => ClearmlError::Maintenance { host, message, retry_after },
            408 | 500.. => ClearmlError::Server { host, status, message, retry_after },
            400 if subcode == MALFORMED_PATTERN => ClearmlError::BadPattern { message },
            _ if !is_clearmls => {
                ClearmlError::Protocol { endpoint, what: format!("its status is {status}, and {message}") }
            }
            _ => ClearmlError::Refused { endpoint, status, subcode, message },
        }
    }
}

/// What JSON says, mended where it must be: half an emoji in it is only met when it is read.
pub(super) fn read<T: DeserializeOwned>(json: &RawValue) -> serde_json::Result<T> {
    serde_json::from_str(json.get()).or_else(|_| serde_json::from_str(&mended(json.get().as_bytes())))
}

fn parse(body: &[u8]) -> Result<Envelope, String> {
    serde_json::from_slice(body)
        .or_else(|_| serde_json::from_str(&mended(body)))
        .map_err(|error| what_it_is(body, &error))
}

fn what_it_is(body: &[u8], error: &serde_json::Error) -> String {
    match body.trim_ascii_start().first() {
        None => "it is empty; something between may have cut it".to_owned(),
        Some(b'<') => "it is a web page; check that the API address is ClearML's API server (often port 8008), not its web server or a proxy".to_owned(),
        Some(b'{') if error.is_eof() => "it is cut short; something between may limit the size of answers".to_owned(),
        Some(_) => format!("it cannot be read as JSON ({})", tidy(&error.to_string())),
    }
}

/// Makes text that Python writes and Rust cannot hold readable: broken UTF-8 and lone surrogates in escapes (half an
/// emoji, where something cut a string in two) become U+FFFD. One odd task name must not cost a page of alerts.
fn mended(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut mended = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let (kept, length) = match (surrogate(escape), surrogate(escape.get(6..).unwrap_or_default())) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (&escape[..12], 12),
            (Some(_), _) => ("\\ufffd", 6),
            // Any other escape is two characters as far as finding the next backslash goes.
            (None, _) => {
                let length = escape.char_indices().nth(2).map_or(escape.len(), |(at, _)| at);
                (&escape[..length], length)
            }
        };
        mended.push_str(kept);
        rest = &escape[length..];
    }
    mended.push_str(rest);
    without_nan(&mended)
}

/// Python writes numbers that JSON has not (`NaN`, `Infinity`, `-Infinity`): outside of text they become null. A metric
/// that went wrong must not cost a page of alerts.
fn without_nan(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut is_text = false;
    for part in text.split_inclusive('"') {
        if is_text {
            mended.push_str(part);
            let backslashes = part.trim_end_matches('"').chars().rev().take_while(|letter| *letter == '\\').count();
            is_text = !part.ends_with('"') || !backslashes.is_multiple_of(2);
        } else {
            let plain =
                ["-Infinity", "Infinity", "NaN"].iter().fold(part.to_owned(), |part, word| part.replace(word, "null"));
            mended.push_str(&plain);
            is_text = part.ends_with('"');
        }
    }
    mended
}

/// The surrogate that an escape at the start of `text` stands for.
fn surrogate(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok().filter(|code| (0xD800..=0xDFFF).contains(code))
}

/// One line of bounded length without control characters, fit for an error message.
pub(super) fn tidy(message: &str) -> String {
    let printable = message.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut short: String = printable.take(LONGEST_MESSAGE).collect();
    if message.chars().nth(LONGEST_MESSAGE).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn answer(status: u16, body: &[u8]) -> Result<Value, ClearmlError> {
        let raw = RawAnswer { status, date: None, retry_after: None, redirect: None, body: body.to_vec() };
        understand("api.example.com:443", "tasks.get_all_ex", raw).map(|data| read(&data).unwrap())
    }

    fn what(status: u16, body: &str) -> String {
        answer(status, body.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn numbers_that_only_python_has_are_none_and_text_stays() {
        let body = br#"{"data": {"a": NaN, "b": [-Infinity, Infinity], "NaN": "NaN \"NaN\" \\", "c": NaN}}"#;
        let expected = serde_json::json!({"a": null, "b": [null, null], "NaN": "NaN \"NaN\" \\", "c": null});
        assert_eq!(answer(200, body).unwrap(), expected);
    }

    #[test]
    fn answers_that_are_no_answers_say_what_they_are() {
        assert!(what(200, "").contains("it is empty"));
        assert!(what(200, " <html>Sign in").contains("web page"));
        assert!(what(200, r#"{"data": {"tasks": [{"id": "1"#).contains("cut short"));
        assert!(what(200, "[1, 2").contains("cannot be read as JSON"));
        assert!(what(200, r#"{"meta": {}}"#).contains("no `data`"));
        assert!(what(200, r#"{"data": null}"#).contains("no `data`"));
    }

    #[test]
    fn a_web_page_keeps_the_class_of_its_status() {
        let page = b"<html>Bad gateway</html>";
        assert!(matches!(answer(502, page), Err(ClearmlError::Server { status: 502, .. })));
        assert!(matches!(answer(503, page), Err(ClearmlError::Maintenance { .. })));
        assert!(matches!(answer(403, page), Err(ClearmlError::Forbidden { .. })));
        assert!(what(404, "<html>").contains("its status is 404, and it is a web page"));
        assert!(matches!(answer(509, b""), Err(ClearmlError::RateLimited { status: 509, .. })));
    }

    #[test]
    fn the_servers_own_code_counts_under_a_200() {
        let body =
            br#"{"meta": {"result_code": 401, "result_subcode": 30, "result_msg": "Invalid token"}, "data": {}}"#;
        assert!(answer(200, body).unwrap_err().is_stale_token());
    }

    #[test]
    fn a_traceback_is_never_told() {
        let body = r#"{"meta": {"result_code": 500, "result_msg": "General data error", "error_stack": "Traceback (most recent"}}"#;
        let told = what(500, body);
        assert!(told.contains("General data error") && !told.contains("Traceback"), "{told}");
    }

    #[test]
    fn messages_are_one_short_line() {
        let told = tidy(&format!("a\u{1b}[31m\nb{}", "x".repeat(1000)));
        assert!(!told.contains(['\n', '\u{1b}']) && told.chars().count() == LONGEST_MESSAGE + 1, "{told}");
    }

    proptest! {
        #[test]
        fn mending_changes_nothing_that_is_whole(text in "[\\\\\"u0-9a-fD\\n\\x00-\\x1f\\u{1F600}é]{0,40}") {
            let whole = Value::String(text).to_string();
            prop_assert_eq!(mended(whole.as_bytes()), whole);
        }

        #[test]
        fn whatever_comes_is_told_and_nothing_panics(
            status in 200u16..600,
            body in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..60),
                "\\{\"(data|meta)\": ?[\\\\u\"d8c0\\[\\]{}:é ]{0,30}".prop_map(String::into_bytes),
            ],
        ) {
            if let Err(error) = answer(status, &body) {
                prop_assert!(error.to_string().chars().all(|letter| !letter.is_control()));
            }
        }
    }

    #[test]
    fn half_an_emoji_and_broken_utf8_cost_one_character_and_not_the_page() {
        let body = r#"{"data": {"a": "x\ud83d", "b": "\udc00\\ud800", "c": "\ud83d\ude00", "d": "\"\\\ud800é"}}"#;
        let data = answer(200, body.as_bytes()).unwrap();
        let told: Vec<_> = ["a", "b", "c", "d"].map(|name| data[name].as_str().unwrap()).into();
        assert_eq!(told, ["x\u{fffd}", "\u{fffd}\\ud800", "😀", "\"\\\u{fffd}é"]);
        assert_eq!(answer(200, b"{\"data\": {\"a\": \"\xff\"}}").unwrap()["a"], "\u{fffd}");
    }
}
