//! Turns answers and faults into HTTP responses, broken ones included.

use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use http_body::Frame;

use super::fault::{Effect, Fault};
use super::http::{Answer, Application, Incoming};
use crate::domain::Stamp;

/// Shorter answers are not worth it.
const SMALLEST_COMPRESSED: usize = 4096;

/// The proper response.
pub(crate) fn plain(application: &dyn Application, request: &Incoming, mut answer: Answer) -> Response {
    if let Some(file) = answer.file.take() {
        return dressed(application, &answer, Body::from(file));
    }
    let Some(small) = compressed(&answer, request) else {
        let body = Body::from(std::mem::take(&mut answer.body));
        return dressed(application, &answer, body);
    };
    let mut response = dressed(application, &answer, Body::from(small));
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

/// Makes a response smaller, where it is worth it and the client says that it can read it.
pub(crate) fn compressed(answer: &Answer, request: &Incoming) -> Option<Vec<u8>> {
    let accepted = request.header("accept-encoding").is_some_and(|accepted| accepted.contains("gzip"));
    if !accepted || answer.body.len() < SMALLEST_COMPRESSED {
        return None;
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(answer.body.as_bytes()).ok()?;
    encoder.finish().ok()
}

/// The response that a fault makes of a request; `None` resets the connection.
pub(crate) async fn faulty(
    application: &dyn Application,
    request: &Incoming,
    fault: &Fault,
    number: u64,
) -> Option<Response> {
    let proper = if fault.applies { application.answer(request) } else { Answer::text(200, "") };
    match &fault.effect {
        Effect::Reset | Effect::ResetOnConnect => {
            application.requests().conclude(number, None, true);
            None
        }
        Effect::Hang => {
            application.requests().conclude(number, None, true);
            std::future::pending().await
        }
        Effect::HangInBody => Some(broken(application, &proper, Ending::Silence)),
        Effect::CutBody => Some(broken(application, &proper, Ending::Break)),
        Effect::CutJson => {
            Some(plain(application, request, Answer { body: first_half(&proper.body).to_owned(), ..proper }))
        }
        Effect::Oversized { bytes } => Some(oversized(application, *bytes)),
        Effect::Slow { millis } => {
            tokio::time::sleep(Duration::from_millis(*millis)).await;
            Some(plain(application, request, proper))
        }
        Effect::Answer { status, body, content_type, headers } => {
            let answer = Answer {
                status: *status,
                content_type: "text/plain",
                headers: headers.clone(),
                body: body.clone(),
                file: None,
            };
            let mut response = plain(application, request, answer);
            if let Ok(value) = HeaderValue::from_str(content_type) {
                response.headers_mut().insert(CONTENT_TYPE, value);
            }
            Some(response)
        }
    }
}

fn dressed(application: &dyn Application, answer: &Answer, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    if let Ok(date) = HeaderValue::from_str(&http_date(application.now())) {
        headers.insert(DATE, date);
    }
    if application.closes_connections() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    add_headers(headers, &answer.headers);
    response
}

fn add_headers(headers: &mut HeaderMap, added: &[(String, String)]) {
    for (name, value) in added {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, by the server's own clock.
fn http_date(now: Stamp) -> String {
    now.to_timestamp().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn first_half(text: &str) -> &str {
    let middle = (0..=text.len() / 2).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0);
    text.get(..middle).unwrap_or_default()
}

fn broken(application: &dyn Application, proper: &Answer, ending: Ending) -> Response {
    let head = Bytes::copy_from_slice(first_half(&proper.body).as_bytes());
    let length = proper.body.len().max(head.len() + 1);
    let mut response = dressed(application, proper, Body::new(BrokenBody { head: Some(head), ending }));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

fn oversized(application: &dyn Application, bytes: u64) -> Response {
    let head = Some(Bytes::from_static(b"{\"padding\": \""));
    let body = BrokenBody { head, ending: Ending::Padding { left: bytes.saturating_sub(15) } };
    let answer =
        Answer { status: 200, content_type: "application/json", headers: Vec::new(), body: String::new(), file: None };
    dressed(application, &answer, Body::new(body))
}

/// How a broken body goes on after its head.
enum Ending {
    /// Not at all, with the connection open.
    Silence,
    /// Not at all: the connection ends before the promised length.
    Break,
    /// With this much padding and the end of the JSON.
    Padding { left: u64 },
}

struct BrokenBody {
    head: Option<Bytes>,
    ending: Ending,
}

const PADDING: &[u8] = &[b'x'; 64 * 1024];

impl HttpBody for BrokenBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if let Some(head) = self.head.take() {
            return Poll::Ready(Some(Ok(Frame::data(head))));
        }
        match &mut self.ending {
            Ending::Silence => Poll::Pending,
            Ending::Break => Poll::Ready(Some(Err("cut on purpose".into()))),
            Ending::Padding { left: 0 } => {
                self.ending = Ending::Padding { left: u64::MAX };
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"\"}")))))
            }
            Ending::Padding { left: u64::MAX } => Poll::Ready(None),
            Ending::Padding { left } => {
                let length = (*left).min(PADDING.len() as u64);
                *left -= length;
                let length = usize::try_from(length).unwrap_or(PADDING.len());
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(PADDING.get(..length).unwrap_or(PADDING))))))
            }
        }
    }
}
