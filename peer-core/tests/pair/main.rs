//! Peers against each other on a virtual clock.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm
)]

mod attacks;
mod delivery;
mod doors;
mod epochs;
mod faults;
mod loops;
mod memory;
mod proofs;
mod pull;
mod push;
mod session;
mod start;
mod stripes;
mod tickets;
mod timers;
mod world;
