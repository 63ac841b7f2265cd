//! Tests that run in a process of their own: one that can be killed, or that is not root. This test program starts itself
//! again with the name of one of the tests below, which are ignored otherwise; the attacked directory is its working
//! directory.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Output};

use clearml_alerts::store::{Access, Store};

use crate::support::{OWN, QUICK, Short};

/// Whose process.
#[derive(Clone, Copy)]
pub(crate) enum As {
    /// The same user's.
    Same,
    /// One that file permissions mean something to: nobody's where this is root's.
    Nobody,
}

/// The ID that is nobody's by convention.
#[cfg(unix)]
const NOBODY: u32 = 65_534;

/// Starts the test `name` of this module in `directory`.
pub(crate) fn command(name: &str, directory: &Path, who: As) -> Command {
    std::fs::write(directory.join("child"), "").unwrap();
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(copy_for(who, &program, directory));
    command.args(["--exact", &format!("child::{name}"), "--ignored", "--nocapture"]).current_dir(directory);
    #[cfg(unix)]
    if matches!(who, As::Nobody) && is_root() {
        std::os::unix::process::CommandExt::uid(&mut command, NOBODY);
        std::os::unix::process::CommandExt::gid(&mut command, NOBODY);
    }
    command
}

/// Another user may not be able to reach the build directory.
fn copy_for(who: As, program: &Path, directory: &Path) -> std::path::PathBuf {
    if matches!(who, As::Same) {
        return program.to_owned();
    }
    let copy = directory.join("test-program");
    if !copy.exists() {
        std::fs::hard_link(program, &copy).or_else(|_| std::fs::copy(program, &copy).map(drop)).unwrap();
    }
    copy
}

/// Runs it to its end, which must be a good one.
pub(crate) fn run(name: &str, directory: &Path, who: As) {
    let Output { status, stdout, stderr } = command(name, directory, who).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success() && stdout.contains("1 passed"), "{stdout}{stderr}");
}

/// Reads until a line contains `text`.
pub(crate) fn wait_for_line(output: &mut impl Read, text: &str) {
    let mut lines = BufReader::new(output).lines();
    assert!(lines.any(|line| line.unwrap().contains(text)), "it ended without saying `{text}`");
}

#[cfg(unix)]
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    tempfile::tempfile().unwrap().metadata().unwrap().uid() == 0
}

/// Gives files to whom the child runs as.
#[cfg(unix)]
pub(crate) fn give(paths: &[&Path]) {
    if is_root() {
        for path in paths {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
}

/// Whether this is a child, or somebody runs all ignored tests.
fn is_child() -> bool {
    Path::new("child").exists()
}

fn open(access: Access) -> Result<Store, clearml_alerts::store::StoreError> {
    Store::open_with(Path::new("alerts.db"), access, "child", QUICK)
}

fn refused(access: Access) -> String {
    match open(access) {
        Err(error) => format!("{error:?} {error}"),
        Ok(_) => panic!("it was opened with {access:?}"),
    }
}

#[test]
#[ignore = "run in a process of its own by another test"]
fn holds_the_database_until_it_is_killed() {
    if is_child() {
        let store = open(OWN).unwrap();
        store.fail(3);
        println!("holding");
        std::thread::park();
    }
}

#[test]
#[ignore = "run in a process of its own by another test"]
fn opens_and_closes() {
    if is_child() {
        open(Access::Write).unwrap();
    }
}

#[test]
#[ignore = "run in a process of its own by another test"]
fn meets_a_read_only_file() {
    if is_child() {
        for access in [OWN, Access::Write] {
            let text = refused(access);
            assert!(
                text.contains("ReadOnly") && text.contains("alerts.db") && text.contains("make it writable"),
                "{text}"
            );
        }
        assert_eq!(open(Access::Read).unwrap().newest_alert().unwrap(), 1, "looking is possible");
    }
}

#[test]
#[ignore = "run in a process of its own by another test"]
fn meets_a_read_only_directory() {
    if is_child() {
        for access in [OWN, Access::Write] {
            let text = refused(access);
            assert!(text.contains("NotPermitted") || text.contains("ReadOnly"), "{text}");
            assert!(text.contains("alerts.db") && text.contains("--db"), "{text}");
        }
    }
}

#[test]
#[ignore = "run in a process of its own by another test"]
fn meets_a_file_of_somebody_else() {
    if is_child() {
        for access in [OWN, Access::Write, Access::Read] {
            let text = refused(access);
            assert!(text.contains("NotPermitted") && text.contains("Permission denied"), "{text}");
            assert!(text.contains("alerts.db") && text.contains("who owns"), "{text}");
        }
    }
}

#[test]
#[ignore = "run in a process of its own by another test"]
fn meets_a_lock_of_somebody_else() {
    if is_child() {
        let text = refused(OWN);
        assert!(
            text.contains("NotPermitted") && text.contains("its lock") && text.contains("alerts.db.lock"),
            "{text}"
        );
    }
}

#[test]
#[ignore = "run in a process of its own by another test"]
fn meets_a_file_size_limit() {
    if is_child() {
        let store = open(OWN).unwrap();
        let filled = crate::disk_full::fill_up(&store);
        println!("recorded {filled} before the limit");
    }
}
