//! What a peer and the coordinator say to each other over the WebSocket, one message a frame.

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::codec::DecodeError;
use crate::group::{GroupNews, GroupRequest, MAX_GROUP_NAME};
use crate::ids::{CertificateHash, ContentId, Nonce, PeerId, PublicKey, TicketId, TrackId};
use crate::manifest::StreamKeyCertificate;
use crate::segment::{SegmentKey, Substream, SubstreamSet};
use crate::signature::{Signature, Signed, Statement};
use crate::ticket::SignedTicket;
use crate::units::{BitsPerSecond, UnixSeconds};

/// Most entries in any list of a message from a peer.
pub const MAX_LIST: usize = 256;
/// Most variants in a [`ContentReport::ladder`].
pub const MAX_LADDER: usize = 32;
/// Longest text in a message from a peer, in bytes.
pub const MAX_TEXT: usize = 2048;

/// Longest join token, in bytes.
pub const MAX_TOKEN: usize = 4096;
/// Most addresses that one peer names.
pub const MAX_ENDPOINTS: usize = 16;
/// Most certificates that one peer names: in use now and next, with room for a change of their kind.
pub const MAX_CERTIFICATES: usize = 4;

/// A message from a peer to the coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ToCoordinator {
    /// First of all, answers [`FromCoordinator::Challenge`].
    Hello(Box<ClientHello>),
    /// A waypoint makes its stream key known.
    Enrol(Enrol),
    /// I want to play, or help with, this content.
    Open(Open),
    /// I no longer do.
    Close(ContentId),
    /// How I am doing.
    Heartbeat(Box<Heartbeat>),
    /// What became of an attempt to connect, or of a standing link.
    Outcome(Outcome),
    /// A peer misbehaved.
    Strike(Strike),
    /// I am going away in order.
    Leave,
    /// A join token in place of the one that the session stands on.
    Token(String),
    /// About affinity groups.
    Group(GroupRequest),
    /// Where I can be reached, in place of what the hello said.
    Reachable(Reachability),
}

/// A message from the coordinator to a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FromCoordinator {
    /// First of all: prove your key.
    Challenge(Nonce),
    /// The session stands.
    Welcome(Box<Welcome>),
    /// The content is known and who opened it takes part.
    Opened(Opened),
    /// No, and why.
    Refused(Refused),
    /// Who feeds whom from now on.
    Assign(Box<Assign>),
    /// These tickets are void at once.
    Revoke(Vec<TicketId>),
    /// Waypoints: fetch and attest this content.
    Attest(Signed<OriginGrant>),
    /// Waypoints: your stream key is certified.
    Certificate(Signed<StreamKeyCertificate>),
    /// Your type has been tested, and is this from now on.
    Type {
        /// What the client is treated as.
        kind: PeerType,
        /// Why, in words that say what to do about it.
        why: String,
        /// Where the test reached it: everybody else is told to connect there.
        reached: Vec<SocketAddr>,
    },
    /// The join token expires: present another one, or the session ends.
    TokenDue {
        /// Milliseconds until then.
        within_ms: u32,
    },
    /// About affinity groups.
    Group(GroupNews),
}

/// Where a program runs, which settles what it can do before anything is tested (P3a).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Platform {
    /// A web page: initiates only, memory only.
    Browser,
    /// An installed agent.
    Native,
}

/// What a peer is treated as. There is no third kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PeerType {
    /// Initiates only and is never dialled.
    Lightweight,
    /// Accepts and initiates, caches on disk, forwards.
    Regular,
}

/// Whose money a byte costs: the three ways in which received bytes are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Source {
    /// Another viewer or agent.
    Peer,
    /// The operator's own waypoint.
    Waypoint,
    /// The CDN or origin.
    Cdn,
}

/// The client's implementation information (P3a).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Implementation {
    /// Program and version, for people.
    pub version: String,
    /// Where it runs.
    pub platform: Platform,
    /// Whether it claims that others can connect to it.
    pub accepts: bool,
}

/// Who a client is and what it brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientHello {
    /// Its key; the peer's id is the hash of it.
    pub key: PublicKey,
    /// Over [`CoordinatorPossession`].
    pub signature: Signature,
    /// What program it is.
    pub implementation: Implementation,
    /// Where it can be reached; empty for lightweight peers.
    pub endpoints: Vec<SocketAddr>,
    /// TLS certificates in use now and next; empty for lightweight peers.
    pub certificates: Vec<CertificateHash>,
    /// What it is willing to send; zero means no uploads.
    pub uplink: BitsPerSecond,
    /// A provider's JWT, where the operator asks for one.
    pub join_token: Option<String>,
}

/// Where a peer can be reached from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reachability {
    /// Its addresses; [`MAX_ENDPOINTS`] at most.
    pub endpoints: Vec<SocketAddr>,
    /// TLS certificates in use now and next; [`MAX_CERTIFICATES`] at most.
    pub certificates: Vec<CertificateHash>,
}

impl Reachability {
    fn fits(endpoints: &[SocketAddr], certificates: &[CertificateHash]) -> bool {
        endpoints.len() <= MAX_ENDPOINTS && certificates.len() <= MAX_CERTIFICATES
    }
}

/// What a client signs to prove its key to the coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoordinatorPossession {
    /// From the challenge.
    pub nonce: Nonce,
}

impl Statement for CoordinatorPossession {
    const CONTEXT: &'static str = "runnel/1 coordinator possession";
}

/// A waypoint's enrolment, or the renewal of its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrol {
    /// One-time code given by the operator; `None` to renew.
    pub code: Option<String>,
    /// The stream key that is to be certified.
    pub stream_key: PublicKey,
}

/// Opens a content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Which one.
    pub content: ContentLocator,
    /// Whether the client plays it (or only serves it).
    pub plays: bool,
}

/// How a content is named by who opens it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContentLocator {
    /// The id under which it was registered, by text.
    Name(String),
    /// The master playlist that the page plays; the coordinator normalises it.
    MasterUrl(String),
    /// Known from an earlier session.
    Id(ContentId),
}

/// The session's terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// What the client is called.
    pub peer: PeerId,
    /// What it is treated as, until [`FromCoordinator::Type`] says otherwise.
    pub kind: PeerType,
    /// Why, in words.
    pub why: String,
    /// Milliseconds between heartbeats where something is live.
    pub heartbeat_ms: u32,
    /// Certifies stream keys.
    pub root_key: PublicKey,
    /// Keys that sign tickets and origin grants.
    pub ticket_keys: Vec<PublicKey>,
    /// The coordinator's date: serving peers judge tickets by it.
    pub now: UnixSeconds,
    /// The oldest version of the policies whose tickets the client may serve under: what became
    /// of older ones it may have missed.
    pub policy_floor: u64,
}

/// A content that was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Its id.
    pub content: ContentId,
    /// The text under which it was registered.
    pub name: String,
    /// Stripes of each of its tracks.
    pub stripes: u8,
    /// How long the first picture may wait for peers before the CDN is asked, in milliseconds;
    /// usually zero.
    pub start_wait_ms: u16,
}

/// A "no" in words (A5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Which content, `None` for the whole session.
    pub content: Option<ContentId>,
    /// Why, for people.
    pub why: String,
    /// When to try again, in milliseconds; `None` means that trying again won't help.
    pub retry_after_ms: Option<u32>,
}

/// Who feeds whom, for one content, as a whole: what is not in it is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assign {
    /// Rises with each assignment of this content to this peer; older ones are ignored.
    pub epoch: u64,
    /// The content.
    pub content: ContentId,
    /// Stripes of each of its tracks.
    pub stripes: u8,
    /// Those that this peer is to have: all, unless it was called in to pass on some.
    pub carries: SubstreamSet,
    /// From whom to receive.
    pub parents: Vec<Parent>,
    /// Whom to serve, where this side has to dial as well (P7) or a link is to be kept.
    pub children: Vec<Child>,
    /// Certificates of the stream keys that attest the content.
    pub stream_keys: Vec<Signed<StreamKeyCertificate>>,
    /// The highest bandwidth of a variant that the player is to choose by itself (`mb` of
    /// CTA-5006); `None` where it may choose any.
    pub max_suggested_bitrate: Option<BitsPerSecond>,
    /// What policies have the player do.
    pub treatment: Treatment,
    /// Why there are no parents, when there are none, in words.
    pub why: String,
}

/// How the operator's policies have a viewer play, whoever feeds it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Treatment {
    /// How much later than by its site's own settings it shows a live picture, in milliseconds.
    pub behind_ms: u32,
    /// The highest bandwidth of a variant that the player is to choose by itself; `None` where it
    /// may choose any.
    pub max_bitrate: Option<BitsPerSecond>,
    /// Its site has playback end where a policy forbids it, and one does.
    pub ends: bool,
    /// Why, in words; empty where nothing is asked of it.
    pub why: String,
}

/// One source of an assignment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Who, and how to get there.
    pub contact: Contact,
    /// How its bytes are counted.
    pub source: Source,
    /// Substreams that it pushes; empty for a standby.
    pub substreams: SubstreamSet,
    /// Substreams that it has: of the others nothing can be had from it.
    pub carries: SubstreamSet,
    /// Why it was chosen, in words.
    pub why: String,
}

/// One sink of an assignment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// Who, and how to get there.
    pub contact: Contact,
    /// Higher goes first when the uplink is short.
    pub priority: u8,
}

/// The other end of a link to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Who.
    pub peer: PeerId,
    /// Where, in order of preference; empty where the other end dials.
    pub endpoints: Vec<SocketAddr>,
    /// Its TLS certificates, now and next.
    pub certificates: Vec<CertificateHash>,
    /// The permission.
    pub ticket: SignedTicket,
}

/// The coordinator tells a waypoint what to fetch: no other origin is ever contacted (T5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginGrant {
    /// The content.
    pub content: ContentId,
    /// Its registered text.
    pub name: String,
    /// The unmodified master (or media) playlist.
    pub master_url: String,
    /// Who may fetch it.
    pub waypoint: PeerId,
    /// Not to be followed from then on.
    pub expires: UnixSeconds,
}

impl Statement for OriginGrant {
    const CONTEXT: &'static str = "runnel/1 origin grant";
}

/// What became of a link (P8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The content of the assignment.
    pub content: ContentId,
    /// The other end.
    pub peer: PeerId,
    /// How it ended.
    pub result: LinkResult,
}

/// How an attempt to connect, or a link, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkResult {
    /// It stands; connecting took this many milliseconds.
    Connected {
        /// From the first packet to the welcome.
        after_ms: u32,
    },
    /// Nothing answered, or it was refused.
    Failed,
    /// It stood and was lost.
    Lost,
    /// It stands and nothing useful comes: silence or a drip.
    Stalled,
    /// One of the two has no link left for the other.
    Full,
}

/// A peer sent what an honest one cannot send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strike {
    /// The content.
    pub content: ContentId,
    /// Who.
    pub peer: PeerId,
    /// What.
    pub offence: Offence,
    /// Which segment, where one was involved.
    pub segment: Option<SegmentKey>,
}

/// Kinds of misbehaviour that a peer can see for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Offence {
    /// A chunk that does not verify.
    BadChunk,
    /// An entry whose signature or certificate is wrong, or that has expired.
    BadEntry,
    /// Two validly signed roots for one segment (T17): the stream key is suspect.
    Fork,
    /// A malformed message.
    Malformed,
}

/// How a peer is doing. Counters are since the last heartbeat; optional values stand only where
/// they changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Rises by one; a gap means a lost heartbeat.
    pub sequence: u32,
    /// Milliseconds that the counters cover.
    pub covers_ms: u32,
    /// What came from each parent.
    pub parents: Vec<ParentReport>,
    /// What went to each child.
    pub children: Vec<ChildReport>,
    /// How each content is doing.
    pub contents: Vec<ContentReport>,
    /// Uplink the peer offers, where it changed.
    pub uplink: Option<BitsPerSecond>,
    /// Estimated downlink, where it changed.
    pub downlink: Option<BitsPerSecond>,
    /// Load of the machine in percent, where known and changed.
    pub cpu_percent: Option<u8>,
    /// Bytes of storage left, where known and changed.
    pub storage_left: Option<u64>,
}

/// Last sequence number per substream and bytes (H1). With the parent's [`ChildReport`] it tells
/// which link loses and which is congested (H4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentReport {
    /// The parent.
    pub peer: PeerId,
    /// The content.
    pub content: ContentId,
    /// Useful (verified) bytes received from it.
    pub received: u64,
    /// Bytes received from it that were no use: late, twice, or wrong.
    pub wasted: u64,
    /// Chunks received in each substream since the link stands.
    pub sequence_numbers: Vec<(Substream, u64)>,
    /// Whether chunks that were due did not come.
    pub late: bool,
}

/// The sender's half of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildReport {
    /// The child.
    pub peer: PeerId,
    /// The content.
    pub content: ContentId,
    /// Bytes sent to it.
    pub sent: u64,
    /// Chunks sent in each substream since the link stands.
    pub sequence_numbers: Vec<(Substream, u64)>,
}

/// One content's state at a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentReport {
    /// The content.
    pub content: ContentId,
    /// Whether it is live, as far as the peer can tell.
    pub live: bool,
    /// Tracks in use and the newest sequence held of each.
    pub tracks: Vec<(TrackId, u64)>,
    /// Rate of what is played.
    pub rate: BitsPerSecond,
    /// Bytes received from each kind of source.
    pub from_peers: u64,
    /// See `from_peers`.
    pub from_waypoints: u64,
    /// See `from_peers`.
    pub from_cdn: u64,
    /// Media ahead of the playhead, in milliseconds; `None` where nothing plays.
    pub buffer_ms: Option<u32>,
    /// Number of stalls.
    pub stalls: u16,
    /// Bandwidths of the content's variants, from a waypoint that has read its master playlist;
    /// [`MAX_LADDER`] at most.
    pub ladder: Vec<BitsPerSecond>,
}

impl ToCoordinator {
    /// Refuses lists and texts beyond their bounds. Call it on everything that was received.
    pub fn check_bounds(&self) -> Result<(), DecodeError> {
        let fits = match self {
            Self::Hello(hello) => {
                Reachability::fits(&hello.endpoints, &hello.certificates)
                    && hello.implementation.version.len() <= MAX_TEXT
                    && hello
                        .join_token
                        .as_ref()
                        .is_none_or(|token| token.len() <= MAX_TOKEN)
            }
            Self::Enrol(enrol) => enrol
                .code
                .as_ref()
                .is_none_or(|code| code.len() <= MAX_TEXT),
            Self::Open(open) => match &open.content {
                ContentLocator::Name(text) | ContentLocator::MasterUrl(text) => {
                    text.len() <= MAX_TEXT
                }
                ContentLocator::Id(_) => true,
            },
            Self::Heartbeat(beat) => {
                let stripes = beat
                    .parents
                    .iter()
                    .map(|parent| parent.sequence_numbers.len());
                let sent = beat
                    .children
                    .iter()
                    .map(|child| child.sequence_numbers.len());
                beat.parents.len() <= MAX_LIST
                    && beat.children.len() <= MAX_LIST
                    && beat.contents.len() <= MAX_LIST
                    && stripes.chain(sent).all(|count| count <= MAX_LIST)
                    && beat.contents.iter().all(|content| {
                        content.tracks.len() <= MAX_LIST && content.ladder.len() <= MAX_LADDER
                    })
            }
            Self::Token(token) => token.len() <= MAX_TOKEN,
            Self::Reachable(named) => Reachability::fits(&named.endpoints, &named.certificates),
            Self::Group(GroupRequest::Found { name, .. }) => name.len() <= MAX_GROUP_NAME,
            Self::Group(
                GroupRequest::Join(_) | GroupRequest::Leave(_) | GroupRequest::Withdraw(_),
            ) => true,
            Self::Close(_) | Self::Outcome(_) | Self::Strike(_) | Self::Leave => true,
        };
        if fits {
            Ok(())
        } else {
            Err(DecodeError::OutOfBounds("a list or text"))
        }
    }
}
