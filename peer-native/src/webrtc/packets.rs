//! Packets that leave in one piece: the system takes many of one size at once.

use std::net::{IpAddr, SocketAddr};

use str0m::net::Transmit;

use crate::port::Port;

/// Bytes that leave at once: most systems take 64 packets.
const MOST: usize = 60_000;

/// Packets to one address, all of one size but for the last.
pub(super) struct Packets {
    from: Option<IpAddr>,
    to: Option<SocketAddr>,
    size: usize,
    bytes: Vec<u8>,
}

impl Packets {
    /// None yet; they will come from this address of ours.
    pub(super) fn from(from: Option<IpAddr>) -> Self {
        Self {
            from,
            to: None,
            size: 0,
            bytes: Vec::new(),
        }
    }

    /// Adds a packet, after sending what it does not go along with.
    pub(super) async fn add(&mut self, packet: &Transmit, port: &Port) {
        let fits = self.to == Some(packet.destination)
            && self.bytes.len().is_multiple_of(self.size)
            && packet.contents.len() <= self.size
            && self.bytes.len() + packet.contents.len() <= MOST;
        if !fits {
            self.flush(port).await;
            self.to = Some(packet.destination);
            self.size = packet.contents.len();
        }
        self.bytes.extend_from_slice(&packet.contents);
    }

    /// Sends what there is.
    pub(super) async fn flush(&mut self, port: &Port) {
        if let Some(to) = self.to.take() {
            port.send(self.from, to, &self.bytes, self.size).await;
            self.bytes.clear();
        }
    }
}
