//! The peer as one pure state machine, the same in a browser's Worker, in the agent and in a
//! simulated world.
//!
//! A shell owns sockets, clocks, disks and keys; [`Peer`] owns every decision. The contract:
//!
//! 1. [`Peer::handle_input`] takes what happened and never blocks. A remote's nonsense is an
//!    event, not an error.
//! 2. After every input and every timeout, drain [`Peer::poll_output`] to `None` and carry out
//!    what it says. A side effect that fails comes back as an input.
//! 3. [`Peer::poll_timeout`] says when to call [`Peer::handle_timeout`] next; calling it early is
//!    harmless.
//! 4. Time never runs backwards.
//!
//! The rooms, in the order in which a chunk passes them: `playout` knows when a segment is due,
//! `schedule` decides who sends which chunk, `links` carries wishes and chunks, `verify`
//! believes nothing, `buffer` keeps what is proven, `upload` passes it on. `session` speaks
//! with the coordinator and `heartbeat` reports.

mod allowance;
mod ask;
mod assignment;
mod bucket;
mod buffer;
mod census;
mod config;
mod conversation;
mod entropy;
mod fetch;
mod handshake;
mod heartbeat;
mod input;
mod links;
mod output;
mod peer;
mod playout;
mod push;
mod receive;
mod rescue;
mod restored;
mod schedule;
mod send;
mod serve;
mod session;
mod sorted;
mod source;
mod subscribe;
mod supply;
mod timeline;
mod upload;
mod verify;

pub use census::Census;
pub use config::Config;
pub use input::{
    BulkId, Caller, CheckId, FetchId, Input, LinkId, LoadId, Machine, MediaKind, SignId, StreamId,
    Want, WantId,
};
pub use output::{ChunkName, Delivered, Event, Output};
pub use peer::{Peer, TimeoutReason};
pub use verify::Verified;
