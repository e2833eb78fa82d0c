//! A WebRTC connection as those see it who talk over it: streams that are written, read and closed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use runnel_protocol::channels::CONTROL_STREAM;
use runnel_protocol::peer::CloseReason;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::outbound::Done;

/// Why something cannot be written: the connection is gone, or the other end wants no more of the stream.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("nobody takes what is written")]
pub(crate) struct Unwanted;

/// What the connection's task is asked to do. The queue has no bound of its own: each stream waits for its own
/// write, and how many streams there are the peer decides.
#[derive(Debug)]
pub(super) enum Command {
    Write {
        stream: u32,
        priority: i32,
        parts: Vec<Bytes>,
        done: Done,
    },
    Finish(u32),
    Reset(u32),
    Stop(u32),
    Close(u32),
}

/// How a connection ended: with the code of whoever closed it, or without one.
pub(super) type End = Option<CloseReason>;

/// A connection whose channels are open. Cheap to clone; the connection ends with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) ended: watch::Receiver<Option<End>>,
    pub(super) arriving: Arc<Arriving>,
    pub(super) opened: Arc<AtomicUsize>,
}

/// What the other end opens.
#[derive(Debug)]
pub(super) struct Arriving {
    /// Its side of the control stream, until it is taken.
    pub(super) control: Mutex<Option<RecvStream>>,
    pub(super) streams: tokio::sync::Mutex<mpsc::UnboundedReceiver<RecvStream>>,
}

impl Session {
    /// The control stream, which there is from the beginning; the second call finds none.
    pub(crate) fn control(&self) -> Option<(SendStream, RecvStream)> {
        let mut control = self
            .arriving
            .control
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let receive = control.take()?;
        Some((self.stream(CONTROL_STREAM), receive))
    }

    /// A stream to write on.
    pub(crate) fn open_uni(&self) -> SendStream {
        let count = self.opened.fetch_add(1, Ordering::Relaxed) + 1;
        self.stream(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// The next stream that the other end opens; `None` once the connection is gone.
    pub(crate) async fn accept_uni(&self) -> Option<RecvStream> {
        self.arriving.streams.lock().await.recv().await
    }

    /// Ends the connection in order.
    pub(crate) fn close(&self, code: u32) {
        // Gone already, then.
        self.commands.send(Command::Close(code)).ok();
    }

    /// Waits for the end, and tells what the other end said.
    pub(crate) async fn closed(&self) -> End {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(end) => end.flatten(),
            Err(_) => None,
        }
    }

    fn stream(&self, stream: u32) -> SendStream {
        SendStream {
            stream,
            priority: 0,
            commands: self.commands.clone(),
        }
    }
}

/// A stream that is being written.
#[derive(Debug)]
pub(crate) struct SendStream {
    stream: u32,
    priority: i32,
    commands: mpsc::UnboundedSender<Command>,
}

impl SendStream {
    /// The highest goes first.
    pub(crate) fn set_priority(&mut self, priority: i32) {
        self.priority = priority;
    }

    /// Returns when all of it is on its way.
    pub(crate) async fn write(&mut self, parts: Vec<Bytes>) -> Result<(), Unwanted> {
        let (done, written) = oneshot::channel();
        let write = Command::Write {
            stream: self.stream,
            priority: self.priority,
            parts,
            done,
        };
        self.commands.send(write).map_err(|_| Unwanted)?;
        written.await.map_err(|_| Unwanted)
    }

    /// Ends it in order.
    pub(crate) fn finish(&mut self) {
        self.commands.send(Command::Finish(self.stream)).ok();
    }

    /// Breaks it off.
    pub(crate) fn reset(&mut self) {
        self.commands.send(Command::Reset(self.stream)).ok();
    }
}

/// A stream that arrives.
#[derive(Debug)]
pub(crate) struct RecvStream {
    pub(super) stream: u32,
    pub(super) bytes: mpsc::UnboundedReceiver<Bytes>,
    pub(super) held: Arc<Held>,
    pub(super) commands: mpsc::UnboundedSender<Command>,
}

impl RecvStream {
    /// The next bytes; `None` at the end, in order or not.
    pub(crate) async fn read(&mut self) -> Option<Bytes> {
        let bytes = self.bytes.recv().await?;
        self.held.release(bytes.len());
        Some(bytes)
    }

    /// The rest is not wanted.
    pub(crate) fn stop(&mut self) {
        self.bytes.close();
        while let Ok(bytes) = self.bytes.try_recv() {
            self.held.release(bytes.len());
        }
        self.commands.send(Command::Stop(self.stream)).ok();
    }
}

/// Bytes that have arrived and that nobody has read yet.
#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: AtomicUsize,
    changed: Notify,
}

impl Held {
    pub(super) fn take(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    pub(super) fn release(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.changed.notify_one();
    }

    pub(super) fn is_over(&self, most: usize) -> bool {
        self.bytes.load(Ordering::Acquire) > most
    }

    /// Waits until something was read.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}
