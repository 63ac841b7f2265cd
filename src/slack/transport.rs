//! Sends one request and reads its answer: address, authorization, encoding, the limits on time and size. What the
//! answer means is decided elsewhere; nothing here is tried twice.

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::answers::{self, Mishap};
use super::error::SlackError;
use super::method::Method;
use crate::domain::Stamp;

/// Longest answer that is read; a page of 999 channels has about 1 MB.
pub(super) const LARGEST_ANSWER: usize = 8 * 1024 * 1024;
/// A longer Retry-After is not believed: after this time one more refusal costs nothing.
pub(super) const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// A call's arguments, as the method wants them: Slack does not take JSON for every method.
pub(super) enum Arguments<'a> {
    /// JSON text, sent byte for byte: auth.test, chat.postMessage, chat.update.
    Json(&'a str),
    /// Form fields: everything else.
    Form(&'a [(&'static str, String)]),
}

/// An answer over HTTP, whatever it says.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    /// What the token may do, where Slack says so.
    pub(super) scopes: Option<Vec<String>>,
    /// Slack's own clock.
    pub(super) date: Option<Stamp>,
    /// The text, without the token should it be in there; or why it could not be read.
    pub(super) body: Result<String, String>,
}

/// The connection side of a client.
pub(super) struct Transport {
    http: reqwest::Client,
    base_url: Url,
    token: SecretString,
}

impl Transport {
    pub(super) fn new(http: reqwest::Client, base_url: Url, token: SecretString) -> Self {
        Self { http, base_url, token }
    }

    /// Host and port, for people; never the whole address, which may hold a password.
    pub(super) fn host(&self) -> String {
        let host = self.base_url.host_str().unwrap_or("Slack");
        self.base_url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Sends one request and waits for its answer.
    pub(super) async fn send(&self, method: Method, arguments: Arguments<'_>) -> Result<Reply, SlackError> {
        let address = self.base_url.join(method.as_str()).map_err(|error| {
            SlackError::setup(format!("the Slack address cannot be used: {error}"), super::client::GIVE_AN_ADDRESS)
        })?;
        let request = self.http.post(address).bearer_auth(self.token.expose_secret());
        let request = match arguments {
            Arguments::Json(text) => {
                request.header(CONTENT_TYPE, "application/json; charset=utf-8").body(text.to_owned())
            }
            Arguments::Form(fields) => request.form(fields),
        };
        match request.send().await {
            Ok(response) => Ok(self.read(response).await),
            Err(error) => Err(self.failure(method, &error)),
        }
    }

    async fn read(&self, mut response: reqwest::Response) -> Reply {
        let headers = response.headers();
        let mut reply = Reply {
            status: response.status().as_u16(),
            retry_after: retry_after(headers),
            scopes: scopes(headers),
            date: date(headers),
            body: Ok(String::new()),
        };
        let mut bytes = Vec::new();
        reply.body = loop {
            match response.chunk().await {
                Ok(Some(chunk)) if bytes.len() + chunk.len() > LARGEST_ANSWER => {
                    break Err(format!("the answer is larger than {LARGEST_ANSWER} bytes"));
                }
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => break Ok(self.without_token(&bytes)),
                Err(error) => break Err(format!("the answer broke off: {}", cause(&error))),
            }
        };
        reply
    }

    /// The text of an answer. A server that repeats the token must not bring it into a log by way of an error.
    fn without_token(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes);
        let token = self.token.expose_secret();
        if token.is_empty() { text.into_owned() } else { text.replace(token, "***") }
    }

    fn failure(&self, method: Method, error: &reqwest::Error) -> SlackError {
        let (mishap, doing) = if error.is_connect() || error.is_builder() {
            (Mishap::NothingSent, "no connection to")
        } else {
            (Mishap::LostAfterSending, "no answer from")
        };
        let (class, advice) = answers::of_mishap(mishap);
        let what = format!("{doing} {}: {}", self.host(), cause(error));
        SlackError::new(Some(method), class, what, advice.to_owned())
    }
}

/// The innermost cause, which is the one that tells something. The outermost names the whole address and is never
/// shown.
pub(super) fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "timed out".to_owned();
    }
    let mut innermost = error.source();
    while let Some(deeper) = innermost.and_then(std::error::Error::source) {
        innermost = Some(deeper);
    }
    innermost.map_or_else(|| "the request could not be made".to_owned(), ToString::to_string)
}

/// The wait that Slack asks for. Zero and what is no number say nothing: the caller's own back-off decides then.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
}

fn scopes(headers: &HeaderMap) -> Option<Vec<String>> {
    let list = headers.get("x-oauth-scopes")?.to_str().ok()?;
    Some(list.split(',').map(str::trim).filter(|scope| !scope.is_empty()).map(str::to_owned).collect())
}

fn date(headers: &HeaderMap) -> Option<Stamp> {
    let date = jiff::fmt::rfc2822::parse(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(Stamp::from_timestamp(date.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn retry_after_is_whole_seconds_within_reason() {
        let of = |value| retry_after(&headers("retry-after", value));
        assert_eq!(of("30"), Some(Duration::from_secs(30)));
        assert_eq!(of(" 1 "), Some(Duration::from_secs(1)));
        assert_eq!(of("99999999999"), Some(LONGEST_RETRY_AFTER));
        for nothing in ["0", "-1", "soon", "1.5", "", "99999999999999999999999"] {
            assert_eq!(of(nothing), None, "{nothing}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn scopes_and_slacks_clock_are_read_from_the_headers() {
        let listed = scopes(&headers("x-oauth-scopes", "chat:write, channels:read,,")).unwrap();
        assert_eq!(listed, ["chat:write", "channels:read"]);
        assert_eq!(scopes(&HeaderMap::new()), None);
        let date = date(&headers("date", "Sun, 22 Nov 2026 22:27:28 GMT")).unwrap();
        assert_eq!(date.to_string(), "2026-11-22T22:27:28.000Z");
    }
}
