//! Every status change since a stamp, asked for a page at a time. The paging itself is in `pager`.

use super::answer;
use super::client::Client;
use super::config::LARGEST_PAGE;
use super::error::ClearmlError;
use super::pager::{Page, Pager};
use super::rows::Wanted;
use super::tasks::{TASKS, rows_of};
use super::transport::RawAnswer;
use crate::domain::Stamp;

/// Every status change since a stamp, oldest first, until the server has no more; made by [`Client::changes_since`].
#[derive(Debug)]
pub struct Changes {
    client: Client,
    pager: Pager,
    wanted: Wanted,
}

impl Client {
    /// Every task whose `status_changed` is at or after `from`, whatever its status; hidden tasks only where wanted.
    pub fn changes_since(&self, from: Stamp, wanted: Wanted) -> Changes {
        Changes { client: self.clone(), pager: Pager::new(from, self.page_size()), wanted }
    }
}

impl Changes {
    /// The next page; `None` after the last. After an error the same page may be asked for again.
    pub async fn next_page(&mut self) -> Result<Option<Page>, ClearmlError> {
        while let Some(request) = self.pager.request() {
            let rows = self.client.changed_rows(request, self.wanted).await?;
            let page = self.pager.take(rows).map_err(|what| ClearmlError::protocol(TASKS, what))?;
            // The way back down of a walk mostly finds nothing new, which is nothing to bother the caller with.
            let is_silent = page.more && page.tasks.is_empty() && page.problems.is_empty();
            if !is_silent {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }
}

/// The first page since `from` as an answer of the server's holds it: what [`Changes::next_page`] does, without a network.
pub fn page_of(answer: &[u8], from: Stamp) -> Result<Page, ClearmlError> {
    let raw = RawAnswer { status: 200, date: None, retry_after: None, redirect: None, body: answer.to_vec() };
    let rows = rows_of(&answer::understand("no server", TASKS, raw)?)?;
    Pager::new(from, LARGEST_PAGE).take(rows).map_err(|what| ClearmlError::protocol(TASKS, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_emoji_in_a_name_costs_a_character_and_neither_the_row_nor_the_page() {
        let row = |id: &str, name: &str| {
            format!(
                r#"{{"id": "{id}", "name": "{name}", "status": "failed", "status_changed": "2026-11-22T10:00:0{id}Z"}}"#
            )
        };
        let rows = [row("1", "cut \\ud83d"), row("2", "whole \\ud83d\\ude00")].join(", ");
        let answer = format!(r#"{{"meta": {{"result_code": 200}}, "data": {{"tasks": [{rows}, {{"id": 7}}]}}}}"#);
        let page = page_of(answer.as_bytes(), Stamp::EPOCH).unwrap();
        let names: Vec<&str> = page.tasks.iter().map(|task| task.name.as_str()).collect();
        assert_eq!(names, ["cut \u{fffd}", "whole \u{1f600}"]);
        assert_eq!(page.problems.len(), 1, "{:?}", page.problems);
    }

    #[test]
    fn a_row_that_is_no_task_is_a_problem_of_its_own() {
        let answer = r#"{"data": {"tasks": [5, null, {"id": "1", "status": "failed", "status_changed": 7}]}}"#;
        let page = page_of(answer.as_bytes(), Stamp::EPOCH).unwrap();
        assert_eq!((page.tasks.len(), page.problems.len()), (0, 3), "{:?}", page.problems);
        assert!(page_of(br#"{"data": {"tasks": 5}}"#, Stamp::EPOCH).is_err());
    }
}
