//! The HTTP side that both simulated servers share: a thread of their own, an accept loop whose connections can be
//! reset, and the carrying out of scripted faults. What an answer says is the servers' business.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use serde_json::Value;
use tokio::sync::watch;

use super::connection::{ConnectionHandle, Switchboard};
use super::requests::{RequestLog, RequestRecord};
use super::script::FaultQueue;
use super::{answer, connection};
use crate::domain::Stamp;

/// The most that a request may carry.
const MOST_BODY: usize = 256 * 1024 * 1024;

/// A request, read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Incoming {
    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The content type without its parameters, in lower case; empty if there is none.
    pub(crate) fn content_type(&self) -> String {
        let whole = self.header("content-type").unwrap_or_default();
        whole.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The query's pairs, decoded.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        let pairs = url::form_urlencoded::parse(self.uri.query().unwrap_or_default().as_bytes());
        pairs.into_owned().collect()
    }
}

/// An answer before it goes out.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// A file, sent instead of the text.
    pub(crate) file: Option<Bytes>,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self { status, content_type: "application/json", headers: Vec::new(), body: body.to_string(), file: None }
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            headers: Vec::new(),
            body: body.to_owned(),
            file: None,
        }
    }

    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What a simulated server adds to the shared HTTP side.
pub(crate) trait Application: Send + Sync + 'static {
    /// The name by which faults and counts know this request.
    fn endpoint(&self, request: &Incoming) -> String;
    /// Its body as the request log shows it.
    fn readable_body(&self, request: &Incoming) -> Value;
    /// Does what is asked.
    fn answer(&self, request: &Incoming) -> Answer;
    /// Answers the sandbox's own paths (`/sandbox/…`); never logged, never struck by a fault.
    fn control(&self, request: &Incoming) -> Answer;
    /// The server's time.
    fn now(&self) -> Stamp;
    /// Whether every answer ends its connection.
    fn closes_connections(&self) -> bool;
    /// The faults to come.
    fn faults(&self) -> &FaultQueue;
    /// The requests so far.
    fn requests(&self) -> &RequestLog;
}

/// A running server. It ends, and its connections with it, when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    switchboard: Arc<Switchboard>,
    shutdown: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on 127.0.0.1, on `port` or, if that is 0, on any free one. The server has a thread and a runtime of its
    /// own, so that tests which pause or block theirs do not stop it.
    pub(crate) fn start(port: u16, name: &str, application: Arc<dyn Application>) -> io::Result<Self> {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let switchboard = Arc::new(Switchboard::new());
        let (shutdown, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let board = Arc::clone(&switchboard);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || runtime.block_on(serve(listener, board, application, stopped)))?;
        Ok(Self { address, switchboard, shutdown, thread: Some(thread) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening (connections are refused) and resets what is open, or listens again on the same port.
    pub(crate) fn set_online(&self, online: bool) {
        self.switchboard.set_online(online);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!("a simulated server ended with a panic");
        }
    }
}

async fn serve(
    listener: StdListener,
    switchboard: Arc<Switchboard>,
    application: Arc<dyn Application>,
    mut stopped: watch::Receiver<bool>,
) {
    let listener = match connection::ResettingListener::new(listener, switchboard, Arc::clone(&application)) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "a simulated server cannot listen"),
    };
    let router = Router::new().fallback(handle).with_state(application);
    let service = router.into_make_service_with_connect_info::<ConnectionHandle>();
    tokio::select! {
        _ = axum::serve(listener, service) => {}
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
}

async fn handle(
    State(application): State<Arc<dyn Application>>,
    ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MOST_BODY).await;
    let whole = body.is_ok();
    let body = body.unwrap_or_default();
    let request = Incoming { method: parts.method, uri: parts.uri, headers: parts.headers, body };
    if !whole {
        return answer::plain(application.as_ref(), &request, Answer::text(413, "the body is too long or was cut"));
    }
    if request.uri.path().starts_with("/sandbox/") {
        return answer::plain(application.as_ref(), &request, application.control(&request));
    }
    if !connection.is_online() {
        return connection.reset();
    }
    let endpoint = application.endpoint(&request);
    let number = application.requests().record(record_of(application.as_ref(), &request, &endpoint));
    let fault = application.faults().take(&endpoint);
    let faulted = fault.is_some();
    let response = match fault {
        None => Some(answer::plain(application.as_ref(), &request, application.answer(&request))),
        Some(fault) => answer::faulty(application.as_ref(), &request, &fault, number).await,
    };
    match response {
        Some(response) => {
            application.requests().conclude(number, Some(response.status().as_u16()), faulted);
            response
        }
        None => connection.reset(),
    }
}

fn record_of(application: &dyn Application, request: &Incoming, endpoint: &str) -> RequestRecord {
    let headers = request.headers.iter().filter(|(name, _)| !matches!(name.as_str(), "authorization" | "cookie"));
    RequestRecord {
        number: 0,
        at: application.now(),
        method: request.method.to_string(),
        endpoint: endpoint.to_owned(),
        path: request.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        headers: headers
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect(),
        body: application.readable_body(request),
        status: None,
        faulted: false,
    }
}
