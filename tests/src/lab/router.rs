//! The world between the sites: every packet goes through its sender's gate and line, and through
//! its receiver's line and gate. A plain state machine in virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::gate::Gate;
use super::packet::Packet;
use super::pipe::{Line, Pipe};

/// A site in the order in which it was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SiteId(usize);

/// A host in the order in which it was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostId(pub(super) usize);

/// What became of all packets so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// They arrived.
    pub arrived: u64,
    /// A gate did not let them out, or in.
    pub stopped: u64,
    /// The line lost them, or had no room.
    pub lost: u64,
    /// They went to nobody.
    pub astray: u64,
}

struct Site {
    gate: Gate,
    up: Pipe,
    down: Pipe,
}

/// Where a packet under way is next.
enum Stage {
    /// It has left its sender's line.
    Between,
    /// It has come through the line of this site.
    At(SiteId),
}

/// All sites and hosts, and what is under way between them.
#[derive(Default)]
pub struct Router {
    sites: Vec<Site>,
    hosts: Vec<SiteId>,
    /// Who has which address within a site.
    inside: BTreeMap<(SiteId, IpAddr), HostId>,
    /// Which site is seen under which address.
    outside: BTreeMap<IpAddr, SiteId>,
    /// By the time at which something happens to them, and in the order in which they came.
    under_way: BTreeMap<(Duration, u64), (Stage, Packet)>,
    count: u64,
    arrived: VecDeque<(HostId, Packet)>,
    tally: Tally,
}

impl Router {
    /// Adds a site; what its line loses follows from the seed.
    pub fn add_site(&mut self, gate: Gate, line: Line, seed: u64) -> SiteId {
        let id = SiteId(self.sites.len());
        if let Some(outside) = gate.outside() {
            self.outside.insert(outside, id);
        }
        self.sites.push(Site {
            gate,
            up: Pipe::new(line, seed),
            down: Pipe::new(line, !seed),
        });
        id
    }

    /// Adds a host to a site. Where the site is not translated, everybody can address it.
    pub fn add_host(&mut self, site: SiteId, addresses: &[IpAddr]) -> HostId {
        let id = HostId(self.hosts.len());
        self.hosts.push(site);
        for address in addresses {
            self.inside.insert((site, *address), id);
            if self.sites[site.0].gate.outside().is_none() {
                self.outside.insert(*address, site);
            }
        }
        id
    }

    /// What has become of packets so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// A host sends a packet.
    pub fn handle_packet(&mut self, from: HostId, packet: Packet, now: Duration) {
        let site = self.hosts[from.0];
        if let Some(host) = self.inside.get(&(site, packet.flow().to.ip())) {
            self.arrived.push_back((*host, packet));
            return;
        }
        let Site { gate, up, .. } = &mut self.sites[site.0];
        let Some(packet) = gate.outbound(packet, now) else {
            self.tally.stopped += 1;
            return;
        };
        let due = up.accept(packet.length(), now);
        self.send(due, Stage::Between, packet);
    }

    /// Time has come to this.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some(entry) = self.under_way.first_entry() {
            let (due, _) = *entry.key();
            if due > now {
                break;
            }
            match entry.remove() {
                (Stage::Between, packet) => self.cross(packet, due),
                (Stage::At(site), packet) => self.enter(site, packet, due),
            }
        }
    }

    /// The next packet that has arrived, and at whom.
    pub fn poll_packet(&mut self) -> Option<(HostId, Packet)> {
        let next = self.arrived.pop_front();
        self.tally.arrived += u64::from(next.is_some());
        next
    }

    /// When [`Self::handle_timeout`] is wanted next.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.under_way.first_key_value().map(|((due, _), _)| *due)
    }

    fn cross(&mut self, packet: Packet, now: Duration) {
        let Some(site) = self.outside.get(&packet.flow().to.ip()).copied() else {
            self.tally.astray += 1;
            return;
        };
        let due = self.sites[site.0].down.accept(packet.length(), now);
        self.send(due, Stage::At(site), packet);
    }

    fn enter(&mut self, site: SiteId, packet: Packet, now: Duration) {
        let Some(packet) = self.sites[site.0].gate.inbound(packet, now) else {
            self.tally.stopped += 1;
            return;
        };
        match self.inside.get(&(site, packet.flow().to.ip())) {
            Some(host) => self.arrived.push_back((*host, packet)),
            None => self.tally.astray += 1,
        }
    }

    fn send(&mut self, due: Option<Duration>, stage: Stage, packet: Packet) {
        let Some(due) = due else {
            self.tally.lost += 1;
            return;
        };
        self.count += 1;
        self.under_way.insert((due, self.count), (stage, packet));
    }
}

#[cfg(test)]
mod tests {
    use super::super::gate::{Filtering, Mapping};
    use super::super::packet::tests::udp;
    use super::*;

    const START: Duration = Duration::from_secs(1);
    const HOME: &str = "192.168.7.2:5000";
    const SERVER: &str = "198.18.1.1:443";

    /// A server in the open and a host behind a port-restricted NAT.
    fn world(line: Line) -> (Router, HostId, HostId) {
        let mut router = Router::default();
        let open = router.add_site(Gate::open(), Line::IDEAL, 1);
        let (mapping, filtering) = (
            Mapping::EndpointIndependent,
            Filtering::AddressAndPortDependent,
        );
        let nat = Gate::nat(mapping, filtering, [198, 18, 7, 1].into());
        let home = router.add_site(nat, line, 2);
        let server = router.add_host(open, &[[198, 18, 1, 1].into()]);
        let host = router.add_host(home, &[[192, 168, 7, 2].into()]);
        router.add_host(home, &[[192, 168, 7, 3].into()]);
        (router, server, host)
    }

    fn arrivals(router: &mut Router, until: Duration) -> Vec<(HostId, Packet)> {
        router.handle_timeout(until);
        std::iter::from_fn(|| router.poll_packet()).collect()
    }

    #[test]
    fn a_question_and_its_answer_cross_a_nat() {
        let (mut router, server, host) = world(Line::IDEAL);
        router.handle_packet(host, udp(HOME, SERVER, b"who?"), START);
        let question = udp("198.18.7.1:5000", SERVER, b"who?");
        assert_eq!(arrivals(&mut router, START), [(server, question)]);
        router.handle_packet(server, udp(SERVER, "198.18.7.1:5000", b"me"), START);
        let answer = udp(SERVER, HOME, b"me");
        assert_eq!(arrivals(&mut router, START), [(host, answer)]);
        router.handle_packet(server, udp("198.18.1.1:9", "198.18.7.1:5000", b"x"), START);
        assert_eq!(arrivals(&mut router, START), []);
        assert_eq!(router.tally().stopped, 1);
    }

    #[test]
    fn a_private_address_leads_nowhere_from_outside_and_to_the_neighbour_from_inside() {
        let (mut router, server, host) = world(Line::HOME);
        router.handle_packet(server, udp(SERVER, HOME, b"x"), START);
        assert_eq!(arrivals(&mut router, START), []);
        assert_eq!(router.tally().astray, 1);
        let hello = udp(HOME, "192.168.7.3:1", b"hello");
        router.handle_packet(host, hello.clone(), START);
        assert_eq!(arrivals(&mut router, START), [(HostId(2), hello)]);
    }

    #[test]
    fn a_line_takes_its_time_in_each_direction() {
        let line = Line {
            rate: None,
            lost_per_mille: 0,
            ..Line::HOME
        };
        let (mut router, server, host) = world(line);
        router.handle_packet(host, udp(HOME, SERVER, b"who?"), START);
        assert_eq!(arrivals(&mut router, START + Duration::from_millis(19)), []);
        let there = router.poll_timeout().unwrap();
        assert_eq!(there, START + Duration::from_millis(20));
        assert_eq!(arrivals(&mut router, there).len(), 1);
        router.handle_packet(server, udp(SERVER, "198.18.7.1:5000", b"me"), there);
        assert_eq!(arrivals(&mut router, there), []);
        assert_eq!(arrivals(&mut router, there * 2).len(), 1);
        assert_eq!(router.poll_timeout(), None);
    }
}
