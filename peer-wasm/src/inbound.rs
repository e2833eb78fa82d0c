//! Bytes of other peers, cut into messages and chunks: one decoder per control stream and per
//! arriving bulk stream.

use runnel_peer_core::{Input, LinkId, StreamId};
use runnel_protocol::bulk::{BulkDecoder, BulkItem};
use runnel_protocol::codec::{DecodeError, FrameDecoder};
use runnel_protocol::peer::Control;

/// Most bulk streams that may be open on a link at a time. A parent opens one per segment and
/// subscription or request; with 66 KiB each at most this bounds a link to about 4 MiB.
const MAX_STREAMS: usize = 64;

/// What arrives over one link.
#[derive(Default)]
pub(crate) struct Inbound {
    control: FrameDecoder,
    bulks: Vec<(StreamId, BulkDecoder)>,
}

impl Inbound {
    /// Bytes of the control stream: the messages that are whole by now. What follows a message
    /// that is none is not looked at.
    pub(crate) fn control(&mut self, link: LinkId, bytes: &[u8]) -> Vec<Input> {
        self.control.push(bytes);
        let next = || self.control.poll::<Control>().transpose();
        until_malformed(link, core::iter::from_fn(next), |message| {
            message.check_bounds()?;
            Ok(Input::Control(link, message))
        })
    }

    /// Bytes of a bulk stream: its header and the chunks that are whole by now.
    pub(crate) fn bulk(&mut self, link: LinkId, stream: StreamId, mut bytes: &[u8]) -> Vec<Input> {
        let Some(decoder) = self.decoder(stream) else {
            return vec![Input::Malformed(link)];
        };
        let next = || decoder.poll(&mut bytes).transpose();
        until_malformed(link, core::iter::from_fn(next), |item| {
            Ok(match item {
                BulkItem::Header(header) => Input::BulkStarted(link, stream, Box::new(header)),
                BulkItem::Chunk(chunk) => Input::BulkChunk(link, stream, chunk),
            })
        })
    }

    /// The bulk stream is over.
    pub(crate) fn forget(&mut self, stream: StreamId) {
        self.bulks.retain(|(known, _)| *known != stream);
    }

    /// The stream's decoder, a new one if need be; `None` where there are too many.
    fn decoder(&mut self, stream: StreamId) -> Option<&mut BulkDecoder> {
        let known = self.bulks.iter().position(|(known, _)| *known == stream);
        if known.is_none() && self.bulks.len() < MAX_STREAMS {
            self.bulks.push((stream, BulkDecoder::default()));
            return self.bulks.last_mut().map(|(_, decoder)| decoder);
        }
        self.bulks.get_mut(known?).map(|(_, decoder)| decoder)
    }
}

fn until_malformed<T>(
    link: LinkId,
    items: impl Iterator<Item = Result<T, DecodeError>>,
    input: impl Fn(T) -> Result<Input, DecodeError>,
) -> Vec<Input> {
    let mut inputs = Vec::new();
    for item in items {
        match item.and_then(&input) {
            Ok(input) => inputs.push(input),
            Err(_) => {
                inputs.push(Input::Malformed(link));
                break;
            }
        }
    }
    inputs
}
