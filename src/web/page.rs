//! How a page is answered: HTML with a status, and what is said where there is nothing to show.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use maud::{Markup, html};

use super::frame::{Frame, Place};
use super::site::{Opened, Site};
use crate::store::StoreError;

/// Why a page cannot be shown.
#[derive(Debug)]
pub(super) enum Absent {
    /// The service has not started yet.
    Starting,
    /// There is no such thing.
    NotFound(&'static str),
    /// The database could not be asked.
    Store(StoreError),
}

impl From<StoreError> for Absent {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl IntoResponse for Absent {
    fn into_response(self) -> Response {
        let (status, title, words, refresh) = match self {
            Self::Starting => {
                let words = "The service is starting: it logs in to ClearML and looks at Slack first.";
                (StatusCode::SERVICE_UNAVAILABLE, "Starting", words.to_owned(), Some(3))
            }
            Self::NotFound(what) => (StatusCode::NOT_FOUND, "Not found", what.to_owned(), None),
            Self::Store(error) => {
                tracing::warn!(%error, "a page could not be shown");
                (StatusCode::INTERNAL_SERVER_ERROR, "The database could not be read", error.to_string(), None)
            }
        };
        let frame = Frame { title: title.to_owned(), place: Place::Elsewhere, refresh };
        (status, shown(&frame, &html! { h1 { (title) } p { (words) } })).into_response()
    }
}

/// A whole page as an answer.
pub(super) fn shown(frame: &Frame, main: &Markup) -> Html<String> {
    Html(frame.around(main).into_string())
}

/// The started service.
pub(super) fn opened(site: &Site) -> Result<&Opened, Absent> {
    site.opened().ok_or(Absent::Starting)
}

pub(super) async fn not_found(State(_site): State<Site>) -> Absent {
    Absent::NotFound("There is no page at this address.")
}
