//! What the control center tells operators and viewers about itself: plain values for an API.

use core::net::SocketAddr;

use runnel_protocol::control::{ContentReport, PeerType, Platform, Source};
use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::segment::SubstreamSet;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::announce::why_nobody;
use crate::delivery::Delivery;
use crate::directory::Directory;
use crate::explain::Record as LogRecord;
use crate::member::{Feed, Member};
use crate::policy::Explanation;
use crate::record::Machine;
use crate::steady::Reassignments;
use crate::token::TokenRefusals;
use crate::view::Record;
use crate::world::World;

/// Counters since the start. Bytes are as peers report them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Heartbeats observed.
    pub heartbeats: u64,
    /// Sessions whose key was proven.
    pub joins: u64,
    /// Sessions sent away to come back later.
    pub turned_away: u64,
    /// Signatures that were wrong.
    pub unproven: u64,
    /// Join tokens that were refused, and peers that brought none.
    pub refused_tokens: TokenRefusals,
    /// Messages that did not belong there.
    pub out_of_order: u64,
    /// Assignments sent.
    pub assignments: u64,
    /// Pairs parted because of a failure.
    pub repairs: u64,
    /// Changes of somebody's parents, by what was behind them.
    pub reassignments: Reassignments,
    /// Accusations by assigned peers.
    pub strikes: u64,
    /// Peers that fell silent.
    pub silences: u64,
    /// Reports about peers that were not assigned to the reporter.
    pub unrelated_reports: u64,
    /// Bytes that players received.
    pub received: Received,
}

/// Bytes that players received, by whose money they cost; as players report them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// From peers.
    pub from_peers: u64,
    /// From the operator's waypoints.
    pub from_waypoints: u64,
    /// From the CDN.
    pub from_cdn: u64,
}

impl Received {
    /// From everybody.
    pub const fn all(&self) -> u64 {
        let peers = self.from_peers.saturating_add(self.from_waypoints);
        peers.saturating_add(self.from_cdn)
    }

    pub(crate) fn add(&mut self, report: &ContentReport) {
        self.from_peers = self.from_peers.saturating_add(report.from_peers);
        self.from_waypoints = self.from_waypoints.saturating_add(report.from_waypoints);
        self.from_cdn = self.from_cdn.saturating_add(report.from_cdn);
    }
}

/// One peer, for operators.
#[derive(Debug, Clone)]
pub struct PeerSummary {
    /// Who.
    pub peer: PeerId,
    /// What it is treated as.
    pub kind: PeerType,
    /// The operator's own.
    pub waypoint: bool,
    /// Where it runs.
    pub platform: Platform,
    /// Program and version.
    pub version: String,
    /// Where others are told to connect to it.
    pub endpoints: Vec<SocketAddr>,
    /// What it offers.
    pub uplink: BitsPerSecond,
    /// What of it is given away.
    pub reserved: BitsPerSecond,
    /// Sites that vouch for what it offers, in this session; `None` where nobody has to.
    pub vouched_by: Option<u32>,
    /// What it takes of others, in all contents.
    pub taken: BitsPerSecond,
    /// Links that its parents and children need, in all contents.
    pub links: usize,
    /// What it tells of its machine.
    pub machine: Machine,
    /// Whether it has fallen silent.
    pub silent: bool,
    /// What it takes part in.
    pub contents: Vec<ContentId>,
}

/// One content, for operators.
#[derive(Debug, Clone)]
pub struct ContentSummary {
    /// Its id.
    pub id: ContentId,
    /// The text under which it is registered.
    pub name: String,
    /// Whose it is.
    pub provider: String,
    /// Members that play.
    pub players: usize,
    /// Members that may feed others.
    pub feeders: usize,
    /// The rate it is planned with.
    pub rate: BitsPerSecond,
    /// The bandwidth that its players are asked not to exceed, where the CDN's limit asks for one.
    pub max_suggested_bitrate: Option<BitsPerSecond>,
    /// What its players received since somebody takes part in it.
    pub received: Received,
}

/// One parent of a member.
#[derive(Debug, Clone)]
pub struct FeedSummary {
    /// Who.
    pub parent: PeerId,
    /// How its bytes are counted.
    pub source: Source,
    /// What it pushes; empty for a standby.
    pub substreams: SubstreamSet,
    /// What of its uplink is set aside.
    pub reserved: BitsPerSecond,
    /// Whether the link is known to stand.
    pub connected: bool,
    /// Why it was chosen.
    pub why: String,
}

/// A candidate that was left out.
#[derive(Debug, Clone)]
pub struct Exclusion {
    /// Who.
    pub peer: PeerId,
    /// By which rule.
    pub rule: &'static str,
    /// Why, in words.
    pub why: String,
}

/// A peer's part in one content.
#[derive(Debug, Clone)]
pub struct MemberSummary {
    /// Which content.
    pub content: ContentId,
    /// Whether it plays.
    pub plays: bool,
    /// How many stripes it is to have, and of how many: all, unless it was called in for fewer.
    pub carries: (u32, u8),
    /// Its parents.
    pub parents: Vec<FeedSummary>,
    /// Whom it feeds.
    pub children: Vec<PeerId>,
    /// Who was looked at and left out.
    pub excluded: Vec<Exclusion>,
    /// Why something comes from the CDN; empty where nothing does by plan.
    pub why: String,
    /// Media ahead of the playhead, in milliseconds, where something plays.
    pub buffer_ms: Option<u32>,
    /// Stalls reported.
    pub stalls: u32,
}

/// Something that happened, in words.
#[derive(Debug, Clone)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// For which content.
    pub content: Option<ContentId>,
    /// With which other peer.
    pub other: Option<PeerId>,
    /// What.
    pub words: String,
}

/// Everything that is known of why a peer is where it is.
#[derive(Debug, Clone)]
pub struct PeerExplanation {
    /// What it is, `None` once it is gone.
    pub peer: Option<PeerSummary>,
    /// Why it is of its type.
    pub why: String,
    /// Its parts.
    pub contents: Vec<MemberSummary>,
    /// What happened, oldest first.
    pub events: Vec<Event>,
}

/// Why two peers are, or are not, a pair.
#[derive(Debug, Clone)]
pub struct PairExplanation {
    /// In words, one sentence for each content and direction that is known.
    pub verdicts: Vec<String>,
    /// What happened between them, oldest first.
    pub events: Vec<Event>,
}

/// What policies say of a viewer in one content, and why.
#[derive(Debug, Clone)]
pub struct PolicyExplanation {
    /// The text under which the content is registered.
    pub content: String,
    /// What they say.
    pub explanation: Explanation,
    /// When soft policies gave way, oldest first.
    pub relaxed: Vec<Event>,
}

impl From<&LogRecord> for Event {
    fn from(record: &LogRecord) -> Self {
        Self {
            at: record.at,
            content: record.content,
            other: record.other,
            words: record.to_string(),
        }
    }
}

impl From<&Feed> for FeedSummary {
    fn from(feed: &Feed) -> Self {
        Self {
            parent: feed.parent,
            source: feed.source,
            substreams: feed.substreams,
            reserved: feed.reserved,
            connected: feed.connected,
            why: feed.why.to_string(),
        }
    }
}

pub(crate) fn peer(peer: PeerId, record: &Record) -> PeerSummary {
    PeerSummary {
        peer,
        kind: record.kind,
        waypoint: record.waypoint,
        platform: record.platform,
        version: record.version.to_string(),
        endpoints: record.endpoints().to_vec(),
        uplink: record.uplink.offered(),
        reserved: record.uplink.reserved(),
        vouched_by: record.vouched_by(),
        taken: record.taken,
        links: record.partners.into(),
        machine: record.machine(),
        silent: record.silent,
        contents: record.contents.iter().collect(),
    }
}

pub(crate) fn contents(directory: &Directory) -> Vec<ContentSummary> {
    directory
        .contents()
        .map(|(id, content)| {
            let delivery = directory.delivery(id);
            ContentSummary {
                id,
                name: content.name.clone(),
                provider: content.provider.clone(),
                players: delivery.map_or(0, |delivery| delivery.players),
                feeders: delivery.map_or(0, |delivery| delivery.supply.len()),
                rate: delivery.map_or(BitsPerSecond(0), Delivery::rate),
                max_suggested_bitrate: delivery.and_then(Delivery::suggested_bitrate),
                received: delivery.map_or_else(Received::default, |delivery| delivery.received),
            }
        })
        .collect()
}

fn member(delivery: &Delivery, member: &Member) -> MemberSummary {
    let exclusion = |one: &crate::member::Excluded| Exclusion {
        peer: one.peer,
        rule: one.rule,
        why: one.objection.to_string(),
    };
    MemberSummary {
        content: delivery.content,
        plays: member.plays,
        carries: (member.carries.count(), delivery.stripes),
        parents: member.feeds.iter().map(FeedSummary::from).collect(),
        children: member.children().collect(),
        excluded: member.excluded.iter().map(exclusion).collect(),
        why: why_nobody(delivery, member),
        buffer_ms: member.buffer_ms,
        stalls: member.stalls,
    }
}

/// `None` where nothing is known of the peer.
pub(crate) fn explain_peer(
    world: &World,
    directory: &Directory,
    id: PeerId,
) -> Option<PeerExplanation> {
    let record = world.view.get(id);
    if record.is_none() && !world.log.knows(id) {
        return None;
    }
    let parts = record.into_iter().flat_map(|record| record.contents.iter());
    let parts = parts.filter_map(|content| {
        let delivery = directory.delivery(content)?;
        Some(member(delivery, delivery.members.get(&id)?))
    });
    Some(PeerExplanation {
        peer: record.map(|record| peer(id, record)),
        why: record.map_or_else(|| "it is not connected".to_owned(), |record| record.why()),
        contents: parts.collect(),
        events: world.log.of(id).map(Event::from).collect(),
    })
}

/// `None` where nothing is known of one of the two.
pub(crate) fn explain_pair(
    world: &World,
    directory: &Directory,
    (one, other): (PeerId, PeerId),
    now: Timestamp,
) -> Option<PairExplanation> {
    let known = |peer: PeerId| world.view.get(peer).is_some() || world.log.knows(peer);
    if !known(one) || !known(other) {
        return None;
    }
    let mut verdicts = Vec::new();
    for (content, _) in directory.contents() {
        if let Some(delivery) = directory.delivery(content) {
            verdicts.extend(verdict(directory, delivery, one, other));
            verdicts.extend(verdict(directory, delivery, other, one));
        }
    }
    if let Some(ban) = world.blacklist.ban(one, other, now) {
        let left = ban.until.since(now).as_secs();
        verdicts.push(format!("the two are kept apart for another {left} s"));
    }
    let between = |from: PeerId, to: PeerId| {
        world
            .log
            .of(from)
            .filter(move |event| event.other == Some(to))
    };
    let mut events: Vec<&LogRecord> = between(one, other).chain(between(other, one)).collect();
    events.sort_by_key(|event| event.at);
    Some(PairExplanation {
        verdicts,
        events: events.into_iter().map(Event::from).collect(),
    })
}

fn verdict(
    directory: &Directory,
    delivery: &Delivery,
    child: PeerId,
    parent: PeerId,
) -> Option<String> {
    let name = &directory.content(delivery.content)?.name;
    let member = delivery.members.get(&child)?;
    if let Some(feed) = member.feed(parent) {
        let stripes = feed.substreams.count();
        return Some(format!(
            "{parent} feeds {child} {stripes} stripes of {name}: {}",
            feed.why
        ));
    }
    let out = member.excluded.iter().find(|one| one.peer == parent)?;
    Some(format!(
        "{parent} does not feed {child} with {name} by the rule “{}”: {}",
        out.rule, out.objection
    ))
}
