//! The log: a line per poll that changed something, per alert decided and delivered; more with `--verbose`, requests with
//! `-vv`, and never a secret.

use serde_json::Value;

use crate::world::{Ended, World};

fn lines(ended: &Ended) -> Vec<Value> {
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

/// The one line with this message.
fn line<'l>(lines: &'l [Value], message: &str) -> &'l Value {
    let found: Vec<&Value> = lines.iter().filter(|line| line["message"] == message).collect();
    assert_eq!(found.len(), 1, "{message}: {lines:#?}");
    found[0]
}

#[test]
fn an_alert_is_told_when_it_is_decided_and_when_it_is_delivered() {
    let world = World::new();
    world.once(&[]);
    let task = world.failed_task("resnet50");
    let log = lines(&world.once(&["--log-format", "json"]));
    let decided = line(&log, "alert recorded");
    assert_eq!(
        (&decided["task"], &decided["rule"], &decided["verdict"]),
        (&task.as_str().into(), &"default".into(), &"alert".into(),)
    );
    assert!(decided["latency_seconds"].as_f64().is_some(), "{decided}");
    let polled = line(&log, "polled");
    assert_eq!((&polled["changed"], &polled["alerts"], &polled["not_alerted"]), (&1.into(), &1.into(), &0.into()));
    let delivered = line(&log, "posted to Slack");
    assert_eq!(
        (&delivered["task"], &delivered["rule"], &delivered["alert"]),
        (&task.as_str().into(), &"default".into(), &1.into(),)
    );
    assert!(delivered["latency_seconds"].as_f64().is_some(), "{delivered}");
    let idle = lines(&world.once(&["--log-format", "json"]));
    assert!(idle.is_empty(), "a poll that changed nothing is not worth a line: {idle:#?}");
}

#[test]
fn verbose_tells_of_the_filtered_ones_and_twice_of_requests() {
    let world = World::new();
    world.once(&[]);
    let quiet = |name: &str, more: &[&str]| {
        world.failed_task(name);
        let usual = ["--log-format", "json", "--min-num-iterations", "100"];
        lines(&world.once(&[&usual, more].concat()))
    };
    let usual = quiet("first", &[]);
    assert!(usual.iter().all(|line| line["message"] == "polled"), "{usual:#?}");
    let verbose = quiet("second", &["--verbose"]);
    let not_alerted = line(&verbose, "not alerted");
    assert_eq!(not_alerted["why"], "iterations: 7 of at least 100");
    assert_eq!(not_alerted["verdict"], "suppressed");
    assert!(!verbose.iter().any(|line| line["message"] == "clearml"), "{verbose:#?}");
    world.failed_task("third");
    let twice = world.once(&["--log-format", "json", "-vv"]);
    let requests = lines(&twice);
    for (message, field, value) in
        [("clearml", "endpoint", "tasks.get_all_ex"), ("slack", "method", "chat.postMessage")]
    {
        assert!(requests.iter().any(|line| line["message"] == message && line[field] == value), "{message}");
    }
    let (key, secret) = world.clearml.credentials();
    for secret in [key, secret, world.slack.token(), "Bearer".to_owned()] {
        assert!(!twice.stderr.contains(&secret), "{}", twice.stderr);
    }
}

#[test]
fn rust_log_overrules_and_text_is_for_people() {
    let world = World::new();
    world.once(&[]);
    world.failed_task("resnet50");
    let mut command = world.command(&["once", "--channel", "ml-alerts", "-vv"]);
    let silent = crate::world::finish(command.env("RUST_LOG", "error"));
    assert!(silent.code == 0 && silent.stderr.is_empty(), "{silent:?}");
    let task = world.failed_task("bert");
    let text = world.once(&[]).stderr;
    let delivered = text.lines().find(|line| line.contains("posted to Slack")).unwrap();
    assert!(
        delivered.contains(&format!("task=\"{task}\"")) || delivered.contains(&format!("task={task}")),
        "{delivered}"
    );
    assert!(!text.contains('\u{1b}'), "no colours in a pipe: {text}");
}
