//! The lists of rules that outcomes were put to: one row a list, so that an outcome needs no more than its number and a
//! letter a rule.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::Serialize;

use super::rows::unreadable;
use crate::domain::{ALERT, Filter, Outcome, Rule, Stamp};

/// What all rules said to one outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hearing {
    /// Which run of the task, from 1.
    pub run: u32,
    /// The outcome.
    pub outcome: Outcome,
    /// When the server stamped it.
    pub status_changed: Stamp,
    /// Which list of rules was asked, by number.
    pub rule_set: i64,
    /// Every rule in the order of asking.
    pub rules: Vec<Heard>,
}

/// What one rule said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Heard {
    /// The rule.
    pub rule: String,
    /// `alert`, or the filter that spoke.
    pub verdict: &'static str,
}

/// The number of the list of these rules: the newest one, where it is the same, else a new one.
pub(super) fn number_of(tx: &Transaction<'_>, rules: &[Rule], now: Stamp) -> rusqlite::Result<i64> {
    let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    let names = serde_json::to_string(&names).map_err(|error| unreadable(error.to_string()))?;
    let newest = tx
        .prepare_cached("SELECT id, names FROM rule_sets ORDER BY id DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))
        .optional()?;
    match newest {
        Some((id, known)) if known == names => Ok(id),
        _ => {
            let sql = "INSERT INTO rule_sets (created_at, names) VALUES (?1, ?2) RETURNING id";
            tx.query_row(sql, params![now.as_millis(), names], |row| row.get(0))
        }
    }
}

/// What all rules said to every outcome of a task, in order.
pub(super) fn hearings(connection: &Connection, task_id: &str) -> rusqlite::Result<Vec<Hearing>> {
    let sql = "SELECT t.run, t.status, t.status_changed, t.rule_set_id, t.said, s.names
               FROM transitions AS t JOIN rule_sets AS s ON s.id = t.rule_set_id WHERE t.task_id = ?1 ORDER BY t.id";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([task_id], |row| {
        let (names, said): (String, String) = (row.get("names")?, row.get("said")?);
        let names: Vec<String> = serde_json::from_str(&names).map_err(|error| unreadable(error.to_string()))?;
        let status: String = row.get("status")?;
        let outcome = crate::domain::Status::parse(&status).outcome();
        Ok(Hearing {
            run: row.get("run")?,
            outcome: outcome.ok_or_else(|| unreadable(format!("`{status}` is no outcome")))?,
            status_changed: super::rows::stamp(row, "status_changed")?,
            rule_set: row.get("rule_set_id")?,
            rules: names.into_iter().zip(said.chars()).map(|(rule, letter)| heard(rule, letter)).collect(),
        })
    })?;
    rows.collect()
}

fn heard(rule: String, letter: char) -> Heard {
    let verdict = match letter {
        ALERT => "alert",
        other => Filter::of_letter(other).map_or("unknown", Filter::as_str),
    };
    Heard { rule, verdict }
}
