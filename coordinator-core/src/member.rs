//! One peer's part in one content.

use std::collections::{BTreeMap, BTreeSet};

use runnel_protocol::control::Source;
use runnel_protocol::ids::PeerId;
use runnel_protocol::segment::{Substream, SubstreamSet};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::assign::{Choice, Chosen, Class};
use crate::congestion::{Lag, Watch};
use crate::eject::Seat;
use crate::history::LinkAccount;
use crate::monitor::Origin;
use crate::place::Region;
use crate::policy::{LinkSet, Treatment};
use crate::rules::Objection;
use crate::steady::{Account, Cause};
use crate::transfer::Tally;

/// Reasons against candidates kept per member: what the last assignment looked at.
pub(crate) const MAX_EXCLUSIONS: usize = 16;

/// Most agents that one peer stands by for, besides those that it feeds: who has no standby is
/// planned again when a parent fails, as everybody is.
const MAX_STANDING_BY: usize = 24;

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
    /// Links that what it brings runs over: what is reserved is booked there as well.
    pub(crate) links: LinkSet,
    /// Soft ones among them gave way to it.
    pub(crate) gave_way: bool,
    /// Where the parent is.
    pub(crate) origin: Option<Origin>,
    /// One end reported that the link stands.
    pub(crate) connected: bool,
    /// What it brings against what it should (R2, R3), and what was sent against it (H4).
    pub(crate) watch: Watch,
    pub(crate) lag: Lag,
    /// What it brought, and what was missing, since its parent's history was told of it.
    pub(crate) account: LinkAccount,
}

impl From<&Choice> for Feed {
    /// A parent of which nothing is known yet, and nothing reserved.
    fn from(choice: &Choice) -> Self {
        Self {
            parent: choice.parent,
            source: choice.source,
            class: choice.class,
            substreams: choice.substreams,
            reserved: BitsPerSecond(0),
            why: choice.why,
            links: choice.links,
            gave_way: choice.gave_way,
            origin: None,
            connected: false,
            watch: Watch::default(),
            lag: Lag::default(),
            account: LinkAccount::default(),
        }
    }
}

/// A candidate that was left out, by which rule and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Excluded {
    pub(crate) peer: PeerId,
    pub(crate) rule: &'static str,
    pub(crate) objection: Objection,
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) role: Role,
    pub(crate) region: Region,
    /// Order of arrival: earlier ones are planned first.
    pub(crate) arrival: u64,
    /// Watches, not only serves.
    pub(crate) plays: bool,
    /// Whether it plays at a live edge, as it says.
    pub(crate) live: Option<bool>,
    /// Asked for the content itself, was not recruited.
    pub(crate) opened: bool,
    /// Says that it has some of it.
    pub(crate) holds: bool,
    /// What it plays at, zero if unknown.
    pub(crate) rate: BitsPerSecond,
    /// The rate its feeds were planned with.
    pub(crate) planned: BitsPerSecond,
    /// The stripes that it is to have: all, but for an agent that was called in where uplink is short.
    pub(crate) carries: SubstreamSet,
    /// The stripe that an agent is interior in, and the uplink that was counted for it there.
    pub(crate) home: Option<(Substream, BitsPerSecond)>,
    /// Hops from the source in that stripe's tree when it was last planned; what has moved above
    /// it since then is not followed. [`u8::MAX`] where there is no way.
    pub(crate) level: u8,
    pub(crate) feeds: Vec<Feed>,
    /// Agents that it feeds, and what of its uplink is set aside for each.
    pub(crate) regular_children: BTreeMap<PeerId, BitsPerSecond>,
    /// The sum of that.
    pub(crate) given_to_agents: BitsPerSecond,
    /// The same of viewers.
    pub(crate) light_children: BTreeMap<PeerId, BitsPerSecond>,
    pub(crate) given_to_viewers: BitsPerSecond,
    /// Agents that it stands by for, and viewers: kept apart, so that they cost nothing where it
    /// is asked whom it feeds.
    pub(crate) standing_by: BTreeSet<PeerId>,
    pub(crate) standing_by_lightly: BTreeSet<PeerId>,
    pub(crate) excluded: Vec<Excluded>,
    /// Its part in the balance of uplinks, and whether it was sent to the CDN for want of them.
    pub(crate) seat: Option<Seat<PeerId>>,
    pub(crate) out: bool,
    /// How policies had it treated when they were last asked: a fingerprint of all of it, and its
    /// priority, of which whoever has less goes to the CDN first.
    pub(crate) treated: u32,
    pub(crate) priority: u8,
    /// A policy has it neither get nor give anything: it counts for nothing.
    pub(crate) barred: bool,
    /// Why it is to be planned anew; `None` when it just came.
    pub(crate) due_to: Option<Cause>,
    /// A failure stands behind its last change: what it has is what was left.
    pub(crate) makeshift: bool,
    /// How often its parents have changed lately.
    pub(crate) account: Account,
    /// Epoch of the last assignment sent, and a fingerprint of what it said.
    pub(crate) epoch: u64,
    pub(crate) sent: Option<[u8; 16]>,
    /// What it received and sent since its last record.
    pub(crate) tally: Box<Tally>,
    /// Media ahead of the playhead and stalls, as last reported.
    pub(crate) buffer_ms: Option<u32>,
    pub(crate) stalls: u32,
}

impl Member {
    /// A member to be that is fed all of `stripes`, planned after those who came before.
    pub(crate) fn new(
        role: Role,
        region: Region,
        (arrival, stripes): (u64, u8),
        now: Timestamp,
    ) -> Self {
        Self {
            role,
            region,
            arrival,
            carries: SubstreamSet::all(stripes),
            plays: false,
            live: None,
            opened: false,
            holds: false,
            rate: BitsPerSecond(0),
            planned: BitsPerSecond(0),
            home: None,
            level: u8::MAX,
            feeds: Vec::new(),
            regular_children: BTreeMap::new(),
            given_to_agents: BitsPerSecond(0),
            light_children: BTreeMap::new(),
            given_to_viewers: BitsPerSecond(0),
            standing_by: BTreeSet::new(),
            standing_by_lightly: BTreeSet::new(),
            excluded: Vec::new(),
            seat: None,
            out: false,
            treated: Treatment::default().fingerprint(),
            priority: Treatment::default().priority,
            barred: false,
            due_to: None,
            makeshift: false,
            account: Account::default(),
            epoch: 0,
            sent: None,
            tally: Box::new(Tally::new(now)),
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
        let viewers = self.light_children.keys().chain(&self.standing_by_lightly);
        self.agents().chain(viewers.copied())
    }

    /// Agents that it feeds, then those it stands by for.
    pub(crate) fn agents(&self) -> impl Iterator<Item = PeerId> {
        let fed = self.regular_children.keys();
        fed.chain(&self.standing_by).copied()
    }

    /// It feeds an agent like this from now on, or stands by for it; true where it did neither
    /// before.
    pub(crate) fn take_agent(&mut self, agent: PeerId, feed: &Feed) -> bool {
        let known = self.let_agent_go(agent);
        if feed.substreams.is_empty() {
            self.standing_by.insert(agent);
        } else {
            self.regular_children.insert(agent, feed.reserved);
            self.given_to_agents = self.given_to_agents.saturating_add(feed.reserved);
        }
        !known
    }

    /// The same of a viewer.
    pub(crate) fn take_viewer(&mut self, viewer: PeerId, feed: &Feed) {
        self.let_viewer_go(viewer);
        if feed.substreams.is_empty() {
            self.standing_by_lightly.insert(viewer);
        } else {
            self.light_children.insert(viewer, feed.reserved);
            self.given_to_viewers = self.given_to_viewers.saturating_add(feed.reserved);
        }
    }

    /// It neither feeds a viewer any more nor stands by for it.
    pub(crate) fn let_viewer_go(&mut self, viewer: PeerId) {
        if let Some(reserved) = self.light_children.remove(&viewer) {
            self.given_to_viewers = self.given_to_viewers.saturating_sub(reserved);
        } else {
            self.standing_by_lightly.remove(&viewer);
        }
    }

    /// It neither feeds an agent any more nor stands by for it; true where it did.
    pub(crate) fn let_agent_go(&mut self, agent: PeerId) -> bool {
        if let Some(reserved) = self.regular_children.remove(&agent) {
            self.given_to_agents = self.given_to_agents.saturating_sub(reserved);
            return true;
        }
        self.standing_by.remove(&agent)
    }

    /// Whether it may stand by for an agent: each of them is a link, and is named in every
    /// assignment that the member gets.
    pub(crate) fn can_stand_by(&self, agent: PeerId) -> bool {
        self.standing_by.len() < MAX_STANDING_BY || self.standing_by.contains(&agent)
    }

    /// Who pushes this stripe to it.
    pub(crate) fn pusher(&self, stripe: Substream) -> Option<PeerId> {
        let mut feeds = self.feeds.iter();
        let feed = feeds.find(|feed| feed.substreams.contains(stripe));
        feed.map(|feed| feed.parent)
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
            Role::Agent => !self.out && (self.holds || !self.covered().is_empty()),
            Role::Viewer => self.plays,
        }
    }

    /// Parents that push, a count.
    pub(crate) fn pushing(feeds: &[Feed]) -> usize {
        let pushing = feeds.iter().filter(|feed| !feed.substreams.is_empty());
        pushing.count()
    }

    /// Whether nothing better could be wished for it: whoever wants something is looked at
    /// again when somebody gets room.
    pub(crate) fn is_content(&self) -> bool {
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
        self.covered() == self.carries && filled && sources >= 2 && self.has_spare_parent()
    }

    fn has_spare_parent(&self) -> bool {
        self.feeds.len() >= 2
    }
}
