//! A ticket's bounds hold, whatever its owner tries.

use std::time::Duration;

use runnel_peer_core::{Event, Input};
use runnel_protocol::control::{FromCoordinator, Source};
use runnel_protocol::ids::{Nonce, TrackId};
use runnel_protocol::peer::{Control, Subscribe};
use runnel_protocol::segment::SubstreamSet;
use runnel_protocol::ticket::{SignedTicket, Ticket};
use runnel_protocol::units::BitsPerSecond;

use crate::world::{At, STRIPES, World, content, media, track};

const SECOND: Duration = Duration::from_secs(1);

/// A waypoint that has twenty segments, and a viewer with this ticket.
fn served_under(adjust: impl Fn(&mut Ticket)) -> (World, At, At, SignedTicket) {
    let mut world = World::new();
    let (waypoint, viewer) = (world.waypoint(), world.viewer());
    world.assign(waypoint, vec![]);
    let mut ticket = world.ticket(waypoint, viewer);
    adjust(&mut ticket);
    let ticket = world.sign_ticket(ticket);
    let mut parent = world.parent(waypoint, viewer, Source::Waypoint, 0b1111);
    parent.contact.ticket = ticket.clone();
    world.assign(viewer, vec![parent]);
    world.run_for(SECOND);
    (50..70).for_each(|sequence| world.publish(waypoint, sequence));
    (world, waypoint, viewer, ticket)
}

fn sent(world: &World, at: At) -> u64 {
    let sent = world.hosts[at.0].events.iter().map(|event| match event {
        Event::Sent(_, _, bytes) => u64::from(*bytes),
        _ => 0,
    });
    sent.sum()
}

fn ask_for_all(world: &mut World, viewer: At) {
    for sequence in 50..70 {
        world.want_as(viewer, sequence, SECOND * 60, false, false);
    }
}

#[test]
fn its_rate_holds_over_ten_seconds() {
    let rate = BitsPerSecond::from_kilobits(1_000);
    let (mut world, waypoint, viewer, _) = served_under(|ticket| ticket.rate = rate);
    ask_for_all(&mut world, viewer);
    world.run_for(Duration::from_millis(100));
    assert!(sent(&world, waypoint) <= rate.bytes_in(SECOND * 10));
    world.run_for(SECOND * 10);
    let within = rate.bytes_in(SECOND * 20) + 128 * 1024;
    assert!(sent(&world, waypoint) <= within);
    assert!(sent(&world, waypoint) > rate.bytes_in(SECOND * 10));
}

#[test]
fn its_bytes_are_not_renewed_by_presenting_it_again() {
    let bytes = 3 * media(50).len() as u64;
    let (mut world, waypoint, viewer, ticket) = served_under(|ticket| ticket.bytes = bytes);
    ask_for_all(&mut world, viewer);
    world.run_for(SECOND);
    for _ in 0..5 {
        world.forge(viewer, Control::Present(ticket.clone()));
        world.run_for(SECOND);
        ask_for_all(&mut world, viewer);
        world.run_for(SECOND);
    }
    assert!(sent(&world, waypoint) <= bytes);
    assert!(sent(&world, waypoint) > bytes / 2);
}

#[test]
fn a_revoked_ticket_cannot_be_presented_again() {
    let (mut world, waypoint, viewer, ticket) = served_under(|_| {});
    let revoke = FromCoordinator::Revoke(vec![ticket.body.id]);
    let renewed = world.ticket(waypoint, viewer);
    let renewed = world.sign_ticket(Ticket {
        content: runnel_protocol::ids::ContentId::of("another"),
        ..renewed
    });
    // Another ticket keeps the link.
    world.forge(viewer, Control::Present(renewed));
    world.run_for(SECOND);
    world.give(waypoint, Input::Coordinator(revoke));
    world.forge(viewer, Control::Present(ticket));
    world.run_for(SECOND);
    ask_for_all(&mut world, viewer);
    world.run_for(SECOND);
    assert_eq!(sent(&world, waypoint), 0);
}

#[test]
fn a_ticket_that_came_while_the_link_was_made_is_presented_when_it_stands() {
    let (mut world, waypoint, viewer, _) = served_under(|_| {});
    let late = world.viewer();
    let first = world.parent(waypoint, late, Source::Waypoint, 0b1111);
    world.assign(late, vec![first]);
    world.run_for(Duration::from_millis(1));
    let second = world.parent(waypoint, late, Source::Waypoint, 0b1111);
    world.assign(late, vec![second.clone()]);
    world.run_for(SECOND);
    let presented = world.hosts[late.0].said.iter().any(
        |message| matches!(message, Control::Present(ticket) if *ticket == second.contact.ticket),
    );
    assert!(presented);
    assert_eq!(world.hosts[viewer.0].links_up(), 1);
}

#[test]
fn whoever_subscribes_to_what_no_ticket_covers_is_shown_out() {
    let subscribed = |tracks: Vec<TrackId>| {
        let (mut world, waypoint, viewer, _) =
            served_under(|ticket| ticket.tracks.clone_from(&tracks));
        let wish = Subscribe {
            content: content(),
            track: track(),
            stripes: STRIPES,
            substreams: SubstreamSet::all(STRIPES),
            from: 50,
        };
        world.forge(viewer, Control::Subscribe(wish));
        world.run_for(SECOND);
        let links = world.hosts[waypoint.0].peer.census().links;
        (links, sent(&world, waypoint) > 0)
    };
    assert_eq!(subscribed(vec![track()]), (1, true));
    assert_eq!(subscribed(vec![TrackId([9; 16])]), (0, false));
}

/// It was away, and comes back to a coordinator whose policies have another version.
fn comes_back(world: &mut World, at: At, version: u64) {
    world.policy_version = version;
    world.give(at, Input::CoordinatorLost);
    world.run_for(SECOND);
    let nonce = Nonce([9; 32]);
    world.give(at, Input::CoordinatorConnected);
    world.give(at, Input::Coordinator(FromCoordinator::Challenge(nonce)));
    world.welcome(at);
}

/// Whether a new segment goes from one to the other.
fn serves(world: &mut World, (waypoint, viewer): (At, At), sequence: u64) -> bool {
    let before = sent(world, waypoint);
    world.publish(waypoint, sequence);
    world.want_as(viewer, sequence, SECOND * 60, false, false);
    world.run_for(SECOND);
    sent(world, waypoint) > before
}

#[test]
fn what_was_granted_under_older_policies_ends_ten_seconds_after_its_server_is_back() {
    let (mut world, waypoint, viewer, old) = served_under(|_| {});
    assert!(serves(&mut world, (waypoint, viewer), 71));
    comes_back(&mut world, waypoint, 2);
    world.run_for(SECOND * 7);
    assert!(
        serves(&mut world, (waypoint, viewer), 72),
        "another may be on its way"
    );
    world.run_for(SECOND * 3);
    assert_eq!(world.hosts[waypoint.0].peer.census().links, 0);
    assert!(!serves(&mut world, (waypoint, viewer), 73));
    // The child dials again with what it has.
    let mut parent = world.parent(waypoint, viewer, Source::Waypoint, 0b1111);
    parent.contact.ticket = old;
    world.assign(viewer, vec![parent]);
    world.run_for(SECOND);
    assert_eq!(world.hosts[waypoint.0].peer.census().links, 0);
    assert!(!serves(&mut world, (waypoint, viewer), 74));
}

#[test]
fn a_ticket_of_the_version_in_force_keeps_the_link() {
    let (mut world, waypoint, viewer, _) = served_under(|_| {});
    comes_back(&mut world, waypoint, 2);
    let parent = world.parent(waypoint, viewer, Source::Waypoint, 0b1111);
    world.assign(viewer, vec![parent]);
    world.run_for(SECOND * 20);
    assert!(serves(&mut world, (waypoint, viewer), 75));
    let up = world.hosts[viewer.0].links_up();
    assert_eq!(up, 1, "it was never made anew");
}

#[test]
fn who_comes_back_twice_gives_what_is_old_no_more_time() {
    let (mut world, waypoint, viewer, _) = served_under(|_| {});
    comes_back(&mut world, waypoint, 2);
    world.run_for(SECOND * 6);
    comes_back(&mut world, waypoint, 3);
    world.run_for(SECOND * 5);
    assert!(!serves(&mut world, (waypoint, viewer), 76));
}
