//! A segment's way from the origin over waypoint and agent to a viewer, and back from the disk.

use std::collections::BTreeSet;
use std::time::Duration;

use runnel_peer_core::{Event, MediaKind, Want, WantId};
use runnel_peer_native::player::{Answer, Player};
use runnel_protocol::ids::PathHash;
use runnel_protocol::peer::{Control, Request, RequestId, Subscribe};
use runnel_protocol::segment::{SegmentKey, SubstreamSet, TrackAttributes};
use runnel_protocol::signing::KeyPair;

use crate::coordinator::Coordinator;
use crate::origin::{Origin, SEGMENTS, media};
use crate::viewer::Viewer;
use crate::{Running, config, content, joined, next, within};

const SEED: u8 = 9;

pub(crate) fn segment(sequence: u64) -> SegmentKey {
    SegmentKey {
        content: content(),
        track: TrackAttributes::ALONE.id(),
        generation: 0,
        sequence,
        range: None,
    }
}

/// A request for what nobody has.
pub(crate) fn unknown_request() -> Control {
    Control::Request(Request {
        id: RequestId(1000),
        segment: segment(SEGMENTS + 1000),
        first: 0,
        count: 1,
        within_ms: 100,
    })
}

async fn viewer(coordinator: &Coordinator, agent: &Running, seed: u8) -> Viewer {
    let key = KeyPair::from_seed(&[seed; 32]).public();
    let ticket = coordinator.ticket(agent.peer, key, |_| {});
    Viewer::welcome(&agent.hello, seed, ticket).await
}

#[tokio::test]
async fn a_segment_reaches_a_viewer_through_two_agents_and_survives_a_restart() {
    let coordinator = Coordinator::start(content()).await;
    let origin = Origin::start().await;
    let (at_waypoint, at_agent) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let waypoint = Running::start(&coordinator, at_waypoint.path(), true).await;
    let mut agent = Running::start(&coordinator, at_agent.path(), false).await;
    coordinator.grant(waypoint.peer, &origin.film());
    coordinator.assign(waypoint.peer, agent.peer);
    agent
        .event(|event| matches!(event, Event::LinkUp(..)).then_some(()))
        .await;

    let mut first = viewer(&coordinator, &agent, SEED).await;
    for sequence in [3, 4, 20] {
        let received = first.request(segment(sequence)).await;
        assert_eq!(received.proven(), media(sequence));
    }
    assert!(coordinator.strikes().is_empty());
    agent.agent.stop().await;
    waypoint.agent.stop().await;
    drop(origin);

    let agent = Running::start(&coordinator, at_agent.path(), false).await;
    coordinator.introduce(agent.peer);
    let mut again = viewer(&coordinator, &agent, SEED).await;
    let received = again.request(segment(20)).await;
    assert_eq!(received.proven(), media(20));
}

#[tokio::test]
async fn a_waypoint_serves_what_the_origin_serves_and_declines_what_it_does_not_have() {
    let coordinator = Coordinator::start(content()).await;
    let origin = Origin::start().await;
    let home = tempfile::tempdir().unwrap();
    let waypoint = Running::start(&coordinator, home.path(), true).await;
    coordinator.grant(waypoint.peer, &origin.film());
    coordinator.introduce(waypoint.peer);
    let mut viewer = viewer(&coordinator, &waypoint, SEED).await;
    let received = viewer.request(segment(0)).await;
    assert_eq!(received.proven(), media(0));

    viewer.say(&unknown_request()).await;
    let answer = viewer.hear().await;
    assert!(
        matches!(answer, Some(Control::Decline { .. })),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_program_that_plays_is_given_whole_segments() {
    let coordinator = Coordinator::start(content()).await;
    let origin = Origin::start().await;
    let (at_waypoint, at_player) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let waypoint = Running::start(&coordinator, at_waypoint.path(), true).await;
    coordinator.grant(waypoint.peer, &origin.film());
    let config = config(&coordinator, at_player.path());
    let (mut player, mut events) = Player::start(config).await.unwrap();
    let peer = joined(&mut events).await;
    coordinator.assign(waypoint.peer, peer);
    let linked = next(&mut events, |event| {
        matches!(event, Event::LinkUp(..)).then_some(())
    });
    within(linked).await;

    for sequence in 5..8 {
        player.want(want(sequence)).await;
        let answer = within(player.answer()).await;
        let Some(Answer::Delivered(WantId(named), delivered)) = answer else {
            panic!("instead of segment {sequence}: {answer:?}");
        };
        assert_eq!(named, sequence);
        assert_eq!(delivered.parts.concat(), media(sequence));
        assert_eq!(delivered.from_cdn, 0);
    }
    player.stop().await;
}

fn want(sequence: u64) -> Want {
    Want {
        id: WantId(sequence),
        content: content(),
        track: TrackAttributes::ALONE.id(),
        kind: MediaKind::Main,
        sequence,
        range: None,
        path: PathHash::of_url(&format!("https://any.cdn/segment-{sequence}.ts")),
        due_in: Duration::from_secs(10),
        duration: Duration::from_secs(2),
        live: false,
        urgent: false,
        may_wait: Duration::ZERO,
    }
}

#[tokio::test]
async fn a_live_stream_is_pushed_as_it_appears_and_the_origin_sends_it_once() {
    let coordinator = Coordinator::start(content()).await;
    let origin = Origin::start().await;
    let home = tempfile::tempdir().unwrap();
    let waypoint = Running::start(&coordinator, home.path(), true).await;
    origin.publish(10);
    coordinator.grant(waypoint.peer, &origin.live());
    coordinator.introduce(waypoint.peer);
    let mut one = viewer(&coordinator, &waypoint, SEED).await;
    let mut other = viewer(&coordinator, &waypoint, SEED + 1).await;
    for viewer in [&mut one, &mut other] {
        viewer.say(&subscribe(8)).await;
    }
    // What is there already is fetched together and comes in any order, what is new as it appears.
    for (newest, expected) in [(10, vec![8, 9, 10]), (11, vec![11]), (12, vec![12])] {
        origin.publish(newest);
        for viewer in [&mut one, &mut other] {
            let mut pushed = BTreeSet::new();
            for _ in &expected {
                let received = viewer.receive().await;
                let sequence = received.entry.body.segment.sequence;
                assert_eq!(received.entry.body.segment, segment(sequence));
                assert_eq!(received.proven(), media(sequence));
                pushed.insert(sequence);
            }
            assert!(pushed.into_iter().eq(expected.iter().copied()));
        }
    }
    let sent = origin.sent();
    assert_eq!(sent.len(), 5);
    assert!(sent.values().all(|times| *times == 1), "{sent:?}");
}

fn subscribe(from: u64) -> Control {
    Control::Subscribe(Subscribe {
        content: content(),
        track: TrackAttributes::ALONE.id(),
        stripes: 1,
        substreams: SubstreamSet::all(1),
        from,
    })
}
