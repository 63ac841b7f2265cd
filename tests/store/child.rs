//! What tests do in a process of their own: one that can be killed, or that is not root. This test program starts itself
//! again, with the one test below and a variable that says which part to play; the attacked directory is its working
//! directory.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "parent and child talk through a variable and standard output"
)]

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

/// Which part a process is to play.
const PART: &str = "CLEARML_ALERTS_TEST_STORE_PART";

/// What a process of its own is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    HoldUntilKilled,
    OpenAndClose,
    MeetReadOnlyFile,
    MeetReadOnlyDirectory,
    MeetFileOfSomebodyElse,
    MeetLockOfSomebodyElse,
    MeetFileSizeLimit,
}

impl Part {
    const ALL: [Self; 7] = [
        Self::HoldUntilKilled,
        Self::OpenAndClose,
        Self::MeetReadOnlyFile,
        Self::MeetReadOnlyDirectory,
        Self::MeetFileOfSomebodyElse,
        Self::MeetLockOfSomebodyElse,
        Self::MeetFileSizeLimit,
    ];

    fn word(self) -> String {
        format!("{self:?}")
    }

    fn play(self) {
        match self {
            Self::HoldUntilKilled => hold_until_killed(),
            Self::OpenAndClose => drop(open(Access::Write).unwrap()),
            Self::MeetReadOnlyFile => meet_read_only_file(),
            Self::MeetReadOnlyDirectory => meet_read_only_directory(),
            Self::MeetFileOfSomebodyElse => meet_file_of_somebody_else(),
            Self::MeetLockOfSomebodyElse => meet_lock_of_somebody_else(),
            Self::MeetFileSizeLimit => meet_file_size_limit(),
        }
    }
}

/// In a process of its own this plays the part that the parent asked for. In the usual run it sees that each part can be
/// asked for, and by no other's name.
#[test]
fn plays_its_part() {
    match std::env::var(PART) {
        Ok(word) => Part::ALL.into_iter().find(|part| part.word() == word).expect("a known part").play(),
        Err(_) => {
            let words: std::collections::BTreeSet<String> = Part::ALL.into_iter().map(Part::word).collect();
            assert_eq!(words.len(), Part::ALL.len(), "{words:?}");
        }
    }
}

/// Prepares a process that plays `part` in `directory`.
pub(crate) fn command(part: Part, directory: &Path, who: As) -> Command {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(copy_for(who, &program, directory));
    command.args(["--exact", "child::plays_its_part", "--nocapture"]).env(PART, part.word()).current_dir(directory);
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
pub(crate) fn run(part: Part, directory: &Path, who: As) {
    let Output { status, stdout, stderr } = command(part, directory, who).output().unwrap();
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

fn open(access: Access) -> Result<Store, clearml_alerts::store::StoreError> {
    Store::open_with(Path::new("alerts.db"), access, "child", QUICK)
}

fn refused(access: Access) -> String {
    match open(access) {
        Err(error) => format!("{error:?} {error}"),
        Ok(_) => panic!("it was opened with {access:?}"),
    }
}

fn hold_until_killed() {
    let store = open(OWN).unwrap();
    store.fail(3);
    println!("holding");
    std::thread::park();
}

fn meet_read_only_file() {
    for access in [OWN, Access::Write] {
        let text = refused(access);
        assert!(text.contains("ReadOnly") && text.contains("alerts.db") && text.contains("make it writable"), "{text}");
    }
    assert_eq!(open(Access::Read).unwrap().newest_alert().unwrap(), 1, "looking is possible");
}

fn meet_read_only_directory() {
    for access in [OWN, Access::Write] {
        let text = refused(access);
        assert!(text.contains("NotPermitted") || text.contains("ReadOnly"), "{text}");
        assert!(text.contains("alerts.db") && text.contains("--db"), "{text}");
    }
}

fn meet_file_of_somebody_else() {
    for access in [OWN, Access::Write, Access::Read] {
        let text = refused(access);
        assert!(text.contains("NotPermitted") && text.contains("Permission denied"), "{text}");
        assert!(text.contains("alerts.db") && text.contains("who owns"), "{text}");
    }
}

fn meet_lock_of_somebody_else() {
    let text = refused(OWN);
    assert!(text.contains("NotPermitted") && text.contains("its lock") && text.contains("alerts.db.lock"), "{text}");
}

fn meet_file_size_limit() {
    let store = open(OWN).unwrap();
    let filled = crate::disk_full::fill_up(&store);
    println!("recorded {filled} before the limit");
}
