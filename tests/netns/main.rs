//! Real programs on hosts of their own, behind NATs and firewalls and at the end of slow lines. Each
//! test starts itself again in new namespaces; no root is needed.
#![expect(
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "of all that is heard, a watcher waits for a few things; the tables are for people"
)]

mod access;
mod browsers;
mod cast;
mod doctor;
mod firefox;
mod harvest;
mod laboratory;
mod mapping;
mod matrix;
mod siege;
mod table;
mod town;
mod victim;
mod watcher;
