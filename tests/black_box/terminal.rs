//! What a person sees at a terminal; skipped where `script`, which pretends to be one, is missing.

use std::process::Command;

use clearml_alerts::domain::Status;
use clearml_alerts::sandbox::TaskSeed;

use crate::world::{Ended, World, finish};

/// Runs a command at a terminal of so many columns; `None` where none can be had. Everything that the terminal was sent
/// is in `stdout`.
fn at_terminal(world: &World, columns: u16, arguments: &str, no_color: bool) -> Option<Ended> {
    let binary = env!("CARGO_BIN_EXE_clearml-alerts");
    let line = format!("stty cols {columns} rows 40; exec {binary} {arguments}");
    let plain = world.command(&[]);
    let mut script = Command::new("script");
    script.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    script.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm").current_dir(world.folder());
    if no_color {
        script.env("NO_COLOR", "1");
    }
    let is_here = Command::new("script").arg("--version").output().is_ok_and(|version| version.status.success());
    if !is_here {
        eprintln!("skipped: `script` (util-linux) is not installed");
        return None;
    }
    Some(finish(&mut script))
}

fn remembered() -> World {
    let world = World::new();
    let failed = |name: &str, project: &str| TaskSeed::new(name).project(project).user("Ada").status(&Status::Failed);
    world.clearml.add_tasks([
        failed("resnet50 baseline with mixed precision and a very long name indeed", "vision/classification/resnet"),
        failed("短い名前と長い名前のタスク", "言語/モデル/大規模/実験/二〇二六"),
        failed("by hand", "x").system_tags(&["development"]),
    ]);
    world.once(&["--since", "24h"]);
    world
}

fn lines(ended: &Ended) -> Vec<String> {
    ended.stdout.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect()
}

#[test]
fn the_history_table_fits_the_terminal() {
    let world = remembered();
    for (columns, header) in [
        (60, &["ID", "TIME (UTC)", "STATUS", "STATE", "TASK"][..]),
        (80, &["ID", "TIME (UTC)", "STATUS", "STATE", "TASK", "PROJECT"]),
        (120, &["ID", "TIME (UTC)", "STATUS", "STATE", "TASK", "PROJECT", "USER", "WHY"]),
    ] {
        let Some(ended) = at_terminal(&world, columns, "history", false) else { return };
        assert_eq!(ended.code, 0, "{ended:?}");
        let lines = lines(&ended);
        assert_eq!(lines.len(), 4, "{columns}: {lines:#?}");
        for line in &lines {
            let width = unicode_width::UnicodeWidthStr::width(line.as_str());
            assert!(width <= usize::from(columns), "{columns}: {width}: {line}");
        }
        let cells: Vec<&str> = lines[0].split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(cells, header, "{columns}");
        let whole = |line: &String| {
            line.starts_with(|first: char| first.is_ascii_digit())
                && (line.contains(" sent ") || line.contains(" suppressed "))
        };
        assert!(lines[1..].iter().all(whole), "{columns}: {lines:#?}");
    }
}

#[test]
fn the_log_is_coloured_at_a_terminal_unless_asked_not_to() {
    let world = remembered();
    world.failed_task("coloured");
    let Some(coloured) = at_terminal(&world, 80, "once --channel ml-alerts", false) else { return };
    assert!(coloured.stdout.contains("\u{1b}["), "{coloured:?}");
    world.failed_task("plain");
    let Some(plain) = at_terminal(&world, 80, "once --channel ml-alerts", true) else { return };
    assert!(plain.stdout.contains("alert recorded") && !plain.stdout.contains('\u{1b}'), "{plain:?}");
}

/// What is left on the screen of a line that was sent with carriage returns and wipes.
fn as_seen(line: &str) -> String {
    let mut seen: Vec<char> = Vec::new();
    let mut cursor = 0;
    let mut rest = line;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        match character {
            '\r' => cursor = 0,
            '\u{1b}' => {
                let end = rest.find(|letter: char| letter.is_ascii_alphabetic()).unwrap() + 1;
                if &rest[..end] == "[2K" {
                    seen.fill(' ');
                }
                rest = &rest[end..];
            }
            other => {
                seen.resize(seen.len().max(cursor + 1), ' ');
                seen[cursor] = other;
                cursor += 1;
            }
        }
    }
    String::from_iter(seen).trim_end().to_owned()
}

#[test]
fn a_long_first_poll_tells_how_far_it_is_and_garbles_nothing() {
    let world = World::new();
    let seed =
        |number: usize| TaskSeed::new(&format!("task {number}")).status(&Status::Failed).system_tags(&["development"]);
    world.clearml.add_tasks((0..1_300).map(seed));
    let line = "once --channel ml-alerts --since 30d";
    let Some(ended) = at_terminal(&world, 60, line, true) else { return };
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("reading: 500 tasks, 0 alerts"), "{ended:?}");
    assert!(ended.stdout.matches("reading: ").count() >= 2, "{ended:?}");
    let after = ended.stdout.rsplit("\u{1b}[?7h\r").next().unwrap();
    assert!(after.starts_with("\r\u{1b}[2K"), "wiped away before anything else is written: {after:?}");
    let left: Vec<String> = ended.stdout.split('\n').map(as_seen).collect();
    assert!(left.iter().all(|line| !line.contains("reading:")), "{left:#?}");
    let summary = "1,300 tasks changed, 0 alerts recorded, 1,300 not alerted; 0 sent.";
    assert!(left.iter().any(|line| line == summary), "{left:#?}");
}

#[test]
fn every_command_has_a_manual_page_under_its_own_name() {
    let world = World::new();
    for (words, title) in [
        (&[][..], "clearml-alerts"),
        (&["run"], "clearml-alerts-run"),
        (&["silence", "add"], "clearml-alerts-silence-add"),
    ] {
        let page = world.run(&[&["man"][..], words].concat());
        assert_eq!(page.code, 0, "{page:?}");
        assert!(page.stdout.contains(&format!(".TH {title} 1")), "{}", page.stdout);
    }
    assert!(world.run(&["man", "run"]).stdout.contains("refresh\\-rate"));
    let unknown = world.run(&["man", "walk"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(unknown.stderr.contains("no command `walk`"), "{}", unknown.stderr);
}
