//! Posting through the Slack client to a server that misbehaves as told: every way in which an answer can be lost, and
//! what it then means.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

#[path = "slack_support/mod.rs"]
mod support;

use std::time::Duration;

use clearml_alerts::slack::{Client, Config, Delivery, DeliveryOutcome};
use secrecy::SecretString;
use support::{Act, Asked, Script, TOKEN, answer, client, with_script};

const SENT: &str = include_str!("../fixtures/slack/message_sent.json");

async fn post(act: Act) -> (Delivery, Vec<Asked>) {
    let (client, script) = with_script(vec![act]).await;
    let delivery = client.post_message(r#"{"channel":"C0ALERTS","text":"hello"}"#).await;
    (delivery, script.asked())
}

fn sent() -> DeliveryOutcome {
    DeliveryOutcome::Sent { channel: "C0ALERTS".to_owned(), ts: "1795386448.000100".to_owned() }
}

#[tokio::test]
async fn a_post_sends_the_very_bytes_with_the_token_and_reads_where_it_went() {
    let payload = "{ \"channel\":\"C0ALERTS\",  \"text\":\"h\\u00e9llo 😀\" }";
    let (client, script) = with_script(vec![answer(SENT), answer(SENT)]).await;
    let delivery = client.post_message(payload).await;
    assert_eq!((&delivery.outcome, delivery.http_status, delivery.error), (&sent(), Some(200), None));
    assert_eq!(client.update_message(payload).await.outcome, sent());

    let asked = script.asked();
    assert_eq!([&*asked[0].path, &*asked[1].path], ["api/chat.postMessage", "api/chat.update"]);
    for asked in asked {
        assert_eq!(asked.body, payload);
        assert!(asked.head.starts_with("post "));
        assert!(asked.head.contains("content-type: application/json; charset=utf-8"), "{}", asked.head);
        assert!(asked.head.contains(&format!("authorization: bearer {TOKEN}")), "{}", asked.head);
    }
}

#[tokio::test]
async fn a_success_keeps_slacks_warnings() {
    let (delivery, _) = post(answer(r#"{"ok":true,"channel":"C1","ts":"1.2","warning":"superfluous_charset"}"#)).await;
    assert_eq!(delivery.detail.as_deref(), Some("warning: superfluous_charset"));
}

#[tokio::test]
async fn a_connection_that_cannot_be_made_delivered_nothing() {
    let script = Script::play(Vec::new()).await;
    // The script is empty, so its listener is closed as soon as its task has run.
    while tokio::net::TcpStream::connect(script.address).await.is_ok() {}
    let delivery = client(&format!("http://{}/api/", script.address)).post_message("{}").await;
    assert_eq!(delivery.outcome, DeliveryOutcome::NotDelivered { retry_after: None, long: false });
    let error = delivery.error.unwrap();
    assert!(error.contains("no connection to 127.0.0.1:") && error.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_delivered_nothing() {
    let delivery = client("http://slack.invalid/api/").post_message("{}").await;
    assert!(matches!(delivery.outcome, DeliveryOutcome::NotDelivered { .. }), "{delivery:?}");
}

#[tokio::test]
async fn an_answer_that_is_lost_or_useless_may_have_been_a_delivery() {
    let truncated = format!("HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{SENT}");
    for act in [
        Act::ResetAtOnce,
        Act::ResetAfterReading,
        Act::CloseAfterReading,
        Act::Raw(truncated),
        Act::Raw("HTTP/1.1 200 OK\r\ncontent-length: 30\r\nconnection: close\r\n\r\n{\"ok\":true,\"chan".to_owned()),
        Act::Raw("SSH-2.0-OpenSSH_9.6\r\n".to_owned()),
        Act::Answer(500, Vec::new(), SENT.to_owned()),
        Act::Answer(502, Vec::new(), "<html><h1>Bad gateway</h1></html>".to_owned()),
        Act::Answer(503, vec![("retry-after", "30".to_owned())], String::new()),
        Act::Answer(404, Vec::new(), "<html>not Slack</html>".to_owned()),
        answer(""),
        answer("ok"),
        answer(r#"{"channel":"C1","ts":"1.2"}"#),
        answer(r#"{"ok":true,"channel":"C1"}"#),
        answer(r#"{"ok":true,"channel":"C1","ts":""}"#),
        answer(r#"{"ok":true,"ts":"1.2"}"#),
        answer(r#"{"ok":false,"error":"invented_yesterday"}"#),
        answer(r#"{"ok":false,"error":"duplicate_message_not_found"}"#),
    ] {
        let shown = format!("{act:?}");
        let (delivery, _) = post(act).await;
        assert_eq!(delivery.outcome, DeliveryOutcome::Ambiguous, "{shown}: {delivery:?}");
        assert!(delivery.error.is_some() && delivery.advice.is_some(), "{shown}");
    }
}

#[tokio::test]
async fn silence_after_sending_may_have_been_a_delivery() {
    let script = Script::play(vec![Act::Hang]).await;
    let impatient = Client::new(Config {
        base_url: format!("http://{}/", script.address).parse().unwrap(),
        token: SecretString::from(TOKEN),
        timeout: Duration::from_millis(300),
        connect_timeout: Duration::from_millis(300),
    });
    let delivery = impatient.unwrap().post_message("{}").await;
    assert_eq!(delivery.outcome, DeliveryOutcome::Ambiguous);
    assert!(delivery.error.unwrap().ends_with("timed out"));
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let (delivery, _) = post(answer(&"x".repeat(8 * 1024 * 1024 + 1))).await;
    assert_eq!(delivery.outcome, DeliveryOutcome::Ambiguous);
    assert!(delivery.error.unwrap().contains("larger than 8388608 bytes"));
}

#[tokio::test]
async fn a_rate_limit_says_how_long_whatever_its_body() {
    for body in ["", "<html>slow</html>", r#"{"ok":false,"error":"ratelimited"}"#, r#"{"ok":false,"error":"new_word"}"#]
    {
        let (delivery, _) = post(Act::Answer(429, vec![("Retry-After", "17".to_owned())], body.to_owned())).await;
        let expected = DeliveryOutcome::NotDelivered { retry_after: Some(Duration::from_secs(17)), long: false };
        assert_eq!(delivery.outcome, expected, "{body}");
    }
    let (delivery, _) = post(answer(r#"{"ok":false,"error":"org_login_required"}"#)).await;
    assert_eq!(delivery.outcome, DeliveryOutcome::NotDelivered { retry_after: None, long: true });
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_token() {
    let elsewhere = Script::play(vec![answer(SENT)]).await;
    let location = format!("http://{}/api/chat.postMessage", elsewhere.address);
    let (delivery, _) = post(Act::Answer(307, vec![("location", location)], String::new())).await;
    assert_eq!(delivery.outcome, DeliveryOutcome::OperatorMustAct);
    assert!(delivery.advice.unwrap().contains("--slack-api-url"));
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn each_refusal_reaches_the_caller_as_its_class() {
    for (code, outcome) in [
        ("token_revoked", DeliveryOutcome::OperatorMustAct),
        ("slack_connect_anything", DeliveryOutcome::OperatorMustAct),
        ("not_in_channel", DeliveryOutcome::NotInChannel),
        ("invalid_blocks", DeliveryOutcome::PayloadRefused),
        ("message_not_found", DeliveryOutcome::ThreadOnly),
    ] {
        let (delivery, _) = post(answer(&format!(r#"{{"ok":false,"error":"{code}"}}"#))).await;
        assert_eq!((delivery.outcome, delivery.error.as_deref()), (outcome, Some(code)));
    }
}

#[tokio::test]
async fn a_server_that_repeats_the_token_does_not_bring_it_into_the_record() {
    let body = format!(r#"{{"ok":false,"error":"bad {TOKEN}","errors":["{TOKEN}"],"needed":"{TOKEN}"}}"#);
    let (delivery, _) = post(answer(&body)).await;
    assert!(!format!("{delivery:?}").contains(TOKEN), "{delivery:?}");
    assert_eq!(delivery.error.as_deref(), Some("bad ***"));
}
