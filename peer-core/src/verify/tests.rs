//! What is believed, of whom, and until when.

use runnel_protocol::ids::{ContentId, PathHash, PeerId, TrackId};
use runnel_protocol::segment::ByteRange;
use runnel_protocol::signature::Signature;

use super::*;

const DATE: UnixSeconds = UnixSeconds(1_000_000);
const CONTENT: ContentId = ContentId([1; 16]);
const KEY: PublicKey = PublicKey([2; 32]);
const OTHER_KEY: PublicKey = PublicKey([3; 32]);

fn segment(sequence: u64) -> SegmentKey {
    SegmentKey {
        content: CONTENT,
        generation: 0,
        track: TrackId([4; 16]),
        sequence,
        range: None,
    }
}

/// Good for an hour.
fn certificate(key: PublicKey) -> StreamKeyCertificate {
    StreamKeyCertificate {
        key,
        waypoint: PeerId([5; 16]),
        contents: vec![CONTENT],
        origins: Vec::new(),
        issued: DATE,
        expires: DATE.plus(3600),
    }
}

const WHOLE: usize = 16 * 1024;

/// A chunk and a hundred bytes, different for each number.
fn media(number: u8) -> Bytes {
    vec![number; WHOLE + 100].into()
}

/// Good for a minute.
fn entry(sequence: u64, bytes: &Bytes) -> SignedEntry {
    Signed {
        body: Entry {
            segment: segment(sequence),
            discontinuity: 0,
            length: bytes.len() as u64,
            root: SegmentTree::new(bytes).unwrap().root(),
            path: PathHash([6; 16]),
            issued: DATE,
            expires: DATE.plus(60),
        },
        key: KeyId::of(&KEY),
        signature: Signature([7; 64]),
    }
}

fn changed(mut entry: SignedEntry, change: fn(&mut SignedEntry)) -> SignedEntry {
    change(&mut entry);
    entry
}

fn verifier() -> Verifier {
    let mut verifier = Verifier::new(8);
    verifier.trust_stream_key(certificate(KEY));
    verifier
}

#[test]
fn an_entry_is_checked_with_the_key_that_it_names_and_no_other() {
    let mut verifier = verifier();
    let entry = entry(1, &media(1));
    assert_eq!(verifier.judge(&entry, DATE), Judgement::Check(KEY));
    let unknown = changed(entry, |entry| entry.key = KeyId::of(&OTHER_KEY));
    assert_eq!(verifier.judge(&unknown, DATE), Judgement::Unusable);
    verifier.trust_stream_key(certificate(OTHER_KEY));
    assert_eq!(verifier.judge(&unknown, DATE), Judgement::Check(OTHER_KEY));
}

#[test]
fn a_key_attests_its_own_contents_until_it_runs_out_and_then_it_is_forgotten() {
    let mut verifier = verifier();
    let late = |verifier: &Verifier, date: UnixSeconds| {
        let mut entry = entry(1, &media(1));
        (entry.body.issued, entry.body.expires) = (date, date.plus(60));
        verifier.judge(&entry, date)
    };
    assert_eq!(late(&verifier, DATE.plus(3599)), Judgement::Check(KEY));
    assert_eq!(late(&verifier, DATE.plus(3600)), Judgement::Unusable);
    assert_eq!(late(&verifier, DATE.plus(3601)), Judgement::Unusable);
    let foreign = changed(entry(1, &media(1)), |entry| {
        entry.body.segment.content = ContentId([9; 16]);
    });
    assert_eq!(verifier.judge(&foreign, DATE), Judgement::Refused);

    let known = Signed {
        body: certificate(KEY),
        key: KeyId([0; 8]),
        signature: Signature([0; 64]),
    };
    let mut renewed = known.clone();
    renewed.body.expires = DATE.plus(7200);
    verifier.expire(DATE.plus(3599));
    assert!(verifier.knows_stream_key(&known));
    assert!(!verifier.knows_stream_key(&renewed), "it says more");
    verifier.expire(DATE.plus(3600));
    assert!(!verifier.knows_stream_key(&known));
}

#[test]
fn so_many_keys_are_remembered_and_a_known_one_is_renewed_all_the_same() {
    let mut verifier = Verifier::new(8);
    let key = |number: usize| PublicKey([u8::try_from(number).unwrap(); 32]);
    let signed = |body: StreamKeyCertificate| Signed {
        body,
        key: KeyId([0; 8]),
        signature: Signature([0; 64]),
    };
    (0..MAX_STREAM_KEYS).for_each(|number| verifier.trust_stream_key(certificate(key(number))));
    let last = certificate(key(MAX_STREAM_KEYS - 1));
    assert!(verifier.knows_stream_key(&signed(last)));
    let more = certificate(key(MAX_STREAM_KEYS));
    verifier.trust_stream_key(more.clone());
    assert!(!verifier.knows_stream_key(&signed(more)));
    let mut renewed = certificate(key(0));
    renewed.expires = DATE.plus(7200);
    verifier.trust_stream_key(renewed.clone());
    assert!(verifier.knows_stream_key(&signed(renewed)));
}

#[test]
fn clocks_may_differ_a_little_and_an_entry_that_just_ran_out_is_nobodys_fault() {
    let verifier = verifier();
    let judged = |issued: u64, expires: u64| {
        let mut entry = entry(1, &media(1));
        entry.body.issued = UnixSeconds(DATE.0 + issued);
        entry.body.expires = UnixSeconds(DATE.0 + expires);
        // The middle of the entry's hour, so that dates lie on both sides.
        verifier.judge(&entry, DATE.plus(100))
    };
    assert_eq!(judged(100 + CLOCK_SLACK, 600), Judgement::Check(KEY));
    assert_eq!(judged(101 + CLOCK_SLACK, 600), Judgement::Refused);
    assert_eq!(judged(0, 101), Judgement::Check(KEY));
    assert_eq!(judged(0, 100), Judgement::Unusable);
    assert_eq!(judged(0, 101 - CLOCK_SLACK), Judgement::Unusable);
    assert_eq!(judged(0, 100 - CLOCK_SLACK), Judgement::Refused);
}

#[test]
fn an_entry_that_is_trusted_needs_no_second_check_unless_it_contradicts_itself() {
    let mut verifier = verifier();
    let known = entry(1, &media(1));
    verifier.trust(known.clone());
    assert_eq!(verifier.judge(&known, DATE), Judgement::Trusted);
    let longer = changed(known, |entry| entry.body.length += 1);
    assert_eq!(verifier.judge(&longer, DATE), Judgement::Refused);
    let other = entry(1, &media(2));
    assert_eq!(verifier.judge(&other, DATE), Judgement::Check(KEY));
    let next = entry(2, &media(2));
    assert_eq!(verifier.judge(&next, DATE), Judgement::Check(KEY));
}

#[test]
fn two_roots_for_one_segment_make_both_unusable_for_good() {
    let mut verifier = verifier();
    let (one, other) = (entry(1, &media(1)), entry(1, &media(2)));
    assert_eq!(verifier.trust(one.clone()), Trusting::Trusted(None));
    assert_eq!(verifier.trust(other.clone()), Trusting::Fork);
    assert_eq!(verifier.entry(&segment(1)), None);
    for entry in [one, other] {
        assert_eq!(verifier.judge(&entry, DATE), Judgement::Unusable);
        assert_eq!(verifier.trust(entry), Trusting::Fork);
    }
    assert!(!verifier.is_current(&segment(1), DATE));
}

#[test]
fn of_two_entries_that_say_the_same_the_one_that_is_good_for_longer_stays() {
    let mut verifier = verifier();
    let short = entry(1, &media(1));
    let long = changed(short.clone(), |entry| entry.body.expires = DATE.plus(90));
    let twin = changed(long.clone(), |entry| entry.signature = Signature([8; 64]));
    verifier.trust(short.clone());
    for (comes, stays) in [(&long, &long), (&short, &long), (&twin, &long)] {
        assert_eq!(verifier.trust(comes.clone()), Trusting::Trusted(None));
        assert_eq!(verifier.entry(&segment(1)), Some(stays));
    }
    assert!(verifier.is_current(&segment(1), DATE.plus(89)));
    assert!(!verifier.is_current(&segment(1), DATE.plus(90)));
    assert!(!verifier.is_current(&segment(1), DATE.plus(91)));
}

#[test]
fn so_many_entries_are_remembered_and_the_oldest_goes_first() {
    let mut verifier = Verifier::new(2);
    assert_eq!(verifier.trust(entry(1, &media(1))), Trusting::Trusted(None));
    assert_eq!(verifier.trust(entry(2, &media(2))), Trusting::Trusted(None));
    let third = verifier.trust(entry(3, &media(3)));
    assert_eq!(third, Trusting::Trusted(Some(segment(1))));
    assert_eq!(verifier.entry(&segment(1)), None);
    assert!(verifier.entry(&segment(2)).is_some());
    assert!(verifier.entry(&segment(3)).is_some());
}

#[test]
fn the_segment_so_many_places_before_is_found_if_it_was_vouched_for() {
    let mut verifier = verifier();
    let part = Some(ByteRange {
        offset: 10,
        length: 20,
    });
    for (sequence, range) in [(3, None), (5, part), (7, None)] {
        let mut entry = entry(sequence, &media(1));
        entry.body.segment.range = range;
        verifier.trust(entry);
    }
    let of = |sequence, range| SegmentKey {
        range,
        ..segment(sequence)
    };
    assert_eq!(verifier.before(&of(7, None), 2), Some(of(5, part)));
    assert_eq!(verifier.before(&of(5, part), 2), Some(of(3, None)));
    assert_eq!(verifier.before(&of(7, None), 4), Some(of(3, None)));
    assert_eq!(verifier.before(&of(7, None), 1), None);
    assert_eq!(verifier.before(&of(7, None), 8), None, "before the first");
}

#[test]
fn a_chunk_is_proven_by_its_own_segments_root_alone() {
    let (mut verifier, bytes) = (verifier(), media(1));
    let tree = SegmentTree::new(&bytes).unwrap();
    let chunk = tree.chunk(&bytes, 1).unwrap();
    assert_eq!(verifier.verify(&segment(1), chunk.clone()), None);
    verifier.trust(entry(1, &bytes));
    verifier.trust(entry(2, &media(2)));
    let verified = verifier.verify(&segment(1), chunk.clone()).unwrap();
    assert_eq!(verified.chunk(), &chunk);
    assert_eq!(verified.data(), &bytes.slice(WHOLE..));
    assert_eq!(verified.length(), 100);
    assert_eq!(verifier.verify(&segment(2), chunk.clone()), None);
    let mut false_one = chunk;
    false_one.data = vec![9; 100].into();
    assert_eq!(verifier.verify(&segment(1), false_one), None);
}

#[test]
fn a_whole_segment_yields_its_chunks_only_if_it_is_what_was_attested() {
    let (mut verifier, bytes) = (verifier(), media(1));
    assert_eq!(verifier.verify_whole(&segment(1), &bytes), None);
    verifier.trust(entry(1, &bytes));
    let chunks = verifier.verify_whole(&segment(1), &bytes).unwrap();
    let lengths: Vec<u32> = chunks.iter().map(Verified::length).collect();
    assert_eq!(lengths, [16 * 1024, 100]);
    assert_eq!(verifier.verify_whole(&segment(1), &media(2)), None);
    let shorter = bytes.slice(..bytes.len() - 1);
    assert_eq!(verifier.verify_whole(&segment(1), &shorter), None);
}
