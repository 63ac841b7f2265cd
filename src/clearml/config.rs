//! What the client needs to be told: where, as whom, how patiently. Nothing here reads the environment or a file.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::retry::Retry;

/// The most rows ClearML puts on one page; it cuts larger requests to this in silence.
pub const LARGEST_PAGE: usize = 500;

/// Where ClearML is, who asks, and how patiently.
#[derive(Debug, Clone)]
pub struct Config {
    /// The API server's address (`https://api.clear.ml`, `http://localhost:8008`); a path in it is kept.
    pub api: Url,
    /// Who asks.
    pub credentials: Credentials,
    /// Whether the server's certificate must be valid.
    pub verify_certificate: bool,
    /// What `X-ClearML-Worker` says; by custom the host's name.
    pub worker: String,
    /// Limit for a whole request, from connecting to the last byte of the answer.
    pub timeout: Duration,
    /// Limit for connecting, name look-up and TLS included.
    pub connect_timeout: Duration,
    /// How often, and how long apart, a request that failed for passing reasons is tried.
    pub retry: Retry,
    /// Answers larger than this, once decompressed, are cut off and refused.
    pub max_answer_bytes: usize,
    /// Rows asked for at once, 1 to [`LARGEST_PAGE`]; smaller only in tests.
    pub page_size: usize,
}

/// Who asks.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// An access key and its secret, as `clearml-init` writes them.
    Keys {
        /// The access key.
        access: String,
        /// The secret key.
        secret: SecretString,
    },
    /// A token made elsewhere (`CLEARML_AUTH_TOKEN`); it renews itself until it has expired.
    Token(SecretString),
}

impl Config {
    /// The defaults of everything that is not the place or the person.
    pub fn new(api: Url, credentials: Credentials) -> Self {
        Self {
            api,
            credentials,
            verify_certificate: true,
            worker: "clearml-alerts".to_owned(),
            timeout: Duration::from_mins(1),
            connect_timeout: Duration::from_secs(10),
            retry: Retry::default(),
            max_answer_bytes: 64 * 1024 * 1024,
            page_size: LARGEST_PAGE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let keys = Credentials::Keys { access: "ACCESS".into(), secret: SecretString::from("s3cret-key") };
        let config = Config::new(Url::parse("http://localhost:8008").unwrap(), keys);
        assert!(!format!("{config:?}").contains("s3cret-key"));
    }
}
