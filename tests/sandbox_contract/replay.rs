//! Plays a recorded exchange against the simulated server and says where the answers differ.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clearml_alerts::sandbox::{ClearmlOptions, SimulatedClearml};
use regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};

const RECORDING: &str = include_str!("../../fixtures/clearml-exchanges/clearml-exchanges.jsonl");

/// One recorded line. A few are measurements with a note and nothing else.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Exchange {
    #[serde(skip)]
    pub(crate) line: usize,
    pub(crate) section: String,
    #[serde(default)]
    pub(crate) case: String,
    #[serde(default)]
    pub(crate) method: String,
    #[serde(default)]
    pub(crate) path: String,
    pub(crate) auth: Option<String>,
    pub(crate) content_type: Option<String>,
    #[serde(default)]
    pub(crate) body: Value,
    #[serde(default)]
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) answer: Value,
    pub(crate) note: Option<Value>,
}

/// Every recorded line.
pub(crate) fn recorded() -> Vec<Exchange> {
    let exchange = |(line, text): (usize, &str)| Exchange { line, ..serde_json::from_str(text).unwrap() };
    RECORDING.lines().enumerate().map(exchange).collect()
}

/// A simulated server, and what the recording's IDs are on it.
pub(crate) struct Player {
    pub(crate) clearml: SimulatedClearml,
    bound: BTreeMap<String, String>,
    client: reqwest::Client,
    token: String,
    last_token: String,
    stamp: Regex,
    id: Regex,
}

impl Player {
    pub(crate) fn new() -> Self {
        let options = ClearmlOptions {
            user_id: "__tests__".to_owned(),
            user_name: "Default User".to_owned(),
            login_name: "tests".to_owned(),
            ..ClearmlOptions::default()
        };
        let clearml = SimulatedClearml::start(options).unwrap();
        clearml.set_time(worlds_start());
        let token = clearml.issue_token(Duration::from_hours(24 * 30));
        Self {
            client: clearml_alerts::http::client().no_proxy().build().unwrap(),
            bound: BTreeMap::new(),
            last_token: token.clone(),
            token,
            stamp: Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(\+00:00|Z)$").unwrap(),
            id: Regex::new(r"^[0-9a-f]{32}$").unwrap(),
            clearml,
        }
    }

    /// Says that the recording's `recorded` is `ours` here.
    pub(crate) fn bind(&mut self, recorded: &str, ours: &str) {
        self.bound.insert(recorded.to_owned(), ours.to_owned());
    }

    /// Sends the recorded request and returns what differs in the answer.
    pub(crate) async fn play(&mut self, exchange: &Exchange) -> Vec<String> {
        if let Some(note) = &exchange.note {
            return self.compare_token_payload(exchange, note);
        }
        let url = format!("{}{}", self.clearml.url(), exchange.path);
        let method = reqwest::Method::from_bytes(exchange.method.as_bytes()).unwrap();
        let mut request = self.client.request(method, url);
        if let Some(authorization) = self.authorization(exchange) {
            request = request.header("Authorization", authorization);
        }
        if let Some(content_type) = &exchange.content_type {
            request = request.header("Content-Type", content_type);
        }
        if let Some(body) = self.body(exchange) {
            request = request.body(body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let answer: Value = response.json().await.unwrap();
        self.remember_token(&answer);
        let mut differences = Vec::new();
        if status != exchange.status {
            differences
                .push(format!("status {status}, recorded {}: {}", exchange.status, answer["meta"]["result_msg"]));
        } else if status != 200 {
            self.compare_errors(exchange, &answer, &mut differences);
        } else {
            self.compare("data", &exchange.answer["data"], &answer["data"], &mut differences);
        }
        let case = format!("{} [{}] {} {}", exchange.line, exchange.section, exchange.case, exchange.path);
        differences.into_iter().map(|difference| format!("{case}: {difference}")).collect()
    }

    fn body(&self, exchange: &Exchange) -> Option<String> {
        let mut text = match &exchange.body {
            Value::Null => return None,
            Value::String(text) => text.clone(),
            body => body.to_string(),
        };
        for (recorded, ours) in &self.bound {
            text = text.replace(recorded, ours);
        }
        Some(text)
    }

    fn authorization(&self, exchange: &Exchange) -> Option<String> {
        let (key, secret) = self.clearml.credentials();
        let basic = |key: &str, secret: &str| format!("Basic {}", STANDARD.encode(format!("{key}:{secret}")));
        let token = match exchange.case.as_str() {
            "login bad secret" => return Some(basic(&key, "wrong")),
            "login unknown key" => return Some(basic("unknown", &secret)),
            "login malformed basic" => return Some("Basic !!!".to_owned()),
            "empty bearer" => String::new(),
            "garbage token" => "garbage.garbage.garbage".to_owned(),
            "tampered token" => format!("{}x", self.token),
            "expired token" | "renew using expired token" | "logout" | "revoked token" => self.last_token.clone(),
            _ => self.token.clone(),
        };
        match exchange.auth.as_deref() {
            Some("Basic") => Some(basic(&key, &secret)),
            Some("Bearer") => Some(format!("Bearer {token}")),
            Some("None") | None => None,
            Some(scheme) => Some(format!("{scheme} something")),
        }
    }

    fn remember_token(&mut self, answer: &Value) {
        if let Some(token) = answer["data"]["token"].as_str() {
            token.clone_into(&mut self.last_token);
        }
    }

    /// The recorder noted the payload of a token: ours has the same parts.
    fn compare_token_payload(&self, exchange: &Exchange, note: &Value) -> Vec<String> {
        let payload = self.token.split('.').nth(1).unwrap();
        let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let recorded = &note["jwt_payload"];
        let alike = names(recorded) == names(&payload) && recorded["identity"] == payload["identity"];
        if alike { Vec::new() } else { vec![format!("{}: {payload} for {recorded}", exchange.line)] }
    }

    fn compare_errors(&self, exchange: &Exchange, answer: &Value, differences: &mut Vec<String>) {
        for part in ["result_code", "result_subcode", "result_msg"] {
            let (mut recorded, mut ours) = (exchange.answer["meta"][part].clone(), answer["meta"][part].clone());
            if let (Some(text), "result_msg") = (recorded.as_str(), part) {
                recorded = json!(self.in_our_words(text));
            }
            if exchange.case == "garbage token" && part == "result_msg" {
                // The reason depends on the garbage.
                (recorded, ours) = (before_reason(&recorded), before_reason(&ours));
            }
            if recorded != ours {
                differences.push(format!("{part} {ours}, recorded {recorded}"));
            }
        }
    }

    fn in_our_words(&self, text: &str) -> String {
        self.bound.iter().fold(text.to_owned(), |text, (recorded, ours)| text.replace(recorded, ours))
    }

    /// Compares values. Stamps and tokens need only be such; IDs that are not bound yet are bound by the first meeting.
    fn compare(&mut self, place: &str, recorded: &Value, ours: &Value, differences: &mut Vec<String>) {
        match (recorded, ours) {
            (Value::Object(theirs), Value::Object(own)) => {
                let ignored = ["metric_stats", "unique_metrics"];
                for name in theirs.keys().chain(own.keys().filter(|name| !theirs.contains_key(*name))) {
                    if !ignored.contains(&name.as_str()) {
                        let (left, right) = (theirs.get(name), own.get(name));
                        match (left, right) {
                            (Some(left), Some(right)) => {
                                self.compare(&format!("{place}.{name}"), left, right, differences);
                            }
                            _ => differences.push(format!("{place}.{name}: {right:?}, recorded {left:?}")),
                        }
                    }
                }
            }
            (Value::Array(theirs), Value::Array(own)) if theirs.len() == own.len() => {
                for (index, (left, right)) in theirs.iter().zip(own).enumerate() {
                    self.compare(&format!("{place}[{index}]"), left, right, differences);
                }
            }
            (Value::String(theirs), Value::String(own)) if self.alike(theirs, own) => {}
            _ if recorded == ours => {}
            _ => differences.push(format!("{place}: {ours}, recorded {recorded}")),
        }
    }

    fn alike(&mut self, recorded: &str, ours: &str) -> bool {
        if recorded == "<token>" {
            return ours.starts_with("eyJ");
        }
        if self.stamp.is_match(recorded) {
            return self.stamp.is_match(ours);
        }
        if self.id.is_match(recorded) && self.id.is_match(ours) {
            return self.bound.entry(recorded.to_owned()).or_insert_with(|| ours.to_owned()) == ours;
        }
        recorded == ours
    }
}

fn before_reason(message: &Value) -> Value {
    json!(message.as_str().unwrap_or_default().split("reason=").next())
}

fn worlds_start() -> clearml_alerts::domain::Stamp {
    crate::worlds::stamp("2026-11-22T22:30:14.500Z")
}
