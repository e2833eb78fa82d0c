use runnel_protocol::ids::{KeyId, PathHash, Root, TrackId};
use runnel_protocol::manifest::{Entry, SignedEntry};
use runnel_protocol::signature::{Signature, Signed};
use runnel_protocol::units::UnixSeconds;

use super::*;

const CHUNK: u64 = 65_536;

fn entry(sequence: u64) -> SignedEntry {
    let segment = SegmentKey {
        content: ContentId([1; 16]),
        track: TrackId([2; 16]),
        generation: 0,
        sequence,
        range: None,
    };
    let dates = (UnixSeconds(0), UnixSeconds(u64::MAX));
    let body = Entry {
        segment,
        discontinuity: 0,
        length: 64 * CHUNK,
        root: Root([0; 32]),
        path: PathHash([0; 16]),
        issued: dates.0,
        expires: dates.1,
    };
    Signed {
        body,
        key: KeyId([0; 8]),
        signature: Signature([0; 64]),
    }
}

fn order(link: u64, sequence: u64, ready: &[u32], due: u64) -> Order {
    Order {
        link: LinkId::dialled(link),
        entry: entry(sequence),
        request: None,
        asked: 0..0,
        ready: ready.iter().copied().collect(),
        awaiting: SortedSet::new(),
        priority: 0,
        due: at(due),
    }
}

fn uploads(kilobits: u64) -> Uploads {
    Uploads::new(BitsPerSecond::from_kilobits(kilobits), at(0))
}

fn next(uploads: &mut Uploads, now: u64) -> Option<Next> {
    match uploads.next(at(now), |_, _| Permission::Now) {
        Turn::Send(next) => Some(next),
        Turn::Refused(_) | Turn::Wait(_) => None,
    }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_micros((1_000_000 + millis) * 1000)
}

#[test]
fn the_uplink_is_never_exceeded_over_a_second() {
    let mut uploads = uploads(4_000);
    let chunks: Vec<u32> = (0..8).collect();
    for link in 0..8 {
        uploads.add(order(link, 1, &chunks, 0));
    }
    let mut sent = 0;
    for millis in 0..=1000 {
        while let Some(next) = next(&mut uploads, millis) {
            sent += CHUNK;
            uploads.on_written(next.link, next.bulk);
        }
    }
    assert!(sent <= 500_000 + 128 * 1024, "{sent}");
    assert!(sent >= 400_000, "{sent}");
}

#[test]
fn the_segment_due_first_goes_first() {
    let mut uploads = uploads(1_000_000);
    uploads.add(order(1, 2, &[0], 2000));
    uploads.add(order(1, 1, &[0], 1000));
    assert_eq!(next(&mut uploads, 100).unwrap().segment.sequence, 1);
}

#[test]
fn who_feeds_others_goes_before_who_does_not() {
    let mut uploads = uploads(1_000_000);
    uploads.add(order(1, 1, &[0], 1000));
    let agent = Order {
        priority: 200,
        ..order(2, 2, &[0], 5000)
    };
    uploads.add(agent);
    let links = core::iter::from_fn(|| next(&mut uploads, 100)).map(|next| next.link);
    let links: Vec<LinkId> = links.collect();
    assert_eq!(links, [2, 1].map(LinkId::dialled));
}

#[test]
fn a_push_that_is_dropped_before_it_begins_leaves_what_has_begun_and_what_was_asked() {
    let mut uploads = uploads(1_000_000);
    for sequence in 1..4 {
        uploads.add(order(1, sequence, &[0, 1], sequence * 1000));
    }
    let asked = Order {
        request: Some(RequestId(1)),
        ..order(1, 2, &[2], 9000)
    };
    uploads.add(asked);
    let begun = next(&mut uploads, 100).unwrap();
    uploads.job_mut(begun.bulk).unwrap().opened = true;
    let dropped = uploads.take_pushes(LinkId::dialled(1), |segment| segment.sequence < 3);
    assert_eq!(dropped.len(), 1);
    let left = core::iter::from_fn(|| next(&mut uploads, 100));
    let left: Vec<_> = left
        .map(|next| (next.segment.sequence, next.index))
        .collect();
    assert_eq!(left, [(1, 1), (3, 0), (3, 1), (2, 2)]);
}

#[test]
fn children_of_equal_urgency_take_turns() {
    let mut uploads = uploads(1_000_000);
    for link in [1, 2] {
        uploads.add(order(link, 1, &[0, 1], 1000));
    }
    let links = core::iter::from_fn(|| next(&mut uploads, 100)).map(|next| next.link);
    let links: Vec<LinkId> = links.collect();
    let [first, second, third, fourth] = links.try_into().unwrap();
    assert_eq!((first, second), (third, fourth));
    assert_ne!(first, second);
}

#[test]
fn no_child_is_always_the_last_to_get_what_comes_for_all() {
    let mut uploads = uploads(1_000_000);
    let mut last = Vec::new();
    for sequence in 0..30 {
        for link in 1..=5 {
            uploads.add(order(link, sequence, &[0], 1000));
        }
        let sent: Vec<_> = core::iter::from_fn(|| next(&mut uploads, 100)).collect();
        last.extend(sent.last().map(|next| next.link));
    }
    for link in 1..=5 {
        let times = last.iter().filter(|one| **one == LinkId::dialled(link));
        let times = times.count();
        assert!((1..=12).contains(&times), "{link} was last {times} times");
    }
}

#[test]
fn a_link_that_does_not_drain_holds_a_bounded_number_of_chunks() {
    let mut uploads = uploads(10_000_000);
    let chunks: Vec<u32> = (0..64).collect();
    uploads.add(order(1, 1, &chunks, 0));
    let taken = core::iter::from_fn(|| next(&mut uploads, 1000)).count();
    assert_eq!(taken, IN_FLIGHT as usize);
}

#[test]
fn a_chunk_that_is_not_here_yet_goes_when_it_comes_but_not_back() {
    let mut uploads = uploads(1_000_000);
    for link in [1, 2] {
        let mut order = order(link, 1, &[], 0);
        order.awaiting.insert(3);
        uploads.add(order);
    }
    assert!(next(&mut uploads, 100).is_none());
    uploads.on_chunk(&entry(1).body.segment, 3, Some(LinkId::dialled(1)));
    assert_eq!(next(&mut uploads, 100).unwrap().link, LinkId::dialled(2));
    assert!(next(&mut uploads, 100).is_none());
}

#[test]
fn a_chunk_that_was_not_on_disk_costs_no_uplink() {
    let mut uploads = uploads(1000);
    uploads.add(order(1, 1, &[0, 1], 0));
    let first = next(&mut uploads, 600).unwrap();
    uploads.await_load(&first);
    assert_eq!(uploads.loaded(&first.segment, 0), [first]);
    uploads.put_back(&first);
    assert_eq!(next(&mut uploads, 600).unwrap().index, 1);
}

#[test]
fn a_job_given_up_while_it_reads_from_disk_frees_its_turns() {
    let mut uploads = uploads(10_000_000);
    let chunks: Vec<u32> = (0..64).collect();
    uploads.add(order(1, 1, &chunks, 0));
    while let Some(turn) = next(&mut uploads, 1000) {
        uploads.await_load(&turn);
    }
    uploads.take_content(ContentId([1; 16]));
    uploads.add(order(1, 2, &chunks, 0));
    let taken = core::iter::from_fn(|| next(&mut uploads, 2000)).count();
    assert_eq!(taken, IN_FLIGHT as usize);
}

#[test]
fn a_ticket_that_has_to_wait_does_not_hold_up_others() {
    let mut uploads = uploads(1_000_000);
    uploads.add(order(1, 1, &[0], 0));
    uploads.add(order(2, 1, &[0], 10));
    let slow = |job: &Job, _: u64| {
        if job.order.link == LinkId::dialled(1) {
            Permission::From(at(5000))
        } else {
            Permission::Now
        }
    };
    assert!(matches!(uploads.next(at(100), slow), Turn::Send(_)));
    assert_eq!(uploads.next(at(100), slow), Turn::Wait(Some(at(5000))));
}
