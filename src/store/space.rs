//! The file's size: pages that are free go back to the file system, some at a time.

use rusqlite::Connection;

use super::{Store, StoreError};

/// Pages that one step moves: some milliseconds.
const PAGES: i64 = 200;
/// Free pages up to this share of the file stay in it: what is recorded next takes them.
const SPARE_SHARE: i64 = 10;
/// And so many in any case.
const SPARE_PAGES: i64 = 256;

impl Store {
    /// Gives some free pages back to the file system, if there are more than the file will soon need. Returns whether there
    /// are still too many. Writes nothing where there is nothing to give.
    pub async fn give_back_step(&self) -> Result<bool, StoreError> {
        if self.read(too_many).await? == 0 {
            return Ok(false);
        }
        self.write(|tx| {
            let pages = too_many(tx)?.min(PAGES);
            if pages > 0 {
                // Each page is a step of the statement.
                let mut statement = tx.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
                let mut rows = statement.query([])?;
                while rows.next()?.is_some() {}
            }
            Ok(too_many(tx)? > 0)
        })
        .await
    }
}

/// How many pages are free beyond what the file may spare.
fn too_many(connection: &Connection) -> rusqlite::Result<i64> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (free, all) = (number("freelist_count")?, number("page_count")?);
    Ok((free - SPARE_PAGES.max(all / SPARE_SHARE)).max(0))
}
