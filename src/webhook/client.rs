//! One webhook: its address, its key, its headers; and one request. Nothing here is tried twice, and nothing shows a
//! secret: not the address, not the key, not a header's value.

use std::error::Error as _;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use url::{Host, Url};

use super::answers::{Outcome, of_silence, of_status};
use super::signature;
use crate::domain::Stamp;

/// The header that names the kind of event.
pub const EVENT_HEADER: &str = "X-ClearML-Alerts-Event";
/// The header by which a receiver knows a repeat.
pub const KEY_HEADER: &str = "Idempotency-Key";

/// Of a longer answer only the beginning is read.
const LARGEST_ANSWER: usize = 8 * 1024;
/// Longest part of an answer that is kept, in characters.
const LONGEST_DETAIL: usize = 500;
/// An idle connection is dropped after this time.
const LONGEST_IDLE: Duration = Duration::from_secs(10);

/// What a client needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address; it may hold a login.
    pub url: SecretString,
    /// The key that requests are signed with; unsigned without.
    pub secret: Option<SecretString>,
    /// Further headers.
    pub headers: Vec<(String, SecretString)>,
    /// The longest that one request may take in all.
    pub timeout: Duration,
}

/// The settings make no webhook. Its text holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the webhook cannot be set up: {0}")]
pub struct WebhookError(String);

/// A client of one webhook. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: Url,
    host: String,
    secret: Option<SecretString>,
    /// What no answer may bring into a log.
    hidden: Vec<SecretString>,
}

/// One try, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// What it means for the message.
    pub outcome: Outcome,
    /// The HTTP status, where an answer came.
    pub http_status: Option<u16>,
    /// What happened, in a few words, where it failed.
    pub error: Option<String>,
    /// What the receiver said, in at most 500 characters.
    pub detail: Option<String>,
    /// What a person should do, where it failed.
    pub advice: Option<&'static str>,
    /// How long it took.
    pub took: Duration,
}

impl Client {
    /// A client with these settings. Fails where address or headers can be none.
    pub fn new(config: Config) -> Result<Self, WebhookError> {
        let error = |what: &str| WebhookError(what.to_owned());
        let url = Url::parse(config.url.expose_secret()).map_err(|_| error("its address is no web address"))?;
        let host = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https"));
        let host = host.ok_or_else(|| error("its address is none of http:// or https://"))?;
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let mut builder = crate::http::client()
            .user_agent(concat!("clearml-alerts/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers(&config.headers)?)
            .timeout(config.timeout)
            .connect_timeout(config.timeout)
            .pool_idle_timeout(LONGEST_IDLE)
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&url) {
            // A proxy has a loopback of its own, and would look there.
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|_| {
            error("HTTPS needs the system's certificate authorities; install them (the package ca-certificates)")
        })?;
        let hidden = hidden(&url, &config);
        Ok(Self { http, url, host, secret: config.secret, hidden })
    }

    /// POSTs one document, byte for byte, once. `kind` names the event, `key` makes a repeat known, `now` goes into the
    /// signature.
    pub async fn post(&self, kind: &str, key: &str, body: &str, now: Stamp) -> Tried {
        let started = Instant::now();
        let mut request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(EVENT_HEADER, kind)
            .header(KEY_HEADER, header_text(key));
        if let Some(secret) = &self.secret {
            let seconds = now.as_millis().div_euclid(1_000);
            request = request.header(signature::HEADER, signature::sign(secret, seconds, body));
        }
        let mut tried = match request.body(body.to_owned()).send().await {
            Ok(response) => self.read(response).await,
            Err(error) => self.silence(&error),
        };
        tried.took = started.elapsed();
        tried
    }

    async fn read(&self, mut response: reqwest::Response) -> Tried {
        let status = response.status().as_u16();
        let (outcome, advice) = of_status(status, retry_after(response.headers()));
        let mut bytes = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > LARGEST_ANSWER {
                break;
            }
        }
        let detail = Some(self.without_secrets(&String::from_utf8_lossy(&bytes))).filter(|detail| !detail.is_empty());
        let error = (outcome != Outcome::Delivered).then(|| format!("HTTP {status}"));
        Tried { outcome, http_status: Some(status), error, detail, advice, took: Duration::ZERO }
    }

    fn silence(&self, error: &reqwest::Error) -> Tried {
        let (outcome, advice) = of_silence();
        let doing = if error.is_connect() { "no connection to" } else { "no answer from" };
        let error = Some(self.without_secrets(&format!("{doing} {}: {}", self.host, cause(error))));
        Tried { outcome, http_status: None, error, detail: None, advice, took: Duration::ZERO }
    }

    /// One line of what was said, cut, and without what must not be told.
    fn without_secrets(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.hidden {
            text = text.replace(secret.expose_secret(), "***");
        }
        let line = crate::domain::text::single_line(&text);
        crate::domain::text::truncate(&line, LONGEST_DETAIL).into_owned()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("host", &self.host).finish_non_exhaustive()
    }
}

fn headers(given: &[(String, SecretString)]) -> Result<HeaderMap, WebhookError> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let problem = || WebhookError(format!("its header `{name}` cannot be sent"));
        let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| problem())?;
        value.set_sensitive(true);
        headers.insert(HeaderName::try_from(name).map_err(|_| problem())?, value);
    }
    Ok(headers)
}

/// Everything of the settings that is a secret, the longest first: a part must not spoil the whole.
fn hidden(url: &Url, config: &Config) -> Vec<SecretString> {
    let mut hidden = vec![config.url.expose_secret().to_owned(), url.as_str().to_owned()];
    hidden.extend([url.path().to_owned(), url.query().unwrap_or_default().to_owned()]);
    hidden.extend([url.username().to_owned(), url.password().unwrap_or_default().to_owned()]);
    hidden.extend(config.secret.iter().map(|secret| secret.expose_secret().to_owned()));
    hidden.extend(config.headers.iter().map(|(_, value)| value.expose_secret().to_owned()));
    // Of a header such as `Bearer x` the last word is the secret.
    let words: Vec<String> = config
        .headers
        .iter()
        .filter_map(|(_, value)| Some(value.expose_secret().rsplit_once(' ')?.1.to_owned()))
        .collect();
    hidden.extend(words);
    // Shorter ones would blot out half of an answer, and are no secrets.
    hidden.retain(|secret| secret.len() >= 4);
    hidden.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    hidden.into_iter().map(SecretString::from).collect()
}

/// A key as a header can carry it: what is not plain ASCII, and `%`, is percent-encoded.
fn header_text(key: &str) -> String {
    let encode = |byte: u8| {
        if byte.is_ascii_graphic() && byte != b'%' { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    key.bytes().map(encode).collect()
}

/// The wait that is asked for, in seconds; a date is not understood, and our own back-off decides then.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// The innermost cause: the outermost names the whole address.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "timed out".to_owned();
    }
    let mut innermost = error.source();
    while let Some(deeper) = innermost.and_then(std::error::Error::source) {
        innermost = Some(deeper);
    }
    innermost.map_or_else(|| "the request could not be made".to_owned(), ToString::to_string)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> Config {
        Config {
            url: SecretString::from(url),
            secret: Some(SecretString::from("SECRET-key")),
            headers: vec![("Authorization".to_owned(), SecretString::from("Bearer SECRET-token"))],
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn nothing_shows_a_secret() {
        let client = Client::new(config("https://me:SECRET-pw@example.com/in/SECRET-path?x=SECRET-query")).unwrap();
        let shown = format!("{client:?}");
        assert!(shown.contains("example.com") && !shown.contains("SECRET"), "{shown}");
        let echo =
            "you sent Bearer SECRET-token, SECRET-token, SECRET-key to /in/SECRET-path?x=SECRET-query as me:SECRET-pw";
        let told = client.without_secrets(echo);
        assert!(!told.contains("SECRET"), "{told}");
        for bad in ["SECRET", "ftp://SECRET.example.com", "mailto:SECRET@example.com"] {
            let error = Client::new(config(bad)).unwrap_err();
            assert!(!error.to_string().contains("SECRET"), "{error}");
        }
        let broken =
            Config { headers: vec![("X".to_owned(), SecretString::from("SECRET\n"))], ..config("https://e.com") };
        assert_eq!(
            Client::new(broken).unwrap_err().to_string(),
            "the webhook cannot be set up: its header `X` cannot be sent"
        );
    }

    #[test]
    fn what_was_said_is_one_short_line() {
        let client = Client::new(config("https://example.com/in")).unwrap();
        assert_eq!(client.without_secrets(" a\n\u{1b}[31m b\0"), "a [31m b");
        assert_eq!(client.without_secrets(&"x".repeat(10_000)).chars().count(), 500);
    }

    #[test]
    fn a_key_fits_into_a_header() {
        assert_eq!(header_text("i:vision/t1/1/failed"), "i:vision/t1/1/failed");
        assert_eq!(header_text("é %\n"), "%C3%A9%20%25%0A");
    }
}
