//! Media that arrives: each stream is cut into its header and chunks by a task of its own.

use std::collections::BTreeMap;

use bytes::Bytes;
use runnel_peer_core::{Input, LinkId, StreamId};
use runnel_protocol::bulk::{BulkDecoder, BulkItem};
use runnel_protocol::codec::DecodeError;
use runnel_protocol::peer::CloseReason;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::inbox::Inbox;
use crate::transport::{RecvStream, Session};

/// Packets taken from a stream at once, so that the connection is locked once per 45 KiB.
const PACKETS: usize = 32;

/// Receives streams until the session ends. How many there are at a time, the transport's
/// limit says (`limits`).
pub(super) async fn receive(
    link: LinkId,
    session: &Session,
    inbox: &Inbox,
    mut stops: mpsc::Receiver<StreamId>,
) {
    let mut readers = JoinSet::new();
    let mut tokens: BTreeMap<StreamId, CancellationToken> = BTreeMap::new();
    let mut count = 0;
    loop {
        tokio::select! {
            stream = session.accept_uni() => {
                let Ok(stream) = stream else { return };
                count += 1;
                let id = StreamId(count);
                let token = CancellationToken::new();
                tokens.insert(id, token.clone());
                readers.spawn(read(Name(link, id), stream, token, inbox.clone()));
            }
            Some(stopped) = stops.recv() => {
                if let Some(token) = tokens.get(&stopped) {
                    token.cancel();
                }
            }
            Some(ended) = readers.join_next() => {
                if let Ok(id) = ended {
                    tokens.remove(&id);
                    inbox.input(Input::BulkEnded(link, id)).await;
                }
            }
        }
    }
}

/// A stream's name to the driver.
#[derive(Clone, Copy)]
struct Name(LinkId, StreamId);

async fn read(
    name: Name,
    mut stream: RecvStream,
    stop: CancellationToken,
    inbox: Inbox,
) -> StreamId {
    tokio::select! {
        () = decode(name, &mut stream, &inbox) => {}
        () = stop.cancelled() => {}
    }
    // Whatever is still to come is not wanted; a stream that has ended takes no notice.
    stream.stop(CloseReason::Done.code());
    name.1
}

async fn decode(name: Name, stream: &mut RecvStream, inbox: &Inbox) {
    let mut decoder = BulkDecoder::default();
    let mut packets = [const { Bytes::new() }; PACKETS];
    while let Some(filled) = stream.read(&mut packets).await {
        for packet in packets.iter_mut().take(filled) {
            let packet = std::mem::take(packet);
            if let Err(error) = pass_on(name, &mut decoder, &packet, inbox).await {
                debug!(%error, "malformed bulk stream");
                return inbox.input(Input::Malformed(name.0)).await;
            }
        }
    }
}

async fn pass_on(
    name: Name,
    decoder: &mut BulkDecoder,
    mut packet: &[u8],
    inbox: &Inbox,
) -> Result<(), DecodeError> {
    while let Some(item) = decoder.poll(&mut packet)? {
        inbox.input(input(name, item)).await;
    }
    Ok(())
}

fn input(Name(link, stream): Name, item: BulkItem) -> Input {
    match item {
        BulkItem::Header(header) => Input::BulkStarted(link, stream, Box::new(header)),
        BulkItem::Chunk(chunk) => Input::BulkChunk(link, stream, chunk),
    }
}
