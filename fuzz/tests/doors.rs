//! Some thousand mutations of real messages through each door, and all that was ever found.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use runnel_fuzz::{DOORS, Door};

/// Through each door. Longer searches are `cargo xtask fuzz`'s.
const CASES: u32 = 20_000;

/// One thing that is done to a message.
#[derive(Clone, Debug)]
enum Edit {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index, Index),
    /// Part of another message.
    Graft(Index, Index, Index),
    /// The largest number, as a fixed or variable length.
    Huge(Index),
}

impl Edit {
    fn any() -> impl Strategy<Value = Self> {
        let at = any::<Index>;
        prop_oneof![
            4 => (at(), any::<u8>()).prop_map(|(at, byte)| Self::Set(at, byte)),
            1 => (at(), prop::collection::vec(any::<u8>(), 1..40)).prop_map(|(at, more)| Self::Insert(at, more)),
            2 => (at(), at()).prop_map(|(from, to)| Self::Cut(from, to)),
            2 => (at(), at(), at()).prop_map(|(at, seed, part)| Self::Graft(at, seed, part)),
            1 => at().prop_map(Self::Huge),
        ]
    }

    fn make(&self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let place = |at: &Index| at.index(bytes.len() + 1);
        match self {
            Self::Set(at, byte) => {
                let place = place(at);
                if let Some(found) = bytes.get_mut(place) {
                    *found = *byte;
                }
            }
            Self::Insert(at, more) => insert(bytes, place(at), more),
            Self::Cut(from, to) => {
                let (from, to) = (place(from), place(to));
                bytes.drain(from.min(to)..from.max(to));
            }
            Self::Graft(at, seed, part) => {
                let seed = seed.get(seeds);
                insert(bytes, place(at), &seed[part.index(seed.len())..]);
            }
            Self::Huge(at) => insert(bytes, place(at), &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        }
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, more: &[u8]) {
    bytes.splice(at..at, more.iter().copied());
}

fn found(door: &Door) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("found")
        .join(door.name);
    let Ok(files) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    files
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect()
}

#[test]
fn what_honest_people_send_and_what_was_ever_found_comes_through_every_door() {
    for door in DOORS {
        let seeds = (door.seeds)();
        assert!(seeds.len() > 1, "{}: {} seeds", door.name, seeds.len());
        seeds.iter().for_each(|seed| (door.enter)(seed));
        found(&door).iter().for_each(|bytes| (door.enter)(bytes));
    }
}

#[test]
fn nothing_that_is_sent_breaks_a_door() {
    let config = ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    for door in DOORS {
        let seeds = (door.seeds)();
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let mut runner = TestRunner::new_with_rng(config.clone(), rng);
        let sent = (any::<Index>(), prop::collection::vec(Edit::any(), 0..6));
        runner
            .run(&sent, |(seed, edits)| {
                let mut bytes = seed.get(&seeds).clone();
                edits.iter().for_each(|edit| edit.make(&mut bytes, &seeds));
                (door.enter)(&bytes);
                Ok(())
            })
            .unwrap_or_else(|broken| panic!("{}: {broken}", door.name));
    }
}
