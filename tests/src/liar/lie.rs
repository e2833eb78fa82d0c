//! What is told instead of the truth.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::ValueEnum;
use runnel_protocol::bulk::BulkHeader;
use runnel_protocol::manifest::{Entry, SignedEntry};
use runnel_protocol::proof::{ProvenChunk, SegmentTree};
use runnel_protocol::segment::{SegmentKey, chunk_count};
use runnel_protocol::signing::KeyPair;

/// Segments that a liar remembers: enough to have a neighbour for each.
const REMEMBERED: usize = 12;

/// Time between two chunks of a [`Lie::Drip`]: a segment of ten chunks takes ten seconds.
const DRIP: Duration = Duration::from_secs(1);

/// A way to lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lie {
    /// One bit of every chunk is another.
    Flip,
    /// Every chunk is cut short.
    Truncate,
    /// Chunks of another segment of the track, under the entry of the one that is due.
    Swap,
    /// An older segment, entry and all, instead of the one that is due.
    Replay,
    /// Chunks of another rendition, under the entry of the one that is due.
    Rendition,
    /// Media of the liar's own, proven against an entry that it signed itself in the waypoint's
    /// name.
    Forge,
    /// The truth, a chunk a second.
    Drip,
}

/// Somebody who lies, with what it heard before.
#[derive(Debug)]
pub(super) struct Liar {
    lie: Lie,
    foreign: Bytes,
    tree: SegmentTree,
    keys: KeyPair,
    heard: Mutex<BTreeMap<SegmentKey, Heard>>,
}

#[derive(Debug)]
struct Heard {
    entry: SignedEntry,
    chunks: BTreeMap<u32, ProvenChunk>,
}

/// What one stream tells.
pub(super) struct Tale<'a> {
    liar: &'a Liar,
    segment: SegmentKey,
    /// The segment whose chunks are told instead.
    instead: Option<SegmentKey>,
}

impl Liar {
    pub(super) fn new(lie: Lie, foreign: Vec<u8>) -> Result<Self> {
        let tree = SegmentTree::new(&foreign).context("foreign media of no or too many bytes")?;
        Ok(Self {
            lie,
            foreign: foreign.into(),
            tree,
            keys: KeyPair::from_seed(&[0x1a; 32]),
            heard: Mutex::default(),
        })
    }

    /// Begins a stream: what its header says instead. `None` where nothing false is at hand yet,
    /// and nothing is said.
    pub(super) fn begin(&self, header: BulkHeader) -> Option<(BulkHeader, Tale<'_>)> {
        let segment = header.entry.body.segment;
        let mut heard = self.heard();
        heard.entry(segment).or_insert_with(|| Heard {
            entry: header.entry.clone(),
            chunks: BTreeMap::new(),
        });
        if heard.len() > REMEMBERED {
            heard.pop_first();
        }
        let instead = heard
            .keys()
            .find(|other| other.track == segment.track && other.sequence < segment.sequence)
            .copied();
        let entry = match self.lie {
            Lie::Flip | Lie::Truncate | Lie::Rendition | Lie::Drip | Lie::Swap => header.entry,
            Lie::Replay => heard.get(&instead?)?.entry.clone(),
            Lie::Forge => self.forge(header.entry),
        };
        let request = header.request;
        let tale = Tale {
            liar: self,
            segment,
            instead,
        };
        Some((BulkHeader { request, entry }, tale))
    }

    fn forge(&self, genuine: SignedEntry) -> SignedEntry {
        let body = Entry {
            length: self.tree.length(),
            root: self.tree.root(),
            ..genuine.body
        };
        SignedEntry {
            key: genuine.key,
            ..self.keys.sign(body)
        }
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, BTreeMap<SegmentKey, Heard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tale<'_> {
    /// What is sent instead of a chunk; `None` for nothing.
    pub(super) async fn instead_of(&self, chunk: ProvenChunk) -> Option<ProvenChunk> {
        self.remember(&chunk);
        match self.liar.lie {
            Lie::Flip => {
                let mut data = chunk.data.to_vec();
                let middle = data.len() / 2;
                *data.get_mut(middle)? ^= 1;
                let data = data.into();
                Some(ProvenChunk { data, ..chunk })
            }
            Lie::Truncate => {
                let data = chunk.data.slice(..chunk.data.len() / 2);
                Some(ProvenChunk { data, ..chunk })
            }
            Lie::Swap | Lie::Replay => self.older(chunk.index),
            Lie::Rendition | Lie::Forge => self.foreign(chunk.index),
            Lie::Drip => {
                tokio::time::sleep(DRIP).await;
                Some(chunk)
            }
        }
    }

    fn remember(&self, chunk: &ProvenChunk) {
        if let Some(heard) = self.liar.heard().get_mut(&self.segment) {
            heard.chunks.insert(chunk.index, chunk.clone());
        }
    }

    fn older(&self, index: u32) -> Option<ProvenChunk> {
        let heard = self.liar.heard();
        heard.get(&self.instead?)?.chunks.get(&index).cloned()
    }

    fn foreign(&self, index: u32) -> Option<ProvenChunk> {
        let Liar { foreign, tree, .. } = self.liar;
        let place = index % chunk_count(tree.length());
        let chunk = tree.chunk(foreign, place)?;
        Some(ProvenChunk { index, ..chunk })
    }
}
