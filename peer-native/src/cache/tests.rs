use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use runnel_protocol::ids::{ContentId, PathHash, TrackId};
use runnel_protocol::manifest::Entry;
use runnel_protocol::proof::SegmentTree;
use runnel_protocol::segment::{TrackAttributes, chunk_size};
use runnel_protocol::signing::KeyPair;

use super::*;

const NOW: UnixSeconds = UnixSeconds(1_795_000_000);
/// Bytes of a chunk of so short a segment.
const CHUNK: u64 = chunk_size(0);
const ROOMY: u64 = 64 * CHUNK;

/// Segment `sequence`: three chunks and a short one, distinct bytes throughout.
fn segment(sequence: u64) -> (SignedEntry, Vec<ProvenChunk>) {
    let length = usize::try_from(3 * CHUNK + 100).unwrap();
    let seed = sequence.to_le_bytes();
    let bytes: Vec<u8> = (0..length)
        .map(|at| seed[at % 8] ^ (at / 7) as u8)
        .collect();
    attest(sequence, bytes.into())
}

fn attest(sequence: u64, bytes: Bytes) -> (SignedEntry, Vec<ProvenChunk>) {
    let tree = SegmentTree::new(&bytes).unwrap();
    let entry = Entry {
        segment: SegmentKey {
            content: ContentId::of("show"),
            track: track(),
            generation: 0,
            sequence,
            range: None,
        },
        discontinuity: 0,
        length: tree.length(),
        root: tree.root(),
        path: PathHash::of_url("https://origin.example/seg.ts"),
        issued: NOW,
        expires: NOW.plus(3600),
    };
    let chunks = (0..).map_while(|index| tree.chunk(&bytes, index)).collect();
    (KeyPair::from_seed(&[1; 32]).sign(entry), chunks)
}

fn track() -> TrackId {
    TrackAttributes::ALONE.id()
}

fn store_all(cache: &mut Cache, sequence: u64, now: UnixSeconds) -> SignedEntry {
    let (entry, chunks) = segment(sequence);
    for chunk in &chunks {
        cache.store(&entry, chunk, now).unwrap();
    }
    entry
}

fn media_files(home: &Path) -> Vec<PathBuf> {
    let shelves = fs::read_dir(home.join("segments")).unwrap();
    shelves
        .flat_map(|shelf| fs::read_dir(shelf.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "media"))
        .collect()
}

#[test]
fn what_was_stored_comes_back_with_its_proof() {
    let home = tempfile::tempdir().unwrap();
    let mut cache = Cache::open(home.path(), ROOMY, NOW).unwrap();
    let entry = store_all(&mut cache, 7, NOW).body;
    for index in 0..4 {
        let chunk = cache.load(&entry.segment, index, NOW).unwrap().unwrap();
        assert!(chunk.verify(&entry.root, entry.length));
    }
    assert_eq!(cache.load(&entry.segment, 4, NOW).unwrap(), None);
    assert_eq!(cache.size(), entry.length);
}

#[test]
fn a_restart_after_a_crash_finds_what_was_on_record() {
    let home = tempfile::tempdir().unwrap();
    let mut cache = Cache::open(home.path(), ROOMY, NOW).unwrap();
    let kept = store_all(&mut cache, 1, NOW);
    cache.flush().unwrap();
    let lost = store_all(&mut cache, 2, NOW);
    // Nothing runs any more after a SIGKILL, and the system takes the lock away.
    drop(cache);

    let mut cache = Cache::open(home.path(), ROOMY, NOW).unwrap();
    let held = cache.held();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].entry, kept);
    assert_eq!(held[0].chunks, [0, 1, 2, 3]);
    let chunk = cache.load(&kept.body.segment, 3, NOW).unwrap().unwrap();
    assert!(chunk.verify(&kept.body.root, kept.body.length));
    assert_eq!(cache.load(&lost.body.segment, 0, NOW).unwrap(), None);
    assert_eq!(media_files(home.path()).len(), 1);
}

#[test]
fn the_quota_holds_and_what_was_used_longest_ago_goes_first() {
    let home = tempfile::tempdir().unwrap();
    let quota = 7 * CHUNK;
    let mut cache = Cache::open(home.path(), quota, NOW).unwrap();
    let first = store_all(&mut cache, 1, NOW).body.segment;
    let second = store_all(&mut cache, 2, NOW.plus(1)).body.segment;
    assert!(cache.load(&first, 0, NOW.plus(2)).unwrap().is_some());
    let third = store_all(&mut cache, 3, NOW.plus(3)).body.segment;

    assert!(cache.size() <= quota);
    assert!(cache.load(&first, 0, NOW.plus(4)).unwrap().is_some());
    assert!(cache.load(&third, 0, NOW.plus(4)).unwrap().is_some());
    assert_eq!(cache.load(&second, 0, NOW.plus(4)).unwrap(), None);
    assert_eq!(media_files(home.path()).len(), 2);
}

#[test]
fn a_smaller_quota_is_obeyed_as_soon_as_something_comes() {
    let home = tempfile::tempdir().unwrap();
    let mut cache = Cache::open(home.path(), ROOMY, NOW).unwrap();
    (1..=8).for_each(|sequence| {
        store_all(&mut cache, sequence, NOW.plus(sequence));
    });
    cache.flush().unwrap();
    drop(cache);
    let mut cache = Cache::open(home.path(), 4 * CHUNK, NOW).unwrap();
    store_all(&mut cache, 9, NOW.plus(9));
    assert!(cache.size() <= 4 * CHUNK);
}

#[test]
fn a_tampered_file_yields_a_chunk_that_does_not_verify() {
    let home = tempfile::tempdir().unwrap();
    let mut cache = Cache::open(home.path(), ROOMY, NOW).unwrap();
    let entry = store_all(&mut cache, 1, NOW).body;
    let path = media_files(home.path()).pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[10] ^= 1;
    fs::write(&path, &bytes).unwrap();

    let chunk = cache.load(&entry.segment, 0, NOW).unwrap().unwrap();
    assert!(!chunk.verify(&entry.root, entry.length));
    cache.discard(&entry.segment, 0).unwrap();
    assert_eq!(cache.load(&entry.segment, 0, NOW).unwrap(), None);
    let intact = cache.load(&entry.segment, 1, NOW).unwrap().unwrap();
    assert!(intact.verify(&entry.root, entry.length));
}

#[test]
fn a_truncated_or_missing_file_is_a_missing_chunk() {
    let home = tempfile::tempdir().unwrap();
    let mut cache = Cache::open(home.path(), ROOMY, NOW).unwrap();
    let entry = store_all(&mut cache, 1, NOW).body;
    store_all(&mut cache, 2, NOW);
    let path = media_files(home.path())
        .into_iter()
        .find(|path| path.to_string_lossy().contains(&entry.root.to_string()));
    fs::write(path.clone().unwrap(), b"short").unwrap();
    assert_eq!(cache.load(&entry.segment, 0, NOW).unwrap(), None);
    fs::remove_file(path.unwrap()).unwrap();
    store_all(&mut cache, 3, NOW);
    assert_eq!(cache.load(&entry.segment, 0, NOW).unwrap(), None);
}

#[test]
fn bytes_that_come_again_are_kept_once() {
    let home = tempfile::tempdir().unwrap();
    let mut cache = Cache::open(home.path(), ROOMY, NOW).unwrap();
    let advertisement = Bytes::from(vec![9; 1000]);
    let (first, chunks) = attest(1, advertisement.clone());
    let (again, _) = attest(2, advertisement);
    cache.store(&first, &chunks[0], NOW).unwrap();
    cache.store(&again, &chunks[0], NOW).unwrap();
    assert_eq!(cache.size(), 1000);
    assert_eq!(cache.held().len(), 2);
    cache.discard(&first.body.segment, 0).unwrap();
    assert_eq!(cache.load(&again.body.segment, 0, NOW).unwrap(), None);
    assert_eq!(cache.size(), 0);
}

#[test]
fn what_has_expired_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let mut cache = Cache::open(home.path(), ROOMY, NOW).unwrap();
    store_all(&mut cache, 1, NOW);
    cache.expire(NOW.plus(3600)).unwrap();
    assert_eq!(cache.size(), 0);
    assert!(media_files(home.path()).is_empty());
}
