//! Who takes part, and what the coordinator says to them.

use bytes::Bytes;
use runnel_peer_core::{Config, Input, Peer};
use runnel_protocol::control::{
    Assign, Child, Contact, FromCoordinator, Implementation, Parent, PeerType, Platform, Source,
    Treatment, Welcome,
};
use runnel_protocol::ids::{Nonce, PeerId, TicketId};
use runnel_protocol::manifest::{Entry, SignedEntry, StreamKeyCertificate};
use runnel_protocol::proof::SegmentTree;
use runnel_protocol::segment::{SubstreamSet, chunk_count};
use runnel_protocol::signature::Signed;
use runnel_protocol::signing::KeyPair;
use runnel_protocol::ticket::{SignedTicket, Ticket};
use runnel_protocol::units::{BitsPerSecond, UnixSeconds};

use super::host::Host;
use super::media::{content, key, media, path};
use super::{At, STRIPES, World};

impl World {
    pub fn viewer(&mut self) -> At {
        self.add(Platform::Browser, |config| config.origin = true)
    }

    pub fn agent(&mut self) -> At {
        self.add(Platform::Native, |_| {})
    }

    pub fn waypoint(&mut self) -> At {
        self.add(Platform::Native, |config| config.waypoint = true)
    }

    pub fn add(&mut self, platform: Platform, adjust: impl FnOnce(&mut Config)) -> At {
        let seed = [u8::try_from(self.hosts.len()).unwrap() + 1; 32];
        let key = KeyPair::from_seed(&seed);
        let accepts = platform == Platform::Native;
        let mut config = Config {
            key: key.public(),
            implementation: Implementation {
                version: "test".into(),
                platform,
                accepts,
            },
            uplink: BitsPerSecond::from_kilobits(50_000),
            root_key: None,
            join_token: None,
            origin: false,
            waypoint: false,
            disk: false,
            memory: Config::BROWSER_MEMORY,
            max_links: 32,
            max_handshakes: 8,
        };
        adjust(&mut config);
        let uplink = config.uplink;
        let peer = Peer::new(config, seed, self.now);
        self.hosts.push(Host::new(peer, key, self.now));
        self.wakes.push(0);
        let at = At(self.hosts.len() - 1);
        self.give(
            at,
            Input::Consent {
                peers: true,
                uplink,
            },
        );
        self.give(at, Input::CoordinatorConnected);
        self.give(
            at,
            Input::Coordinator(FromCoordinator::Challenge(Nonce([7; 32]))),
        );
        self.welcome(at);
        at
    }

    pub fn welcome(&mut self, at: At) {
        let welcome = Welcome {
            peer: self.id(at),
            kind: PeerType::Regular,
            why: "test".into(),
            heartbeat_ms: 1000,
            root_key: self.root.public(),
            ticket_keys: vec![self.tickets.public()],
            now: self.now.unix_seconds(),
            policy_floor: self.policy_version,
        };
        self.give(
            at,
            Input::Coordinator(FromCoordinator::Welcome(Box::new(welcome))),
        );
    }

    pub fn id(&self, at: At) -> PeerId {
        PeerId::of(&self.hosts[at.0].key.public())
    }

    pub fn ticket(&self, server: At, client: At) -> Ticket {
        let date = self.now.unix_seconds();
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.now.as_micros().to_le_bytes());
        (id[8], id[9]) = (server.0 as u8, client.0 as u8);
        Ticket {
            id: TicketId(id),
            server: self.hosts[server.0].key.public(),
            client: self.hosts[client.0].key.public(),
            content: content(),
            tracks: vec![],
            page: None,
            rate: BitsPerSecond::from_kilobits(100_000),
            bytes: 1 << 40,
            policy_version: self.policy_version,
            establish_before: date.plus(60),
            not_after: date.plus(900),
        }
    }

    pub fn sign_ticket(&self, ticket: Ticket) -> SignedTicket {
        self.tickets.sign(ticket)
    }

    /// The parent side of an assignment.
    pub fn parent(&self, parent: At, child: At, source: Source, substreams: u16) -> Parent {
        let ticket = self.sign_ticket(self.ticket(parent, child));
        Parent {
            contact: self.contact(parent, ticket, true),
            source,
            substreams: SubstreamSet(substreams),
            carries: SubstreamSet::all(STRIPES),
            why: "test".into(),
        }
    }

    /// `dial` says whether whoever gets this contact is to dial it.
    pub fn contact(&self, peer: At, ticket: SignedTicket, dial: bool) -> Contact {
        let place = format!("127.0.0.1:{}", peer.0 + 1).parse().unwrap();
        let endpoints = if dial { vec![place] } else { vec![] };
        Contact {
            peer: self.id(peer),
            endpoints,
            certificates: vec![],
            ticket,
        }
    }

    pub fn certificate(&self) -> Signed<StreamKeyCertificate> {
        let date = self.now.unix_seconds();
        self.root.sign(StreamKeyCertificate {
            key: self.stream.public(),
            waypoint: PeerId([9; 16]),
            contents: vec![content()],
            origins: vec!["https://origin.example".into()],
            issued: UnixSeconds(date.0 - 10),
            expires: date.plus(3600),
        })
    }

    pub fn assign(&mut self, to: At, parents: Vec<Parent>) {
        self.assign_with(to, parents, vec![]);
    }

    pub fn assign_with(&mut self, to: At, parents: Vec<Parent>, children: Vec<Child>) {
        self.tell(to, SubstreamSet::all(STRIPES), parents, children);
    }

    /// Calls an agent in for some of the stripes.
    pub fn assign_some(&mut self, to: At, carries: SubstreamSet, parents: Vec<Parent>) {
        self.tell(to, carries, parents, vec![]);
    }

    fn tell(&mut self, to: At, carries: SubstreamSet, parents: Vec<Parent>, children: Vec<Child>) {
        self.epoch += 1;
        let assign = Assign {
            epoch: self.epoch,
            content: content(),
            stripes: STRIPES,
            carries,
            parents,
            children,
            stream_keys: vec![self.certificate()],
            max_suggested_bitrate: None,
            treatment: Treatment::default(),
            why: String::new(),
        };
        self.give(
            to,
            Input::Coordinator(FromCoordinator::Assign(Box::new(assign))),
        );
    }

    pub fn entry(&self, sequence: u64, bytes: &Bytes) -> SignedEntry {
        let tree = SegmentTree::new(bytes).unwrap();
        let date = self.now.unix_seconds();
        self.stream.sign(Entry {
            segment: key(sequence),
            discontinuity: 0,
            length: tree.length(),
            root: tree.root(),
            path: path(sequence),
            issued: date,
            expires: date.plus(3600),
        })
    }

    /// The waypoint has fetched and signed a segment.
    pub fn publish(&mut self, waypoint: At, sequence: u64) {
        let bytes = media(sequence);
        let tree = SegmentTree::new(&bytes).unwrap();
        let chunks =
            (0..chunk_count(tree.length())).map(|index| tree.chunk(&bytes, index).unwrap());
        let attested = Input::Attested {
            entry: self.entry(sequence, &bytes),
            chunks: chunks.collect(),
        };
        self.give(waypoint, attested);
    }
}
