//! Every status change since a stamp, asked for a page at a time. The paging itself is in `pager`.

use super::client::Client;
use super::error::ClearmlError;
use super::pager::{Page, Pager};
use super::rows::Wanted;
use super::tasks::TASKS;
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
