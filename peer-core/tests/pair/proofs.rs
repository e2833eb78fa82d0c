//! Between a chunk's arrival and its proof lies the check of a signature, which a shell may take
//! its time for: until it is good nothing is believed, and nothing is passed on.

use std::time::Duration;

use runnel_peer_core::{CheckId, Event, Input, LinkId, Output, Peer, StreamId};
use runnel_protocol::bulk::BulkHeader;
use runnel_protocol::control::Source;
use runnel_protocol::proof::SegmentTree;

use crate::world::{At, World, media};

const SECOND: Duration = Duration::from_secs(1);
const STREAM: StreamId = StreamId(1_000_000);

/// Waypoint → agent → viewer, who plays.
fn chain() -> (World, At, At) {
    let mut world = World::new();
    let (waypoint, agent, viewer) = (world.waypoint(), world.agent(), world.viewer());
    world.assign(waypoint, vec![]);
    let feed = world.parent(waypoint, agent, Source::Waypoint, 0b1111);
    world.assign(agent, vec![feed]);
    let parent = world.parent(agent, viewer, Source::Peer, 0b1111);
    world.assign(viewer, vec![parent]);
    world.run_for(SECOND);
    world.want_as(viewer, 1, SECOND, true, true);
    world.run_for(SECOND);
    (world, waypoint, agent)
}

fn link(world: &World, from: At, to: At) -> LinkId {
    let to = world.id(to);
    let mut events = world.hosts[from.0].events.iter();
    let up = events.find_map(|event| match event {
        Event::LinkUp(link, peer, _) if *peer == to => Some(*link),
        _ => None,
    });
    up.unwrap()
}

fn outputs(peer: &mut Peer) -> Vec<Output> {
    core::iter::from_fn(|| peer.poll_output()).collect()
}

fn sends(outputs: &[Output]) -> bool {
    let sends = |output: &Output| matches!(output, Output::SendChunk(..));
    outputs.iter().any(sends)
}

/// The agent gets a chunk of segment 2; what it asks to have checked.
fn push(world: &mut World, waypoint: At, agent: At) -> CheckId {
    let link = link(world, agent, waypoint);
    let bytes = media(2);
    let entry = world.entry(2, &bytes);
    let chunk = SegmentTree::new(&bytes).and_then(|tree| tree.chunk(&bytes, 0));
    let header = Box::new(BulkHeader {
        entry,
        request: None,
    });
    let now = world.now;
    let peer = &mut world.hosts[agent.0].peer;
    peer.handle_input(Input::BulkStarted(link, STREAM, header), now);
    peer.handle_input(Input::BulkChunk(link, STREAM, chunk.unwrap()), now);
    let outputs = outputs(peer);
    assert!(!sends(&outputs), "not before it is proven");
    let check = outputs.iter().find_map(|output| match output {
        Output::Check { check, .. } => Some(*check),
        _ => None,
    });
    check.unwrap()
}

#[test]
fn a_chunk_whose_entry_is_good_is_passed_on_at_once() {
    let (mut world, waypoint, agent) = chain();
    let check = push(&mut world, waypoint, agent);
    let now = world.now;
    let peer = &mut world.hosts[agent.0].peer;
    peer.handle_input(Input::Checked(check, true), now);
    assert!(sends(&outputs(peer)));
}

#[test]
fn a_chunk_whose_entry_is_forged_is_passed_on_to_nobody_and_ends_the_link() {
    let (mut world, waypoint, agent) = chain();
    let check = push(&mut world, waypoint, agent);
    let link = link(&world, agent, waypoint);
    let now = world.now;
    let peer = &mut world.hosts[agent.0].peer;
    peer.handle_input(Input::Checked(check, false), now);
    let outputs = outputs(peer);
    assert!(!sends(&outputs));
    let ends = |output: &Output| matches!(output, Output::Hangup(gone, _) if *gone == link);
    assert!(outputs.iter().any(ends));
    assert_eq!(peer.memory(), 0, "nor kept");
}
