//! One task of every kind that a filter speaks of, and what a run with certain flags makes of them.

use clearml_alerts::domain::Status;
use clearml_alerts::sandbox::TaskSeed;
use serde_json::Value;

use crate::world::{CHANNEL, World, title};

/// Failed: `plain`, `by hand`, `archived`, `short` (2 iterations), `of bert` (project nlp/bert, user Grace), `homeless`
/// (no project). And `completed`, `published`, `aborted`.
pub fn assemble(world: &World) {
    let of_ada = |name: &str, status: &str| {
        let seed = TaskSeed::new(name).project("vision/resnet").user("Ada").iterations(7);
        seed.status(&Status::parse(status)).because("it ended", "somehow")
    };
    world.clearml.add_tasks([
        of_ada("plain", "failed"),
        of_ada("by hand", "failed").system_tags(&["development"]),
        of_ada("archived", "failed").system_tags(&["archived"]),
        of_ada("short", "failed").iterations(2),
        of_ada("of bert", "failed").project("nlp/bert").user("Grace"),
        TaskSeed::new("homeless").user("Ada").iterations(7).status(&Status::Failed),
        of_ada("completed", "completed"),
        of_ada("published", "published"),
        of_ada("aborted", "stopped"),
    ]);
}

/// What the default rule alerts.
pub const USUAL: [&str; 4] = ["plain", "short", "of bert", "homeless"];

/// Looks back over the last day with these flags and a fresh database, and returns the rows of its history. What was
/// sent must be what arrived in the channel, and nothing else.
pub fn look_back(world: &World, flags: &[&str]) -> Vec<Value> {
    let before = world.slack.messages(CHANNEL).len();
    let folder = tempfile::tempdir_in(world.folder()).unwrap();
    let database = folder.path().join("look-back.db");
    let database = database.to_str().unwrap();
    let usual = ["--db", database, "--since", "24h", "--digest-above", "0"];
    let ended = world.once(&[&usual, flags].concat());
    assert_eq!(ended.code, 0, "{flags:?}: {ended:?}");
    let rows = world.history(&["--db", database]);
    let mut arrived: Vec<String> = world.slack.messages(CHANNEL).iter().skip(before).map(title).collect();
    let mut told: Vec<String> = rows.iter().filter(|row| row["state"] == "sent").map(title_of).collect();
    arrived.sort();
    told.sort();
    assert_eq!(arrived, told, "{flags:?}");
    world.assert_no_violations();
    rows
}

fn title_of(row: &Value) -> String {
    let word = if row["status"] == "stopped" { "aborted" } else { row["status"].as_str().unwrap() };
    format!("Task {word}: {}", row["task_name"].as_str().unwrap())
}

/// Exactly these tasks were alerted, all others were not, each with a reason.
pub fn assert_sent(rows: &[Value], expected: &[&str], flags: &[&str]) {
    let mut sent: Vec<&str> =
        rows.iter().filter(|row| row["state"] == "sent").map(|row| row["task_name"].as_str().unwrap()).collect();
    let mut expected = expected.to_vec();
    sent.sort_unstable();
    expected.sort_unstable();
    assert_eq!(sent, expected, "{flags:?}");
    for row in rows.iter().filter(|row| row["state"] != "sent") {
        assert_eq!(row["state"], "suppressed", "{flags:?}: {row}");
        assert!(row["reason"].is_string(), "{flags:?}: {row}");
    }
}

/// Why this task was not alerted.
pub fn reason<'a>(rows: &'a [Value], task: &str) -> &'a str {
    let row = rows.iter().find(|row| row["task_name"] == task).unwrap();
    row["reason"].as_str().unwrap()
}

/// Every way to write a switch that is on, then every way to write it off.
pub fn switch(flag: &str) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
    let underscores = flag.replace('-', "_");
    let (dashes, underscores) = (format!("--{flag}"), format!("--{underscores}"));
    let apart = |name: &String, value: &str| vec![name.clone(), value.to_owned()];
    let joined = |name: &String, value: &str| vec![format!("{name}={value}")];
    let on = vec![vec![dashes.clone()], apart(&underscores, "True"), joined(&dashes, "true")];
    let off = vec![joined(&underscores, "false"), apart(&dashes, "False")];
    (on, off)
}

/// Every way to write a flag with a value.
pub fn spellings(flag: &str, value: &str) -> Vec<Vec<String>> {
    let (dashes, underscores) = (format!("--{flag}"), format!("--{}", flag.replace('-', "_")));
    vec![
        vec![dashes.clone(), value.to_owned()],
        vec![format!("{dashes}={value}")],
        vec![underscores.clone(), value.to_owned()],
        vec![format!("{underscores}={value}")],
    ]
}

/// As a command line takes it.
pub fn as_flags(flags: &[String]) -> Vec<&str> {
    flags.iter().map(String::as_str).collect()
}
