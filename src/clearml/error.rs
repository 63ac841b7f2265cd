//! What can go wrong between this program and ClearML: one variant per class, sorted here once and for all. Each message
//! says what happened, to which host or call, and what to do. No URL, token, secret or server traceback is ever in one.

use std::fmt;
use std::time::Duration;

/// Why ClearML gave no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClearmlError {
    /// No connection, or one that broke before the answer was complete.
    #[error(
        "ClearML at {host} cannot be reached: {detail}; check the address (CLEARML_API_HOST, api_server), the network and any proxy"
    )]
    Unreachable {
        /// Host and port that were tried.
        host: String,
        /// What the network said.
        detail: String,
        /// Whether the request may have reached the server.
        sent: bool,
    },
    /// No answer in time.
    #[error("ClearML at {host} took longer than {} s {stage}; it may be overloaded, or something between swallows the connection", .after.as_secs_f64())]
    Timeout {
        /// Host and port that were tried.
        host: String,
        /// How far the request had come.
        stage: Stage,
        /// The limit that was passed.
        after: Duration,
    },
    /// The server's certificate was not accepted.
    #[error(
        "the certificate of {host} was refused: {detail}; install the authority that signed it, or set CLEARML_API_HOST_VERIFY_CERT=0 (api.verify_certificate: false) if you trust this network"
    )]
    Certificate {
        /// Host and port that were tried.
        host: String,
        /// What the verification said.
        detail: String,
    },
    /// This machine has no certificate authorities, so no certificate can be verified.
    #[error(
        "no certificate authorities are installed here ({detail}); install the package `ca-certificates`, or point SSL_CERT_FILE to a bundle"
    )]
    NoCaStore {
        /// What the TLS library said.
        detail: String,
    },
    /// The client cannot be set up as it is configured.
    #[error("the ClearML client cannot be set up: {0}")]
    Setup(String),
    /// 401: who we are was not accepted.
    #[error("ClearML refused the login: {message} (401, subcode {subcode}); {}", advice_on_login(*.subcode))]
    Unauthorized {
        /// ClearML's subcode: 22 wrong key or secret, 30 token invalid, expired or revoked, 20 none given, 10 wrong scheme.
        subcode: i64,
        /// ClearML's message.
        message: String,
    },
    /// 403: who we are may not do this.
    #[error("ClearML does not allow {endpoint} for these credentials: {message}; use credentials of a user who may")]
    Forbidden {
        /// The call, as `service.action`.
        endpoint: String,
        /// ClearML's message.
        message: String,
    },
    /// 503: ClearML is down for maintenance, or a proxy has no server behind it.
    #[error("ClearML at {host} is under maintenance (503): {message}; it will be tried again")]
    Maintenance {
        /// Host and port.
        host: String,
        /// The server's message.
        message: String,
        /// How long the server asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// 429 or 509: too many requests.
    #[error("ClearML at {host} asks to slow down ({status}); a longer --refresh-rate helps if it lasts")]
    RateLimited {
        /// Host and port.
        host: String,
        /// The HTTP status.
        status: u16,
        /// How long the server asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// Any other 5xx (and 408): the server or something before it failed.
    #[error("ClearML at {host} failed with {status}: {message}; if it lasts, its server log says more")]
    Server {
        /// Host and port.
        host: String,
        /// The HTTP status.
        status: u16,
        /// The server's message, without its traceback.
        message: String,
        /// How long the server asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// Any other 4xx: the request was understood and refused.
    #[error("ClearML refused {endpoint}: {message} ({status}, subcode {subcode})")]
    Refused {
        /// The call, as `service.action`.
        endpoint: String,
        /// The HTTP status.
        status: u16,
        /// ClearML's subcode: 101 unknown task, 14 unknown field, …; 0 where it gave none.
        subcode: i64,
        /// ClearML's message.
        message: String,
    },
    /// 400, subcode 21: a pattern is no regular expression to the server.
    #[error(
        "ClearML cannot read the pattern as a regular expression (Python's grammar): {message}; correct it or escape it with `\\`"
    )]
    BadPattern {
        /// ClearML's message, which says where the pattern breaks.
        message: String,
    },
    /// 3xx: redirects are not followed, because they would carry the credentials elsewhere.
    #[error(
        "{host} redirects to {to}; if that is your ClearML, set it as the API address (CLEARML_API_HOST, api_server)"
    )]
    Redirected {
        /// Host and port that were asked.
        host: String,
        /// Where it points, as `scheme://host:port`.
        to: String,
    },
    /// An answer that is not what ClearML's API promises; nothing of it was used.
    #[error("the answer to {endpoint} is not what ClearML promises: {what}")]
    Protocol {
        /// The call, as `service.action`.
        endpoint: String,
        /// What is wrong with the answer, and what to check.
        what: String,
    },
    /// An answer above the configured limit; it was cut off and not used.
    #[error(
        "the answer to {endpoint} is larger than {limit} bytes and was cut off; something is wrong with the server or the proxy before it"
    )]
    TooLarge {
        /// The call, as `service.action`.
        endpoint: String,
        /// The limit in bytes.
        limit: usize,
    },
}

/// How far a request had come when its time was up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Looking up the name, connecting, agreeing on TLS.
    Connecting,
    /// Sent, and no answer begun.
    Waiting,
    /// The answer had begun.
    Reading,
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Connecting => "to connect",
            Self::Waiting => "to answer",
            Self::Reading => "to finish its answer",
        })
    }
}

impl ClearmlError {
    /// Whether the same request may succeed a little later with nobody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Maintenance { .. }
            | Self::RateLimited { .. }
            | Self::Server { .. } => true,
            Self::Certificate { .. }
            | Self::NoCaStore { .. }
            | Self::Setup(_)
            | Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::Refused { .. }
            | Self::BadPattern { .. }
            | Self::Redirected { .. }
            | Self::Protocol { .. }
            | Self::TooLarge { .. } => false,
        }
    }

    /// How long the server asked to be left alone, where it did.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Maintenance { retry_after, .. }
            | Self::RateLimited { retry_after, .. }
            | Self::Server { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the server surely did nothing: the request never reached it, or it said so.
    pub(super) fn is_untouched(&self) -> bool {
        match self {
            Self::Unreachable { sent, .. } => !sent,
            Self::Timeout { stage, .. } => *stage == Stage::Connecting,
            Self::Maintenance { .. } | Self::RateLimited { .. } => true,
            _ => false,
        }
    }

    /// Whether the token that was sent is invalid, expired or revoked: a new login may help.
    pub(super) fn is_stale_token(&self) -> bool {
        matches!(self, Self::Unauthorized { subcode: STALE_TOKEN, .. })
    }

    /// Whether the server knows no task of this ID.
    pub fn is_unknown_task(&self) -> bool {
        matches!(self, Self::Refused { subcode: 100 | 101, .. })
    }

    pub(super) fn protocol(endpoint: &str, what: impl Into<String>) -> Self {
        Self::Protocol { endpoint: endpoint.to_owned(), what: what.into() }
    }
}

const STALE_TOKEN: i64 = 30;
const WRONG_KEYS: i64 = 22;

fn advice_on_login(subcode: i64) -> &'static str {
    match subcode {
        WRONG_KEYS => {
            "check CLEARML_API_ACCESS_KEY and CLEARML_API_SECRET_KEY (api.credentials in clearml.conf), and that they belong to this server"
        }
        STALE_TOKEN => "set a new CLEARML_AUTH_TOKEN, or use an access key and secret, which do not expire",
        _ => {
            "give an access key and secret (CLEARML_API_ACCESS_KEY, CLEARML_API_SECRET_KEY) or a token (CLEARML_AUTH_TOKEN)"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_login_says_which_variable_to_mend() {
        for (subcode, variable) in
            [(22, "CLEARML_API_SECRET_KEY"), (30, "CLEARML_AUTH_TOKEN"), (20, "CLEARML_API_ACCESS_KEY")]
        {
            let told = ClearmlError::Unauthorized { subcode, message: "no".into() }.to_string();
            assert!(told.contains(variable), "{told}");
        }
    }

    #[test]
    fn what_waiting_can_mend_is_transient_and_nothing_else() {
        let host = || "clearml.example.com:8008".to_owned();
        let timeout = ClearmlError::Timeout { host: host(), stage: Stage::Reading, after: Duration::from_millis(1500) };
        assert_eq!(
            timeout.to_string(),
            "ClearML at clearml.example.com:8008 took longer than 1.5 s to finish its answer; it may be overloaded, or something between swallows the connection"
        );
        assert!(timeout.is_transient());
        assert!(!ClearmlError::Redirected { host: host(), to: "https://x.example.com".into() }.is_transient());
        assert!(!ClearmlError::protocol("tasks.get_all_ex", "HTML").is_transient());
    }
}
