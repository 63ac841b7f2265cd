//! A server that plays a script: one act per connection, and a record of what was asked. The server knows nothing of Slack.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clearml_alerts::slack::{Client, Config};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const TOKEN: &str = "xoxb-fake-token-for-tests";

pub(crate) fn client(base_url: &str) -> Client {
    Client::new(Config {
        base_url: base_url.parse().unwrap(),
        token: SecretString::from(TOKEN),
        timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(10),
    })
    .unwrap()
}

pub(crate) async fn with_script(acts: Vec<Act>) -> (Client, Script) {
    let script = Script::play(acts).await;
    (client(&format!("http://{}/api/", script.address)), script)
}

pub(crate) fn answer(body: &str) -> Act {
    Act::Answer(200, Vec::new(), body.to_owned())
}

/// What the server does with one connection.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Reads the request and answers with status, headers and body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Reads the request and writes these bytes, then closes.
    Raw(String),
    /// Resets the connection before reading anything.
    ResetAtOnce,
    /// Reads the request, then resets the connection.
    ResetAfterReading,
    /// Reads the request, then closes without a word.
    CloseAfterReading,
    /// Reads the request and never answers.
    Hang,
}

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The path, without the leading slash.
    pub(crate) path: String,
    /// Head of the request in lower case, with its headers.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: String,
}

pub(crate) struct Script {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Script {
    /// Starts a server that plays `acts`, one per connection, and refuses to go on after the last one.
    pub(crate) async fn play(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut hanging = Vec::new();
            for act in acts {
                let (stream, _) = listener.accept().await.unwrap();
                hanging.extend(perform(act, stream, &record).await);
            }
            // The listener closes here: one request more than the script expects is refused, and the test sees it.
            drop(listener);
            std::future::pending::<()>().await;
        });
        Self { address, asked }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// Plays one act; gives the stream back where it must stay open.
async fn perform(act: Act, mut stream: TcpStream, record: &Mutex<Vec<Asked>>) -> Option<TcpStream> {
    if matches!(act, Act::ResetAtOnce) {
        stream.set_zero_linger().unwrap();
        return None;
    }
    let asked = read_request(&mut stream).await;
    record.lock().unwrap().push(asked);
    match act {
        Act::Answer(status, headers, body) => {
            let headers =
                headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<Vec<_>>().concat();
            let length = body.len();
            let text = format!(
                "HTTP/1.1 {status} Whatever\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            // The client may have seen enough (too much) already and be gone.
            let _ = stream.write_all(text.as_bytes()).await;
        }
        Act::Raw(text) => stream.write_all(text.as_bytes()).await.unwrap(),
        Act::ResetAfterReading => stream.set_zero_linger().unwrap(),
        Act::Hang => return Some(stream),
        Act::CloseAfterReading | Act::ResetAtOnce => {}
    }
    None
}

async fn read_request(stream: &mut TcpStream) -> Asked {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= content_length(head)
        {
            let path = head.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
            return Asked { path, head: head.to_lowercase(), body: body.to_owned() };
        }
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).await.unwrap();
        assert!(count > 0, "the client closed in the middle of a request: {text}");
        bytes.extend_from_slice(&chunk[..count]);
    }
}

fn content_length(head: &str) -> usize {
    let head = head.to_lowercase();
    let value = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    value.map_or(0, |value| value.trim().parse().unwrap())
}
