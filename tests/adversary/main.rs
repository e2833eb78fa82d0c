//! Attackers against the real programs, by the numbers of the threats that they stand for: each of
//! them fails, in words and counted, and gets no byte from a peer.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of all that is heard, an attack waits for one thing; figures are for people"
)]

mod counts;
mod flood;
mod handshakes;
mod laws;
mod pages;
mod stampede;
mod tenants;
mod tokens;

#[path = "../stories/stranger.rs"]
#[expect(dead_code, reason = "the stories have more strangers")]
mod stranger;
