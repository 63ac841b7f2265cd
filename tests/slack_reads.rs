//! The reading calls of the Slack client against a scripted server: what each sends, and what it makes of the answers.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

#[path = "slack_support/mod.rs"]
mod support;

use std::collections::HashSet;
use std::time::Duration;

use clearml_alerts::domain::Stamp;
use clearml_alerts::slack::{Class, Client, Needle, SlackError};
use support::{Act, answer, client, with_script};

#[tokio::test]
async fn auth_test_tells_who_and_what_is_permitted() {
    let headers = vec![
        ("x-oauth-scopes", "chat:write,channels:read".to_owned()),
        ("date", "Sun, 22 Nov 2026 22:27:28 GMT".to_owned()),
    ];
    let body = include_str!("../fixtures/slack/auth_test.json").to_owned();
    let (client, script) = with_script(vec![Act::Answer(200, headers, body)]).await;
    let identity = client.auth_test().await.unwrap();
    assert_eq!(
        (&*identity.team, &*identity.user, identity.bot_id.as_deref()),
        ("Example", "clearml_alerts", Some("B0BOT"))
    );
    assert_eq!(identity.grants("chat:write"), Some(true));
    assert_eq!(identity.grants("channels:history"), Some(false));
    assert_eq!(identity.server_time.unwrap().to_string(), "2026-11-22T22:27:28.000Z");
    let asked = script.asked().remove(0);
    assert_eq!((&*asked.path, &*asked.body), ("api/auth.test", "{}"));
    assert!(asked.head.contains("content-type: application/json; charset=utf-8"));
}

#[tokio::test]
async fn a_refused_token_tells_a_person_what_to_do() {
    let (client, _script) = with_script(vec![answer(r#"{"ok":false,"error":"invalid_auth"}"#)]).await;
    let error = client.auth_test().await.unwrap_err();
    assert_eq!(error.class, Class::OperatorMustAct);
    assert_eq!(
        error.to_string(),
        "Slack answered auth.test with `invalid_auth`: Slack does not accept the token: set SLACK_API_TOKEN, or \
         --slack-api, to the whole bot token (xoxb-…) of the Slack app; if it worked before, reinstall the app to the \
         workspace"
    );
}

fn channel_pages() -> Vec<Act> {
    vec![
        answer(include_str!("../fixtures/slack/channels_page_1.json")),
        answer(include_str!("../fixtures/slack/channels_page_2_empty.json")),
        answer(include_str!("../fixtures/slack/channels_page_3.json")),
    ]
}

#[tokio::test]
async fn a_channel_is_found_by_name_over_all_pages_and_no_further() {
    let mut acts = channel_pages();
    acts[2] = answer(&include_str!("../fixtures/slack/channels_page_3.json").replace(r#""""#, r#""more""#));
    let (client, script) = with_script(acts).await;
    let channel = client.find_channel("#ML-alerts").await.unwrap().unwrap();
    assert_eq!((&*channel.id, channel.is_member, channel.is_private), ("C0ALERTS", true, false));
    let bodies: Vec<String> = script.asked().into_iter().map(|asked| asked.body).collect();
    let first = "types=public_channel%2Cprivate_channel&exclude_archived=true&limit=999";
    assert_eq!(
        bodies,
        [first.to_owned(), format!("{first}&cursor=dGVhbTpDMDI%3D"), format!("{first}&cursor=dGVhbTpDMDM%3D")]
    );
    assert!(script.asked()[0].head.contains("content-type: application/x-www-form-urlencoded"));
}

#[tokio::test]
async fn a_channel_that_nobody_listed_is_none() {
    let (client, _script) = with_script(channel_pages()).await;
    assert_eq!(client.find_channel("elsewhere").await, Ok(None));
}

#[tokio::test]
async fn without_groups_read_public_channels_are_searched() {
    let refused = answer(include_str!("../fixtures/slack/missing_groups_read.json"));
    let page = answer(include_str!("../fixtures/slack/channels_page_3.json"));
    let (client, script) = with_script(vec![refused, page]).await;
    assert_eq!(client.find_channel("ml-alerts").await.unwrap().unwrap().id, "C0ALERTS");
    assert!(script.asked()[1].body.starts_with("types=public_channel&"));
}

#[tokio::test]
async fn without_channels_read_the_scope_is_named() {
    let refused = r#"{"ok":false,"error":"missing_scope","needed":"channels:read","provided":"chat:write"}"#;
    let (client, _script) = with_script(vec![answer(refused)]).await;
    let error = client.find_channel("ml-alerts").await.unwrap_err().to_string();
    assert!(error.contains("add the bot scope channels:read"), "{error}");
}

#[tokio::test]
async fn pages_that_never_end_are_an_error_and_not_a_missing_channel() {
    let page = answer(include_str!("../fixtures/slack/channels_page_1.json"));
    let (client, _script) = with_script(vec![page.clone(), page]).await;
    let error = client.find_channel("ml-alerts").await.unwrap_err();
    assert!(error.to_string().contains("round in circles"), "{error}");
}

#[tokio::test]
async fn info_join_and_permalink_use_forms() {
    let acts = vec![
        answer(include_str!("../fixtures/slack/channel_info.json")),
        answer(include_str!("../fixtures/slack/already_in_channel.json")),
        answer(r#"{"ok":true,"channel":"C0ALERTS","permalink":"https://example.slack.com/archives/C0ALERTS/p1"}"#),
        answer(r#"{"ok":false,"error":"method_not_supported_for_channel_type"}"#),
    ];
    let (client, script) = with_script(acts).await;
    assert!(client.channel_info("G0SECRET").await.unwrap().is_private);
    client.join("C0ALERTS").await.unwrap();
    let link = client.permalink("C0ALERTS", "1.2").await.unwrap();
    assert_eq!(link, "https://example.slack.com/archives/C0ALERTS/p1");
    let refused: SlackError = client.join("G0SECRET").await.unwrap_err();
    assert!(refused.to_string().contains("/invite"), "{refused}");

    let asked: Vec<_> = script.asked().into_iter().map(|asked| (asked.path, asked.body)).collect();
    let expected = [
        ("api/conversations.info", "channel=G0SECRET"),
        ("api/conversations.join", "channel=C0ALERTS"),
        ("api/chat.getPermalink", "channel=C0ALERTS&message_ts=1.2"),
        ("api/conversations.join", "channel=G0SECRET"),
    ];
    assert_eq!(asked, expected.map(|(path, body)| (path.to_owned(), body.to_owned())));
}

fn needle(key: &str, text: Option<&str>) -> Needle {
    Needle { key: key.to_owned(), text: text.map(str::to_owned), others: HashSet::new() }
}

async fn find(client: &Client, needle: &Needle) -> Result<Option<String>, SlackError> {
    client.find_message("C0ALERTS", needle, Stamp::from_millis(1_795_386_448_021)).await
}

#[tokio::test]
async fn a_message_is_found_by_our_metadata_wherever_it_is() {
    let history = include_str!("../fixtures/slack/history.json");
    let first = r#"{"ok":true,"messages":[{"ts":"9.9","text":"task 0123abcd half \ud83d pair","bot_id":"B0BOT"}],
        "response_metadata":{"next_cursor":"next"}}"#;
    let (client, script) = with_script(vec![answer(first), answer(history)]).await;
    let found = find(&client, &needle("default/0123abcd/run-2", Some("0123abcd"))).await;
    assert_eq!(found, Ok(Some("1795386459.000800".to_owned())), "metadata counts more than text on an earlier page");
    assert_eq!(
        script.asked()[1].body,
        "channel=C0ALERTS&oldest=1795386448.021000&inclusive=true&include_all_metadata=true\
         &limit=200&cursor=next"
    );
}

#[tokio::test]
async fn a_message_without_metadata_is_found_by_its_text_if_it_is_ours() {
    let who = include_str!("../fixtures/slack/auth_test.json");
    let history = include_str!("../fixtures/slack/history.json");
    let (client, _script) = with_script(vec![answer(who), answer(history), answer(history), answer(history)]).await;
    client.auth_test().await.unwrap();
    // The person's question, the other run's alert and the other bot's message hold the text too.
    let found = find(&client, &needle("default/0123abcd/run-1", Some("0123abcd"))).await;
    assert_eq!(found, Ok(Some("1795386457.000600".to_owned())));
    assert_eq!(find(&client, &needle("default/0123abcd/run-1", None)).await, Ok(None));
    assert_eq!(find(&client, &needle("default/0123abcd/run-1", Some(""))).await, Ok(None));
}

#[tokio::test]
async fn not_seeing_the_history_is_an_error_and_not_a_message_that_is_absent() {
    let missing = r#"{"ok":false,"error":"missing_scope","needed":"channels:history","provided":"chat:write"}"#;
    let (client, _script) = with_script(vec![answer(missing), answer(r#"{"ok":true}"#), answer("{")]).await;
    let refused = find(&client, &needle("k", None)).await.unwrap_err();
    assert_eq!(refused.class, Class::OperatorMustAct);
    assert!(refused.to_string().contains("channels:history"));
    assert_eq!(find(&client, &needle("k", None)).await.unwrap_err().class, Class::Ambiguous);
    assert_eq!(find(&client, &needle("k", None)).await.unwrap_err().class, Class::Ambiguous);
}

#[tokio::test]
async fn a_read_that_would_wait_too_long_says_how_long() {
    let limited =
        Act::Answer(429, vec![("retry-after", "900".to_owned())], r#"{"ok":false,"error":"ratelimited"}"#.to_owned());
    let (client, script) = with_script(vec![limited]).await;
    let error = client.auth_test().await.unwrap_err();
    assert_eq!(error.retry_after, Some(Duration::from_mins(15)));
    assert!(error.to_string().contains("asking to wait 900 s"), "{error}");
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn a_read_waits_as_told_and_asks_again() {
    let limited = Act::Answer(429, vec![("retry-after", "1".to_owned())], String::new());
    let (client, script) = with_script(vec![limited, answer(include_str!("../fixtures/slack/auth_test.json"))]).await;
    assert_eq!(client.auth_test().await.unwrap().team, "Example");
    assert_eq!(script.asked().len(), 2);
}

#[tokio::test]
async fn the_calls_can_be_spawned() {
    fn spawnable<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) {
        drop(future);
    }
    let client = client("http://127.0.0.1:9/");
    let other = client.clone();
    spawnable(async move { other.find_channel("x").await });
    spawnable(async move { (client.post_message("{}").await, find(&client, &needle("k", None)).await) });
}
