//! Copies of the database: one made while the service runs, and one put back in its place.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::error::StoreError;
use super::file::{self, Found, beside};
use super::site::{Limits, Site};
use super::{InstanceLock, Store, deep, monitor, open, schema, upgrade};
use crate::clock::Clock;
use crate::domain::Stamp;

/// Whether a backup may take the place of a file that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    /// No: refuse.
    Never,
    /// Yes: it is asked for.
    Yes,
}

/// What a restored database is, and where the one it replaced went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The replaced file, kept; `None` where there was none, or where a database was accepted as it stands.
    pub kept_aside: Option<PathBuf>,
    /// Up to where the restored database has read: what ended later is found, and alerted, again.
    pub watermark: Option<Stamp>,
    /// How many messages may have been sent since the copy was made: they are looked for in Slack before they are sent.
    pub to_look_for: usize,
}

impl Store {
    /// Copies the database as it stands at this moment to `to`, readable by its owner alone, while others go on writing.
    /// The copy is checked to its last page, and appears under its name only when it is whole.
    pub async fn backup(&self, to: &Path, overwrite: Overwrite) -> Result<(), StoreError> {
        let to = to.to_owned();
        self.blocking(move |store| store.backup_now(&to, overwrite)).await
    }

    fn backup_now(&self, to: &Path, overwrite: Overwrite) -> Result<(), StoreError> {
        let from = &self.inner.site;
        let to = Site { path: file::resolve(to)?, limits: from.limits };
        may_be_written(&to.path, overwrite, self.inner.identity)?;
        let draft = copy(from, &*self.connection()?, &to)?;
        deep::sound(from, &open_copy(&draft)?)?;
        // What is left of the file that is overwritten must not be replayed into the copy.
        for suffix in ["-wal", "-shm", "-journal"] {
            remove_if_there(&beside(&to.path, suffix)).map_err(|error| StoreError::from_io(&to.path, &error))?;
        }
        publish(&draft, &to)
    }

    /// Puts the copy `from` in the place of the database at `to`, which is kept beside it as `….before-restore-N`. Nobody
    /// may work on `to` meanwhile. A copy made by an older version is brought up to date. Restoring a database onto itself
    /// accepts it as it stands, where it was refused for being older than its last run left it.
    pub fn restore(from: &Path, to: &Path) -> Result<Restored, StoreError> {
        let limits = Limits::default();
        let from = Site { path: file::resolve(from)?, limits };
        let to = Site { path: file::resolve(to)?, limits };
        if file::identity(&from.path).is_some_and(|identity| Some(identity) == file::identity(&to.path)) {
            return accept(&to);
        }
        if file::inspect(&from.path)? == Found::Nothing {
            return Err(StoreError::Missing { path: from.path });
        }
        may_be_replaced(&to.path)?;
        let lock = InstanceLock::acquire(&to.path, Duration::ZERO)?;
        let source = open::read_only(&from)?;
        schema::version(&from, &source, schema::SCHEMA_VERSION)?;
        deep::sound(&from, &source)?;
        let draft = copy(&from, &source, &to)?;
        let (restored, generation) = make_ready(&draft)?;
        let kept_aside = replace(&draft, &to, &lock)?;
        lock.note(generation).map_err(|error| StoreError::from_io(&to.path, &error))?;
        Ok(Restored { kept_aside, ..restored })
    }
}

/// A backup takes nothing's place unless asked to, and never that of a database somebody works on.
fn may_be_written(to: &Path, overwrite: Overwrite, ourselves: Option<(u64, u64)>) -> Result<(), StoreError> {
    for path in [to.to_owned(), beside(to, "-wal")] {
        let exists = std::fs::exists(&path).map_err(|error| StoreError::from_io(to, &error))?;
        let is_ourselves = exists && file::identity(&path) == ourselves;
        if is_ourselves || (exists && overwrite == Overwrite::Never) {
            return Err(StoreError::Exists { path });
        }
    }
    let is_watched = std::fs::exists(beside(to, ".lock")).unwrap_or(true);
    if is_watched { InstanceLock::acquire(to, Duration::ZERO).map(drop) } else { Ok(()) }
}

/// What stands where a backup is to be put back: nothing, or a database of ours, in whatever condition.
fn may_be_replaced(path: &Path) -> Result<(), StoreError> {
    match file::inspect(path) {
        Ok(_) | Err(StoreError::Damaged { .. } | StoreError::Newer { .. } | StoreError::Orphaned { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Copies all pages at once into a draft beside `to`: a read that no writer waits for, and no writer disturbs.
fn copy(from: &Site, source: &Connection, to: &Site) -> Result<Site, StoreError> {
    let draft = Site { path: schema::new_draft(&to.path)?, limits: to.limits };
    let mut target = open_copy(&draft)?;
    let copied = Backup::new(source, &mut target).and_then(|backup| backup.step(-1));
    match copied.map_err(|error| StoreError::from_sqlite(&whose(&error, from, to), from.limits.busy_timeout, &error))? {
        StepResult::Done => {}
        _ => return Err(StoreError::Busy { path: from.path.clone(), waited: from.limits.busy_timeout }),
    }
    target.close().map_err(|(_, error)| draft.explain(&error))?;
    Ok(draft)
}

/// A full disk or a refused write is the copy's, everything else the original's.
fn whose(error: &rusqlite::Error, from: &Site, to: &Site) -> PathBuf {
    let damaged = matches!(from.explain(error), StoreError::Damaged { .. } | StoreError::Busy { .. });
    if damaged { from.path.clone() } else { to.path.clone() }
}

fn open_copy(draft: &Site) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&draft.path, flags);
    let connection = connection.and_then(|connection| {
        connection.busy_timeout(draft.limits.busy_timeout)?;
        Ok(connection)
    });
    connection.map_err(|error| draft.explain(&error))
}

/// Moves a finished copy to its name.
fn publish(draft: &Site, to: &Site) -> Result<(), StoreError> {
    let moved = File::open(&draft.path)
        .and_then(|copy| copy.sync_all())
        .and_then(|()| std::fs::rename(&draft.path, &to.path))
        .and_then(|()| schema::sync_directory(&to.path));
    moved.map_err(|error| StoreError::from_io(&to.path, &error))
}

/// Copies the database at `site`, through its open connection, to `to`: checked, and there only when it is whole.
pub(super) fn keep(site: &Site, connection: &Connection, to: &Path) -> Result<PathBuf, StoreError> {
    let to = Site { path: to.to_owned(), limits: site.limits };
    let draft = copy(site, connection, &to)?;
    deep::sound(site, &open_copy(&draft)?)?;
    publish(&draft, &to)?;
    Ok(to.path)
}

/// Brings a copy up to date and doubts what it says is still to be sent: it may have been sent since.
fn make_ready(draft: &Site) -> Result<(Restored, i64), StoreError> {
    let mut connection = open_copy(draft)?;
    schema::require_wal(draft, &connection)?;
    schema::migrate(draft, &mut connection, schema::MIGRATIONS)?;
    let made = doubt_unsent(&mut connection).map_err(|error| draft.explain(&error))?;
    connection.close().map_err(|(_, error)| draft.explain(&error))?;
    Ok(made)
}

fn doubt_unsent(connection: &mut Connection) -> rusqlite::Result<(Restored, i64)> {
    let reason = "the database was restored: it may have been sent meanwhile";
    let transaction = connection.transaction()?;
    let sql = "UPDATE alerts SET state = 'unknown', reason = ?1
               WHERE state IN ('pending', 'held', 'sending') AND delivery_id IS NOT NULL";
    transaction.execute(sql, [reason])?;
    let sql = "UPDATE deliveries SET state = 'unknown', reason = ?1, due_at = 0, looks = 0,
                   first_try_at = coalesce(first_try_at, created_at)
               WHERE state IN ('pending', 'held', 'sending')";
    let to_look_for = transaction.execute(sql, [reason])?;
    let watermark = monitor::record(&transaction)?.watermark;
    let generation = monitor::next_generation(&transaction)?;
    transaction.commit()?;
    Ok((Restored { kept_aside: None, watermark, to_look_for }, generation))
}

/// Puts the draft in place. The replaced file keeps its name until the very last step; only its log goes before, which
/// must not be replayed into the new one.
fn replace(draft: &Site, to: &Site, lock: &InstanceLock) -> Result<Option<PathBuf>, StoreError> {
    let on_io = |error: std::io::Error| StoreError::from_io(&to.path, &error);
    let there = std::fs::exists(&to.path).map_err(on_io)?;
    let aside = free_name(&to.path).map_err(on_io)?;
    if there {
        std::fs::hard_link(&to.path, &aside).or_else(|_| std::fs::copy(&to.path, &aside).map(drop)).map_err(on_io)?;
    }
    lock.forget_generation().map_err(on_io)?;
    move_if_there(&beside(&to.path, "-wal"), &beside(&aside, "-wal")).map_err(on_io)?;
    move_if_there(&beside(&to.path, "-journal"), &beside(&aside, "-journal")).map_err(on_io)?;
    remove_if_there(&beside(&to.path, "-shm")).map_err(on_io)?;
    publish(draft, to)?;
    Ok(there.then_some(aside))
}

/// The first of `….before-restore-1`, `-2`, … that is not taken.
fn free_name(path: &Path) -> std::io::Result<PathBuf> {
    let mut number = 1_u32;
    loop {
        let name = beside(path, &format!(".before-restore-{number}"));
        if !std::fs::exists(&name)? && !std::fs::exists(beside(&name, "-wal"))? {
            return Ok(name);
        }
        number += 1;
    }
}

fn move_if_there(from: &Path, to: &Path) -> std::io::Result<()> {
    if std::fs::exists(from)? { std::fs::rename(from, to) } else { Ok(()) }
}

fn remove_if_there(path: &Path) -> std::io::Result<()> {
    if std::fs::exists(path)? { std::fs::remove_file(path) } else { Ok(()) }
}

/// Accepts a database as it stands: sound to its last page, it may go on although it is older than it should be. A log
/// that SQLite would pass over is moved aside.
fn accept(site: &Site) -> Result<Restored, StoreError> {
    let has_useless_log = file::has_useless_log(&site.path)?;
    match file::inspect(&site.path) {
        Ok(Found::Ours) => {}
        Ok(Found::Nothing) => return Err(StoreError::Missing { path: site.path.clone() }),
        Err(StoreError::Damaged { .. }) if has_useless_log => {}
        Err(error) => return Err(error),
    }
    let lock = InstanceLock::acquire(&site.path, Duration::ZERO)?;
    let on_io = |error: std::io::Error| StoreError::from_io(&site.path, &error);
    let connection = open::read_only(site)?;
    schema::version(site, &connection, schema::SCHEMA_VERSION)?;
    deep::sound(site, &connection)?;
    drop(connection);
    if has_useless_log {
        let aside = free_name(&site.path).map_err(on_io)?;
        move_if_there(&beside(&site.path, "-wal"), &beside(&aside, "-wal")).map_err(on_io)?;
        remove_if_there(&beside(&site.path, "-shm")).map_err(on_io)?;
        file::inspect(&site.path)?;
    }
    upgrade::upgrade(site, &mut open_copy(site)?, schema::MIGRATIONS, Clock::system().now())?;
    let (restored, generation) = make_ready(site)?;
    lock.note(generation).map_err(on_io)?;
    Ok(restored)
}
