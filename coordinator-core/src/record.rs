//! One peer as it is known: at most 248 bytes, links and text apart, since there are a million.

use core::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use runnel_protocol::control::{Heartbeat, PeerType, Platform, Source};
use runnel_protocol::ids::{CertificateHash, ContentId, PageOrigin, PublicKey};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::capacity::{Rung, Uplink};
use crate::family::{Families, Family, Speaks};
use crate::history::{History, Trouble};
use crate::io::SessionId;
use crate::kind::Why;
use crate::place::{Place, Sharing};
use crate::token::Held;

/// Load of a machine's processors from which on others are preferred.
const BUSY_PERCENT: u8 = 90;

/// What a peer tells of its machine (H2); `None` is not known.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// What its line carries to it.
    pub downlink: Option<BitsPerSecond>,
    /// Load of its processors, in percent.
    pub cpu_percent: Option<u8>,
    /// Bytes that it may still store.
    pub storage_left: Option<u64>,
}

/// Where a peer lets others in.
#[derive(Debug, Default)]
pub(crate) struct Door {
    /// Where others are told to connect to it; empty unless it is regular.
    pub(crate) endpoints: Box<[SocketAddr]>,
    /// What it shows there.
    pub(crate) certificates: Box<[CertificateHash]>,
}

impl Door {
    /// `None` where there is none, and none can be found.
    pub(crate) fn of(
        endpoints: Box<[SocketAddr]>,
        certificates: Vec<CertificateHash>,
    ) -> Option<Box<Self>> {
        let some = !endpoints.is_empty() || !certificates.is_empty();
        some.then(|| {
            Box::new(Self {
                endpoints,
                certificates: certificates.into(),
            })
        })
    }
}

/// One peer.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) session: SessionId,
    /// Where it comes from, as the socket sees it.
    pub(crate) address: IpAddr,
    /// The page that it runs in.
    pub(crate) page: Option<PageOrigin>,
    pub(crate) families: Families,
    pub(crate) place: Place,
    pub(crate) key: PublicKey,
    pub(crate) platform: Platform,
    /// Program and version.
    pub(crate) version: Arc<str>,
    pub(crate) kind: PeerType,
    /// Why it is of that kind.
    pub(crate) why: Why,
    /// The operator's own.
    pub(crate) waypoint: bool,
    /// Where others connect to it; nothing where it has never said so.
    pub(crate) door: Option<Box<Door>>,
    pub(crate) uplink: Uplink,
    /// The token it came with; waypoints have none, nor has anybody where none is asked for.
    pub(crate) held: Option<Box<Held>>,
    /// What its parents have set aside for it, in all contents.
    pub(crate) taken: BitsPerSecond,
    /// Links that its parents and children in all contents need, see [`crate::partners`].
    pub(crate) partners: u16,
    /// What it told of its machine; few do.
    pub(crate) machine: Option<Box<Machine>>,
    pub(crate) last_heard: Timestamp,
    /// The changes of the law before it came: it serves under no older ticket.
    pub(crate) changes: u32,
    pub(crate) silent: bool,
    /// One-time codes presented in this session.
    pub(crate) codes_tried: u8,
    /// What it asked about groups in this session, as a count.
    pub(crate) group_requests: u8,
    pub(crate) history: History,
    /// What it takes part in.
    pub(crate) contents: Contents,
}

impl Record {
    /// See [`Door`].
    pub(crate) fn endpoints(&self) -> &[SocketAddr] {
        self.door.as_ref().map_or(&[], |door| &door.endpoints)
    }

    /// See [`Door`].
    pub(crate) fn certificates(&self) -> &[CertificateHash] {
        self.door.as_ref().map_or(&[], |door| &door.certificates)
    }

    /// Others are told to connect to it there from now on.
    pub(crate) fn set_endpoints(&mut self, endpoints: Vec<SocketAddr>) {
        if !endpoints.is_empty() || self.door.is_some() {
            self.door.get_or_insert_default().endpoints = endpoints.into();
        }
    }

    /// It shows these from now on.
    pub(crate) fn set_certificates(&mut self, certificates: &[CertificateHash]) {
        if !certificates.is_empty() || self.door.is_some() {
            self.door.get_or_insert_default().certificates = certificates.into();
        }
    }

    /// Whose money a byte from it costs.
    pub(crate) const fn source(&self) -> Source {
        if self.waypoint {
            Source::Waypoint
        } else {
            Source::Peer
        }
    }

    /// Whether it may receive or hand on the content of this name and provider.
    pub(crate) fn may_take_part(&self, name: &str, provider: &str) -> bool {
        match &self.held {
            Some(held) => self.waypoint || held.pass.covers(name, provider),
            None => self.why != Why::Unvouched,
        }
    }

    /// As much of an offer as its token allows.
    pub(crate) fn within_cap(&self, offer: BitsPerSecond) -> BitsPerSecond {
        let cap = self.held.as_ref().and_then(|held| held.pass.uplink);
        cap.map_or(offer, |cap| offer.min(cap))
    }

    /// Whether it and `other` certainly have an address family in common, at whichever end the
    /// address is.
    pub(crate) fn shares_a_family_with(&self, other: &Self) -> bool {
        self.families.reaches(other.endpoints()) || other.families.reaches(self.endpoints())
    }

    /// The family of `other`'s addresses, where an attempt to dial them shows whether it has it.
    pub(crate) fn would_find_out_by(&self, other: &Self) -> Option<Family> {
        let first = Family::of(other.endpoints().first()?.ip());
        let unknown = !self.shares_a_family_with(other);
        (unknown && self.families.speaks(first) == Speaks::Perhaps).then_some(first)
    }

    /// What its site lets it do; nothing keeps the operator's own machines from anything.
    pub(crate) const fn sharing(&self) -> Sharing {
        if self.waypoint {
            Sharing::Full
        } else {
            self.place.sharing
        }
    }

    /// What it is taken for, where a test or its own word says `why`: who may not feed others is
    /// lightweight, however it can be reached (P4).
    pub(crate) const fn kind_for(&self, why: Why) -> PeerType {
        match self.sharing() {
            Sharing::Full => why.kind(),
            Sharing::DownloadOnly | Sharing::Off => PeerType::Lightweight,
        }
    }

    /// Why it is of its type, for people.
    pub(crate) fn why(&self) -> String {
        match self.sharing() {
            Sharing::Full => self.why.to_string(),
            limited @ (Sharing::DownloadOnly | Sharing::Off) => limited.to_string(),
        }
    }

    pub(crate) fn is_regular(&self) -> bool {
        self.kind == PeerType::Regular
    }

    /// Takes in what a heartbeat tells of the machine.
    pub(crate) fn on_machine(&mut self, beat: &Heartbeat) {
        let told = (beat.downlink, beat.cpu_percent, beat.storage_left);
        if told == (None, None, None) {
            return;
        }
        let machine = self.machine.get_or_insert_default();
        machine.downlink = beat.downlink.or(machine.downlink);
        machine.cpu_percent = beat.cpu_percent.or(machine.cpu_percent);
        machine.storage_left = beat.storage_left.or(machine.storage_left);
    }

    pub(crate) fn machine(&self) -> Machine {
        self.machine.as_deref().copied().unwrap_or_default()
    }

    /// Whether its processors leave little for more children: others are preferred.
    pub(crate) fn is_busy(&self) -> bool {
        let load = self.machine().cpu_percent;
        load.is_some_and(|load| load >= BUSY_PERCENT)
    }

    /// What speaks against it among equals: its history and its load.
    pub(crate) fn trouble(&self, now: Timestamp) -> Trouble {
        let mut trouble = self.history.trouble(now);
        trouble.faults += u8::from(self.is_busy());
        trouble
    }

    /// Whether its line carries so much more to it.
    pub(crate) fn can_take(&self, more: BitsPerSecond) -> bool {
        let downlink = self.machine().downlink;
        downlink.is_none_or(|downlink| self.taken.saturating_add(more) <= downlink)
    }

    /// How much it has to give to others than now, coarsely.
    pub(crate) fn rung(&self) -> Rung {
        if usize::from(self.partners) >= self.links_for_children(true) {
            return Rung::NONE;
        }
        Rung::of(self.uplink.spare())
    }

    /// Whether others have to vouch for what it offers: see [`crate::vouching`].
    pub(crate) fn needs_vouchers(&self) -> bool {
        !self.waypoint && !self.history.vouchers().are_enough()
    }

    /// How many do; `None` where nobody has to.
    pub(crate) fn vouched_by(&self) -> Option<u32> {
        let vouchers = self.history.vouchers();
        (!self.waypoint).then(|| vouchers.sites()).flatten()
    }

    /// What it offers, as far as that is believed where a stream has this rate.
    pub(crate) fn believed(&self, rate: BitsPerSecond) -> BitsPerSecond {
        let offered = self.uplink.offered();
        if self.waypoint {
            return offered;
        }
        offered.min(self.history.vouchers().believed(rate))
    }

    /// What it offers, until somebody complains; then as far as that is believed.
    pub(crate) fn relied_on(&self, rate: BitsPerSecond) -> BitsPerSecond {
        if self.history.is_blamed() {
            self.believed(rate)
        } else {
            self.uplink.offered()
        }
    }
}

/// A few contents, in the order of their ids.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contents(Vec<ContentId>);

impl Contents {
    /// Adds one; `false` where it is there already.
    pub(crate) fn insert(&mut self, content: ContentId) -> bool {
        let place = self.0.binary_search(&content);
        if let Err(place) = place {
            self.0.reserve_exact(1);
            self.0.insert(place, content);
        }
        place.is_err()
    }

    /// Takes one out; `false` where it is not there.
    pub(crate) fn remove(&mut self, content: ContentId) -> bool {
        let place = self.0.binary_search(&content);
        if let Ok(place) = place {
            self.0.remove(place);
        }
        place.is_ok()
    }

    pub(crate) fn contains(&self, content: ContentId) -> bool {
        self.0.binary_search(&content).is_ok()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = ContentId> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_records_stay_small() {
        assert!(size_of::<Record>() <= 248, "{} bytes", size_of::<Record>());
    }
}
