//! `history`: its filters, its order, its formats.

use std::time::Duration;

use clearml_alerts::domain::Status;
use clearml_alerts::sandbox::TaskSeed;
use clearml_alerts::sandbox::slack::Channel;
use serde_json::Value;

use crate::cast;
use crate::world::{CHANNEL, World};

/// A world whose history holds the whole cast, in one database.
fn remembered() -> World {
    let world = World::new();
    cast::assemble(&world);
    let ended = world.once(&["--since", "24h", "--digest-above", "0", "--include-aborted-experiments"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    world
}

fn names(rows: &[Value]) -> Vec<&str> {
    let mut names: Vec<&str> = rows.iter().map(|row| row["task_name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn every_filter_several_values_and_several_filters() {
    let world = remembered();
    let bert = world.history(&["--task", "of bert"])[0]["task_id"].as_str().unwrap().to_owned();
    let project = world.clearml.project_id("nlp/bert").unwrap();
    let grace = world.clearml.add_user("Grace");
    let (start, short) = (&bert[..12], "SHORT");
    let cases: [(&[&str], &[&str]); 21] = [
        (&["--task", &bert], &["of bert"]),
        (&["--task", start], &["of bert"]),
        (&["--task", short, "--task", "plain"], &["plain", "short"]),
        (&["--project", "NLP"], &["of bert"]),
        (&["--project", &project], &["of bert"]),
        (&["--project", "nlp", "--user", "ada"], &[]),
        (&["--user", "grace"], &["of bert"]),
        (&["--user", &grace], &["of bert"]),
        (&["--status", "stopped"], &["aborted"]),
        (&["--status", "aborted"], &["aborted"]),
        (&["--status", "completed"], &["completed", "published"]),
        (&["--status", "completed", "--status", "stopped"], &["aborted", "completed", "published"]),
        (&["--status", "completed,stopped"], &["aborted", "completed", "published"]),
        (&["--state", "suppressed"], &["archived", "by hand", "completed", "published"]),
        (&["--state", "sent", "--user", "grace"], &["of bert"]),
        (&["--state", "pending,dead,held", "--state", "unknown"], &[]),
        (&["--rule", "default", "--task", "plain"], &["plain"]),
        (&["--rule", "other"], &[]),
        (&["--channel", "#ml-alerts", "--task", "plain"], &["plain"]),
        (&["--channel", "ml-alerts", "--channel", "x", "--task", "plain"], &["plain"]),
        (&["--channel", "other"], &[]),
    ];
    for (flags, expected) in cases {
        assert_eq!(names(&world.history(flags)), expected, "{flags:?}");
    }
}

#[test]
fn newest_first_and_no_more_than_the_limit() {
    let world = World::new();
    let now = world.clearml.now();
    let ago = |hours: u64| now.minus(Duration::from_hours(hours));
    let failed = |hours: u64| {
        let seed = TaskSeed::new(&format!("{hours:02} hours ago")).status(&Status::Failed);
        world.clearml.add_task(seed.status_changed(ago(hours)));
    };
    (1..=60).for_each(failed);
    assert_eq!(world.once(&["--since", "3d"]).code, 0);
    let told = |flags: &[&str]| -> Vec<String> {
        world.history(flags).iter().map(|row| row["task_name"].as_str().unwrap().to_owned()).collect()
    };
    let hours =
        |range: std::ops::RangeInclusive<u64>| range.map(|hour| format!("{hour:02} hours ago")).collect::<Vec<_>>();
    assert_eq!(told(&[]), hours(1..=50));
    assert_eq!(told(&["--limit", "3"]), hours(1..=3));
    assert_eq!(told(&["--limit=100"]), hours(1..=60));
    assert_eq!(told(&["--since", "5h"]), hours(1..=4));
    assert_eq!(told(&["--since", "270 minutes ago", "--until", "2h"]), hours(2..=4));
    let (since, until) = (ago(10).to_string(), ago(8).to_string());
    assert_eq!(told(&["--since", &since, "--until", &until]), hours(9..=10));
    assert_eq!(told(&["--until", "59h"]), hours(59..=60));
    assert_eq!(told(&["--since", "1m"]), Vec::<String>::new());
}

const KEYS: [&str; 19] = [
    "id",
    "rule",
    "task_id",
    "task_name",
    "project",
    "user",
    "status",
    "status_changed",
    "state",
    "reason",
    "created_at",
    "sent_at",
    "attempts",
    "channel",
    "message_ts",
    "digest",
    "url",
    "cause",
    "cause_detail",
];

/// The keys of a JSON object in the order in which they stand.
fn keys_in_order(object: &str) -> Vec<String> {
    let deserialized: Vec<(String, usize)> =
        KEYS.iter().filter_map(|key| Some(((*key).to_owned(), object.find(&format!("\"{key}\":"))?))).collect();
    let mut keys = deserialized;
    keys.sort_by_key(|(_, at)| *at);
    keys.into_iter().map(|(key, _)| key).collect()
}

#[test]
fn json_is_the_contract() {
    let world = remembered();
    let text = world.run(&["history", "--format", "json", "--task", "plain"]).stdout;
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    let row = rows[0].as_object().unwrap();
    assert_eq!(row.len(), KEYS.len());
    assert_eq!(keys_in_order(&text), KEYS);
    assert!(row["id"].is_i64() && row["attempts"] == 1 && row["digest"] == false);
    assert_eq!(
        (&row["rule"], &row["project"], &row["user"]),
        (&"default".into(), &"vision/resnet".into(), &"Ada".into())
    );
    assert_eq!((&row["status"], &row["state"], &row["channel"]), (&"failed".into(), &"sent".into(), &CHANNEL.into()));
    assert_eq!(row["reason"], Value::Null);
    for time in ["status_changed", "created_at", "sent_at"] {
        let text = row[time].as_str().unwrap();
        assert!(text.len() == "2026-11-22T22:27:28.021Z".len() && text.ends_with('Z'), "{text}");
    }
    assert_eq!(row["message_ts"].as_str().unwrap(), message_of(&world, "plain"));
    let task = row["task_id"].as_str().unwrap();
    let url = row["url"].as_str().unwrap();
    assert!(
        url.starts_with("https://app.example.com/projects/") && url.ends_with(&format!("/tasks/{task}/output/log"))
    );
    let homeless = &world.history(&["--task", "homeless"])[0];
    assert_eq!(homeless["project"], Value::Null);
    assert!(homeless["url"].as_str().unwrap().contains("/projects/*/"), "{homeless}");
    let suppressed = &world.history(&["--task", "by hand"])[0];
    assert_eq!((&suppressed["sent_at"], &suppressed["message_ts"]), (&Value::Null, &Value::Null));
    assert_eq!((&suppressed["attempts"], &suppressed["state"]), (&0.into(), &"suppressed".into()));
}

fn message_of(world: &World, name: &str) -> String {
    let messages = world.slack.messages(CHANNEL);
    messages.iter().find(|message| crate::world::title(message).ends_with(name)).unwrap().ts.clone()
}

#[test]
fn json_lines_and_csv_tell_the_same() {
    let world = remembered();
    let rows = world.history(&[]);
    let lines = world.run(&["history", "--format", "jsonl"]).stdout;
    let of_lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(of_lines, rows);
    assert!(lines.lines().all(|line| keys_in_order(line) == KEYS));
    let table = world.run(&["history", "--format", "csv"]).stdout;
    assert_eq!(table.lines().next().unwrap(), KEYS.join(","));
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), rows.len());
    for (record, row) in records.iter().zip(&rows) {
        for (cell, key) in record.iter().zip(KEYS) {
            let expected = match &row[key] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(cell, expected, "{key}");
        }
    }
}

#[test]
fn names_that_would_break_a_format_do_not() {
    let world = World::new();
    let name = "a,\"b\"\nc\u{1b}[31m\tred\u{202e}";
    world.clearml.add_task(TaskSeed::new(name).project("p,\"q\"").status(&Status::Failed));
    world.once(&["--since", "24h"]);
    assert_eq!(world.history(&[])[0]["task_name"], name);
    let csv = world.run(&["history", "--format", "csv"]).stdout;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(&reader.records().next().unwrap().unwrap()[3], name);
    let jsonl = world.run(&["history", "--format", "jsonl"]).stdout;
    assert_eq!(jsonl.lines().count(), 1);
    let table = world.run(&["history"]).stdout;
    assert_eq!(table.lines().count(), 2, "{table:?}");
    assert!(!table.contains('\u{1b}') && !table.contains('\u{202e}'), "{table:?}");
}

#[test]
fn a_table_in_a_pipe_has_whole_values_and_no_colours() {
    let world = World::new();
    let long = "a task whose name is much longer than any terminal is wide, ".repeat(4);
    world.clearml.add_task(TaskSeed::new(&long).project("vision/resnet").user("Ada").status(&Status::Failed));
    world.once(&["--since", "24h", "--exclude-users", "Ada"]);
    let table = world.run(&["history"]).stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 2, "{table}");
    let header: Vec<&str> = lines[0].split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(header, ["ID", "TIME (UTC)", "STATUS", "STATE", "TASK", "PROJECT", "USER", "WHY"]);
    for value in [long.trim(), "vision/resnet", "failed", "suppressed", "user: `Ada` is among the excluded users"] {
        assert!(lines[1].contains(value), "{table}");
    }
    assert!(!table.contains('\u{1b}') && !table.contains('…'), "{table}");
}

#[test]
fn the_number_in_the_table_is_the_one_to_show() {
    let world = World::new();
    world.once(&[]);
    world.failed_task("<b> & *stars*");
    world.once(&[]);
    let table = world.run(&["history"]).stdout;
    let id = table.lines().nth(1).and_then(|line| line.split("  ").next()).unwrap();
    let shown = world.run(&["history", "--show", id]).stdout;
    assert!(shown.contains("\nTask failed: <b> & *stars*"), "as in Slack, escapes undone: {shown}");
    assert!(shown.starts_with(&format!("Alert {id}: sent for ")), "{shown}");
}

#[test]
fn nothing_to_tell() {
    let world = World::new();
    world.once(&[]);
    let tell = |format: &str| world.run(&["history", "--format", format]);
    assert_eq!(tell("table").stdout, "No alerts match.\n");
    assert_eq!(tell("json").stdout, "[]\n");
    assert_eq!(tell("jsonl").stdout, "");
    assert_eq!(tell("csv").stdout, format!("{}\n", KEYS.join(",")));
    assert!(["table", "json", "jsonl", "csv"].iter().all(|format| tell(format).code == 0));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let world = World::new();
    let seed = |number: usize| TaskSeed::new(&format!("{number} {}", "x".repeat(500))).status(&Status::Failed);
    world.clearml.add_tasks((0..400).map(seed));
    world.once(&["--since", "24h"]);
    for format in ["table", "json", "jsonl", "csv"] {
        let mut child = world
            .command(&["history", "--limit", "400", "--format", format])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]), "{format}");
    }
}

#[test]
fn each_alert_knows_the_channel_it_went_to() {
    let world = World::new();
    world.slack.add_channel(Channel::public("other"));
    world.once(&[]);
    world.failed_task("here");
    world.once(&[]);
    world.failed_task("there");
    world.run(&["once", "--channel", "#other", "--slack-rate", "0"]);
    assert_eq!(names(&world.history(&["--channel", "other"])), ["there"]);
    assert_eq!(names(&world.history(&["--channel", "#ml-alerts"])), ["here"]);
}
