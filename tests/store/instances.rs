//! Several at one database: one owner, readers beside it, and files that are nobody else's business.

use std::process::Stdio;
use std::time::{Duration, Instant};

use clearml_alerts::store::{Access, Store, StoreError};

use crate::child;
use crate::support::{OWN, Place, QUICK, Short, task, wait};

#[test]
fn a_second_instance_is_refused_and_told_who_the_first_is() {
    let place = Place::new();
    let first = place.own();
    let text = match place.open(OWN) {
        Err(error @ StoreError::InUse { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let process = format!("(process {})", std::process::id());
    for part in [process.as_str(), "--wait-lock", "alerts.db"] {
        assert!(text.contains(part), "{text}");
    }
    let clone = first.clone();
    drop(first);
    assert!(matches!(place.open(OWN), Err(StoreError::InUse { .. })), "a clone still holds it");
    drop(clone);
    place.own();
}

#[test]
fn one_that_waits_gets_the_lock_and_what_the_first_has_made() {
    let place = Place::new();
    let first = place.own();
    let path = place.path();
    let waiting = std::thread::spawn(move || {
        Store::open_with(&path, Access::Own { wait: Duration::from_secs(30) }, "second", QUICK)
    });
    first.fail(1);
    drop(first);
    let second = waiting.join().unwrap().unwrap();
    assert_eq!(second.sql::<i64>("SELECT count(*) FROM alerts"), 1);
}

/// Both looked before there was a file; the second got the lock after the first had made it and gone.
#[test]
fn starting_together_on_a_fresh_path_makes_one_database() {
    let place = Place::new();
    let starts: Vec<_> = (0..6)
        .map(|n| {
            let path = place.path();
            std::thread::spawn(move || {
                let access = Access::Own { wait: Duration::from_secs(30) };
                let store = Store::open_with(&path, access, &format!("instance {n}"), QUICK).unwrap();
                store.fail(1);
                wait(store.monitor()).unwrap().instance
            })
        })
        .collect();
    let instances: Vec<String> = starts.into_iter().map(|start| start.join().unwrap()).collect();
    assert!(instances.iter().all(|instance| *instance == instances[0]), "{instances:?}");
    assert_eq!(place.own().sql::<i64>("SELECT count(*) FROM alerts"), 6);
}

#[test]
fn waiting_ends() {
    let place = Place::new();
    let _first = place.own();
    let began = Instant::now();
    let access = Access::Own { wait: Duration::from_millis(400) };
    assert!(matches!(place.open(access), Err(StoreError::InUse { .. })));
    assert!(began.elapsed() >= Duration::from_millis(380));
}

#[test]
fn readers_and_other_writers_work_beside_the_owner() {
    let place = Place::new();
    let owner = place.own();
    let alerts = owner.fail(2);
    let reader = place.open(Access::Read).unwrap();
    let writer = place.open(Access::Write).unwrap();
    owner
        .write_now(|tx| {
            tx.execute("UPDATE tasks SET name = 'in the middle of a transaction'", [])?;
            assert_eq!(reader.newest_alert().unwrap(), alerts[1]);
            Ok(())
        })
        .unwrap();
    owner.fail(1);
    assert_eq!(reader.newest_alert().unwrap(), 3, "a reader sees what is committed");
    wait(writer.park_channel("#x", "why", crate::support::at(1), crate::support::at(2))).unwrap();
    assert!(wait(owner.channel("#x")).unwrap().parked_at.is_some());
    let refused = reader.write_now(|tx| tx.execute("DELETE FROM alerts", []));
    assert!(matches!(refused, Err(StoreError::ReadOnly { .. })));
}

#[test]
fn only_the_owner_makes_a_file() {
    for access in [Access::Read, Access::Write] {
        let place = Place::new();
        let error = place.open(access).unwrap_err();
        assert!(matches!(error, StoreError::Missing { .. }), "{error}");
        assert!(error.to_string().contains("clearml-alerts run"), "{error}");
        assert_eq!(std::fs::read_dir(place.directory.path()).unwrap().count(), 0, "nothing was made");
    }
}

#[cfg(unix)]
#[test]
fn every_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let store = place.own();
    store.fail(1);
    wait(store.backup(&place.beside(".copy"), clearml_alerts::store::Overwrite::Never)).unwrap();
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(place.directory.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
        seen.push(entry.file_name().into_string().unwrap());
    }
    seen.sort();
    assert_eq!(seen, ["alerts.db", "alerts.db-shm", "alerts.db-wal", "alerts.db.copy", "alerts.db.lock"]);
}

/// Through a link or not, it is one database with one lock and one log.
#[cfg(unix)]
#[test]
fn a_link_leads_to_the_same_lock() {
    let place = Place::new();
    let owner = place.own();
    owner.fail(1);
    let elsewhere = Place::new();
    std::os::unix::fs::symlink(place.path(), elsewhere.path()).unwrap();
    let through = Store::open_with(&elsewhere.directory.path().join("alerts.db"), OWN, "second", QUICK);
    assert!(matches!(through, Err(StoreError::InUse { .. })), "{through:?}");
    let reader = Store::open(&elsewhere.directory.path().join("alerts.db"), Access::Read, "").unwrap();
    assert_eq!(reader.newest_alert().unwrap(), 1);
}

#[test]
fn a_killed_instance_leaves_no_lock_and_loses_nothing() {
    let place = Place::new();
    let mut other = child::command(child::Part::HoldUntilKilled, place.directory.path(), child::As::Same);
    let mut other = other.stdout(Stdio::piped()).spawn().unwrap();
    child::wait_for_line(other.stdout.as_mut().unwrap(), "holding");
    assert!(matches!(place.open(OWN), Err(StoreError::InUse { .. })));
    let reader = place.open(Access::Read).unwrap();
    assert_eq!(reader.newest_alert().unwrap(), 3);
    other.kill().unwrap();
    other.wait().unwrap();
    let store = place.own();
    assert_eq!(store.newest_alert().unwrap(), 3);
    assert_eq!(store.page(&[task("t0", "failed", 1_000)]).unwrap().alerts, [], "and knows what it knew");
}

/// A look at the file's first bytes must not cost this process the locks that SQLite holds for it: another program that
/// closes the database would believe itself alone, and take the log away.
#[cfg(target_os = "linux")]
#[test]
fn looking_again_keeps_the_locks() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    let owner = place.own();
    owner.fail(1);
    let file = format!(":{} ", std::fs::metadata(place.path()).unwrap().ino());
    let is_locked = || {
        let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
        locks.lines().any(|line| line.contains("POSIX") && line.contains(&file))
    };
    if !is_locked() {
        eprintln!("skipped: this system does not show its locks");
        return;
    }
    drop(place.open(Access::Read).unwrap());
    assert!(is_locked());
    assert!(matches!(place.open(OWN), Err(StoreError::InUse { .. })));
    assert!(is_locked());
    child::run(child::Part::OpenAndClose, place.directory.path(), child::As::Same);
    assert!(place.beside("-wal").exists(), "the owner's log");
    owner.fail(1);
    assert_eq!(owner.newest_alert().unwrap(), 2);
    wait(owner.check_deep()).unwrap();
}

#[test]
fn calls_side_by_side_all_count() {
    let place = Place::new();
    let store = place.own();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let calls: Vec<_> = (0..40)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move { store.remember_channel(&format!("#{n}"), "C1").await })
            })
            .collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
    });
    assert_eq!(store.sql::<i64>("SELECT count(*) FROM channels"), 40);
    assert_eq!(store.sql::<i64>("SELECT generation FROM monitor"), 40);
}

#[test]
fn debug_output_names_the_file_only() {
    let place = Place::new();
    let text = format!("{:?}", place.own());
    assert!(text.starts_with("Store { path:") && text.contains("alerts.db"), "{text}");
}
