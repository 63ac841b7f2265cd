use std::time::Duration;

use super::*;

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, retry_after: None, scopes: None, date: None, body: Ok(body.to_owned()) }
}

fn error(status: u16, body: &str) -> SlackError {
    open(Method::PostMessage, &reply(status, body)).unwrap_err()
}

const WAIT: Class = Class::NotDelivered { long: false };
const WAIT_LONG: Class = Class::NotDelivered { long: true };

#[test]
fn only_ok_true_on_a_2xx_is_success() {
    assert!(open(Method::PostMessage, &reply(200, r#"{"ok":true}"#)).is_ok());
    for (status, body) in [
        (200, r#"{"ok":"true"}"#),
        (200, r#"{"ok":1}"#),
        (200, r#"{"ts":"1.2"}"#),
        (200, r#"{"ok":false}"#),
        (200, r#"{"ok":false,"error":7}"#),
        (200, r#"{"ok":true,"#),
        (200, r#"["ok"]"#),
        (200, ""),
        (200, "ok"),
        (200, "<html>hello</html>"),
        (404, "<html>no such page</html>"),
        (403, r#"{"ok":true}"#),
        (500, r#"{"ok":true,"channel":"C1","ts":"1.2"}"#),
        (502, "<html>bad gateway</html>"),
        (503, r#"{"ok":false,"error":"invalid_auth"}"#),
        (200, r#"{"ok":false,"error":"invented_yesterday"}"#),
    ] {
        assert_eq!(error(status, body).class, Class::Ambiguous, "{status} {body}");
    }
}

#[test]
fn the_status_wins_where_the_table_says_so() {
    assert_eq!(error(429, "<html>slow down</html>").class, WAIT);
    assert_eq!(error(429, r#"{"ok":false,"error":"invalid_auth"}"#).class, WAIT);
    assert_eq!(error(429, r#"{"ok":true,"channel":"C1","ts":"1.2"}"#).class, WAIT);
    assert_eq!(error(429, r#"{"ok":false,"error":"message_limit_exceeded"}"#).class, WAIT_LONG);
    assert_eq!(error(302, "").class, Class::OperatorMustAct);
    assert_eq!(error(400, r#"{"ok":false,"error":"invalid_blocks"}"#).class, Class::PayloadRefused);
}

#[test]
fn a_429_whose_body_breaks_off_is_a_429_still() {
    let broken = Reply { body: Err("reset".to_owned()), retry_after: Some(Duration::from_secs(7)), ..reply(429, "") };
    let error = open(Method::PostMessage, &broken).unwrap_err();
    assert_eq!((error.class, error.retry_after), (WAIT, Some(Duration::from_secs(7))));
    let broken = Reply { status: 200, ..broken };
    assert_eq!(open(Method::PostMessage, &broken).unwrap_err().class, Class::Ambiguous);
}

#[test]
fn a_missing_scope_tells_which_one_to_add() {
    let body = r#"{"ok":false,"error":"missing_scope","needed":"channels:history","provided":"chat:write"}"#;
    let error = error(200, body);
    assert_eq!(error.detail.as_deref(), Some("needed: channels:history; provided: chat:write"));
    assert_eq!(
        error.to_string(),
        "Slack answered chat.postMessage with `missing_scope` (needed: channels:history; provided: chat:write): add the \
         bot scope channels:history to the Slack app (OAuth & Permissions), reinstall the app, and use the token it \
         then shows"
    );
}

#[test]
fn a_missing_scope_without_a_name_still_reads_well() {
    let text = error(200, r#"{"ok":false,"error":"missing_scope"}"#).to_string();
    assert!(text.contains("bot scope that is missing (Slack did not say which) to the"), "{text}");
}

#[test]
fn the_detail_names_the_wrong_block_and_the_warnings() {
    let body = r#"{"ok":false,"error":"invalid_blocks","errors":["must be shorter [json-pointer:/blocks/0/text]"],
        "warning":"missing_charset","response_metadata":{"messages":["[ERROR] bad\nblock"],"warnings":["w1","w2"]}}"#;
    let expected = "errors: must be shorter [json-pointer:/blocks/0/text]; messages: [ERROR] bad block; \
                    warning: missing_charset; warnings: w1, w2";
    assert_eq!(error(200, body).detail.as_deref(), Some(expected));
}

#[test]
fn details_and_codes_are_bounded() {
    let body = format!(r#"{{"ok":false,"error":"{}","errors":["{}"]}}"#, "e".repeat(9000), "é".repeat(9000));
    let error = error(200, &body);
    assert_eq!(error.code.unwrap().chars().count(), LONGEST_CODE);
    let detail = error.detail.unwrap();
    assert_eq!(detail.chars().count(), LONGEST_DETAIL);
    assert!(detail.ends_with('…'));
}

#[test]
fn no_answer_at_all_can_make_it_panic() {
    let whole =
        r#"{"ok":false,"error":"missing_scope","needed":["a",{"b":1}],"response_metadata":{"messages":{"x":[null]}}}"#;
    for end in 0..whole.len() {
        for status in [100, 200, 302, 404, 429, 500, 999] {
            let _ = open(Method::PostMessage, &reply(status, &whole[..end]));
        }
    }
    for odd in [r#"{"ok":false,"error":"x","response_metadata":7}"#, r#"{"ok":null,"error":null}"#, "null", "7"] {
        assert_eq!(error(200, odd).class, Class::Ambiguous, "{odd}");
    }
}

proptest::proptest! {
    /// Whatever comes in: no panic, and nothing is a success that does not say so in so many words.
    #[test]
    fn no_answer_is_taken_for_a_success_that_is_none(status in 100..600_u16, body in "\\PC{0,60}") {
        proptest::prop_assert!(open(Method::PostMessage, &reply(status, &body)).is_err());
    }

    #[test]
    fn a_bent_answer_is_read_or_refused(cut in 0..60_usize, at in 0..60_usize, put in "[ -~]{0,3}") {
        let good = r#"{"ok":true,"channel":"C1","ts":"1795386448.000100","message":{"text":"x"}}"#;
        let bent = format!("{}{put}{}", &good[..at], &good[(at + cut).min(good.len())..]);
        if let Ok(fields) = open(Method::PostMessage, &reply(200, &bent)) {
            proptest::prop_assert_eq!(fields.get("ok"), Some(&serde_json::Value::Bool(true)), "{}", bent);
        }
    }
}
