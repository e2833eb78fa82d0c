//! The regular peer as an agent: it accepts QUIC, WebTransport and WebRTC on one port, proves and keeps
//! what it receives, and passes it on.
//!
//! Nothing here decides what to send to whom; that is `runnel-peer-core`. This crate is its hands:
//!
//! - [`agent`] starts everything and stops it in order; `driver` is the one task that owns the
//!   peer and carries out what it asks for.
//! - `port`, [`endpoint`], `webrtc` and [`dial`] make connections, which are all the same to
//!   `transport` and above; `link` moves messages and media; [`limits`] says how much
//!   of the machine they may take; [`certificates`] are pinned by hash and replaced in time.
//! - `coordinator` speaks with the coordinator; `reachability` says where the agent can be reached, and `mapping` has
//!   the router forward a port to it where the owner has agreed.
//! - [`cache`] keeps chunks on disk.
//! - [`waypoint`] fetches from the origin and attests, where an operator wants that.
//! - [`player`] is for programs that play what the peer brings.
//! - `refusals` counts who and what was refused, and tells the log.
//! - [`config`] is what a person can settle, and [`doctor`] what a person can do about a machine that is of no
//!   use.
//!
//! Every queue between these has a stated bound, and the driver waits for none of them.

pub mod addresses;
pub mod agent;
pub mod cache;
pub mod certificates;
mod clock;
pub mod config;
mod coordinator;
pub mod dial;
pub mod doctor;
mod driver;
pub mod endpoint;
mod inbox;
mod invitations;
pub mod limits;
mod link;
mod machine;
mod mapping;
pub mod player;
mod port;
mod reachability;
mod refusals;
mod secrets;
mod token_file;
mod transport;
pub mod waypoint;
mod webrtc;
