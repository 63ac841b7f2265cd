//! How a page of history is found where the newest alerts do not fill it: by name, by what alerts have in common, or by
//! both; never by reading all of them where an index knows better.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::conditions::Conditions;
use super::facets::Facets;
use super::history::{HistoryFilter, Place};
use super::names::{Names, Numbers};
use super::rows::stamp;
use super::span::Span;

/// So many alerts are looked at one by one before anything cleverer is worth it.
const FEW: usize = 2_000;
/// So many are still looked at one by one rather than going through all that there are.
const MANY: usize = 20_000;
/// So many of the first alerts behind an index's beginnings are looked up among those with a name.
const FIRST: usize = 4_000;
/// What is dense among all alerts is found among so many of them; tests have fewer.
const SOON: usize = if cfg!(test) { 4_000 } else { 50_000 };
/// So many alerts are compared at once.
const CHUNK: usize = 200;

/// The places of a page; `None` where no index helps.
pub(super) fn page(
    connection: &Connection,
    filter: &HistoryFilter,
    span: Span,
) -> rusqlite::Result<Option<Vec<Place>>> {
    let conditions = Conditions::of(filter);
    let names = Names::of(&filter.tasks);
    if let Some(names) = &names
        && let Some(found) = names.few(connection, FEW)?
    {
        return compare(connection, &found, span, &conditions, filter.limit).map(Some);
    }
    let mut candidates = Vec::new();
    for facets in Facets::of(filter) {
        let Some((facets, beginnings)) = narrowest(connection, facets, filter)? else { continue };
        if beginnings.is_empty() || facets.tells_all(filter) {
            return facets.first(connection, &beginnings, span, None, filter.limit).map(Some);
        }
        candidates.push((facets, beginnings));
    }
    let mut smallest: Option<(Option<Place>, Facets, Vec<_>)> = None;
    for (facets, beginnings) in candidates {
        let places = facets.first(connection, &beginnings, span, None, FEW)?;
        let numbers: Vec<i64> = places.iter().map(|place| place.id).collect();
        let found = compare(connection, &numbers, span, &conditions, filter.limit)?;
        if found.len() == filter.limit || numbers.len() < FEW {
            return Ok(Some(found));
        }
        // Whose first ones reach further has fewer of them.
        let reaches = places.last().copied();
        if smallest.as_ref().is_none_or(|(before, ..)| span.is_further(reaches, *before)) {
            smallest = Some((reaches, facets, beginnings));
        }
    }
    match (smallest, names) {
        (Some((_, facets, beginnings)), None) => {
            facets.first(connection, &beginnings, span, Some(&conditions), filter.limit).map(Some)
        }
        (smallest, Some(names)) => {
            let mut numbers = names.all(connection)?;
            if let Some((_, facets, beginnings)) = smallest {
                let places = facets.first(connection, &beginnings, span, None, FIRST)?;
                let both: Vec<i64> = places.iter().map(|place| place.id).filter(|id| numbers.contains(*id)).collect();
                let found = compare(connection, &both, span, &conditions, filter.limit)?;
                if found.len() == filter.limit || places.len() < FIRST {
                    return Ok(Some(found));
                }
                numbers.retain(&facets.all(connection, &beginnings)?);
            }
            look_through(connection, &numbers, span, &conditions, filter.limit).map(Some)
        }
        (None, None) => Ok(None),
    }
}

/// An index with the beginnings that fit: no deeper than asked for where they have few alerts, and else so deep that the
/// alerts behind each are in order. `None`: too many beginnings.
fn narrowest(
    connection: &Connection,
    facets: Facets,
    filter: &HistoryFilter,
) -> rusqlite::Result<Option<(Facets, Vec<Vec<Value>>)>> {
    let cut = facets.cut_to(filter);
    let Some(beginnings) = cut.beginnings(connection, filter)? else { return Ok(None) };
    if cut == facets || !cut.has_more(connection, &beginnings, FEW)? {
        return Ok(Some((cut, beginnings)));
    }
    Ok(facets.beginnings(connection, filter)?.map(|beginnings| (facets, beginnings)))
}

/// The first of the numbers that match. What is dense is found soon by going through the alerts; what is not, and few, is
/// compared one by one.
fn look_through(
    connection: &Connection,
    numbers: &Numbers,
    span: Span,
    conditions: &Conditions,
    limit: usize,
) -> rusqlite::Result<Vec<Place>> {
    let few = numbers.few(MANY);
    if let Some(few) = few.as_ref().filter(|few| few.len() <= FEW) {
        return compare(connection, few, span, conditions, limit);
    }
    let most = if few.is_some() { SOON } else { usize::MAX };
    match (walk(connection, numbers, span, conditions, limit, most)?, few) {
        (Walked { found, is_over: false }, Some(few)) if found.len() < limit => {
            compare(connection, &few, span, conditions, limit)
        }
        (Walked { found, .. }, _) => Ok(found),
    }
}

/// What a walk found, and whether it saw all that there is.
struct Walked {
    found: Vec<Place>,
    is_over: bool,
}

/// Goes through the places of at most so many alerts, and compares those that are among the numbers.
fn walk(
    connection: &Connection,
    numbers: &Numbers,
    span: Span,
    conditions: &Conditions,
    limit: usize,
    most: usize,
) -> rusqlite::Result<Walked> {
    let sql = format!(
        "SELECT a.id FROM alerts AS a INDEXED BY alerts_newest WHERE {} ORDER BY {} LIMIT ?",
        Span::CLAUSE,
        span.order()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(span.values().chain([super::rows::count(most).into()])))?;
    let (mut found, mut chunk, mut seen) = (Vec::new(), Vec::with_capacity(CHUNK), 0);
    while found.len() < limit {
        let next = rows.next()?.map(|row| row.get(0)).transpose()?;
        seen += usize::from(next.is_some());
        chunk.extend(next.filter(|number| numbers.contains(*number)));
        if chunk.len() == CHUNK || next.is_none() {
            found.extend(compare(connection, &chunk, span, conditions, limit - found.len())?);
            chunk.clear();
        }
        if next.is_none() {
            return Ok(Walked { found, is_over: seen < most });
        }
    }
    Ok(Walked { found, is_over: false })
}

/// Those of the alerts that match, in the order of pages.
fn compare(
    connection: &Connection,
    alerts: &[i64],
    span: Span,
    conditions: &Conditions,
    limit: usize,
) -> rusqlite::Result<Vec<Place>> {
    let sql = format!(
        "SELECT a.status_changed, a.id FROM alerts AS a WHERE a.id IN (SELECT value FROM json_each(?)) AND {} AND {} ORDER BY {} LIMIT ?",
        Span::CLAUSE,
        conditions.sql(),
        span.order()
    );
    let values = [Value::from(numbers_as_json(alerts))].into_iter().chain(span.values()).chain(conditions.values());
    let values = values.chain([super::rows::count(limit).into()]);
    let mut statement = connection.prepare_cached(&sql)?;
    let places = statement
        .query_map(params_from_iter(values), |row| Ok(Place { status_changed: stamp(row, 0)?, id: row.get(1)? }))?;
    places.collect()
}

/// A list of numbers as one value of a question.
pub(super) fn numbers_as_json(numbers: &[i64]) -> String {
    let each: Vec<String> = numbers.iter().map(i64::to_string).collect();
    format!("[{}]", each.join(","))
}
