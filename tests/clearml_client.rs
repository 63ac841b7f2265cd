//! The ClearML client against the simulated server: what it asks is understood there as the real one would, and every
//! change is read whatever happens in between.

#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "a test ends where its world is not as declared")]

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use clearml_alerts::clearml::{Changes, ClearmlError, Client, Config, Credentials, Page, Retry, Wanted};
use clearml_alerts::clock::Clock;
use clearml_alerts::domain::{Backoff, Stamp, Status};
use clearml_alerts::sandbox::{ClearmlOptions, Fault, SimulatedClearml, TaskSeed};
use secrecy::SecretString;
use url::Url;

/// 2026-11-22T22:27:28.021Z
const START: Stamp = Stamp::from_millis(1_795_386_448_021);

const UNKNOWN: &str = "00000000000000000000000000000000";

fn server() -> SimulatedClearml {
    SimulatedClearml::start(ClearmlOptions { clock: Clock::manual(START), ..ClearmlOptions::default() }).unwrap()
}

fn config(server: &SimulatedClearml) -> Config {
    let (access, secret) = server.credentials();
    let credentials = Credentials::Keys { access, secret: SecretString::from(secret) };
    let backoff = Backoff { first: Duration::from_millis(1), longest: Duration::from_millis(2) };
    let mut config = Config::new(Url::parse(&server.url()).unwrap(), credentials);
    config.retry = Retry { tries: 3, backoff };
    config
}

fn client(server: &SimulatedClearml) -> Client {
    Client::new(config(server)).unwrap()
}

fn client_with_pages_of(server: &SimulatedClearml, page_size: usize) -> Client {
    Client::new(Config { page_size, ..config(server) }).unwrap()
}

fn after_start(millis: i64) -> Stamp {
    Stamp::from_millis(START.as_millis() + millis)
}

/// Puts a failed task on the server for each stamp, given in milliseconds after the start.
fn add_failed(server: &SimulatedClearml, stamps: impl IntoIterator<Item = i64>) -> Vec<String> {
    let failed = |millis| TaskSeed::new("failed task").status(&Status::Failed).status_changed(after_start(millis));
    server.add_tasks(stamps.into_iter().map(failed))
}

/// Reads to the end; `between` is told after each page how many have come.
async fn read_all(mut changes: Changes, mut between: impl FnMut(usize)) -> Vec<Page> {
    let mut pages = Vec::new();
    while let Some(page) = changes.next_page().await.unwrap() {
        pages.push(page);
        between(pages.len());
    }
    pages
}

fn ids(pages: &[Page]) -> Vec<String> {
    pages.iter().flat_map(|page| &page.tasks).map(|task| task.id.clone()).collect()
}

#[tokio::test]
async fn a_login_tells_server_and_user() {
    let server = server();
    let session = client(&server).login().await.unwrap();
    assert!(session.server_version.is_some() && session.api_version.is_some());
    assert_eq!(session.user.unwrap().id, ClearmlOptions::default().user_id);
    assert!(session.expires.unwrap() > START);
}

#[tokio::test]
async fn a_task_comes_with_its_names_and_all_that_alerts_tell() {
    let server = server();
    let seed = TaskSeed::new("train <!channel>")
        .project("vision/nightly")
        .user("ada")
        .status(&Status::Failed)
        .status_changed(after_start(5))
        .because("out of memory", "changed by agent")
        .started(START)
        .active(Duration::from_secs(9))
        .iterations(12)
        .tags(&["big"])
        .system_tags(&["development"])
        .queue("gpu")
        .worker("host:gpu0");
    let id = server.add_task(seed);
    let pages = read_all(client(&server).changes_since(START, Wanted::default()), |_| {}).await;
    let task = &pages[0].tasks[0];
    assert_eq!(Some(task), server.task(&id).as_ref());
    assert_eq!((task.project_label(), task.user_label()), (Some("vision/nightly"), Some("ada")));
    assert_eq!((task.status_reason.as_deref(), task.last_iteration), (Some("out of memory"), 12));
    assert_eq!(client(&server).task(&id, Wanted::default()).await.unwrap().as_ref(), Some(task));
}

#[tokio::test]
async fn twelve_hundred_failures_half_of_them_in_one_millisecond_come_once_each() {
    let server = server();
    let added = add_failed(&server, (0..300).chain([300; 600]).chain(301..601));
    let pages = read_all(client(&server).changes_since(START, Wanted::default()), |_| {}).await;
    let read = ids(&pages);
    assert_eq!(read.len(), 1200);
    assert_eq!(read.into_iter().collect::<HashSet<_>>(), added.into_iter().collect());
    let last = pages.last().unwrap();
    assert_eq!((last.newest, last.more), (Some(after_start(600)), false));
    assert!(server.requests().count("tasks.get_all_ex") <= 6);
}

#[tokio::test]
async fn tasks_that_move_while_they_are_read_make_no_other_slip_past() {
    let server = server();
    let added = add_failed(&server, (0..10).flat_map(|stamp| [stamp; 9]));
    let client = client_with_pages_of(&server, 4);
    let mut pages = read_all(client.changes_since(START, Wanted::default()), |read| {
        // Now one from the front, now one from further on, so that rows slip both within ties and across pages.
        if read < 40 {
            let now = after_start(1_000 + i64::try_from(read).unwrap());
            server.restamp(&added[read * 7 % added.len()], now).unwrap();
        }
    })
    .await;
    assert!(pages.len() > 20, "the tasks are to move while they are read");
    // What moved behind the last page is the next poll's.
    let watermark = pages.last().and_then(|page| page.newest).unwrap();
    pages.extend(read_all(client.changes_since(watermark, Wanted::default()), |_| {}).await);
    let read: HashMap<String, Stamp> =
        pages.iter().flat_map(|page| &page.tasks).map(|task| (task.id.clone(), task.status_changed)).collect();
    for id in &added {
        assert_eq!(read.get(id), Some(&server.task(id).unwrap().status_changed), "task {id}");
    }
}

#[tokio::test]
async fn the_bound_is_inclusive_and_hidden_tasks_and_drafts_stay_out() {
    let server = server();
    let added = add_failed(&server, [4, 5, 6]);
    server.add_task(TaskSeed::new("draft"));
    server.add_task(TaskSeed::new("hidden").status(&Status::Failed).status_changed(after_start(7)).hidden());
    let pages = read_all(client(&server).changes_since(after_start(5), Wanted::default()), |_| {}).await;
    assert_eq!(ids(&pages), added[1..]);
}

#[tokio::test]
async fn the_newest_change_is_none_until_a_task_moves() {
    let server = server();
    assert_eq!(client(&server).newest_change(Wanted::default()).await, Ok(None));
    server.add_task(TaskSeed::new("draft"));
    assert_eq!(client(&server).newest_change(Wanted::default()).await, Ok(None));
    add_failed(&server, [3, 9, 5]);
    assert_eq!(client(&server).newest_change(Wanted::default()).await, Ok(Some(after_start(9))));
}

#[tokio::test]
async fn server_time_follows_the_servers_clock_and_not_ours() {
    let server = server();
    let client = client(&server);
    client.ping().await.unwrap();
    assert_eq!(client.server_time(), Some(Stamp::from_millis(START.as_millis() / 1000 * 1000)));
}

#[tokio::test]
async fn expired_and_revoked_tokens_are_replaced_without_a_word() {
    let server = server();
    let client = client(&server);
    client.newest_change(Wanted::default()).await.unwrap();
    server.advance(Duration::from_hours(24 * 31));
    client.newest_change(Wanted::default()).await.unwrap();
    server.revoke_tokens();
    client.newest_change(Wanted::default()).await.unwrap();
    assert_eq!(server.requests().count("auth.login"), 3);
    server.set_credentials("other", "keys");
    server.revoke_tokens();
    let refused = client.newest_change(Wanted::default()).await;
    assert!(matches!(refused, Err(ClearmlError::Unauthorized { subcode: 22, .. })), "{refused:?}");
}

#[tokio::test]
async fn a_ready_token_works_until_it_has_expired() {
    let server = server();
    let token = || Credentials::Token(SecretString::from(server.issue_token(Duration::from_mins(1))));
    let working = Client::new(Config { credentials: token(), ..config(&server) }).unwrap();
    let late = Client::new(Config { credentials: token(), ..config(&server) }).unwrap();
    working.newest_change(Wanted::default()).await.unwrap();
    server.advance(Duration::from_hours(1));
    working.newest_change(Wanted::default()).await.unwrap();
    let refused = late.newest_change(Wanted::default()).await.unwrap_err();
    assert!(refused.to_string().contains("CLEARML_AUTH_TOKEN"), "{refused}");
}

#[tokio::test]
async fn a_page_that_failed_is_asked_for_again_and_nothing_is_lost() {
    let server = server();
    let added = add_failed(&server, 0..10);
    let mut changes = client_with_pages_of(&server, 4).changes_since(START, Wanted::default());
    let first = changes.next_page().await.unwrap().unwrap();
    let elsewhere = Fault::redirect("https://login.example.com/sso");
    for fault in [Fault::html(200), Fault::cut_json(), Fault::clearml_error(400, 12, "scripted"), elsewhere] {
        server.faults().push(fault);
        assert!(changes.next_page().await.is_err());
    }
    let rest = read_all(changes, |_| {}).await;
    assert_eq!([ids(&[first]), ids(&rest)].concat(), added);
}

#[tokio::test]
async fn passing_faults_cost_a_retry_and_nothing_else() {
    let server = server();
    add_failed(&server, 0..3);
    let client = client(&server);
    client.login().await.unwrap();
    let expired = Fault::clearml_expired_token();
    for fault in [Fault::clearml_maintenance(), Fault::html(502), Fault::reset(), Fault::cut_body(), expired] {
        server.faults().push(fault.clone());
        let pages = read_all(client.changes_since(START, Wanted::default()), |_| {}).await;
        assert_eq!(ids(&pages).len(), 3, "{fault:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_down_is_unreachable_and_comes_back() {
    let server = server();
    let client = client(&server);
    client.ping().await.unwrap();
    server.set_online(false);
    assert!(matches!(client.ping().await, Err(ClearmlError::Unreachable { .. })));
    server.set_online(true);
    client.ping().await.unwrap();
}

#[tokio::test]
async fn projects_are_matched_by_the_server_and_listed_whole() {
    let server = server();
    for number in 0..7 {
        server.add_project(&format!("vision/p{number}"), false);
    }
    server.add_project("vision/.pipelines", true);
    server.add_project("Vision/other", false);
    let client = client_with_pages_of(&server, 3);
    let count = async |pattern: &str, hidden| client.projects_matching(pattern, hidden).await.unwrap().len();
    assert_eq!(count("^vision/", false).await, 7);
    assert_eq!(count("^vision/", true).await, 8);
    assert_eq!(count("nothing like it", true).await, 0);
    let malformed = client.projects_matching("(unclosed", false).await;
    assert!(matches!(malformed, Err(ClearmlError::BadPattern { .. })), "{malformed:?}");
}

#[tokio::test]
async fn users_are_listed_by_id_and_name() {
    let server = server();
    let ada = server.add_user("ada");
    let users = client(&server).users().await.unwrap();
    assert!(users.iter().any(|user| user.id == ada && user.name == "ada"), "{users:?}");
}

#[tokio::test]
async fn the_console_tail_is_the_newest_events_oldest_first() {
    let server = server();
    let id = add_failed(&server, [0]).remove(0);
    for number in 0..5 {
        server.advance(Duration::from_millis(10));
        server.log(&id, &format!("line {number}")).unwrap();
    }
    let client = client(&server);
    assert_eq!(client.console_tail(&id, 2).await.unwrap(), ["line 3", "line 4"]);
    let unknown = client.console_tail(UNKNOWN, 2).await;
    assert!(matches!(unknown, Err(ClearmlError::Refused { subcode: 101, .. })), "{unknown:?}");
    assert_eq!(client.task(UNKNOWN, Wanted::default()).await, Ok(None));
}
