//! How media travels: one unidirectional stream per (segment, substreams or request).
//!
//! A stream starts with a [`BulkHeader`] that carries the signed entry, so that whatever follows
//! can be proven whatever order streams arrive in. Then chunk frames until the stream ends:
//!
//! ```text
//! index u32 LE | data length u32 LE | proof length u8 | proof: 32 bytes each | data
//! ```
//!
//! No serializer touches media bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::codec::{DecodeError, decode, encode_framed, framed_length, take_framed};
use crate::manifest::SignedEntry;
use crate::peer::RequestId;
use crate::proof::{MAX_PROOF, ProvenChunk};
use crate::segment::MAX_CHUNK;

/// Largest header of a bulk stream, in bytes; a real one takes about 200.
pub const MAX_BULK_HEADER: usize = 1024;
/// Fixed part of a chunk frame, in bytes.
const FRAME_HEADER: usize = 9;
/// Bytes of one step of a proof.
const STEP: usize = 32;
/// Opens a bulk stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkHeader {
    /// The request that this answers; `None` for a push to a subscriber.
    pub request: Option<RequestId>,
    /// Which segment follows, and who vouches for it.
    pub entry: SignedEntry,
}

impl BulkHeader {
    /// The bytes that open the stream.
    pub fn encode(&self) -> Bytes {
        encode_framed(self)
    }
}

/// Everything of a chunk frame that precedes the data. The data itself follows as it is, so that
/// a sender never copies media.
pub fn frame_header(chunk: &ProvenChunk) -> Bytes {
    let mut header = BytesMut::with_capacity(FRAME_HEADER + STEP * chunk.proof.len());
    header.put_u32_le(chunk.index);
    header.put_u32_le(u32::try_from(chunk.data.len()).unwrap_or(u32::MAX));
    header.put_u8(u8::try_from(chunk.proof.len()).unwrap_or(u8::MAX));
    chunk.proof.iter().for_each(|step| header.put_slice(step));
    header.freeze()
}

/// What a bulk stream yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BulkItem {
    /// Always first, once.
    Header(BulkHeader),
    /// Not yet verified.
    Chunk(ProvenChunk),
}

/// Cuts a bulk stream into its header and chunks; holds at most one frame (66 KiB).
#[derive(Debug, Default)]
pub struct BulkDecoder {
    /// What has come of the header, or of a frame up to its data.
    pending: BytesMut,
    started: bool,
    chunk: Option<Arriving>,
}

/// A chunk of which data is still to come.
#[derive(Debug)]
struct Arriving {
    index: u32,
    proof: Vec<[u8; STEP]>,
    length: usize,
    /// Exactly as large as it has to be, and nobody else's: chunks are kept for long and let go one
    /// by one.
    data: BytesMut,
}

impl BulkDecoder {
    /// Takes bytes as they arrive, in order, until an item is whole: to be called again until none
    /// are left. `None` when the next item needs more.
    ///
    /// # Errors
    /// The stream is beyond repair after an error: stop it.
    pub fn poll(&mut self, bytes: &mut &[u8]) -> Result<Option<BulkItem>, DecodeError> {
        if !self.started {
            return Ok(self.poll_header(bytes)?.map(BulkItem::Header));
        }
        if self.chunk.is_none() {
            self.chunk = self.poll_frame(bytes)?;
        }
        let Some(chunk) = &mut self.chunk else {
            return Ok(None);
        };
        move_some(bytes, &mut chunk.data, chunk.length);
        let whole = self.chunk.take_if(|chunk| chunk.data.len() == chunk.length);
        Ok(whole.map(|chunk| BulkItem::Chunk(chunk.into())))
    }

    /// Whether the stream may end here: after the header, between frames.
    pub fn is_complete(&self) -> bool {
        self.started && self.pending.is_empty() && self.chunk.is_none()
    }

    fn poll_header(&mut self, bytes: &mut &[u8]) -> Result<Option<BulkHeader>, DecodeError> {
        loop {
            if let Some(body) = take_framed(&mut self.pending, MAX_BULK_HEADER)? {
                let header: BulkHeader = decode(&body)?;
                header.entry.body.check_bounds()?;
                self.started = true;
                return Ok(Some(header));
            }
            if !self.fill(framed_length(&self.pending), bytes) {
                return Ok(None);
            }
        }
    }

    /// A frame up to its data.
    fn poll_frame(&mut self, bytes: &mut &[u8]) -> Result<Option<Arriving>, DecodeError> {
        if !self.fill(FRAME_HEADER, bytes) {
            return Ok(None);
        }
        let mut fixed = &self.pending[..FRAME_HEADER];
        let (index, length) = (fixed.get_u32_le(), fixed.get_u32_le() as usize);
        let steps = usize::from(fixed.get_u8());
        if length == 0 || length as u64 > MAX_CHUNK {
            return Err(DecodeError::OutOfBounds("chunk length"));
        }
        if steps > MAX_PROOF {
            return Err(DecodeError::OutOfBounds("proof length"));
        }
        if !self.fill(FRAME_HEADER + steps * STEP, bytes) {
            return Ok(None);
        }
        let proof = self.pending[FRAME_HEADER..].as_chunks::<STEP>().0.to_vec();
        self.pending.clear();
        Ok(Some(Arriving {
            index,
            proof,
            length,
            data: BytesMut::with_capacity(length),
        }))
    }

    /// Whether `pending` holds `whole` bytes, with what could be had of `bytes`.
    fn fill(&mut self, whole: usize, bytes: &mut &[u8]) -> bool {
        move_some(bytes, &mut self.pending, whole);
        self.pending.len() >= whole
    }
}

impl From<Arriving> for ProvenChunk {
    fn from(chunk: Arriving) -> Self {
        Self {
            index: chunk.index,
            proof: chunk.proof,
            data: chunk.data.freeze(),
        }
    }
}

/// Moves from the front of `from` what `to` lacks of `whole` bytes.
fn move_some(from: &mut &[u8], to: &mut BytesMut, whole: usize) {
    let lacking = whole.saturating_sub(to.len()).min(from.len());
    let (some, rest) = from.split_at(lacking);
    to.extend_from_slice(some);
    *from = rest;
}
