//! Parents that lie (T1): no wrong byte reaches the player or a third peer, the liar is dropped
//! within one chunk, and playback goes on.

use std::time::Duration;

use bytes::Bytes;
use runnel_protocol::control::Source;
use runnel_protocol::peer::Control;
use runnel_protocol::proof::{ProvenChunk, SegmentTree};

use crate::world::{At, Tamper, World, media};

const SECOND: Duration = Duration::from_secs(1);

/// Waypoint → liar → agent → viewer.
fn behind_a_liar(tamper: Tamper) -> (World, At, At, At) {
    let mut world = World::new();
    let (waypoint, liar, viewer) = (world.waypoint(), world.agent(), world.viewer());
    world.assign(waypoint, vec![]);
    let feed = world.parent(waypoint, liar, Source::Waypoint, 0b1111);
    world.assign(liar, vec![feed]);
    let parent = world.parent(liar, viewer, Source::Peer, 0b1111);
    world.assign(viewer, vec![parent]);
    world.hosts[liar.0].tamper = Some(tamper);
    world.run_for(SECOND);
    world.want_as(viewer, 1, SECOND, true, true);
    world.run_for(SECOND);
    (world, waypoint, liar, viewer)
}

fn is_caught(tamper: Tamper) {
    let (mut world, waypoint, _, viewer) = behind_a_liar(tamper);
    for sequence in 2..5 {
        world.publish(waypoint, sequence);
        let want = world.want(viewer, sequence, SECOND * 4);
        let took = world.run_until(SECOND * 8, |world| {
            world.hosts[viewer.0].delivered.contains_key(&want)
        });
        assert_eq!(world.hosts[viewer.0].got(want).unwrap(), media(sequence));
        assert!(took < SECOND * 4);
    }
    let host = &world.hosts[viewer.0];
    assert_eq!(host.strikes(), 1, "struck once, then gone");
    let proven = host
        .events
        .iter()
        .filter(|event| matches!(event, runnel_peer_core::Event::Received(..)))
        .count();
    assert_eq!(proven, 0, "dropped within one chunk");
}

#[test]
fn a_flipped_bit() {
    is_caught(Box::new(|chunk| {
        let mut data = chunk.data.to_vec();
        data[100] ^= 1;
        Some(ProvenChunk {
            data: data.into(),
            ..chunk
        })
    }));
}

#[test]
fn a_truncated_chunk() {
    is_caught(Box::new(|chunk| {
        let data = chunk.data.slice(..chunk.data.len() - 1);
        Some(ProvenChunk { data, ..chunk })
    }));
}

#[test]
fn a_chunk_of_another_segment() {
    let other = media(99);
    let tree = SegmentTree::new(&other).unwrap();
    is_caught(Box::new(move |chunk| tree.chunk(&other, chunk.index)));
}

#[test]
fn a_chunk_from_another_place_of_the_segment() {
    is_caught(Box::new(|chunk| {
        Some(ProvenChunk {
            index: (chunk.index + 1) % 6,
            ..chunk
        })
    }));
}

#[test]
fn an_endless_proof() {
    is_caught(Box::new(|mut chunk| {
        chunk.proof.push([0; 32]);
        Some(chunk)
    }));
}

#[test]
fn an_entry_signed_by_nobody_the_operator_knows() {
    let (mut world, waypoint, liar, viewer) = behind_a_liar(Box::new(Some));
    world.publish(waypoint, 2);
    world.run_for(SECOND);
    let forger = runnel_protocol::signing::KeyPair::from_seed(&[66; 32]);
    let wrong: Bytes = vec![1; 70_000].into();
    let mut entry = world.entry(3, &wrong);
    entry.signature = forger.sign(entry.body.clone()).signature;
    world.forge(liar, Control::Announce(entry));
    world.run_for(SECOND);
    assert_eq!(world.hosts[viewer.0].strikes(), 1);
    world.publish(waypoint, 3);
    let want = world.want(viewer, 3, SECOND * 4);
    world.run_for(SECOND * 4);
    assert_eq!(world.hosts[viewer.0].got(want).unwrap(), media(3));
}

#[test]
fn two_validly_signed_roots_for_one_segment_mean_the_cdn() {
    let (mut world, waypoint, liar, viewer) = behind_a_liar(Box::new(Some));
    world.publish(waypoint, 2);
    world.run_for(SECOND);
    let fork = world.entry(2, &vec![1; 70_000].into());
    world.forge(liar, Control::Announce(fork));
    world.run_for(SECOND);
    assert_eq!(world.hosts[viewer.0].strikes(), 1);
    let want = world.want(viewer, 2, SECOND * 4);
    world.run_for(SECOND * 4);
    let host = &world.hosts[viewer.0];
    assert_eq!(host.got(want).unwrap(), media(2));
    assert_eq!(host.delivered[&want].from_cdn, media(2).len() as u64);
}

#[test]
fn cdn_bytes_that_differ_from_the_manifest_are_played_and_served_to_nobody() {
    let (mut world, waypoint, _, viewer) = behind_a_liar(Box::new(|_| None));
    world.publish(waypoint, 2);
    // The viewer's own CDN answers with something else: an advertisement was put in.
    let want = world.want(viewer, 2, SECOND * 4);
    world.adopt(viewer, want, 42);
    world.run_for(SECOND * 5);
    let host = &world.hosts[viewer.0];
    assert_eq!(host.got(want).unwrap(), media(42));
    let mismatch = host
        .events
        .iter()
        .any(|event| matches!(event, runnel_peer_core::Event::Mismatch(_)));
    assert!(mismatch);
    assert_eq!(host.peer.memory(), 0, "nothing of it is kept for others");
}

#[test]
fn nonsense_on_the_control_stream_ends_the_link_and_no_other() {
    let (mut world, waypoint, liar, viewer) = behind_a_liar(Box::new(Some));
    world.forge(
        liar,
        Control::Challenge(runnel_protocol::peer::Challenge {
            nonce: runnel_protocol::ids::Nonce([0; 32]),
            key: world.hosts[liar.0].key.public(),
        }),
    );
    world.run_for(SECOND);
    world.publish(waypoint, 2);
    let want = world.want(viewer, 2, SECOND * 4);
    world.run_for(SECOND * 4);
    assert_eq!(world.hosts[viewer.0].got(want).unwrap(), media(2));
}
