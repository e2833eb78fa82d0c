//! Everything that crosses a wire in Runnel, defined once.
//!
//! A reader who follows the data starts at [`segment`] (what a chunk is called), then
//! [`proof`] (why it may be believed), [`manifest`] (who vouches for it), [`bulk`] (how it
//! travels) and [`peer`] (how peers talk about it). The decision's side is [`ticket`] and
//! [`control`]. `docs/PROTOCOL.md` tells the same in prose.
//!
//! This crate reads no clock, socket or entropy and depends on nothing else of Runnel.

pub mod bulk;
pub mod channels;
pub mod codec;
pub mod control;
pub mod group;
pub mod ids;
pub mod local;
pub mod manifest;
pub mod meetings;
mod octets;
pub mod peer;
#[cfg(feature = "pinned")]
pub mod pinned;
pub mod proof;
pub mod segment;
pub mod signature;
#[cfg(feature = "ed25519")]
pub mod signing;
pub mod ticket;
pub mod time;
pub mod units;

/// ALPN of native QUIC connections between regular peers. A changed wire format is a new name.
pub const ALPN: &[u8] = b"runnel/1";
/// ALPN under which browsers reach the same port with WebTransport over HTTP/3.
pub const ALPN_WEBTRANSPORT: &[u8] = b"h3";
/// Path of the WebTransport CONNECT request; its version moves with [`ALPN`].
pub const WEBTRANSPORT_PATH: &str = "/runnel/1";
/// WebSocket subprotocol between a peer and the coordinator.
pub const WEBSOCKET_SUBPROTOCOL: &str = "runnel.1";
/// Path of the coordinator's WebSocket door.
pub const WEBSOCKET_PATH: &str = "/v1/peer";
