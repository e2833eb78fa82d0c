//! Links to other peers: dialling, accepting, proving who is there, and which of two survives.
//!
//! ```text
//! dialled:   Dialling → AwaitingChallenge → Proving → AwaitingWelcome → Ready
//! accepted:  AwaitingHello → Judging → Ready
//! ```

use crate::sorted::SortedMap;
use core::time::Duration;

use runnel_protocol::control::Contact;
use runnel_protocol::ids::{ContentId, Nonce, PeerId, PublicKey, TrackId};
use runnel_protocol::peer::{CloseReason, Hello};
use runnel_protocol::segment::Substream;
use runnel_protocol::ticket::{SignedTicket, Ticket};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::UnixSeconds;

use crate::config::Config;
use crate::input::{Caller, LinkId};

/// Most tickets that stand on one link; a renewed one replaces its predecessor.
const MAX_STANDING: usize = 16;
/// How long a parent that let a segment down is not asked; doubles up to five minutes.
const STALLED: Duration = Duration::from_secs(10);
const MAX_DOUBLINGS: u32 = 5;
/// Seconds by which our clock may differ from the coordinator's after correction.
const CLOCK_SLACK: u64 = 5;

/// Where a link stands in its handshake.
#[derive(Debug)]
pub(crate) enum State {
    Dialling,
    AwaitingChallenge,
    /// The possession is being signed.
    Proving,
    AwaitingWelcome,
    AwaitingHello {
        nonce: Nonce,
    },
    /// Signatures of a hello are being checked.
    Judging {
        pending: u32,
    },
    Ready,
}

/// By what a peer judges tickets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Validity {
    pub(crate) own: PublicKey,
    /// As the coordinator sees it.
    pub(crate) date: UnixSeconds,
    /// The oldest version of the policies under which it serves.
    pub(crate) floor: u64,
}

impl Validity {
    /// Whether a ticket stands. Under which policies others serve is theirs to judge.
    pub(crate) fn admits(&self, ticket: &Ticket) -> bool {
        let current = ticket.server != self.own || self.floor <= ticket.policy_version;
        current && self.date < ticket.not_after
    }
}

/// One link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) state: State,
    /// Known from the assignment when dialled, proven by its key when accepted.
    pub(crate) peer: Option<PeerId>,
    pub(crate) key: Option<PublicKey>,
    /// What the transport told of whoever dialled.
    pub(crate) caller: Caller,
    /// When it began, then when it became ready.
    pub(crate) since: Timestamp,
    /// When useful bytes last came over it, or it was first asked for any: silence counts from
    /// there.
    pub(crate) heard: Timestamp,
    /// Permissions, ours to serve and the other's.
    pub(crate) tickets: Vec<Ticket>,
    /// Tickets to present once the handshake allows.
    pub(crate) presenting: Vec<SignedTicket>,
    /// Segments that were due from it and had to be had elsewhere, less chunks that came since.
    pub(crate) misses: u32,
    /// Not to be asked before then: nothing useful came although something was due.
    pub(crate) stalled_until: Option<Timestamp>,
    /// How often that happened since something useful came.
    pub(crate) stalls: u32,
    /// Chunks per substream since it stands.
    pub(crate) received: SortedMap<(ContentId, Substream), u64>,
    pub(crate) sent: SortedMap<(ContentId, Substream), u64>,
    /// No longer assigned: to be closed then, unless the other end is served over it.
    pub(crate) retire_at: Option<Timestamp>,
    /// The other end leaves: to be closed then.
    pub(crate) drains_at: Option<Timestamp>,
}

impl Link {
    fn new(state: State, peer: Option<PeerId>, now: Timestamp) -> Self {
        Self {
            state,
            peer,
            key: None,
            caller: Caller::default(),
            since: now,
            heard: now,
            tickets: Vec::new(),
            presenting: Vec::new(),
            misses: 0,
            stalled_until: None,
            stalls: 0,
            received: SortedMap::new(),
            sent: SortedMap::new(),
            retire_at: None,
            drains_at: None,
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready)
    }

    pub(crate) fn is_stalled(&self, now: Timestamp) -> bool {
        self.stalled_until.is_some_and(|until| now < until)
    }

    /// Lets a permission stand, in place of an older one for the same direction and content.
    pub(crate) fn grant(&mut self, ticket: Ticket) {
        self.tickets.retain(|old| {
            old.content != ticket.content
                || old.server != ticket.server
                || old.client != ticket.client
        });
        if self.tickets.len() < MAX_STANDING {
            self.tickets.push(ticket);
        }
    }

    /// The ticket under which a track may be served over this link.
    pub(crate) fn serving(
        &self,
        content: ContentId,
        track: TrackId,
        validity: &Validity,
    ) -> Option<&Ticket> {
        self.tickets
            .iter()
            .filter(|_| self.is_ready())
            .find(|ticket| {
                ticket.server == validity.own
                    && ticket.allows(content, track)
                    && validity.admits(ticket)
            })
    }

    /// Whether there is leave to serve anything over this link.
    pub(crate) fn serves(&self, validity: &Validity) -> bool {
        let standing = |ticket: &Ticket| ticket.server == validity.own && validity.admits(ticket);
        self.tickets.iter().any(standing)
    }

    /// Whether nothing holds it any more: no ticket stands, or no assignment names the other end
    /// and it is served nothing, or the other end leaves.
    pub(crate) fn is_over(&self, validity: &Validity, now: Timestamp) -> bool {
        let past = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        let retired = past(self.retire_at) && !self.serves(validity);
        self.tickets.is_empty() || retired || past(self.drains_at)
    }

    /// Nothing useful came although something was due: it is left alone for a while, longer each
    /// time, or a frozen parent would cost a segment whenever it is tried again.
    pub(crate) fn stall(&mut self, now: Timestamp) {
        self.stalled_until = Some(now + STALLED * 2_u32.pow(self.stalls.min(MAX_DOUBLINGS)));
        self.stalls += 1;
        self.misses = 0;
    }

    /// Something useful came.
    pub(crate) fn thrive(&mut self, now: Timestamp) {
        self.heard = now;
        self.misses = self.misses.saturating_sub(1);
        self.stalled_until = None;
        self.stalls = 0;
    }
}

/// All links of a peer.
#[derive(Debug, Default)]
pub(crate) struct Links {
    links: SortedMap<LinkId, Link>,
    dialled: u64,
}

impl Links {
    pub(crate) fn get(&self, link: LinkId) -> Option<&Link> {
        self.links.get(&link)
    }

    pub(crate) fn get_mut(&mut self, link: LinkId) -> Option<&mut Link> {
        self.links.get_mut(&link)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.links.iter().map(|(id, link)| (*id, link))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (LinkId, &mut Link)> {
        self.links.iter_mut().map(|(id, link)| (*id, link))
    }

    pub(crate) fn remove(&mut self, link: LinkId) -> Option<Link> {
        self.links.remove(&link)
    }

    /// The ready link to a peer.
    pub(crate) fn ready_to(&self, peer: PeerId) -> Option<LinkId> {
        self.iter()
            .find(|(_, link)| link.is_ready() && link.peer == Some(peer))
            .map(|(id, _)| id)
    }

    /// Whether a link to the peer stands or is being made from this side.
    pub(crate) fn is_reaching(&self, peer: PeerId) -> bool {
        self.iter()
            .any(|(id, link)| link.peer == Some(peer) && (link.is_ready() || !id.is_accepted()))
    }

    /// Whether a link to the peer is being made from this side.
    pub(crate) fn is_dialling(&self, peer: PeerId) -> bool {
        self.iter()
            .any(|(id, link)| link.peer == Some(peer) && !link.is_ready() && !id.is_accepted())
    }

    /// Begins a dial; `None` when there is no room.
    pub(crate) fn dial(
        &mut self,
        contact: &Contact,
        limit: usize,
        now: Timestamp,
    ) -> Option<LinkId> {
        if self.links.len() >= limit {
            return None;
        }
        self.dialled += 1;
        let id = LinkId::dialled(self.dialled);
        let mut link = Link::new(State::Dialling, Some(contact.peer), now);
        link.presenting.push(contact.ticket.clone());
        self.links.insert(id, link);
        Some(id)
    }

    /// Takes somebody in who has yet to prove himself.
    ///
    /// # Errors
    /// [`CloseReason::Full`] when there is no room for another link or handshake.
    pub(crate) fn accept(
        &mut self,
        id: LinkId,
        nonce: Nonce,
        config: &Config,
        now: Timestamp,
    ) -> Result<(), CloseReason> {
        let unproven = self
            .iter()
            .filter(|(id, link)| id.is_accepted() && !link.is_ready())
            .count();
        if self.links.len() >= config.max_links || unproven >= config.max_handshakes {
            return Err(CloseReason::Full);
        }
        self.links
            .insert(id, Link::new(State::AwaitingHello { nonce }, None, now));
        Ok(())
    }

    /// Links whose handshake has taken too long.
    pub(crate) fn overdue(&self, now: Timestamp) -> Vec<LinkId> {
        self.iter()
            .filter(|(_, link)| !link.is_ready() && now.since(link.since) >= Config::HANDSHAKE)
            .map(|(id, _)| id)
            .collect()
    }

    /// When the next handshake will have taken too long.
    pub(crate) fn next_overdue(&self) -> Option<Timestamp> {
        let waiting = self.links.values().filter(|link| !link.is_ready());
        waiting.map(|link| link.since + Config::HANDSHAKE).min()
    }

    /// Which of two ready links to `peer` goes: the one dialled by the peer with the larger id,
    /// so that both ends choose alike (P7). Of two that the same side dialled the older: whoever
    /// dials again has lost it. `None` if there are no two.
    pub(crate) fn duplicate(&self, own: PeerId, peer: PeerId) -> Option<LinkId> {
        let mut ready = self
            .iter()
            .filter(|(_, link)| link.is_ready() && link.peer == Some(peer));
        let (first, second) = (ready.next()?.0, ready.next()?.0);
        let loses = |link: LinkId| link.is_accepted() == (own < peer);
        let same_side = first.is_accepted() == second.is_accepted();
        Some(if same_side || loses(first) {
            first
        } else {
            second
        })
    }
}

/// Whether a ticket that somebody with `other`'s key presents can be good, before its signature is
/// checked.
pub(crate) fn plausible(
    ticket: &Ticket,
    other: &PublicKey,
    establishing: bool,
    validity: &Validity,
) -> bool {
    let Validity { own, date, .. } = validity;
    let between = (ticket.server == *own && ticket.client == *other)
        || (ticket.client == *own && ticket.server == *other);
    let in_time = !establishing || *date <= ticket.establish_before.plus(CLOCK_SLACK);
    between && in_time && validity.admits(ticket)
}

/// Whether a hello is worth checking with cryptography.
///
/// # Errors
/// [`CloseReason::Unauthorised`] when a ticket is for others, out of its dates, or of policies that
/// are not in force any more.
pub(crate) fn screen(hello: &Hello, validity: &Validity) -> Result<(), CloseReason> {
    let good = |signed: &SignedTicket| plausible(&signed.body, &hello.key, true, validity);
    if !hello.tickets.is_empty() && hello.tickets.iter().all(good) {
        Ok(())
    } else {
        Err(CloseReason::Unauthorised)
    }
}

#[cfg(test)]
mod tests;
