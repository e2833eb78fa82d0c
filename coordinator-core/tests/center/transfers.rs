//! What is kept of who received how much of what.

use core::time::Duration;

use runnel_coordinator_core::Transfer;

use crate::stage::{RATE, SECOND, Stage, kilobits, live};

/// A viewer of one network whom agents of two feed.
fn evening() -> Stage {
    let mut stage = Stage::new(1);
    stage.waypoint_at("waypoint", 2 * RATE, "198.51.100.1");
    stage.agent_at("near", 10 * RATE, "203.0.113.7");
    stage.agent_at("far", 10 * RATE, "192.0.2.7");
    stage.viewer_at("viewer", "203.0.113.80");
    stage.settle();
    stage
}

fn of<'a>(stage: &'a Stage, name: &'static str) -> Vec<&'a Transfer> {
    let peer = stage.peer(name);
    let its = stage.transfers.iter().filter(|one| one.peer == peer);
    its.collect()
}

#[test]
fn who_goes_leaves_a_record_of_what_it_received_and_from_how_near() {
    let mut stage = evening();
    let began = stage.now;
    for parent in stage.parents("viewer").into_keys() {
        stage.receives("viewer", parent, RATE / 2, false);
    }
    stage.plays_at("viewer", RATE);
    stage.run(SECOND * 10);
    assert!(stage.transfers.is_empty(), "nobody has gone");
    stage.kill("viewer");

    let [transfer] = of(&stage, "viewer")[..] else {
        panic!("{:?}", stage.transfers);
    };
    assert_eq!(transfer.content, live());
    assert_eq!((&*transfer.name, &*transfer.provider), ("live", "demo"));
    assert!(began.since(transfer.began) < SECOND);
    assert_eq!(transfer.ended, stage.now);
    assert_eq!(transfer.received.from_peers, 10_000, "1000 bytes a second");
    let second = kilobits(RATE / 2).bytes_in(SECOND);
    assert!(stage.parents("viewer").contains_key("near"));
    let far = stage.parents("viewer").len() as u64 - 1;
    assert!(far > 0, "somebody of another network feeds it as well");
    assert_eq!(transfer.off_net, 10 * far * second);
    assert_eq!(transfer.peak, kilobits(8));
    assert!(transfer.mean() <= transfer.peak);
}

#[test]
fn a_long_stay_is_told_in_pieces_that_add_up() {
    let mut stage = evening();
    stage.plays_at("viewer", RATE);
    stage.run(Duration::from_secs(2000));
    assert_eq!(of(&stage, "viewer").len(), 2);
    stage.kill("viewer");
    let pieces = of(&stage, "viewer");
    assert_eq!(pieces.len(), 3);
    let joined = pieces.windows(2).all(|two| two[0].ended == two[1].began);
    assert!(joined, "{pieces:?}");
    let bytes: u64 = pieces.iter().map(|one| one.received.all()).sum();
    assert_eq!(bytes, 2_000_000);
}

#[test]
fn whoever_moved_nothing_leaves_none() {
    let mut stage = evening();
    stage.kill("viewer");
    stage.kill("far");
    assert!(stage.transfers.is_empty());
}
