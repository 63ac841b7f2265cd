//! The scripted faults of the simulated servers, as a real HTTP client meets them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use clearml_alerts::sandbox::{ClearmlOptions, Fault, FaultRule, SimulatedClearml, SimulatedSlack, SlackOptions};
use serde_json::{Value, json};

fn slack() -> SimulatedSlack {
    SimulatedSlack::start(SlackOptions::default()).unwrap()
}

fn clearml() -> SimulatedClearml {
    SimulatedClearml::start(ClearmlOptions::default()).unwrap()
}

fn client() -> reqwest::Client {
    clearml_alerts::http::client().no_proxy().build().unwrap()
}

async fn post(slack: &SimulatedSlack, text: &str) -> reqwest::Result<reqwest::Response> {
    let body = json!({"channel": "C0MLALERTS", "text": text, "unfurl_links": false, "unfurl_media": false});
    client().post(format!("{}chat.postMessage", slack.url())).bearer_auth(slack.token()).json(&body).send().await
}

async fn ping(clearml: &SimulatedClearml) -> reqwest::Result<reqwest::Response> {
    client().post(format!("{}/debug.ping", clearml.url())).body("{}").send().await
}

#[tokio::test]
async fn without_faults_a_message_is_stored() {
    let slack = slack();
    let answer: Value = post(&slack, "hello").await.unwrap().json().await.unwrap();
    assert_eq!(answer["ok"], true);
    let messages = slack.messages("#ml-alerts");
    assert_eq!(messages.len(), 1);
    assert_eq!(answer["ts"], messages[0].ts);
    assert_eq!(slack.requests().count("chat.postMessage"), 1);
}

#[tokio::test]
async fn a_reset_loses_the_request_and_a_lost_answer_does_not() {
    let slack = slack();
    slack.faults().script([Fault::reset().into(), Fault::apply_then_reset().into()]);
    assert!(post(&slack, "lost").await.is_err());
    assert_eq!(slack.messages("ml-alerts").len(), 0);
    assert!(post(&slack, "stored").await.is_err());
    assert_eq!(slack.messages("ml-alerts").len(), 1);
    assert!(post(&slack, "fine").await.is_ok());
    let statuses: Vec<Option<u16>> = slack.requests().all().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [None, None, Some(200)]);
}

#[tokio::test]
async fn a_connection_is_reset_before_anything_is_read() {
    let clearml = clearml();
    clearml.faults().push(FaultRule::next(Fault::reset_on_connect()).times(2));
    assert!(ping(&clearml).await.is_err());
    assert!(ping(&clearml).await.is_err());
    assert!(ping(&clearml).await.is_ok());
    assert_eq!(clearml.requests().total(), 1);
}

#[tokio::test]
async fn statuses_with_bodies_and_headers() {
    let slack = slack();
    slack.faults().script([
        Fault::slack_rate_limited(7).into(),
        FaultRule::next(Fault::slack_error("fatal_error").after_applying()).on("chat.postMessage"),
        Fault::html(502).into(),
        Fault::redirect("https://example.com/login").into(),
    ]);
    let limited = post(&slack, "1").await.unwrap();
    assert_eq!((limited.status().as_u16(), limited.headers()["retry-after"].to_str().unwrap()), (429, "7"));
    let fatal: Value = post(&slack, "2").await.unwrap().json().await.unwrap();
    assert_eq!(fatal, json!({"ok": false, "error": "fatal_error"}));
    assert_eq!(slack.messages("ml-alerts").len(), 1);
    let html = post(&slack, "3").await.unwrap();
    assert_eq!(html.headers()["content-type"], "text/html");
    assert!(html.text().await.unwrap().starts_with("<html>"));
    let unfollowed =
        clearml_alerts::http::client().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let redirect = unfollowed.get(slack.url()).send().await.unwrap();
    assert_eq!(
        (redirect.status().as_u16(), &redirect.headers()["location"]),
        (302, &"https://example.com/login".parse().unwrap())
    );
}

#[tokio::test]
async fn hangs_are_seen_as_silence_and_may_have_done_their_work() {
    let slack = Arc::new(slack());
    slack.faults().script([Fault::hang().into(), Fault::apply_then_hang().into(), Fault::hang_in_body().into()]);
    let (patience, silence) = (Duration::from_secs(20), Duration::from_millis(50));
    let spawn_post = |text: &'static str| {
        let slack = Arc::clone(&slack);
        tokio::spawn(async move { post(&slack, text).await?.bytes().await })
    };
    let mut unheard = spawn_post("1");
    assert!(slack.requests().until(patience, |log| log.total() == 1).await);
    let mut heard = spawn_post("2");
    assert!(slack.wait_until(patience, |messages| messages.len() == 1).await.is_ok());
    let mut half_answered = spawn_post("3");
    assert!(slack.wait_until(patience, |messages| messages.len() == 2).await.is_ok());
    for silent in [&mut unheard, &mut heard, &mut half_answered] {
        assert!(tokio::time::timeout(silence, silent).await.is_err());
    }
    let texts: Vec<String> = slack.messages("ml-alerts").into_iter().map(|message| message.text).collect();
    assert_eq!(texts, ["2", "3"]);
    for silent in [unheard, heard, half_answered] {
        silent.abort();
    }
}

#[tokio::test]
async fn answers_break_off_in_every_way() {
    let clearml = clearml();
    clearml.faults().script([
        Fault::cut_body().into(),
        Fault::cut_json().into(),
        Fault::not_json().into(),
        Fault::oversized(70 * 1024 * 1024).into(),
    ]);
    // The body breaks off: whether the client sees the headers first is a matter of timing.
    let cut = async { ping(&clearml).await?.bytes().await };
    assert!(cut.await.is_err());
    let half = ping(&clearml).await.unwrap().text().await.unwrap();
    assert!(half.starts_with('{') && serde_json::from_str::<Value>(&half).is_err());
    assert!(ping(&clearml).await.unwrap().json::<Value>().await.is_err());
    let big = ping(&clearml).await.unwrap().bytes().await.unwrap();
    assert_eq!(big.len(), 70 * 1024 * 1024);
    assert!(serde_json::from_slice::<Value>(&big).is_ok());
}

#[tokio::test]
async fn a_slow_answer_is_a_proper_one() {
    let slack = slack();
    slack.faults().push(Fault::slow(Duration::from_millis(20)));
    let answer: Value = post(&slack, "late").await.unwrap().json().await.unwrap();
    assert_eq!(answer["ok"], true);
}

#[tokio::test]
async fn a_server_goes_away_and_comes_back() {
    let clearml = clearml();
    assert!(ping(&clearml).await.is_ok());
    clearml.set_online(false);
    let refused = ping(&clearml).await.unwrap_err();
    assert!(refused.is_connect(), "{refused:?}");
    clearml.set_online(true);
    assert!(ping(&clearml).await.is_ok());
}

#[tokio::test]
async fn the_date_header_follows_the_servers_own_clock() {
    let clearml = clearml();
    clearml.set_time("2026-11-22T22:27:28.021Z".parse_stamp());
    let answer = ping(&clearml).await.unwrap();
    assert_eq!(answer.headers()["date"], "Sun, 22 Nov 2026 22:27:28 GMT");
    clearml.advance(Duration::from_hours(1));
    assert_eq!(ping(&clearml).await.unwrap().headers()["date"], "Sun, 22 Nov 2026 23:27:28 GMT");
}

#[tokio::test]
async fn faults_can_be_scripted_over_http() {
    let slack = slack();
    let base = slack.url().replace("/api/", "/sandbox");
    let rules = json!([{"effect": "reset", "applies": true, "endpoint": "chat.postMessage"}]);
    client().post(format!("{base}/faults")).json(&rules).send().await.unwrap().error_for_status().unwrap();
    assert!(post(&slack, "stored").await.is_err());
    let stored: Value = client().get(format!("{base}/messages")).send().await.unwrap().json().await.unwrap();
    assert_eq!(stored["messages"][0]["text"], "stored");
    let asked: Value = client().get(format!("{base}/requests")).send().await.unwrap().json().await.unwrap();
    assert_eq!((&asked["total"], &asked["requests"][0]["faulted"]), (&json!(1), &json!(true)));
}

trait ParseStamp {
    fn parse_stamp(&self) -> clearml_alerts::domain::Stamp;
}

impl ParseStamp for str {
    fn parse_stamp(&self) -> clearml_alerts::domain::Stamp {
        clearml_alerts::domain::Stamp::parse(self).unwrap()
    }
}
