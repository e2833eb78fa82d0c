//! What is proven and kept: playable, and fit to be passed on. Bounded; the oldest goes first.
//!
//! It holds chunks only of segments whose entry `verify` remembers, so that the number of
//! segments has one bound, and drops them with the entry: another root may come after it.

use std::collections::VecDeque;

use runnel_protocol::control::Source;
use runnel_protocol::ids::ContentId;
use runnel_protocol::segment::{SegmentKey, chunk_count};

use crate::sorted::SortedMap;
use crate::verify::Verified;

/// Where a chunk is.
#[derive(Debug, Clone)]
pub(crate) enum Slot {
    Missing,
    /// In memory, with whom it came from.
    Memory(Verified, Source),
    /// The shell's disk has it.
    Disk,
}

/// Chunks of segments.
#[derive(Debug)]
pub(crate) struct Buffer {
    /// As many at most as entries are remembered.
    segments: SortedMap<SegmentKey, Held>,
    /// Segments with chunks in memory, oldest first.
    order: VecDeque<SegmentKey>,
    memory: usize,
    limit: usize,
    disk: bool,
}

#[derive(Debug)]
struct Held {
    slots: Vec<Slot>,
    /// How many of them are in memory.
    resident: usize,
}

impl Buffer {
    pub(crate) fn new(limit: usize, disk: bool) -> Self {
        Self {
            segments: SortedMap::new(),
            order: VecDeque::new(),
            memory: 0,
            limit,
            disk,
        }
    }

    /// Takes a chunk of a segment of `length` bytes. `false` if it was here already.
    pub(crate) fn insert(
        &mut self,
        segment: SegmentKey,
        length: u64,
        chunk: Verified,
        from: Source,
    ) -> bool {
        let size = chunk.data().len();
        let index = chunk.chunk().index as usize;
        let held = self.held(segment, length);
        let Some(slot) = held.slots.get_mut(index) else {
            return false;
        };
        let new = matches!(slot, Slot::Missing);
        if matches!(slot, Slot::Memory(..)) {
            return false;
        }
        *slot = Slot::Memory(chunk, from);
        held.resident += 1;
        if held.resident == 1 {
            self.order.push_back(segment);
        }
        self.memory += size;
        self.shrink(&segment);
        new
    }

    /// The disk has this chunk of a segment of `length` bytes.
    pub(crate) fn on_disk(&mut self, segment: SegmentKey, length: u64, index: u32) {
        let held = self.held(segment, length);
        if let Some(slot @ Slot::Missing) = held.slots.get_mut(index as usize) {
            *slot = Slot::Disk;
        }
    }

    /// The chunk turned out not to be on disk, or to be damaged there.
    pub(crate) fn lost(&mut self, segment: &SegmentKey, index: u32) {
        let held = self.segments.get_mut(segment);
        if let Some(slot @ Slot::Disk) = held.and_then(|held| held.slots.get_mut(index as usize)) {
            *slot = Slot::Missing;
        }
    }

    pub(crate) fn get(&self, segment: &SegmentKey, index: u32) -> &Slot {
        self.slots(segment)
            .and_then(|slots| slots.get(index as usize))
            .unwrap_or(&Slot::Missing)
    }

    /// All slots of a segment, in order; `None` while nothing of it is here.
    pub(crate) fn slots(&self, segment: &SegmentKey) -> Option<&[Slot]> {
        self.segments.get(segment).map(|held| held.slots.as_slice())
    }

    /// Chunks of a segment of `length` bytes that are not here.
    pub(crate) fn missing(&self, segment: &SegmentKey, length: u64) -> Vec<u32> {
        (0..chunk_count(length))
            .filter(|index| matches!(self.get(segment, *index), Slot::Missing))
            .collect()
    }

    /// Segments of a track from a sequence on, in order.
    pub(crate) fn onward(&self, first: SegmentKey) -> impl Iterator<Item = &SegmentKey> {
        self.segments
            .range(first..)
            .map(|(segment, _)| segment)
            .take_while(move |segment| {
                segment.content == first.content
                    && segment.track == first.track
                    && segment.generation == first.generation
            })
    }

    pub(crate) fn forget(&mut self, content: ContentId) {
        let gone: Vec<_> = self
            .segments
            .keys()
            .filter(|segment| segment.content == content)
            .copied()
            .collect();
        gone.iter().for_each(|segment| self.remove(segment));
    }

    /// Forgets a segment, wherever its chunks are.
    pub(crate) fn remove(&mut self, segment: &SegmentKey) {
        self.evict(segment);
        self.segments.remove(segment);
        self.order.retain(|other| other != segment);
    }

    /// Bytes of media in memory.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    fn held(&mut self, segment: SegmentKey, length: u64) -> &mut Held {
        let count = chunk_count(length) as usize;
        let empty = || Held {
            slots: vec![Slot::Missing; count],
            resident: 0,
        };
        self.segments.entry(segment).or_insert_with(empty)
    }

    /// Makes room, oldest segment first, but never that of the chunk just taken.
    fn shrink(&mut self, keep: &SegmentKey) {
        while self.memory > self.limit && self.order.front().is_some_and(|oldest| oldest != keep) {
            if let Some(oldest) = self.order.pop_front() {
                self.evict(&oldest);
            }
        }
    }

    /// Frees a segment's memory. What the disk has stays known.
    fn evict(&mut self, segment: &SegmentKey) {
        let Some(held) = self.segments.get_mut(segment) else {
            return;
        };
        held.resident = 0;
        let mut kept = false;
        for slot in &mut held.slots {
            if let Slot::Memory(chunk, _) = slot {
                self.memory -= chunk.data().len();
                *slot = if self.disk { Slot::Disk } else { Slot::Missing };
            }
            kept |= matches!(slot, Slot::Disk);
        }
        if !kept {
            self.segments.remove(segment);
        }
    }
}
