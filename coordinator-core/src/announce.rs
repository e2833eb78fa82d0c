//! Telling peers: one `Assign` per peer, the whole of it, and only where it differs from the last.

use runnel_protocol::codec::encode;
use runnel_protocol::control::{Assign, Child, Contact, FromCoordinator, Parent, Treatment};
use runnel_protocol::ids::PeerId;
use runnel_protocol::segment::SubstreamSet;
use runnel_protocol::ticket::SignedTicket;
use runnel_protocol::time::Timestamp;

use crate::candidates::contact_endpoints;
use crate::delivery::{Budget, Delivery};
use crate::io::{Output, Unsigned};
use crate::member::{Excluded, Feed, Member, Role};
use crate::place::Sharing;
use crate::rules::Objection;
use crate::tickets::{Answer, Pairing, Terms};
use crate::world::World;

/// Whoever feeds others matters to more: agents that do come first, then other agents, then
/// viewers.
const INTERIOR_PRIORITY: u8 = 220;
const AGENT_PRIORITY: u8 = 200;
const VIEWER_PRIORITY: u8 = 100;

/// Tells every member whose assignment may have changed; `false` when the budget did not
/// suffice. Who waits for a signature is told when it comes, see [`tell_one`].
pub(crate) fn tell(
    delivery: &mut Delivery,
    world: &mut World,
    budget: &mut Budget,
    now: Timestamp,
) -> bool {
    while !delivery.untold.is_empty() {
        if budget.is_spent() {
            return false;
        }
        if let Some(peer) = delivery.untold.pop_first() {
            budget.spend(links(delivery, peer));
            tell_one(delivery, world, peer, now);
        }
    }
    true
}

/// How many links an assignment names, and one for itself.
fn links(delivery: &Delivery, peer: PeerId) -> usize {
    let links = |member: &Member| 1 + member.feeds.len() + member.agents().count();
    delivery.members.get(&peer).map_or(1, links)
}

/// Tells one member, unless it was told the same before or a ticket is not signed yet.
pub(crate) fn tell_one(delivery: &mut Delivery, world: &mut World, peer: PeerId, now: Timestamp) {
    let Some(mut assign) = compose(delivery, world, peer, now) else {
        return;
    };
    let Some(member) = delivery.members.get_mut(&peer) else {
        return;
    };
    let says = fingerprint(&assign);
    let nothing_yet = member.sent.is_none() && !member.opened;
    let empty = assign.parents.is_empty() && assign.children.is_empty();
    // Reconsidering who wants for a parent brings it here again once things have settled.
    let too_early = empty && member.role == Role::Viewer && now < world.settled_at;
    if member.sent == Some(says) || (nothing_yet && empty) || too_early {
        return;
    }
    member.sent = Some(says);
    // Microseconds rise over a restart of the coordinator as well.
    member.epoch = now.as_micros().max(member.epoch + 1);
    assign.epoch = member.epoch;
    world.totals.assignments += 1;
    world.send(peer, FromCoordinator::Assign(Box::new(assign)));
}

/// The assignment that ends a peer's part.
pub(crate) fn dismissal(delivery: &Delivery, epoch: u64, why: &str) -> FromCoordinator {
    FromCoordinator::Assign(Box::new(Assign {
        epoch,
        content: delivery.content,
        stripes: delivery.stripes,
        carries: SubstreamSet::EMPTY,
        parents: Vec::new(),
        children: Vec::new(),
        stream_keys: Vec::new(),
        max_suggested_bitrate: None,
        treatment: Treatment::default(),
        why: why.to_owned(),
    }))
}

fn fingerprint(assign: &Assign) -> [u8; 16] {
    let mut fingerprint = [0; 16];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&encode(assign));
    hasher.finalize_xof().fill(&mut fingerprint);
    fingerprint
}

/// The assignment as it stands, epoch zero; `None` while a ticket waits for its signature.
fn compose(delivery: &Delivery, world: &mut World, peer: PeerId, now: Timestamp) -> Option<Assign> {
    let member = delivery.members.get(&peer)?;
    // Both kinds are gone through to the end, so that all missing tickets are asked for at once.
    let parents: Vec<Option<Parent>> = member
        .feeds
        .iter()
        .map(|feed| parent(delivery, world, peer, feed, now))
        .collect();
    let children: Vec<Option<Child>> = member
        .agents()
        .filter_map(|child| {
            let feed = delivery.members.get(&child)?.feed(peer)?;
            Some((child, feed.clone()))
        })
        .map(|(name, feed)| child(delivery, world, (peer, name), &feed, now))
        .collect();
    Some(Assign {
        epoch: 0,
        content: delivery.content,
        stripes: delivery.stripes,
        carries: member.carries,
        parents: parents.into_iter().collect::<Option<_>>()?,
        children: children.into_iter().collect::<Option<_>>()?,
        stream_keys: world
            .waypoints
            .certificates(delivery.content, now.unix_seconds()),
        max_suggested_bitrate: delivery.suggested_bitrate(),
        treatment: delivery.treatment(peer, member, world, now).told(),
        why: why_nobody(delivery, member),
    })
}

fn parent(
    delivery: &Delivery,
    world: &mut World,
    child: PeerId,
    feed: &Feed,
    now: Timestamp,
) -> Option<Parent> {
    let ticket = ticket(delivery, world, (feed.parent, child), feed, now)?;
    Some(Parent {
        contact: contact(world, feed.parent, child, ticket)?,
        source: feed.source,
        substreams: feed.substreams,
        carries: delivery.members.get(&feed.parent)?.carries,
        why: feed.why.to_string(),
    })
}

fn child(
    delivery: &Delivery,
    world: &mut World,
    (parent, child): (PeerId, PeerId),
    feed: &Feed,
    now: Timestamp,
) -> Option<Child> {
    let ticket = ticket(delivery, world, (parent, child), feed, now)?;
    let member = delivery.members.get(&child)?;
    let feeds_others = member.children().next().is_some();
    Some(Child {
        contact: contact(world, child, parent, ticket)?,
        priority: match member.role {
            Role::Agent | Role::Head if feeds_others => INTERIOR_PRIORITY,
            Role::Agent | Role::Head => AGENT_PRIORITY,
            Role::Viewer => VIEWER_PRIORITY,
        },
    })
}

fn contact(world: &World, of: PeerId, to: PeerId, ticket: SignedTicket) -> Option<Contact> {
    let (owner, caller) = (world.view.get(of)?, world.view.get(to)?);
    let endpoints = contact_endpoints(owner, caller);
    let certificates = if endpoints.is_empty() {
        Vec::new()
    } else {
        owner.certificates().to_vec()
    };
    Some(Contact {
        peer: of,
        endpoints,
        certificates,
        ticket,
    })
}

fn ticket(
    delivery: &Delivery,
    world: &mut World,
    (server, client): (PeerId, PeerId),
    feed: &Feed,
    now: Timestamp,
) -> Option<SignedTicket> {
    let member = delivery.members.get(&client)?;
    // A player of which nothing is known may turn to any rendition.
    let known = Some(member.rate).filter(|rate| rate.0 > 0);
    let rate = known.map_or(delivery.rate(), |_| delivery.expected(member));
    let (serving, receiving) = (world.view.get(server)?, world.view.get(client)?);
    let terms = Terms {
        server: serving.key,
        client: receiving.key,
        page: receiving.page.or(serving.page),
        rate: rate.max(world.config.default_rate),
        connected: feed.connected,
        law: world.law,
        changes: serving.changes,
    };
    let pairing = Pairing {
        content: delivery.content,
        server,
        client,
    };
    match world.tickets.get(pairing, &terms, &mut world.random, now) {
        Answer::Ready(signed) => Some(signed),
        Answer::Waiting => None,
        Answer::New(ticket) => {
            world
                .outputs
                .push_back(Output::Sign(Unsigned::Ticket(ticket)));
            None
        }
    }
}

/// Why a member has no parents, or not for all stripes, in words (A5).
pub(crate) fn why_nobody(delivery: &Delivery, member: &Member) -> String {
    if member.role == Role::Head {
        return "a waypoint fetches from the origin itself".to_owned();
    }
    let missing = delivery.uncovered(member).count();
    if missing == 0 {
        return String::new();
    }
    // What a policy forbids is not for the viewer to guess from what is missing.
    let forbids = |one: &&Excluded| {
        matches!(
            one.objection,
            Objection::Forbidden(_) | Objection::Sites(Sharing::Off, _)
        )
    };
    let policy = member.excluded.iter().find(forbids);
    let reason = match policy.or(member.excluded.first()) {
        None if member.out => delivery.why_out(),
        None => "nobody else takes part in this content yet".to_owned(),
        Some(first) if policy.is_some() => first.objection.to_string(),
        Some(first) => format!(
            "{} sources were looked at; of the first: {}",
            member.excluded.len(),
            first.objection
        ),
    };
    if missing == u32::from(delivery.stripes) {
        format!("the CDN feeds you: {reason}")
    } else {
        format!(
            "the CDN feeds {missing} of {} stripes: {reason}",
            delivery.stripes
        )
    }
}
