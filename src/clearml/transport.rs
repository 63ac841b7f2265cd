//! One HTTP exchange: headers, credentials, time limits, the size limit, and what the network can do wrong. What the
//! answer says is not looked at here.

use std::error::Error;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::config::Config;
use super::error::{ClearmlError, Stage};
use crate::domain::Stamp;

/// The API version that the contract was recorded with; servers answer newer versions than their own with their newest.
const API_VERSION: &str = "v2.23";

/// An executable on a slow line takes its time.
const UPLOAD_TIMEOUT: Duration = Duration::from_mins(10);

/// Sends requests to one API server.
pub(super) struct Transport {
    http: reqwest::Client,
    api: Url,
    /// Host and port, for messages: the address itself may hold a password.
    pub(super) host: String,
    timeout: Duration,
    connect_timeout: Duration,
    max_answer_bytes: usize,
}

/// How a request says who sends it.
#[derive(Clone, Copy)]
pub(super) enum Authorization<'a> {
    None,
    Keys { access: &'a str, secret: &'a SecretString },
    Token(&'a SecretString),
}

/// What a request says.
#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    /// One object.
    Json(&'a Value),
    /// An object a line, for batches.
    Lines(&'a str),
}

/// An answer as it came, complete but unread.
pub(super) struct RawAnswer {
    pub(super) status: u16,
    /// The server's clock, from `Date`, to the second.
    pub(super) date: Option<Stamp>,
    pub(super) retry_after: Option<Duration>,
    /// Where a redirect points, as `scheme://host:port`.
    pub(super) redirect: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Transport {
    pub(super) fn new(config: &Config) -> Result<Self, ClearmlError> {
        let host = host_and_port(&config.api)?;
        Ok(Self {
            http: build_http(config)?,
            api: config.api.clone(),
            host,
            timeout: config.timeout,
            connect_timeout: config.connect_timeout,
            max_answer_bytes: config.max_answer_bytes,
        })
    }

    /// Posts `body` to `endpoint` (`service.action`) and reads the whole answer, whatever its status.
    pub(super) async fn post(
        &self,
        endpoint: &str,
        authorization: Authorization<'_>,
        body: Body<'_>,
    ) -> Result<RawAnswer, ClearmlError> {
        let request = self.http.post(self.address_of(endpoint)?);
        let request = match body {
            Body::Json(body) => request.json(body),
            Body::Lines(lines) => request.header(CONTENT_TYPE, "application/json-lines").body(lines.to_owned()),
        };
        self.exchange(endpoint, authorized(request, authorization)).await
    }

    /// Sends a file to the file server at `files`, to be found there under `path` (without a slash in front).
    pub(super) async fn upload(
        &self,
        files: Url,
        token: &SecretString,
        path: &str,
        contents: &[u8],
    ) -> Result<RawAnswer, ClearmlError> {
        const BOUNDARY: &str = "clearml-alerts-7MA4YWxkTrZu0gW";
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{path}\"; filename=\"{path}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        let body = [head.as_bytes(), contents, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat();
        let request = self
            .http
            .post(files)
            .timeout(UPLOAD_TIMEOUT)
            .header(CONTENT_TYPE, format!("multipart/form-data; boundary={BOUNDARY}"))
            .body(body);
        self.exchange("the file server's upload", authorized(request, Authorization::Token(token))).await
    }

    async fn exchange(&self, endpoint: &str, request: reqwest::RequestBuilder) -> Result<RawAnswer, ClearmlError> {
        let response = request.send().await.map_err(|error| self.network_error(error, Stage::Waiting))?;
        let date = date_header(response.headers(), &DATE);
        let retry_after = retry_after(response.headers(), date);
        let redirect = response.status().is_redirection().then(|| self.redirect_target(response.headers()));
        let status = response.status().as_u16();
        let body = self.read_body(endpoint, response).await?;
        Ok(RawAnswer { status, date, retry_after, redirect, body })
    }

    fn address_of(&self, endpoint: &str) -> Result<Url, ClearmlError> {
        let mut address = self.api.clone();
        address
            .path_segments_mut()
            .map_err(|()| ClearmlError::Setup(format!("`{}` is no web address", self.host)))?
            .pop_if_empty()
            .extend([API_VERSION, endpoint]);
        Ok(address)
    }

    async fn read_body(&self, endpoint: &str, mut response: reqwest::Response) -> Result<Vec<u8>, ClearmlError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.network_error(error, Stage::Reading))? {
            if body.len() + chunk.len() > self.max_answer_bytes {
                return Err(ClearmlError::TooLarge { endpoint: endpoint.to_owned(), limit: self.max_answer_bytes });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn redirect_target(&self, headers: &HeaderMap) -> String {
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let target = location.and_then(|location| self.api.join(location).ok());
        target.map_or_else(|| "nowhere".to_owned(), |target| target.origin().ascii_serialization())
    }

    fn network_error(&self, error: reqwest::Error, stage: Stage) -> ClearmlError {
        let host = self.host.clone();
        let (timed_out, connecting, unsendable) = (error.is_timeout(), error.is_connect(), error.is_builder());
        let detail = causes(&error.without_url());
        if unsendable {
            return ClearmlError::Setup(format!(
                "a request cannot be written ({detail}); check the token's characters"
            ));
        }
        match (timed_out, connecting) {
            (true, true) => ClearmlError::Timeout { host, stage: Stage::Connecting, after: self.connect_timeout },
            (true, false) => ClearmlError::Timeout { host, stage, after: self.timeout },
            _ if detail.contains("certificate") => ClearmlError::Certificate { host, detail },
            (false, true) => ClearmlError::Unreachable { host, detail, sent: false },
            (false, false) => ClearmlError::Unreachable {
                host,
                detail: format!("the connection broke while {stage_doing} ({detail})", stage_doing = doing(stage)),
                sent: true,
            },
        }
    }
}

fn authorized(request: reqwest::RequestBuilder, authorization: Authorization<'_>) -> reqwest::RequestBuilder {
    match authorization {
        Authorization::None => request,
        Authorization::Keys { access, secret } => request.basic_auth(access, Some(secret.expose_secret())),
        Authorization::Token(token) => request.bearer_auth(token.expose_secret()),
    }
}

fn doing(stage: Stage) -> &'static str {
    match stage {
        Stage::Connecting => "connecting",
        Stage::Waiting => "waiting for the answer",
        Stage::Reading => "reading the answer",
    }
}

fn host_and_port(api: &Url) -> Result<String, ClearmlError> {
    let scheme_is_web = matches!(api.scheme(), "http" | "https");
    match (api.host_str(), api.port_or_known_default()) {
        (Some(host), Some(port)) if scheme_is_web => Ok(format!("{host}:{port}")),
        _ => Err(ClearmlError::Setup(format!(
            "the API address must begin with http:// or https:// and name a host, and this one begins with `{}:`",
            api.scheme()
        ))),
    }
}

fn build_http(config: &Config) -> Result<reqwest::Client, ClearmlError> {
    let built = http_builder(config).build();
    let error = match built {
        Ok(http) => return Ok(http),
        Err(error) => causes(&error.without_url()),
    };
    if !error.contains("CA certificates") {
        return Err(ClearmlError::Setup(error));
    }
    if config.api.scheme() == "https" {
        return Err(ClearmlError::NoCaStore { detail: error });
    }
    // Plain http verifies nothing, so a missing store must not stop it; with an empty store TLS is refused, never unverified.
    http_builder(config).tls_certs_only([]).build().map_err(|error| ClearmlError::Setup(causes(&error.without_url())))
}

fn http_builder(config: &Config) -> reqwest::ClientBuilder {
    let product = concat!("clearml-alerts-", env!("CARGO_PKG_VERSION"));
    let headers = HeaderMap::from_iter([
        (HeaderName::from_static("x-clearml-client"), HeaderValue::from_static(product)),
        (HeaderName::from_static("x-clearml-worker"), header_text(&config.worker)),
    ]);
    crate::http::client()
        .default_headers(headers)
        .user_agent(concat!("clearml-alerts/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .timeout(config.timeout)
        .connect_timeout(config.connect_timeout)
        .tls_danger_accept_invalid_certs(!config.verify_certificate)
}

fn header_text(text: &str) -> HeaderValue {
    let printable: String =
        text.chars().map(|letter| if letter.is_ascii_graphic() || letter == ' ' { letter } else { '_' }).collect();
    HeaderValue::from_str(printable.trim()).unwrap_or_else(|_| HeaderValue::from_static("clearml-alerts"))
}

/// The innermost causes of an error, which say more than the outer ones: `tcp connect error: Connection refused`.
fn causes(error: &(dyn Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    let layers: Vec<String> = chain.map(ToString::to_string).collect();
    let says_only_who = |layer: &str| layer.starts_with("client error (") || layer.starts_with("error sending request");
    let telling: Vec<&str> = layers.iter().map(String::as_str).filter(|layer| !says_only_who(layer)).collect();
    match telling.as_slice() {
        [] => layers.join(": "),
        [.., outer, inner] if outer != inner => format!("{outer}: {inner}"),
        [.., innermost] => (*innermost).to_owned(),
    }
}

fn date_header(headers: &HeaderMap, name: &HeaderName) -> Option<Stamp> {
    headers.get(name)?.to_str().ok().and_then(http_date)
}

fn http_date(text: &str) -> Option<Stamp> {
    let timestamp = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    Some(Stamp::from_timestamp(timestamp))
}

/// `Retry-After` in seconds, or as a date, which is compared with the same answer's `Date`: both are the server's clock.
fn retry_after(headers: &HeaderMap, date: Option<Stamp>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse::<u32>() {
        Ok(seconds) => Some(Duration::from_secs(u64::from(seconds))),
        Err(_) => Some(http_date(text)?.since(date?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clearml::config::Credentials;

    fn transport(api: &str) -> Result<Transport, ClearmlError> {
        let token = Credentials::Token(SecretString::from("token"));
        Transport::new(&Config::new(Url::parse(api).unwrap(), token))
    }

    #[test]
    fn a_path_in_the_address_is_kept() {
        for (api, wanted) in [
            ("http://localhost:8008", "http://localhost:8008/v2.23/debug.ping"),
            ("http://example.com/clearml/api/", "http://example.com/clearml/api/v2.23/debug.ping"),
            ("http://example.com/clearml/api", "http://example.com/clearml/api/v2.23/debug.ping"),
        ] {
            assert_eq!(transport(api).unwrap().address_of("debug.ping").unwrap().as_str(), wanted);
        }
    }

    #[test]
    fn messages_name_the_host_without_the_password_in_the_address() {
        assert_eq!(transport("http://me:secret@localhost:8008").unwrap().host, "localhost:8008");
        assert!(matches!(transport("ftp://localhost"), Err(ClearmlError::Setup(_))));
    }

    #[test]
    fn retry_after_is_measured_by_the_servers_own_clock() {
        let header =
            |name: &str, value: &str| (HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
        let headers = HeaderMap::from_iter([
            header("date", "Sun, 22 Nov 2026 22:27:28 GMT"),
            header("retry-after", "Sun, 22 Nov 2026 22:27:58 GMT"),
        ]);
        let date = date_header(&headers, &DATE);
        assert_eq!(date, Some(Stamp::parse("2026-11-22T22:27:28Z").unwrap()));
        assert_eq!(retry_after(&headers, date), Some(Duration::from_secs(30)));
        assert_eq!(
            retry_after(&HeaderMap::from_iter([header("retry-after", "5")]), None),
            Some(Duration::from_secs(5))
        );
        assert_eq!(retry_after(&HeaderMap::from_iter([header("retry-after", "soon")]), date), None);
    }

    #[test]
    fn a_worker_name_that_no_header_can_hold_is_written_as_one_can() {
        assert_eq!(header_text("büro\n1"), "b_ro_1");
    }
}
