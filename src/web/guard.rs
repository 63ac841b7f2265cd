//! Who may read, and what every answer carries. A page that only this machine may read is not answered under a foreign
//! name: another site's script could otherwise read it by pointing its own name here.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::site::Site;
use crate::settings::Readers;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Who may read.
pub(super) enum Guard {
    /// Whoever asks for this machine by one of its loopback names.
    ThisMachine,
    /// Whoever shows the text with this SHA-256.
    Token([u8; 32]),
    /// Everyone.
    Nobody,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Guard(***)")
    }
}

/// Whether a reader may see everything, or only whether the service is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MaySeeDetails(pub(super) bool);

impl Guard {
    pub(super) fn new(readers: &Readers) -> Self {
        match readers {
            Readers::ThisMachine => Self::ThisMachine,
            Readers::Token(token) => Self::Token(Sha256::digest(token.expose_secret()).into()),
            Readers::Everyone => Self::Nobody,
        }
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::ThisMachine => headers.get(header::HOST).is_none_or(is_this_machine),
            Self::Token(expected) => shown_token(headers).is_some_and(|shown| {
                let shown: [u8; 32] = Sha256::digest(shown).into();
                // Every byte is looked at, wherever the first difference is.
                shown.iter().zip(expected).fold(0, |difference, (one, two)| difference | (one ^ two)) == 0
            }),
            Self::Nobody => true,
        }
    }
}

fn is_this_machine(host: &HeaderValue) -> bool {
    let Ok(host) = host.to_str() else {
        return false;
    };
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The bearer token, or the password of whatever user.
fn shown_token(headers: &HeaderMap) -> Option<Vec<u8>> {
    let (scheme, value) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.trim().as_bytes().to_vec());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(value.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    decoded.get(colon + 1..).map(<[u8]>::to_vec)
}

/// Lets a request through or not, and puts the headers on its answer.
pub(super) async fn guard(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let is_admitted = site.guard().admits(request.headers());
    let is_probe = matches!(request.uri().path(), "/healthz" | "/readyz");
    let mut response = if is_admitted || is_probe {
        request.extensions_mut().insert(MaySeeDetails(is_admitted));
        next.run(request).await
    } else {
        refusal(site.guard())
    };
    protect(response.headers_mut());
    response
}

fn refusal(guard: &Guard) -> Response {
    match guard {
        Guard::ThisMachine => {
            let told = "This page is read by its own name: ask for localhost or 127.0.0.1. Behind a proxy, give the \
                        service a --listen-token, or --listen-unprotected.\n";
            (StatusCode::MISDIRECTED_REQUEST, told).into_response()
        }
        Guard::Token(_) | Guard::Nobody => {
            let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"clearml-alerts\", charset=\"UTF-8\"")];
            let told = "Show the token of --listen-token, as a bearer token or as a password.\n";
            (StatusCode::UNAUTHORIZED, challenge, told).into_response()
        }
    }
}

fn protect(headers: &mut HeaderMap) {
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(readers: &Readers, name: HeaderName, value: &str) -> bool {
        let headers = [(name, HeaderValue::from_str(value).unwrap())].into_iter().collect();
        Guard::new(readers).admits(&headers)
    }

    #[test]
    fn a_foreign_name_for_this_machine_is_not_answered() {
        for (host, is_admitted) in [
            ("localhost:8097", true),
            ("LOCALHOST", true),
            ("127.0.0.1:8097", true),
            ("127.9.9.9", true),
            ("[::1]:8097", true),
            ("evil.example.com:8097", false),
            ("127.0.0.1.example.com", false),
            ("localhost.example.com", false),
            ("192.0.2.7:8097", false),
            ("", false),
        ] {
            assert_eq!(admits(&Readers::ThisMachine, header::HOST, host), is_admitted, "{host}");
        }
    }

    #[test]
    fn the_token_opens_as_bearer_and_as_password() {
        let readers = Readers::Token("correct horse".to_owned().into());
        let basic = |login: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(login));
        for (value, is_admitted) in [
            ("Bearer correct horse".to_owned(), true),
            ("bearer correct horse".to_owned(), true),
            (basic("anybody:correct horse"), true),
            (basic(":correct horse"), true),
            (basic("correct horse"), false),
            (basic("correct horse:"), false),
            ("Bearer correct hors".to_owned(), false),
            ("Bearer ".to_owned(), false),
            ("Digest correct horse".to_owned(), false),
            ("Basic %%%".to_owned(), false),
        ] {
            assert_eq!(admits(&readers, header::AUTHORIZATION, &value), is_admitted, "{value}");
        }
        assert!(!Guard::new(&readers).admits(&HeaderMap::new()));
        assert!(Guard::new(&Readers::Everyone).admits(&HeaderMap::new()));
    }
}
