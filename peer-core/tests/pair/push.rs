//! Standing wishes: what is pushed follows what is played, through every change of parents.

use std::time::Duration;

use runnel_peer_core::{Event, Input};
use runnel_protocol::control::Source;
use runnel_protocol::peer::Control;
use runnel_protocol::units::BitsPerSecond;

use crate::world::{At, NEXT_GENERATION, OTHER_TRACK, World, media};

const SECOND: Duration = Duration::from_secs(1);

/// A waypoint, two agents that it feeds, and a viewer of the first.
fn two_agents() -> (World, At, [At; 2], At) {
    let mut world = World::new();
    let waypoint = world.waypoint();
    let agents = [world.agent(), world.agent()];
    let viewer = world.viewer();
    world.assign(waypoint, vec![]);
    for agent in agents {
        let feed = world.parent(waypoint, agent, Source::Waypoint, 0b1111);
        world.assign(agent, vec![feed]);
    }
    let parent = world.parent(agents[0], viewer, Source::Peer, 0b1111);
    world.assign(viewer, vec![parent]);
    world.run_for(SECOND);
    world.want_as(viewer, 1, SECOND, true, true);
    world.run_for(SECOND);
    (world, waypoint, agents, viewer)
}

fn wasted(world: &World, at: At) -> u64 {
    let events = world.hosts[at.0].events.iter().map(|event| match event {
        Event::Wasted(bytes) => u64::from(*bytes),
        _ => 0,
    });
    events.sum()
}

fn received(world: &World, at: At) -> u64 {
    let events = world.hosts[at.0].events.iter().map(|event| match event {
        Event::Received(_, _, _, bytes) => u64::from(*bytes),
        _ => 0,
    });
    events.sum()
}

/// Plays a segment that has just been published; whether peers brought all of it.
fn play(world: &mut World, waypoint: At, viewer: At, place: u64) -> bool {
    world.publish(waypoint, place);
    let want = world.want(viewer, place, SECOND * 4);
    world.run_for(SECOND * 2);
    let delivered = &world.hosts[viewer.0].delivered[&want];
    assert_eq!(delivered.parts.concat(), media(place));
    delivered.from_cdn == 0
}

#[test]
fn a_parent_goes_on_until_its_successors_link_stands() {
    let (mut world, waypoint, agents, viewer) = two_agents();
    assert!(play(&mut world, waypoint, viewer, 2));
    world.freeze(agents[1], true);
    let successor = world.parent(agents[1], viewer, Source::Peer, 0b1111);
    world.assign(viewer, vec![successor]);
    assert!(play(&mut world, waypoint, viewer, 3));
    assert!(play(&mut world, waypoint, viewer, 4));
}

/// Links that stand, or that are being made.
fn links(world: &World, at: At) -> usize {
    let down = |event: &&Event| matches!(event, Event::LinkDown(..));
    world.hosts[at.0].links_up() - world.hosts[at.0].events.iter().filter(down).count()
}

#[test]
fn whoever_leaves_is_gone_as_soon_as_its_children_have_others() {
    let (mut world, waypoint, agents, viewer) = two_agents();
    assert!(play(&mut world, waypoint, viewer, 2));
    assert_eq!(links(&world, agents[0]), 2);
    world.give(agents[0], Input::Drain);
    let successor = world.parent(agents[1], viewer, Source::Peer, 0b1111);
    world.assign(viewer, vec![successor]);
    let took = world.run_until(SECOND * 8, |world| links(world, agents[0]) == 0);
    assert!(took < SECOND * 3, "{took:?}");
    assert!(play(&mut world, waypoint, viewer, 3));
}

#[test]
fn whoever_leaves_sends_what_is_under_way() {
    let (mut world, waypoint, agents, viewer) = two_agents();
    // 330 KB take two seconds.
    world.hosts[agents[0].0].line = Some(165_000);
    world.publish(waypoint, 2);
    let want = world.want(viewer, 2, SECOND * 6);
    world.run_for(SECOND / 2);
    world.give(agents[0], Input::Drain);
    let spare = world.parent(waypoint, viewer, Source::Waypoint, 0b1111);
    world.assign(viewer, vec![spare]);
    let took = world.run_until(SECOND * 8, |world| links(world, agents[0]) == 0);
    assert!(took > SECOND && took < SECOND * 5, "{took:?}");
    let delivered = &world.hosts[viewer.0].delivered[&want];
    assert_eq!((delivered.from_cdn, delivered.from_waypoints), (0, 0));
}

#[test]
fn an_assignment_without_parents_means_that_it_is_over_at_once() {
    let (mut world, waypoint, _, viewer) = two_agents();
    assert!(play(&mut world, waypoint, viewer, 2));
    world.assign(viewer, vec![]);
    assert!(!play(&mut world, waypoint, viewer, 3));
}

#[test]
fn a_change_of_parents_in_the_middle_of_a_segment_loses_nothing_and_wastes_little() {
    let (mut world, waypoint, agents, viewer) = two_agents();
    world.hosts[agents[0].0].line = Some(100_000);
    let mut total = 0;
    for sequence in 2..10 {
        world.publish(waypoint, sequence);
        world.run_for(SECOND);
        let parent = agents[usize::from(sequence % 2 == 0)];
        let parent = world.parent(parent, viewer, Source::Peer, 0b1111);
        world.assign(viewer, vec![parent]);
        let want = world.want(viewer, sequence, SECOND * 20);
        world.run_for(SECOND * 6);
        let delivered = &world.hosts[viewer.0].delivered[&want];
        assert_eq!(delivered.parts.concat(), media(sequence));
        assert_eq!(delivered.from_cdn, 0);
        total += media(sequence).len() as u64;
    }
    let share = wasted(&world, viewer) * 100 / total;
    assert!(share <= 10, "{share} % of the bytes came twice");
}

/// The segments of which a peer has proven chunks, in that order, each run of them once.
fn order(world: &World, at: At) -> Vec<u64> {
    let events = world.hosts[at.0].events.iter();
    let proven = events.filter_map(|event| match event {
        Event::Proven(chunk) => Some(chunk.segment.sequence),
        _ => None,
    });
    let mut order: Vec<u64> = proven.collect();
    order.dedup();
    order
}

#[test]
fn who_comes_late_gets_what_there_is_once_and_first_what_is_played_first() {
    let (mut world, waypoint, agents, viewer) = two_agents();
    for place in 2..6 {
        play(&mut world, waypoint, viewer, place);
    }
    world.hosts[agents[0].0].line = Some(1_000_000);
    let late = world.viewer();
    let parent = world.parent(agents[0], late, Source::Peer, 0b1111);
    world.assign(late, vec![parent]);
    world.run_for(SECOND);
    let wants: Vec<_> = (3..6)
        .map(|place| world.want(late, place, SECOND * 20))
        .collect();
    world.run_for(SECOND * 20);
    for want in wants {
        assert_eq!(world.hosts[late.0].delivered[&want].from_cdn, 0);
    }
    assert_eq!(order(&world, late), [3, 4, 5]);
    assert_eq!(wasted(&world, late), 0);
}

#[test]
fn a_parent_leaves_the_stripes_to_another_whose_link_stands_a_moment_later() {
    let (mut world, waypoint, agents, viewer) = two_agents();
    let other = world.viewer();
    let parent = world.parent(agents[1], other, Source::Peer, 0b1111);
    world.assign(other, vec![parent]);
    world.run_for(SECOND);
    world.want_as(other, 1, SECOND, true, true);
    for place in 2..5 {
        play(&mut world, waypoint, viewer, place);
    }
    let (peers, uplink) = (true, BitsPerSecond::from_kilobits(6000));
    for agent in agents {
        world.give(agent, Input::Consent { peers, uplink });
    }
    let late = world.viewer();
    let all = world.parent(agents[0], late, Source::Peer, 0b1111);
    world.assign(late, vec![all]);
    world.run_for(SECOND);
    let want = world.want(late, 3, SECOND * 20);
    let half = world.parent(agents[0], late, Source::Peer, 0b0011);
    let rest = world.parent(agents[1], late, Source::Peer, 0b1100);
    world.assign(late, vec![half, rest]);
    world.run_for(SECOND * 10);
    assert_eq!(world.hosts[late.0].delivered[&want].from_cdn, 0);
    assert_eq!(wasted(&world, late), 0);
}

#[test]
fn of_two_parents_whose_links_stand_one_after_the_other_each_sends_its_own_stripes_alone() {
    for answers in [true, false] {
        let (mut world, waypoint, agents, viewer) = two_agents();
        let other = world.viewer();
        let parent = world.parent(agents[1], other, Source::Peer, 0b1111);
        world.assign(other, vec![parent]);
        world.run_for(SECOND);
        world.want_as(other, 1, SECOND, true, true);
        for place in 2..5 {
            play(&mut world, waypoint, viewer, place);
        }
        let late = world.viewer();
        let half = world.parent(agents[0], late, Source::Peer, 0b0011);
        let rest = world.parent(agents[1], late, Source::Peer, 0b1100);
        world.assign(late, vec![half, rest]);
        let want = world.want(late, 3, SECOND * 6);
        world.run_for(Duration::from_millis(1));
        world.freeze(agents[1], true);
        world.run_for(Duration::from_millis(20));
        world.freeze(agents[1], !answers);
        world.run_for(SECOND * 3);
        let delivered = &world.hosts[late.0].delivered[&want];
        assert_eq!((delivered.from_cdn, wasted(&world, late)), (0, 0));
    }
}

#[test]
fn what_a_parent_has_begun_it_sends_to_its_end_although_another_has_some_of_the_stripes_now() {
    let (mut world, waypoint, agents, viewer) = two_agents();
    let (peers, uplink) = (true, BitsPerSecond::from_kilobits(3000));
    world.give(agents[0], Input::Consent { peers, uplink });
    world.run_for(SECOND);
    world.publish(waypoint, 2);
    world.run_for(SECOND / 4);
    let half = world.parent(agents[0], viewer, Source::Peer, 0b0011);
    let rest = world.parent(agents[1], viewer, Source::Peer, 0b1100);
    world.assign(viewer, vec![half, rest]);
    let want = world.want(viewer, 2, SECOND * 20);
    world.run_for(SECOND);
    let delivered = &world.hosts[viewer.0].delivered[&want];
    assert_eq!(delivered.parts.concat(), media(2));
    assert_eq!(wasted(&world, viewer), 0);
}

#[test]
fn a_viewer_whose_uploads_are_no_longer_wanted_is_still_served() {
    let (mut world, waypoint, agents, viewer) = two_agents();
    let feed = world.parent(waypoint, agents[0], Source::Waypoint, 0b1111);
    let mut standby = world.parent(viewer, agents[0], Source::Peer, 0);
    standby.contact.endpoints.clear();
    world.assign(agents[0], vec![feed.clone(), standby]);
    assert!(play(&mut world, waypoint, viewer, 2));
    world.assign(agents[0], vec![feed]);
    world.run_for(SECOND * 12);
    assert!(play(&mut world, waypoint, viewer, 3));
}

/// A viewer and a waypoint that has no room for it.
fn with_a_standby_alone() -> (World, At, At) {
    let mut world = World::new();
    let (waypoint, viewer) = (world.waypoint(), world.viewer());
    world.assign(waypoint, vec![]);
    let standby = world.parent(waypoint, viewer, Source::Waypoint, 0);
    world.assign(viewer, vec![standby]);
    world.run_for(SECOND);
    (world, waypoint, viewer)
}

#[test]
fn a_standby_without_room_tells_what_is_attested_and_is_asked_for_nothing() {
    let (mut world, waypoint, viewer) = with_a_standby_alone();
    world.publish(waypoint, 1);
    world.want_as(viewer, 1, SECOND * 5, false, true);
    world.run_for(SECOND);
    world.publish(waypoint, 2);
    let want = world.want_as(viewer, 2, SECOND * 5, false, true);
    world.run_for(SECOND / 2);
    let delivered = &world.hosts[viewer.0].delivered[&want];
    assert_eq!(delivered.from_cdn, media(2).len() as u64, "at once");
    let asked = world.hosts[viewer.0].said.iter();
    let asked = asked.filter(|message| matches!(message, Control::Request(_)));
    assert_eq!(asked.count(), 0);
    assert_eq!(received(&world, viewer), 0);
    let heard = world.hosts[waypoint.0].said.iter();
    let heard = heard.filter(|message| matches!(message, Control::Announce(_)));
    assert!(heard.count() > 0, "what the CDN brings can be proven");
}

#[test]
fn a_standby_that_is_only_listened_to_cannot_push() {
    let (mut world, waypoint, viewer) = with_a_standby_alone();
    world.want_as(viewer, 1, SECOND * 5, false, true);
    world.run_for(SECOND);
    world.push(waypoint, 2);
    world.run_for(SECOND);
    assert_eq!(received(&world, viewer), 0);
    assert_eq!(
        world.hosts[viewer.0].strikes(),
        0,
        "it may have been on its way"
    );
}

#[test]
fn an_hour_later_a_new_parent_does_not_send_again_what_is_long_here() {
    let (mut world, waypoint, agents, viewer) = two_agents();
    for sequence in 2..40 {
        world.publish(waypoint, sequence);
        let want = world.want(viewer, sequence, SECOND * 4);
        world.run_for(SECOND);
        assert!(world.hosts[viewer.0].got(want).is_some());
    }
    // The agent's memory has forgotten where it began.
    let before = (received(&world, agents[0]), wasted(&world, agents[0]));
    let other = world.parent(agents[1], agents[0], Source::Peer, 0b1111);
    world.assign(agents[0], vec![other]);
    world.run_for(SECOND * 5);
    assert_eq!(
        (received(&world, agents[0]), wasted(&world, agents[0])),
        before
    );
}

#[test]
fn a_restarted_stream_is_pushed_although_its_numbers_begin_anew() {
    let (mut world, waypoint, _, viewer) = two_agents();
    for sequence in 2..6 {
        assert!(play(&mut world, waypoint, viewer, sequence));
    }
    world.publish(waypoint, NEXT_GENERATION);
    world.run_for(SECOND);
    for sequence in 1..4 {
        assert!(play(
            &mut world,
            waypoint,
            viewer,
            NEXT_GENERATION + sequence
        ));
    }
}

#[test]
fn another_rendition_is_pushed_from_where_the_player_changed_to_it() {
    let (mut world, waypoint, agents, viewer) = two_agents();
    assert!(play(&mut world, waypoint, viewer, 2));
    play(&mut world, waypoint, viewer, OTHER_TRACK + 3);
    assert!(play(&mut world, waypoint, viewer, OTHER_TRACK + 4));
    assert!(play(&mut world, waypoint, viewer, 5), "and back");
    let unsubscribed = |at: At| {
        let said = world.hosts[at.0].said.iter();
        said.filter(|message| matches!(message, Control::Unsubscribe { .. }))
            .count()
    };
    assert_eq!(unsubscribed(viewer), 2);
    assert_eq!(unsubscribed(agents[0]), 2, "and so on up the tree");
}

#[test]
fn a_player_that_pauses_is_not_sent_what_it_does_not_play() {
    let (mut world, waypoint, _, viewer) = two_agents();
    assert!(play(&mut world, waypoint, viewer, 2));
    world.run_for(SECOND * 30);
    let before = received(&world, viewer);
    world.publish(waypoint, 30);
    world.run_for(SECOND * 2);
    assert_eq!(received(&world, viewer), before);
    play(&mut world, waypoint, viewer, 31);
    assert!(play(&mut world, waypoint, viewer, 32));
}

#[test]
fn a_child_that_comes_before_its_agent_has_a_parent_is_fed_when_it_has() {
    let mut world = World::new();
    let (waypoint, agent, viewer) = (world.waypoint(), world.agent(), world.viewer());
    world.assign(waypoint, vec![]);
    let parent = world.parent(agent, viewer, Source::Peer, 0b1111);
    world.assign(viewer, vec![parent]);
    world.run_for(SECOND);
    world.want_as(viewer, 1, SECOND, true, true);
    world.run_for(SECOND);
    let feed = world.parent(waypoint, agent, Source::Waypoint, 0b1111);
    world.assign(agent, vec![feed]);
    world.run_for(SECOND);
    assert!(play(&mut world, waypoint, viewer, 2));
}

#[test]
fn a_second_copy_of_what_is_whole_is_stopped() {
    let (mut world, waypoint, agents, viewer) = two_agents();
    for sequence in 2..6 {
        assert!(play(&mut world, waypoint, viewer, sequence));
    }
    let both = vec![
        world.parent(agents[0], viewer, Source::Peer, 0b0101),
        world.parent(agents[1], viewer, Source::Peer, 0b1010),
    ];
    world.assign(viewer, both);
    world.run_for(SECOND * 2);
    assert_eq!(wasted(&world, viewer), 0);
}

#[test]
fn uploads_end_at_once_when_they_are_no_longer_allowed() {
    let (mut world, waypoint, agents, viewer) = two_agents();
    assert!(play(&mut world, waypoint, viewer, 2));
    let uplink = runnel_protocol::units::BitsPerSecond(0);
    let consent = Input::Consent {
        peers: true,
        uplink,
    };
    world.give(agents[0], consent);
    let before = received(&world, viewer);
    world.publish(waypoint, 3);
    world.run_for(SECOND * 3);
    assert_eq!(received(&world, viewer), before);
}

/// An uplink that carries the viewers it has and a tenth more.
const JUST_ENOUGH: BitsPerSecond = BitsPerSecond::from_kilobits(3 * 1440);

#[test]
fn a_parent_that_fell_behind_does_not_spend_its_uplink_on_what_nobody_needs_any_more() {
    let mut world = World::new();
    let (waypoint, agent) = (world.waypoint(), world.agent());
    let viewers = [world.viewer(), world.viewer(), world.viewer()];
    world.assign(waypoint, vec![]);
    let feed = world.parent(waypoint, agent, Source::Waypoint, 0b1111);
    world.assign(agent, vec![feed]);
    for viewer in viewers {
        let parent = world.parent(agent, viewer, Source::Peer, 0b1111);
        world.assign(viewer, vec![parent]);
    }
    world.run_for(SECOND);
    for viewer in viewers {
        world.want_as(viewer, 1, SECOND, true, true);
    }
    let mut from_cdn = Vec::new();
    for place in 2..20 {
        let uplink = match place {
            3..6 => BitsPerSecond::from_kilobits(400),
            _ => JUST_ENOUGH,
        };
        let peers = true;
        world.give(agent, Input::Consent { peers, uplink });
        world.publish(waypoint, place);
        let wants = viewers.map(|viewer| (viewer, world.want(viewer, place, SECOND * 4)));
        world.run_for(SECOND * 2);
        let late = |(viewer, want): &(At, _)| {
            let delivered = &world.hosts[viewer.0].delivered;
            delivered.get(want).is_none_or(|one| one.from_cdn > 0)
        };
        from_cdn.extend(wants.iter().any(late).then_some(place));
    }
    assert!(
        from_cdn.contains(&4),
        "the uplink was too narrow: {from_cdn:?}"
    );
    assert!(from_cdn.iter().all(|place| *place < 11), "{from_cdn:?}");
}
