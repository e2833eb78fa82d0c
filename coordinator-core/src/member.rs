//! One peer's part in one content.

use std::collections::{BTreeMap, BTreeSet};

use runnel_protocol::control::Source;
use runnel_protocol::ids::PeerId;
use runnel_protocol::segment::SubstreamSet;
use runnel_protocol::units::BitsPerSecond;

use crate::assign::{Chosen, Class};
use crate::rules::Objection;

/// Reasons against candidates kept per member: what the last assignment looked at.
pub(crate) const MAX_EXCLUSIONS: usize = 16;

/// What a peer does for a content. The order is the order of planning: who feeds others first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// A waypoint: fetches from the origin, needs no parent.
    Head,
    /// A regular peer: is fed and feeds.
    Agent,
    /// A lightweight peer: is fed.
    Viewer,
}

/// A parent of a member.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    pub(crate) parent: PeerId,
    pub(crate) source: Source,
    pub(crate) class: Class,
    /// What it pushes; empty for a standby.
    pub(crate) substreams: SubstreamSet,
    /// What of the parent's uplink is set aside for it.
    pub(crate) reserved: BitsPerSecond,
    pub(crate) why: Chosen,
    /// One end reported that the link stands.
    pub(crate) connected: bool,
    /// Heartbeats in a row with chunks due and nothing received.
    pub(crate) dry_beats: u8,
}

/// A candidate that was left out, by which rule and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Excluded {
    pub(crate) peer: PeerId,
    pub(crate) rule: &'static str,
    pub(crate) objection: Objection,
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) role: Role,
    /// Order of arrival: earlier ones are planned first.
    pub(crate) arrival: u64,
    /// Watches, not only serves.
    pub(crate) plays: bool,
    /// Asked for the content itself, was not recruited.
    pub(crate) opened: bool,
    /// Says that it has some of it.
    pub(crate) holds: bool,
    /// What it plays at, zero if unknown.
    pub(crate) rate: BitsPerSecond,
    /// The rate its feeds were planned with.
    pub(crate) planned: BitsPerSecond,
    pub(crate) feeds: Vec<Feed>,
    /// Agents that it feeds, and what of its uplink is set aside for each.
    pub(crate) regular_children: BTreeMap<PeerId, BitsPerSecond>,
    pub(crate) light_children: BTreeSet<PeerId>,
    pub(crate) excluded: Vec<Excluded>,
    /// Epoch of the last assignment sent, and a fingerprint of what it said.
    pub(crate) epoch: u64,
    pub(crate) sent: Option<[u8; 16]>,
    /// Media ahead of the playhead and stalls, as last reported.
    pub(crate) buffer_ms: Option<u32>,
    pub(crate) stalls: u32,
}

impl Member {
    pub(crate) fn new(role: Role, arrival: u64) -> Self {
        Self {
            role,
            arrival,
            plays: false,
            opened: false,
            holds: false,
            rate: BitsPerSecond(0),
            planned: BitsPerSecond(0),
            feeds: Vec::new(),
            regular_children: BTreeMap::new(),
            light_children: BTreeSet::new(),
            excluded: Vec::new(),
            epoch: 0,
            sent: None,
            buffer_ms: None,
            stalls: 0,
        }
    }

    pub(crate) fn feed(&self, parent: PeerId) -> Option<&Feed> {
        self.feeds.iter().find(|feed| feed.parent == parent)
    }

    pub(crate) fn feed_mut(&mut self, parent: PeerId) -> Option<&mut Feed> {
        self.feeds.iter_mut().find(|feed| feed.parent == parent)
    }

    pub(crate) fn children(&self) -> impl Iterator<Item = PeerId> {
        let regular = self.regular_children.keys();
        regular.chain(&self.light_children).copied()
    }

    /// The stripes that some parent pushes.
    pub(crate) fn covered(&self) -> SubstreamSet {
        self.feeds
            .iter()
            .map(|feed| feed.substreams)
            .fold(SubstreamSet::EMPTY, SubstreamSet::union)
    }

    /// Whether it can hand the content on.
    pub(crate) fn can_feed(&self) -> bool {
        match self.role {
            Role::Head => true,
            Role::Agent => self.holds || !self.covered().is_empty(),
            Role::Viewer => self.plays,
        }
    }

    /// Whether nothing better could be wished for it: whoever wants something is looked at
    /// again when somebody gets room.
    pub(crate) fn is_content(&self, stripes: u8) -> bool {
        let preferred =
            |feed: &&Feed| feed.class == Class::Preferred && !feed.substreams.is_empty();
        let filled = self
            .feeds
            .iter()
            .all(|feed| feed.class == Class::Preferred || feed.substreams.is_empty());
        let sources = match self.role {
            Role::Head => return true,
            Role::Agent => self.feeds.len(),
            Role::Viewer => self.feeds.iter().filter(preferred).count(),
        };
        self.covered() == SubstreamSet::all(stripes)
            && filled
            && sources >= 2
            && self.has_spare_parent()
    }

    fn has_spare_parent(&self) -> bool {
        self.feeds.len() >= 2
    }
}
