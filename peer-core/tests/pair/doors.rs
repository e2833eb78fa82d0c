//! Nobody gets a byte without a ticket (T4).

use core::net::Ipv4Addr;
use std::time::Duration;

use runnel_peer_core::{Caller, Event, Input, LinkId};
use runnel_protocol::control::{LinkResult, Platform, Source, ToCoordinator};
use runnel_protocol::ids::PeerId;
use runnel_protocol::meetings::Household;
use runnel_protocol::peer::{CloseReason, Control, Hello, Possession, Request, RequestId};
use runnel_protocol::signing::KeyPair;
use runnel_protocol::ticket::SignedTicket;

use crate::world::{At, World, key};

const SECOND: Duration = Duration::from_secs(1);

/// Comes to an agent's door and answers its challenge with these tickets and this key; how the
/// agent closed the link.
fn knock(
    tickets: impl FnOnce(&World, At, At) -> Vec<SignedTicket>,
    prove_with: Option<KeyPair>,
) -> Option<CloseReason> {
    let mut world = World::new();
    let (agent, visitor) = (world.agent(), world.viewer());
    let tickets = tickets(&world, agent, visitor);
    let came = (LinkId::accepted(500), Caller::default());
    knock_from(&mut world, (agent, visitor), came, tickets, prove_with)
}

/// The same over this link.
fn knock_from(
    world: &mut World,
    (agent, visitor): (At, At),
    (link, caller): (LinkId, Caller),
    tickets: Vec<SignedTicket>,
    prove_with: Option<KeyPair>,
) -> Option<CloseReason> {
    world.give(agent, Input::Accepted(link, caller));
    let nonce = world.last_challenge(agent);
    let possession = Possession {
        nonce,
        acceptor: PeerId::of(&world.hosts[agent.0].key.public()),
        ticket: tickets
            .first()
            .map_or(runnel_protocol::ids::TicketId([0; 16]), |one| one.body.id),
    };
    let own = &world.hosts[visitor.0].key;
    let signature = prove_with
        .as_ref()
        .unwrap_or(own)
        .sign(possession)
        .signature;
    let hello = Hello {
        key: own.public(),
        tickets,
        signature,
    };
    world.give(agent, Input::Control(link, Control::Hello(hello)));
    world.hosts[agent.0]
        .events
        .iter()
        .find_map(|event| match event {
            Event::LinkDown(down, _, reason) if *down == link => *reason,
            _ => None,
        })
}

/// Viewers from `homes` come to an agent's door one after another; which of them were turned away for their number.
fn turned_away(homes: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut world = World::new();
    let (agent, visitor) = (world.agent(), world.viewer());
    let ticket = world.sign_ticket(world.ticket(agent, visitor));
    let mut refused = Vec::new();
    for (count, home) in homes.enumerate() {
        let caller = Caller {
            home: Household::of(Ipv4Addr::from_bits(home).into()),
            page: None,
        };
        let link = LinkId::accepted(500 + count as u64);
        let both = (agent, visitor);
        let closed = knock_from(&mut world, both, (link, caller), vec![ticket.clone()], None);
        if closed == Some(CloseReason::Full) {
            refused.push(home);
        }
    }
    refused
}

#[test]
fn an_agent_meets_512_viewers_within_an_hour_and_those_again_but_no_others() {
    let first = 0x2000_0000;
    let most = first + 512;
    let again = (first..most + 2).chain(first..first + 2);
    assert_eq!(turned_away(again), [most, most + 1]);
    let neighbours = 0xc0a8_0000..0xc0a8_0000 + 600;
    assert_eq!(turned_away(neighbours), [0; 0], "192.168.0.0 and on");
}

#[test]
fn a_good_ticket_opens_the_door() {
    let closed = knock(
        |world, agent, visitor| vec![world.sign_ticket(world.ticket(agent, visitor))],
        None,
    );
    assert_eq!(closed, None);
}

#[test]
fn no_ticket() {
    assert_eq!(knock(|_, _, _| vec![], None), Some(CloseReason::Malformed));
}

#[test]
fn a_forged_ticket() {
    let closed = knock(
        |world, agent, visitor| {
            let mut ticket = world.sign_ticket(world.ticket(agent, visitor));
            ticket.body.bytes += 1;
            vec![ticket]
        },
        None,
    );
    assert_eq!(closed, Some(CloseReason::Unauthorised));
}

#[test]
fn a_ticket_signed_by_another_key() {
    let closed = knock(
        |world, agent, visitor| {
            vec![KeyPair::from_seed(&[5; 32]).sign(world.ticket(agent, visitor))]
        },
        None,
    );
    assert_eq!(closed, Some(CloseReason::Unauthorised));
}

#[test]
fn an_expired_ticket() {
    let closed = knock(
        |world, agent, visitor| {
            let mut ticket = world.ticket(agent, visitor);
            ticket.not_after = world.now.unix_seconds();
            vec![world.sign_ticket(ticket)]
        },
        None,
    );
    assert_eq!(closed, Some(CloseReason::Unauthorised));
}

#[test]
fn another_viewers_ticket() {
    let closed = knock(
        |world, agent, _| vec![world.sign_ticket(world.ticket(agent, agent))],
        None,
    );
    assert_eq!(closed, Some(CloseReason::Unauthorised));
}

#[test]
fn a_stolen_ticket_without_its_key() {
    let closed = knock(
        |world, agent, visitor| vec![world.sign_ticket(world.ticket(agent, visitor))],
        Some(KeyPair::from_seed(&[77; 32])),
    );
    assert_eq!(closed, Some(CloseReason::Unauthorised));
}

#[test]
fn a_visitor_who_says_nothing_is_shown_out() {
    let mut world = World::new();
    let agent = world.agent();
    let link = LinkId::accepted(500);
    world.give(agent, Input::Accepted(link, Caller::default()));
    world.run_for(SECOND * 6);
    let shown_out = world.hosts[agent.0]
        .events
        .iter()
        .any(|event| matches!(event, Event::LinkDown(_, _, Some(CloseReason::Idle))));
    assert!(shown_out);
}

#[test]
fn more_handshakes_than_there_is_room_for_are_turned_away() {
    let mut world = World::new();
    let agent = world.agent();
    (0..20).for_each(|count| {
        world.give(
            agent,
            Input::Accepted(LinkId::accepted(500 + count), Caller::default()),
        )
    });
    let turned_away = world.hosts[agent.0]
        .events
        .iter()
        .filter(|event| matches!(event, Event::TurnedAway(_, CloseReason::Full)))
        .count();
    assert_eq!(turned_away, 12);
}

#[test]
fn whoever_finds_no_room_says_so_to_the_coordinator_and_does_not_say_that_the_door_failed() {
    let mut world = World::new();
    let (agent, viewer) = (world.agent(), world.viewer());
    (0..20).for_each(|count| {
        world.give(
            agent,
            Input::Accepted(LinkId::accepted(500 + count), Caller::default()),
        )
    });
    let parent = world.parent(agent, viewer, Source::Peer, 0b1111);
    world.assign(viewer, vec![parent]);
    world.run_for(SECOND);
    assert_eq!(outcomes(&world, viewer), [LinkResult::Full]);
}

#[test]
fn whoever_has_no_link_left_of_its_own_says_so_too() {
    let mut world = World::new();
    let agent = world.agent();
    let viewer = world.add(Platform::Browser, |config| config.max_links = 0);
    let parent = world.parent(agent, viewer, Source::Peer, 0b1111);
    world.assign(viewer, vec![parent]);
    world.run_for(SECOND * 2);
    assert_eq!(outcomes(&world, viewer), [LinkResult::Full]);
}

/// What a host has told the coordinator about its links.
fn outcomes(world: &World, at: At) -> Vec<LinkResult> {
    let told = world.hosts[at.0].told.iter();
    told.filter_map(|message| match message {
        ToCoordinator::Outcome(outcome) => Some(outcome.result),
        _ => None,
    })
    .collect()
}

#[test]
fn asking_before_the_handshake_ends_the_link() {
    let mut world = World::new();
    let agent = world.agent();
    let link = LinkId::accepted(500);
    world.give(agent, Input::Accepted(link, Caller::default()));
    let request = Request {
        id: RequestId(1),
        segment: key(1),
        first: 0,
        count: 1,
        within_ms: 1,
    };
    world.give(agent, Input::Control(link, Control::Request(request)));
    let ended = world.hosts[agent.0]
        .events
        .iter()
        .any(|event| matches!(event, Event::LinkDown(_, _, Some(CloseReason::Malformed))));
    assert!(ended);
}

#[test]
fn the_tickets_end_is_the_links_end() {
    let mut world = World::new();
    let (waypoint, viewer) = (world.waypoint(), world.viewer());
    world.assign(waypoint, vec![]);
    let parent = world.parent(waypoint, viewer, Source::Waypoint, 0b1111);
    world.assign(viewer, vec![parent]);
    world.run_for(SECOND);
    assert_eq!(world.hosts[waypoint.0].links_up(), 1);
    world.run_for(SECOND * 901);
    let ended = world.hosts[waypoint.0]
        .events
        .iter()
        .any(|event| matches!(event, Event::LinkDown(..)));
    assert!(ended);
}
