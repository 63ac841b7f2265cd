//! The deep check: reads every page. The cheap one is made on every opening (`open`, `file`).

use rusqlite::Connection;

use super::Store;
use super::error::StoreError;
use super::file::damaged;
use super::recount::miscounted;
use super::schema::dangling_reference;
use super::site::Site;

/// How many findings an error tells.
const FINDINGS: usize = 3;

impl Store {
    /// Reads every page and every reference, compares each alert with its message, and counts all of them. Takes as long as the file is large;
    /// nobody waits for it.
    pub async fn check_deep(&self) -> Result<(), StoreError> {
        self.blocking(|store| sound(&store.inner.site, &*store.connection()?)).await
    }
}

/// Whether a database is sound to its last page.
pub(super) fn sound(site: &Site, connection: &Connection) -> Result<(), StoreError> {
    let findings = findings(connection).map_err(|error| site.explain(&error))?;
    if findings.is_empty() { Ok(()) } else { Err(damaged(&site.path, &findings.join("; "))) }
}

fn findings(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut findings = integrity(connection)?;
    if findings.is_empty() {
        findings.extend(dangling_reference(connection)?);
        findings.extend(out_of_step(connection)?);
        findings.extend(miscounted(connection)?);
    }
    Ok(findings)
}

fn integrity(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("PRAGMA integrity_check(100)")?;
    let all: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let more = all.len().saturating_sub(FINDINGS);
    let mut told: Vec<String> = all.into_iter().filter(|line| line != "ok").take(FINDINGS).collect();
    if more > 0 {
        told.push(format!("{more} more"));
    }
    Ok(told.into_iter().map(|line| line.trim().replace('\n', " ")).collect())
}

/// An alert that does not stand where its message stands: no version of this program writes that.
fn out_of_step(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT a.id, a.state, d.id, d.state FROM alerts AS a JOIN deliveries AS d ON d.id = a.delivery_id
               WHERE a.state <> d.state LIMIT 1";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let (alert, alert_state): (i64, String) = (row.get(0)?, row.get(1)?);
    let (message, message_state): (i64, String) = (row.get(2)?, row.get(3)?);
    Ok(Some(format!("alert {alert} is {alert_state}, but its message {message} is {message_state}")))
}
