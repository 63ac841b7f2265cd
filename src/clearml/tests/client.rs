//! The client against a scripted server: tokens, retries, and what is asked for.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::scripted::{Reply, Scripted, good, login, refusal, token};
use crate::clearml::{ClearmlError, Credentials, User, Wanted};
use crate::domain::{Named, Stamp};

fn no_tasks() -> Reply {
    good(json!({"tasks": []}))
}

fn bearer(name: &str) -> String {
    format!("Bearer {}", token(name, 3600))
}

#[tokio::test]
async fn logs_in_once_with_the_keys_and_then_uses_the_token() {
    let server = Scripted::start([login("first"), no_tasks(), no_tasks()]).await;
    let client = server.client();
    assert_eq!(client.session(), None);
    client.newest_change(Wanted::default()).await.unwrap();
    client.newest_change(Wanted::default()).await.unwrap();
    let seen = server.seen();
    assert_eq!(server.endpoints(), ["auth.login", "tasks.get_all_ex", "tasks.get_all_ex"]);
    assert_eq!(seen[0].header("authorization"), Some("Basic QUNDRVNTOm1hcmtlZC1zZWNyZXQ="));
    assert_eq!(seen[2].header("authorization"), Some(bearer("first").as_str()));
    assert!(seen[1].header("x-clearml-client").unwrap().starts_with("clearml-alerts-"));
    assert_eq!(seen[1].header("x-clearml-worker"), Some("clearml-alerts"));
    assert_eq!(client.session().unwrap().server_version.as_deref(), Some("2.0.0"));
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_the_call_repeated() {
    let server = Scripted::start([login("old"), refusal(401, 30), login("new"), no_tasks()]).await;
    server.client().newest_change(Wanted::default()).await.unwrap();
    assert_eq!(server.seen()[3].header("authorization"), Some(bearer("new").as_str()));

    let stubborn = Scripted::start([login("old"), refusal(401, 30), login("new"), refusal(401, 30)]).await;
    let refused = stubborn.client().newest_change(Wanted::default()).await.unwrap_err();
    assert!(matches!(refused, ClearmlError::Unauthorized { subcode: 30, .. }), "{refused}");
    assert_eq!(stubborn.seen().len(), 4);
}

#[tokio::test]
async fn many_calls_that_need_a_token_log_in_once() {
    let server = Scripted::start([login("only"), no_tasks(), no_tasks(), no_tasks(), no_tasks()]).await;
    let client = server.client();
    let (a, b, c, d) = tokio::join!(
        client.newest_change(Wanted::default()),
        client.newest_change(Wanted::default()),
        client.newest_change(Wanted::default()),
        client.newest_change(Wanted::default())
    );
    assert!([a, b, c, d].iter().all(Result::is_ok));
    assert_eq!(server.endpoints().iter().filter(|endpoint| *endpoint == "auth.login").count(), 1);
}

/// Lets time pass at once, with nothing else going on.
async fn minutes_pass(minutes: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60 * minutes)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let server = Scripted::start([login("old"), no_tasks(), login("new"), no_tasks()]).await;
    let client = server.client();
    client.newest_change(Wanted::default()).await.unwrap();
    minutes_pass(55).await;
    client.newest_change(Wanted::default()).await.unwrap();
    assert_eq!(server.seen()[3].header("authorization"), Some(bearer("new").as_str()));
}

#[tokio::test]
async fn a_token_that_still_works_bridges_an_outage_of_the_login() {
    let down = || refusal(503, 0);
    let server =
        Scripted::start([login("old"), no_tasks(), down(), down(), down(), no_tasks(), refusal(401, 22)]).await;
    let client = server.client();
    client.newest_change(Wanted::default()).await.unwrap();
    minutes_pass(55).await;
    client.newest_change(Wanted::default()).await.unwrap();
    assert_eq!(server.seen()[5].header("authorization"), Some(bearer("old").as_str()));
    let told = client.newest_change(Wanted::default()).await;
    assert!(matches!(told, Err(ClearmlError::Unauthorized { subcode: 22, .. })), "keys that were withdrawn: {told:?}");
}

#[tokio::test]
async fn a_ready_token_renews_itself_and_falls_back_on_the_one_that_was_given() {
    let server =
        Scripted::start([login("renewed"), refusal(401, 30), refusal(401, 30), login("again"), no_tasks()]).await;
    let mut config = server.config();
    config.credentials = Credentials::Token(SecretString::from("given"));
    let client = crate::clearml::Client::new(config).unwrap();
    client.newest_change(Wanted::default()).await.unwrap();
    let seen = server.seen();
    let sent: Vec<_> = seen.iter().map(|seen| seen.header("authorization").unwrap()).collect();
    let (renewed, again) = (bearer("renewed"), bearer("again"));
    assert_eq!(sent, ["Bearer given", &renewed, &renewed, "Bearer given", &again]);
}

#[tokio::test]
async fn a_ready_token_that_has_expired_says_what_to_set() {
    let server = Scripted::start([refusal(401, 30)]).await;
    let mut config = server.config();
    config.credentials = Credentials::Token(SecretString::from("marked-token"));
    let told = crate::clearml::Client::new(config).unwrap().login().await.unwrap_err().to_string();
    assert!(told.contains("CLEARML_AUTH_TOKEN") && !told.contains("marked-token"), "{told}");
}

#[tokio::test]
async fn wrong_keys_are_not_tried_again() {
    let server = Scripted::start([refusal(401, 22)]).await;
    let told = server.client().login().await.unwrap_err();
    assert!(told.to_string().contains("CLEARML_API_SECRET_KEY"), "{told}");
    assert!(!format!("{told:?}").contains("marked-secret"));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn passing_failures_are_tried_again_up_to_the_limit() {
    for status in [429, 500, 502, 503, 504, 509] {
        let server = Scripted::start([login("t"), refusal(status, 0), refusal(status, 0), no_tasks()]).await;
        server.client().newest_change(Wanted::default()).await.unwrap_or_else(|error| panic!("{status}: {error}"));
    }
    let down = Scripted::start([login("t"), refusal(503, 0), refusal(503, 0), refusal(503, 0), no_tasks()]).await;
    let told = down.client().newest_change(Wanted::default()).await.unwrap_err();
    assert!(matches!(told, ClearmlError::Maintenance { .. }) && told.is_transient(), "{told}");
    assert!(!told.to_string().contains("Traceback"));
    assert_eq!(down.seen().len(), 4);
}

#[tokio::test]
async fn server_time_is_the_date_of_the_newest_good_answer() {
    let dated = |date: &str| {
        let body = br#"{"data": {"msg": "ClearML server"}}"#.to_vec();
        Reply::Answer(200, vec![("date", date.to_owned())], body)
    };
    let server = Scripted::start([dated("Sun, 22 Nov 2026 22:27:28 GMT"), refusal(400, 0)]).await;
    let client = server.client();
    assert_eq!(client.server_time(), None);
    client.ping().await.unwrap();
    assert!(client.ping().await.is_err());
    assert_eq!(client.server_time(), Some(Stamp::parse("2026-11-22T22:27:28Z").unwrap()));
    assert_eq!(server.seen()[0].header("authorization"), None);
}

#[tokio::test]
async fn the_newest_change_is_the_first_row_of_the_newest_first() {
    let row = |stamp: Value| good(json!({"tasks": [{"id": "a", "status_changed": stamp}]}));
    let server = Scripted::start([
        login("t"),
        row(json!("2026-11-22T22:27:28.021000+00:00")),
        row(json!(null)),
        row(json!("soon")),
    ])
    .await;
    let client = server.client();
    assert_eq!(
        client.newest_change(Wanted::default()).await,
        Ok(Some(Stamp::parse("2026-11-22T22:27:28.021Z").unwrap()))
    );
    assert_eq!(server.seen()[1].body["order_by"], json!(["-status_changed"]));
    assert_eq!(client.newest_change(Wanted::default()).await, Ok(None), "no task ever changed its status");
    assert!(matches!(client.newest_change(Wanted::default()).await, Err(ClearmlError::Protocol { .. })));
}

#[tokio::test]
async fn an_answer_without_its_list_is_an_error_and_not_an_empty_list() {
    let server = Scripted::start([login("t"), good(json!({})), good(json!({}))]).await;
    let client = server.client();
    let told = client.changes_since(Stamp::EPOCH, Wanted::default()).next_page().await.unwrap_err();
    assert!(matches!(&told, ClearmlError::Protocol { what, .. } if what.contains("tasks")), "{told}");
    assert!(matches!(client.users().await, Err(ClearmlError::Protocol { .. })));
}

#[tokio::test]
async fn a_task_is_found_by_its_id_or_not_at_all() {
    let task = |id: &str| json!({"tasks": [{"id": id, "name": "n", "status": "created"}]});
    let server = Scripted::start([login("t"), good(task("a")), no_tasks(), good(task("other"))]).await;
    let client = server.client();
    let found = client.task("a", Wanted::default()).await.unwrap().unwrap();
    assert_eq!((found.id.as_str(), found.status_changed), ("a", Stamp::EPOCH));
    assert_eq!((&server.seen()[1].body["id"], &server.seen()[1].body["search_hidden"]), (&json!(["a"]), &json!(true)));
    assert_eq!(client.task("gone", Wanted::default()).await, Ok(None));
    assert!(client.task("a", Wanted::default()).await.is_err(), "an answer about another task");
    assert_eq!(client.task(" ", Wanted::default()).await, Ok(None));
    assert_eq!(server.seen().len(), 4, "an empty ID asks nothing");
}

#[tokio::test]
async fn lists_are_read_to_the_last_page_and_back() {
    let page = |ids: &[&str]| {
        good(json!({"projects": ids.iter().map(|id| json!({"id": id, "name": id})).collect::<Vec<_>>()}))
    };
    // `a` is deleted after the first page was read, so `c` slips into it.
    let server = Scripted::start([login("t"), page(&["a", "b"]), page(&["d"]), page(&["b", "c"])]).await;
    let mut config = server.config();
    config.page_size = 2;
    let client = crate::clearml::Client::new(config).unwrap();
    let found = client.projects_matching("x", true).await.unwrap();
    assert_eq!(found.iter().map(Named::label).collect::<Vec<_>>(), ["a", "b", "d", "c"]);
    let asked: Vec<_> = server.seen()[1..].iter().map(|seen| seen.body["page"].clone()).collect();
    assert_eq!(asked, [json!(0), json!(1), json!(0)]);
    assert_eq!((&server.seen()[1].body["name"], &server.seen()[1].body["search_hidden"]), (&json!("x"), &json!(true)));
}

#[tokio::test]
async fn a_pattern_that_is_none_has_its_own_error() {
    let server = Scripted::start([login("t"), refusal(400, 21)]).await;
    let told = server.client().projects_matching("(", false).await;
    assert!(matches!(told, Err(ClearmlError::BadPattern { .. })), "{told:?}");
}

#[tokio::test]
async fn users_without_a_name_go_by_their_id() {
    let server =
        Scripted::start([login("t"), good(json!({"users": [{"id": "u1", "name": "Ada"}, {"id": "u2"}]}))]).await;
    let user = |id: &str, name: &str| User { id: id.into(), name: name.into() };
    assert_eq!(server.client().users().await, Ok(vec![user("u1", "Ada"), user("u2", "u2")]));
}

#[tokio::test]
async fn the_console_comes_oldest_first_and_asking_for_none_asks_nothing() {
    let events = json!([{"msg": "late", "timestamp": 2}, {"timestamp": 1}, {"msg": "early", "timestamp": 1}]);
    let server = Scripted::start([login("t"), good(json!({"events": events}))]).await;
    let client = server.client();
    assert_eq!(client.console_tail("a", 0).await, Ok(vec![]));
    assert_eq!(client.console_tail("a", 3).await, Ok(vec!["early".to_owned(), "late".to_owned()]));
    let wanted = json!({"task": "a", "batch_size": 3, "navigate_earlier": true, "order": "asc"});
    assert_eq!(server.seen()[1].body, wanted);
}
