//! A server that answers each request with the next line of a script, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use crate::clearml::{Client, Config, Credentials, Retry};
use crate::domain::Backoff;

/// One line of the script.
pub(super) enum Reply {
    /// A status, extra headers, a body; complete.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Exactly these bytes, then the connection closes.
    Raw(Vec<u8>),
    /// These bytes, then nothing for ever.
    Hang(Vec<u8>),
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) head: String,
    pub(super) body: Value,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

pub(super) struct Scripted {
    pub(super) address: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A good answer around `data`.
pub(super) fn good(data: Value) -> Reply {
    let mut answer = json!({"meta": {"result_code": 200}});
    answer["data"] = data;
    Reply::Answer(200, Vec::new(), answer.to_string().into_bytes())
}

/// A refusal in ClearML's envelope.
pub(super) fn refusal(status: u16, subcode: i64) -> Reply {
    let meta = json!({"result_code": status, "result_subcode": subcode, "result_msg": "as scripted", "error_stack": "Traceback"});
    Reply::Answer(status, Vec::new(), json!({"meta": meta, "data": {}}).to_string().into_bytes())
}

/// A token that lives for so many seconds.
pub(super) fn token(name: &str, seconds: i64) -> String {
    let payload =
        json!({"iat": 1_795_386_445, "exp": 1_795_386_445 + seconds, "server_version": "2.0.0", "session_id": name});
    format!("head.{}.tail", URL_SAFE_NO_PAD.encode(payload.to_string()))
}

/// The answer to a login.
pub(super) fn login(name: &str) -> Reply {
    good(json!({"token": token(name, 3600)}))
}

impl Scripted {
    /// Starts the server; a request beyond the script's end is answered 418.
    pub(super) async fn start(script: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(Mutex::new(script.into_iter().collect::<VecDeque<_>>()));
        let recorder = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&recorder)));
            }
        });
        Self { address, seen }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The endpoints asked for, in order.
    pub(super) fn endpoints(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.path.rsplit('/').next().unwrap_or_default().to_owned()).collect()
    }

    /// A configuration for this server that never waits long.
    pub(super) fn config(&self) -> Config {
        let keys = Credentials::Keys { access: "ACCESS".into(), secret: SecretString::from("marked-secret") };
        let backoff = Backoff { first: Duration::from_millis(1), longest: Duration::from_millis(2) };
        let mut config = Config::new(self.address.clone(), keys);
        config.retry = Retry { tries: 3, backoff };
        config.timeout = Duration::from_secs(20);
        config
    }

    pub(super) fn client(&self) -> Client {
        Client::new(self.config()).unwrap()
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Mutex<VecDeque<Reply>>>, seen: Arc<Mutex<Vec<Seen>>>) {
    let Some(request) = read_request(&mut stream).await else { return };
    seen.lock().unwrap().push(request);
    let reply = script.lock().unwrap().pop_front().unwrap_or_else(|| Reply::Answer(418, Vec::new(), Vec::new()));
    match reply {
        Reply::Answer(status, headers, body) => {
            let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let headers = headers.concat();
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status} Scripted\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(&[head.into_bytes(), body].concat()).await;
        }
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
        }
        Reply::Hang(bytes) => {
            let _ = stream.write_all(&bytes).await;
            std::future::pending::<()>().await;
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let path = head.split(' ').nth(1)?.to_owned();
    let mut seen = Seen { path, head, body: Value::Null };
    let length: usize = seen.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while bytes.len() < end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    seen.body = serde_json::from_slice(&bytes[end + 4..]).unwrap_or(Value::Null);
    Some(seen)
}
