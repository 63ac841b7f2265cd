//! Reading a call of the Web API (query, form or JSON), and the answers and errors that Slack writes.

use serde_json::{Map, Value, json};

use crate::sandbox::http::{Answer, Incoming};

/// A call with its arguments, wherever they came from.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) args: Map<String, Value>,
    pub(crate) is_json: bool,
    pub(crate) misses_charset: bool,
    pub(crate) token: Option<String>,
}

/// A refusal: Slack's word for it, and what else the answer carries.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) error: String,
    pub(crate) more: Map<String, Value>,
    pub(crate) retry_after: Option<u64>,
}

pub(crate) type Outcome = Result<Map<String, Value>, Refusal>;

impl Refusal {
    pub(crate) fn new(error: &str) -> Self {
        Self { error: error.to_owned(), more: Map::new(), retry_after: None }
    }

    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }

    /// With explanations, as Slack puts them for people to read.
    pub(crate) fn explained(self, messages: &[String]) -> Self {
        let lines: Vec<String> = messages.iter().map(|message| format!("[ERROR] {message}")).collect();
        self.with("errors", json!(messages)).with("response_metadata", json!({"messages": lines}))
    }

    pub(crate) fn missing(argument: &str) -> Self {
        Self::new("invalid_arguments").explained(&[format!("missing required field: {argument}")])
    }

    pub(crate) fn rate_limited(seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..Self::new("ratelimited") }
    }
}

/// Reads the call; `Err` is Slack's refusal of its shape.
pub(crate) fn read(request: &Incoming) -> Result<Call, Refusal> {
    let method = request.uri.path().trim_start_matches("/api/").to_owned();
    let content_type = request.content_type();
    let whole = request.header("content-type").unwrap_or_default().to_ascii_lowercase();
    let mut call = Call {
        method,
        args: request.query().into_iter().map(|(name, value)| (name, json!(value))).collect(),
        is_json: content_type == "application/json",
        misses_charset: content_type == "application/json" && !whole.contains("charset"),
        token: request.header("authorization").and_then(|header| header.strip_prefix("Bearer ")).map(str::to_owned),
    };
    if request.body.is_empty() {
        call.is_json = false;
    } else if call.is_json {
        call.args.extend(json_args(&request.body)?);
    } else {
        let pairs = url::form_urlencoded::parse(&request.body).into_owned();
        call.args.extend(pairs.map(|(name, value)| (name, json!(value))));
    }
    read_embedded_json(&mut call.args)?;
    if let Some(Value::String(token)) = call.args.remove("token") {
        call.token.get_or_insert(token);
    }
    call.args.retain(|_, value| !value.is_null());
    Ok(call)
}

fn json_args(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(args)) => Ok(args),
        Ok(_) => Err(Refusal::new("json_not_object")),
        Err(_) => Err(Refusal::new("invalid_json")),
    }
}

/// Structures come as JSON in a text where the call is a form.
fn read_embedded_json(args: &mut Map<String, Value>) -> Result<(), Refusal> {
    for (name, error) in [("blocks", "invalid_blocks_format"), ("metadata", "invalid_metadata_format")] {
        if let Some(Value::String(text)) = args.get(name) {
            let value = serde_json::from_str(text).map_err(|_| Refusal::new(error))?;
            args.insert(name.to_owned(), value);
        }
    }
    Ok(())
}

impl Call {
    /// A text; numbers are taken as their digits, the empty text as absent.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        match self.args.get(name)? {
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    pub(crate) fn required(&self, name: &str) -> Result<String, Refusal> {
        self.text(name).ok_or_else(|| Refusal::missing(name))
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        match self.args.get(name) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => matches!(text.to_ascii_lowercase().as_str(), "true" | "1"),
            Some(Value::Number(number)) => number.as_i64() == Some(1),
            _ => false,
        }
    }

    /// `limit`, which Slack wants between 1 and 999.
    pub(crate) fn limit(&self) -> Result<usize, Refusal> {
        match self.text("limit") {
            None => Ok(100),
            Some(text) => match text.parse() {
                Ok(limit @ 1..=999) => Ok(limit),
                _ => Err(Refusal::new("invalid_limit")),
            },
        }
    }

    /// The offset that a cursor of ours stands for; 0 without one.
    pub(crate) fn offset(&self) -> Result<usize, Refusal> {
        match self.text("cursor") {
            None => Ok(0),
            Some(cursor) => read_cursor(&cursor).ok_or_else(|| Refusal::new("invalid_cursor")),
        }
    }
}

/// An opaque cursor for an offset.
pub(crate) fn cursor(offset: usize) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(format!("next:{offset}"))
}

fn read_cursor(cursor: &str) -> Option<usize> {
    use base64::Engine;
    let decoded = base64::engine::general_purpose::STANDARD.decode(cursor).ok()?;
    String::from_utf8(decoded).ok()?.strip_prefix("next:")?.parse().ok()
}

/// The HTTP answer for an outcome.
pub(crate) fn answer(outcome: Outcome, misses_charset: bool, scopes: Option<&str>) -> Answer {
    let (mut body, retry_after) = match outcome {
        Ok(mut body) => {
            body.insert("ok".to_owned(), json!(true));
            (body, None)
        }
        Err(refusal) => {
            let mut body = refusal.more;
            body.insert("ok".to_owned(), json!(false));
            body.insert("error".to_owned(), json!(refusal.error));
            (body, refusal.retry_after)
        }
    };
    if misses_charset && !body.contains_key("warning") {
        body.insert("warning".to_owned(), json!("missing_charset"));
    }
    let status = if retry_after.is_some() { 429 } else { 200 };
    let mut answer = Answer::json(status, &Value::Object(body));
    answer.content_type = "application/json; charset=utf-8";
    if let Some(seconds) = retry_after {
        answer = answer.with_header("Retry-After", &seconds.to_string());
    }
    if let Some(scopes) = scopes {
        answer = answer.with_header("X-OAuth-Scopes", scopes);
    }
    answer
}

/// A body from pairs.
pub(crate) fn body<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
