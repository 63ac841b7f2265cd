//! `check` about the database: each answer as it stands there, made for real and mended as it advises.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use clearml_alerts::clock::Clock;

use crate::reports::{about, plain};
use crate::world::{CHANNEL, Ended, World, finish};

fn command(world: &World, more: &[&str]) -> Command {
    world.command(&[&["check", "--local", "--channel", CHANNEL], more].concat())
}

fn check(world: &World, more: &[&str]) -> Ended {
    finish(&mut command(world, more))
}

/// Its lines about these items of the database.
fn told(world: &World, ended: &Ended, items: &[&str]) -> String {
    let items: Vec<String> = items.iter().map(|item| format!("database {item}")).collect();
    about(world, ended, &items.iter().map(String::as_str).collect::<Vec<_>>())
}

fn assert_well(ended: &Ended) {
    assert!(ended.code == 0 && ended.stdout.ends_with("\nAll is well.\n"), "{ended:?}");
}

/// A world in which one alert was told.
fn world_with_one_told() -> World {
    let world = World::new();
    world.clearml.set_time(Clock::system().now());
    assert_eq!(world.once(&[]).code, 0);
    world.clearml.advance(Duration::from_secs(1));
    world.failed_task("resnet50");
    assert_eq!(world.once(&[]).code, 0);
    world
}

fn backup(world: &World) -> String {
    let path = world.folder().join("backup.db");
    let ended = world.run(&["backup", path.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{ended:?}");
    path.to_str().unwrap().to_owned()
}

/// Does what the advice says.
fn restore(world: &World, backup: &str) {
    let ended = world.run(&["restore", backup, "--db", world.database().to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn one_that_is_as_it_should_be() {
    let world = world_with_one_told();
    let ended = check(&world, &[]);
    assert_well(&ended);
    insta::assert_snapshot!(told(&world, &ended, &[""]), @r"
    ok       database  file: [folder]/alerts.db
    ok       database  size: [size], [size] in its WAL
    ok       database  owner: user [uid], mode 600
    ok       database  version: schema 1, as this program writes it
    ok       database  server: [server]
    ok       database  last_poll: [time]; everything up to [time] is recorded
    ok       database  waiting_alerts: 0 pending, 0 unknown, 0 held
    ok       database  dead_alerts: none
    ok       database  kept: everything
    ok       database  silences: none in force
    ok       database  integrity: header and schema are sound; --deep reads every page
    ");
    let deep = check(&world, &["--deep"]);
    assert_well(&deep);
    insta::assert_snapshot!(told(&world, &deep, &["integrity"]), @"ok       database  integrity: every page was read, and all is sound");
}

#[test]
fn one_that_is_not_there_yet() {
    let world = World::new();
    let ended = check(&world, &[]);
    assert_well(&ended);
    insta::assert_snapshot!(told(&world, &ended, &[""]), @"ok       database  file: there is none at [folder]/alerts.db yet; the first `once` or `run` makes it");
    let nowhere = world.folder().join("no/such/alerts.db");
    let with = || check(&world, &["--db", nowhere.to_str().unwrap()]);
    let ended = with();
    assert_eq!(ended.code, 6, "{ended:?}");
    insta::assert_snapshot!(told(&world, &ended, &[""]), @"failed   database  file: there is none at [folder]/no/such/alerts.db yet, and its directory does not exist -> create its directory (mkdir -p [folder]/no/such), or name another file with --db");
    std::fs::create_dir_all(nowhere.parent().unwrap()).unwrap();
    assert_well(&with());
}

#[test]
fn a_channel_whose_alerts_are_held() {
    let world = world_with_one_told();
    world.slack.change_channel(CHANNEL, |channel| channel.archived = true);
    world.failed_task("held back");
    // The second time the name is looked up again.
    for _ in 0..2 {
        world.once(&["--deliver-timeout", "1s"]);
    }
    let ended = check(&world, &[]);
    assert_eq!(ended.code, 4, "{ended:?}");
    let items = ["slack channel", "database waiting_alerts", "database held_channel"];
    insta::assert_snapshot!(about(&world, &ended, &items), @r"
    failed   slack     channel: #ml-alerts (C0MLALERTS, public) is archived -> unarchive it in Slack, or choose another channel with --channel
    warning  database  waiting_alerts: 0 pending, 0 unknown, 1 held -> see why: clearml-alerts history --state held,unknown
    warning  database  held_channel: alerts to ml-alerts are held since [time]: the Slack channel `ml-alerts` is archived: unarchive it, or name another one with --channel -> do what it says; they go out by themselves within a minute
    ");
    world.slack.change_channel(CHANNEL, |channel| channel.archived = false);
    let service = world.start(&[]);
    world.wait_for_state("held back", "sent");
    assert_eq!(service.stop().code, 0);
    let ended = check(&world, &[]);
    assert_well(&ended);
    insta::assert_snapshot!(about(&world, &ended, &items), @r"
    ok       slack     channel: #ml-alerts (C0MLALERTS, public), the bot is in it
    ok       database  waiting_alerts: 0 pending, 0 unknown, 0 held
    ");
    world.assert_alerts(&["resnet50", "held back"]);
}

#[test]
fn how_long_alerts_are_kept() {
    const MONTH_LATER: &str = "2678400000";
    let world = world_with_one_told();
    let later =
        |arguments: &[&str]| finish(world.command(arguments).env("CLEARML_ALERTS_TEST_CLOCK_OFF_BY_MS", MONTH_LATER));
    let keep = ["--keep", "30d"];
    insta::assert_snapshot!(told(&world, &check(&world, &keep), &["kept"]), @"ok       database  kept: 30d; 0 alerts older than that, which go once they are told or dropped");
    world.clearml.advance(Duration::from_hours(24 * 31));
    let usual = ["check", "--local", "--channel", CHANNEL];
    let ended = later(&[&usual[..], &keep].concat());
    insta::assert_snapshot!(told(&world, &ended, &["kept"]), @"ok       database  kept: 30d; 1 alert older than that, which go once they are told or dropped");
    assert_eq!(later(&[&["once", "--channel", CHANNEL][..], &keep].concat()).code, 0);
    let ended = later(&usual);
    assert_well(&ended);
    insta::assert_snapshot!(told(&world, &ended, &["kept"]), @"ok       database  kept: everything from now on; what ended before [time] is not kept any more (--keep)");
}

#[test]
fn silences_in_force() {
    let world = world_with_one_told();
    for scope in [["--project", "^vision/"], ["--user", "Ada"]] {
        let who = ["silence", "add", "--author", "ada", "--reason", "storage maintenance", "--for", "2h"];
        assert_eq!(world.run(&[&who[..], &scope].concat()).code, 0);
    }
    let ended = check(&world, &[]);
    assert_well(&ended);
    insta::assert_snapshot!(told(&world, &ended, &["silences"]), @"ok       database  silences: in force: 2 (user Ada); 1 (project matches `^vision/`)");
    for number in ["1", "2"] {
        assert_eq!(world.run(&["silence", "end", number]).code, 0);
    }
    insta::assert_snapshot!(told(&world, &check(&world, &[]), &["silences"]), @"ok       database  silences: none in force");
}

#[test]
fn what_only_the_deep_look_finds() {
    let world = world_with_one_told();
    let backup = backup(&world);
    let found = |damage: &str| {
        world.sql(damage);
        assert_well(&check(&world, &[]));
        let ended = check(&world, &["--deep"]);
        assert_eq!(ended.code, 6, "{ended:?}");
        let found = told(&world, &ended, &["integrity"]);
        restore(&world, &backup);
        assert_well(&check(&world, &["--deep"]));
        found
    };
    let all = [
        "UPDATE tallies SET sent = sent + 2 WHERE of = 'user'",
        "DELETE FROM tallies WHERE of = 'project'",
        "UPDATE deliveries SET state = 'dead', sent_at = NULL WHERE id = (SELECT delivery_id FROM alerts)",
        "PRAGMA foreign_keys = OFF; DELETE FROM tasks",
    ];
    insta::assert_snapshot!(all.map(found).join("\n"), @r"
    failed   database  integrity: the database [folder]/alerts.db is damaged: the tally of user Ada on day [n] has 2 sent more than there are. Nothing more was written to it -> Put a backup back with `clearml-alerts restore BACKUP --db [folder]/alerts.db` (the damaged file is kept beside it); without a backup, move it aside and start with a fresh file and `--since` to look back
    failed   database  integrity: the database [folder]/alerts.db is damaged: the tally of project vision/resnet on day [n] has 1 sent less than there are. Nothing more was written to it -> Put a backup back with `clearml-alerts restore BACKUP --db [folder]/alerts.db` (the damaged file is kept beside it); without a backup, move it aside and start with a fresh file and `--since` to look back
    failed   database  integrity: the database [folder]/alerts.db is damaged: alert 1 is sent, but its message 1 is dead. Nothing more was written to it -> Put a backup back with `clearml-alerts restore BACKUP --db [folder]/alerts.db` (the damaged file is kept beside it); without a backup, move it aside and start with a fresh file and `--since` to look back
    failed   database  integrity: the database [folder]/alerts.db is damaged: row 1 of alerts refers to a missing row of tasks. Nothing more was written to it -> Put a backup back with `clearml-alerts restore BACKUP --db [folder]/alerts.db` (the damaged file is kept beside it); without a backup, move it aside and start with a fresh file and `--since` to look back
    ");
}

/// Overwrites the page on which an index begins.
fn overwrite_an_index(world: &World) {
    let outside = rusqlite::Connection::open(world.database()).unwrap();
    outside.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let sql =
        "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_schema WHERE name = 'alerts_newest'";
    let (page, size): (u32, u32) = outside.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    drop(outside);
    let (page, size) = (page as usize, size as usize);
    let mut bytes = std::fs::read(world.database()).unwrap();
    bytes[(page - 1) * size..page * size].fill(0x5a);
    std::fs::write(world.database(), bytes).unwrap();
}

#[test]
fn a_page_that_was_overwritten() {
    let world = world_with_one_told();
    let backup = backup(&world);
    overwrite_an_index(&world);
    let ended = check(&world, &["--deep"]);
    assert_eq!(ended.code, 6, "{ended:?}");
    insta::assert_snapshot!(told(&world, &ended, &["integrity"]), @"failed   database  integrity: the database [folder]/alerts.db is damaged: [what SQLite found]. Nothing more was written to it -> Put a backup back with `clearml-alerts restore BACKUP --db [folder]/alerts.db` (the damaged file is kept beside it); without a backup, move it aside and start with a fresh file and `--since` to look back");
    restore(&world, &backup);
    assert_well(&check(&world, &["--deep"]));
}

#[test]
fn files_that_cannot_be_opened() {
    let world = world_with_one_told();
    let backup = backup(&world);
    let with = |path: &Path| {
        let ended = check(&world, &["--db", path.to_str().unwrap()]);
        assert_eq!(ended.code, 6, "{ended:?}");
        told(&world, &ended, &["opened"])
    };
    let text = world.folder().join("notes.txt");
    std::fs::write(&text, "x".repeat(4_096)).unwrap();
    let foreign = world.folder().join("foreign.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE notes (note TEXT)").unwrap();
    insta::assert_snapshot!([text.as_path(), &foreign, world.folder()].map(with).join("\n"), @r"
    failed   database  opened: [folder]/notes.txt is not a database of clearml-alerts (not an SQLite file); nothing was changed -> Name another file with --db
    failed   database  opened: [folder]/foreign.db is not a database of clearml-alerts (an SQLite file of another program); nothing was changed -> Name another file with --db
    failed   database  opened: [folder] is not a database of clearml-alerts (it is a directory); nothing was changed -> Name another file with --db
    ");
    assert_well(&check(&world, &["--db", &backup]));
    world.sql("PRAGMA user_version = 99");
    insta::assert_snapshot!(with(&world.database()), @"failed   database  opened: [folder]/alerts.db was written by a newer clearml-alerts (schema 99; this one knows 1); nothing was changed -> Install the newer version, or go back with `clearml-alerts restore BACKUP --db [folder]/alerts.db`");
    restore(&world, &backup);
    let mut header = std::fs::read(world.database()).unwrap();
    header[..100].fill(0);
    std::fs::write(world.database(), header).unwrap();
    insta::assert_snapshot!(with(&world.database()), @"failed   database  opened: the database [folder]/alerts.db is damaged: its header is overwritten. Nothing more was written to it -> Put a backup back with `clearml-alerts restore BACKUP --db [folder]/alerts.db` (the damaged file is kept beside it); without a backup, move it aside and start with a fresh file and `--since` to look back");
    restore(&world, &backup);
    assert_well(&check(&world, &[]));
}

#[test]
fn a_log_that_was_left_without_its_database() {
    let world = world_with_one_told();
    let backup = backup(&world);
    let log = world.folder().join("alerts.db-wal");
    std::fs::remove_file(world.database()).unwrap();
    std::fs::write(&log, [7; 64]).unwrap();
    let ended = check(&world, &[]);
    assert_eq!((ended.code, world.once(&[]).code), (6, 6), "{ended:?}");
    insta::assert_snapshot!(told(&world, &ended, &[""]), @"failed   database  file: there is no database at [folder]/alerts.db, but its write-ahead log [folder]/alerts.db-wal is there: a new database would swallow what is in it -> Put the database file back, or restore a backup with `clearml-alerts restore BACKUP --db [folder]/alerts.db`, or move the log away");
    restore(&world, &backup);
    assert_well(&check(&world, &["--deep"]));
}

#[test]
fn one_of_another_server_and_one_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let world = world_with_one_told();
    let other = World::new();
    let ended = check(&other, &["--db", world.database().to_str().unwrap()]);
    assert_eq!(ended.code, 6, "{ended:?}");
    insta::assert_snapshot!(plain(&world, &told(&other, &ended, &["server"])), @"failed   database  server: [folder]/alerts.db belongs to [server], and the settings name [server] -> name another file with --db, or the other server");
    std::fs::set_permissions(world.database(), std::fs::Permissions::from_mode(0o644)).unwrap();
    insta::assert_snapshot!(told(&world, &check(&world, &[]), &["owner"]), @"warning  database  owner: user [uid], mode 644: others can read names and console lines -> chmod 600 [folder]/alerts.db");
}

#[test]
fn alerts_that_nobody_could_deliver() {
    use clearml_alerts::sandbox::{Fault, FaultRule};
    let world = world_with_one_told();
    let items = ["waiting_alerts", "dead_alerts"];
    let refused = Fault::slack_error("msg_too_long");
    world.slack.faults().push(FaultRule::next(refused).on("chat.postMessage").times(3));
    world.failed_task("refused");
    world.once(&[]);
    let ended = check(&world, &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    insta::assert_snapshot!(told(&world, &ended, &items), @r"
    ok       database  waiting_alerts: 0 pending, 0 unknown, 0 held
    warning  database  dead_alerts: 1 could not be delivered -> see them with `clearml-alerts dead list`
    ");
    assert_eq!(world.run(&["dead", "list"]).code, 0);
    assert_eq!(world.run(&["dead", "retry", "--all"]).code, 0);
    world.once(&[]);
    assert_well(&check(&world, &[]));
}
