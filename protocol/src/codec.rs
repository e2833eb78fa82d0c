//! From messages to bytes and back: postcard, with every length checked before it is believed.

use bytes::{Buf, Bytes, BytesMut};
use serde::{Serialize, de::DeserializeOwned};

/// Largest message on a control stream or WebSocket, in bytes. The largest real one is an
/// assignment of 16 parents, about 8 KiB.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// Length prefix of a message on a byte stream: `u32`, little endian.
const PREFIX: usize = 4;

/// Why bytes from the other end are not a message. Always the sender's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The announced or actual length exceeds the limit of its place.
    #[error("{length} bytes where at most {limit} are allowed")]
    TooLong {
        /// Announced length, bytes.
        length: usize,
        /// What is allowed there, bytes.
        limit: usize,
    },
    /// The bytes are no message of this version, or are followed by others.
    #[error("malformed message")]
    Malformed,
    /// A field holds a value outside the bounds that its documentation states.
    #[error("{0} is out of bounds")]
    OutOfBounds(&'static str),
}

/// Encodes a message. Same value, same bytes: signatures rely on it.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    // Only a `Serialize` that itself fails could fail here, and ours are all derived.
    postcard::to_allocvec(message).unwrap_or_default()
}

/// Decodes exactly one message from all of `bytes`.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    if bytes.len() > MAX_MESSAGE {
        return Err(DecodeError::TooLong {
            length: bytes.len(),
            limit: MAX_MESSAGE,
        });
    }
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        Ok(_) | Err(_) => Err(DecodeError::Malformed),
    }
}

/// Encodes a message with its length in front, for a byte stream.
pub fn encode_framed<T: Serialize>(message: &T) -> Bytes {
    let body = encode(message);
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut framed = Vec::with_capacity(PREFIX + body.len());
    framed.extend_from_slice(&length.to_le_bytes());
    framed.extend_from_slice(&body);
    framed.into()
}

/// Cuts a byte stream into the messages that [`encode_framed`] wrote.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    pending: BytesMut,
}

impl FrameDecoder {
    /// Takes bytes as they arrive, in order.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole message, `None` while more bytes are needed.
    ///
    /// # Errors
    /// The stream is beyond repair after an error: close it.
    pub fn poll<T: DeserializeOwned>(&mut self) -> Result<Option<T>, DecodeError> {
        match take_framed(&mut self.pending, MAX_MESSAGE)? {
            Some(body) => decode(&body).map(Some),
            None => Ok(None),
        }
    }
}

/// How many bytes `pending` has to hold for [`take_framed`], as far as it is known.
pub(crate) fn framed_length(pending: &BytesMut) -> usize {
    let prefix = pending.first_chunk::<PREFIX>();
    let body = prefix.map_or(0, |prefix| u32::from_le_bytes(*prefix));
    PREFIX.saturating_add(usize::try_from(body).unwrap_or(usize::MAX))
}

/// Takes one length-prefixed body off the front of `pending`, refusing more than `limit` bytes
/// as soon as the prefix is there.
pub(crate) fn take_framed(
    pending: &mut BytesMut,
    limit: usize,
) -> Result<Option<BytesMut>, DecodeError> {
    let Some(prefix) = pending.first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    let length = usize::try_from(u32::from_le_bytes(*prefix)).unwrap_or(usize::MAX);
    if length > limit {
        return Err(DecodeError::TooLong { length, limit });
    }
    if pending.len() < PREFIX + length {
        return Ok(None);
    }
    pending.advance(PREFIX);
    Ok(Some(pending.split_to(length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_any_cut_of_the_stream() {
        let stream: Vec<u8> = [encode_framed(&7u64), encode_framed(&"seven".to_owned())].concat();
        for cut in 0..=stream.len() {
            let mut decoder = FrameDecoder::default();
            decoder.push(&stream[..cut]);
            let early: Option<u64> = decoder.poll().unwrap();
            decoder.push(&stream[cut..]);
            let first = early.or_else(|| decoder.poll().unwrap());
            assert_eq!(first, Some(7));
            assert_eq!(decoder.poll::<String>().unwrap().as_deref(), Some("seven"));
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_its_bytes_arrive() {
        let mut decoder = FrameDecoder::default();
        decoder.push(&u32::MAX.to_le_bytes());
        let refused = decoder.poll::<u64>();
        assert!(matches!(
            refused,
            Err(DecodeError::TooLong {
                limit: MAX_MESSAGE,
                ..
            })
        ));
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = encode(&1u8);
        bytes.push(0);
        assert_eq!(decode::<u8>(&bytes), Err(DecodeError::Malformed));
    }
}
