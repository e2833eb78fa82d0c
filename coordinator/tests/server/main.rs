//! The server as a whole: a real one on loopback, real clients.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that meets the unexpected ends"
)]

mod client;
mod door;
mod feeds;
mod groups;
mod guides;
mod history;
mod links;
mod operator;
mod policies;
mod prober;
mod restart;
mod tokens;
mod transfers;
