//! What the peer asks for, as calls of the host.

use bytes::Bytes;
use js_sys::Uint8Array;
use runnel_peer_core::{BulkId, Delivered, LinkId, Output, Verified, WantId};
use runnel_protocol::bulk::frame_header;
use runnel_protocol::codec::{encode, encode_framed};
use runnel_protocol::control::Contact;

use crate::engine::{Engine, number};
use crate::events;

/// Carries out one side effect, or hands it to the Worker.
pub(crate) fn carry_out(engine: &mut Engine, output: Output) {
    let host = &engine.host;
    let links = &engine.links;
    match output {
        Output::ConnectCoordinator => host.connect_coordinator(),
        Output::DisconnectCoordinator => host.disconnect_coordinator(),
        Output::ToCoordinator(message) => host.to_coordinator(array(&encode(&message))),
        Output::Dial(link, contact) => dial(engine, link, &contact),
        Output::Send(link, message) => {
            host.send(links.number(link), array(&encode_framed(&message)));
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
            array(&header.encode()),
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
        } => host.check(
            number(check.0),
            array(&key.0),
            array(&message),
            array(&signature.0),
        ),
        Output::Sign(sign, message) => host.sign(number(sign.0), array(&message)),
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
    let hosts: Vec<String> = contact.endpoints.iter().map(ToString::to_string).collect();
    let certificates: Vec<u8> = contact
        .certificates
        .iter()
        .flat_map(|hash| hash.0)
        .collect();
    let link = engine.links.add(link);
    engine.host.dial(
        link,
        &contact.peer.to_string(),
        &hosts.join(" "),
        array(&certificates),
    );
}

fn send_chunk(engine: &Engine, link: LinkId, bulk: BulkId, chunk: &Verified) {
    let chunk = chunk.chunk();
    let frame = joined(&[frame_header(chunk), chunk.data.clone()]);
    engine
        .host
        .send_chunk(engine.links.number(link), number(bulk.0), frame);
}

fn deliver(engine: &Engine, want: WantId, delivered: &Delivered) {
    engine.host.deliver(
        number(want.0),
        joined(&delivered.parts),
        number(delivered.from_peers),
        number(delivered.from_waypoints),
        number(delivered.from_cdn),
        delivered.rescued,
    );
}

/// A copy outside of wasm's memory, which the Worker may keep and transfer.
fn array(bytes: &[u8]) -> Uint8Array {
    Uint8Array::from(bytes)
}

/// The parts one after another, copied once.
fn joined(parts: &[Bytes]) -> Uint8Array {
    let length: usize = parts.iter().map(Bytes::len).sum();
    let whole = Uint8Array::new_with_length(u32::try_from(length).unwrap_or_default());
    let mut end = 0;
    for part in parts {
        let start = end;
        end += u32::try_from(part.len()).unwrap_or_default();
        whole.subarray(start, end).copy_from(part);
    }
    whole
}
