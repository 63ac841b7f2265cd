//! The client: its settings, and the two calls that write. The reading calls are in `identity`, `channels` and
//! `history`. The client sends what it is given; what to say and when is the caller's.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use tokio::time::Instant;
use url::{Host, Url};

use super::delivery::Delivery;
use super::envelope;
use super::error::SlackError;
use super::method::Method;
use super::patience::Patience;
use super::transport::{Arguments, Reply, Transport};

/// Slack's own address.
pub const DEFAULT_BASE_URL: &str = "https://slack.com/api/";
/// An idle connection is dropped after this time, before Slack drops it: a request that meets a closing connection has
/// an unknown outcome.
const LONGEST_IDLE: Duration = Duration::from_secs(10);
pub(super) const GIVE_AN_ADDRESS: &str =
    "give an address like https://slack.com/api/ with --slack-api-url or SLACK_API_URL";

/// What a client needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the methods live; [`DEFAULT_BASE_URL`] unless it is `GovSlack`'s or a test's.
    pub base_url: Url,
    /// The bot token, `xoxb-…`.
    pub token: SecretString,
    /// The longest that one request may take in all.
    pub timeout: Duration,
    /// The longest that making a connection may take.
    pub connect_timeout: Duration,
}

/// A client of Slack's Web API. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Client {
    transport: Arc<Transport>,
    /// Who we are, once [`Client::auth_test`] was told: messages of others are not ours.
    pub(super) own_bot_id: Arc<OnceLock<String>>,
}

impl Client {
    /// A client with these settings. Fails where the address or the token cannot be used, and where the machine has no
    /// certificate authorities to check Slack's certificate with.
    pub fn new(config: Config) -> Result<Self, SlackError> {
        let base_url = checked_base_url(config.base_url)?;
        check_token(&config.token)?;
        let http = http_client(config.timeout, config.connect_timeout, is_loopback(&base_url))?;
        let transport = Arc::new(Transport::new(http, base_url, config.token));
        Ok(Self { transport, own_bot_id: Arc::default() })
    }

    /// Posts a message: `payload` is the JSON of chat.postMessage's arguments, sent byte for byte, once.
    pub async fn post_message(&self, payload: &str) -> Delivery {
        self.write(Method::PostMessage, payload).await
    }

    /// Changes a message: `payload` is the JSON of chat.update's arguments, sent byte for byte, once.
    pub async fn update_message(&self, payload: &str) -> Delivery {
        self.write(Method::UpdateMessage, payload).await
    }

    async fn write(&self, method: Method, payload: &str) -> Delivery {
        let started = Instant::now();
        let delivery = match self.transport.send(method, Arguments::Json(payload)).await {
            Ok(reply) => Delivery::from_reply(method, &reply, started.elapsed()),
            Err(error) => Delivery::from_error(error, started.elapsed()),
        };
        tracing::trace!(%method, status = delivery.http_status, error = delivery.error, took = ?delivery.took, "slack");
        delivery
    }

    /// Asks, waiting as Slack tells, a bounded number of times.
    pub(super) async fn read(
        &self,
        method: Method,
        fields: &[(&'static str, String)],
    ) -> Result<(Reply, Map<String, Value>), SlackError> {
        let mut patience = Patience::default();
        loop {
            let error = match self.read_once(method, fields).await {
                Ok(answer) => {
                    tracing::trace!(%method, status = answer.0.status, "slack");
                    return Ok(answer);
                }
                Err(error) => error,
            };
            tracing::trace!(%method, status = error.http_status, error = error.what, "slack");
            match patience.next_wait(&error) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    async fn read_once(
        &self,
        method: Method,
        fields: &[(&'static str, String)],
    ) -> Result<(Reply, Map<String, Value>), SlackError> {
        let arguments = if fields.is_empty() { Arguments::Json("{}") } else { Arguments::Form(fields) };
        let reply = self.transport.send(method, arguments).await?;
        let answer = envelope::open(method, &reply)?;
        Ok((reply, answer))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("host", &self.transport.host()).finish_non_exhaustive()
    }
}

/// The HTTP client. A redirect is never followed: token or payload would go along.
pub(super) fn http_client(timeout: Duration, connect: Duration, loopback: bool) -> Result<reqwest::Client, SlackError> {
    let mut builder = crate::http::client()
        .user_agent(concat!("clearml-alerts/", env!("CARGO_PKG_VERSION")))
        .timeout(timeout)
        .connect_timeout(connect.min(timeout))
        .pool_idle_timeout(LONGEST_IDLE)
        .redirect(reqwest::redirect::Policy::none());
    if loopback {
        // A proxy has a loopback of its own, and would look there.
        builder = builder.no_proxy();
    }
    builder.build().map_err(|_| {
        SlackError::setup(
            "HTTPS cannot be set up",
            "install the system's certificate authorities (the package ca-certificates)",
        )
    })
}

/// The address with a slash at its end: without it, the last part would be replaced by the method's name.
fn checked_base_url(mut base_url: Url) -> Result<Url, SlackError> {
    if !matches!(base_url.scheme(), "http" | "https") || base_url.host().is_none() {
        let what = format!("the Slack address starts with `{}:`, not with `https:`", base_url.scheme());
        return Err(SlackError::setup(what, GIVE_AN_ADDRESS));
    }
    if !base_url.path().ends_with('/') {
        base_url.set_path(&format!("{}/", base_url.path()));
    }
    base_url.set_query(None);
    base_url.set_fragment(None);
    Ok(base_url)
}

fn check_token(token: &SecretString) -> Result<(), SlackError> {
    let token = token.expose_secret();
    let advice = "give the app's bot token (xoxb-…) with SLACK_API_TOKEN or --slack-api";
    if token.is_empty() {
        return Err(SlackError::setup("the Slack token is empty", advice));
    }
    if token.contains(char::is_whitespace) || HeaderValue::from_str(token).is_err() {
        return Err(SlackError::setup("the Slack token holds a blank or a character that no token has", advice));
    }
    Ok(())
}

pub(super) fn is_loopback(url: &Url) -> bool {
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

    fn config(base_url: &str, token: &str) -> Config {
        Config {
            base_url: base_url.parse().unwrap(),
            token: SecretString::from(token),
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
        }
    }

    #[test]
    fn the_address_always_ends_with_a_slash() {
        for (given, used) in [
            ("https://slack.com/api", "https://slack.com/api/"),
            ("https://slack.com/api/", "https://slack.com/api/"),
            ("http://127.0.0.1:9/deep/er?x=1#y", "http://127.0.0.1:9/deep/er/"),
            ("http://example.com", "http://example.com/"),
        ] {
            assert_eq!(checked_base_url(given.parse().unwrap()).unwrap().as_str(), used);
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused_without_showing_the_token() {
        for (base_url, token) in [
            ("ftp://slack.com/api/", "xoxb-fake"),
            ("data:text/plain,x", "xoxb-fake"),
            ("https://slack.com/api/", ""),
            ("https://slack.com/api/", "xoxb-fake\n"),
            ("https://slack.com/api/", "xoxb-fake two"),
        ] {
            let error = Client::new(config(base_url, token)).unwrap_err();
            assert_eq!(error.class, super::super::Class::OperatorMustAct);
            assert!(!error.to_string().contains("xoxb-fake"), "{error}");
        }
    }

    #[test]
    fn debug_shows_neither_token_nor_password() {
        let config = config("https://me:hunter2@slack.com/api/", "xoxb-fake");
        let shown = format!("{:?}", Client::new(config).unwrap());
        assert!(shown.contains("slack.com") && !shown.contains("xoxb") && !shown.contains("hunter2"), "{shown}");
    }
}
