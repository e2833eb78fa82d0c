//! What two peers say to each other on a link's control stream.
//!
//! The acceptor opens the control stream and speaks first ([`Control::Challenge`]), so a dialer
//! proves its key one round trip after it arrives. From then on both ends are equal: each may ask
//! and serve as far as the tickets on the link allow.

use serde::{Deserialize, Serialize};

use crate::codec::DecodeError;
use crate::ids::{ContentId, Nonce, PeerId, PublicKey, TicketId, TrackId};
use crate::manifest::SignedEntry;
use crate::segment::{SegmentKey, SubstreamSet};
use crate::signature::{Signature, Statement};
use crate::ticket::SignedTicket;
use crate::units::BitsPerSecond;

/// Links that a regular peer takes at least, and at most, both ways together.
const LINKS: (u64, u64) = (128, 1024);

/// Links that a regular peer takes which offers so much: one for each Mbit/s, within bounds. The
/// coordinator gives it no more children than that, so both have to say the same.
pub fn max_links(uplink: BitsPerSecond) -> usize {
    let (least, most) = LINKS;
    let links = (uplink.0 / 1_000_000).clamp(least, most);
    usize::try_from(links).unwrap_or(usize::MAX)
}

/// Most tickets that one [`Control::Hello`] presents.
pub const MAX_TICKETS: usize = 8;

/// Names a request on its link, chosen by who asks, never used twice on that link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u32);

/// A message on the control stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Control {
    /// Acceptor → dialer, first of all: prove who you are.
    Challenge(Challenge),
    /// Dialer → acceptor: who I am and why you may deal with me.
    Hello(Hello),
    /// Acceptor → dialer: the tickets are good, the link stands.
    Welcome,
    /// A further or renewed ticket for the standing link.
    Present(SignedTicket),
    /// Send me chunks of these substreams as soon as they are verified, until I say otherwise.
    /// A second one for the same track replaces the first.
    Subscribe(Subscribe),
    /// Stop pushing this track after the segment that is under way.
    Unsubscribe {
        /// The content.
        content: ContentId,
        /// The track.
        track: TrackId,
    },
    /// Send me these chunks.
    Request(Request),
    /// I no longer need the rest of this request.
    Cancel(RequestId),
    /// I will not answer this request, or not all of it.
    Decline {
        /// Which one.
        request: RequestId,
        /// Why not.
        reason: Decline,
    },
    /// This segment is vouched for; sent to subscribers ahead of its chunks.
    Announce(SignedEntry),
    /// I am going away: find other parents, the link closes when what is under way is done.
    Drain,
}

/// The acceptor's part of the handshake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// To be signed, see [`Possession`].
    pub nonce: Nonce,
    /// The acceptor's key; the dialer compares it with the peer it meant to reach.
    pub key: PublicKey,
}

/// The dialer's part of the handshake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The dialer's key: the server or the client of every ticket.
    pub key: PublicKey,
    /// 1 to [`MAX_TICKETS`] tickets between the two.
    pub tickets: Vec<SignedTicket>,
    /// Over [`Possession`] with the first ticket.
    pub signature: Signature,
}

/// What a dialer signs: that it holds its key now, here, for this ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Possession {
    /// From the challenge.
    pub nonce: Nonce,
    /// Who asked, so that the answer is worth nothing elsewhere.
    pub acceptor: PeerId,
    /// The first ticket presented.
    pub ticket: TicketId,
}

impl Statement for Possession {
    const CONTEXT: &'static str = "runnel/1 possession";
}

/// A standing wish for a track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribe {
    /// The content.
    pub content: ContentId,
    /// The track.
    pub track: TrackId,
    /// How many substreams the track is striped into, 1 to 16.
    pub stripes: u8,
    /// Which of them.
    pub substreams: SubstreamSet,
    /// Nothing before this media sequence number.
    pub from: u64,
}

/// A wish for particular chunks of one segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Name of the request on this link.
    pub id: RequestId,
    /// The segment.
    pub segment: SegmentKey,
    /// First chunk wanted.
    pub first: u32,
    /// Number of chunks wanted from there; beyond the segment's end means to its end.
    pub count: u32,
    /// In how many milliseconds it is needed: most urgent first.
    pub within_ms: u32,
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decline {
    /// Neither here nor on its way.
    NotHere,
    /// Uplink or queue is full.
    Busy,
    /// No ticket on this link covers it.
    NotAllowed,
}

/// Why a link is closed: the QUIC application error code (RFC 9000 §20.2) or WebTransport
/// session close code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum CloseReason {
    /// Not needed any more.
    Done = 0,
    /// Missing, forged, expired or foreign ticket, or a key that is not proven.
    Unauthorised = 1,
    /// Malformed or out-of-bounds message.
    Malformed = 2,
    /// A chunk that does not verify.
    Polluted = 3,
    /// The other of two links between the same pair survives.
    Duplicate = 4,
    /// No room: connections, memory or handshakes.
    Full = 5,
    /// The peer shuts down.
    Draining = 6,
    /// Nothing came for too long.
    Idle = 7,
    /// Consent was withdrawn or a ticket revoked.
    Revoked = 8,
}

impl CloseReason {
    /// The code on the wire.
    pub const fn code(self) -> u32 {
        self as u32
    }

    /// The reason of a code; `None` for codes of other versions.
    pub const fn from_code(code: u32) -> Option<Self> {
        Some(match code {
            0 => Self::Done,
            1 => Self::Unauthorised,
            2 => Self::Malformed,
            3 => Self::Polluted,
            4 => Self::Duplicate,
            5 => Self::Full,
            6 => Self::Draining,
            7 => Self::Idle,
            8 => Self::Revoked,
            _ => return None,
        })
    }
}

impl Control {
    /// Refuses values outside their stated bounds. Call it on everything that was received.
    pub fn check_bounds(&self) -> Result<(), DecodeError> {
        match self {
            Self::Hello(hello) if hello.tickets.is_empty() || hello.tickets.len() > MAX_TICKETS => {
                Err(DecodeError::OutOfBounds("number of tickets"))
            }
            Self::Subscribe(subscribe)
                if subscribe.stripes == 0
                    || subscribe.stripes > crate::segment::MAX_SUBSTREAMS
                    || !subscribe
                        .substreams
                        .without(SubstreamSet::all(subscribe.stripes))
                        .is_empty() =>
            {
                Err(DecodeError::OutOfBounds("substreams"))
            }
            Self::Request(request) if request.count == 0 => {
                Err(DecodeError::OutOfBounds("number of chunks"))
            }
            Self::Announce(entry) => entry.body.check_bounds(),
            Self::Challenge(_)
            | Self::Hello(_)
            | Self::Welcome
            | Self::Present(_)
            | Self::Subscribe(_)
            | Self::Unsubscribe { .. }
            | Self::Request(_)
            | Self::Cancel(_)
            | Self::Decline { .. }
            | Self::Drain => Ok(()),
        }
    }
}
