//! The decoders, used as the shells use them. What is understood has to survive being written and
//! read again: otherwise two peers could take the same bytes for different things.

use bytes::Bytes;
use figment::Figment;
use figment::providers::{Format as _, Serialized, Toml};
use runnel_peer_native::config::Config;
use runnel_peer_native::waypoint::playlist::{Media, Playlist};
use runnel_protocol::bulk::{BulkDecoder, BulkItem, frame_header};
use runnel_protocol::channels::Frame;
use runnel_protocol::codec::{FrameDecoder, decode, encode};
use runnel_protocol::control::{FromCoordinator, ToCoordinator};
use runnel_protocol::peer::Control;
use runnel_protocol::segment::MAX_CHUNK;
use url::Url;

/// A peer's control stream, which arrives in pieces.
pub fn control(bytes: &[u8]) {
    let mut decoder = FrameDecoder::default();
    for piece in pieces(bytes) {
        decoder.push(piece);
        loop {
            match decoder.poll::<Control>() {
                Ok(Some(message)) if message.check_bounds().is_ok() => survives(&message),
                Ok(Some(_)) | Err(_) => return,
                Ok(None) => break,
            }
        }
    }
}

/// A peer's bulk stream: a header, then chunks with their proofs.
pub fn bulk(bytes: &[u8]) {
    let mut decoder = BulkDecoder::default();
    let mut entry = None;
    for mut piece in pieces(bytes) {
        loop {
            match decoder.poll(&mut piece) {
                Ok(Some(BulkItem::Header(header))) => {
                    assert!(entry.is_none(), "a second header");
                    survives(&header);
                    entry = Some(header.entry.body);
                }
                Ok(Some(BulkItem::Chunk(chunk))) => {
                    let entry = entry.as_ref().expect("a chunk before the header");
                    assert!(chunk.data.len() as u64 <= MAX_CHUNK, "too long a chunk");
                    chunk.verify(&entry.root, entry.length);
                    assert_eq!(frame_header(&chunk)[..4], chunk.index.to_le_bytes());
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

/// A message on one of WebRTC's data channels.
pub fn frame(bytes: &[u8]) {
    let message = Bytes::copy_from_slice(bytes);
    if let Ok(frame) = Frame::decode(message.clone()) {
        assert_eq!(frame.encode(), message, "written differently");
    }
}

/// What a peer says to the coordinator.
pub fn to_coordinator(bytes: &[u8]) {
    let Ok(message) = decode::<ToCoordinator>(bytes) else {
        return;
    };
    survives(&message);
    let _ = message.check_bounds();
}

/// What a coordinator says to a peer.
pub fn from_coordinator(bytes: &[u8]) {
    if let Ok(message) = decode::<FromCoordinator>(bytes) {
        survives(&message);
    }
}

/// A playlist of somebody's origin.
pub fn playlist(bytes: &[u8]) {
    let base = Url::parse("https://origin.example/live/master.m3u8").expect("a URL");
    let twice = [(); 2].map(|()| Playlist::parse(bytes, &base));
    assert_eq!(twice[0], twice[1], "read differently a second time");
    let _ = Media::parse(bytes, &base);
}

/// An agent's configuration file.
pub fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let defaults = Figment::from(Serialized::defaults(Config::default()));
    let config = defaults.merge(Toml::string(text)).extract::<Config>();
    if let Ok(config) = config {
        let _ = (config.uplink(), config.quota(), config.private_origins());
    }
}

fn survives<T>(message: &T)
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let read: Result<T, _> = decode(&encode(message));
    assert_eq!(read.as_ref(), Ok(message), "lost on its way");
}

/// The stream behind the first byte, in pieces of that length.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (length, stream) = bytes.split_first().unwrap_or((&0, &[]));
    stream.chunks(usize::from(*length) + 1)
}

/// A stream as [`control`] and [`bulk`] take it.
pub(crate) fn in_pieces(length: u8, stream: &[Bytes]) -> Vec<u8> {
    [&[length][..], &stream.concat()].concat()
}
