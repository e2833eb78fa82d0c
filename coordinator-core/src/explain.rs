//! Why things are as they are: a bounded log of events per peer, in words once displayed.

use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use runnel_protocol::control::{Offence, PeerType};
use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::time::Timestamp;

use crate::assign::Chosen;
use crate::blacklist::Apart;
use crate::kind::Why;
use crate::place::Sharing;
use crate::policy::Ruling;
use crate::rules::Objection;
use crate::steady::Cause;
use crate::table::Table;
use crate::token::TokenRefusal;

/// Events kept per peer.
const MAX_EVENTS: usize = 48;
/// Peers that are gone and still remembered.
const MAX_GONE: usize = 4096;
/// For how long at most.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Something that happened to a peer, or was decided about it.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) at: Timestamp,
    pub(crate) content: Option<ContentId>,
    /// The other peer, where one is involved.
    pub(crate) other: Option<PeerId>,
    pub(crate) what: What,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Joined(Why),
    Expelled(TokenRefusal),
    /// What its site lets it do from now on.
    Placed(Sharing),
    Retyped(Why),
    Left,
    Enrolled,
    Certified,
    Opened {
        plays: bool,
    },
    Closed,
    Recruited,
    Dismissed,
    Fed {
        stripes: u32,
        chosen: Chosen,
    },
    Dropped(Parting),
    Reassigned(Cause),
    /// All uplinks of those who were in brought and took this much, bit/s.
    Ejected {
        supply: u64,
        demand: u64,
    },
    TakenBack,
    NoParent,
    /// A soft policy gave way, since nobody else was left.
    Relaxed(Arc<Ruling>),
    Silent,
    Spoke,
    Connected {
        after_ms: u32,
    },
    KeptApart {
        cause: Apart,
        time: Duration,
    },
    Struck {
        offence: Offence,
        apart: Duration,
    },
    Accused {
        offence: Offence,
    },
    Distrusted,
}

/// Why a parent was given up.
#[derive(Debug, Clone)]
pub(crate) enum Parting {
    Objection(Objection),
    Gone,
    /// It is of this type from now on.
    Retyped(PeerType),
    Better,
    NeededByAgent,
}

/// Displays a peer by the first half of its id: enough for people.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Brief(pub(crate) PeerId);

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.0[..4]
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Record {
    /// Whether it tells of a soft policy that gave way.
    pub(crate) const fn is_relaxation(&self) -> bool {
        matches!(self.what, What::Relaxed(_))
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = self
            .other
            .map_or_else(|| "?".to_owned(), |peer| Brief(peer).to_string());
        match &self.what {
            What::Joined(why) => {
                write!(f, "came and is treated as {}: {why}", name(why.kind()))
            }
            What::Retyped(why) => {
                write!(f, "is treated as {} from now on: {why}", name(why.kind()))
            }
            What::Placed(sharing) => write!(f, "{sharing}"),
            What::Expelled(refusal) => write!(f, "was sent away: {refusal}"),
            What::Left => write!(f, "its connection to the coordinator ended"),
            What::Enrolled => write!(f, "is a waypoint: the operator enrolled it"),
            What::Certified => write!(f, "its stream key is certified"),
            What::Opened { plays: true } => write!(f, "wants to play"),
            What::Opened { plays: false } => write!(f, "wants to help"),
            What::Closed => write!(f, "takes no part any more"),
            What::Recruited => write!(f, "was asked to help: viewers need more uplink"),
            What::Dismissed => write!(f, "was let go: nobody watches"),
            What::Fed { stripes: 0, chosen } => write!(f, "{who}: {chosen}"),
            What::Fed { stripes, chosen } => {
                write!(f, "{who} pushes {stripes} of its stripes: {chosen}")
            }
            What::Ejected { supply, demand } => write!(
                f,
                "is left to the CDN: all uplinks together carry {} kbit/s of the {} that everybody \
                 takes",
                supply / 1000,
                demand / 1000
            ),
            What::TakenBack => write!(f, "is fed by peers again: the uplinks carry it"),
            What::Reassigned(cause) => write!(f, "its parents change: {cause}"),
            What::Dropped(parting) => match parting {
                Parting::Objection(objection) => {
                    write!(f, "{who} is its parent no more: {objection}")
                }
                Parting::Retyped(PeerType::Lightweight) => write!(
                    f,
                    "{who} is its parent no more: nobody can connect to it any longer"
                ),
                Parting::Retyped(PeerType::Regular) => write!(
                    f,
                    "{who} is its parent no more: it accepts connections and is given another place"
                ),
                Parting::Gone => write!(f, "{who} is its parent no more: it went away"),
                Parting::NeededByAgent => write!(
                    f,
                    "{who} is its parent no more: an agent that will feed others needs the place"
                ),
                Parting::Better => write!(f, "{who} is its parent no more: others serve it better"),
            },
            What::Relaxed(ruling) => {
                write!(
                    f,
                    "may be fed by {who} all the same, since nobody else is left: {ruling}"
                )
            }
            What::NoParent => write!(f, "has no parent and plays from the CDN"),
            What::Silent => write!(f, "has fallen silent: nobody is sent to it"),
            What::Spoke => write!(f, "speaks again and may be chosen again"),
            What::Connected { after_ms } => {
                write!(f, "is connected with {who} after {after_ms} ms")
            }
            What::KeptApart { cause, time } => {
                let seconds = time.as_secs();
                let what = match cause {
                    Apart::Unreachable => "could not connect with",
                    Apart::Full => "found no link left at",
                    Apart::Lost => "lost its link with",
                    Apart::Stalled => "gets nothing useful from",
                    Apart::Slow => "gets less than the stream's rate from",
                    Apart::Congested => "gets too late what was sent by",
                    Apart::Misbehaved => "has had bad data from",
                };
                write!(f, "{what} {who}; the two are kept apart for {seconds} s")
            }
            What::Struck { offence, apart } => write!(
                f,
                "says that {who} sent {}; the two are kept apart for {} s",
                words(*offence),
                apart.as_secs()
            ),
            What::Accused { offence } => write!(f, "{who} says that it sent {}", words(*offence)),
            What::Distrusted => write!(f, "several peers accuse it: nobody is sent to it"),
        }
    }
}

const fn name(kind: PeerType) -> &'static str {
    match kind {
        PeerType::Lightweight => "lightweight",
        PeerType::Regular => "regular",
    }
}

fn words(offence: Offence) -> &'static str {
    match offence {
        Offence::BadChunk => "a chunk that does not verify",
        Offence::BadEntry => "an entry that is not validly signed",
        Offence::Fork => "a second signed version of one segment",
        Offence::Malformed => "a malformed message",
    }
}

/// The events of all peers.
#[derive(Debug, Default)]
pub(crate) struct Log {
    events: Table<PeerId, VecDeque<Record>>,
    gone: VecDeque<(Timestamp, PeerId)>,
}

impl Log {
    /// Keeps an event without a second peer.
    pub(crate) fn note(
        &mut self,
        peer: PeerId,
        content: Option<ContentId>,
        what: What,
        at: Timestamp,
    ) {
        self.add(
            peer,
            Record {
                at,
                content,
                other: None,
                what,
            },
        );
    }

    /// Keeps an event between two peers with the first.
    pub(crate) fn note_pair(
        &mut self,
        (peer, other): (PeerId, PeerId),
        content: ContentId,
        what: What,
        at: Timestamp,
    ) {
        let content = Some(content);
        self.add(
            peer,
            Record {
                at,
                content,
                other: Some(other),
                what,
            },
        );
    }

    fn add(&mut self, peer: PeerId, record: Record) {
        let events = self.events.entry(peer).or_default();
        if events.len() == MAX_EVENTS {
            events.pop_front();
        }
        events.push_back(record);
    }

    /// The peer's session ended: its events are kept for a while.
    pub(crate) fn on_gone(&mut self, peer: PeerId, at: Timestamp) {
        self.gone.push_back((at, peer));
    }

    /// Forgets peers that are gone long enough; `present` tells who came back.
    pub(crate) fn forget(&mut self, now: Timestamp, present: impl Fn(PeerId) -> bool) {
        while let Some((at, peer)) = self.gone.front().copied() {
            if self.gone.len() <= MAX_GONE && now.since(at) < REMEMBERED {
                break;
            }
            self.gone.pop_front();
            // Who came and went again since then stands further back in the queue.
            let last = self.events.get(&peer).and_then(VecDeque::back);
            if !present(peer) && last.is_none_or(|event| event.at <= at) {
                self.events.swap_remove(&peer);
            }
        }
    }

    /// A peer's events, oldest first.
    pub(crate) fn of(&self, peer: PeerId) -> impl Iterator<Item = &Record> {
        self.events.get(&peer).into_iter().flatten()
    }

    /// Whether anything is known of the peer.
    pub(crate) fn knows(&self, peer: PeerId) -> bool {
        self.events.contains_key(&peer)
    }
}
