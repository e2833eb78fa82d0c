//! What arrives over a connection, given to the streams that it belongs to.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use runnel_protocol::codec::DecodeError;
use tokio::sync::mpsc;

use super::limits;
use super::session::{Command, Held, RecvStream};

/// Streams that the other end has open. Queues have no bound of their own: what is unread altogether is counted,
/// and nothing more is received beyond [`limits::UNREAD`].
pub(super) struct Inbound {
    pub(super) held: Arc<Held>,
    streams: BTreeMap<u32, mpsc::UnboundedSender<Bytes>>,
    accepted: mpsc::UnboundedSender<RecvStream>,
    commander: mpsc::WeakUnboundedSender<Command>,
}

impl Inbound {
    /// Nothing yet; streams that the other end opens come out of the receiver.
    pub(super) fn new(
        commander: mpsc::WeakUnboundedSender<Command>,
    ) -> (Self, mpsc::UnboundedReceiver<RecvStream>) {
        let (accepted, arrived) = mpsc::unbounded_channel();
        let inbound = Self {
            held: Arc::default(),
            streams: BTreeMap::new(),
            accepted,
            commander,
        };
        (inbound, arrived)
    }

    /// A stream from now on.
    pub(super) fn open(
        &mut self,
        stream: u32,
        commands: mpsc::UnboundedSender<Command>,
    ) -> RecvStream {
        let (sender, bytes) = mpsc::unbounded_channel();
        self.streams.insert(stream, sender);
        RecvStream {
            stream,
            bytes,
            held: Arc::clone(&self.held),
            commands,
        }
    }

    /// Bytes of a stream, which the first ones open.
    ///
    /// # Errors
    /// The other end has too many streams open.
    pub(super) fn take(&mut self, stream: u32, bytes: Bytes) -> Result<(), DecodeError> {
        if !self.streams.contains_key(&stream) {
            if self.streams.len() > limits::STREAMS {
                return Err(DecodeError::OutOfBounds("streams"));
            }
            // Nobody is left who could read it, and the connection is about to end.
            let Some(commands) = self.commander.upgrade() else {
                return Ok(());
            };
            let opened = self.open(stream, commands);
            self.accepted.send(opened).ok();
        }
        if let Some(reader) = self.streams.get(&stream) {
            let length = bytes.len();
            self.held.take(length);
            if reader.send(bytes).is_err() {
                // Stopped; what is still on its way comes to nobody.
                self.held.release(length);
            }
        }
        Ok(())
    }

    /// A stream is over, in order or not: its reader judges what he has got.
    pub(super) fn end(&mut self, stream: u32) {
        self.streams.remove(&stream);
    }
}
