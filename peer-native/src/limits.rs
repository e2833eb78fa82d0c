//! How much of a home machine strangers may take. Every bound of the network side, with its why.

use std::time::Duration;

use quinn::{IdleTimeout, TransportConfig, VarInt};

/// Handshakes under way at a time. quinn's default of 65,536 suits a data centre; 64 strangers
/// a round trip are more than a home uplink can serve.
pub(crate) const HANDSHAKES: usize = 64;
/// From this many handshakes on, an address has to prove itself first (RFC 9000 §8.1.2), which
/// costs honest diallers a round trip and forgers everything.
pub(crate) const HANDSHAKES_ON_TRUST: usize = 16;
/// The same by WebRTC. Whoever was introduced knows the password, so these may all be forged, and there is
/// nothing to ask a browser before: they take no more of [`HANDSHAKES`] than those that QUIC takes on trust.
pub(crate) const CALLS: usize = HANDSHAKES_ON_TRUST;
/// Time for a handshake, WebTransport's CONNECT included.
pub(crate) const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// Bytes of not yet accepted connections that wait, each and together.
const EARLY_DATA: u64 = 16 * 1024;
const EARLY_DATA_IN_ALL: u64 = 1024 * 1024;

/// Bulk streams that the other end may have open: 4 segments of 16 stripes. HTTP/3 takes three.
/// Each may hold one unfinished frame of 66 KiB, so a link holds 4 MiB of them at most.
const UNI_STREAMS: u32 = 67;
/// Bidirectional streams that the other end may have open: the control stream, and
/// WebTransport's CONNECT.
const BIDI_STREAMS: u32 = 4;
/// Bytes in flight per stream: 100 Mbit/s over a round trip of 80 ms.
const STREAM_WINDOW: u32 = 1024 * 1024;
/// Bytes in flight per connection and direction: at most 256 MiB each way with the 128 connections
/// of a home machine, 2 GiB with the 1024 of a server of 1 Gbit/s
/// ([`runnel_protocol::peer::max_links`]), and only if all of them stall with full windows.
const CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;
/// A silent link is gone after this; a viewer has found another parent long before.
const IDLE: Duration = Duration::from_secs(10);
/// Three lost packets in a row end a link, two do not.
const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// Limits of each connection, in either direction.
pub fn transport() -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_concurrent_uni_streams(VarInt::from_u32(UNI_STREAMS))
        .max_concurrent_bidi_streams(VarInt::from_u32(BIDI_STREAMS))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .send_window(u64::from(CONNECTION_WINDOW))
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(IdleTimeout::try_from(IDLE).ok())
        .keep_alive_interval(Some(KEEP_ALIVE));
    config
}

/// Limits of what has not yet become a connection.
pub(crate) fn admission(config: &mut quinn::ServerConfig) {
    config
        .max_incoming(HANDSHAKES)
        .incoming_buffer_size(EARLY_DATA)
        .incoming_buffer_size_total(EARLY_DATA_IN_ALL);
}

/// Limits of connections by WebRTC.
pub(crate) mod webrtc {
    /// Bytes of media that are sent and not yet acknowledged: 25 Mbit/s over a round trip of 80 ms. What is on its
    /// way cannot be overtaken by something more urgent, so it is less than QUIC's.
    pub(crate) const UNACKNOWLEDGED: usize = 256 * 1024;
    /// Room beside it for the control channel.
    pub(crate) const FOR_CONTROL: usize = 64 * 1024;
    /// Bytes that have arrived and are not read; nothing more is received meanwhile.
    pub(crate) const UNREAD: usize = 1024 * 1024;
    /// Streams that the other end may have open, see `UNI_STREAMS`.
    pub(crate) const STREAMS: usize = 67;
}
