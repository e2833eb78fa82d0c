use runnel_protocol::segment::TrackAttributes;
use url::Url;

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_795_000_000_000_000);

fn window() -> Window {
    Window::new(content(), track(), &BTreeSet::new(), NOW)
}

fn content() -> ContentId {
    ContentId::of("show")
}

fn track() -> TrackId {
    TrackAttributes::ALONE.id()
}

fn media(first: u64, count: u64) -> Media {
    let segment = |sequence| Segment {
        sequence,
        discontinuity: 0,
        range: None,
        url: Url::parse(&format!("https://origin.example/{sequence}.ts")).unwrap(),
        duration: Duration::from_secs(2),
    };
    Media {
        target: Duration::from_secs(2),
        ended: false,
        on_demand: false,
        segments: (first..first + count).map(segment).collect(),
    }
}

fn vod(count: u64) -> Media {
    Media {
        ended: true,
        on_demand: true,
        ..media(0, count)
    }
}

fn key(generation: u32, sequence: u64) -> SegmentKey {
    SegmentKey {
        content: content(),
        track: track(),
        generation,
        sequence,
        range: None,
    }
}

fn take_all(window: &mut Window, now: Timestamp) -> Vec<u64> {
    std::iter::from_fn(|| window.next(now))
        .map(|(key, _)| key.sequence)
        .collect()
}

fn attest_all(window: &mut Window, now: Timestamp) -> Vec<u64> {
    std::iter::from_fn(|| {
        let (key, _) = window.next(now)?;
        window.on_attested(key, now);
        Some(key.sequence)
    })
    .collect()
}

#[test]
fn following_starts_near_the_edge_and_takes_each_new_segment_once() {
    let mut window = window();
    window.update(media(10, 6));
    assert!(take_all(&mut window, NOW).is_empty());
    window.follow(true);
    assert_eq!(take_all(&mut window, NOW), [13, 14, 15]);
    window.update(media(11, 6));
    assert_eq!(take_all(&mut window, NOW), [16]);
    window.follow(false);
    window.update(media(12, 6));
    assert!(take_all(&mut window, NOW).is_empty());
}

#[test]
fn vod_is_attested_as_far_as_asked_and_a_little_on() {
    let mut window = window();
    window.follow(true);
    window.update(vod(600));
    assert!(take_all(&mut window, NOW).is_empty());
    assert!(window.want(key(0, 100), NOW));
    let attested = attest_all(&mut window, NOW);
    assert_eq!(attested, (100..=104).collect::<Vec<_>>());
    assert!(!window.wants_playlist());

    window.want(key(0, 116), NOW);
    assert_eq!(attest_all(&mut window, NOW).len(), 5);
}

#[test]
fn what_is_asked_for_goes_before_what_is_only_likely() {
    let mut window = window();
    window.update(vod(600));
    window.want(key(0, 1), NOW);
    assert_eq!(window.next(NOW).unwrap().0.sequence, 1);
    window.want(key(0, 300), NOW);
    window.want(key(0, 3), NOW);
    let order = [300, 3, 2];
    assert_eq!(order.map(|_| window.next(NOW).unwrap().0.sequence), order);
}

#[test]
fn a_demand_that_crossed_its_attestation_fetches_nothing() {
    let mut window = window();
    window.update(vod(1));
    window.want(key(0, 0), NOW);
    window.want(key(0, 0), NOW);
    let (under_way, _) = window.next(NOW).unwrap();
    window.want(key(0, 0), NOW);
    window.on_attested(under_way, NOW);
    window.want(key(0, 0), NOW + Duration::from_secs(1));
    assert!(take_all(&mut window, NOW).is_empty());
    window.want(key(0, 0), NOW + FRESH);
    assert_eq!(take_all(&mut window, NOW), [0]);
}

#[test]
fn an_encoder_that_starts_again_starts_a_new_generation() {
    let mut window = window();
    window.follow(true);
    window.update(media(1000, 6));
    attest_all(&mut window, NOW);
    window.update(media(0, 2));
    let (first, _) = window.next(NOW).unwrap();
    assert_eq!(first, key(1, 0));
    assert!(!window.want(key(0, 1000), NOW));
}

#[test]
fn a_cache_that_lags_behind_the_origin_changes_nothing_until_it_persists() {
    let mut window = window();
    window.follow(true);
    window.update(media(10, 6));
    attest_all(&mut window, NOW);
    (1..STALE_POLLS).for_each(|_| window.update(media(9, 6)));
    assert_eq!(take_all(&mut window, NOW), [0u64; 0]);
    window.update(media(9, 6));
    assert_eq!(window.next(NOW).unwrap().0, key(1, 12));
}

#[test]
fn a_failed_fetch_is_tried_again_after_a_pause_and_given_up_in_the_end() {
    let mut window = window();
    window.update(vod(1));
    window.want(key(0, 0), NOW);
    let mut now = NOW;
    for last in [false, false, true] {
        let (taken, _) = window.next(now).unwrap();
        assert_eq!(window.on_failed(taken, now), last);
        assert!(window.next(now).is_none());
        now = now + PAUSE * MAX_FAILURES;
    }
    assert!(window.next(now).is_none());
    assert!(!window.is_waiting());
}

#[test]
fn a_demand_for_what_does_not_exist_is_found_out() {
    let mut window = window();
    assert!(window.want(key(0, 99), NOW));
    assert!(window.wants_playlist());
    window.update(media(10, 6));
    assert_eq!(window.unknown(), [key(0, 99)]);
    assert!(window.unknown().is_empty());
    window.update(vod(20));
    assert!(!window.want(key(0, 99), NOW));
}

#[test]
fn what_the_disk_held_is_not_fetched_again() {
    let held = BTreeSet::from([key(2, 14), key(2, 15)]);
    let mut window = Window::new(content(), track(), &held, NOW);
    window.follow(true);
    window.update(media(10, 6));
    assert_eq!(take_all(&mut window, NOW), [13]);
}
