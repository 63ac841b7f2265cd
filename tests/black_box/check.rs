//! `check`: every failure it knows is made for real, and mended by what it advises.

use std::process::Command;

use clearml_alerts::sandbox::{Channel, Fault, FaultRule};
use serde_json::Value;

use crate::world::{CHANNEL, Ended, World, finish};

const CHECK: [&str; 4] = ["check", "--local", "--channel", CHANNEL];

fn command(world: &World, more: &[&str]) -> Command {
    world.command(&[&CHECK[..], more].concat())
}

fn check(world: &World, more: &[&str]) -> Ended {
    finish(&mut command(world, more))
}

/// The lines that are not `ok`, without the last one.
fn complaints(ended: &Ended) -> Vec<&str> {
    ended.stdout.lines().filter(|line| line.starts_with("failed") || line.starts_with("warning")).collect()
}

/// It fails with this code and one complaint that says both.
fn assert_failed(ended: &Ended, code: i32, parts: &[&str]) {
    assert_eq!(ended.code, code, "{ended:?}");
    let failures: Vec<&str> = ended.stdout.lines().filter(|line| line.starts_with("failed")).collect();
    assert!(failures.iter().any(|line| parts.iter().all(|part| line.contains(part))), "{parts:?} in {failures:#?}");
}

fn assert_well(ended: &Ended) {
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.ends_with("\nAll is well.\n"), "{:#?}", complaints(ended));
}

#[test]
fn all_is_well_and_nothing_is_changed() {
    let world = World::new();
    assert_well(&check(&world, &[]));
    assert!(!world.database().exists(), "check makes no database");
    world.once(&[]);
    let before = std::fs::read(world.database()).unwrap();
    let ended = check(&world, &["--deep", "--project", "."]);
    assert_eq!(std::fs::read(world.database()).unwrap(), before);
    world.assert_alerts(&[]);
    assert!(ended.stdout.contains("every page was read, and all is sound"), "{ended:?}");
    let (key, secret) = world.clearml.credentials();
    for secret in [key, secret, world.slack.token()] {
        assert!(!ended.stdout.contains(&secret) && !ended.stderr.contains(&secret), "{ended:?}");
    }
}

#[test]
fn json_tells_the_same() {
    let world = World::new();
    world.slack.revoke_token("token_revoked");
    let ended = check(&world, &["--format", "json"]);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.code, &report["exit"], &report["worst"]), (4, &4.into(), &"failed".into()));
    let items = report["items"].as_array().unwrap();
    let token = items.iter().find(|item| item["area"] == "slack" && item["item"] == "token").unwrap();
    assert!(token["found"].as_str().unwrap().contains("token_revoked"), "{token}");
    assert!(token["mend"].as_str().unwrap().contains("SLACK_API_TOKEN"), "{token}");
}

#[test]
fn what_is_not_set_is_named_and_the_rest_is_checked() {
    let world = World::new();
    let without = |name: &str| finish(command(&world, &[]).env_remove(name));
    let no_token = without("SLACK_API_TOKEN");
    assert_failed(&no_token, 2, &["the Slack token is not set", "-> set SLACK_API_TOKEN"]);
    assert!(no_token.stdout.contains("ok       clearml   login"), "{no_token:?}");
    let no_key = without("CLEARML_API_ACCESS_KEY");
    assert_failed(&no_key, 2, &["access key", "CLEARML_API_ACCESS_KEY"]);
    assert!(no_key.stdout.contains("ok       slack     token"), "{no_key:?}");
    let no_channel = world.run(&["check", "--local"]);
    assert_failed(&no_channel, 2, &["the Slack channel is not set", "-> give --channel"]);
    assert_well(&check(&world, &[]));
}

#[test]
fn a_clearml_that_is_down_or_refuses_the_keys() {
    let world = World::new();
    world.clearml.set_online(false);
    assert_failed(&check(&world, &[]), 3, &["clearml   reachable", "cannot be reached", "-> check the address"]);
    world.clearml.set_online(true);
    let wrong = finish(command(&world, &[]).env("CLEARML_API_SECRET_KEY", "wrong"));
    assert_failed(&wrong, 3, &["clearml   login", "-> check CLEARML_API_ACCESS_KEY and CLEARML_API_SECRET_KEY"]);
    assert_well(&check(&world, &[]));
}

#[test]
fn projects_users_and_the_queue() {
    let world = World::new();
    world.running_task("resnet");
    assert_failed(&check(&world, &["--project", "visoin"]), 2, &["`visoin` matches none", "-> --project is a regular"]);
    assert_failed(&check(&world, &["--project", "("]), 2, &["the server cannot read `(`", "escape it"]);
    assert_well(&check(&world, &["--project", "vision", "--include-users", "Ada"]));
    let unknown = check(&world, &["--exclude-users", "Adda"]);
    assert_eq!(unknown.code, 0);
    assert!(complaints(&unknown)[0].contains("knows no user"), "{unknown:?}");
    assert!(complaints(&unknown)[0].contains("write the name as ClearML's pages show it"), "{unknown:?}");
    assert_well(&check(&world, &["--exclude-users", "Ada"]));
    let enqueued = world.run(&["check", "--channel", CHANNEL, "--service-queue", "nowhere"]);
    assert!(complaints(&enqueued)[0].contains("there is no queue `nowhere`"), "{enqueued:?}");
    world.clearml.add_queue("nowhere");
    let enqueued = world.run(&["check", "--channel", CHANNEL, "--service-queue", "nowhere"]);
    assert!(complaints(&enqueued)[0].contains("no agent takes tasks from `nowhere`"), "{enqueued:?}");
    assert_well(&check(&world, &["--service-queue", "nowhere"]));
}

#[test]
fn an_address_that_others_reach_without_a_token() {
    let world = World::new();
    let service = "[service]\nlisten = '0.0.0.0:8097'\n";
    let config = world.config(&format!("[slack]\nchannel = '{CHANNEL}'\n{service}"));
    let with = |more: &[&str]| world.run(&[&["check", "--local", "--config", config.to_str().unwrap()], more].concat());
    assert_failed(&with(&[]), 2, &["service.listen is `0.0.0.0:8097`", "-> set CLEARML_ALERTS_LISTEN_TOKEN"]);
    let token = "0123456789abcdef";
    let mut command = world.command(&["check", "--local", "--config", config.to_str().unwrap()]);
    let ended = finish(command.env("CLEARML_ALERTS_LISTEN_TOKEN", token));
    assert_well(&ended);
    assert!(ended.stdout.contains("listen_token: ***") && !ended.stdout.contains(token), "{ended:?}");
    assert_well(&with(&["--listen-unprotected"]));
    assert_well(&with(&["--listen", "127.0.0.1:0", "--no-clearml-task"]));
}

#[test]
fn a_clock_that_is_off() {
    let world = World::new();
    let ended = finish(command(&world, &[]).env("CLEARML_ALERTS_TEST_CLOCK_OFF_BY_MS", "3600000"));
    assert!(ended.code == 0 && complaints(&ended)[0].contains("ahead of the server's"), "{ended:?}");
    assert!(complaints(&ended)[0].contains("set the clocks"), "{ended:?}");
    assert_well(&check(&world, &[]));
}

#[test]
fn a_slack_that_is_down_or_refuses_the_token() {
    let world = World::new();
    world.slack.revoke_token("account_inactive");
    assert_failed(&check(&world, &[]), 4, &["slack     token", "account_inactive", "reinstall the app"]);
    world.slack.restore_token();
    world.slack.set_online(false);
    assert_failed(&check(&world, &[]), 4, &["slack     token", "-> it is tried again by itself; if it persists"]);
    world.slack.set_online(true);
    assert_well(&check(&world, &[]));
}

#[test]
fn scopes_that_are_missing() {
    let world = World::new();
    world.slack.set_scopes(&["channels:read", "channels:join"]);
    let ended = check(&world, &[]);
    assert_failed(&ended, 4, &["scope chat:write: missing: nothing can be posted", "-> add chat:write"]);
    assert!(ended.stdout.contains("scope channels:history: missing: a message whose answer was lost"), "{ended:?}");
    world.slack.set_scopes(&["chat:write", "channels:join"]);
    assert_failed(&check(&world, &[]), 4, &["scope channels:read: missing", "-> add channels:read"]);
    let by_id = world.run(&["check", "--local", "--channel", "C0MLALERTS", "--send-test"]);
    assert!(by_id.code == 0 && by_id.stdout.contains("test_message: posted: "), "{by_id:?}");
    world.slack.set_scopes(&clearml_alerts::sandbox::slack::ALL_SCOPES);
    assert_well(&check(&world, &[]));
}

#[test]
fn channels_that_cannot_be_posted_to() {
    let world = World::new();
    for channel in [
        Channel::public("old").archived(),
        Channel::private("secret").with_id("C0SECRET001").not_joined(),
        Channel::public("far").not_joined(),
    ] {
        world.slack.add_channel(channel);
    }
    let on = |channel: &str| world.run(&["check", "--local", "--channel", channel]);
    assert_failed(&on("nowhere"), 4, &["sees no channel `nowhere`", "-> check the name"]);
    assert_failed(&on("old"), 4, &["#old", "is archived", "-> unarchive it"]);
    world.slack.change_channel("old", |channel| channel.archived = false);
    assert_well(&on("old"));
    assert_failed(&on("C0SECRET001"), 4, &["C0SECRET001", "invite"]);
    world.slack.change_channel("secret", |channel| channel.joined = true);
    assert_well(&on("C0SECRET001"));
    assert!(on("far").stdout.contains("the bot joins it with the first message"));
    world.slack.set_scopes(&["chat:write", "channels:read", "channels:history", "groups:read", "groups:history"]);
    assert_failed(&on("far"), 4, &["#far", "may not join", "-> type /invite @"]);
    world.slack.change_channel("far", |channel| channel.joined = true);
    assert_eq!(on("far").code, 0);
}

#[test]
fn a_test_message_is_posted_only_when_asked_for_and_its_address_shown() {
    let world = World::new();
    world.slack.add_channel(Channel::public("far").not_joined());
    let ended = world.run(&["check", "--local", "--channel", "far", "--send-test"]);
    assert_well(&ended);
    assert!(ended.stdout.contains("test_message: posted: https://"), "{ended:?}");
    assert_eq!(world.slack.messages("far").len(), 1);
    world.slack.change_channel("far", |channel| channel.archived = true);
    let refused = world.run(&["check", "--local", "--channel", "far", "--send-test"]);
    assert_failed(&refused, 4, &["is archived"]);
    assert_eq!(world.slack.messages("far").len(), 1);
    world.assert_no_violations();
}

#[test]
fn a_database_that_cannot_be_used() {
    let world = World::new();
    let with = |path: &std::path::Path| check(&world, &["--db", path.to_str().unwrap()]);
    let nowhere = world.folder().join("no/such/alerts.db");
    assert_failed(&with(&nowhere), 6, &["its directory does not exist", "-> create its directory (mkdir -p "]);
    std::fs::create_dir_all(nowhere.parent().unwrap()).unwrap();
    assert_well(&with(&nowhere));
    let foreign = world.folder().join("notes.db");
    std::fs::write(&foreign, "x".repeat(4096)).unwrap();
    assert_failed(&with(&foreign), 6, &["is not a database of clearml-alerts", "Name another file with --db"]);
    assert_eq!(std::fs::read(&foreign).unwrap(), "x".repeat(4096).as_bytes());
    assert_well(&check(&world, &[]));
}

#[test]
fn a_database_of_another_server() {
    let world = World::new();
    world.once(&[]);
    let other = World::new();
    let ended = check(&other, &["--db", world.database().to_str().unwrap()]);
    assert_failed(&ended, 6, &["belongs to http://127.0.0.1:", "-> name another file with --db"]);
    assert_well(&check(&other, &["--db", other.database().to_str().unwrap()]));
}

#[cfg(unix)]
#[test]
fn a_database_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    world.once(&[]);
    let readable = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(world.database(), readable).unwrap();
    let ended = check(&world, &[]);
    let complaint = complaints(&ended)[0].to_owned();
    assert!(complaint.contains("others can read"), "{complaint}");
    let (_, advice) = complaint.split_once("-> ").unwrap();
    assert!(Command::new("sh").args(["-c", advice]).status().unwrap().success());
    assert_well(&check(&world, &[]));
}

#[test]
fn alerts_that_wait_for_somebody() {
    let world = World::new();
    world.once(&[]);
    world.failed_task("delivered");
    world.once(&[]);
    world.slack.change_channel(CHANNEL, |channel| channel.archived = true);
    world.failed_task("held back");
    world.once(&["--deliver-timeout", "2s"]);
    let ended = check(&world, &[]);
    assert_failed(&ended, 4, &["is archived", "-> unarchive it"]);
    assert!(ended.stdout.contains("1 held -> see why: clearml-alerts history --state held"), "{ended:?}");
    assert!(ended.stdout.contains("held_channel: alerts to ml-alerts are held since"), "{ended:?}");
    world.slack.change_channel(CHANNEL, |channel| channel.archived = false);
    world.once(&[]);
    assert_well(&check(&world, &[]));
}

/// The command that an advice names, run as it stands there.
fn follow(world: &World, command: &str) {
    let words: Vec<&str> = command.trim().split(' ').collect();
    assert_eq!(words[0], "clearml-alerts", "{command}");
    let ended = world.run(&words[1..]);
    assert_eq!(ended.code, 0, "{command}: {ended:?}");
}

#[test]
fn an_address_that_is_none_and_pages_without_one() {
    let world = World::new();
    let nowhere = finish(command(&world, &[]).env("CLEARML_API_HOST", "http://[::1"));
    assert_failed(&nowhere, 2, &["CLEARML_API_HOST", "->"]);
    let mut without = command(&world, &[]);
    without.env_remove("CLEARML_WEB_HOST").env("CLEARML_API_HOST", world.clearml.url());
    let ended = finish(&mut without);
    let complaint = complaints(&ended).join("\n");
    assert!(complaint.contains("alerts carry no links") && complaint.contains("set CLEARML_WEB_HOST"), "{complaint}");
    assert_eq!(ended.code, 0);
    assert_well(&finish(without.env("CLEARML_WEB_HOST", "https://app.example.com")));
}

#[test]
fn a_clearml_conf_that_is_half_read() {
    let world = World::new();
    let file = world.folder().join("clearml.conf");
    std::fs::write(&file, "include \"missing.conf\"\napi { web_server: https://app.example.com }\n").unwrap();
    let ended = check(&world, &[]);
    let complaint = complaints(&ended).join("\n");
    assert!(
        complaint.contains("clearml.conf") && complaint.contains("line 1") && complaint.contains("correct the file")
    );
    assert_eq!(ended.code, 0, "{ended:?}");
    std::fs::write(&file, "api { web_server: https://app.example.com }\n").unwrap();
    assert_well(&check(&world, &[]));
}

#[test]
fn a_watch_that_has_not_polled_for_long() {
    let world = World::new();
    world.once(&[]);
    world.once(&[]);
    let later = finish(command(&world, &[]).env("CLEARML_ALERTS_TEST_CLOCK_OFF_BY_MS", "7200000"));
    let complaint = complaints(&later).join("\n");
    assert!(
        complaint.contains("the last good poll was 2 h ago") && complaint.contains("timer of `once`"),
        "{complaint}"
    );
    let mut again = world.command(&["once", "--channel", CHANNEL, "--announce", "none"]);
    assert_eq!(finish(again.env("CLEARML_ALERTS_TEST_CLOCK_OFF_BY_MS", "7200000")).code, 0);
    let after = finish(command(&world, &[]).env("CLEARML_ALERTS_TEST_CLOCK_OFF_BY_MS", "7200000"));
    assert!(!complaints(&after).iter().any(|line| line.contains("last_poll")), "{after:?}");
}

#[test]
fn dead_alerts_are_listed_and_retried() {
    let world = World::new();
    world.once(&[]);
    let refused = FaultRule::next(Fault::slack_error("msg_too_long")).on("chat.postMessage").times(3);
    world.slack.faults().push(refused);
    world.failed_task("refused");
    world.once(&[]);
    let ended = check(&world, &[]);
    let complaint = complaints(&ended).join("\n");
    assert!(ended.code == 0 && complaint.contains("dead_alerts: 1 could not be delivered"), "{complaint}");
    let advice = complaint.split('`').nth(1).unwrap();
    follow(&world, advice);
    follow(&world, "clearml-alerts dead retry --all");
    world.once(&[]);
    assert_well(&check(&world, &[]));
    assert_eq!(world.slack.messages(CHANNEL).len(), 1);
}

#[test]
fn a_database_that_is_damaged_or_of_a_newer_version() {
    let world = World::new();
    world.once(&[]);
    let backup = world.folder().join("backup.db");
    follow(&world, &format!("clearml-alerts backup {}", backup.display()));
    let outside = rusqlite::Connection::open(world.database()).unwrap();
    outside.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(outside);
    let ended = check(&world, &[]);
    assert_failed(&ended, 6, &["written by a newer clearml-alerts", "restore BACKUP"]);
    let restore = format!("clearml-alerts restore {}", backup.display());
    follow(&world, &restore);
    assert_well(&check(&world, &["--deep"]));
    let outside = rusqlite::Connection::open(world.database()).unwrap();
    let page: u32 = outside
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'alerts_newest'", [], |row| row.get(0))
        .unwrap();
    let page = page as usize;
    drop(outside);
    let mut bytes = std::fs::read(world.database()).unwrap();
    bytes[(page - 1) * 4_096..page * 4_096].fill(0x5a);
    std::fs::write(world.database(), bytes).unwrap();
    assert_failed(&check(&world, &["--deep"]), 6, &["is damaged", "restore BACKUP"]);
    follow(&world, &restore);
    assert_well(&check(&world, &["--deep"]));
}
