//! Guests come and go.

use runnel_peer_core::Input;
use runnel_protocol::control::{ContentLocator, Enrol};
use runnel_protocol::group::GroupRequest;
use runnel_protocol::ids::{CertificateHash, ContentId};

use super::{Event, World};
use crate::node::{At, Node, Vice};
use crate::player::Player;
use crate::population::{Guest, Role};
use crate::scenario::Group;

/// Whoever leaves in order has so long for it.
const FAREWELL: core::time::Duration = core::time::Duration::from_secs(1);

impl World {
    pub(super) fn on_arrive(&mut self, at: At) {
        if self.node(at).is_some() {
            return;
        }
        let index = at.0 as usize;
        let guest = self.guests[index].clone();
        self.lives[index] += 1;
        let node = Node::new(&guest, at, self.lives[index], self.seed, self.now);
        self.checkers.on_arrive(at, &node, self.now);
        self.names.insert(node.id, at);
        self.nodes[index] = Some(Box::new(node));
        if let Some(endpoint) = guest.endpoint {
            self.places.insert(endpoint, at);
        }
        for input in first_inputs(&guest, self.node_key(at), self.peers) {
            self.give(at, input);
        }
        if guest.watches {
            self.start_playing(at, guest.title);
        }
        if guest.asks {
            let content = ContentLocator::Id(self.library.title(guest.title).id);
            let plays = false;
            if guest.vice == Vice::default() {
                self.tally.on_asks(at, self.now);
            }
            self.give(at, Input::Open { content, plays });
        }
        if let Some(leaves) = guest.leaves {
            let leaves = (crate::title::START + leaves).max(self.now);
            self.later(leaves, Event::Depart(at));
        }
    }

    fn node_key(&self, at: At) -> Option<runnel_protocol::ids::PublicKey> {
        self.node(at).map(|node| node.stream_key.public())
    }

    fn start_playing(&mut self, at: At, title: u32) {
        let now = self.now;
        let known = self.library.title(title).clone();
        let buffer = self.scenario.audience.buffer_s;
        let buffer = buffer.map_or(known.segment * 3, core::time::Duration::from_secs);
        self.tally.on_join(now);
        let content = known.id;
        if let Some(node) = self.node_mut(at) {
            let poll = node.dice.share();
            node.player = Some(Player::new(&known, title, buffer, poll, now));
            let life = node.life;
            self.later(now, Event::Play(at, life));
        }
        let opened = Input::Open {
            content: ContentLocator::Id(content),
            plays: true,
        };
        self.give(at, opened);
    }

    /// In order: says goodbye, and is gone a moment later.
    pub(super) fn on_depart(&mut self, at: At) {
        let Some(node) = self.node_mut(at) else {
            return;
        };
        if let Some(player) = node.player.take() {
            self.tally.on_left(&player, self.now);
        }
        let leaving = self.tally.is_leaving(at);
        if leaving {
            self.remove(at, true);
            return;
        }
        self.tally.on_leaving(at);
        self.note_parent_gone(at);
        self.give(at, Input::Drain);
        self.later(self.now + FAREWELL, Event::Depart(at));
    }

    /// Gone: at once for those it had links with if it could say so, else when they notice.
    pub(super) fn remove(&mut self, at: At, in_order: bool) {
        let Some(node) = self.nodes[at.0 as usize].take() else {
            return;
        };
        if let Some(player) = &node.player {
            self.tally.on_left(player, self.now);
        }
        self.tally.on_gone(at);
        for fetch in node.fetches.keys() {
            self.origin.stop((at, node.life, *fetch), self.now);
        }
        self.break_links(*node, in_order);
    }

    fn break_links(&mut self, node: Node, in_order: bool) {
        let notice = if in_order {
            node.line.access
        } else {
            super::links::IDLE
        };
        for far in node.links.values() {
            let Some(other) = self.node_mut(far.at) else {
                continue;
            };
            // What is under way from it still arrives.
            let closed = Input::Closed(far.link, None);
            let way = crate::network::Network::latency(&node.line, &other.line);
            other.links.remove(&far.link);
            let at = self.now + notice + way;
            self.input_later(far.at, at, closed);
        }
        if let Some(session) = node.session {
            let way = node.line.to_exchange();
            self.later(self.now + way, Event::Closed(session));
        }
    }
}

fn first_inputs(
    guest: &Guest,
    stream_key: Option<runnel_protocol::ids::PublicKey>,
    peers: bool,
) -> Vec<Input> {
    let mut inputs = Vec::new();
    if let Some(endpoint) = guest.endpoint {
        let certificate = blake3::hash(endpoint.to_string().as_bytes());
        inputs.push(Input::Reachable {
            endpoints: vec![endpoint],
            certificates: vec![CertificateHash(*certificate.as_bytes())],
        });
    }
    inputs.push(Input::Consent {
        peers,
        uplink: guest.offers,
    });
    let invitations = guest.groups.iter().map(|group| Group::invitation(group));
    inputs.extend(invitations.map(|one| Input::Group(GroupRequest::Join(one))));
    if let (Role::Waypoint, Some(stream_key)) = (guest.role, stream_key) {
        inputs.push(Input::Enrol(Enrol {
            code: Some("simulated".into()),
            stream_key,
        }));
    }
    inputs
}

/// Which content a title is.
pub(super) fn content_of(world: &World, title: u32) -> ContentId {
    world.library.title(title).id
}
