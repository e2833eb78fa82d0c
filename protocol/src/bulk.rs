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

use crate::codec::{DecodeError, decode, encode_framed, take_framed};
use crate::manifest::SignedEntry;
use crate::peer::RequestId;
use crate::proof::{MAX_PROOF, ProvenChunk};
use crate::segment::CHUNK;

/// Largest header of a bulk stream, in bytes; a real one takes about 200.
pub const MAX_BULK_HEADER: usize = 1024;
/// Fixed part of a chunk frame, in bytes.
const FRAME_HEADER: usize = 9;
/// Bytes of one step of a proof.
const STEP: usize = 32;
/// Room kept after a frame for the packet that holds its end and the next one's beginning: with
/// it the frame is not moved to a larger place just before it is complete.
const SLACK: usize = 2048;

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
    pending: BytesMut,
    started: bool,
}

impl BulkDecoder {
    /// Takes bytes as they arrive, in order.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole item, `None` while more bytes are needed.
    ///
    /// # Errors
    /// The stream is beyond repair after an error: stop it.
    pub fn poll(&mut self) -> Result<Option<BulkItem>, DecodeError> {
        if self.started {
            return Ok(self.poll_chunk()?.map(BulkItem::Chunk));
        }
        let Some(bytes) = take_framed(&mut self.pending, MAX_BULK_HEADER)? else {
            return Ok(None);
        };
        let header: BulkHeader = decode(&bytes)?;
        header.entry.body.check_bounds()?;
        self.started = true;
        Ok(Some(BulkItem::Header(header)))
    }

    /// Whether the stream may end here: after the header, between frames.
    pub fn is_complete(&self) -> bool {
        self.started && self.pending.is_empty()
    }

    fn poll_chunk(&mut self) -> Result<Option<ProvenChunk>, DecodeError> {
        let Some(fixed) = self.pending.first_chunk::<FRAME_HEADER>() else {
            return Ok(None);
        };
        let mut fixed = fixed.as_slice();
        let (index, length) = (fixed.get_u32_le(), fixed.get_u32_le() as usize);
        let steps = usize::from(fixed.get_u8());
        if length == 0 || length as u64 > CHUNK {
            return Err(DecodeError::OutOfBounds("chunk length"));
        }
        if steps > MAX_PROOF {
            return Err(DecodeError::OutOfBounds("proof length"));
        }
        let whole = FRAME_HEADER + steps * STEP + length;
        if self.pending.len() < whole {
            self.pending.reserve(whole + SLACK - self.pending.len());
            return Ok(None);
        }
        let mut frame = self.pending.split_to(whole);
        frame.advance(FRAME_HEADER);
        let proof = frame.split_to(steps * STEP);
        let proof = proof.as_chunks::<STEP>().0.to_vec();
        Ok(Some(ProvenChunk {
            index,
            proof,
            data: frame.freeze(),
        }))
    }
}
