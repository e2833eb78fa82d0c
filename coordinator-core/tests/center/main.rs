//! The control center as a whole, on virtual time: stories, and properties over random ones.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that meets the unexpected ends"
)]

mod accounts;
mod acquaintances;
mod conduct;
mod congestion;
mod depth;
mod ejection;
mod feeding;
mod feeds;
mod groups;
mod history;
mod ladder;
mod lawful;
mod links;
mod network;
mod policies;
mod preemption;
mod probing;
mod properties;
mod reachability;
mod regions;
mod repair;
mod sessions;
mod sound;
mod stage;
mod standby;
mod steadiness;
mod stripes;
mod tenants;
mod tokens;
mod transfers;
mod treatment;
mod versions;
mod vouching;
