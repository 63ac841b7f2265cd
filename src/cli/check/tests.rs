//! Every answer that `check` can give, as a person reads it. Each failure is also produced for real, in the black-box
//! tests.

use secrecy::SecretString;

use super::item::{Area, Item};
use super::slack::Needs;
use super::*;
use crate::clearml::{ClearmlError, Session};
use crate::domain::{Named, Stamp};
use crate::monitor::MonitorError;
use crate::settings::{AllFlags, MapEnvironment};
use crate::slack::{Channel, Identity};
use crate::store::{MonitorRecord, QueueCounts};

/// 2026-11-22 22:27:28.
const NOW: i64 = 1_795_386_448_000;

fn now() -> Stamp {
    Stamp::from_millis(NOW)
}

fn shown(items: impl IntoIterator<Item = Item>) -> String {
    items.into_iter().map(|item| line(&item)).collect()
}

fn environment() -> MapEnvironment {
    MapEnvironment::new()
        .with("CLEARML_API_HOST", "https://api.example.com")
        .with("CLEARML_API_ACCESS_KEY", "hunter2")
        .with("CLEARML_API_SECRET_KEY", "hunter2")
        .with("SLACK_API_TOKEN", "xoxb-hunter2")
        .with("CLEARML_ALERTS_DB", "/var/lib/alerts.db")
}

fn check(flags: AllFlags) -> CheckArguments {
    CheckArguments { flags, ..CheckArguments::default() }
}

fn flags() -> AllFlags {
    let mut flags = AllFlags::default();
    flags.slack.channel = Some("#ml-alerts".to_owned());
    flags
}

#[test]
fn settings_and_where_each_came_from() {
    let (_, items) = settings::settle(&check(flags()), &environment());
    let text = shown(items);
    assert!(!text.contains("hunter2"), "{text}");
    insta::assert_snapshot!("settings", text);
}

#[test]
fn settings_that_cannot_be_settled_do_not_hide_the_others() {
    let mut flags = flags();
    flags.slack.channel = None;
    flags.slack.slack_api = Some(SecretString::from(""));
    flags.rule.min_num_iterations = Some("many".to_owned());
    flags.service.refresh_rate = Some("0".to_owned());
    let wrong = MapEnvironment::new().with("CLEARML_API_HOST", "https://api.example.com");
    let (_, items) = settings::settle(&check(flags), &wrong);
    assert_eq!(exit_of(&items), Exit::Usage);
    let failed = items.into_iter().filter(|item| item.grade != Grade::Ok);
    insta::assert_snapshot!("settings_wrong", shown(failed));
    let mut rate = self::flags();
    rate.slack.slack_rate = Some("fast".to_owned());
    let (_, items) =
        settings::settle(&check(rate), &environment().with("CLEARML_API_HOST", "https://clearml.example.com"));
    insta::assert_snapshot!("settings_odd", shown(items.into_iter().filter(|item| item.grade != Grade::Ok)));
}

#[test]
fn how_the_service_is_watched_is_settled_too() {
    let watched = |listen: &str, environment: MapEnvironment| {
        let mut arguments = check(flags());
        arguments.web.listen = Some(listen.to_owned());
        arguments.register.no_clearml_task = Some(true);
        let (_, items) = settings::settle(&arguments, &environment);
        let names = ["listen", "heartbeat_url", "watching", "clearml_task"];
        shown(items.into_iter().filter(|item| names.iter().any(|name| item.item.starts_with(name))))
    };
    let secret = || environment().with("CLEARML_ALERTS_LISTEN_TOKEN", "hunter2-hunter2-hunter2");
    let all = [
        watched("127.0.0.1:8097", environment()),
        watched("0.0.0.0:8097", secret().with("CLEARML_ALERTS_HEARTBEAT_URL", "https://hunter2.example.com")),
        watched("0.0.0.0:8097", environment()),
        watched("8097", environment()),
        watched("127.0.0.1:8097", environment().with("CLEARML_ALERTS_HEARTBEAT_URL", "hunter2")),
        watched("127.0.0.1:8097", environment().with("CLEARML_ALERTS_LISTEN_TOKEN", "hunter2")),
    ];
    let text = all.join("----\n");
    assert!(!text.contains("hunter2"), "{text}");
    insta::assert_snapshot!("settings_watched", text);
}

#[test]
fn clearml_in_every_state() {
    let named = |name: &str| Named { id: "id".to_owned(), name: Some(name.to_owned()) };
    let session = Session {
        server_version: Some("2.0.0-613".to_owned()),
        api_version: Some("2.31".to_owned()),
        user: Some(named("Ada")),
        company: Some(named("clearml")),
        expires: None,
    };
    let silent = Session { server_version: None, api_version: None, user: None, company: None, expires: None };
    let many = ["vision/resnet", "vision/yolo", "vision/sam", "vision/dino"].map(named).to_vec();
    let unreachable = || ClearmlError::Unreachable {
        host: "api.example.com:443".to_owned(),
        detail: "connection refused".to_owned(),
        sent: false,
    };
    let bad_pattern = MonitorError::BadPattern {
        rule: None,
        pattern: "(".to_owned(),
        server: "api.example.com".to_owned(),
        message: "missing ), unterminated subpattern".to_owned(),
    };
    let mut items = vec![Item::clearml_error("reachable", &unreachable())];
    items.push(Item::clearml_error("login", &ClearmlError::Unauthorized { subcode: 22, message: "wrong".to_owned() }));
    items.extend(clearml::logged_in(&session));
    items.extend(clearml::logged_in(&silent));
    items.extend(
        [2, 90, -3_700]
            .into_iter()
            .filter_map(|seconds| clearml::clock(Some(now()), Stamp::from_millis(NOW + seconds * 1_000))),
    );
    items.push(clearml::found_projects("`vision`", false, Ok(many)));
    items.push(clearml::found_projects("`vision/sam`", false, Ok(vec![named("vision/sam")])));
    items.push(clearml::found_projects("`visoin`", false, Ok(Vec::new())));
    items.push(clearml::found_projects("`(`", false, Err(bad_pattern)));
    items.push(clearml::found_projects("`vision`", false, Err(unreachable().into())));
    items.push(clearml::found_user("--include-users", "Ada", true));
    items.push(clearml::found_user("--exclude-users", "Adda", false));
    items.push(clearml::found_queue("services", Ok(Some(vec!["gpu-1:services".to_owned()]))));
    items.push(clearml::found_queue("services", Ok(Some(Vec::new()))));
    items.push(clearml::found_queue("services", Ok(None)));
    items.push(clearml::found_queue("services", Err(unreachable())));
    insta::assert_snapshot!("clearml", shown(items));
}

fn identity(scopes: Option<&[&str]>) -> Identity {
    Identity {
        team: "Example".to_owned(),
        team_id: "T1".to_owned(),
        url: "https://example.slack.com/".to_owned(),
        user: "clearml_alerts".to_owned(),
        user_id: "U1".to_owned(),
        bot_id: Some("B1".to_owned()),
        scopes: scopes.map(|scopes| scopes.iter().map(ToString::to_string).collect()),
        server_time: None,
    }
}

#[test]
fn slack_in_every_state() {
    let public = Channel {
        id: "C0123456789".to_owned(),
        name: "ml-alerts".to_owned(),
        is_private: false,
        is_member: true,
        is_archived: false,
    };
    let outside = Channel { is_member: false, ..public.clone() };
    let private = Channel { is_private: true, ..outside.clone() };
    let archived = Channel { is_archived: true, ..public.clone() };
    let mut items = slack::who(&identity(None));
    items.extend(slack::who(&Identity { bot_id: None, ..identity(None) }));
    items.extend(slack::scopes(&identity(None), Needs { by_name: true }));
    let all = ["chat:write", "channels:read", "channels:join", "channels:history", "groups:read", "groups:history"];
    items.extend(slack::scopes(&identity(Some(&all)), Needs { by_name: true }));
    items.extend(slack::scopes(&identity(Some(&[])), Needs { by_name: true }));
    items.extend(slack::scopes(&identity(Some(&["chat:write"])), Needs { by_name: false }));
    items.push(slack::no_channel("#nowhere"));
    items.push(slack::channel_unseen("C0123456789"));
    let bot = "clearml_alerts";
    items.push(slack::found_channel(&public, Some(true), bot));
    items.push(slack::found_channel(&outside, Some(true), bot));
    items.push(slack::found_channel(&outside, Some(false), bot));
    items.push(slack::found_channel(&private, Some(true), bot));
    items.push(slack::found_channel(&archived, Some(true), bot));
    insta::assert_snapshot!("slack", shown(items));
}

#[test]
fn the_database_in_every_state() {
    let fresh = MonitorRecord {
        instance: "i".to_owned(),
        server: None,
        watch_from: None,
        watermark: None,
        hidden_from: None,
        last_poll_at: None,
        announced_at: None,
        service_task: None,
        kept_from: None,
    };
    let server = Some("https://api.example.com".to_owned());
    let watching = MonitorRecord { server, watermark: Some(now()), last_poll_at: Some(now()), ..fresh.clone() };
    let unpolled = MonitorRecord { last_poll_at: None, ..watching.clone() };
    let path = std::path::Path::new("/var/lib/alerts.db");
    let hours_later = Stamp::from_millis(NOW + 3 * 3_600_000);
    let mounts = "30 22 0:40 / /mnt/share rw,relatime shared:1 - nfs4 server:/x rw\n";
    let shared = MapEnvironment::new().with_file("/proc/self/mountinfo", mounts);
    let mut items = vec![
        database::version(),
        database::not_there(std::path::Path::new("/alerts.db")),
        database::not_there(std::path::Path::new("/no/such/folder/alerts.db")),
        database::belongs_to(&fresh, Some("https://api.example.com"), path),
        database::belongs_to(&watching, Some("https://api.example.com"), path),
        database::belongs_to(&watching, Some("https://other.example.com"), path),
        database::last_poll(&fresh, now()),
        database::last_poll(&unpolled, now()),
        database::last_poll(&watching, now()),
        database::last_poll(&watching, hours_later),
    ];
    items.extend(database::network_file_system(std::path::Path::new("/mnt/share/alerts.db"), &shared));
    items.extend(database::queue(QueueCounts::default()));
    items.extend(database::queue(QueueCounts {
        pending: 3,
        by_rule: 5,
        held: 2,
        unknown: 1,
        dead: 4,
        oldest_at: None,
    }));
    insta::assert_snapshot!("database", shown(items));
}

#[test]
fn the_first_failure_decides_the_exit_code_and_the_end_says_how_it_stands() {
    let ok = Item::ok(Area::Clearml, "login", "as Ada");
    let warning = Item::warning(Area::Slack, "scope", "missing", "add it");
    let slack = Item::failed(Area::Slack, "token", "revoked", "renew it");
    let database = Item::failed(Area::Database, "file", "damaged", "restore it");
    assert_eq!(exit_of(&[ok.clone(), warning.clone()]), Exit::Done);
    assert_eq!(exit_of(&[warning.clone(), slack.clone(), database.clone()]), Exit::Undelivered);
    let cases = [vec![ok.clone()], vec![ok, warning.clone()], vec![slack.clone()], vec![warning, slack, database]];
    insta::assert_snapshot!("ends", cases.map(|items| text(&items)).join("----\n"));
    insta::assert_snapshot!("json", json(&cases_for_json(), Exit::Undelivered).unwrap());
}

fn cases_for_json() -> Vec<Item> {
    vec![Item::ok(Area::Clearml, "login", "as Ada"), Item::failed(Area::Slack, "token", "revoked", "renew it")]
}
