//! Which index a page of history is read along. Every index here begins with what is filtered by and goes on in the order
//! of outcomes, so that a page of any filter is its first few rows, first page or last: no sorting of what was not asked.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::history::HistoryFilter;

/// Rows of a filter are counted no further: beyond this, one is as good as another.
const COUNTED: u32 = 2_000;
/// More values than this are not read one by one: a filter that means so many is not worth an index.
const VALUES: usize = 250;

/// So many hexadecimal digits are meant as an ID, where a recorded task begins with them.
const ID_DIGITS: usize = 8;

/// An index and the values to read along it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Driver {
    /// The index's name.
    pub index: &'static str,
    /// What each of its beginnings must be.
    pub clause: &'static str,
    /// The values of that clause: one beginning each. None at all: nothing can match.
    pub beginnings: Vec<Vec<Value>>,
}

/// The index with the fewest rows for this filter; `None`: read the newest alerts one after the other.
pub(super) fn choose(connection: &Connection, filter: &HistoryFilter) -> rusqlite::Result<Option<Driver>> {
    let mut candidates = candidates(connection, filter)?;
    if candidates.len() < 2 {
        return Ok(candidates.pop());
    }
    let mut counted = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        counted.push((rows(connection, &candidate)?, candidate));
    }
    Ok(counted.into_iter().min_by_key(|(rows, _)| *rows).map(|(_, driver)| driver))
}

/// Likely few rows first: where all have many, the first is taken.
fn candidates(connection: &Connection, filter: &HistoryFilter) -> rusqlite::Result<Vec<Driver>> {
    let mut found = Vec::new();
    let one = |value: Value| vec![value];
    if let Some(silence) = filter.silence {
        found.push(Driver {
            index: "alerts_by_silence",
            clause: "a.silence_id = ?",
            beginnings: vec![one(silence.into())],
        });
    }
    if let Some(beginnings) = tasks(connection, &filter.tasks)? {
        found.push(Driver { index: "alerts_by_task", clause: "a.task_id = ?", beginnings });
    }
    for (index, clause, columns, texts) in [
        ("alerts_by_user", "a.user_id = ? AND a.user = ?", ["user_id", "user"], &filter.users),
        ("alerts_by_project", "a.project_id = ? AND a.project = ?", ["project_id", "project"], &filter.projects),
    ] {
        if !texts.is_empty() {
            let beginnings = named(connection, index, columns, texts)?;
            found.push(Driver { index, clause, beginnings });
        }
    }
    let words = |words: Vec<&str>| words.into_iter().map(|word| one(word.to_owned().into())).collect::<Vec<_>>();
    for (index, clause, beginnings) in [
        ("alerts_by_rule", "a.rule = ?", words(filter.rules.iter().map(String::as_str).collect())),
        ("alerts_by_cause", "a.cause = ?", words(filter.causes.iter().map(|cause| cause.as_str()).collect())),
        ("alerts_by_state", "a.state = ?", words(filter.states.iter().map(|state| state.as_str()).collect())),
        ("alerts_by_outcome", "a.outcome = ?", words(filter.statuses.iter().map(|status| status.as_str()).collect())),
    ] {
        if !beginnings.is_empty() {
            found.push(Driver { index, clause, beginnings });
        }
    }
    found.retain(|driver| driver.beginnings.len() <= VALUES);
    Ok(found)
}

/// The tasks that are meant, where every text is the beginning of recorded IDs and long enough to be no word.
fn tasks(connection: &Connection, texts: &[String]) -> rusqlite::Result<Option<Vec<Vec<Value>>>> {
    let is_id = |text: &String| text.len() >= ID_DIGITS && text.chars().all(|digit| digit.is_ascii_hexdigit());
    if texts.is_empty() || !texts.iter().all(is_id) {
        return Ok(None);
    }
    let sql = format!("SELECT task_id FROM tasks WHERE task_id >= ?1 AND task_id < ?2 LIMIT {VALUES}");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = Vec::new();
    for text in texts {
        let beginning = text.to_ascii_lowercase();
        let ids = statement.query_map([&beginning, &format!("{beginning}g")], |row| row.get::<_, String>(0))?;
        let before = found.len();
        for id in ids {
            found.push(vec![Value::from(id?)]);
        }
        if found.len() == before {
            return Ok(None);
        }
    }
    Ok(Some(found))
}

/// The pairs of ID and name in an index that a text means: a part of the name, or the ID. Leaps from pair to pair, so it
/// costs as many steps as there are projects, not as there are alerts.
fn named(
    connection: &Connection,
    index: &'static str,
    [id, name]: [&'static str; 2],
    texts: &[String],
) -> rusqlite::Result<Vec<Vec<Value>>> {
    let first =
        format!("SELECT {id}, {name} FROM alerts INDEXED BY {index} WHERE {id} >= '' ORDER BY {id}, {name} LIMIT 1");
    let next_of_id =
        format!("SELECT {name} FROM alerts INDEXED BY {index} WHERE {id} = ?1 AND {name} > ?2 ORDER BY {name} LIMIT 1");
    let next_id =
        format!("SELECT {id}, {name} FROM alerts INDEXED BY {index} WHERE {id} > ?1 ORDER BY {id}, {name} LIMIT 1");
    let pair = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?));
    let wanted: Vec<String> = texts.iter().map(|text| text.to_ascii_lowercase()).collect();
    let (mut same, mut other) = (connection.prepare_cached(&next_of_id)?, connection.prepare_cached(&next_id)?);
    let mut found = Vec::new();
    let mut at = optional(connection.prepare_cached(&first)?.query_row([], pair))?;
    while let Some((id, name)) = at {
        let name_text = name.clone().unwrap_or_default();
        let lower = name_text.to_ascii_lowercase();
        if wanted.iter().any(|text| lower.contains(text)) || texts.contains(&id) {
            found.push(vec![id.clone().into(), name.map_or(Value::Null, Value::from)]);
        }
        let sibling = optional(same.query_row([&id, &name_text], |row| row.get::<_, Option<String>>(0)))?;
        at = match sibling {
            Some(name) => Some((id, name)),
            None => optional(other.query_row([&id], pair))?,
        };
    }
    Ok(found)
}

fn optional<T>(result: rusqlite::Result<T>) -> rusqlite::Result<Option<T>> {
    rusqlite::OptionalExtension::optional(result)
}

/// How many rows a driver has, counted up to a bound.
fn rows(connection: &Connection, driver: &Driver) -> rusqlite::Result<u32> {
    let sql = format!(
        "SELECT count(*) FROM (SELECT 1 FROM alerts AS a INDEXED BY {} WHERE {} LIMIT {COUNTED})",
        driver.index, driver.clause
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut counted = 0;
    for beginning in &driver.beginnings {
        counted += statement.query_row(params_from_iter(beginning), |row| row.get::<_, u32>(0))?;
        if counted >= COUNTED {
            return Ok(COUNTED);
        }
    }
    Ok(counted)
}
