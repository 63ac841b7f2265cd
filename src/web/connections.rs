//! Connections with a bound: so many at the same time, and none that says nothing, or takes nothing, for long. A reader
//! that dawdles costs the service one connection for some seconds, never more.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

/// A whole request is there in so long, counted from the beginning or from the last answer; and some of an answer is taken
/// in so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// After the system could not give a connection, most likely because no file is free.
const PAUSE: Duration = Duration::from_secs(1);

/// Gives out so many connections at most; others wait in the system's queue.
pub(super) struct Connections {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Connections {
    pub(super) fn new(listener: TcpListener, most: usize) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(most)) }
    }
}

impl Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            // It fails only where the semaphore is closed, which nobody does.
            let place = Arc::clone(&self.places).acquire_owned().await.ok();
            match self.listener.accept().await {
                Ok((stream, address)) => return (Connection::new(stream, place), address),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "the status page can take no connection for now");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// The reader was gone before it was let in.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// A connection that ends where its reader dawdles.
pub(super) struct Connection {
    stream: TcpStream,
    patience: Pin<Box<Sleep>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn new(stream: TcpStream, place: Option<OwnedSemaphorePermit>) -> Self {
        Self { stream, patience: Box::pin(sleep_until(Instant::now() + PATIENCE)), _place: place }
    }

    /// What the stream says, unless patience is over. Only what is sent renews it: a request that comes letter by letter
    /// does not.
    fn within<T>(&mut self, context: &mut Context<'_>, poll: Poll<io::Result<T>>, renews: bool) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            if renews {
                self.patience.as_mut().reset(Instant::now() + PATIENCE);
            }
            return poll;
        }
        self.patience.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.patience.is_elapsed() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        this.within(context, read, false)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.within(context, written, true)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        this.within(context, flushed, false)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = Pin::new(&mut this.stream).poll_shutdown(context);
        this.within(context, shut, false)
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

    async fn served(most: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let pages = Router::new().route("/", get(|| async { "here" }));
        tokio::spawn(async move { axum::serve(Connections::new(listener, most), pages).await });
        address
    }

    /// Everything that is answered, until the connection ends.
    async fn rest(stream: &mut TcpStream) -> String {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_never_ends_is_not_waited_for() {
        let address = served(8).await;
        for beginning in [&b""[..], b"GET / HTTP/1.1\r\nHost: local"] {
            let started = Instant::now();
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(beginning).await.unwrap();
            assert!(!rest(&mut stream).await.contains("here"));
            assert!(started.elapsed() >= PATIENCE);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_comes_letter_by_letter_is_cut_off() {
        let address = served(8).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (mut reading, mut writing) = stream.split();
        let letters = async {
            for letter in REQUEST {
                // Each comes in time by itself; all of them would take a minute.
                tokio::time::sleep(Duration::from_secs(1)).await;
                if writing.write_all(&[*letter]).await.is_err() {
                    break;
                }
            }
        };
        let mut answer = Vec::new();
        let ((), _) = tokio::join!(letters, reading.read_to_end(&mut answer));
        assert!(!String::from_utf8(answer).unwrap().contains("here"));
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_at_once_and_the_next_when_one_has_gone() {
        let address = served(2).await;
        let idle = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
        let started = Instant::now();
        let mut third = TcpStream::connect(address).await.unwrap();
        third.write_all(REQUEST).await.unwrap();
        assert!(rest(&mut third).await.ends_with("here"));
        assert!(started.elapsed() >= PATIENCE, "the two that say nothing are waited for first");
        drop(idle);
    }
}
