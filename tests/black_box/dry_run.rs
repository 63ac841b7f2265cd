//! `once --dry-run`: says what it would do, and does nothing.

use std::collections::BTreeMap;

use crate::cast;
use crate::world::{CHANNEL, World, finish};

/// Every file in the world's folder, by name, with its bytes; but not what SQLite itself needs to look into a database
/// (an empty log, and its index).
fn files(world: &World) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(world.folder()).unwrap().map(Result::unwrap);
    let with_bytes = |entry: std::fs::DirEntry| {
        (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap_or_default())
    };
    let is_ours =
        |(name, bytes): &(String, Vec<u8>)| !(name.ends_with("-shm") || name.ends_with("-wal") && bytes.is_empty());
    entries.map(with_bytes).filter(is_ours).collect()
}

fn dry(world: &World, more: &[&str]) -> String {
    let ended = world.run(&[&["once", "--dry-run"], more].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.stdout
}

#[test]
fn on_a_fresh_database_nothing_is_made() {
    let world = World::new();
    cast::assemble(&world);
    let told = dry(&world, &["--channel", CHANNEL]);
    assert!(told.contains("A first run would begin to watch now and alert nothing yet"), "{told}");
    assert!(told.contains("Would be sent to ml-alerts: 0"), "{told}");
    let told = dry(&world, &["--channel", CHANNEL, "--since", "24h"]);
    let (kept, sent) = told.split_once("Would be sent to ml-alerts: 4").unwrap();
    assert!(kept.contains("Would not be sent: 5"), "{told}");
    for name in cast::USUAL {
        assert!(sent.contains(name), "{told}");
    }
    for why in ["manual: started by hand", "archived: archived", "status: completed, watched: failed"] {
        assert!(kept.contains(why), "{told}");
    }
    assert!(files(&world).is_empty(), "{:?}", files(&world).keys());
    assert_eq!(world.slack.requests().total(), 0);
}

#[test]
fn on_a_database_that_is_there_not_a_byte_changes_and_the_service_may_run() {
    let world = World::new();
    world.once(&[]);
    world.failed_task("waiting");
    let before = files(&world);
    let told = dry(&world, &["--channel", CHANNEL]);
    assert!(told.contains("Would be sent to ml-alerts: 1") && told.contains("waiting"), "{told}");
    assert!(files(&world) == before, "{:?}", files(&world).keys());
    world.slack.set_online(false);
    assert_eq!(world.once(&["--deliver-timeout", "50ms"]).code, 4);
    world.slack.set_online(true);
    let told = dry(&world, &["--channel", CHANNEL]);
    assert!(told.contains("Besides, 1 alert of earlier runs would be tried again."), "{told}");
    let requests = world.slack.requests().total();
    let service = world.start(&[]);
    world.wait_for_messages(1);
    let told = dry(&world, &["--channel", CHANNEL]);
    assert!(told.contains("Would be sent to ml-alerts: 0"), "{told}");
    assert_eq!(service.stop().code, 0);
    assert!(world.slack.requests().total() > requests);
    world.assert_alerts(&["waiting"]);
}

#[test]
fn it_needs_neither_token_nor_channel_and_takes_every_spelling() {
    let world = World::new();
    cast::assemble(&world);
    for line in [&["--dry-run"][..], &["--dry_run"], &["--dry_run", "True"], &["--dry-run=true"]] {
        let line = [&["once", "--since", "24h"], line].concat();
        let ended = finish(world.command(&line).env_remove("SLACK_API_TOKEN").env_remove("SLACK_API_URL"));
        assert_eq!(ended.code, 0, "{line:?}: {ended:?}");
        assert!(ended.stdout.contains("Would be sent: 4"), "{line:?}: {ended:?}");
    }
}

#[test]
fn it_refuses_what_a_real_run_would_refuse() {
    let world = World::new();
    cast::assemble(&world);
    for (flags, code) in [
        (&["--project", "vison"][..], 2),
        (&["--refresh-rate", "0"], 2),
        (&["--include-users", "a", "--exclude-users", "b"], 2),
    ] {
        let ended = world.run(&[&["once", "--dry-run", "--channel", CHANNEL], flags].concat());
        assert_eq!(ended.code, code, "{flags:?}: {ended:?}");
    }
    world.clearml.set_online(false);
    assert_eq!(world.run(&["once", "--dry-run"]).code, 3);
    world.clearml.set_online(true);
    world.once(&[]);
    let other =
        clearml_alerts::sandbox::SimulatedClearml::start(clearml_alerts::sandbox::ClearmlOptions::default()).unwrap();
    let ended = finish(world.command(&["once", "--dry-run"]).env("CLEARML_API_HOST", other.url()));
    assert_eq!(ended.code, 6, "{ended:?}");
    assert!(ended.stderr.contains(world.database().to_str().unwrap()), "{ended:?}");
}
