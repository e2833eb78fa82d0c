//! What the agent keeps on disk: chunks by the hash of their segment, within a quota.
//!
//! `files` holds the bytes, `index` knows what is there and what goes first, `disk` is the one
//! thread that touches either. Whatever is read from here is verified again by the peer, so a
//! damaged or tampered file costs a chunk and never a picture (T18).

mod disk;
mod files;
mod index;

use std::io;
use std::path::Path;

use runnel_protocol::manifest::SignedEntry;
use runnel_protocol::proof::ProvenChunk;
use runnel_protocol::segment::SegmentKey;
use runnel_protocol::units::UnixSeconds;

pub(crate) use disk::{Disk, Request};
use files::Files;
use index::{Evicted, Index};

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Files cannot be read or written.
    #[error("cache files: {0}")]
    Files(#[from] io::Error),
    /// The index cannot be read or written.
    #[error("cache index: {0}")]
    Index(#[from] redb::Error),
}

/// A segment that the disk holds, in whole or in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its entry, as the waypoint signed it.
    pub entry: SignedEntry,
    /// Chunks of it, in order.
    pub chunks: Vec<u32>,
}

/// The cache in one directory. Blocking: belongs on a thread of its own.
#[derive(Debug)]
pub struct Cache {
    files: Files,
    index: Index,
}

impl Cache {
    /// Opens the cache in `directory` with room for `quota` bytes of media. What has expired,
    /// what no longer fits and files that the index does not know are deleted.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn open(directory: &Path, quota: u64, now: UnixSeconds) -> Result<Self, CacheError> {
        let files = Files::open(&directory.join("segments"))?;
        let index = Index::open(&directory.join("index.redb"), quota)?;
        let mut cache = Self { files, index };
        cache.expire(now)?;
        let index = &cache.index;
        cache.files.retain(|root| index.knows(root))?;
        Ok(cache)
    }

    /// Everything that is there.
    pub fn held(&self) -> Vec<Held> {
        self.index.held()
    }

    /// Bytes of media on disk.
    pub fn size(&self) -> u64 {
        self.index.size()
    }

    /// Keeps a chunk of `entry`, making room where needed. A segment larger than the quota is
    /// not kept.
    ///
    /// # Errors
    /// The disk is full or fails; the cache stays as it was.
    pub fn store(
        &mut self,
        entry: &SignedEntry,
        chunk: &ProvenChunk,
        now: UnixSeconds,
    ) -> Result<(), CacheError> {
        let length = chunk.data.len() as u64;
        let Some(evicted) = self.index.make_room(&entry.body.segment, length)? else {
            return Ok(());
        };
        self.delete(evicted)?;
        if !self.index.has_chunk(&entry.body.root, chunk.index) {
            self.files
                .write(&entry.body.root, entry.body.length, chunk)?;
        }
        let replaced = self.index.add(entry, chunk.index, length, now);
        self.delete(replaced)
    }

    /// Reads a chunk with its proof; `None` if it is not there. Not verified.
    ///
    /// # Errors
    /// The disk fails.
    pub fn load(
        &mut self,
        segment: &SegmentKey,
        chunk: u32,
        now: UnixSeconds,
    ) -> Result<Option<ProvenChunk>, CacheError> {
        let Some(entry) = self.index.touch(segment, now) else {
            return Ok(None);
        };
        let (root, length) = (entry.body.root, entry.body.length);
        if !self.index.has_chunk(&root, chunk) {
            return Ok(None);
        }
        Ok(self.files.read(&root, length, chunk)?)
    }

    /// Forgets a chunk that turned out to be something else.
    ///
    /// # Errors
    /// The disk fails.
    pub fn discard(&mut self, segment: &SegmentKey, chunk: u32) -> Result<(), CacheError> {
        let evicted = self.index.remove_chunk(segment, chunk);
        self.delete(evicted)
    }

    /// Deletes what proves nothing any more, and has the next flush write when the rest was used.
    ///
    /// # Errors
    /// The disk fails.
    pub fn expire(&mut self, now: UnixSeconds) -> Result<(), CacheError> {
        let evicted = self.index.expire(now);
        self.index.include_uses();
        self.delete(evicted)
    }

    /// Makes the index on disk agree with the files. What was stored since the last time is
    /// lost in a crash: files without a record are deleted at the next start.
    ///
    /// # Errors
    /// The disk fails.
    pub fn flush(&mut self) -> Result<(), CacheError> {
        Ok(self.index.flush()?)
    }

    fn delete(&mut self, evicted: Evicted) -> Result<(), CacheError> {
        for root in evicted {
            self.files.delete(&root)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
