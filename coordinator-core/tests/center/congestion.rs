//! Links that bring too little, or too late, are given up after four heartbeats and not before.

use runnel_protocol::segment::Substream;

use crate::stage::{RATE, SECOND, Stage};

/// A waypoint, three agents and a viewer that gets half of its stripes from each of two.
fn evening() -> Stage {
    let mut stage = Stage::in_good_faith(1);
    stage.waypoint("waypoint", 2 * RATE);
    for (agent, uplink) in [("ann", 13), ("bob", 10), ("carl", 10)] {
        stage.agent(agent, uplink * RATE);
        stage.open(agent, "live", false);
    }
    stage.viewer("viewer");
    stage.settle();
    assert_eq!(stage.parents("viewer")["ann"], 2);
    stage
}

#[test]
fn a_parent_that_brings_half_of_its_share_is_left_after_four_heartbeats() {
    let mut stage = evening();
    stage.receives("viewer", "ann", RATE / 4, true);
    for beat in 1..=3 {
        stage.run(SECOND);
        assert_eq!(stage.parents("viewer")["ann"], 2, "heartbeat {beat}");
    }
    stage.run(SECOND + SECOND / 5);
    let parents = stage.parents("viewer");
    assert!(!parents.contains_key("ann"), "{parents:?}");
    assert_eq!(parents.values().sum::<u32>(), 4, "{parents:?}");
    let words = stage.words("viewer");
    assert!(
        words.contains("gets less than the stream's rate from"),
        "{words}"
    );
    assert!(
        words.contains("its parents change: a parent brought less than the stream's rate"),
        "{words}"
    );
    stage.check();
}

#[test]
fn a_parent_that_brings_its_share_is_kept_although_chunks_are_late() {
    let mut stage = evening();
    stage.receives("viewer", "ann", RATE / 2, true);
    stage.receives("viewer", "bob", RATE / 2, false);
    stage.run(SECOND * 60);
    assert_eq!(stage.parents("viewer")["ann"], 2);
}

#[test]
fn a_parent_that_is_itself_short_is_not_the_one_to_leave() {
    let mut stage = evening();
    // Ann gets half of the stream from the waypoint, and can pass on no more than that.
    stage.receives("ann", "waypoint", RATE / 4, true);
    stage.receives("viewer", "ann", RATE / 4, true);
    stage.run(SECOND * 3);
    stage.receives("ann", "waypoint", RATE, false);
    stage.receives("viewer", "ann", RATE / 2, false);
    stage.run(SECOND * 20);
    assert_eq!(stage.parents("viewer")["ann"], 2);
    assert_eq!(stage.center.totals().repairs, 0);
}

#[test]
fn chunks_that_were_sent_and_do_not_arrive_show_a_congested_link() {
    let mut stage = evening();
    let all = stage.assign("viewer").parents.iter();
    let of_ann = all
        .clone()
        .find(|one| one.contact.peer == stage.peer("ann"));
    let stripe: Substream = of_ann.unwrap().substreams.iter().next().unwrap();
    // Enough comes in all, but one stripe falls behind what ann had sent a heartbeat ago.
    stage.receives("viewer", "ann", RATE / 2, true);
    for beat in 1..=5 {
        stage.chunks(("ann", "viewer"), stripe, (10 * beat, 4 * beat));
        assert_eq!(stage.parents("viewer")["ann"], 2, "heartbeat {beat}");
        stage.run(SECOND);
    }
    stage.run(SECOND / 5);
    assert!(!stage.parents("viewer").contains_key("ann"));
    let words = stage.words("viewer");
    assert!(words.contains("gets too late what was sent by"), "{words}");
}

#[test]
fn a_parent_that_is_short_most_of_the_time_is_not_blamed_for_that_time() {
    let mut stage = evening();
    stage.receives("viewer", "ann", RATE / 4, true);
    for _ in 0..2 {
        stage.receives("ann", "waypoint", RATE / 4, true);
        stage.run(SECOND * 3);
        stage.receives("ann", "waypoint", RATE, false);
        stage.run(SECOND);
    }
    assert_eq!(stage.parents("viewer")["ann"], 2, "two of eight count");
    assert_eq!(stage.center.totals().repairs, 0);
    stage.run(SECOND * 4);
    assert!(!stage.parents("viewer").contains_key("ann"));
}

#[test]
fn chunks_that_nobody_waits_for_yet_show_nothing() {
    let mut stage = evening();
    let all = stage.assign("viewer").parents.iter();
    let ann = stage.peer("ann");
    let of_ann = all.clone().find(|one| one.contact.peer == ann);
    let stripe: Substream = of_ann.unwrap().substreams.iter().next().unwrap();
    stage.receives("viewer", "ann", RATE / 2, false);
    for beat in 1..=8 {
        stage.chunks(("ann", "viewer"), stripe, (10 * beat, 4 * beat));
        stage.run(SECOND);
    }
    assert_eq!(stage.parents("viewer")["ann"], 2);
}
