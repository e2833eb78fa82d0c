//! Y2 a to c, P9: whoever plays and gets another parent gets none that the policies prefer less than somebody
//! else who could have fed it.
//!
//! Judged are choices, since whoever is fed is not moved for a preference. Somebody could have fed it who was
//! there, whole and with room for the stream a second ago, and ever since until the choice is told: of the
//! control center's plan only what it has given away is asked, which I8 compares with who feeds whom.

use std::collections::{BTreeMap, BTreeSet};

use runnel_coordinator_core::{ControlCenter, PeerSummary};
use runnel_protocol::control::Assign;
use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::peer::max_links;
use runnel_protocol::segment::SubstreamSet;

use super::Verdict;
use super::lawful::Lawful;
use crate::node::Node;
use crate::world::World;

#[derive(Debug)]
pub(crate) struct Preferred {
    pub(crate) verdict: Verdict,
    /// By whom everybody is fed, and who stands by, as last told.
    listed: BTreeMap<(PeerId, ContentId), BTreeSet<PeerId>>,
    /// Pairs that there ever were: one that has parted may be kept apart.
    met: BTreeSet<(PeerId, PeerId)>,
    /// Who could feed one more a second ago, and had room whenever somebody was told anything since.
    free: BTreeSet<(ContentId, PeerId)>,
}

impl Default for Preferred {
    fn default() -> Self {
        Self {
            verdict: Verdict::new("Y2 a-c nobody gets a worse source than it could"),
            listed: BTreeMap::new(),
            met: BTreeSet::new(),
            free: BTreeSet::new(),
        }
    }
}

impl Preferred {
    /// Notes who could feed one more; once a second.
    pub(crate) fn note(&mut self, world: &World, lawful: &Lawful) {
        self.free.clear();
        let center = world.office.center().filter(|_| lawful.prefers());
        if let Some(center) = center {
            let could = center
                .peers()
                .flat_map(|peer| could_feed(world, center, &peer));
            self.free.extend(could);
        }
    }

    /// Somebody is told by whom it is fed.
    pub(crate) fn told(&mut self, world: &World, lawful: &mut Lawful, to: PeerId, assign: &Assign) {
        let pushing = assign.parents.iter();
        let pushing = pushing.filter(|parent| !parent.substreams.is_empty());
        let parents: BTreeSet<PeerId> = pushing.map(|parent| parent.contact.peer).collect();
        // Whoever stood by takes over at once, and was chosen for that.
        let listed = assign.parents.iter().map(|parent| parent.contact.peer);
        let before = self.listed.insert((to, assign.content), listed.collect());
        let before = before.unwrap_or_default();
        let new: Vec<PeerId> = parents.difference(&before).copied().collect();
        if lawful.prefers() {
            self.follow(world);
            self.judge((world, lawful), (to, assign.content), &parents, &new);
        }
        self.met
            .extend(parents.into_iter().map(|parent| (to, parent)));
    }

    /// Forgets who has no room any more.
    fn follow(&mut self, world: &World) {
        let peers = world
            .office
            .center()
            .into_iter()
            .flat_map(ControlCenter::peers);
        let peers: BTreeMap<PeerId, PeerSummary> = peers.map(|peer| (peer.peer, peer)).collect();
        self.free.retain(|(content, peer)| {
            let peer = peers.get(peer);
            peer.is_some_and(|peer| has_room(world, *content, peer))
        });
    }

    fn judge(
        &mut self,
        (world, lawful): (&World, &mut Lawful),
        (to, content): (PeerId, ContentId),
        parents: &BTreeSet<PeerId>,
        new: &[PeerId],
    ) {
        let child = world.known(to).filter(|known| known.guest.watches);
        let Some((child, center)) = child.zip(world.office.center()) else {
            return;
        };
        let mut score = |peer: PeerId| {
            let opinion = lawful.opinion((&world.known(peer)?, &child), content, world.now)?;
            let forbidden = opinion.denial(None).is_some() || !opinion.links.is_empty();
            Some((opinion.score, forbidden))
        };
        let chosen = new
            .iter()
            .filter_map(|parent| Some((score(*parent)?.0, *parent)));
        let Some((least, worst)) = chosen.min() else {
            return;
        };
        let others = self.free.iter().filter(|(of, peer)| {
            let known = parents.contains(peer) || self.met.contains(&(to, *peer));
            *of == content && *peer != to && !known
        });
        let better = others.map(|(_, peer)| *peer).find(|peer| {
            let better = score(*peer).is_some_and(|(score, no)| score > least && !no);
            let summary = center.peers().find(|one| better && one.peer == *peer);
            let still = summary
                .into_iter()
                .flat_map(|one| could_feed(world, center, &one));
            still.into_iter().any(|(of, _)| of == content)
        });
        self.verdict.expect(better.is_none(), || {
            let (better, passed) = (better.unwrap_or(to), world.now.since(crate::title::START));
            format!("{to} gets {worst}, and not {better} who has room, after {passed:?}")
        });
    }
}

/// The contents of which somebody could feed one more viewer.
fn could_feed(
    world: &World,
    center: &ControlCenter,
    peer: &PeerSummary,
) -> Vec<(ContentId, PeerId)> {
    let there = |node: &Node| {
        let hears = node.line.mute_until <= world.now && node.session.is_some();
        node.is_honest() && hears
    };
    let offers = peer.uplink.0 > 0 && !peer.silent && world.named(peer.peer).is_some_and(there);
    let told = center.explain_peer(peer.peer).filter(|_| offers);
    let parts = told.into_iter().flat_map(|told| told.contents);
    let fits = parts.filter(|part| {
        let (carries, stripes) = part.carries;
        let pushed = part.parents.iter().filter(|feed| feed.connected);
        let pushed = pushed.fold(SubstreamSet::EMPTY, |sum, feed| sum.union(feed.substreams));
        let whole = carries == u32::from(stripes) && pushed == SubstreamSet::all(stripes);
        (peer.waypoint || whole) && has_room(world, part.content, peer)
    });
    fits.map(|part| (part.content, peer.peer)).collect()
}

/// Whether somebody has as much to give as the best rendition takes; a waypoint keeps a copy for agents besides.
/// Links are short as well: from half of them on they may be kept for others.
fn has_room(world: &World, content: ContentId, peer: &PeerSummary) -> bool {
    let title = world.library.find(content);
    let best = title.and_then(|title| world.library.title(title).renditions.first());
    let copies = if peer.waypoint { 2 } else { 1 };
    let room = peer.uplink.0.saturating_sub(peer.reserved.0);
    let links = peer.links < max_links(peer.uplink) / 2;
    links && best.is_some_and(|best| room >= best.rate * copies)
}
