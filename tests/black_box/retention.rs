//! Retention: what is old goes by both clocks, what waits stays, and whoever asks is told what is gone.

use std::time::Duration;

use clearml_alerts::clock::Clock;

use crate::world::{CHANNEL, Ended, World, finish};

const DAY: i64 = 86_400_000;
const KEEP: [&str; 2] = ["--keep", "30d"];

/// `once` of a monitor whose clock is so many days ahead.
fn once_in(world: &World, days: i64, more: &[&str]) -> Ended {
    let usual = ["once", "--channel", CHANNEL, "--slack-rate", "0"];
    let mut command = world.command(&[&usual, more].concat());
    finish(command.env("CLEARML_ALERTS_TEST_CLOCK_OFF_BY_MS", (days * DAY).to_string()))
}

/// ClearML's clock shows a time so many days ahead.
fn let_days_pass(world: &World, days: u64) {
    world.clearml.advance(Duration::from_hours(24 * days));
}

fn alerted(world: &World) -> usize {
    world.history(&["--limit", "1000"]).len()
}

/// A world with one alert told.
fn world_with_one_told() -> (World, String) {
    let world = World::new();
    world.clearml.set_time(Clock::system().now());
    assert_eq!(world.once(&[]).code, 0);
    world.clearml.advance(Duration::from_secs(1));
    let id = world.failed_task("old news");
    assert_eq!(world.once(&[]).code, 0);
    assert_eq!(alerted(&world), 1);
    (world, id)
}

#[test]
fn what_is_told_and_old_goes_and_whoever_asks_is_told_so() {
    let (world, id) = world_with_one_told();
    let_days_pass(&world, 31);
    let kept = once_in(&world, 31, &[]);
    assert_eq!((kept.code, alerted(&world)), (0, 1), "everything is kept where nothing else is said");
    let ended = once_in(&world, 31, &KEEP);
    assert_eq!((ended.code, alerted(&world)), (0, 0), "{ended:?}");
    assert!(ended.stderr.contains("removed what is older than it is kept alerts=1"), "{}", ended.stderr);
    let history = world.run(&["history"]);
    assert!(history.stdout.starts_with("No alerts match.\n\nBesides, what ended before 20"), "{history:?}");
    assert!(history.stdout.contains("is not kept any more (--keep)"), "{history:?}");
    let young = world.run(&["history", "--since", "9999-01-01"]);
    assert!(!young.stdout.contains("--keep"), "what is asked for does not reach back so far: {young:?}");
    let explained = world.run(&["explain", &id]);
    for told in ["is not kept any more (--keep)", "last seen: failed at 20", "none is kept"] {
        assert!(explained.stdout.contains(told), "{explained:?}");
    }
    let checked = world.run(&["check", "--channel", CHANNEL, "--keep", "30d"]);
    assert!(checked.stdout.contains("30d; 0 alerts older than that"), "{checked:?}");
    // Its row tells that it is no news: archived and back, stamped again, published.
    world.clearml.archive(&id).unwrap();
    world.clearml.unarchive(&id).unwrap();
    world.clearml.restamp(&id, world.clearml.now()).unwrap();
    assert_eq!(once_in(&world, 31, &KEEP).code, 0);
    world.assert_alerts(&["old news"]);
    // Run again it is.
    world.clearml.advance(Duration::from_secs(10));
    world.clearml.reset(&id).unwrap();
    world.clearml.start_task(&id).unwrap();
    world.clearml.fail(&id, "RuntimeError: again", "").unwrap();
    assert_eq!(once_in(&world, 31, &KEEP).code, 0);
    world.assert_alerts(&["old news", "old news"]);
}

#[test]
fn the_config_file_says_how_long_and_a_flag_says_otherwise() {
    let (world, _) = world_with_one_told();
    let_days_pass(&world, 31);
    let rules = "[[rule]]\nname = 'default'\n";
    let config = world.config(&format!("[service]\nkeep = '30d'\n[slack]\nchannel = '{CHANNEL}'\n{rules}"));
    let file = ["--config", config.to_str().unwrap()];
    let once = |more: &[&str]| {
        let mut command = world.command(&[&["once"], &file[..], more].concat());
        finish(command.env("CLEARML_ALERTS_TEST_CLOCK_OFF_BY_MS", (31 * DAY).to_string()))
    };
    assert_eq!((once(&["--keep", "all"]).code, alerted(&world)), (0, 1));
    assert_eq!((once(&["--keep", "32d"]).code, alerted(&world)), (0, 1));
    assert_eq!((once(&[]).code, alerted(&world)), (0, 0));
    world.config(&format!("[service]\nkeep = '30'\n[slack]\nchannel = '{CHANNEL}'\n{rules}"));
    let refused = once(&[]);
    assert_eq!((refused.code, refused.stderr.contains("is no duration: write 1d or more")), (2, true), "{refused:?}");
}

#[test]
fn one_clock_alone_removes_nothing() {
    let (world, _) = world_with_one_told();
    assert_eq!(once_in(&world, 400, &KEEP).code, 0);
    assert_eq!(alerted(&world), 1, "the monitor's clock alone is years ahead");
    let_days_pass(&world, 400);
    assert_eq!(once_in(&world, 0, &KEEP).code, 0);
    assert_eq!(alerted(&world), 1, "ClearML's clock alone is years ahead");
    world.clearml.set_online(false);
    assert_eq!(once_in(&world, 400, &KEEP).code, 3);
    assert_eq!(alerted(&world), 1, "nobody knows ClearML's time");
    world.clearml.set_online(true);
    assert_eq!(once_in(&world, 400, &KEEP).code, 0);
    assert_eq!(alerted(&world), 0);
}

#[test]
fn what_waits_stays_whatever_its_age() {
    let (world, _) = world_with_one_told();
    world.slack.set_online(false);
    world.clearml.advance(Duration::from_secs(10));
    world.failed_task("untold");
    assert_eq!(world.once(&["--deliver-timeout", "100ms"]).code, 4);
    let_days_pass(&world, 400);
    assert_eq!(once_in(&world, 400, &[&KEEP[..], &["--deliver-timeout", "100ms"]].concat()).code, 4);
    assert_eq!(alerted(&world), 1);
    world.slack.set_online(true);
    assert_eq!(once_in(&world, 400, &KEEP).code, 0);
    world.assert_alerts(&["old news", "untold"]);
    assert_eq!(alerted(&world), 1, "told just now, it stays as long as any other");
}

#[test]
fn one_run_of_once_removes_no_more_than_it_has_time_for() {
    let (world, _) = world_with_one_told();
    world.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)
         INSERT INTO tasks (task_id, name, status, status_changed, run, run_outcomes, first_seen_at, last_change_at)
             SELECT 't' || i, 'n', 'completed', i, 1, 2, i, i FROM n;
         INSERT INTO alerts (rule, task_id, run, outcome, status_changed, task_name, state, filter, channel, created_at)
             SELECT 'r', task_id, 1, 'completed', status_changed, 'n', 'suppressed', 'status', '#a', status_changed
             FROM tasks WHERE name = 'n'",
    );
    let left = || {
        let database = rusqlite::Connection::open(world.database()).unwrap();
        let count = |row: &rusqlite::Row<'_>| row.get::<_, u32>(0);
        database.query_row("SELECT count(*) FROM alerts WHERE rule = 'r'", [], count).unwrap()
    };
    assert_eq!((once_in(&world, 0, &KEEP).code, left()), (0, 2_000));
    assert_eq!((once_in(&world, 0, &KEEP).code, left(), alerted(&world)), (0, 0, 1));
}

#[test]
fn the_service_removes_it_while_it_runs_and_counts_it() {
    let (world, _) = world_with_one_told();
    let_days_pass(&world, 31);
    std::fs::write(world.folder().join("clock"), (31 * DAY).to_string()).unwrap();
    let clock = world.folder().join("clock");
    let mut command = world.service_command(&["--keep", "30d", "--listen", "127.0.0.1:0"]);
    let service = crate::world::Running::start(command.env("CLEARML_ALERTS_TEST_CLOCK_FILE", clock));
    service.wait_for_log("removed what is older than it is kept");
    assert_eq!(alerted(&world), 0);
    world.failed_task("news");
    world.wait_for_state("news", "sent");
    let ended = service.stop();
    assert_eq!((ended.code, ended.stderr.matches("removed what is older").count()), (0, 1), "{ended:?}");
}
