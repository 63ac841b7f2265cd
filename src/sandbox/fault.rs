//! What can go wrong with a request, as data. Which requests it strikes, and in which order, is `script.rs`'s business; how
//! it is carried out on the wire is `answer.rs`'s. Nothing here touches a socket.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What the client gets to see instead of, or on top of, the proper answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Another answer altogether.
    Answer {
        /// HTTP status.
        status: u16,
        /// The body as it goes out.
        #[serde(default)]
        body: String,
        /// Its content type.
        #[serde(default = "plain_text")]
        content_type: String,
        /// Further headers (`Retry-After`, `Location`, …).
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// The connection is reset as soon as it is accepted: nothing of the request is read. No endpoint is known by then,
    /// so only rules without one can carry it, and it strikes new connections only.
    ResetOnConnect,
    /// The request is read, then the connection is reset without an answer.
    Reset,
    /// The request is read, then nothing comes, ever; the connection stays open.
    Hang,
    /// Headers and half of the proper body, then nothing; the connection stays open.
    HangInBody,
    /// Headers that promise the whole body, half of it, and the end of the connection.
    CutBody,
    /// A complete HTTP answer whose JSON stops in the middle.
    CutJson,
    /// A JSON answer that is this many bytes long.
    Oversized {
        /// Length of the body.
        bytes: u64,
    },
    /// The proper answer, late.
    Slow {
        /// How late, in milliseconds.
        millis: u64,
    },
}

fn plain_text() -> String {
    "text/plain; charset=utf-8".to_owned()
}

/// One thing that goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What the client sees.
    #[serde(flatten)]
    pub effect: Effect,
    /// Whether the request takes effect on the server nevertheless.
    #[serde(default)]
    pub applies: bool,
}

impl Fault {
    fn unapplied(effect: Effect) -> Self {
        Self { effect, applies: false }
    }

    fn applied(effect: Effect) -> Self {
        Self { effect, applies: true }
    }

    /// This status with this body (plain text), without doing what was asked.
    pub fn status(status: u16, body: &str) -> Self {
        Self::answer(status, "text/plain; charset=utf-8", body)
    }

    /// This status with a JSON body, without doing what was asked.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::answer(status, "application/json", &body.to_string())
    }

    /// What a proxy in front of the server says: a page of HTML with this status.
    pub fn html(status: u16) -> Self {
        let page = format!(
            "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n\
             <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
        Self::answer(status, "text/html", &page)
    }

    fn answer(status: u16, content_type: &str, body: &str) -> Self {
        Self::unapplied(Effect::Answer {
            status,
            body: body.to_owned(),
            content_type: content_type.to_owned(),
            headers: Vec::new(),
        })
    }

    /// `ClearML` in maintenance: 503 in its own envelope.
    pub fn clearml_maintenance() -> Self {
        Self::json(503, &clearml_error(503, 0, "Service Unavailable (server is in maintenance mode)"))
    }

    /// An error in ClearML's envelope.
    pub fn clearml_error(status: u16, subcode: u16, message: &str) -> Self {
        Self::json(status, &clearml_error(status, subcode, message))
    }

    /// `ClearML` says that the token has expired.
    pub fn clearml_expired_token() -> Self {
        Self::clearml_error(401, 30, "Invalid token (invalid jwt token): reason=Signature has expired")
    }

    /// Slack's `ok: false` with this error, HTTP 200.
    pub fn slack_error(error: &str) -> Self {
        Self::json(200, &json!({"ok": false, "error": error}))
    }

    /// Slack's rate limit: 429, `Retry-After` in seconds, `ok: false`.
    pub fn slack_rate_limited(retry_after_seconds: u64) -> Self {
        Self::json(429, &json!({"ok": false, "error": "ratelimited"}))
            .with_header("Retry-After", &retry_after_seconds.to_string())
    }

    /// A redirect (302) to `location`.
    pub fn redirect(location: &str) -> Self {
        Self::status(302, "").with_header("Location", location)
    }

    /// The connection is reset as it is accepted; see [`Effect::ResetOnConnect`].
    pub fn reset_on_connect() -> Self {
        Self::unapplied(Effect::ResetOnConnect)
    }

    /// The request is read and the connection reset; nothing is done.
    pub fn reset() -> Self {
        Self::unapplied(Effect::Reset)
    }

    /// What was asked is done, and the connection reset before the answer: the lost answer.
    pub fn apply_then_reset() -> Self {
        Self::applied(Effect::Reset)
    }

    /// No answer, ever, and nothing done.
    pub fn hang() -> Self {
        Self::unapplied(Effect::Hang)
    }

    /// What was asked is done, and no answer comes.
    pub fn apply_then_hang() -> Self {
        Self::applied(Effect::Hang)
    }

    /// Done, but the answer stops in the middle and the connection stays open.
    pub fn hang_in_body() -> Self {
        Self::applied(Effect::HangInBody)
    }

    /// Done, but the answer stops in the middle and the connection ends.
    pub fn cut_body() -> Self {
        Self::applied(Effect::CutBody)
    }

    /// Done, but the JSON of the answer stops in the middle.
    pub fn cut_json() -> Self {
        Self::applied(Effect::CutJson)
    }

    /// Not done, and the answer is 200 with something that is not JSON.
    pub fn not_json() -> Self {
        Self::answer(200, "application/json", "<<< this is not JSON >>>")
    }

    /// Not done, and the answer is a JSON document of so many bytes.
    pub fn oversized(bytes: u64) -> Self {
        Self::unapplied(Effect::Oversized { bytes })
    }

    /// Done and answered properly, but so much later.
    pub fn slow(delay: Duration) -> Self {
        Self::applied(Effect::Slow { millis: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX) })
    }

    /// The same, but the request takes effect first: a 503 that lies, a 500 after the message was posted.
    #[must_use]
    pub fn after_applying(mut self) -> Self {
        self.applies = true;
        self
    }

    /// With one more header, where the fault is an answer.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if let Effect::Answer { headers, .. } = &mut self.effect {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

fn clearml_error(status: u16, subcode: u16, message: &str) -> Value {
    json!({
        "meta": {"result_code": status, "result_subcode": subcode, "result_msg": message, "error_stack": "", "error_data": {}},
        "data": {},
    })
}
