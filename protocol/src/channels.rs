//! How two peers talk over WebRTC, which knows messages but no streams.
//!
//! A link is two data channels that both ends know beforehand (`negotiated`), reliable and ordered:
//! [`CONTROL_CHANNEL`] for the control stream and what must not wait for media, [`BULK_CHANNEL`] for media.
//! Each message is one frame:
//!
//! ```text
//! kind u8 | number u32 LE | bytes
//! ```
//!
//! The number names a stream of its sender ([`Frame::Stop`]: of its receiver), counted from 1; 0 is the control
//! stream. Nothing is signalled: an assignment holds all that an answer would say. The addresses are
//! candidates, a certificate's hash is the DTLS fingerprint, and its [`ice_password`] too.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::codec::DecodeError;
use crate::ids::CertificateHash;

/// SCTP stream of the channel that carries the control stream.
pub const CONTROL_CHANNEL: u16 = 0;
/// SCTP stream of the channel that carries media.
pub const BULK_CHANNEL: u16 = 1;
/// Most bytes that one frame carries: what every browser takes, and what RFC 8831 §6.6 asks of senders that
/// cannot interleave messages.
pub const MAX_FRAME: usize = 16 * 1024 - FRAME_HEADER;
/// Number of the control stream.
pub const CONTROL_STREAM: u32 = 0;

/// Kind and number.
const FRAME_HEADER: usize = 5;

/// One message on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Bytes of a stream, in order; the first ones open it.
    Data(u32, Bytes),
    /// A stream is complete.
    End(u32),
    /// A stream is broken off.
    Reset(u32),
    /// The rest of a stream is not wanted.
    Stop(u32),
    /// The link is closed, with this code: always the last frame, on the control channel.
    Close(u32),
}

impl Frame {
    /// The message.
    pub fn encode(&self) -> Bytes {
        let (kind, number, bytes) = match self {
            Self::Data(stream, bytes) => (0, *stream, bytes.as_ref()),
            Self::End(stream) => (1, *stream, &[][..]),
            Self::Reset(stream) => (2, *stream, &[][..]),
            Self::Stop(stream) => (3, *stream, &[][..]),
            Self::Close(code) => (4, *code, &[][..]),
        };
        let mut message = BytesMut::with_capacity(FRAME_HEADER + bytes.len());
        message.put_u8(kind);
        message.put_u32_le(number);
        message.put_slice(bytes);
        message.freeze()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// It is too long, too short, of a kind that is not known, or has bytes where none belong.
    pub fn decode(mut message: Bytes) -> Result<Self, DecodeError> {
        if message.len() > FRAME_HEADER + MAX_FRAME {
            return Err(DecodeError::OutOfBounds("frame length"));
        }
        if message.len() < FRAME_HEADER {
            return Err(DecodeError::Malformed);
        }
        let (kind, number) = (message.get_u8(), message.get_u32_le());
        match (kind, message.is_empty()) {
            (0, false) => Ok(Self::Data(number, message)),
            (1, true) => Ok(Self::End(number)),
            (2, true) => Ok(Self::Reset(number)),
            (3, true) => Ok(Self::Stop(number)),
            (4, true) => Ok(Self::Close(number)),
            _ => Err(DecodeError::Malformed),
        }
    }
}

/// The ICE password of whoever shows this certificate: its hash in hexadecimal. Whoever does not know whom he
/// wants to reach gets no answer to his connectivity checks.
pub fn ice_password(certificate: &CertificateHash) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = certificate.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_the_way() {
        for frame in [
            Frame::Data(0, Bytes::from_static(b"hello")),
            Frame::Data(u32::MAX, Bytes::from(vec![7; MAX_FRAME])),
            Frame::End(1),
            Frame::Reset(2),
            Frame::Stop(3),
            Frame::Close(4),
        ] {
            assert_eq!(Frame::decode(frame.encode()), Ok(frame));
        }
    }

    /// `peer-wasm/js/test/frames.test.ts` reads and writes the same bytes.
    #[test]
    fn a_frame_is_these_bytes() {
        let frame = Frame::Data(0x0102_0304, Bytes::from_static(b"ab"));
        assert_eq!(frame.encode()[..], [0, 4, 3, 2, 1, b'a', b'b']);
        assert_eq!(Frame::Close(5).encode()[..], [4, 5, 0, 0, 0]);
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let too_long = vec![0; FRAME_HEADER + MAX_FRAME + 1];
        for message in [
            &[][..],
            &[0, 1, 0, 0],
            &[0, 1, 0, 0, 0],
            &[5, 0, 0, 0, 0],
            &too_long,
        ] {
            assert!(Frame::decode(Bytes::copy_from_slice(message)).is_err());
        }
        let with_bytes = Bytes::from_static(&[1, 0, 0, 0, 0, 9]);
        assert_eq!(Frame::decode(with_bytes), Err(DecodeError::Malformed));
    }

    #[test]
    fn a_password_is_the_hash_as_text() {
        let password = ice_password(&CertificateHash([0xa5; 32]));
        assert_eq!(password, "a5".repeat(32));
    }
}
