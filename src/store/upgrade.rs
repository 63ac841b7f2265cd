//! Bringing an older database up to date, and the way back: a copy of how it was is kept beside it, under a name that
//! tells its schema and the time, and a version that is too old for the database names that copy.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::file::beside;
use super::schema;
use super::site::Site;
use super::{StoreError, backup};
use crate::domain::Stamp;

/// A database that was brought up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgraded {
    /// The schema that it had.
    pub from: i64,
    /// The schema that it has now.
    pub to: i64,
    /// A copy of how it was.
    pub backup: PathBuf,
}

/// Brings an open database up to date with `migrations`; nothing happens to one that is. Its old self is copied first,
/// and where that is not possible, or a migration fails, it stays as it was. `now` is part of the copy's name.
pub(super) fn upgrade(
    site: &Site,
    connection: &mut Connection,
    migrations: &[&str],
    now: Stamp,
) -> Result<Option<Upgraded>, StoreError> {
    let to = schema::version_after(migrations);
    let from = schema::version(site, connection, to)?;
    if from == to {
        return Ok(None);
    }
    let kept = backup::keep(site, connection, &free_name(site, from, now)?)?;
    if let Err(error) = schema::migrate(site, connection, migrations) {
        // It is as it was, so its copy is of no use; a service that is started again and again would fill the disk.
        let _ = std::fs::remove_file(&kept);
        return Err(error);
    }
    Ok(Some(Upgraded { from, to, backup: kept }))
}

/// `….schema-1-20261123T084500Z`, or the same with a number where that is taken.
fn free_name(site: &Site, version: i64, now: Stamp) -> Result<PathBuf, StoreError> {
    let time: String = now.to_string().chars().take_while(|character| *character != '.').collect();
    let time: String = time.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = format!("{MARK}{version}-{time}Z");
    let mut path = beside(&site.path, &name);
    let mut number = 1_u32;
    while std::fs::exists(&path).map_err(|error| StoreError::from_io(&site.path, &error))? {
        number += 1;
        path = beside(&site.path, &format!("{name}-{number}"));
    }
    Ok(path)
}

/// What stands between the database's name and the schema in the name of a copy.
const MARK: &str = ".schema-";

/// The newest copy beside the database at `path` that a program which knows schemas up to `known` can read.
pub(super) fn newest_backup(path: &Path, known: i64) -> Option<PathBuf> {
    let prefix = format!("{}{MARK}", path.file_name()?.to_str()?);
    let copies = std::fs::read_dir(super::file::directory_of(path)).ok()?;
    let version_and_time = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let (version, time) = name.strip_prefix(&prefix)?.split_once('-')?;
        let is_copy = time.starts_with(|character: char| character.is_ascii_digit()) && !time.contains(['.', '~']);
        let version: i64 = version.parse().ok()?;
        (is_copy && version <= known).then(|| (version, time.to_owned(), entry.path()))
    };
    copies.filter_map(|entry| version_and_time(entry.ok()?)).max().map(|(_, _, path)| path)
}

#[cfg(test)]
#[path = "upgrade_tests.rs"]
mod tests;
