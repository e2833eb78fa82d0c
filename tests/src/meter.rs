//! A meter in front of a server's UDP port: what the server itself knows nothing of passes through
//! here in both directions and is counted, datagram by datagram.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// The longest datagram that QUIC sends over loopback.
const LONGEST: usize = 65_535;
/// What a datagram spends on itself: QUIC's short header (3 to 11 bytes), the seal (16), and the
/// header of the one STREAM frame that fills it (about 9).
const WRAPPING: u64 = 30;
/// The same of WebRTC: DTLS' record header and seal (37), SCTP's header and that of its one chunk (28).
const WRAPPING_WEBRTC: u64 = 65;
/// What DTLS records begin with; QUIC's never do (RFC 9443).
const DTLS: std::ops::RangeInclusive<u8> = 20..=63;
/// Shorter datagrams are acknowledgements and the like.
const SHORTEST_LOADED: u64 = 100;

/// What went one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// All bytes of all datagrams.
    pub bytes: u64,
    /// Without QUIC's or WebRTC's own wrapping and acknowledgements, within a percent.
    pub payload: u64,
}

/// What passed between the server and one other end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flow {
    /// From the server.
    pub down: Sent,
    /// To the server.
    pub up: Sent,
}

impl Sent {
    fn count(&mut self, datagram: &[u8]) {
        let bytes = datagram.len() as u64;
        self.bytes += bytes;
        if bytes >= SHORTEST_LOADED {
            let is_dtls = datagram.first().is_some_and(|first| DTLS.contains(first));
            self.payload += bytes - if is_dtls { WRAPPING_WEBRTC } else { WRAPPING };
        }
    }
}

impl std::ops::AddAssign for Sent {
    fn add_assign(&mut self, more: Self) {
        self.bytes += more.bytes;
        self.payload += more.payload;
    }
}

type Flows = Arc<Mutex<BTreeMap<SocketAddr, Flow>>>;

/// An address that leads to a server. Dropping it cuts everybody off.
#[derive(Debug)]
pub struct Meter {
    address: SocketAddr,
    server: watch::Sender<Option<SocketAddr>>,
    flows: Flows,
    relay: AbortHandle,
}

impl Meter {
    /// A meter on a free loopback port. Nothing passes before it [leads](Meter::leads_to)
    /// somewhere.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn bind() -> Result<Self> {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
        let address = socket.local_addr()?;
        let (server, known) = watch::channel(None);
        let flows = Flows::default();
        let relay = tokio::spawn(relay(socket, known, Arc::clone(&flows)));
        Ok(Self {
            address,
            server,
            flows,
            relay: relay.abort_handle(),
        })
    }

    /// Where others reach the server through this meter.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server is there.
    pub fn leads_to(&self, server: SocketAddr) {
        self.server.send_replace(Some(server));
    }

    /// The server's own address.
    pub fn server(&self) -> Option<SocketAddr> {
        *self.server.borrow()
    }

    /// What passed so far, by the other end's address.
    pub fn flows(&self) -> BTreeMap<SocketAddr, Flow> {
        lock(&self.flows).clone()
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

fn lock(flows: &Flows) -> std::sync::MutexGuard<'_, BTreeMap<SocketAddr, Flow>> {
    flows.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn relay(
    door: Arc<UdpSocket>,
    mut server: watch::Receiver<Option<SocketAddr>>,
    flows: Flows,
) {
    let Ok(known) = server.wait_for(Option::is_some).await.map(|known| *known) else {
        return;
    };
    let Some(server) = known else { return };
    let mut others: BTreeMap<SocketAddr, Arc<UdpSocket>> = BTreeMap::new();
    let mut answers = JoinSet::new();
    let mut datagram = vec![0; LONGEST];
    while let Ok((length, from)) = door.recv_from(&mut datagram).await {
        let way = match others.entry(from) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let Ok(way) = way_to(server).await else {
                    continue;
                };
                answers.spawn(answer(
                    Arc::clone(&door),
                    Arc::clone(&way),
                    from,
                    Arc::clone(&flows),
                ));
                new.insert(way)
            }
        };
        lock(&flows)
            .entry(from)
            .or_default()
            .up
            .count(&datagram[..length]);
        // A datagram may be lost; QUIC sends what it held again.
        let _ = way.send(&datagram[..length]).await;
    }
}

async fn way_to(server: SocketAddr) -> Result<Arc<UdpSocket>> {
    let way = UdpSocket::bind("127.0.0.1:0").await?;
    way.connect(server).await?;
    Ok(Arc::new(way))
}

async fn answer(door: Arc<UdpSocket>, way: Arc<UdpSocket>, to: SocketAddr, flows: Flows) {
    let mut datagram = vec![0; LONGEST];
    loop {
        // A refused datagram (the server is gone) is no reason to end: it may come back.
        let Ok(length) = way.recv(&mut datagram).await else {
            continue;
        };
        lock(&flows)
            .entry(to)
            .or_default()
            .down
            .count(&datagram[..length]);
        let _ = door.send_to(&datagram[..length], to).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_passes_is_counted_each_way() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let meter = Meter::bind().await.unwrap();
        meter.leads_to(server.local_addr().unwrap());
        let page = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        page.send_to(&[1; 40], meter.address()).await.unwrap();
        let mut datagram = [0; 2_000];
        let (_, back) = server.recv_from(&mut datagram).await.unwrap();
        server.send_to(&[2; 1_200], back).await.unwrap();
        let (length, _) = page.recv_from(&mut datagram).await.unwrap();
        assert_eq!(length, 1_200);
        let flow = meter.flows()[&page.local_addr().unwrap()];
        assert_eq!((flow.up.bytes, flow.up.payload), (40, 0));
        assert_eq!((flow.down.bytes, flow.down.payload), (1_200, 1_170));
    }
}
