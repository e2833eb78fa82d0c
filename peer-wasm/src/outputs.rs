//! What the peer asks for, as calls of the host.

use core::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use runnel_peer_core::{BulkId, Delivered, LinkId, Output, Verified, WantId};
use runnel_protocol::bulk::frame_header;
use runnel_protocol::codec::{encode, encode_framed};
use runnel_protocol::control::Contact;

use crate::engine::{Engine, number};
use crate::events;
use crate::events::hex;

/// Carries out one side effect, or hands it to the Worker.
pub(crate) fn carry_out(engine: &mut Engine, output: Output) {
    let host = &engine.host;
    let links = &engine.links;
    match output {
        Output::ConnectCoordinator => host.connect_coordinator(),
        Output::DisconnectCoordinator => host.disconnect_coordinator(),
        Output::RenewToken => host.renew_token(),
        Output::ToCoordinator(message) => host.to_coordinator(&encode(&message)),
        Output::Dial(link, contact) => dial(engine, link, &contact),
        Output::Send(link, message) => {
            host.send(links.number(link), &encode_framed(&message));
        }
        Output::Hangup(link, reason) => {
            let gone = engine.links.remove(link);
            engine.host.hangup(gone, reason.code());
        }
        Output::OpenBulk {
            link,
            bulk,
            header,
            order,
        } => host.open_bulk(
            links.number(link),
            number(bulk.0),
            &header.encode(),
            number(order),
        ),
        Output::SendChunk(link, bulk, chunk) => send_chunk(engine, link, bulk, &chunk),
        Output::FinishBulk(link, bulk) => host.finish_bulk(links.number(link), number(bulk.0)),
        Output::ResetBulk(link, bulk) => host.reset_bulk(links.number(link), number(bulk.0)),
        Output::StopStream(link, stream) => host.stop_stream(links.number(link), number(stream.0)),
        Output::Check {
            check,
            key,
            message,
            signature,
        } => host.check(number(check.0), &key.0, &message, &signature.0),
        Output::Sign(sign, message) => host.sign(number(sign.0), &message),
        Output::Fetch { fetch, want, part } => {
            let (offset, length) = part.unwrap_or_default();
            host.fetch(
                number(fetch.0),
                number(want.0),
                number(offset),
                number(length),
            );
        }
        Output::CancelFetch(fetch) => host.cancel_fetch(number(fetch.0)),
        Output::Deliver(want, delivered) => deliver(engine, want, &delivered),
        Output::Fail(want) => host.fail(number(want.0)),
        Output::Event(event) => events::tell(engine, event),
        // Disks and attesting belong to agents; this peer's configuration has neither.
        Output::Store(..)
        | Output::Load(..)
        | Output::Discard(..)
        | Output::Demand(..)
        | Output::DemandSegment(_)
        | Output::Attest(_)
        | Output::Certified(_) => {}
        _ => {}
    }
}

fn dial(engine: &mut Engine, link: LinkId, contact: &Contact) {
    let endpoints: Vec<u8> = contact.endpoints.iter().flat_map(endpoint).collect();
    let certificates: Vec<u8> = contact
        .certificates
        .iter()
        .flat_map(|hash| hash.0)
        .collect();
    let link = engine.links.add(link);
    engine
        .host
        .dial(link, &hex(&contact.peer.0), &endpoints, &certificates);
}

/// An address as the Worker reads it: IPv6 (or IPv4 mapped into it) and port, most significant
/// byte first. Rust's own way of writing addresses is 2 KB of code.
fn endpoint(address: &SocketAddr) -> [u8; 18] {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    };
    let port = address.port().to_be_bytes();
    core::array::from_fn(|index| match ip.get(index) {
        Some(byte) => *byte,
        None => port[index - ip.len()],
    })
}

fn send_chunk(engine: &Engine, link: LinkId, bulk: BulkId, chunk: &Verified) {
    let link = engine.links.number(link);
    let header = frame_header(chunk.chunk());
    let host = &engine.host;
    host.send_chunk(link, number(bulk.0), &header, chunk.data());
}

fn deliver(engine: &Engine, want: WantId, delivered: &Delivered) {
    let host = &engine.host;
    host.make_room(delivered.parts.iter().map(length).sum());
    let mut offset = 0;
    for part in &delivered.parts {
        host.fill(offset, part);
        offset += length(part);
    }
    host.deliver(
        number(want.0),
        number(delivered.from_peers),
        number(delivered.from_waypoints),
        number(delivered.from_cdn),
        delivered.rescued,
    );
}

/// Bytes of a part of a segment; a segment has 64 MiB at most.
fn length(part: &Bytes) -> u32 {
    u32::try_from(part.len()).unwrap_or_default()
}
