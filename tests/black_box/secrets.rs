//! Secrets stay secret: at the highest verbosity, through every failure, in the log, the database and what is beside it.

use std::path::Path;

use clearml_alerts::sandbox::clearml::ClearmlOptions;
use clearml_alerts::sandbox::slack::SlackOptions;
use clearml_alerts::sandbox::{Fault, FaultRule};

use crate::world::{CHANNEL, Ended, World, finish};

const KEY_SECRET: &str = "MARKED-clearml-secret-key";
const TOKEN: &str = "xoxb-MARKED-slack-token";
const LOGIN: &str = "MARKED-url-password";
const CONSOLE: &str = "MARKED-console-password";

fn marked_world() -> World {
    World::with(
        ClearmlOptions { secret_key: KEY_SECRET.to_owned(), ..ClearmlOptions::default() },
        SlackOptions { token: TOKEN.to_owned(), ..SlackOptions::default() },
    )
}

/// Runs at the highest verbosity.
fn loud_once(world: &World, more: &[(&str, &str)]) -> Ended {
    let usual = ["once", "--channel", CHANNEL, "--slack-rate", "0", "-vv", "--deliver-timeout", "1s"];
    let mut command = world.command(&usual);
    command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
    command.env("CLEARML_ALERTS_TEST_TIME_LIMIT_SECONDS", "0.5");
    command.envs(more.iter().copied());
    finish(&mut command)
}

fn assert_unmarked(what: &str, bytes: &[u8]) {
    for (name, secret) in [("key", KEY_SECRET), ("token", TOKEN), ("login", LOGIN), ("console", CONSOLE)] {
        for form in [secret.to_owned(), base64_of(secret)] {
            let found = bytes.windows(form.len()).any(|window| window == form.as_bytes());
            assert!(!found, "the {name} is in {what}: {}", String::from_utf8_lossy(bytes));
        }
    }
}

fn base64_of(secret: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(format!("SANDBOXACCESSKEY:{secret}"))
}

fn assert_nothing_leaked(world: &World, ended: &Ended) {
    assert!(!ended.stderr.is_empty(), "{ended:?}");
    assert_unmarked("stdout", ended.stdout.as_bytes());
    assert_unmarked("stderr", ended.stderr.as_bytes());
    search_folder(world.folder());
}

fn search_folder(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search_folder(&path);
        } else {
            assert_unmarked(&path.display().to_string(), &std::fs::read(&path).unwrap());
        }
    }
}

#[test]
fn through_every_failure_nothing_marked_is_written_anywhere() {
    let world = marked_world();
    let first = loud_once(&world, &[]);
    assert_eq!(first.code, 0, "{first:?}");
    assert!(first.stderr.contains("TRACE"), "{}", first.stderr);
    assert_nothing_leaked(&world, &first);
    let task = world.running_task("talks too much");
    world
        .clearml
        .log(&task, &format!("connecting with password={CONSOLE}\n{TOKEN}\nAuthorization: Bearer {KEY_SECRET}"))
        .unwrap();
    world.clearml.fail(&task, "it failed", "").unwrap();
    let echo = Fault::status(500, &format!("<html>{TOKEN} {KEY_SECRET} http://me:{LOGIN}@x</html>"));
    let clearml =
        [Fault::clearml_error(401, 22, "invalid credentials"), Fault::reset(), Fault::hang(), Fault::not_json()];
    for fault in clearml {
        world.clearml.faults().push(FaultRule::next(fault).forever());
        let ended = loud_once(&world, &[]);
        assert_eq!(ended.code, 3, "{ended:?}");
        assert_nothing_leaked(&world, &ended);
        world.clearml.faults().clear();
    }
    let slack = [
        echo,
        Fault::slack_error("invalid_auth"),
        Fault::slack_error(TOKEN),
        Fault::redirect(&format!("http://me:{LOGIN}@example.com/{TOKEN}")),
        Fault::reset(),
        Fault::apply_then_hang(),
        Fault::cut_json(),
    ];
    for fault in slack {
        world.slack.faults().push(FaultRule::next(fault).forever());
        let ended = loud_once(&world, &[]);
        assert_eq!(ended.code, 4, "{ended:?}");
        assert_nothing_leaked(&world, &ended);
        world.slack.faults().clear();
    }
    let ended = loud_once(&world, &[("CLEARML_ALERTS_TEST_CRASH_AT", "attempt_recorded")]);
    assert_nothing_leaked(&world, &ended);
    let ended = loud_once(&world, &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_nothing_leaked(&world, &ended);
    let messages = world.slack.messages(CHANNEL);
    assert!(!messages.is_empty());
    for message in messages {
        let shown = message.payload.to_string();
        assert!(shown.contains("password=***"), "{shown}");
        assert_unmarked("a message", shown.as_bytes());
    }
}

#[test]
fn settings_that_cannot_work_are_refused_without_showing_them() {
    let world = marked_world();
    for (name, value) in [
        ("CLEARML_API_HOST", format!("ftp://me:{LOGIN}@127.0.0.1")),
        ("CLEARML_API_HOST", format!("http://me:{LOGIN}@127.0.0.1:1")),
        ("SLACK_API_URL", format!("ftp://me:{LOGIN}@127.0.0.1")),
        ("SLACK_API_TOKEN", format!("{TOKEN} with a blank")),
        ("CLEARML_AUTH_TOKEN", format!("{KEY_SECRET}\n")),
    ] {
        let ended = loud_once(&world, &[(name, &value)]);
        assert_ne!(ended.code, 0, "{name}={value}: {ended:?}");
        assert_nothing_leaked(&world, &ended);
    }
}

#[test]
fn own_patterns_are_blotted_out_as_well() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let task = world.running_task("customers");
    world.clearml.log(&task, "training for customer-1234\ntoken: abcdef").unwrap();
    world.clearml.fail(&task, "", "").unwrap();
    assert_eq!(world.once(&["--redact", r"customer-\d+"]).code, 0);
    let shown = world.slack.messages(CHANNEL)[0].plain();
    assert!(shown.contains("training for ***") && shown.contains("token: ***"), "{shown}");
}
