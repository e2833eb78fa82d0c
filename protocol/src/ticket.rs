//! Pairing tickets: the coordinator's permission for one peer to serve another, checked offline.

use serde::{Deserialize, Serialize};

pub use crate::ids::TicketId;
use crate::ids::{ContentId, PageOrigin, PeerId, PublicKey, TrackId};
use crate::signature::{Signed, Statement};
use crate::units::{BitsPerSecond, UnixSeconds};

/// A pair must connect within this many seconds of the ticket's making.
pub const ESTABLISH_WITHIN: u64 = 60;
/// Longest life of a ticket, in seconds; longer sessions get a new one in time.
pub const MAX_TICKET_LIFE: u64 = 15 * 60;
/// Most tracks that a ticket names.
pub const MAX_TICKET_TRACKS: usize = 16;

/// Who may serve whom, what, how much, until when. Either of the two may present it, proving
/// itself with its own key; without a valid one not a byte is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Unique per coordinator.
    pub id: TicketId,
    /// Key of the peer that serves.
    pub server: PublicKey,
    /// Key of the peer that is served.
    pub client: PublicKey,
    /// What may be served.
    pub content: ContentId,
    /// Only these tracks; empty means all of the content.
    pub tracks: Vec<TrackId>,
    /// The page that one of the two runs in, where its session with the coordinator said so: a
    /// WebTransport session of another page is not let in with it. QUIC without HTTP and WebRTC do
    /// not tell of pages.
    pub page: Option<PageOrigin>,
    /// Most that may be sent, averaged over 10 s.
    pub rate: BitsPerSecond,
    /// Most that may be sent in all, in bytes.
    pub bytes: u64,
    /// Version of the policies under which it was given; see
    /// [`Welcome::policy_floor`](crate::control::Welcome::policy_floor).
    pub policy_version: u64,
    /// A link may be established with it before this.
    pub establish_before: UnixSeconds,
    /// Nothing may be sent under it from then on.
    pub not_after: UnixSeconds,
}

impl Statement for Ticket {
    const CONTEXT: &'static str = "runnel/1 ticket";
}

/// A ticket as the coordinator hands it out.
pub type SignedTicket = Signed<Ticket>;

impl Ticket {
    /// The peer that serves.
    pub fn server_id(&self) -> PeerId {
        PeerId::of(&self.server)
    }

    /// The peer that is served.
    pub fn client_id(&self) -> PeerId {
        PeerId::of(&self.client)
    }

    /// Whether `track` of the ticket's content may be served.
    pub fn allows(&self, content: ContentId, track: TrackId) -> bool {
        self.content == content && (self.tracks.is_empty() || self.tracks.contains(&track))
    }
}
