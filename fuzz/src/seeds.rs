//! What honest people send. Messages are those whose bytes are written down as snapshots.

use bytes::Bytes;
use runnel_protocol::bulk::{BulkHeader, frame_header};
use runnel_protocol::channels::Frame;
use runnel_protocol::codec::{decode, encode_framed};
use runnel_protocol::manifest::SignedEntry;
use runnel_protocol::peer::{Control, RequestId};
use runnel_protocol::proof::SegmentTree;

use crate::doors::in_pieces;

const BETWEEN_PEERS: &str =
    include_str!("../../protocol/tests/snapshots/wire__the_bytes_between_peers_are_these.snap");
const TO_COORDINATOR: &str = include_str!(
    "../../protocol/tests/snapshots/wire__the_bytes_to_the_coordinator_are_these.snap"
);
const FROM_COORDINATOR: &str = include_str!(
    "../../protocol/tests/snapshots/wire__the_bytes_from_the_coordinator_are_these.snap"
);

pub(crate) fn control() -> Vec<Vec<u8>> {
    let messages = controls();
    let framed: Vec<Bytes> = messages.iter().map(encode_framed).collect();
    let mut seeds: Vec<Vec<u8>> = framed
        .iter()
        .map(|one| in_pieces(u8::MAX, core::slice::from_ref(one)))
        .collect();
    seeds.push(in_pieces(6, &framed));
    seeds
}

pub(crate) fn frame() -> Vec<Vec<u8>> {
    let data = Frame::Data(1, Bytes::from_static(b"media"));
    [
        data,
        Frame::End(1),
        Frame::Reset(2),
        Frame::Stop(3),
        Frame::Close(4),
    ]
    .map(|frame| frame.encode().to_vec())
    .to_vec()
}

pub(crate) fn to_coordinator() -> Vec<Vec<u8>> {
    messages(TO_COORDINATOR)
}

pub(crate) fn from_coordinator() -> Vec<Vec<u8>> {
    messages(FROM_COORDINATOR)
}

/// A segment of one short chunk, and the first chunk of one that has two.
pub(crate) fn bulk() -> Vec<Vec<u8>> {
    [300, 70_000].into_iter().filter_map(stream).collect()
}

pub(crate) fn playlist() -> Vec<Vec<u8>> {
    [
        include_str!("../../tests/media/clip/master.m3u8"),
        include_str!("../../tests/media/clip/low.m3u8"),
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:1\n#EXT-X-MAP:URI=\"i.mp4\"\n#EXTINF:2.0,\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-22T00:00:00Z\na.m4s\n#EXT-X-DISCONTINUITY\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:1.5,\n#EXT-X-BYTERANGE:10@5\nb.m4s\n",
        "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"en\",LANGUAGE=\"en\",\
         URI=\"a.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=16x9,AUDIO=\"a\"\nv.m3u8\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

pub(crate) fn settings() -> Vec<Vec<u8>> {
    [
        "coordinator = \"wss://c.example/v1/peer\"\nuplink-kbps = 4000\nquota-mb = 1\n",
        "listen = \"[::]:4433\"\nadvertise = [\"192.0.2.1:4433\"]\ncontent = [\"live\"]\n\
         private-origins = [\"localhost\"]\nallow-private-origins = true\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

fn stream(length: usize) -> Option<Vec<u8>> {
    let media = Bytes::from(vec![7; length]);
    let tree = SegmentTree::new(&media)?;
    let mut entry = controls().into_iter().find_map(announced)?;
    (entry.body.length, entry.body.root) = (tree.length(), tree.root());
    let request = Some(RequestId(1));
    let chunk = tree.chunk(&media, 0)?;
    let parts = [
        BulkHeader { request, entry }.encode(),
        frame_header(&chunk),
        chunk.data,
    ];
    Some(in_pieces(u8::MAX, &parts))
}

fn announced(message: Control) -> Option<SignedEntry> {
    if let Control::Announce(entry) = message {
        Some(entry)
    } else {
        None
    }
}

fn controls() -> Vec<Control> {
    let messages = messages(BETWEEN_PEERS);
    messages
        .iter()
        .filter_map(|bytes| decode(bytes).ok())
        .collect()
}

/// Rows of hexadecimal digits under a name each.
fn messages(snapshot: &str) -> Vec<Vec<u8>> {
    let blocks = snapshot.split("\n\n").map(|block| block.lines());
    blocks
        .map(|rows| rows.filter_map(row).flatten().collect())
        .filter(|message: &Vec<u8>| !message.is_empty())
        .collect()
}

/// `None` for what is no row: a name, or the snapshot's head.
fn row(line: &str) -> Option<Vec<u8>> {
    let pairs = line.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
