//! IPv4 and IPv6: which of them a peer can dial, and what attempts across the two have shown.
//!
//! A session tells one family. An agent names its addresses, so its other one is known as well; of
//! a page nothing tells but an attempt. Most phones have both, so a page is given some.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use runnel_protocol::control::{ClientHello, Platform};
use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use crate::table::Table;

/// Attempts across families that may fail before no more are made: one may have failed for another
/// reason.
const ATTEMPTS: u8 = 2;
/// How long that counts. One attempt is made then, since a machine may have moved to another network.
const MEMORY: Duration = Duration::from_secs(600);

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Four,
    Six,
}

impl Family {
    /// Of an address; IPv4 that is mapped into IPv6 is IPv4.
    pub(crate) fn of(address: IpAddr) -> Self {
        if address.to_canonical().is_ipv4() {
            Self::Four
        } else {
            Self::Six
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Four => "IPv4",
            Self::Six => "IPv6",
        })
    }
}

/// Whether a peer can dial addresses of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    Yes,
    No,
    /// Nothing tells.
    Perhaps,
}

/// What a peer can dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Families {
    four: Speaks,
    six: Speaks,
}

impl Families {
    /// What a session that comes from `from` and its hello tell. An agent names an address of each
    /// family that its socket and its machine have, whether others reach it there or not.
    pub(crate) fn told_by(hello: &ClientHello, from: IpAddr) -> Self {
        let native = hello.implementation.platform == Platform::Native;
        if !native || hello.endpoints.is_empty() {
            return Self::of_page(from);
        }
        let (four, six) = (Speaks::No, Speaks::No);
        let mut families = Self { four, six };
        let named = hello.endpoints.iter().map(|endpoint| endpoint.ip());
        named
            .chain([from])
            .for_each(|address| families.found(Family::of(address)));
        families
    }

    /// What a session alone tells, that comes from `from`.
    pub(crate) fn of_page(from: IpAddr) -> Self {
        let (four, six) = (Speaks::Perhaps, Speaks::Perhaps);
        let mut families = Self { four, six };
        families.found(Family::of(from));
        families
    }

    /// It can.
    pub(crate) fn found(&mut self, family: Family) {
        match family {
            Family::Four => self.four = Speaks::Yes,
            Family::Six => self.six = Speaks::Yes,
        }
    }

    pub(crate) fn speaks(self, family: Family) -> Speaks {
        match family {
            Family::Four => self.four,
            Family::Six => self.six,
        }
    }

    /// Whether it certainly can dial one of these addresses.
    pub(crate) fn reaches(self, endpoints: &[SocketAddr]) -> bool {
        let mut families = endpoints.iter().map(|one| Family::of(one.ip()));
        families.any(|family| self.speaks(family) == Speaks::Yes)
    }
}

/// Attempts to dial addresses of a family of which nothing was known, by who made them.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    /// One per peer with a session that failed so at least once.
    failed: Table<PeerId, (u8, Timestamp)>,
}

impl Attempts {
    pub(crate) fn on_failed(&mut self, peer: PeerId, now: Timestamp) {
        let (count, last) = self.failed.entry(peer).or_insert((0, now));
        *count = count.saturating_add(1);
        *last = now;
    }

    /// One has not, or the peer is gone.
    pub(crate) fn forget(&mut self, peer: PeerId) {
        self.failed.swap_remove(&peer);
    }

    /// Whether it makes no sense to have this peer try once more.
    pub(crate) fn are_in_vain(&self, peer: PeerId, now: Timestamp) -> bool {
        let failed = self.failed.get(&peer);
        failed.is_some_and(|(count, last)| *count >= ATTEMPTS && now.since(*last) < MEMORY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_attempts_that_fail_end_it_for_ten_minutes_and_then_one_more_does() {
        let (peer, start) = (PeerId([1; 16]), Timestamp::from_micros(1_000_000_000));
        let mut attempts = Attempts::default();
        attempts.on_failed(peer, start);
        assert!(!attempts.are_in_vain(peer, start));
        attempts.on_failed(peer, start);
        assert!(attempts.are_in_vain(peer, start));
        let later = start + MEMORY;
        assert!(!attempts.are_in_vain(peer, later));
        attempts.on_failed(peer, later);
        assert!(attempts.are_in_vain(peer, later));
        attempts.forget(peer);
        assert!(!attempts.are_in_vain(peer, later));
    }
}
