//! What can happen to a peer.

use core::time::Duration;

use bytes::Bytes;
use runnel_protocol::bulk::BulkHeader;
use runnel_protocol::control::{ContentLocator, Enrol, FromCoordinator};
use runnel_protocol::group::GroupRequest;
use runnel_protocol::ids::{CertificateHash, ContentId, PageOrigin, PathHash, TrackId};
use runnel_protocol::manifest::SignedEntry;
use runnel_protocol::meetings::Household;
use runnel_protocol::peer::{CloseReason, Control};
use runnel_protocol::proof::ProvenChunk;
use runnel_protocol::segment::{ByteRange, SegmentKey};
use runnel_protocol::signature::Signature;
use runnel_protocol::ticket::Ticket;
use runnel_protocol::units::BitsPerSecond;

/// A link to another peer. The core names those it dials, the shell those it accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(u64);

impl LinkId {
    /// Marks links that the shell accepted, so that both sides may count on their own.
    const ACCEPTED: u64 = 1 << 63;

    /// The `count`th link that was accepted.
    pub const fn accepted(count: u64) -> Self {
        Self(count | Self::ACCEPTED)
    }

    pub(crate) const fn dialled(count: u64) -> Self {
        Self(count & !Self::ACCEPTED)
    }

    /// Distinct for each link.
    pub(crate) const fn number(self) -> u64 {
        self.0
    }

    /// Whether the other end dialled.
    pub const fn is_accepted(self) -> bool {
        self.0 & Self::ACCEPTED != 0
    }
}

/// What a transport tells of whoever came over it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caller {
    /// Where it comes from; `None` for an address that says nothing to anybody elsewhere.
    pub home: Option<Household>,
    /// The page that opened the connection, where the transport tells.
    pub page: Option<PageOrigin>,
}

impl Caller {
    /// Whether it is no page, as far as the transport tells, or the one that a ticket is for.
    pub(crate) fn may_bring(&self, ticket: &Ticket) -> bool {
        self.page.is_none() || self.page == ticket.page
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);
    };
}

number!(
    /// A bulk stream that this peer sends; named by the core.
    BulkId
);
number!(
    /// A bulk stream that arrives; named by the shell, unique on its link.
    StreamId
);
number!(
    /// A signature that the shell is to check.
    CheckId
);
number!(
    /// A signature that the shell is to make.
    SignId
);
number!(
    /// A fetch from the CDN.
    FetchId
);
number!(
    /// A read from the shell's disk.
    LoadId
);
number!(
    /// A segment that the player asks for; named by the shell.
    WantId
);

/// Which of a player's parallel streams a segment belongs to. One subscription each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaKind {
    /// Video, or video and audio together.
    Main,
    /// A separate audio rendition.
    Audio,
    /// Subtitles.
    Text,
}

/// A segment that the player asks for.
#[derive(Debug, Clone)]
pub struct Want {
    /// Its name between shell and core.
    pub id: WantId,
    /// The content.
    pub content: ContentId,
    /// The rendition.
    pub track: TrackId,
    /// Which parallel stream of the player.
    pub kind: MediaKind,
    /// Media sequence number.
    pub sequence: u64,
    /// Set for byte-range playlists.
    pub range: Option<ByteRange>,
    /// Normalised path of the URL.
    pub path: PathHash,
    /// Time until the player runs dry without it.
    pub due_in: Duration,
    /// Nominal duration of the segment.
    pub duration: Duration,
    /// Whether the playlist is live.
    pub live: bool,
    /// Whether it is the first after a start or a seek, which the CDN answers at once.
    pub urgent: bool,
    /// How long the site lets such a first one wait for peers, if the operator's policy lets it
    /// wait as well; usually zero.
    pub may_wait: Duration,
}

/// Something that happened. Bytes of other peers are decoded by the shell with the decoders of
/// `runnel-protocol`; what does not decode is [`Input::Malformed`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// The WebSocket to the coordinator stands.
    CoordinatorConnected,
    /// The coordinator spoke.
    Coordinator(FromCoordinator),
    /// The WebSocket is gone or could not be made.
    CoordinatorLost,

    /// A join token in place of the one before.
    Token(String),

    /// Join, make or leave an affinity group. What is joined by invitation is joined in each session anew.
    Group(GroupRequest),

    /// Where this peer can be reached changed (regular peers).
    Reachable {
        /// Addresses to advertise.
        endpoints: Vec<core::net::SocketAddr>,
        /// TLS certificates in use now and next.
        certificates: Vec<CertificateHash>,
    },
    /// Enrol as a waypoint, or renew the certificate of a stream key.
    Enrol(Enrol),
    /// Take part in a content.
    Open {
        /// Which.
        content: ContentLocator,
        /// Whether to play it, or only to serve it.
        plays: bool,
    },
    /// No longer take part.
    Close(ContentId),
    /// What the viewer or site allows: contact with peers at all, and uploads.
    Consent {
        /// Peers may be contacted. Withdrawn: every link is closed at once.
        peers: bool,
        /// What may be sent; zero for nothing.
        uplink: BitsPerSecond,
    },
    /// How playback goes.
    Playback {
        /// The content.
        content: ContentId,
        /// Media ahead of the playhead.
        buffer: Duration,
        /// Stalls since the last report.
        stalls: u16,
        /// Rate of the rendition.
        rate: BitsPerSecond,
    },
    /// The player asks for a segment.
    Want(Want),
    /// The player's own fetch of a segment from the CDN took this long.
    CdnTook(Duration),
    /// The player no longer needs it.
    Abandon(WantId),
    /// Bytes that the player got from the CDN without asking the peer (they count, C5).
    PlayedFromCdn {
        /// The content.
        content: ContentId,
        /// Number of bytes.
        bytes: u64,
    },

    /// Somebody connected.
    Accepted(LinkId, Caller),
    /// A dialled link's transport stands.
    Connected(LinkId),
    /// A dial came to nothing.
    DialFailed(LinkId),
    /// A control message.
    Control(LinkId, Control),
    /// Bytes that are no message, on the control stream or a bulk stream.
    Malformed(LinkId),
    /// The link is gone.
    Closed(LinkId, Option<CloseReason>),
    /// A bulk stream's header.
    BulkStarted(LinkId, StreamId, Box<BulkHeader>),
    /// A chunk on it.
    BulkChunk(LinkId, StreamId, ProvenChunk),
    /// It ended, in order or not.
    BulkEnded(LinkId, StreamId),
    /// A chunk given out by [`crate::Output::SendChunk`] has left the shell's hands.
    Written(LinkId, BulkId),

    /// Verdict on a signature.
    Checked(CheckId, bool),
    /// A signature made with this peer's key.
    Signed(SignId, Signature),

    /// Bytes from the CDN, in order from the start of what was asked.
    Fetched(FetchId, Bytes),
    /// The CDN sent all of it.
    FetchDone(FetchId),
    /// The CDN failed, or ignored the range.
    FetchFailed(FetchId),

    /// A chunk read from disk; `None` if it is not there or cannot be read.
    Loaded(LoadId, Option<ProvenChunk>),
    /// A segment that the disk held before this start; its chunks are verified when read.
    Restored {
        /// Its entry, checked again before it is used.
        entry: SignedEntry,
        /// Chunks that the disk holds.
        chunks: Vec<u32>,
    },

    /// Agents: how the machine is doing. Told with the next heartbeat, as far as it has changed.
    Machine(Machine),

    /// Waypoints: a segment was fetched from the origin, hashed and signed by this very peer.
    Attested {
        /// The entry.
        entry: SignedEntry,
        /// All chunks, with proofs, in order.
        chunks: Vec<ProvenChunk>,
    },
    /// Waypoints: the content's master playlist was read; the bandwidths of its variants.
    Ladder(ContentId, Vec<BitsPerSecond>),
    /// Waypoints: a segment in demand cannot be had from the origin.
    Unattainable(SegmentKey),

    /// Leave in order: tell everybody, finish what is under way.
    Drain,
}

/// The machine that a peer runs on (H2); what is not known is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Machine {
    /// What its line carries to it.
    pub downlink: Option<BitsPerSecond>,
    /// Load of its processors, in percent.
    pub cpu_percent: Option<u8>,
    /// Bytes that it may still store.
    pub storage_left: Option<u64>,
}
