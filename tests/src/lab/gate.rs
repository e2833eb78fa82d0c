//! What stands between a site and the rest of the world: nothing, a firewall or a NAT, in the
//! terms of RFC 4787 (UDP) and RFC 5382 (TCP).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::packet::{Flow, Packet, Transport};

/// Which packets of one inside address share an outside address (RFC 4787 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// Addresses are not translated.
    None,
    /// All of them, wherever they go. The port is kept where it is free (REQ-3).
    EndpointIndependent,
    /// Those that go to one host. Ports are drawn anew.
    AddressDependent,
    /// Those that go to one port of one host. Ports are drawn anew.
    AddressAndPortDependent,
}

/// Whose packets are let in to an inside address that has sent something (RFC 4787 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filtering {
    /// Everybody's, whether it has sent anything or not.
    None,
    /// Everybody's.
    EndpointIndependent,
    /// Those of hosts that it has sent something to.
    AddressDependent,
    /// Those of ports that it has sent something to.
    AddressAndPortDependent,
}

/// How long what was sent is remembered: the least that RFC 4787 (REQ-5) and RFC 5382 (REQ-5) allow.
const UDP_REMEMBERED: Duration = Duration::from_secs(120);
const TCP_REMEMBERED: Duration = Duration::from_secs(2 * 3600 + 4 * 60);
/// Ports that are drawn.
const FIRST_DRAWN: u16 = 40_000;
/// Most mappings at a time; beyond it nothing new gets out.
const MAX_MAPPINGS: usize = 10_000;

/// The gate of a site. Packets in, packets out; time is an argument.
#[derive(Clone, Debug)]
pub struct Gate {
    mapping: Mapping,
    filtering: Filtering,
    outside: Option<Ipv4Addr>,
    lets_udp_pass: bool,
    /// Ports that lead in, whoever asks: forwarded by a NAT, opened in a firewall.
    forwarded: BTreeMap<u16, SocketAddr>,
    /// By transport, inside address, and as much of the target as the mapping depends on.
    bindings: BTreeMap<(Transport, SocketAddr, Target), Binding>,
    /// Transport and outside address of each binding, back to its key.
    back: BTreeMap<(Transport, SocketAddr), (SocketAddr, Target)>,
    drawn: u16,
}

/// The part of a target that counts.
type Target = (Option<IpAddr>, Option<u16>);

#[derive(Clone, Debug)]
struct Binding {
    outside: SocketAddr,
    /// Only what is sent out keeps it alive (RFC 4787 REQ-6).
    sent: Duration,
    sent_to: BTreeSet<SocketAddr>,
}

impl Gate {
    /// No gate: everybody gets in and out.
    pub fn open() -> Self {
        Self::new(Mapping::None, Filtering::None, None)
    }

    /// A firewall without translation: in comes only what answers something.
    pub fn firewall() -> Self {
        Self::new(Mapping::None, Filtering::AddressAndPortDependent, None)
    }

    /// A NAT with this address.
    pub fn nat(mapping: Mapping, filtering: Filtering, outside: Ipv4Addr) -> Self {
        Self::new(mapping, filtering, Some(outside))
    }

    fn new(mapping: Mapping, filtering: Filtering, outside: Option<Ipv4Addr>) -> Self {
        Self {
            mapping,
            filtering,
            outside,
            lets_udp_pass: true,
            forwarded: BTreeMap::new(),
            bindings: BTreeMap::new(),
            back: BTreeMap::new(),
            drawn: FIRST_DRAWN,
        }
    }

    /// The same gate, which lets no UDP pass in either direction.
    #[must_use]
    pub fn without_udp(mut self) -> Self {
        self.lets_udp_pass = false;
        self
    }

    /// Has `port` lead in to `inside`, and what comes from there go out by it.
    pub fn forward(&mut self, port: u16, inside: SocketAddr) {
        self.forwarded.insert(port, inside);
    }

    /// The address under which the whole site is seen, if it is translated.
    pub fn outside(&self) -> Option<IpAddr> {
        self.outside.map(IpAddr::V4)
    }

    /// A packet on its way out, as the world sees it; `None` if it does not get out.
    pub fn outbound(&mut self, packet: Packet, now: Duration) -> Option<Packet> {
        let flow = packet.flow();
        if !self.passes(flow.transport) {
            return None;
        }
        let source = self.source(flow, now)?;
        packet.readdressed(source, flow.to)
    }

    /// A packet on its way in, as the host sees it; `None` if it does not get in.
    pub fn inbound(&mut self, packet: Packet, now: Duration) -> Option<Packet> {
        let flow = packet.flow();
        if !self.passes(flow.transport) {
            return None;
        }
        let target = self.target(flow, now)?;
        packet.readdressed(flow.from, target)
    }

    fn passes(&self, transport: Transport) -> bool {
        transport != Transport::Udp || self.lets_udp_pass
    }

    fn source(&mut self, flow: Flow, now: Duration) -> Option<SocketAddr> {
        self.forget(now);
        let forwarded = self
            .forwarded
            .iter()
            .find(|(_, inside)| **inside == flow.from);
        if let (Some((port, _)), Some(outside)) = (forwarded, self.outside()) {
            return Some(SocketAddr::new(outside, *port));
        }
        let key = (flow.transport, flow.from, self.depends_on(flow.to));
        if !self.bindings.contains_key(&key) {
            let outside = self.bind(flow)?;
            self.back.insert((flow.transport, outside), (key.1, key.2));
            let binding = Binding {
                outside,
                sent: now,
                sent_to: BTreeSet::new(),
            };
            self.bindings.insert(key, binding);
        }
        let binding = self.bindings.get_mut(&key)?;
        binding.sent = now;
        binding.sent_to.insert(flow.to);
        Some(binding.outside)
    }

    fn target(&mut self, flow: Flow, now: Duration) -> Option<SocketAddr> {
        self.forget(now);
        if let Some(inside) = self.forwarded.get(&flow.to.port()) {
            let is_meant = self.outside.is_some() || *inside == flow.to;
            return is_meant.then_some(*inside);
        }
        if self.filtering == Filtering::None {
            return Some(flow.to);
        }
        let (inside, target) = *self.back.get(&(flow.transport, flow.to))?;
        let binding = self.bindings.get(&(flow.transport, inside, target))?;
        let mut sent_to = binding.sent_to.iter();
        let is_let_in = match self.filtering {
            Filtering::None | Filtering::EndpointIndependent => true,
            Filtering::AddressDependent => sent_to.any(|one| one.ip() == flow.from.ip()),
            Filtering::AddressAndPortDependent => sent_to.any(|one| *one == flow.from),
        };
        is_let_in.then_some(inside)
    }

    fn depends_on(&self, target: SocketAddr) -> Target {
        match self.mapping {
            Mapping::None | Mapping::EndpointIndependent => (None, None),
            Mapping::AddressDependent => (Some(target.ip()), None),
            Mapping::AddressAndPortDependent => (Some(target.ip()), Some(target.port())),
        }
    }

    /// An outside address for a new mapping; `None` if there is none left.
    fn bind(&mut self, flow: Flow) -> Option<SocketAddr> {
        if self.bindings.len() >= MAX_MAPPINGS {
            return None;
        }
        let Some(outside) = self.outside() else {
            return Some(flow.from);
        };
        let at = |port| SocketAddr::new(outside, port);
        let is_free = |port: u16| {
            !self.back.contains_key(&(flow.transport, at(port)))
                && !self.forwarded.contains_key(&port)
        };
        let own = flow.from.port();
        if self.mapping == Mapping::EndpointIndependent && is_free(own) {
            return Some(at(own));
        }
        let port = (self.drawn..=u16::MAX)
            .chain(FIRST_DRAWN..self.drawn)
            .find(|port| is_free(*port))?;
        self.drawn = port.checked_add(1).unwrap_or(FIRST_DRAWN);
        Some(at(port))
    }

    fn forget(&mut self, now: Duration) {
        let back = &mut self.back;
        self.bindings.retain(|(transport, _, _), binding| {
            let remembered = match transport {
                Transport::Udp => UDP_REMEMBERED,
                Transport::Tcp => TCP_REMEMBERED,
            };
            let stays = now.saturating_sub(binding.sent) < remembered;
            if !stays {
                back.remove(&(*transport, binding.outside));
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests;
