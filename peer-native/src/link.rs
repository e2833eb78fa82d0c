//! One task per connection, between its streams and the driver.
//!
//! The acceptor opens the control stream and the peer speaks first on it; media arrives and
//! leaves on unidirectional streams. The driver never waits for a link: what a link does not
//! take in time ends it.

mod incoming;
mod outgoing;

use std::collections::BTreeMap;

use bytes::Bytes;
use runnel_peer_core::{BulkId, Input, LinkId, StreamId, Verified};
use runnel_protocol::bulk::BulkHeader;
use runnel_protocol::codec::{FrameDecoder, encode_framed};
use runnel_protocol::peer::{CloseReason, Control};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::inbox::{Arrival, Inbox};
use crate::transport::{RecvStream, SendStream, Session};
use outgoing::Outgoing;

/// Control messages that wait for a slow link: more than a healthy one ever has.
const CONTROLS: usize = 256;
/// Stop requests that wait.
const STOPS: usize = 64;
/// Packets read at once from a control stream.
const PACKETS: usize = 8;

/// Which end of a connection this is.
#[derive(Debug)]
pub(crate) enum Role {
    /// We were dialled: we open the control stream, and the visitor takes a place.
    Acceptor(OwnedSemaphorePermit),
    /// We dialled.
    Dialler,
}

/// The driver's hold on a connection. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Link {
    id: LinkId,
    session: Session,
    controls: mpsc::Sender<Control>,
    stops: mpsc::Sender<StreamId>,
    /// Set once the other end has proven itself: before, none of its media is read.
    proven: CancellationToken,
    bulks: BTreeMap<BulkId, Outgoing>,
    /// `order` of the first bulk stream: priorities count from there.
    first_order: Option<u64>,
    inbox: Inbox,
}

impl Link {
    /// Starts the link's task.
    pub(crate) fn start(id: LinkId, session: Session, role: Role, inbox: Inbox) -> Self {
        let (controls, outgoing_controls) = mpsc::channel(CONTROLS);
        let (stops, stop_requests) = mpsc::channel(STOPS);
        let proven = CancellationToken::new();
        if let Role::Dialler = role {
            // Whom we dialled showed the certificate that the coordinator named.
            proven.cancel();
        }
        let wire = Wire {
            id,
            session: session.clone(),
            role,
            proven: proven.clone(),
            inbox: inbox.clone(),
        };
        tokio::spawn(wire.run(outgoing_controls, stop_requests));
        Self {
            id,
            session,
            controls,
            stops,
            proven,
            bulks: BTreeMap::new(),
            first_order: None,
            inbox,
        }
    }

    /// Sends on the control stream.
    pub(crate) fn send(&self, message: Control) {
        if let Control::Welcome = message {
            self.proven.cancel();
        }
        if self.controls.try_send(message).is_err() {
            debug!("a link that takes no messages is closed");
            self.close(CloseReason::Idle);
        }
    }

    /// Opens a bulk stream; lower orders go first.
    pub(crate) fn open_bulk(&mut self, bulk: BulkId, header: &BulkHeader, order: u64) {
        let first = *self.first_order.get_or_insert(order);
        let later = i128::from(order) - i128::from(first);
        let priority = i32::try_from(-later).unwrap_or(if later > 0 { i32::MIN } else { i32::MAX });
        let outgoing = Outgoing::start(
            self.session.clone(),
            (self.id, bulk),
            header.encode(),
            priority,
            self.inbox.clone(),
        );
        self.bulks.insert(bulk, outgoing);
    }

    /// Sends a chunk on an open bulk stream.
    pub(crate) fn send_chunk(&mut self, bulk: BulkId, chunk: Verified) {
        if let Some(outgoing) = self.bulks.get(&bulk)
            && outgoing.send(chunk).is_err()
        {
            debug!("a stream that takes no chunks is reset");
            self.bulks.remove(&bulk);
        }
    }

    /// Ends a bulk stream in order, after what was given to it.
    pub(crate) fn finish_bulk(&mut self, bulk: BulkId) {
        if let Some(outgoing) = self.bulks.remove(&bulk) {
            outgoing.finish();
        }
    }

    /// Breaks a bulk stream off.
    pub(crate) fn reset_bulk(&mut self, bulk: BulkId) {
        self.bulks.remove(&bulk);
    }

    /// Tells the sender of an arriving stream to stop.
    pub(crate) fn stop_stream(&self, stream: StreamId) {
        // A full queue means that the link's task is about to end anyway.
        self.stops.try_send(stream).ok();
    }

    /// Closes the connection with this code.
    pub(crate) fn close(&self, reason: CloseReason) {
        self.session.close(reason.code());
    }
}

/// The task's end.
struct Wire {
    id: LinkId,
    session: Session,
    role: Role,
    proven: CancellationToken,
    inbox: Inbox,
}

impl Wire {
    /// Runs until the connection is gone, and says so last of all.
    async fn run(self, controls: mpsc::Receiver<Control>, stops: mpsc::Receiver<StreamId>) {
        let gone = tokio::select! {
            () = self.converse(controls) => self.session.closed().await,
            () = self.receive(stops) => self.session.closed().await,
            gone = self.session.closed() => gone,
        };
        let closed = Input::Closed(self.id, gone);
        self.inbox.put(Arrival::Input(closed)).await;
        if let Role::Acceptor(place) = self.role {
            drop(place);
        }
    }

    /// Media, from the moment on when the other end has proven itself.
    async fn receive(&self, stops: mpsc::Receiver<StreamId>) {
        self.proven.cancelled().await;
        incoming::receive(self.id, &self.session, &self.inbox, stops).await;
    }

    /// The control stream, both ways, until either direction ends: then the link does.
    async fn converse(&self, mut controls: mpsc::Receiver<Control>) {
        let dialled = matches!(self.role, Role::Dialler);
        if let Ok((mut send, mut receive)) = self.session.control(dialled).await {
            tokio::select! {
                () = write(&mut send, &mut controls) => {}
                () = self.read(&mut receive) => {}
            }
            // A goodbye that is on its way is worth waiting for.
            send.finish();
        }
        self.session.close(CloseReason::Done.code());
    }

    async fn read(&self, stream: &mut RecvStream) {
        let mut decoder = FrameDecoder::default();
        let mut packets = [const { Bytes::new() }; PACKETS];
        while let Some(filled) = stream.read(&mut packets).await {
            let read = packets.iter_mut().take(filled).map(std::mem::take);
            read.for_each(|packet| decoder.push(&packet));
            loop {
                let message = decoder.poll::<Control>().and_then(|message| {
                    message.as_ref().map_or(Ok(()), Control::check_bounds)?;
                    Ok(message)
                });
                match message {
                    Ok(Some(message)) => {
                        self.inbox.input(Input::Control(self.id, message)).await;
                    }
                    Ok(None) => break,
                    Err(error) => {
                        debug!(%error, "malformed control message");
                        self.inbox.input(Input::Malformed(self.id)).await;
                        // The peer hangs up and says why.
                        self.session.closed().await;
                        return;
                    }
                }
            }
        }
    }
}

async fn write(stream: &mut SendStream, controls: &mut mpsc::Receiver<Control>) {
    while let Some(message) = controls.recv().await {
        if stream
            .write(&mut vec![encode_framed(&message)])
            .await
            .is_err()
        {
            return;
        }
    }
}
