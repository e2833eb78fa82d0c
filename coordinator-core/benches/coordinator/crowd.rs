//! The audience as the control center sees it: who they are, and what each one says.

use core::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use ipnet::Ipv4Net;
use runnel_coordinator_core::{Admits, GroupTerms, SessionId};
use runnel_protocol::control::{
    Assign, ClientHello, ContentReport, Heartbeat, Implementation, ParentReport, Platform,
};
use runnel_protocol::group::Strangers;
use runnel_protocol::ids::{CertificateHash, ContentId, PeerId, PublicKey, TrackId};
use runnel_protocol::segment::Substream;
use runnel_protocol::signature::Signature;
use runnel_protocol::units::BitsPerSecond;

/// What everybody plays at.
pub(crate) const RATE: BitsPerSecond = BitsPerSecond::from_kilobits(2000);
/// Share of agents, in percent.
const AGENTS: usize = 12;
/// Peers that share a /24.
const NEIGHBOURS: usize = 128;
/// Where the networks begin.
const NETWORKS: u32 = 0x1400_0000;
/// Uplink of an agent in rates.
const AGENT_UPLINK: u64 = 3;
/// Uplink of the waypoint in rates.
const WAYPOINT_UPLINK: u64 = 10;
/// Parents that a heartbeat reports on.
const MAX_PARENTS: usize = 4;

/// What one of the crowd remembers; its place in the crowd is its session.
#[derive(Clone, Copy)]
pub(crate) struct Person {
    parents: [PeerId; MAX_PARENTS],
    count: u8,
    pub(crate) pushed: bool,
    sequence: u32,
}

pub(crate) struct Crowd {
    pub(crate) people: Vec<Person>,
    pub(crate) content: ContentId,
}

/// The waypoint comes first, the others follow.
pub(crate) const WAYPOINT: usize = 0;

pub(crate) fn session(place: usize) -> SessionId {
    SessionId(place as u64 + 1)
}

pub(crate) fn place(session: SessionId) -> usize {
    session.0 as usize - 1
}

fn key(place: usize) -> PublicKey {
    let mut key = [7; 32];
    key[..8].copy_from_slice(&(place as u64).to_le_bytes());
    PublicKey(key)
}

impl Crowd {
    pub(crate) fn new(size: usize, content: ContentId) -> Self {
        let person = Person {
            parents: [PeerId([1; 16]); MAX_PARENTS],
            count: 0,
            pushed: false,
            sequence: 0,
        };
        Self {
            people: vec![person; size],
            content,
        }
    }

    /// Agents run already when the others come.
    pub(crate) fn is_agent(&self, place: usize) -> bool {
        place < self.people.len() * AGENTS / 100
    }

    /// Agents and pages are mixed in each network.
    pub(crate) fn address(&self, place: usize) -> IpAddr {
        let networks = self.people.len().div_ceil(NEIGHBOURS);
        let (network, host) = (place % networks, place / networks);
        let bits = NETWORKS + ((network as u32) << 8) + host as u32 + 1;
        IpAddr::V4(Ipv4Addr::from_bits(bits))
    }

    /// So many groups that turn to strangers last: each has every other network, or pair of networks, and so on.
    pub(crate) fn groups(&self, count: u8) -> Result<Vec<GroupTerms>> {
        let networks = u32::try_from(self.people.len().div_ceil(NEIGHBOURS))?;
        let group = |bit: u8| {
            let members = (1u32 << bit..networks).step_by(2 << bit);
            let range = |network: u32| {
                let first = Ipv4Addr::from_bits(NETWORKS + (network << 8));
                Ok(Admits::Range(Ipv4Net::new(first, 24 - bit)?.into()))
            };
            Ok(GroupTerms {
                id: format!("group-{bit}"),
                name: format!("Group {bit}"),
                strangers: Strangers::Last,
                founder: None,
                admits: members.map(range).collect::<Result<_>>()?,
                invites: Vec::new(),
            })
        };
        (0..count).map(group).collect()
    }

    /// What one says first.
    pub(crate) fn hello(&self, place: usize) -> ClientHello {
        let agent = self.is_agent(place);
        let platform = if agent {
            Platform::Native
        } else {
            Platform::Browser
        };
        let rates = match (place, agent) {
            (WAYPOINT, _) => WAYPOINT_UPLINK,
            (_, true) => AGENT_UPLINK,
            (_, false) => 0,
        };
        let only_agents = usize::from(agent);
        ClientHello {
            key: key(place),
            signature: Signature([0; 64]),
            implementation: Implementation {
                version: "runnel 0.1.0".to_owned(),
                platform,
                accepts: agent,
            },
            endpoints: vec![(self.address(place), 4433).into(); only_agents],
            certificates: vec![CertificateHash(key(place).0); 2 * only_agents],
            uplink: BitsPerSecond(RATE.0 * rates),
            join_token: None,
        }
    }

    pub(crate) fn on_assign(&mut self, place: usize, assign: &Assign) {
        let person = &mut self.people[place];
        person.count = 0;
        for (slot, parent) in person.parents.iter_mut().zip(&assign.parents) {
            *slot = parent.contact.peer;
            person.count += 1;
        }
        let mut parents = assign.parents.iter();
        person.pushed = parents.any(|parent| !parent.substreams.is_empty());
    }

    /// A second of ordinary life, or one in which the first parent brought nothing.
    pub(crate) fn heartbeat(&mut self, place: usize, dry: bool) -> Heartbeat {
        let content = self.content;
        let person = &mut self.people[place];
        person.sequence += 1;
        let number = u64::from(person.sequence);
        let parents = &person.parents[..usize::from(person.count)];
        let report = |(at, peer): (usize, &PeerId)| ParentReport {
            peer: *peer,
            content,
            received: if dry && at == 0 { 0 } else { 120_000 },
            wasted: 0,
            sequence_numbers: (0..2).map(|stripe| (Substream(stripe), number)).collect(),
            late: dry && at == 0,
        };
        Heartbeat {
            sequence: person.sequence,
            covers_ms: 1000,
            parents: parents.iter().enumerate().map(report).collect(),
            contents: vec![ContentReport {
                content,
                live: true,
                tracks: vec![(TrackId([3; 16]), number)],
                rate: RATE,
                from_peers: 240_000,
                from_waypoints: 0,
                from_cdn: 10_000,
                buffer_ms: Some(4000),
                stalls: 0,
                ladder: Vec::new(),
            }],
            ..Heartbeat::default()
        }
    }
}
