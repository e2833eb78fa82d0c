//! Bytes as the sockets take them, by path: headers, retries and abandoned answers included.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// Most paths that are told apart: hours of a live stream. What comes later counts as one.
const MAX_PATHS: usize = 100_000;

/// What was sent, by path.
#[derive(Default)]
pub(super) struct Ledger(Mutex<BTreeMap<String, Sent>>);

#[derive(Clone, Default, Serialize)]
pub(super) struct Sent {
    requests: u64,
    bytes: u64,
    /// The part of `bytes` that went to pages.
    page_bytes: u64,
}

impl Ledger {
    pub(super) fn snapshot(&self) -> BTreeMap<String, Sent> {
        self.lock().clone()
    }

    fn update(&self, path: &str, change: impl FnOnce(&mut Sent)) {
        let mut paths = self.lock();
        let known = paths.len() < MAX_PATHS || paths.contains_key(path);
        let path = if known { path } else { "later" };
        change(paths.entry(path.to_owned()).or_default());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Sent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's account. HTTP/1.1 answers in order, so bytes belong to the latest request.
#[derive(Clone)]
pub(super) struct Tally {
    ledger: Arc<Ledger>,
    latest: Arc<Mutex<Option<Asked>>>,
}

/// The latest request of a connection.
struct Asked {
    path: String,
    by_page: bool,
}

impl Tally {
    /// A page or a program asks for `path`; is this the first request of its connection?
    pub(super) fn begin(&self, path: &str, by_page: bool) -> bool {
        self.ledger.update(path, |sent| sent.requests += 1);
        let path = path.to_owned();
        self.latest().replace(Asked { path, by_page }).is_none()
    }

    fn sent(&self, bytes: usize) {
        if let Some(Asked { path, by_page }) = self.latest().as_ref() {
            let bytes = bytes as u64;
            self.ledger.update(path, |sent| {
                sent.bytes += bytes;
                sent.page_bytes += if *by_page { bytes } else { 0 };
            });
        }
    }

    fn latest(&self) -> std::sync::MutexGuard<'_, Option<Asked>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts connections that count what they send.
pub(super) struct CountingListener {
    inner: TcpListener,
    ledger: Arc<Ledger>,
}

impl CountingListener {
    pub(super) fn new(inner: TcpListener, ledger: Arc<Ledger>) -> Self {
        Self { inner, ledger }
    }
}

impl Listener for CountingListener {
    type Io = CountedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (CountedStream, SocketAddr) {
        let (inner, from) = Listener::accept(&mut self.inner).await;
        let tally = Tally {
            ledger: Arc::clone(&self.ledger),
            latest: Arc::default(),
        };
        // Without it the kernel holds small answers back; a refusal only costs milliseconds.
        let _ = inner.set_nodelay(true);
        (CountedStream { inner, tally }, from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

impl Connected<IncomingStream<'_, CountingListener>> for Tally {
    fn connect_info(stream: IncomingStream<'_, CountingListener>) -> Self {
        stream.io().tally.clone()
    }
}

pub(super) struct CountedStream {
    inner: TcpStream,
    tally: Tally,
}

impl CountedStream {
    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            self.tally.sent(*bytes);
        }
        written
    }
}

impl AsyncRead for CountedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl AsyncWrite for CountedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bytes);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
