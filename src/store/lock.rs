//! The instance lock: one monitor works on a database at a time. The lock is the operating system's, so a killed monitor
//! leaves none behind; the file also keeps the number of the last write, to notice a database that went back in time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::error::StoreError;
use super::file::beside;

/// How often a waiting start looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Even who will not wait waits so long: between fork and exec a child process holds every open file of its parent, and
/// with it a lock that the parent has just given up.
const GRACE: Duration = Duration::from_millis(200);

/// The lock, held while this value lives.
#[derive(Debug)]
pub struct InstanceLock {
    file: Mutex<File>,
    last_generation: AtomicI64,
}

impl InstanceLock {
    /// Takes the lock of the database at `path`, waiting for at most `wait`.
    pub fn acquire(path: &Path, wait: Duration) -> Result<Self, StoreError> {
        let place = beside(path, ".lock");
        let on_io = |error: std::io::Error| of_lock(path, &place, &error);
        let mut file = open(&place).map_err(on_io)?;
        let (wait, mut waited) = (wait.max(GRACE), Duration::ZERO);
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(on_io(error)),
                Err(TryLockError::WouldBlock) if waited >= wait => {
                    let holder =
                        read(&mut file).map_or_else(String::new, |(process, _)| format!(" (process {process})"));
                    return Err(StoreError::InUse { path: path.to_owned(), holder });
                }
                Err(TryLockError::WouldBlock) => {
                    std::thread::sleep(LOOK_AGAIN);
                    waited += LOOK_AGAIN;
                }
            }
        }
        let last_generation = read(&mut file).map_or(0, |(_, generation)| generation);
        let lock = Self { file: Mutex::new(file), last_generation: AtomicI64::new(last_generation) };
        lock.note(last_generation).map_err(on_io)?;
        Ok(lock)
    }

    /// The number of the last write that the previous holder noted; 0 where there was none.
    pub fn last_generation(&self) -> i64 {
        self.last_generation.load(Ordering::SeqCst)
    }

    /// Forgets the previous holder's last write: the database is about to be made anew.
    pub fn forget_generation(&self) -> std::io::Result<()> {
        self.note(0)
    }

    /// Notes the number of the last write. Not synced: after a power cut an older number is harmless.
    pub fn note(&self, generation: i64) -> std::io::Result<()> {
        self.last_generation.store(generation, Ordering::SeqCst);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let text = format!("{:<12}{generation:<20}\n", std::process::id());
        file.seek(SeekFrom::Start(0))?;
        file.write_all(text.as_bytes())
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// An error about the lock file, told with its own name: the database beside it may be fine.
fn of_lock(path: &Path, place: &Path, error: &std::io::Error) -> StoreError {
    match StoreError::from_io(path, error) {
        StoreError::NotPermitted { path, detail } => {
            StoreError::NotPermitted { path, detail: format!("its lock {}: {detail}", place.display()) }
        }
        other => other,
    }
}

/// The number of the last write that a monitor noted beside the database at `path`, read without the lock.
pub(super) fn noted_generation(path: &Path) -> Option<i64> {
    read(&mut File::open(beside(path, ".lock")).ok()?).map(|(_, generation)| generation)
}

fn read(file: &mut File) -> Option<(u32, i64)> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(64).read_to_string(&mut text).ok()?;
    let mut words = text.split_whitespace();
    let process = words.next()?.parse().ok()?;
    Some((process, words.next().and_then(|word| word.parse().ok()).unwrap_or(0)))
}
