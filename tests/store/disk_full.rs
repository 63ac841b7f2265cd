//! No space: the same small words wherever it runs out, nothing half-written, and on it goes once there is some.

use clearml_alerts::store::{Access, Limits, Overwrite, Store, StoreError};

use crate::child;
use crate::support::{OWN, Place, QUICK, Short, task, wait};

/// Fails tasks, 20 a page, until there is no space for them; a page is in it whole or not at all. Returns how many pages.
pub(crate) fn fill_up(store: &Store) -> i64 {
    for page in 0..10_000 {
        let tasks: Vec<_> = (0..20).map(|n| task(&format!("t{page}-{n}"), "failed", 1_000 + page)).collect();
        let Err(error) = store.page(&tasks) else { continue };
        let text = error.to_string();
        assert!(matches!(error, StoreError::Full { .. }) && error.is_passing(), "{error:?}");
        assert!(
            text.contains("no space left") && text.contains("alerts.db") && text.contains("nothing is lost"),
            "{text}"
        );
        assert_eq!(store.sql::<i64>("SELECT count(*) FROM alerts"), page * 20, "whole pages");
        assert_eq!(store.sql::<i64>("SELECT count(*) FROM tasks"), page * 20);
        assert_eq!(store.sql::<i64>("SELECT count(*) FROM transitions"), page * 20);
        assert_eq!(store.sql::<i64>("SELECT watermark FROM monitor"), 999 + page);
        wait(store.check_deep()).unwrap();
        return page;
    }
    panic!("it never ran out of space");
}

/// Where the file may not grow.
#[test]
fn a_limit_of_pages() {
    let place = Place::new();
    drop(place.own());
    let narrow = Limits { max_pages: Some(80), ..QUICK };
    let pages = {
        let store = Store::open_with(&place.path(), OWN, "test", narrow).unwrap();
        fill_up(&store)
    };
    assert!(pages > 0);
    let store = place.own();
    let tasks: Vec<_> = (0..20).map(|n| task(&format!("t{pages}-{n}"), "failed", 1_000 + pages)).collect();
    assert_eq!(store.page(&tasks).unwrap().alerts.len(), 20, "the page that did not fit is recorded now");
}

/// Where the system cuts writes short: a quota shows itself in the same way.
#[cfg(unix)]
#[test]
fn a_limit_of_the_system() {
    let place = Place::new();
    drop(place.own());
    let direct = child::command(child::Part::MeetFileSizeLimit, place.directory.path(), child::As::Same);
    let mut limited = std::process::Command::new("sh");
    // In blocks of 512 bytes. Ignored, the signal becomes an error of the write.
    limited.args(["-c", "trap '' XFSZ; ulimit -f 600; exec \"$@\"", "sh"]);
    limited.arg(direct.get_program()).args(direct.get_args()).current_dir(place.directory.path());
    limited.envs(direct.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = limited.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("before the limit"), "{text}");
    let store = place.own();
    wait(store.check_deep()).unwrap();
    store.fail(20);
}

/// A real disk, as small as it gets; only root may make one.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_and_then_some_space() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: no small disk can be mounted here");
        return;
    };
    let place = &disk.place;
    let store = place.own();
    let ballast = place.beside(".ballast");
    std::fs::write(&ballast, vec![0; 300_000]).unwrap();
    let pages = fill_up(&store);
    assert!(matches!(wait(store.backup(&place.beside(".copy"), Overwrite::Never)), Err(StoreError::Full { .. })));
    assert!(!place.beside(".copy").exists(), "no half of a copy");
    let reader = place.open(Access::Read).unwrap();
    assert_eq!(reader.newest_alert().unwrap(), pages * 20, "looking needs no space");
    std::fs::remove_file(&ballast).unwrap();
    let tasks: Vec<_> = (0..20).map(|n| task(&format!("t{pages}-{n}"), "failed", 1_000 + pages)).collect();
    assert_eq!(store.page(&tasks).unwrap().alerts.len(), 20, "the same store goes on");
    wait(store.check_deep()).unwrap();
}

/// No space for even an empty database.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_from_the_start() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: no small disk can be mounted here");
        return;
    };
    let place = &disk.place;
    let ballast = place.beside(".ballast");
    let mut size = 1_100_000;
    while std::fs::write(&ballast, vec![0; size]).is_err() {
        size -= 4_096;
    }
    let error = place.open(OWN).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert!(!place.path().exists(), "no half of a database");
    std::fs::remove_file(&ballast).unwrap();
    place.own().fail(1);
}

#[cfg(target_os = "linux")]
struct SmallDisk {
    place: Place,
}

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn mount() -> Option<Self> {
        let place = Place::new();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(place.directory.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then_some(Self { place })
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.place.directory.path()).output();
    }
}
