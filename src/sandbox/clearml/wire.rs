//! ClearML's way of writing things down: paths with versions, the `meta` envelope, errors with subcodes, stamps. What an
//! endpoint does lives in the files named after the services.

use serde_json::{Map, Value, json};

use crate::domain::Stamp;
use crate::sandbox::http::{Answer, Incoming};

/// The company of a fresh ClearML server.
pub(crate) const COMPANY: &str = "d1bd92a3b039400cbafc60a7a5b1e52b";
pub(crate) const COMPANY_NAME: &str = "clearml";
/// The newest version of the API that the recorded server spoke.
pub(crate) const API_VERSION: (u32, u32) = (2, 31);
pub(crate) const SERVER_VERSION: &str = "2.0.0";

/// An error as the envelope carries it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) subcode: u16,
    pub(crate) message: String,
}

pub(crate) type Outcome = Result<Value, ApiError>;

impl ApiError {
    pub(crate) fn new(status: u16, subcode: u16, message: impl Into<String>) -> Self {
        Self { status, subcode, message: message.into() }
    }

    pub(crate) fn bad(subcode: u16, message: impl Into<String>) -> Self {
        Self::new(400, subcode, message)
    }

    pub(crate) fn validation(message: impl std::fmt::Display) -> Self {
        Self::bad(12, format!("Validation error ({message})"))
    }

    pub(crate) fn value(message: impl std::fmt::Display) -> Self {
        Self::bad(16, format!("Invalid value for fields {message}"))
    }

    pub(crate) fn task_id(id: &str) -> Self {
        Self::bad(101, format!("Invalid task id: ids=({id})"))
    }

    pub(crate) fn no_such_field(name: &str) -> Self {
        Self::bad(
            14,
            format!(
                "Lookup error (probably an invalid field name or unsupported nested field): err=Cannot resolve field \
                 \"{name}\""
            ),
        )
    }

    /// An exception nobody caught: 500 with a traceback.
    pub(crate) fn crash(message: impl Into<String>) -> Self {
        Self::new(500, 0, message)
    }
}

/// What a path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// `tasks.get_all`.
    pub(crate) endpoint: String,
    /// The version asked for, or the newest.
    pub(crate) version: (u32, u32),
}

/// Reads `/v2.23/tasks.get_all` or `/tasks.get_all`.
pub(crate) fn target_of(path: &str) -> Option<Target> {
    let path = path.strip_prefix('/')?;
    let (version, endpoint) = match path.split_once('/') {
        None => (API_VERSION, path),
        Some((version, endpoint)) => (version_of(version)?, endpoint),
    };
    let (service, action) = endpoint.split_once('.')?;
    let plain = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (plain(service) && plain(action)).then(|| Target { endpoint: endpoint.to_owned(), version })
}

fn version_of(text: &str) -> Option<(u32, u32)> {
    let digits = text.strip_prefix('v')?;
    let (major, minor) = digits.split_once('.').unwrap_or((digits, "0"));
    let asked = (major.parse().ok()?, minor.parse().ok()?);
    Some(asked.min(API_VERSION))
}

/// A call, its body read.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) endpoint: String,
    pub(crate) version: (u32, u32),
    pub(crate) data: Map<String, Value>,
    /// The lines of a batch; empty for a single object.
    pub(crate) batch: Vec<Map<String, Value>>,
    /// Whether the body came as lines.
    pub(crate) is_batch: bool,
    /// The ID of the user who calls; empty before login.
    pub(crate) user: String,
}

const UNREADABLE: &str = "The browser (or proxy) sent a request that this server could not understand.";

/// Reads the body as the server does: JSON whatever the content type says, lines for `application/json-lines`, the query
/// where there is no body.
pub(crate) fn call_of(target: Target, request: &Incoming) -> Result<Call, ApiError> {
    let text = String::from_utf8_lossy(&request.body);
    let is_batch = request.content_type() == "application/json-lines";
    let mut call = Call {
        endpoint: target.endpoint,
        version: target.version,
        data: Map::new(),
        batch: Vec::new(),
        is_batch,
        user: String::new(),
    };
    if is_batch {
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            call.batch.push(object_of(line)?);
        }
    } else if !text.trim().is_empty() {
        call.data = object_of(&text)?;
    } else {
        call.data = query_of(request);
    }
    Ok(call)
}

fn object_of(text: &str) -> Result<Map<String, Value>, ApiError> {
    match serde_json::from_str(text) {
        Ok(Value::Object(data)) => Ok(data),
        Ok(_) => Err(ApiError::crash("Data should be a dict")),
        Err(_) => Err(ApiError::bad(0, UNREADABLE)),
    }
}

fn query_of(request: &Incoming) -> Map<String, Value> {
    let mut data = Map::new();
    for (name, value) in request.query() {
        match data.get_mut(&name) {
            None => drop(data.insert(name, Value::String(value))),
            Some(Value::Array(values)) => values.push(Value::String(value)),
            Some(one) => *one = json!([one.take(), value]),
        }
    }
    data
}

impl Call {
    /// A required text.
    pub(crate) fn required(&self, field: &str) -> Result<&str, ApiError> {
        match self.data.get(field) {
            Some(Value::String(text)) => Ok(text),
            None | Some(Value::Null) => {
                Err(ApiError::validation(format_args!("error for field '{field}'. field is required!")))
            }
            Some(other) => Err(ApiError::validation(format_args!(
                "error for field '{field}': ('value is wrong, expected type \"str\"', {other})."
            ))),
        }
    }

    /// An optional text; null and the empty text count as absent.
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.data.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    pub(crate) fn flag(&self, field: &str) -> bool {
        match self.data.get(field) {
            Some(Value::String(text)) => matches!(text.to_ascii_lowercase().as_str(), "true" | "1" | "yes"),
            Some(value) => value.as_bool().unwrap_or(false),
            None => false,
        }
    }

    pub(crate) fn integer(&self, field: &str) -> Option<i64> {
        match self.data.get(field)? {
            Value::String(text) => text.parse().ok(),
            value => value.as_i64().or_else(|| value.as_f64().map(whole)),
        }
    }

    /// The texts of a list (or a single text).
    pub(crate) fn texts(&self, field: &str) -> Vec<String> {
        texts_of(self.data.get(field))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "Python's int() cuts likewise; saturating is near enough here")]
fn whole(number: f64) -> i64 {
    number as i64
}

/// The texts in a list, or a single text as a list of one.
pub(crate) fn texts_of(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(values)) => values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

/// The HTTP answer for an outcome.
pub(crate) fn envelope(target: Option<&Target>, trace: &str, outcome: Outcome) -> Answer {
    let (status, subcode, message, data) = match outcome {
        Ok(data) => (200, 0, "OK".to_owned(), data),
        Err(error) => (error.status, error.subcode, error.message, json!({})),
    };
    let version = |(major, minor): (u32, u32)| format!("{major}.{minor}");
    let stack =
        if status == 500 { "Traceback (most recent call last):\n  File \"apiserver/service_repo\"\n" } else { "" };
    let meta = json!({
        "id": trace, "trx": trace,
        "endpoint": {
            "name": target.map(|target| target.endpoint.clone()).unwrap_or_default(),
            "requested_version": version(target.map_or((1, 0), |target| target.version)),
            "actual_version": "1.0",
        },
        "result_code": status, "result_subcode": subcode, "result_msg": message,
        "error_stack": stack, "error_data": {},
    });
    Answer::json(status, &json!({"meta": meta, "data": data}))
}

/// `2026-11-22T22:27:27.789000+00:00`.
pub(crate) fn wire_stamp(stamp: Stamp) -> String {
    format!("{}+00:00", stamp.to_timestamp().strftime("%Y-%m-%dT%H:%M:%S%.6f"))
}

/// `2026-11-22T22:27:27.789Z`, as the event store writes it.
pub(crate) fn event_stamp(stamp: Stamp) -> String {
    stamp.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_the_server_reads_them() {
        let version = |path: &str| target_of(path).map(|target| target.version);
        assert_eq!(version("/v2.23/tasks.get_all"), Some((2, 23)));
        assert_eq!(version("/v99.9/debug.ping"), Some(API_VERSION));
        assert_eq!(version("/debug.ping"), Some(API_VERSION));
        for bad in ["/", "/foo", "/vabc/debug.ping", "/v2.23/", "/a/b/c.d"] {
            assert_eq!(target_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn stamps_have_six_digits() {
        let stamp = Stamp::parse("2026-11-22T22:27:27.789Z").unwrap();
        assert_eq!(wire_stamp(stamp), "2026-11-22T22:27:27.789000+00:00");
    }
}
