//! Copies made while the service runs, put back, and databases accepted as they stand.

use std::path::Path;

use clearml_alerts::domain::AlertState;
use clearml_alerts::domain::delivery::{Answer, Step};
use clearml_alerts::store::{Access, Attempt, Overwrite, Store, StoreError};

use crate::support::{CHANNEL, OWN, Place, QUICK, Short, at, wait};

fn open(path: &Path) -> Store {
    Store::open_with(path, Access::Read, "", QUICK).unwrap()
}

fn alerts(store: &Store) -> i64 {
    store.sql("SELECT count(*) FROM alerts")
}

#[test]
fn a_copy_is_whole_while_others_write() {
    let place = Place::new();
    let store = place.own();
    store.fail(500);
    let copies = Place::new();
    std::thread::scope(|scope| {
        let writing = store.clone();
        let writer = scope.spawn(move || (0..40).for_each(|_| drop(writing.fail(5))));
        for number in 0..5 {
            let copy = copies.beside(&format!(".{number}"));
            wait(store.backup(&copy, Overwrite::Never)).unwrap();
            let whole = open(&copy);
            assert_eq!(alerts(&whole) % 5, 0, "whole transactions only");
            wait(whole.check_deep()).unwrap();
        }
        writer.join().unwrap();
    });
    assert_eq!(alerts(&store), 700);
    let reader = place.open(Access::Read).unwrap();
    wait(reader.backup(&copies.path(), Overwrite::Never)).unwrap();
    assert_eq!(alerts(&open(&copies.path())), 700, "a reader copies, too, with what only the log holds");
}

#[test]
fn a_copy_takes_no_files_place_unless_asked_to() {
    let place = Place::with_one_alert();
    let store = place.own();
    let copy = place.beside(".copy");
    std::fs::write(&copy, "somebody's letter").unwrap();
    let error = wait(store.backup(&copy, Overwrite::Never)).unwrap_err();
    assert!(matches!(error, StoreError::Exists { .. }) && error.to_string().contains("alerts.db.copy"), "{error}");
    assert_eq!(std::fs::read(&copy).unwrap(), b"somebody's letter");
    wait(store.backup(&copy, Overwrite::Yes)).unwrap();
    assert_eq!(alerts(&open(&copy)), 1);
    store.fail(1);
    drop(Store::open_with(&copy, Access::Write, "", QUICK).unwrap().fail(7));
    std::fs::copy(Place::killed().beside("-wal"), place.beside(".copy-wal")).unwrap();
    wait(store.backup(&copy, Overwrite::Yes)).unwrap();
    assert_eq!(alerts(&open(&copy)), 2, "nothing of the copy before it comes back");
    let onto_itself = wait(store.backup(&place.path(), Overwrite::Yes)).unwrap_err();
    assert!(matches!(onto_itself, StoreError::Exists { .. }));
    let nowhere = wait(store.backup(&place.directory.path().join("no/where"), Overwrite::Never)).unwrap_err();
    assert!(matches!(nowhere, StoreError::NoDirectory { .. }), "{nowhere}");
    let other = Place::with_one_alert();
    let watched = other.own();
    assert!(matches!(wait(store.backup(&other.path(), Overwrite::Yes)), Err(StoreError::InUse { .. })));
    drop(watched);
}

#[test]
fn a_backup_comes_back_and_the_replaced_one_is_kept() {
    let place = Place::new();
    let copy = place.beside(".copy");
    {
        let store = place.own();
        store.fail(2);
        wait(store.backup(&copy, Overwrite::Never)).unwrap();
        store.fail(3);
    }
    for number in 1..=2 {
        let restored = Store::restore(&copy, &place.path()).unwrap();
        assert_eq!(restored.kept_aside, Some(place.beside(&format!(".before-restore-{number}"))));
        assert_eq!(restored.watermark, Some(at(1_001)));
        assert_eq!(alerts(&open(&place.path())), 2);
    }
    assert_eq!(alerts(&open(&place.beside(".before-restore-1"))), 5);
    let store = place.own();
    wait(store.check_deep()).unwrap();
    assert_eq!(store.fail(1).len(), 1, "it goes on");
    assert_eq!(store.sql::<String>("PRAGMA journal_mode"), "wal");
}

/// A log left beside it would be replayed into whatever stands there.
#[test]
fn the_log_of_the_replaced_one_goes_with_it() {
    let source = Place::with_one_alert();
    let place = Place::killed();
    let restored = Store::restore(&source.path(), &place.path()).unwrap();
    assert_eq!(alerts(&place.own()), 1);
    wait(place.own().check_deep()).unwrap();
    assert_eq!(alerts(&open(&restored.kept_aside.unwrap())), 21, "kept whole, log and all");
}

/// It may have been sent after the copy was made: only Slack knows.
#[test]
fn what_a_restored_copy_says_is_still_to_be_sent_is_looked_for_first() {
    let place = Place::new();
    let copy = place.beside(".copy");
    let store = place.own();
    let ids = store.fail(4);
    let first = store.post(&ids[..1]);
    let second = store.post(&ids[1..2]);
    store.send(second, Answer::OperatorMustAct, Step::Park { due: at(90_000) }).unwrap();
    store.post(&ids[2..3]);
    wait(store.backup(&copy, Overwrite::Never)).unwrap();
    drop(store);
    assert_eq!(Store::restore(&copy, &place.path()).unwrap().to_look_for, 3);
    let store = place.own();
    assert_eq!(&store.states()[..3], [AlertState::Unknown; 3]);
    let lost = wait(store.lost_answers(CHANNEL, at(0))).unwrap();
    assert_eq!(lost.len(), 3);
    assert!(lost.iter().all(|lost| lost.first_try_at.is_some()), "a look has a beginning");
    let attempt = Attempt { delivery: first, payload_sha256: String::new(), payload_bytes: 0 };
    assert!(wait(store.begin_attempt(attempt, at(1), at(1))).is_err());
    wait(store.check_deep()).unwrap();
}

#[test]
fn a_backup_replaces_what_is_missing_damaged_or_too_new() {
    type Harm = fn(&Place);
    let source = Place::with_one_alert();
    let harms: [(&str, Harm); 6] = [
        ("nothing there", |_| {}),
        ("an empty file", |place| std::fs::write(place.path(), "").unwrap()),
        ("cut off", |place| {
            place.own().fail(1);
            let file = std::fs::OpenOptions::new().write(true).open(place.path()).unwrap();
            file.set_len(8_192).unwrap();
        }),
        ("header overwritten", |place| {
            place.own().fail(1);
            std::fs::write(place.path(), "#!/bin/sh\nrm -rf /\n".repeat(900)).unwrap();
        }),
        ("a log without its database", |place| std::fs::write(place.beside("-wal"), "leftover").unwrap()),
        ("of a newer version", |place| {
            place.own().fail(1);
            place.own().execute("PRAGMA user_version = 99");
        }),
    ];
    for (what, harm) in harms {
        let place = Place::new();
        harm(&place);
        Store::restore(&source.path(), &place.path()).unwrap_or_else(|error| panic!("{what}: {error}"));
        let store = place.own();
        assert_eq!(alerts(&store), 1, "{what}");
        wait(store.check_deep()).unwrap();
    }
}

#[test]
fn what_cannot_be_restored_is_refused_and_nothing_is_changed() {
    let good = Place::with_one_alert();
    let place = Place::with_one_alert();
    let refuse = |from: &Path, to: &Path, word: &str| {
        let before = (good.bytes(), place.bytes());
        let error = format!("{:?}", Store::restore(from, to).unwrap_err());
        assert!(error.starts_with(word), "{error}");
        assert_eq!((good.bytes(), place.bytes()), before, "{word}");
    };
    let at = |name: &str| place.directory.path().join(name);
    std::fs::write(at("letter"), "Dear Sir, ".repeat(100)).unwrap();
    rusqlite::Connection::open(at("other.db")).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    refuse(&at("missing"), &place.path(), "Missing");
    refuse(&at("letter"), &place.path(), "Foreign");
    refuse(&at("other.db"), &place.path(), "Foreign");
    refuse(place.directory.path(), &place.path(), "Foreign");
    refuse(&good.path(), &at("letter"), "Foreign");
    refuse(&good.path(), &at("other.db"), "Foreign");
    refuse(&good.path(), &at("no/where.db"), "NoDirectory");
    refuse(&at("letter"), &at("letter"), "Foreign");
    let mut damaged = std::fs::read(good.path()).unwrap();
    damaged[8_192..16_384].fill(0x5a);
    std::fs::write(at("damaged.db"), damaged).unwrap();
    refuse(&at("damaged.db"), &place.path(), "Damaged");
    refuse(&at("damaged.db"), &at("damaged.db"), "Damaged");
    let owner = place.own();
    let error = Store::restore(&good.path(), &place.path()).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    drop(owner);
}

#[test]
fn a_rewound_database_is_accepted_by_restoring_it_onto_itself() {
    let place = Place::with_one_alert();
    let older = std::fs::read(place.path()).unwrap();
    place.own().fail(3);
    std::fs::write(place.path(), &older).unwrap();
    assert!(matches!(place.open(OWN), Err(StoreError::Rewound { .. })));
    let restored = Store::restore(&place.path(), &place.path()).unwrap();
    assert_eq!((restored.kept_aside, restored.watermark), (None, Some(at(1_000))));
    let store = place.own();
    assert_eq!(store.fail(1).len(), 1);
    drop(store);
    assert_eq!(alerts(&place.own()), 2);
}

/// The way out that the message about a useless log would lead to, too.
#[test]
fn a_database_whose_log_is_garbage_is_accepted_without_it() {
    let place = Place::with_one_alert();
    std::fs::write(place.beside("-wal"), "garbage ".repeat(100)).unwrap();
    assert!(matches!(place.open(OWN), Err(StoreError::Damaged { .. })));
    Store::restore(&place.path(), &place.path()).unwrap();
    assert_eq!(std::fs::read(place.beside(".before-restore-1-wal")).unwrap(), "garbage ".repeat(100).as_bytes());
    assert_eq!(alerts(&place.own()), 1);
}

/// A reader of the replaced file is told, and does not mix the two.
#[cfg(unix)]
#[test]
fn whoever_still_reads_the_replaced_file_is_told() {
    let place = Place::with_one_alert();
    let copy = place.beside(".copy");
    wait(place.own().backup(&copy, Overwrite::Never)).unwrap();
    let reader = place.open(Access::Read).unwrap();
    Store::restore(&copy, &place.path()).unwrap();
    let error = reader.newest_alert().unwrap_err();
    assert!(matches!(error, StoreError::Replaced { .. }) && !error.is_passing(), "{error}");
}

#[test]
fn the_deep_check_reads_what_the_cheap_one_does_not() {
    let place = Place::new();
    let store = place.own();
    store.post(&store.fail(200)[..100]);
    wait(store.check_deep()).unwrap();
    store.execute("UPDATE alerts SET state = 'held' WHERE id = 1");
    let error = wait(store.check_deep()).unwrap_err().to_string();
    assert!(error.contains("alert 1 is held, but its message 1 is pending"), "{error}");
    store.execute("UPDATE alerts SET state = 'pending' WHERE id = 1");
    let dangle = "PRAGMA defer_foreign_keys = on; DELETE FROM tasks WHERE task_id = 't7'";
    assert!(store.write_now(|tx| tx.execute_batch(dangle)).is_err(), "references are enforced");
    drop(store);
    rusqlite::Connection::open(place.path())
        .unwrap()
        .execute_batch("PRAGMA foreign_keys = off; DELETE FROM tasks WHERE task_id = 't7'")
        .unwrap();
    let error = wait(place.own().check_deep()).unwrap_err().to_string();
    assert!(error.contains("refers to a missing row of tasks"), "{error}");
}
