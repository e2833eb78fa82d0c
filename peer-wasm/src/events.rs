//! What people want to know: the peer's events, as calls of the host.

use runnel_peer_core::Event;
use runnel_protocol::control::{Assign, Offence, PeerType, Source, Strike};
use runnel_protocol::group::GroupNews;
use runnel_protocol::peer::CloseReason;

use crate::engine::{Engine, number};

/// Tells the Worker; remembers what later inputs need.
pub(crate) fn tell(engine: &mut Engine, event: Event) {
    let host = &engine.host;
    let links = &engine.links;
    match event {
        Event::Joined { peer, kind, why } => {
            host.joined(&hex(&peer.0), kind == PeerType::Regular, &why);
        }
        Event::Opened(content, name) => {
            host.opened(&hex(&content.0), &name);
            engine.content = Some(content);
        }
        Event::Group(news) => grouped(engine, &news),
        Event::Refused(refused) => host.refused(&refused.why, refused.retry_after_ms.is_none()),
        Event::Assigned(assign) => assigned(engine, &assign),
        Event::LinkUp(link, peer, _) => host.link_up(links.number(link), &hex(&peer.0)),
        Event::LinkDown(link, _, reason) => {
            host.link_down(links.number(link), code(reason));
        }
        Event::Received(link, _, source, bytes) => {
            host.received(links.number(link), source == Source::Waypoint, bytes);
        }
        Event::Sent(link, _, bytes) => host.sent(links.number(link), bytes),
        Event::Struck(strike) => struck(engine, &strike),
        Event::Wasted(bytes) => host.wasted(bytes),
        Event::Mismatch(segment) => host.mismatch(number(segment.sequence)),
        // Nobody dials a browser or tests it, and a chunk's way is measured natively.
        Event::TurnedAway(..) | Event::Typed { .. } | Event::Proven(_) => {}
        _ => {}
    }
}

fn assigned(engine: &Engine, assign: &Assign) {
    let treatment = &assign.treatment;
    let max = treatment.max_bitrate.unwrap_or_default();
    let behind = treatment.behind_ms.into();
    engine
        .host
        .treated(behind, number(max.0), treatment.ends, &treatment.why);
    let most = assign.max_suggested_bitrate.unwrap_or_default();
    engine
        .host
        .assigned(number(assign.epoch), &assign.why, number(most.0));
    for parent in &assign.parents {
        engine.host.parent(
            &hex(&parent.contact.peer.0),
            parent.source == Source::Waypoint,
            u32::from(parent.substreams.0),
            &parent.why,
        );
    }
}

fn grouped(engine: &Engine, news: &GroupNews) {
    let (name, invitation, why) = match news {
        GroupNews::Joined {
            name, invitation, ..
        } => (&**name, *invitation, ""),
        GroupNews::Left { why, .. } | GroupNews::Refused(why) => ("", None, &**why),
    };
    let invitation = invitation.map(|own| hex(&own.0)).unwrap_or_default();
    engine.host.grouped(name, &invitation, why);
}

fn struck(engine: &Engine, strike: &Strike) {
    let offence = match strike.offence {
        Offence::BadChunk => "sent a chunk that does not verify",
        Offence::BadEntry => "sent an entry that nobody vouches for",
        Offence::Fork => "sent a second root for a segment",
        Offence::Malformed => "sent what is no message",
    };
    engine.host.struck(&hex(&strike.peer.0), offence);
}

fn code(reason: Option<CloseReason>) -> i32 {
    reason.map_or(-1, |reason| i32::try_from(reason.code()).unwrap_or(-1))
}

/// An id as people and pages see it.
pub(crate) fn hex(id: &[u8]) -> String {
    let digit = |value: u8| char::from(if value < 10 { b'0' } else { b'a' - 10 } + value);
    let digits = id.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(digit).collect()
}
