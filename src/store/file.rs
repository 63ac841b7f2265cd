//! The database file, looked at from outside: what it is, before it is opened as a database. Refuses rather than
//! guesses: a file that is not surely ours, and sound as far as a look at its first bytes can tell, is not opened.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::StoreError;
use super::lock;
use super::schema::{self, APPLICATION_ID, SCHEMA_VERSION};

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const HEADER_BYTES: usize = 100;
const WAL_HEADER_BYTES: usize = 32;
/// The first four bytes of a write-ahead log; the last bit tells the byte order of its checksums.
const WAL_MAGIC: u32 = 0x377f_0682;

/// What a look at the file's first bytes tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No file, or an empty one.
    Nothing,
    /// One of ours.
    Ours,
}

/// The file's own name, links followed: SQLite puts its companions beside the file a link leads to, and so must the lock
/// be. Refuses a directory that is not there.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    let directory = directory_of(path);
    let metadata = std::fs::metadata(&directory).map_err(|error| match error.kind() {
        ErrorKind::NotFound => StoreError::NoDirectory { directory: directory.clone() },
        _ => StoreError::from_io(path, &error),
    })?;
    let name = path.file_name();
    let Some(name) = name.filter(|_| metadata.is_dir()) else {
        let detail = if name.is_none() { "not a file's name" } else { "its directory is not a directory" };
        return Err(StoreError::NotPermitted { path: path.to_owned(), detail: detail.to_owned() });
    };
    match std::fs::canonicalize(path) {
        Ok(resolved) => Ok(resolved),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let directory = std::fs::canonicalize(&directory).map_err(|error| StoreError::from_io(path, &error))?;
            Ok(directory.join(name))
        }
        Err(error) => Err(StoreError::from_io(path, &error)),
    }
}

/// Looks at the first bytes of `path` and of its WAL. Costs the same however large the file is.
pub(super) fn inspect(path: &Path) -> Result<Found, StoreError> {
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return nothing(path),
        Err(error) => return Err(StoreError::from_io(path, &error)),
        Ok(metadata) => metadata,
    };
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "it is a directory" } else { "it is no regular file" };
        return Err(foreign(path, what));
    }
    if metadata.len() == 0 {
        return nothing(path);
    }
    let Some(header) = header_of(path)? else {
        return Ok(Found::Ours);
    };
    check_header(path, &header)?;
    check_wal(path)?;
    check_length(path, &header)?;
    Ok(Found::Ours)
}

/// The databases that this process has open, each as often as it is.
static OPEN_HERE: Mutex<Vec<(u64, u64)>> = Mutex::new(Vec::new());

/// A database is open in this process while this value lives.
#[derive(Debug)]
pub(super) struct OpenHere(Option<(u64, u64)>);

/// Notes that this process is about to open the database at `path`.
pub(super) fn open_here(path: &Path) -> OpenHere {
    let identity = identity(path);
    lock_open_here().extend(identity);
    OpenHere(identity)
}

impl Drop for OpenHere {
    fn drop(&mut self) {
        let mut open = lock_open_here();
        if let Some(place) = open.iter().position(|each| Some(*each) == self.0) {
            open.swap_remove(place);
        }
    }
}

fn lock_open_here() -> MutexGuard<'static, Vec<(u64, u64)>> {
    OPEN_HERE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first bytes of a database, unless this process has it open: closing a second handle of ours would take away the
/// locks that SQLite holds through the first (POSIX locks belong to the process). It was looked at when it was opened.
fn header_of(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let open = lock_open_here();
    if identity(path).is_some_and(|identity| open.contains(&identity)) {
        return Ok(None);
    }
    first_bytes(path, HEADER_BYTES).map(Some)
}

/// No database. A log that was left behind without one must not be replayed into a fresh one.
fn nothing(path: &Path) -> Result<Found, StoreError> {
    let wal = beside(path, "-wal");
    if std::fs::metadata(&wal).is_ok_and(|metadata| metadata.len() > 0) {
        return Err(StoreError::Orphaned { path: path.to_owned(), wal });
    }
    Ok(Found::Nothing)
}

/// The directory of the database.
pub(super) fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A file beside the database: its name with `suffix` behind it.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn first_bytes(path: &Path, many: usize) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(many);
    let read = File::open(path).and_then(|file| file.take(many as u64).read_to_end(&mut bytes));
    read.map_err(|error| StoreError::from_io(path, &error))?;
    Ok(bytes)
}

fn check_header(path: &Path, header: &[u8]) -> Result<(), StoreError> {
    if !header.starts_with(MAGIC) || header.len() < HEADER_BYTES {
        return Err(not_sqlite(path));
    }
    if i64::from(number_at(header, 68)) != APPLICATION_ID {
        return Err(foreign(path, "an SQLite file of another program"));
    }
    let version = i64::from(number_at(header, 60));
    if version > SCHEMA_VERSION {
        return Err(schema::newer(path, version, SCHEMA_VERSION));
    }
    Ok(())
}

/// A file without SQLite's mark is somebody else's, unless our lock beside it says that it was ours.
fn not_sqlite(path: &Path) -> StoreError {
    match lock::noted_generation(path) {
        Some(writes) if writes > 0 => damaged(path, "its header is overwritten"),
        _ => foreign(path, "not an SQLite file"),
    }
}

/// A database without a log must be as long as its header says. (With one, the missing pages may be in there.)
fn check_length(path: &Path, header: &[u8]) -> Result<(), StoreError> {
    let has_log = length_of(&beside(path, "-wal")) > 0 || length_of(&beside(path, "-journal")) > 0;
    let header_is_current = number_at(header, 24) == number_at(header, 92);
    if has_log || !header_is_current {
        return Ok(());
    }
    let page_size = match header.get(16..18) {
        Some([0, 1]) => 65_536,
        Some([high, low]) => u64::from(u16::from_be_bytes([*high, *low])),
        _ => 0,
    };
    let expected = page_size * u64::from(number_at(header, 28));
    let found = length_of(path);
    if found < expected {
        return Err(damaged(path, &format!("it is cut off ({found} of {expected} bytes)")));
    }
    Ok(())
}

/// A log that SQLite would not understand: it would pass over it in silence, and with it over what was committed there.
fn check_wal(path: &Path) -> Result<(), StoreError> {
    if has_useless_log(path)? { Err(damaged(path, "its -wal file has no valid header")) } else { Ok(()) }
}

/// Whether there is a log, and SQLite would not understand it.
pub(super) fn has_useless_log(path: &Path) -> Result<bool, StoreError> {
    let wal = beside(path, "-wal");
    // Twice: a running monitor may be about to write it.
    Ok(!is_sound_log(&wal, path)? && !is_sound_log(&wal, path)?)
}

fn is_sound_log(wal: &Path, path: &Path) -> Result<bool, StoreError> {
    if !std::fs::exists(wal).map_err(|error| StoreError::from_io(path, &error))? {
        return Ok(true);
    }
    let header = match first_bytes(wal, WAL_HEADER_BYTES) {
        Err(StoreError::Missing { .. }) => return Ok(true),
        other => other?,
    };
    // Shorter, or nothing but zeros: nothing was ever committed to it.
    if header.len() < WAL_HEADER_BYTES || header.iter().all(|byte| *byte == 0) {
        return Ok(true);
    }
    let magic = number_at(&header, 0);
    let sums = checksum(&header, magic & 1 == 1);
    Ok(magic | 1 == WAL_MAGIC | 1 && sums == (number_at(&header, 24), number_at(&header, 28)))
}

/// The checksum of a log's header, over its first 24 bytes.
fn checksum(header: &[u8], big_endian: bool) -> (u32, u32) {
    let word = |offset: usize| {
        let number = number_at(header, offset);
        if big_endian { number } else { number.swap_bytes() }
    };
    (0..24).step_by(8).fold((0_u32, 0_u32), |(one, two), offset| {
        let one = one.wrapping_add(word(offset)).wrapping_add(two);
        let two = two.wrapping_add(word(offset + 4)).wrapping_add(one);
        (one, two)
    })
}

fn number_at(bytes: &[u8], offset: usize) -> u32 {
    bytes.get(offset..offset + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
}

fn length_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata: Metadata| metadata.len())
}

pub(super) fn foreign(path: &Path, detail: &str) -> StoreError {
    StoreError::Foreign { path: path.to_owned(), detail: detail.to_owned() }
}

pub(super) fn damaged(path: &Path, detail: &str) -> StoreError {
    StoreError::Damaged { path: path.to_owned(), detail: detail.to_owned() }
}

/// Which file a path leads to now; `None` where the system cannot tell, or there is none.
#[cfg(unix)]
pub(super) fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Which file a path leads to now; `None` where the system cannot tell, or there is none.
#[cfg(not(unix))]
pub(super) fn identity(_path: &Path) -> Option<(u64, u64)> {
    None
}
