//! `history`: filters and their opposite, pages, counts, one alert whole.

use serde_json::Value;

use crate::world::{CHANNEL, World};
use clearml_alerts::sandbox::TaskSeed;

/// Three failures of two people in two projects, one of them suppressed.
fn world() -> (World, [String; 3]) {
    let world = World::new();
    world.once(&[]);
    let failed = |name: &str, project: &str, user: &str, iterations: i64| {
        let task = world.clearml.add_task(TaskSeed::new(name).project(project).user(user).iterations(iterations));
        world.clearml.start_task(&task).unwrap();
        world.clearml.log(&task, "Traceback\nCUDA out of memory\n").unwrap();
        world.clearml.fail(&task, "RuntimeError", "it failed").unwrap();
        task
    };
    let tasks = [
        failed("resnet50", "vision/resnet", "Ada", 7),
        failed("bert", "nlp/bert", "Bob", 7),
        failed("crashes at once", "nlp/bert", "Ada", 0),
    ];
    world.once(&["--min-num-iterations", "5"]);
    (world, tasks)
}

fn names(world: &World, more: &[&str]) -> Vec<String> {
    let mut names: Vec<String> =
        world.history(more).iter().map(|alert| alert["task_name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn any_field_filters_and_not_leaves_out() {
    let (world, tasks) = world();
    for (flags, expected) in [
        (&[][..], &["bert", "crashes at once", "resnet50"][..]),
        (&["--project", "NLP"], &["bert", "crashes at once"]),
        (&["--project", "nlp", "--project", "vision"], &["bert", "crashes at once", "resnet50"]),
        (&["--project", "nlp", "--user", "ada"], &["crashes at once"]),
        (&["--user", "bob"], &["bert"]),
        (&["--task", &tasks[0]], &["resnet50"]),
        (&["--task", "at once"], &["crashes at once"]),
        (&["--state", "suppressed"], &["crashes at once"]),
        (&["--state", "sent,dead"], &["bert", "resnet50"]),
        (&["--filter", "iterations"], &["crashes at once"]),
        (&["--reason", "at least 5"], &["crashes at once"]),
        (
            &["--rule", "default", "--status", "failed", "--channel", "#ml-alerts"],
            &["bert", "crashes at once", "resnet50"],
        ),
        (&["--rule", "other"], &[]),
        (&["--project", "nowhere"], &[]),
        (&["--silence", "1"], &[]),
        (&["--not", "project=nlp"], &["resnet50"]),
        (&["--not", "user=Ada", "--not", "state=dead"], &["bert"]),
        (&["--not", "state=suppressed", "--user", "Ada"], &["resnet50"]),
        (&["--not", "filter=iterations", "--not", "reason=nothing"], &["bert", "resnet50"]),
        (&["--not", "task=resnet", "--not", "status=completed", "--not", "rule=x"], &["bert", "crashes at once"]),
        (&["--not", "channel=ml-alerts"], &[]),
        (&["--since", "today"], &["bert", "crashes at once", "resnet50"]),
        (&["--until", "2 hours ago"], &[]),
        (&["--since", "2020-01-01", "--until", "2099-01-01T00:00:00Z"], &["bert", "crashes at once", "resnet50"]),
    ] {
        assert_eq!(names(&world, flags), expected, "{flags:?}");
    }
    for wrong in ["project", "project=", "colour=red", "status=great", "state=great", "filter=great"] {
        assert_eq!(world.run(&["history", "--not", wrong]).code, 2, "{wrong}");
    }
}

#[test]
fn pages_follow_each_other_without_gap_or_overlap() {
    let (world, _) = world();
    let all = world.history(&[]);
    let mut paged: Vec<Value> = Vec::new();
    loop {
        let before = paged.last().map(|alert| alert["id"].to_string());
        let flags = before.iter().flat_map(|id| ["--before", id]).chain(["--limit", "1"]).collect::<Vec<_>>();
        let page = world.history(&flags);
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, all);
    let unknown = world.run(&["history", "--before", "99"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("there is no alert 99"), "{unknown:?}");
}

#[test]
fn counts_by_group_and_how_late() {
    let (world, _) = world();
    let json = |flags: &[&str]| -> Value {
        let ended = world.run(&[&["history", "--format", "json"], flags].concat());
        assert_eq!(ended.code, 0, "{ended:?}");
        serde_json::from_str(&ended.stdout).unwrap()
    };
    let projects = json(&["--group-by", "project"]);
    assert_eq!(
        projects[0],
        serde_json::json!({
            "name": "nlp/bert", "alerts": 2, "sent": 1, "waiting": 0, "dead": 0, "suppressed": 1,
        })
    );
    assert_eq!(projects[1]["name"], "vision/resnet");
    for (field, first) in [("user", "Ada"), ("status", "failed"), ("rule", "default"), ("state", "sent")] {
        assert_eq!(json(&["--group-by", field])[0]["name"], first);
    }
    let days = json(&["--group-by", "day", "--user", "Bob"]);
    assert_eq!((days.as_array().unwrap().len(), &days[0]["alerts"]), (1, &1.into()));
    let stats = json(&["--stats"]);
    assert_eq!((&stats["alerts"], &stats["sent"]), (&3.into(), &2.into()));
    let (median, longest) = (stats["median_seconds"].as_f64().unwrap(), stats["longest_seconds"].as_f64().unwrap());
    assert!(median <= longest, "{stats}");
    let table = world.run(&["history", "--group-by", "project"]).stdout;
    assert!(table.starts_with("PROJECT") && table.contains("nlp/bert"), "{table}");
    let none = world.run(&["history", "--stats", "--user", "nobody"]).stdout;
    assert_eq!(none, "0 alerts, 0 of them in Slack\n");
}

#[test]
fn one_alert_whole_and_the_addresses_of_all() {
    let (world, tasks) = world();
    let id = world.history(&["--task", "resnet50"])[0]["id"].to_string();
    let shown = world.run(&["history", "--show", &id]);
    assert_eq!(shown.code, 0, "{shown:?}");
    let first = format!("Alert {id}: sent for ml-alerts, in Slack ");
    for part in [first.as_str(), "Task failed: resnet50", "\u{2502} CUDA out of memory", &tasks[0]] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    assert!(!shown.stdout.contains('\u{1b}'), "no colours in a pipe");
    let json: Value = serde_json::from_str(&world.run(&["history", "--show", &id, "--format", "json"]).stdout).unwrap();
    let messages = world.slack.messages(CHANNEL);
    let message = messages.iter().find(|message| crate::world::title(message).ends_with("resnet50")).unwrap();
    assert_eq!(json["message"]["payload"]["blocks"], Value::from(message.blocks.clone()));
    let quiet = world.history(&["--state", "suppressed"])[0]["id"].to_string();
    let shown = world.run(&["history", "--show", &quiet]).stdout;
    assert!(shown.contains("iterations: 0 of at least 5") && shown.contains("There is no message"), "{shown}");
    let unknown = world.run(&["history", "--show", "99"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("there is no alert 99"), "{unknown:?}");
    let addresses = world.run(&["history", "--open", "--state", "sent"]).stdout;
    assert_eq!(addresses.lines().count(), 2, "{addresses}");
    assert!(addresses.lines().all(|line| line.starts_with("https://app.example.com/projects/")), "{addresses}");
}
