//! Leafing through answers that come a page at a time.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::envelope;
use super::error::SlackError;
use super::method::Method;
use super::transport::Reply;

/// The place in a paged answer: moved by the answer's cursor, until there is none.
#[derive(Default)]
pub(super) struct Pages {
    cursor: Option<String>,
    seen: HashSet<String>,
}

impl Pages {
    /// The arguments for the page that is due.
    pub(super) fn with_cursor(
        &self,
        fields: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Vec<(&'static str, String)> {
        let cursor = self.cursor.iter().map(|cursor| ("cursor", cursor.clone()));
        fields.into_iter().chain(cursor).collect()
    }

    /// Moves on to the page after `page`; false at the end. A cursor that comes twice would never end: an error, since
    /// "not found" would be a guess.
    pub(super) fn turn(
        &mut self,
        method: Method,
        reply: &Reply,
        page: &Map<String, Value>,
    ) -> Result<bool, SlackError> {
        let next = page.get("response_metadata").and_then(|metadata| metadata.get("next_cursor"));
        let Some(next) = next.and_then(Value::as_str).filter(|cursor| !cursor.is_empty()) else {
            return Ok(false);
        };
        if !self.seen.insert(next.to_owned()) {
            return Err(envelope::unreadable(method, reply, "the pages of the answer go round in circles"));
        }
        self.cursor = Some(next.to_owned());
        Ok(true)
    }
}
