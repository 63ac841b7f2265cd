//! Connections that can be reset from outside, and a listener that can go offline and come back on its port. Nothing
//! here knows HTTP.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::connect_info::Connected;
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::http::Application;

/// Whether the server is to be reached at all.
#[derive(Debug)]
pub(crate) struct Switchboard {
    online: watch::Sender<bool>,
    /// What the listener has carried out; a caller that goes offline must not race the next connection.
    listening: watch::Sender<bool>,
}

impl Switchboard {
    pub(crate) fn new() -> Self {
        Self { online: watch::Sender::new(true), listening: watch::Sender::new(true) }
    }

    /// Returns once the listener has obeyed, or after a second.
    pub(crate) fn set_online(&self, online: bool) {
        self.online.send_replace(online);
        for _ in 0..200 {
            if *self.listening.borrow() == online {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        tracing::warn!(online, "a simulated server did not change its mind within a second");
    }
}

/// Lets a request's handler reset the connection it came on.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionHandle {
    doomed: Arc<AtomicBool>,
    online: watch::Receiver<bool>,
}

impl ConnectionHandle {
    pub(crate) fn is_online(&self) -> bool {
        *self.online.borrow()
    }

    /// Dooms the connection: the first byte of whatever is written to it resets it instead.
    pub(crate) fn reset(&self) -> Response {
        self.doomed.store(true, Ordering::SeqCst);
        Response::new(Body::empty())
    }
}

impl Connected<IncomingStream<'_, ResettingListener>> for ConnectionHandle {
    fn connect_info(stream: IncomingStream<'_, ResettingListener>) -> Self {
        stream.io().handle.clone()
    }
}

/// Accepts connections while online, resets those that a fault strikes, refuses while offline.
pub(crate) struct ResettingListener {
    listener: Option<TcpListener>,
    address: SocketAddr,
    switchboard: Arc<Switchboard>,
    online: watch::Receiver<bool>,
    application: Arc<dyn Application>,
}

impl ResettingListener {
    pub(crate) fn new(
        listener: StdListener,
        switchboard: Arc<Switchboard>,
        application: Arc<dyn Application>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let online = switchboard.online.subscribe();
        Ok(Self { listener: Some(TcpListener::from_std(listener)?), address, switchboard, online, application })
    }

    async fn obey(&mut self) {
        let online = *self.online.borrow_and_update();
        if !online {
            self.listener = None;
        } else if self.listener.is_none() {
            match TcpListener::bind(self.address).await {
                Ok(listener) => self.listener = Some(listener),
                Err(error) => {
                    tracing::warn!(%error, "a simulated server cannot listen on its port again, trying on");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    return;
                }
            }
        }
        self.switchboard.listening.send_replace(online);
    }

    async fn next(&mut self) -> Option<(TcpStream, SocketAddr)> {
        let Some(listener) = &self.listener else {
            if *self.online.borrow() {
                return None;
            }
            drop(self.online.changed().await);
            return None;
        };
        tokio::select! {
            _ = self.online.changed() => None,
            accepted = listener.accept() => accepted.ok(),
        }
    }
}

impl Listener for ResettingListener {
    type Io = ResettableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            self.obey().await;
            let Some((stream, address)) = self.next().await else { continue };
            if self.application.faults().take_connection_reset() {
                drop(stream.set_zero_linger());
                continue;
            }
            // An answer goes out in two pieces; the second must not wait until the first has been acknowledged.
            drop(stream.set_nodelay(true));
            let handle = ConnectionHandle { doomed: Arc::default(), online: self.online.clone() };
            return (ResettableStream { stream, handle }, address);
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

/// A TCP stream that turns a doomed write into a reset (RST, not FIN).
pub(crate) struct ResettableStream {
    stream: TcpStream,
    handle: ConnectionHandle,
}

impl ResettableStream {
    fn refuse_if_doomed(&self) -> io::Result<()> {
        if self.handle.doomed.load(Ordering::SeqCst) {
            drop(self.stream.set_zero_linger());
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for ResettableStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ResettableStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.refuse_if_doomed()?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.refuse_if_doomed()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.refuse_if_doomed()?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
