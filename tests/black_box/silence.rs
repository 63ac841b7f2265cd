//! `silence`: what a person asks to be kept quiet is kept quiet, stays in the history, and is told when it ends.

use serde_json::Value;

use crate::world::{CHANNEL, Ended, World, title};

fn add(world: &World, more: &[&str]) -> Ended {
    let usual = ["silence", "add", "--author", "ada", "--reason", "storage maintenance"];
    world.run(&[&usual, more].concat())
}

fn titles(world: &World) -> Vec<String> {
    world.slack.messages(CHANNEL).iter().map(title).collect()
}

#[test]
fn a_silence_is_obeyed_by_the_next_poll_and_told_in_one_line_when_it_ends() {
    let world = World::new();
    world.once(&[]);
    let added = add(&world, &["--project", "^vision/", "--for", "2h"]);
    assert!(added.code == 0 && added.stdout.starts_with("Silence 1 until "), "{added:?}");
    let quiet = world.failed_task("kept quiet");
    world.failed_task("kept quiet too");
    world.once(&[]);
    world.assert_alerts(&[]);
    let history = world.history(&[]);
    assert_eq!(history.len(), 2);
    for alert in &history {
        assert_eq!(
            (&alert["state"], &alert["reason"]),
            (&"suppressed".into(), &"silence: number 1 by ada: storage maintenance".into(),)
        );
    }
    let told = world.run(&["explain", &quiet]).stdout;
    assert!(told.contains("not alerted, because of silence: number 1 by ada"), "{told}");
    let listed = world.run(&["silence", "list", "--format", "json"]).stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        (&listed[0]["id"], &listed[0]["silenced"], &listed[0]["covers"]["project"]),
        (&1.into(), &2.into(), &"^vision/".into(),)
    );
    assert_eq!(world.run(&["silence", "end", "1", "--author", "bob"]).code, 0);
    world.failed_task("after the silence");
    world.once(&[]);
    world.once(&[]);
    let titles = titles(&world);
    let (alerts, lines): (Vec<_>, Vec<_>) = titles.iter().partition(|title| title.starts_with("Task failed"));
    assert_eq!(alerts, ["Task failed: after the silence"]);
    let line = "Silence 1 has ended (project matches `^vision/`; by ada: storage maintenance). It kept quiet: 2 failed. See \
                `clearml-alerts history --silence 1`.";
    assert_eq!(lines, [line]);
    world.assert_no_violations();
    let listed = world.run(&["silence", "list"]).stdout;
    assert_eq!(listed, "No silence is in force.\n");
    let all = world.run(&["silence", "list", "--all"]).stdout;
    assert!(all.contains("ended by bob"), "{all}");
}

#[test]
fn a_running_service_obeys_and_what_is_not_covered_is_alerted() {
    let world = World::new();
    let service = world.start(&[]);
    world.wait_for_polls(2);
    add(&world, &["--task", "^nightly", "--status", "failed", "--for", "1h", "--quiet-end"]);
    world.failed_task("nightly regression");
    world.failed_task("somebody's training");
    world.wait_for_messages(1);
    crate::world::wait_until("both verdicts", || world.history(&[]).len() == 2);
    world.run(&["silence", "end", "1"]);
    world.wait_for_polls(3);
    world.failed_task("nightly again");
    world.wait_for_messages(2);
    world.wait_for_polls(2);
    assert_eq!(service.stop().code, 0);
    world.assert_alerts(&["somebody's training", "nightly again"]);
}

#[test]
fn a_silence_that_kept_nothing_quiet_ends_without_a_word() {
    let world = World::new();
    world.once(&[]);
    add(&world, &["--user", "Bob", "--for", "500ms"]);
    let task = world.failed_task("not Bob's");
    std::thread::sleep(std::time::Duration::from_millis(600));
    world.once(&[]);
    world.once(&[]);
    world.assert_alerts(&["not Bob's"]);
    add(&world, &["--rule", "default", "--tag", "development", "--user", "Ada", "--for", "1d"]);
    let told = world.run(&["explain", &task]).stdout;
    assert!(told.contains("alert 1 to ml-alerts: sent"), "{told}");
}

#[test]
fn what_cannot_be_meant_is_refused_and_nothing_is_added() {
    let world = World::new();
    world.once(&[]);
    for (flags, part) in [
        (&["--for", "2h"][..], "name what to silence"),
        (&["--for", "2h", "--everything", "--user", "Ada"], "give it alone"),
        (&["--for", "2h", "--project", "("], "no regular expression"),
        (&["--until", "2020-01-01", "--user", "Ada"], "over already"),
        (&["--until", "yesterday", "--user", "Ada"], "not a moment to come"),
        (&["--user", "Ada"], "--for"),
        (&["--for", "2h", "--until", "2030-01-01", "--user", "Ada"], "cannot be used with"),
    ] {
        let refused = add(&world, flags);
        assert!(refused.code == 2 && refused.stderr.contains(part), "{flags:?}: {refused:?}");
    }
    for missing in ["--author", "--reason"] {
        let other = if missing == "--author" { "--reason" } else { "--author" };
        let refused = world.run(&["silence", "add", "--user", "Ada", "--for", "2h", other, "x"]);
        assert!(refused.code == 2 && refused.stderr.contains(missing), "{refused:?}");
    }
    let unknown = world.run(&["silence", "end", "7"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("there is no silence 7"), "{unknown:?}");
    assert_eq!(world.run(&["silence", "list", "--all", "--format", "json"]).stdout, "[]\n");
}

#[test]
fn a_clock_that_is_an_hour_off_silences_the_same() {
    let world = World::new();
    world.once(&[]);
    let off = |arguments: &[&str]| {
        crate::world::finish(world.command(arguments).env("CLEARML_ALERTS_TEST_CLOCK_OFF_BY_MS", "3600000"))
    };
    off(&["silence", "add", "--everything", "--for", "30m", "--author", "ada", "--reason", "x"]);
    world.failed_task("kept quiet");
    off(&["once", "--channel", CHANNEL]);
    world.assert_alerts(&[]);
    assert_eq!(world.history(&["--state", "suppressed"]).len(), 1);
}
