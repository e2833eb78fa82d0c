//! The one door to the driver, through which everything that happens arrives in order.

use runnel_peer_core::{Input, LinkId};
use tokio::sync::mpsc;

use crate::dial::Undialled;
use crate::endpoint::Visitor;
use crate::transport::Session;

/// Arrivals that wait. Most are chunks of 64 KiB at most, so this is 8 MiB; whoever finds it full waits,
/// and QUIC's flow control slows down who sends.
const WAITING: usize = 128;

/// Something that reached the driver.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// For the peer as it is.
    Input(Input),
    /// Somebody connected.
    Visitor(Visitor),
    /// A dial succeeded, or did not.
    Dialled(LinkId, Result<Session, Undialled>),
    /// A WebSocket to the coordinator, the `n`th one, stands or is gone.
    Coordinator(u64, Input),
}

/// Where to put arrivals. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Inbox(mpsc::Sender<Arrival>);

impl Inbox {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Arrival>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// Whether the driver is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Waits for room. Once the driver is gone nothing is left to tell, and nobody to tell it.
    pub(crate) async fn put(&self, arrival: Arrival) {
        self.0.send(arrival).await.ok();
    }

    /// [`Inbox::put`] for the peer.
    pub(crate) async fn input(&self, input: Input) {
        self.put(Arrival::Input(input)).await;
    }

    /// [`Inbox::input`] from a thread that may block.
    pub(crate) fn input_blocking(&self, input: Input) {
        self.0.blocking_send(Arrival::Input(input)).ok();
    }
}
