//! What the REST API shows, as JSON.

use runnel_coordinator_core::{
    ContentSummary, Event, Exclusion, FeedSummary, MemberSummary, PairExplanation, PeerExplanation,
    PeerSummary,
};
use runnel_protocol::control::{PeerType, Platform, Source};
use serde::Serialize;
use utoipa::ToSchema;

/// The coordinator, as it introduces itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Introduction {
    /// Always `runnel-coordinator`.
    pub(crate) name: &'static str,
    /// Its version.
    pub(crate) version: &'static str,
    /// The root key that certifies stream keys, in hexadecimal; pages may pin it.
    pub(crate) root_key: String,
    /// Where peers connect.
    pub(crate) peers: &'static str,
    /// The WebSocket subprotocol to use there.
    pub(crate) subprotocol: &'static str,
    /// Where this API is described.
    pub(crate) openapi: &'static str,
}

/// Whether the server works.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Healthy {
    /// Always `ok`.
    pub(crate) status: &'static str,
    /// Connected peers.
    pub(crate) peers: usize,
}

/// A registered content.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ContentView {
    id: String,
    name: String,
    provider: String,
    /// Peers that play it.
    players: usize,
    /// Peers that can feed others.
    feeders: usize,
    /// The rate it is planned with, bit/s.
    rate: u64,
    /// The bandwidth that its players are asked not to exceed, bit/s; `null` where they may choose
    /// any.
    max_suggested_bitrate: Option<u64>,
    /// Bytes that its players say they received from peers.
    from_peers: u64,
    /// The same from waypoints.
    from_waypoints: u64,
    /// The same from the CDN.
    from_cdn: u64,
}

/// A connected peer. Addresses are shown to the operator alone.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PeerView {
    id: String,
    /// `lightweight` or `regular`.
    kind: &'static str,
    /// One of the operator's own.
    waypoint: bool,
    /// `browser` or `native`.
    platform: &'static str,
    version: String,
    endpoints: Vec<String>,
    /// Uplink it offers, bit/s.
    uplink: u64,
    /// What of it is given away, bit/s.
    reserved: u64,
    /// Sites that vouch for what it offers, in this session: by the word of six all of it counts in the choice among
    /// several (docs/HISTORY.md). `null` where nobody has to.
    vouched_by: Option<u32>,
    /// What its parents have set aside for it, bit/s.
    taken: u64,
    /// Links that its parents and children need, in all contents.
    links: usize,
    /// What its line carries to it, bit/s; `null` where it did not say so.
    downlink: Option<u64>,
    /// Load of its processors, in percent.
    cpu_percent: Option<u8>,
    /// Bytes that it may still store.
    storage_left: Option<u64>,
    /// Whether it has fallen silent.
    silent: bool,
    contents: Vec<String>,
}

/// Why a peer is where it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PeerWhy {
    id: String,
    connected: bool,
    /// `lightweight` or `regular`, while connected.
    kind: Option<&'static str>,
    waypoint: bool,
    /// Why it is of this type.
    why: String,
    contents: Vec<MemberView>,
    /// What happened and was decided, oldest first.
    events: Vec<EventView>,
}

/// A peer's part in one content.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemberView {
    content: String,
    plays: bool,
    /// How many of the content's stripes it is to have: all, unless it was called in for fewer.
    carries: u32,
    stripes: u8,
    parents: Vec<FeedView>,
    children: Vec<String>,
    /// Who was looked at and left out, and why.
    excluded: Vec<ExclusionView>,
    /// Why something comes from the CDN; empty where nothing does by plan.
    why: String,
    buffer_ms: Option<u32>,
    stalls: u32,
}

/// One parent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FeedView {
    peer: String,
    /// `peer`, `waypoint` or `cdn`.
    source: &'static str,
    /// Stripes it pushes; empty for a standby.
    substreams: Vec<u8>,
    /// Uplink set aside for it, bit/s.
    reserved: u64,
    /// Whether the link is known to stand.
    connected: bool,
    why: String,
}

/// A candidate that was left out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExclusionView {
    peer: String,
    /// The rule that left it out.
    rule: &'static str,
    why: String,
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventView {
    /// Milliseconds since the UNIX epoch.
    at_ms: u64,
    content: Option<String>,
    other: Option<String>,
    words: String,
}

/// Why two peers are a pair, or not.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PairWhy {
    verdicts: Vec<String>,
    events: Vec<EventView>,
}

fn kind(kind: PeerType) -> &'static str {
    match kind {
        PeerType::Lightweight => "lightweight",
        PeerType::Regular => "regular",
    }
}

fn platform(platform: Platform) -> &'static str {
    match platform {
        Platform::Browser => "browser",
        Platform::Native => "native",
    }
}

fn source(source: Source) -> &'static str {
    match source {
        Source::Peer => "peer",
        Source::Waypoint => "waypoint",
        Source::Cdn => "cdn",
    }
}

impl From<ContentSummary> for ContentView {
    fn from(content: ContentSummary) -> Self {
        Self {
            id: content.id.to_string(),
            name: content.name,
            provider: content.provider,
            players: content.players,
            feeders: content.feeders,
            rate: content.rate.0,
            max_suggested_bitrate: content.max_suggested_bitrate.map(|rate| rate.0),
            from_peers: content.received.from_peers,
            from_waypoints: content.received.from_waypoints,
            from_cdn: content.received.from_cdn,
        }
    }
}

impl From<PeerSummary> for PeerView {
    fn from(peer: PeerSummary) -> Self {
        Self {
            id: peer.peer.to_string(),
            kind: kind(peer.kind),
            waypoint: peer.waypoint,
            platform: platform(peer.platform),
            version: peer.version,
            endpoints: peer.endpoints.iter().map(ToString::to_string).collect(),
            uplink: peer.uplink.0,
            reserved: peer.reserved.0,
            vouched_by: peer.vouched_by,
            taken: peer.taken.0,
            links: peer.links,
            downlink: peer.machine.downlink.map(|rate| rate.0),
            cpu_percent: peer.machine.cpu_percent,
            storage_left: peer.machine.storage_left,
            silent: peer.silent,
            contents: peer.contents.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<FeedSummary> for FeedView {
    fn from(feed: FeedSummary) -> Self {
        Self {
            peer: feed.parent.to_string(),
            source: source(feed.source),
            substreams: feed.substreams.iter().map(|stripe| stripe.0).collect(),
            reserved: feed.reserved.0,
            connected: feed.connected,
            why: feed.why,
        }
    }
}

impl From<Exclusion> for ExclusionView {
    fn from(exclusion: Exclusion) -> Self {
        Self {
            peer: exclusion.peer.to_string(),
            rule: exclusion.rule,
            why: exclusion.why,
        }
    }
}

impl From<MemberSummary> for MemberView {
    fn from(member: MemberSummary) -> Self {
        Self {
            content: member.content.to_string(),
            plays: member.plays,
            carries: member.carries.0,
            stripes: member.carries.1,
            parents: member.parents.into_iter().map(FeedView::from).collect(),
            children: member.children.iter().map(ToString::to_string).collect(),
            excluded: member
                .excluded
                .into_iter()
                .map(ExclusionView::from)
                .collect(),
            why: member.why,
            buffer_ms: member.buffer_ms,
            stalls: member.stalls,
        }
    }
}

impl From<Event> for EventView {
    fn from(event: Event) -> Self {
        Self {
            at_ms: event.at.as_micros() / 1000,
            content: event.content.map(|content| content.to_string()),
            other: event.other.map(|peer| peer.to_string()),
            words: event.words,
        }
    }
}

impl PeerWhy {
    pub(crate) fn new(id: String, explanation: PeerExplanation) -> Self {
        let peer = explanation.peer.as_ref();
        Self {
            id,
            connected: peer.is_some(),
            kind: peer.map(|peer| kind(peer.kind)),
            waypoint: peer.is_some_and(|peer| peer.waypoint),
            why: explanation.why,
            contents: explanation
                .contents
                .into_iter()
                .map(MemberView::from)
                .collect(),
            events: explanation
                .events
                .into_iter()
                .map(EventView::from)
                .collect(),
        }
    }
}

impl From<PairExplanation> for PairWhy {
    fn from(explanation: PairExplanation) -> Self {
        Self {
            verdicts: explanation.verdicts,
            events: explanation
                .events
                .into_iter()
                .map(EventView::from)
                .collect(),
        }
    }
}
