//! A server that answers a login, and then the same answers in turn, without looking at what it is asked.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clearml_alerts::clearml::{Client, Config, Credentials};
use url::Url;

/// The server. Its thread ends with the process.
pub(crate) struct Canned {
    /// Where it is.
    pub(crate) url: Url,
    asked: Arc<AtomicUsize>,
    /// Where Linux counts what its thread uses.
    thread: PathBuf,
}

impl Canned {
    pub(crate) fn serve(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let (counter, (tell, told)) = (Arc::clone(&asked), std::sync::mpsc::channel());
        std::thread::spawn(move || {
            tell.send(std::fs::read_link("/proc/thread-self").unwrap_or_default()).unwrap();
            for stream in listener.incoming() {
                answer(stream.unwrap(), &answers, &counter);
            }
        });
        let thread = PathBuf::from("/proc").join(told.recv().unwrap());
        Self { url, asked, thread }
    }

    /// From now on the first answer comes first.
    pub(crate) fn rewind(&self) {
        self.asked.store(0, Ordering::SeqCst);
    }

    /// A client of it.
    pub(crate) fn client(&self) -> Client {
        let keys = Credentials::Keys { access: "bench".to_owned(), secret: "bench".to_owned().into() };
        Client::new(Config::new(self.url.clone(), keys)).unwrap()
    }

    /// Nanoseconds of processor time of everything in this process but the server.
    pub(crate) fn others_cpu(&self) -> u64 {
        let own = std::fs::canonicalize(&self.thread).unwrap_or_default();
        let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let others = threads.filter(|thread| thread.path().file_name() != own.file_name());
        let used = |text: String| text.split(' ').next().and_then(|number| number.parse::<u64>().ok());
        others.filter_map(|thread| used(std::fs::read_to_string(thread.path().join("schedstat")).ok()?)).sum()
    }
}

/// One exchange a connection, as ClearML's servers have it.
fn answer(mut stream: TcpStream, answers: &[Vec<u8>], counter: &AtomicUsize) {
    let request = read_request(&mut stream);
    let login = login();
    let body = if request.windows(10).any(|window| window == b"auth.login") {
        &login
    } else {
        &answers[counter.fetch_add(1, Ordering::SeqCst) % answers.len()]
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Sun, 22 Nov 2026 23:27:28 GMT\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
}

fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let (mut request, mut buffer) = (Vec::new(), [0; 8_192]);
    loop {
        let count = stream.read(&mut buffer).unwrap_or(0);
        request.extend_from_slice(&buffer[..count]);
        let Some(head) = request.windows(4).position(|window| window == b"\r\n\r\n") else {
            if count == 0 {
                return request;
            }
            continue;
        };
        let text = String::from_utf8_lossy(&request[..head]).to_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if count == 0 || request.len() >= head + 4 + length.unwrap_or(0) {
            return request;
        }
    }
}

fn login() -> Vec<u8> {
    use base64::Engine as _;
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .encode(r#"{"exp": 4102444800, "api_version": "2.31", "server_version": "2.0.0", "feature_set": "basic"}"#);
    let token = format!("e30.{payload}.c2ln");
    format!(r#"{{"meta": {{"result_code": 200}}, "data": {{"token": "{token}"}}}}"#).into_bytes()
}
