//! A login token: what its payload tells, and when it is due for renewal, measured without a wall clock.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;

use super::lenient;
use crate::domain::{Named, Stamp};

/// The longest time before its end that a token is renewed.
const LONGEST_MARGIN: Duration = Duration::from_hours(1);

/// What a login told about the server and about us. Everything is `None` where the token does not say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The server's version, as `2.0.0`.
    pub server_version: Option<String>,
    /// The newest API version that the server speaks, as `2.31`.
    pub api_version: Option<String>,
    /// The user whose credentials these are.
    pub user: Option<Named>,
    /// The company (workspace) that the user belongs to.
    pub company: Option<Named>,
    /// When the token ends, by the server's clock.
    pub expires: Option<Stamp>,
}

/// A token in use.
pub(super) struct Token {
    pub(super) secret: SecretString,
    pub(super) session: Session,
    received: Instant,
    lifetime: Option<Duration>,
}

/// The payload of ClearML's tokens, as far as it matters here. The signature is the server's business.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    #[serde(deserialize_with = "lenient::integer_field")]
    exp: Option<i64>,
    #[serde(deserialize_with = "lenient::integer_field")]
    iat: Option<i64>,
    #[serde(deserialize_with = "lenient::text_field")]
    api_version: Option<String>,
    #[serde(deserialize_with = "lenient::text_field")]
    server_version: Option<String>,
    identity: Identity,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Identity {
    #[serde(deserialize_with = "lenient::text_field")]
    user: Option<String>,
    #[serde(deserialize_with = "lenient::text_field")]
    user_name: Option<String>,
    #[serde(deserialize_with = "lenient::text_field")]
    company: Option<String>,
    #[serde(deserialize_with = "lenient::text_field")]
    company_name: Option<String>,
}

impl Token {
    /// A token that the server made just now. One whose payload cannot be read is used until the server refuses it.
    pub(super) fn fresh(secret: SecretString) -> Self {
        let payload = payload_of(secret.expose_secret()).unwrap_or_default();
        let lifetime = payload.exp.zip(payload.iat).and_then(|(end, made)| u64::try_from(end.checked_sub(made)?).ok());
        let named = |id: Option<String>, name| id.map(|id| Named { id, name });
        let session = Session {
            server_version: payload.server_version,
            api_version: payload.api_version,
            user: named(payload.identity.user, payload.identity.user_name),
            company: named(payload.identity.company, payload.identity.company_name),
            expires: payload.exp.map(|seconds| Stamp::from_millis(seconds.saturating_mul(1000))),
        };
        Self { secret, session, received: Instant::now(), lifetime: lifetime.map(Duration::from_secs) }
    }

    /// Whether it is time for a new one: in the last tenth of its life, or its last hour.
    pub(super) fn is_due(&self) -> bool {
        self.lifetime.is_some_and(|life| self.received.elapsed() + (life / 10).min(LONGEST_MARGIN) >= life)
    }

    /// Whether the server will refuse it by now.
    pub(super) fn is_over(&self) -> bool {
        self.lifetime.is_some_and(|life| self.received.elapsed() >= life)
    }
}

fn payload_of(token: &str) -> Option<Payload> {
    let encoded = token.split('.').nth(1)?;
    let decoded = URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token as the server makes it, around `payload`.
    fn token(payload: &str) -> Token {
        Token::fresh(SecretString::from(format!(
            "eyJhbGciOiJIUzI1NiJ9.{}.c2lnbmF0dXJl",
            URL_SAFE_NO_PAD.encode(payload)
        )))
    }

    fn recorded() -> Token {
        token(include_str!("../../fixtures/clearml/token-payload.json"))
    }

    #[test]
    fn a_recorded_token_tells_server_and_user() {
        let session = recorded().session;
        assert_eq!(session.server_version.as_deref(), Some("2.0.0"));
        assert_eq!(session.api_version.as_deref(), Some("2.31"));
        assert_eq!(session.user, Some(Named { id: "__tests__".into(), name: Some("tests".into()) }));
        assert_eq!(session.expires, Some(Stamp::parse("2026-12-22T22:27:25Z").unwrap()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_renewed_within_its_last_hour() {
        let token = recorded();
        tokio::time::advance(Duration::from_hours(30 * 24 - 1).saturating_sub(Duration::from_secs(1))).await;
        assert!(!token.is_due());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(token.is_due() && !token.is_over());
        tokio::time::advance(LONGEST_MARGIN).await;
        assert!(token.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_token_is_renewed_in_its_last_tenth() {
        let token = token(r#"{"iat": 1000, "exp": "1100"}"#);
        tokio::time::advance(Duration::from_secs(89)).await;
        assert!(!token.is_due());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(token.is_due());
    }

    #[tokio::test(start_paused = true)]
    async fn an_opaque_token_is_used_until_it_is_refused() {
        for odd in ["", "opaque", "a.b.c", "a.bnVsbA.c", "..", "a.W10.c"] {
            let token = Token::fresh(SecretString::from(odd.to_owned()));
            tokio::time::advance(Duration::from_secs(1_000_000_000)).await;
            assert!(!token.is_due() && token.session.user.is_none(), "{odd}");
        }
    }
}
