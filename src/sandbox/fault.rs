//! Scripted faults as data: what goes wrong with which request, in which order. How a fault is carried out on the wire
//! is `http.rs`'s business; nothing here touches a socket.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
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

/// A fault with the requests it strikes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRule {
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: Fault,
    /// Only requests of this endpoint (`tasks.get_all_ex`) or method (`chat.postMessage`); every one if absent.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// So many matching requests pass unharmed first.
    #[serde(default)]
    pub after: u32,
    /// How many requests it strikes.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

impl FaultRule {
    /// Strikes the next request, whatever it is.
    pub fn next(fault: Fault) -> Self {
        Self { fault, endpoint: None, after: 0, times: 1 }
    }

    /// Only requests of this endpoint or method.
    #[must_use]
    pub fn on(mut self, endpoint: &str) -> Self {
        self.endpoint = Some(endpoint.to_owned());
        self
    }

    /// Only after so many matching requests.
    #[must_use]
    pub fn after(mut self, requests: u32) -> Self {
        self.after = requests;
        self
    }

    /// So many requests in a row.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Every matching request until the queue is cleared.
    #[must_use]
    pub fn forever(self) -> Self {
        self.times(u32::MAX)
    }

    fn matches(&self, endpoint: &str) -> bool {
        self.fault.effect != Effect::ResetOnConnect && self.endpoint.as_deref().is_none_or(|own| own == endpoint)
    }
}

impl From<Fault> for FaultRule {
    fn from(fault: Fault) -> Self {
        Self::next(fault)
    }
}

/// The faults still to come, in order. The first rule that matches a request decides it: either the request is one of
/// those that pass first, or the rule strikes.
#[derive(Debug, Default)]
pub struct FaultQueue(Mutex<VecDeque<FaultRule>>);

impl FaultQueue {
    /// Adds one at the end.
    pub fn push(&self, rule: impl Into<FaultRule>) {
        self.rules().push_back(rule.into());
    }

    /// Adds several at the end.
    pub fn script(&self, rules: impl IntoIterator<Item = FaultRule>) {
        self.rules().extend(rules);
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        self.rules().clear();
    }

    /// What is still to come.
    pub fn remaining(&self) -> Vec<FaultRule> {
        self.rules().iter().cloned().collect()
    }

    /// The fault for a request of this endpoint, if one is due.
    pub(crate) fn take(&self, endpoint: &str) -> Option<Fault> {
        self.take_first(|rule| rule.matches(endpoint))
    }

    /// Whether the connection just accepted is to be reset.
    pub(crate) fn take_connection_reset(&self) -> bool {
        self.take_first(|rule| rule.fault.effect == Effect::ResetOnConnect).is_some()
    }

    fn take_first(&self, matches: impl Fn(&FaultRule) -> bool) -> Option<Fault> {
        let mut rules = self.rules();
        let index = rules.iter().position(matches)?;
        let rule = rules.get_mut(index)?;
        if rule.after > 0 {
            rule.after -= 1;
            return None;
        }
        let fault = rule.fault.clone();
        if rule.times != u32::MAX {
            rule.times = rule.times.saturating_sub(1);
        }
        if rule.times == 0 {
            rules.remove(index);
        }
        Some(fault)
    }

    fn rules(&self) -> std::sync::MutexGuard<'_, VecDeque<FaultRule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_followed_in_order() {
        let queue = FaultQueue::default();
        queue.script([
            FaultRule::next(Fault::reset()).times(2),
            FaultRule::next(Fault::status(500, "boom")).on("a"),
            FaultRule::next(Fault::apply_then_reset()),
        ]);
        assert_eq!(queue.take("b"), Some(Fault::reset()));
        assert_eq!(queue.take("a"), Some(Fault::reset()));
        assert_eq!(queue.take("b"), Some(Fault::apply_then_reset()));
        assert_eq!(queue.take("b"), None);
        assert_eq!(queue.take("a"), Some(Fault::status(500, "boom")));
        assert_eq!(queue.take("a"), None);
    }

    #[test]
    fn some_requests_pass_first() {
        let queue = FaultQueue::default();
        queue.push(FaultRule::next(Fault::hang()).on("a").after(2).times(1));
        assert_eq!(queue.take("a"), None);
        assert_eq!(queue.take("b"), None);
        assert_eq!(queue.take("a"), None);
        assert_eq!(queue.take("a"), Some(Fault::hang()));
        assert!(queue.remaining().is_empty());
    }

    #[test]
    fn a_connection_reset_waits_for_a_connection() {
        let queue = FaultQueue::default();
        queue.push(FaultRule::next(Fault::reset_on_connect()).forever());
        assert_eq!(queue.take("a"), None);
        assert!(queue.take_connection_reset());
        assert!(queue.take_connection_reset());
        queue.clear();
        assert!(!queue.take_connection_reset());
    }

    #[test]
    fn rules_read_from_json_need_only_what_matters() {
        let rule: FaultRule =
            serde_json::from_str(r#"{"effect": "answer", "status": 503, "endpoint": "tasks.get_all_ex", "times": 3}"#)
                .unwrap();
        assert_eq!(rule, FaultRule::next(Fault::status(503, "")).on("tasks.get_all_ex").times(3));
        let rule: FaultRule = serde_json::from_str(r#"{"effect": "reset", "applies": true}"#).unwrap();
        assert_eq!(rule, FaultRule::next(Fault::apply_then_reset()));
    }
}
