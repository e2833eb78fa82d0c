//! What a peer asks its shell to do.

use bytes::Bytes;
use core::net::SocketAddr;

use runnel_protocol::bulk::BulkHeader;
use runnel_protocol::control::{
    Assign, Contact, OriginGrant, PeerType, Refused, Source, Strike, ToCoordinator,
};
use runnel_protocol::group::GroupNews;
use runnel_protocol::ids::{ContentId, PeerId, PublicKey, TrackId};
use runnel_protocol::manifest::{SignedEntry, StreamKeyCertificate};
use runnel_protocol::peer::{CloseReason, Control};
use runnel_protocol::segment::SegmentKey;
use runnel_protocol::signature::{Signature, Signed};

use crate::input::{BulkId, CheckId, FetchId, LinkId, LoadId, SignId, StreamId, WantId};
use crate::verify::Verified;

/// One side effect.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Output {
    /// Open the WebSocket to the coordinator.
    ConnectCoordinator,
    /// Close it: consent was withdrawn, or the peer leaves.
    DisconnectCoordinator,
    /// Send to the coordinator.
    ToCoordinator(ToCoordinator),

    /// The join token expires, or was of no use: give another one, by [`crate::Input::Token`].
    RenewToken,

    /// Connect to a peer, trying its endpoints in order.
    Dial(LinkId, Box<Contact>),
    /// Send on a link's control stream.
    Send(LinkId, Control),
    /// Close a link with this code.
    Hangup(LinkId, CloseReason),
    /// Open a unidirectional stream and send its header. Streams with a lower `order` go first.
    OpenBulk {
        /// On which link.
        link: LinkId,
        /// Its name.
        bulk: BulkId,
        /// What to send first.
        header: Box<BulkHeader>,
        /// When its content is due, in milliseconds of playout: lower goes first.
        order: u64,
    },
    /// Send a chunk on an open bulk stream; answered by [`crate::Input::Written`].
    SendChunk(LinkId, BulkId, Verified),
    /// End a bulk stream in order.
    FinishBulk(LinkId, BulkId),
    /// Break a bulk stream off.
    ResetBulk(LinkId, BulkId),
    /// Tell the sender of an arriving stream to stop.
    StopStream(LinkId, StreamId),

    /// Check a signature; answered by [`crate::Input::Checked`].
    Check {
        /// Its name.
        check: CheckId,
        /// Whose signature it should be.
        key: PublicKey,
        /// What was signed.
        message: Vec<u8>,
        /// The signature.
        signature: Signature,
    },
    /// Sign with this peer's key; answered by [`crate::Input::Signed`].
    Sign(SignId, Vec<u8>),

    /// Fetch a want's bytes from the CDN: all, or from `offset` on `length` bytes of the segment.
    Fetch {
        /// Its name.
        fetch: FetchId,
        /// For which want; the shell knows its URL and its byte range within the resource.
        want: WantId,
        /// Part of the segment as (offset, length); `None` for all of it.
        part: Option<(u64, u64)>,
    },
    /// The rest of that fetch is not needed.
    CancelFetch(FetchId),
    /// A want is fulfilled.
    Deliver(WantId, Delivered),
    /// A want cannot be fulfilled, not even by the CDN: the player decides what follows.
    Fail(WantId),

    /// Keep a chunk on disk.
    Store(SignedEntry, Verified),
    /// Read a chunk from disk; answered by [`crate::Input::Loaded`].
    Load(LoadId, SegmentKey, u32),
    /// A chunk on disk is not what it should be: delete it.
    Discard(SegmentKey, u32),

    /// Waypoints: somebody below plays this track; `false` when nobody does any more.
    Demand(ContentId, TrackId, bool),
    /// Waypoints: somebody below needs this segment (VOD, repair).
    DemandSegment(SegmentKey),
    /// Waypoints: fetch and attest this content. The grant's signature is checked.
    Attest(OriginGrant),
    /// Waypoints: the stream key is certified.
    Certified(Signed<StreamKeyCertificate>),

    /// Something worth showing or logging.
    Event(Event),
}

/// A whole segment for the player.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// Its bytes, in order; together they are the segment.
    pub parts: Vec<Bytes>,
    /// Bytes that came from peers.
    pub from_peers: u64,
    /// Bytes that came from waypoints.
    pub from_waypoints: u64,
    /// Bytes that came from the CDN.
    pub from_cdn: u64,
    /// Whether any bytes had to come from the CDN to be in time.
    pub rescued: bool,
}

/// What people and logs want to know. Nothing depends on it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The coordinator let this peer in.
    Joined {
        /// Its id.
        peer: PeerId,
        /// What it is treated as.
        kind: PeerType,
        /// Why.
        why: String,
    },
    /// The coordinator has tested whether others can connect, or tested it again.
    Typed {
        /// What this peer is treated as from now on.
        kind: PeerType,
        /// Why.
        why: String,
        /// Where others are told to connect.
        reached: Vec<SocketAddr>,
    },
    /// A content was opened: its id, and the text under which it is registered.
    Opened(ContentId, String),
    /// What became of this peer's groups.
    Group(GroupNews),
    /// The coordinator said no.
    Refused(Refused),
    /// New parents and children.
    Assigned(Box<Assign>),
    /// A link stands.
    LinkUp(LinkId, PeerId, Option<Source>),
    /// A link is gone, with the reason that either side gave.
    LinkDown(LinkId, Option<PeerId>, Option<CloseReason>),
    /// Verified bytes came in over a link.
    Received(LinkId, PeerId, Source, u32),
    /// Bytes went out over a link.
    Sent(LinkId, PeerId, u32),
    /// Somebody misbehaved.
    Struck(Strike),
    /// Chunks came too late, twice or for nobody.
    Wasted(u32),
    /// CDN bytes differ from the manifest: played, not served.
    Mismatch(SegmentKey),
    /// A dialler was turned away at the door.
    TurnedAway(LinkId, CloseReason),
    /// A chunk was proven and can be used from here on.
    Proven(ChunkName),
}

/// Which chunk, for measuring how long it takes from one peer to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkName {
    /// The segment.
    pub segment: SegmentKey,
    /// The chunk.
    pub index: u32,
}
