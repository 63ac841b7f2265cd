//! The tasks that run now, those with the oldest sign of life first, asked for a page at a time. The paging is `pager`'s:
//! a task that gives a sign of life meanwhile moves to the end of the list, or out of what is asked for.

use serde_json::{Value, json};

use super::client::Client;
use super::error::ClearmlError;
use super::pager::{Page, Pager, Request};
use super::rows::{Row, Wanted};
use super::tasks::{TASKS, as_bound};
use crate::domain::{Stamp, Status};

/// Tasks that run and whose last sign of life is not after a stamp; made by [`Client::running`].
#[derive(Debug)]
pub struct Running {
    client: Client,
    pager: Pager,
    quiet_since: Option<Stamp>,
    wanted: Wanted,
}

impl Client {
    /// Every task that runs now, or only those without a sign of life after `quiet_since`.
    pub fn running(&self, quiet_since: Option<Stamp>, wanted: Wanted) -> Running {
        Running { client: self.clone(), pager: Pager::new(Stamp::EPOCH, self.page_size()), quiet_since, wanted }
    }
}

impl Running {
    /// The next page; `None` after the last.
    pub async fn next_page(&mut self) -> Result<Option<Page>, ClearmlError> {
        let Some(request) = self.pager.request() else {
            return Ok(None);
        };
        let body = running_body(request, self.client.page_size(), self.quiet_since, self.wanted);
        let found = self.client.rows(&body).await?;
        let rows = found.into_iter().map(|row| by_sign_of_life(row, self.quiet_since)).collect::<Result<_, _>>();
        let page = rows.and_then(|rows| self.pager.take(rows));
        page.map(Some).map_err(|what| ClearmlError::protocol(TASKS, what))
    }
}

/// The row in the order of signs of life. A server ignores in silence what it does not understand of a question, so each
/// row has to prove that it was asked for.
fn by_sign_of_life(row: Row, quiet_since: Option<Stamp>) -> Result<Row, String> {
    let Ok(task) = &row.task else {
        return Ok(row);
    };
    let is_late = quiet_since.zip(task.last_update).is_some_and(|(until, seen)| seen > until);
    if task.status != Status::InProgress || is_late {
        let (status, seen) = (&task.status, task.last_update);
        return Err(format!("task {} is {status}, last seen {seen:?}: the server ignored what was asked for", task.id));
    }
    Ok(Row { stamp: task.last_update, ..row })
}

fn running_body(request: Request, page_size: usize, quiet_since: Option<Stamp>, wanted: Wanted) -> Value {
    let from = format!(">={}", as_bound(request.from));
    let bounds: Vec<String> = [from].into_iter().chain(quiet_since.map(|at| format!("<={}", as_bound(at)))).collect();
    let order: &[&str] = if request.by_number { &["last_update", "id"] } else { &["last_update"] };
    json!({
        "status": ["in_progress"],
        "last_update": bounds,
        "order_by": order,
        "page": request.page,
        "page_size": page_size,
        "only_fields": wanted.fields(),
        "search_hidden": wanted.hidden,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(status: &str, last_update: &str) -> Row {
        let stamp = "2026-11-22T20:00:00.000000+00:00";
        Row::read(json!({"id": "a", "status": status, "status_changed": stamp, "last_update": last_update}))
    }

    #[test]
    fn it_is_asked_for_as_the_recordings_say() {
        let request = Request { from: Stamp::EPOCH, page: 0, by_number: false };
        let at = Stamp::parse("2026-11-22T22:27:28.021Z").unwrap();
        let body = running_body(request, 500, Some(at), Wanted::default());
        assert_eq!(body["status"], json!(["in_progress"]));
        assert_eq!(body["last_update"], json!([">=1970-01-01T00:00:00.000000", "<=2026-11-22T22:27:28.021000"]));
        assert_eq!(body["order_by"], json!(["last_update"]));
        assert_eq!(running_body(request, 500, None, Wanted::default())["last_update"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn an_answer_about_something_else_is_no_answer() {
        let until = Stamp::parse("2026-11-22T21:00:00Z").unwrap();
        let (quiet, late) = ("2026-11-22T21:00:00.000000+00:00", "2026-11-22T21:00:00.001000+00:00");
        assert!(by_sign_of_life(row("in_progress", quiet), Some(until)).unwrap().stamp.is_some());
        assert!(by_sign_of_life(row("in_progress", late), Some(until)).is_err());
        assert!(by_sign_of_life(row("in_progress", late), None).is_ok());
        assert!(by_sign_of_life(row("failed", quiet), Some(until)).is_err());
    }
}
