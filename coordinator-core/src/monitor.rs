//! The network's condition (N1): how much runs from where to where, and how much of it comes late,
//! by what heartbeats tell of each link (H4).
//!
//! A graph of four levels: clients behind addresses (NATs), those in networks, those in regions. Between
//! networks and between regions everything is counted; of clients and addresses only those are kept at
//! which something came late, since a million of them have nothing to tell.

mod edge;
mod fading;

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

pub(crate) use edge::Crossing;
use edge::Edge;

use crate::place::{Network, NetworkTable, Place, Region};

/// Most edges between networks; what runs over others is counted in one sum.
const MAX_BETWEEN: usize = 16_384;
/// Most clients, and most addresses, at which something came late.
const MAX_TROUBLED: usize = 4096;
/// Of edges that nothing runs over for this long nothing is known any more.
const FORGET_AFTER: Duration = Duration::from_secs(300);
/// For this long after the last evidence an edge counts as congested: nobody new is sent over it
/// meanwhile, so that it can recover, and then it is tried again.
const CONGESTED_FOR: Duration = Duration::from_secs(30);

/// Where a link begins: a parent's network and region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) network: Network,
    pub(crate) region: Region,
}

impl From<Place> for Origin {
    fn from(place: Place) -> Self {
        Self {
            network: place.network,
            region: place.region,
        }
    }
}

/// Where a link ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) address: IpAddr,
    pub(crate) place: Place,
}

/// An edge, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeSummary {
    /// What it leads to: `client`, `address`, `network` or `region`.
    pub level: &'static str,
    /// Where it begins.
    pub from: String,
    /// Where it ends.
    pub to: String,
    /// Bytes that ran over it since it was first seen, or since something came late there.
    pub bytes: u64,
    /// Bytes a second, on average over the last half minute.
    pub rate: u64,
    /// Of the chunks sent over it in that time, those that had not arrived a heartbeat later, in percent.
    pub late_percent: u8,
    /// Whether nobody new is sent over it.
    pub congested: bool,
}

/// What is known of the network's condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSummary {
    /// Bytes that peers and waypoints sent within networks, since the start.
    pub on_net: u64,
    /// The same from one network to another.
    pub off_net: u64,
    /// Of these, what ran over edges for which there was no room.
    pub untold: u64,
    /// Between regions, networks, addresses and clients, in that order, those that carry most first.
    pub edges: Vec<EdgeSummary>,
}

#[derive(Debug, Default)]
pub(crate) struct Monitor {
    networks: BTreeMap<(Network, Network), Edge>,
    regions: BTreeMap<(Region, Region), Edge>,
    addresses: BTreeMap<IpAddr, Edge>,
    clients: BTreeMap<PeerId, (IpAddr, Edge)>,
    /// Until when edges between networks count as congested.
    congested: BTreeMap<(Network, Network), Timestamp>,
    on_net: u64,
    off_net: u64,
    untold: u64,
}

impl Monitor {
    /// Takes in what a child says of one link.
    pub(crate) fn observe(&mut self, from: Origin, to: End, crossing: &Crossing, now: Timestamp) {
        let bytes = crossing.bytes;
        let way = (from.network, to.place.network);
        let sum = if way.0 == way.1 {
            &mut self.on_net
        } else {
            &mut self.off_net
        };
        *sum = sum.saturating_add(bytes);
        if self.networks.len() < MAX_BETWEEN || self.networks.contains_key(&way) {
            let edge = self.networks.entry(way).or_insert_with(|| Edge::new(now));
            edge.observe(crossing, now);
            // What happens within a network has many causes, and all of it is not one line.
            if way.0 != way.1 && crossing.late > 0 && edge.is_congested(now) {
                self.congested.insert(way, now + CONGESTED_FOR);
            }
        } else {
            self.untold = self.untold.saturating_add(bytes);
        }
        let way = (from.region, to.place.region);
        let edge = self.regions.entry(way).or_insert_with(|| Edge::new(now));
        edge.observe(crossing, now);
        self.observe_end(to, crossing, now);
    }

    fn observe_end(&mut self, to: End, crossing: &Crossing, now: Timestamp) {
        let troubled = crossing.late > 0;
        if !troubled && self.addresses.is_empty() {
            return;
        }
        if troubled && self.addresses.len() < MAX_TROUBLED {
            let edge = self.addresses.entry(to.address);
            edge.or_insert_with(|| Edge::new(now));
        }
        if troubled && self.clients.len() < MAX_TROUBLED {
            let edge = self.clients.entry(crossing.child);
            edge.or_insert_with(|| (to.address, Edge::new(now)));
        }
        if let Some(edge) = self.addresses.get_mut(&to.address) {
            edge.observe(crossing, now);
        }
        if let Some((_, edge)) = self.clients.get_mut(&crossing.child) {
            edge.observe(crossing, now);
        }
    }

    /// Of what runs from one network to another, how much comes late, in percent; `None` where the way is
    /// clear.
    pub(crate) fn congestion(&self, from: Network, to: Network, now: Timestamp) -> Option<u8> {
        // Almost always there is none, and this is asked of each candidate.
        if self.congested.is_empty() {
            return None;
        }
        let until = self.congested.get(&(from, to))?;
        let edge = self.networks.get(&(from, to)).filter(|_| now < *until)?;
        Some(edge.late_percent(now))
    }

    /// Edges that count as congested.
    pub(crate) fn congested(&self) -> usize {
        self.congested.len()
    }

    /// Bytes within networks, and between them.
    pub(crate) const fn totals(&self) -> (u64, u64) {
        (self.on_net, self.off_net)
    }

    /// Forgets what is long gone; true where an edge is free again.
    pub(crate) fn on_tick(&mut self, now: Timestamp) -> bool {
        let before = self.congested.len();
        self.congested.retain(|_, until| now < *until);
        let known = |edge: &Edge| !edge.is_quiet(FORGET_AFTER, now);
        self.networks.retain(|_, edge| known(edge));
        self.regions.retain(|_, edge| known(edge));
        self.addresses.retain(|_, edge| known(edge));
        self.clients.retain(|_, (_, edge)| known(edge));
        self.congested.len() < before
    }

    /// All that is known, for people.
    pub(crate) fn summary(&self, table: &NetworkTable, now: Timestamp) -> NetworkSummary {
        let name = |network: Network| table.name_of(network);
        let region = |region: Region| table.region_name(region);
        let networks = self.networks.iter().map(|((from, to), edge)| {
            let congested = self.congestion(*from, *to, now).is_some();
            edge.summary(("network", name(*from), name(*to)), congested, now)
        });
        let regions = self.regions.iter().map(|((from, to), edge)| {
            edge.summary(("region", region(*from), region(*to)), false, now)
        });
        let addresses = self.addresses.iter().map(|(address, edge)| {
            let network = name(table.place(*address).network);
            edge.summary(("address", network, address.to_string()), false, now)
        });
        let clients = self.clients.iter().map(|(client, (address, edge))| {
            let ends = ("client", address.to_string(), client.to_string());
            edge.summary(ends, false, now)
        });
        let levels: [Vec<EdgeSummary>; 4] = [
            regions.collect(),
            networks.collect(),
            addresses.collect(),
            clients.collect(),
        ];
        let sorted = levels.into_iter().flat_map(|mut level| {
            level.sort_by_key(|edge| core::cmp::Reverse(edge.bytes));
            level
        });
        NetworkSummary {
            on_net: self.on_net,
            off_net: self.off_net,
            untold: self.untold,
            edges: sorted.collect(),
        }
    }
}
