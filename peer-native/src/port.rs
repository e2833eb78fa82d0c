//! The UDP port, shared by QUIC and WebRTC.
//!
//! The first byte of a datagram tells whose it is (RFC 9443 §3): quinn takes the others, and never sees those of
//! STUN and DTLS. That holds as long as nobody greases QUIC's fixed bit, so [`Port::quic_config`] forbids it.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, EndpointConfig, UdpPoller};
use socket2::{Domain, Socket, Type};
use tokio::sync::mpsc;

/// Datagrams of WebRTC that wait to be looked at; what comes beyond that is lost, as on any network.
const WAITING: usize = 1024;
/// First bytes of STUN messages and of DTLS records (RFC 7983, RFC 9443).
const STUN: std::ops::RangeInclusive<u8> = 0..=3;
const DTLS: std::ops::RangeInclusive<u8> = 20..=63;

/// A datagram of WebRTC.
#[derive(Debug)]
pub(crate) struct Datagram {
    /// Who sent it.
    pub(crate) from: SocketAddr,
    /// The address of this machine that it was sent to, where the system tells.
    pub(crate) to: Option<IpAddr>,
    pub(crate) bytes: Bytes,
}

/// The port as quinn sees it, and as WebRTC sends through it.
#[derive(Clone)]
pub(crate) struct Port {
    socket: Arc<dyn AsyncUdpSocket>,
    webrtc: mpsc::Sender<Datagram>,
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

impl Port {
    /// Opens the port; datagrams of WebRTC come out of the receiver. `[::]` is every address of the
    /// machine, or every one of IPv4 where the machine has no IPv6 at all.
    ///
    /// # Errors
    /// The address is taken or not ours.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<(Self, mpsc::Receiver<Datagram>)> {
        let (webrtc, datagrams) = mpsc::channel(WAITING);
        let socket = runtime()?.wrap_udp_socket(open(address)?)?;
        Ok((Self { socket, webrtc }, datagrams))
    }

    /// A QUIC endpoint on this port.
    ///
    /// # Errors
    /// The port is of no use.
    pub(crate) fn quic(&self, config: quinn::ServerConfig) -> io::Result<quinn::Endpoint> {
        let socket = Arc::new(self.clone());
        let shared = Self::quic_config();
        quinn::Endpoint::new_with_abstract_socket(shared, Some(config), socket, runtime()?)
    }

    fn quic_config() -> EndpointConfig {
        let mut config = EndpointConfig::default();
        config.grease_quic_bit(false);
        config
    }

    /// Sends datagrams of `size` bytes each (the last may be shorter) to one address, when there is room; from
    /// the address of ours that was asked, where that is known: whoever asked expects no other. What the system
    /// refuses to send is lost, as on any network.
    pub(crate) async fn send(
        &self,
        from: Option<IpAddr>,
        to: SocketAddr,
        bytes: &[u8],
        size: usize,
    ) {
        let from = from.filter(|from| from.is_ipv4() == to.is_ipv4());
        let most = self.socket.max_transmit_segments() * size;
        for batch in bytes.chunks(most.max(1)) {
            let transmit = Transmit {
                destination: SocketAddr::new(self.written(to.ip()), to.port()),
                ecn: None,
                contents: batch,
                segment_size: (batch.len() > size).then_some(size),
                src_ip: from.map(|from| self.written(from)),
            };
            let mut poller = None;
            while let Err(error) = self.socket.try_send(&transmit)
                && error.kind() == io::ErrorKind::WouldBlock
            {
                let poller =
                    poller.get_or_insert_with(|| Arc::clone(&self.socket).create_io_poller());
                if poll_fn(|context| poller.as_mut().poll_writable(context))
                    .await
                    .is_err()
                {
                    return;
                }
            }
        }
    }

    /// An address as this socket writes it: IPv6 has IPv4 mapped into it.
    fn written(&self, ip: IpAddr) -> IpAddr {
        let is_v6 = self.socket.local_addr().is_ok_and(|own| own.is_ipv6());
        match ip {
            IpAddr::V4(ip) if is_v6 => ip.to_ipv6_mapped().into(),
            IpAddr::V4(_) | IpAddr::V6(_) => ip,
        }
    }

    /// Takes out what is WebRTC's: one [`RecvMeta`] may stand for several datagrams of one sender.
    fn divert(&self, meta: &mut RecvMeta, received: &[u8]) {
        let is_webrtc = received
            .first()
            .is_some_and(|first| STUN.contains(first) || DTLS.contains(first));
        if !is_webrtc {
            return;
        }
        let from = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
        let to = meta.dst_ip.map(|ip| ip.to_canonical());
        for bytes in received.chunks(meta.stride.max(1)) {
            let bytes = Bytes::copy_from_slice(bytes);
            // Nobody may be listening, or not fast enough.
            self.webrtc.try_send(Datagram { from, to, bytes }).ok();
        }
        meta.len = 0;
    }
}

impl AsyncUdpSocket for Port {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.socket).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket.try_send(transmit)
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(self.socket.poll_recv(context, buffers, metas))?;
        for (meta, buffer) in metas.iter_mut().zip(buffers).take(count) {
            let length = meta.len;
            self.divert(meta, &buffer[..length]);
        }
        Poll::Ready(Ok(count))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.socket.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.socket.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}

fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    if address.ip() != Ipv6Addr::UNSPECIFIED {
        return UdpSocket::bind(address);
    }
    match open_both(address) {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            UdpSocket::bind((Ipv4Addr::UNSPECIFIED, address.port()))
        }
        opened => opened,
    }
}

/// Both families in one socket, whatever the system's default is (RFC 3493 §5.3).
fn open_both(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
    socket.set_only_v6(false)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn runtime() -> io::Result<Arc<dyn quinn::Runtime>> {
    quinn::default_runtime().ok_or_else(|| io::Error::other("there is no runtime of tokio here"))
}
