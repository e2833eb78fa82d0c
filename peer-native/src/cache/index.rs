//! What the disk holds, what goes first when room is needed, and how a restart knows.
//!
//! The truth is in memory; `redb` holds a copy that is brought up to date in batches. Several
//! segments may share one root (an advertisement that comes again): its bytes are kept once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError};
use runnel_protocol::codec::{decode, encode};
use runnel_protocol::ids::Root;
use runnel_protocol::manifest::SignedEntry;
use runnel_protocol::segment::{SegmentKey, chunk_count, chunk_range};
use runnel_protocol::units::UnixSeconds;
use serde::{Deserialize, Serialize};

use super::Held;

/// Segments on record, whatever their size: 64 Ki records take about 32 MiB of memory.
const MAX_RECORDS: usize = 64 * 1024;
/// Segment key → [`Record`].
const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records-1");

/// Roots whose files are to be deleted.
pub(super) type Evicted = Vec<Root>;

/// One segment, and which chunks of it are there.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    entry: SignedEntry,
    used: UnixSeconds,
    chunks: BTreeSet<u32>,
}

/// The bytes that records of one root share.
#[derive(Debug, Default)]
struct Blob {
    chunks: BTreeMap<u32, u64>,
    owners: BTreeSet<SegmentKey>,
}

/// The index of a cache.
#[derive(Debug)]
pub(super) struct Index {
    database: Database,
    quota: u64,
    size: u64,
    records: BTreeMap<SegmentKey, Record>,
    blobs: BTreeMap<Root, Blob>,
    by_use: BTreeSet<(UnixSeconds, SegmentKey)>,
    /// Records that differ from those in the database.
    dirty: BTreeSet<SegmentKey>,
    /// Records that differ in their last use only: not worth a write of their own.
    touched: BTreeSet<SegmentKey>,
}

impl Index {
    pub(super) fn open(path: &Path, quota: u64) -> Result<Self, redb::Error> {
        let mut index = Self {
            database: Database::create(path)?,
            quota,
            size: 0,
            records: BTreeMap::new(),
            blobs: BTreeMap::new(),
            by_use: BTreeSet::new(),
            dirty: BTreeSet::new(),
            touched: BTreeSet::new(),
        };
        for record in read_records(&index.database)? {
            index.insert(record);
        }
        Ok(index)
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn knows(&self, root: &Root) -> bool {
        self.blobs.contains_key(root)
    }

    pub(super) fn has_chunk(&self, root: &Root, chunk: u32) -> bool {
        let blob = self.blobs.get(root);
        blob.is_some_and(|blob| blob.chunks.contains_key(&chunk))
    }

    pub(super) fn held(&self) -> Vec<Held> {
        let held = |record: &Record| Held {
            entry: record.entry.clone(),
            chunks: record.chunks.iter().copied().collect(),
        };
        self.records.values().map(held).collect()
    }

    /// Evicts what was used longest ago until `length` more bytes fit beside `segment`; `None`
    /// if they cannot fit at all.
    pub(super) fn make_room(
        &mut self,
        segment: &SegmentKey,
        length: u64,
    ) -> Result<Option<Evicted>, redb::Error> {
        let mut evicted = Vec::new();
        while self.size + length > self.quota || self.records.len() >= MAX_RECORDS {
            let mut oldest = self.by_use.iter().map(|(_, key)| *key);
            let Some(victim) = oldest.find(|key| key != segment) else {
                break;
            };
            evicted.extend(self.remove(&victim));
        }
        if !evicted.is_empty() {
            // Files go only after the database no longer names them: a crash in between leaves
            // files without a record, which the next start deletes, never the reverse.
            self.flush()?;
        }
        Ok((self.size + length <= self.quota).then_some(evicted))
    }

    /// Puts a chunk of `entry` on record. A record of the same segment with another root gives
    /// way.
    pub(super) fn add(
        &mut self,
        entry: &SignedEntry,
        chunk: u32,
        length: u64,
        now: UnixSeconds,
    ) -> Evicted {
        let key = entry.body.segment;
        let other = self.records.get(&key);
        let evicted = if other.is_some_and(|other| other.entry.body.root != entry.body.root) {
            self.remove(&key).into_iter().collect()
        } else {
            Vec::new()
        };
        let used = self.records.get(&key).map_or(now, |record| record.used);
        self.by_use.remove(&(used, key));
        self.by_use.insert((now, key));
        let record = self.records.entry(key).or_insert_with(|| Record {
            entry: entry.clone(),
            used: now,
            chunks: BTreeSet::new(),
        });
        record.used = now;
        record.chunks.insert(chunk);
        let blob = self.blobs.entry(entry.body.root).or_default();
        blob.owners.insert(key);
        if blob.chunks.insert(chunk, length).is_none() {
            self.size += length;
        }
        self.dirty.insert(key);
        evicted
    }

    /// The entry of a segment that is being used.
    pub(super) fn touch(&mut self, key: &SegmentKey, now: UnixSeconds) -> Option<&SignedEntry> {
        let record = self.records.get_mut(key)?;
        if record.used != now {
            self.by_use.remove(&(record.used, *key));
            self.by_use.insert((now, *key));
            record.used = now;
            self.touched.insert(*key);
        }
        Some(&record.entry)
    }

    /// Takes a chunk off the record, for every segment that shares it.
    pub(super) fn remove_chunk(&mut self, key: &SegmentKey, chunk: u32) -> Evicted {
        let root = self.records.get(key).map(|record| record.entry.body.root);
        let Some(blob) = root.and_then(|root| self.blobs.get_mut(&root)) else {
            return Vec::new();
        };
        self.size -= blob.chunks.remove(&chunk).unwrap_or_default();
        let owners = blob.owners.clone();
        let mut evicted = Vec::new();
        for owner in owners {
            let Some(record) = self.records.get_mut(&owner) else {
                continue;
            };
            record.chunks.remove(&chunk);
            self.dirty.insert(owner);
            if record.chunks.is_empty() {
                evicted.extend(self.remove(&owner));
            }
        }
        evicted
    }

    /// Takes everything off the record whose entry has expired.
    pub(super) fn expire(&mut self, now: UnixSeconds) -> Evicted {
        let expired = |(key, record): (&SegmentKey, &Record)| {
            (record.entry.body.expires <= now).then_some(*key)
        };
        let keys: Vec<_> = self.records.iter().filter_map(expired).collect();
        keys.iter().flat_map(|key| self.remove(key)).collect()
    }

    /// Has the next [`Index::flush`] write when records were used last, too.
    pub(super) fn include_uses(&mut self) {
        self.dirty.append(&mut self.touched);
    }

    /// Brings the database up to date.
    pub(super) fn flush(&mut self) -> Result<(), redb::Error> {
        if self.dirty.is_empty() {
            return Ok(());
        }
        let transaction = self.database.begin_write()?;
        {
            let mut table = transaction.open_table(RECORDS)?;
            for key in &self.dirty {
                let name = encode(key);
                match self.records.get(key) {
                    Some(record) => table.insert(name.as_slice(), encode(record).as_slice())?,
                    None => table.remove(name.as_slice())?,
                };
            }
        }
        transaction.commit()?;
        self.dirty.clear();
        Ok(())
    }

    fn insert(&mut self, record: Record) {
        let (key, length) = (record.entry.body.segment, record.entry.body.length);
        let blob = self.blobs.entry(record.entry.body.root).or_default();
        blob.owners.insert(key);
        for &chunk in &record.chunks {
            let bytes = chunk_range(length, chunk).map_or(0, |range| range.length);
            if blob.chunks.insert(chunk, bytes).is_none() {
                self.size += bytes;
            }
        }
        self.by_use.insert((record.used, key));
        self.records.insert(key, record);
    }

    /// Removes a record; the root goes as well if nobody else needs it.
    fn remove(&mut self, key: &SegmentKey) -> Option<Root> {
        let record = self.records.remove(key)?;
        self.by_use.remove(&(record.used, *key));
        self.dirty.insert(*key);
        let root = record.entry.body.root;
        let blob = self.blobs.get_mut(&root)?;
        blob.owners.remove(key);
        if !blob.owners.is_empty() {
            return None;
        }
        self.size -= blob.chunks.values().sum::<u64>();
        self.blobs.remove(&root);
        Some(root)
    }
}

fn read_records(database: &Database) -> Result<Vec<Record>, redb::Error> {
    let transaction = database.begin_read()?;
    let table = match transaction.open_table(RECORDS) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut records = Vec::new();
    for row in table.iter()? {
        // A record that does not decode is of another version: its files go with it.
        let record = decode::<Record>(row?.1.value()).ok();
        records.extend(record.filter(is_sound).into_iter().take(MAX_RECORDS));
    }
    Ok(records)
}

fn is_sound(record: &Record) -> bool {
    let chunks = chunk_count(record.entry.body.length);
    record.entry.body.check_bounds().is_ok() && record.chunks.iter().all(|one| *one < chunks)
}
