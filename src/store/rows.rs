//! Reading columns as domain types. A word or a number that means nothing is a damaged database, never a default.

use rusqlite::types::Type;
use rusqlite::{Error, Row, RowIndex};

use crate::domain::{Cause, Outcome, Stamp, Why};

pub(super) fn stamp<I: RowIndex>(row: &Row<'_>, column: I) -> rusqlite::Result<Stamp> {
    row.get(column).map(Stamp::from_millis)
}

pub(super) fn maybe_stamp<I: RowIndex>(row: &Row<'_>, column: I) -> rusqlite::Result<Option<Stamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Stamp::from_millis))
}

/// Reads a word that `parse` knows.
pub(super) fn word<T>(row: &Row<'_>, column: &str, parse: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    parse(&text).ok_or_else(|| unreadable(format!("column {column} holds `{text}`")))
}

pub(super) fn outcome(row: &Row<'_>, column: &str) -> rusqlite::Result<Outcome> {
    word(row, column, Outcome::parse)
}

pub(super) fn maybe_cause(row: &Row<'_>) -> rusqlite::Result<Option<Cause>> {
    let known: Option<String> = row.get("cause")?;
    known.map(|_| word(row, "cause", Cause::parse)).transpose()
}

/// Why a task ended, from the columns `cause` and `cause_detail`.
pub(super) fn why(row: &Row<'_>) -> rusqlite::Result<Option<Why>> {
    let detail = row.get::<_, Option<String>>("cause_detail")?.unwrap_or_default();
    Ok(maybe_cause(row)?.map(|cause| Why { cause, detail }))
}

pub(super) fn unreadable(what: String) -> Error {
    Error::FromSqlConversionFailure(0, Type::Text, what.into())
}

/// A number as the database keeps it; beyond its range it is cut off, which no count here reaches.
pub(super) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
