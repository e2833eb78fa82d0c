//! The named rules that prune feasible parents, each with its reason (A2).
//!
//! A rule is one line of [`RULES`]; policies are one of them.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use runnel_protocol::control::PeerType;
use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::blacklist::{Apart, Ban};
use crate::family::Family;
use crate::history::Blemish;
use crate::links::Shortage;
use crate::place::Sharing;
use crate::policy::{LinkSet, Ruling};
use crate::view::Record;

/// Most agents that one peer feeds: an assignment lists each of them and has to fit a message.
pub(crate) const MAX_REGULAR_CHILDREN: usize = 96;

/// A child and a parent it might get, with all that the rules ask about.
pub(crate) struct Pair<'a> {
    pub(crate) child: PeerId,
    pub(crate) child_record: &'a Record,
    pub(crate) parent: PeerId,
    pub(crate) parent_record: &'a Record,
    /// The parent feeds the child already.
    pub(crate) current: bool,
    pub(crate) reach: Reach,
    /// The parent receives the content, holds some, or is its head.
    pub(crate) holds: bool,
    /// The child feeds the parent, directly or through others.
    pub(crate) loops: bool,
    /// Agents that the parent feeds besides this child.
    pub(crate) regular_children: usize,
    /// The two share a link, for this content or for others.
    pub(crate) linked: bool,
    pub(crate) ban: Option<Ban>,
    /// Several say that the parent sent bad data.
    pub(crate) distrusted: bool,
    /// As many strangers as one of them may meet within an hour, where it has, and the other is
    /// none of them.
    pub(crate) met_enough: Option<usize>,
    /// Of what runs from the parent's network to the child's, how much comes late, in percent, where that
    /// is too much.
    pub(crate) congested: Option<u8>,
    /// What the policies say against it.
    pub(crate) ruling: Option<Arc<Ruling>>,
    /// How much they prefer it.
    pub(crate) score: i64,
    /// The links between the two, and whether soft ones among them give way.
    pub(crate) links: LinkSet,
    pub(crate) gave_way: bool,
    /// One of them that carries no stripe more.
    pub(crate) shortage: Option<Arc<Shortage>>,
    /// Uplink that this child may use of the parent.
    pub(crate) spare: BitsPerSecond,
    /// Uplink that is kept from this child for agents.
    pub(crate) kept: BitsPerSecond,
    /// Uplink that one stripe takes.
    pub(crate) stripe: BitsPerSecond,
    /// Longer silence than this keeps a peer from getting new children.
    pub(crate) hesitation: Duration,
    pub(crate) now: Timestamp,
}

/// Whether one end learns an address at which it can dial the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Yes,
    /// There is none that it may be told.
    NoAddress,
    /// There are some, of a family that it does not have.
    AnotherFamily(Family),
}

/// A named reason for leaving a candidate out.
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) judge: fn(&Pair<'_>) -> Option<Objection>,
}

/// In the order in which they are asked; the first objection stands.
pub(crate) const RULES: [Rule; 17] = [
    Rule {
        name: "self",
        judge: itself,
    },
    Rule {
        name: "type",
        judge: types,
    },
    Rule {
        name: "site",
        judge: site,
    },
    // Before what ends by itself: it is what a viewer has to be told.
    Rule {
        name: POLICY,
        judge: policy,
    },
    Rule {
        name: "holds",
        judge: holds,
    },
    Rule {
        name: "reach",
        judge: reach,
    },
    Rule {
        name: "no-common-family",
        judge: family,
    },
    Rule {
        name: "silence",
        judge: silence,
    },
    Rule {
        name: "blacklist",
        judge: blacklist,
    },
    Rule {
        name: "congestion",
        judge: congestion,
    },
    Rule {
        name: "conduct",
        judge: conduct,
    },
    Rule {
        name: "history",
        judge: history,
    },
    Rule {
        name: "link-limit",
        judge: link_limit,
    },
    Rule {
        name: "met-enough",
        judge: met_enough,
    },
    Rule {
        name: LOOPS,
        judge: loops,
    },
    Rule {
        name: "links",
        judge: links,
    },
    Rule {
        name: CAPACITY,
        judge: capacity,
    },
];

/// The rule of operators, networks and viewers.
pub(crate) const POLICY: &str = "policy";

/// The rule that a change of places in a tree settles itself.
pub(crate) const LOOPS: &str = "loops";

/// The one rule that a waypoint may break as a standby, which sends nothing until it is needed.
pub(crate) const CAPACITY: &str = "capacity";

/// The first objection, with the name of its rule.
pub(crate) fn first_objection(pair: &Pair<'_>) -> Option<(&'static str, Objection)> {
    RULES
        .iter()
        .find_map(|rule| (rule.judge)(pair).map(|objection| (rule.name, objection)))
}

/// Why a parent is not possible, in words once displayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Objection {
    Itself,
    BothLightweight,
    /// What the child's site allows, and the parent's.
    Sites(Sharing, Sharing),
    Forbidden(Arc<Ruling>),
    HoldsNothing,
    Unreachable,
    NoCommonFamily(Family),
    Silent(Duration),
    KeptApart {
        cause: Apart,
        left: Duration,
    },
    /// Between these autonomous systems, where they are known.
    CongestedWay {
        from: Option<u32>,
        to: Option<u32>,
        late: u8,
    },
    Accused,
    NeverReached,
    BadHistory(Blemish),
    NoLinkRoom(Arc<Shortage>),
    MetEnough(usize),
    Loop,
    NoUplink,
    NoRoom {
        spare: BitsPerSecond,
        stripe: BitsPerSecond,
    },
    KeptForAgents(BitsPerSecond),
    TooManyChildren,
    NoLink(usize),
    NoLinkOfItsOwn(usize),
}

fn itself(pair: &Pair<'_>) -> Option<Objection> {
    (pair.child == pair.parent).then_some(Objection::Itself)
}

fn types(pair: &Pair<'_>) -> Option<Objection> {
    let light = |record: &Record| record.kind == PeerType::Lightweight;
    let both = light(pair.child_record) && light(pair.parent_record);
    both.then_some(Objection::BothLightweight)
}

fn site(pair: &Pair<'_>) -> Option<Objection> {
    let (child, parent) = (pair.child_record.sharing(), pair.parent_record.sharing());
    (!child.gets() || !parent.gives()).then_some(Objection::Sites(child, parent))
}

fn policy(pair: &Pair<'_>) -> Option<Objection> {
    pair.ruling.clone().map(Objection::Forbidden)
}

fn holds(pair: &Pair<'_>) -> Option<Objection> {
    (!pair.holds).then_some(Objection::HoldsNothing)
}

fn reach(pair: &Pair<'_>) -> Option<Objection> {
    (pair.reach == Reach::NoAddress).then_some(Objection::Unreachable)
}

fn family(pair: &Pair<'_>) -> Option<Objection> {
    match pair.reach {
        Reach::AnotherFamily(family) => Some(Objection::NoCommonFamily(family)),
        Reach::Yes | Reach::NoAddress => None,
    }
}

fn silence(pair: &Pair<'_>) -> Option<Objection> {
    let quiet = pair.now.since(pair.parent_record.last_heard);
    let hesitate = !pair.current && quiet > pair.hesitation;
    (pair.parent_record.silent || hesitate).then_some(Objection::Silent(quiet))
}

fn blacklist(pair: &Pair<'_>) -> Option<Objection> {
    pair.ban.map(|ban| Objection::KeptApart {
        cause: ban.cause,
        left: ban.until.since(pair.now),
    })
}

/// Who feeds the child already is judged by its own link.
fn congestion(pair: &Pair<'_>) -> Option<Objection> {
    let late = pair.congested.filter(|_| !pair.current)?;
    let system = |record: &Record| record.place.system;
    let (from, to) = (system(pair.parent_record), system(pair.child_record));
    Some(Objection::CongestedWay { from, to, late })
}

fn conduct(pair: &Pair<'_>) -> Option<Objection> {
    pair.distrusted.then_some(Objection::Accused)
}

fn history(pair: &Pair<'_>) -> Option<Objection> {
    // What feeds the child at present has an account of its own, which parts the two if need be.
    if pair.current {
        return None;
    }
    let history = &pair.parent_record.history;
    if history.is_hopeless(pair.now) {
        return Some(Objection::NeverReached);
    }
    // Where everybody else is bad, the operator's own are what is left.
    let blemish = history
        .blemish(pair.now)
        .filter(|_| !pair.parent_record.waypoint);
    blemish.map(Objection::BadHistory)
}

fn link_limit(pair: &Pair<'_>) -> Option<Objection> {
    pair.shortage.clone().map(Objection::NoLinkRoom)
}

/// Who feeds the child already knows it.
fn met_enough(pair: &Pair<'_>) -> Option<Objection> {
    let most = pair.met_enough.filter(|_| !pair.current)?;
    Some(Objection::MetEnough(most))
}

fn loops(pair: &Pair<'_>) -> Option<Objection> {
    pair.loops.then_some(Objection::Loop)
}

/// Only regular peers count their links here: a page says itself how many parents it takes.
fn links(pair: &Pair<'_>) -> Option<Objection> {
    if pair.linked {
        return None;
    }
    let regular = pair.child_record.is_regular();
    let has_none =
        |record: &Record, most| record.is_regular() && usize::from(record.partners) >= most;
    let most = pair.parent_record.links_for_children(regular);
    if has_none(pair.parent_record, most) {
        return Some(Objection::NoLink(most));
    }
    let most = pair.child_record.most_links();
    has_none(pair.child_record, most).then_some(Objection::NoLinkOfItsOwn(most))
}

fn capacity(pair: &Pair<'_>) -> Option<Objection> {
    if pair.child_record.is_regular() && pair.regular_children >= MAX_REGULAR_CHILDREN {
        return Some(Objection::TooManyChildren);
    }
    let spare = pair.spare.saturating_sub(pair.kept);
    if spare >= pair.stripe && spare.0 > 0 {
        return None;
    }
    Some(if pair.parent_record.uplink.offered().0 == 0 {
        Objection::NoUplink
    } else if pair.spare >= pair.stripe {
        Objection::KeptForAgents(pair.kept)
    } else {
        Objection::NoRoom {
            spare: pair.spare,
            stripe: pair.stripe,
        }
    })
}

impl Objection {
    /// What policy stands behind it.
    pub(crate) fn ruling(&self) -> Option<&Arc<Ruling>> {
        match self {
            Self::Forbidden(ruling) => Some(ruling),
            Self::NoLinkRoom(shortage) => Some(&shortage.ruling),
            Self::Itself
            | Self::BothLightweight
            | Self::Sites(..)
            | Self::HoldsNothing
            | Self::Unreachable
            | Self::NoCommonFamily(_)
            | Self::Silent(_)
            | Self::KeptApart { .. }
            | Self::CongestedWay { .. }
            | Self::Accused
            | Self::NeverReached
            | Self::BadHistory(_)
            | Self::MetEnough(_)
            | Self::Loop
            | Self::NoUplink
            | Self::NoRoom { .. }
            | Self::KeptForAgents(_)
            | Self::TooManyChildren
            | Self::NoLink(_)
            | Self::NoLinkOfItsOwn(_) => None,
        }
    }
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Itself => write!(f, "nobody feeds itself"),
            Self::BothLightweight => {
                write!(
                    f,
                    "both are lightweight: neither could accept the other's connection"
                )
            }
            Self::Sites(Sharing::Off, _) => {
                write!(f, "your site has peer-to-peer delivery switched off")
            }
            Self::Sites(_, parent) => write!(f, "{parent}"),
            Self::Forbidden(ruling) => write!(f, "{ruling}"),
            Self::NoLinkRoom(shortage) => write!(f, "{shortage}"),
            Self::HoldsNothing => write!(f, "it neither holds the content nor receives it"),
            Self::Unreachable => write!(f, "it named no address that can be dialled from there"),
            Self::NoCommonFamily(family) => write!(
                f,
                "the two have no address family in common: over {family}, the only way, one does not get to \
                 the other"
            ),
            Self::Silent(time) => {
                write!(f, "it has said nothing for {:.1} s", time.as_secs_f32())
            }
            Self::KeptApart { cause, left } => {
                let why = match cause {
                    Apart::Unreachable => "the two could not connect",
                    Apart::Full => "one had no link left for the other",
                    Apart::Lost => "their link was lost",
                    Apart::Stalled => "their link stood and nothing came",
                    Apart::Slow => "their link brought less than the stream's rate",
                    Apart::Congested => "what was sent over their link did not arrive in time",
                    Apart::Misbehaved => "it was said to send what an honest peer cannot send",
                };
                write!(f, "{why}; kept apart for another {} s", left.as_secs())
            }
            Self::CongestedWay { from, to, late } => {
                let name = |system: &Option<u32>, unknown: &str| {
                    system.map_or_else(|| unknown.to_owned(), |number| format!("AS{number}"))
                };
                let (from, to) = (name(from, "its network"), name(to, "yours"));
                write!(
                    f,
                    "of what is sent from {from} to {to}, {late} % comes late"
                )
            }
            Self::Accused => write!(f, "several peers say that it sent bad data"),
            Self::NeverReached => write!(f, "the last attempts to reach it all failed"),
            Self::BadHistory(blemish) => write!(f, "{blemish}"),
            Self::MetEnough(most) => write!(
                f,
                "the agent was made known to {most} viewers within the last hour, and is not told of more"
            ),
            Self::Loop => write!(f, "it receives the content from this very peer"),
            Self::NoUplink => write!(f, "it offers no uplink"),
            Self::NoRoom { spare, stripe } => write!(
                f,
                "its uplink has {} kbit/s left and one stripe takes {}",
                spare.0 / 1000,
                stripe.0 / 1000
            ),
            Self::KeptForAgents(kept) => write!(
                f,
                "the {} kbit/s that its uplink has left are kept for agents",
                kept.0 / 1000
            ),
            Self::NoLink(most) => {
                write!(f, "its {most} links for children are all in use")
            }
            Self::NoLinkOfItsOwn(most) => {
                write!(
                    f,
                    "the {most} links that the peer to be fed has are all in use"
                )
            }
            Self::TooManyChildren => write!(f, "it feeds {MAX_REGULAR_CHILDREN} agents already"),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use runnel_protocol::control::Platform;
    use runnel_protocol::ids::PublicKey;

    use super::*;
    use crate::capacity::Uplink;
    use crate::family::Families;
    use crate::history::History;
    use crate::io::SessionId;
    use crate::kind::Why;
    use crate::place::Place;
    use crate::record::Contents;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000);

    fn record(kind: PeerType) -> Record {
        let address = IpAddr::from([192, 0, 2, 1]);
        Record {
            session: SessionId(1),
            address,
            page: None,
            families: Families::of_page(address),
            place: Place::of(address),
            key: PublicKey([1; 32]),
            platform: Platform::Browser,
            version: "story".into(),
            kind,
            why: Why::Browser,
            waypoint: false,
            door: None,
            uplink: Uplink::new(BitsPerSecond(1_000_000)),
            taken: BitsPerSecond(0),
            partners: 0,
            held: None,
            machine: None,
            last_heard: NOW,
            changes: 0,
            silent: false,
            codes_tried: 0,
            group_requests: 0,
            history: History::default(),
            contents: Contents::default(),
        }
    }

    /// A pair to which no rule objects for any other reason than the two types.
    fn verdict(child: PeerType, parent: PeerType) -> Option<&'static str> {
        judged(&record(child), &record(parent))
    }

    /// The rule that objects to a pair of strangers.
    fn judged(child_record: &Record, parent_record: &Record) -> Option<&'static str> {
        let pair = Pair {
            child: PeerId([1; 16]),
            child_record,
            parent: PeerId([2; 16]),
            parent_record,
            current: false,
            reach: Reach::Yes,
            holds: true,
            loops: false,
            regular_children: 0,
            linked: false,
            ban: None,
            distrusted: false,
            met_enough: None,
            congested: None,
            ruling: None,
            score: 0,
            links: LinkSet::EMPTY,
            gave_way: false,
            shortage: None,
            spare: BitsPerSecond(1_000_000),
            kept: BitsPerSecond(0),
            stripe: BitsPerSecond(500_000),
            hesitation: Duration::from_secs(2),
            now: NOW,
        };
        first_objection(&pair).map(|(rule, _)| rule)
    }

    #[test]
    fn two_lightweight_peers_are_never_paired_even_if_they_could_reach_each_other() {
        use PeerType::{Lightweight, Regular};
        assert_eq!(verdict(Lightweight, Lightweight), Some("type"));
        for (child, parent) in [
            (Lightweight, Regular),
            (Regular, Lightweight),
            (Regular, Regular),
        ] {
            assert_eq!(verdict(child, parent), None, "{child:?} {parent:?}");
        }
    }

    #[test]
    fn nobody_gets_more_partners_than_it_takes_links() {
        let regular = |megabits: u64, partners| Record {
            uplink: Uplink::new(BitsPerSecond(megabits * 1_000_000)),
            partners,
            ..record(PeerType::Regular)
        };
        let viewer = record(PeerType::Lightweight);
        assert_eq!(judged(&viewer, &regular(20, 111)), None);
        assert_eq!(judged(&viewer, &regular(20, 112)), Some("links"));
        assert_eq!(judged(&viewer, &regular(900, 883)), None);
        assert_eq!(judged(&viewer, &regular(900, 884)), Some("links"));
        let parent = regular(20, 0);
        assert_eq!(
            judged(&regular(20, 127), &parent),
            None,
            "parents come first"
        );
        assert_eq!(judged(&regular(20, 128), &parent), Some("links"));
    }

    #[test]
    fn a_waypoint_keeps_links_for_agents() {
        let waypoint = |partners| Record {
            uplink: Uplink::new(BitsPerSecond(10_000_000_000)),
            waypoint: true,
            partners,
            ..record(PeerType::Regular)
        };
        let (viewer, agent) = (PeerType::Lightweight, PeerType::Regular);
        let verdict = |kind, partners| judged(&record(kind), &waypoint(partners));
        assert_eq!(verdict(viewer, 751), None);
        assert_eq!(verdict(viewer, 752), Some("links"));
        assert_eq!(verdict(agent, 1007), None);
        assert_eq!(verdict(agent, 1008), Some("links"));
    }
}
