//! IP packets with a port at either end: read, and given other ends.

use std::net::{IpAddr, SocketAddr};

use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket, UdpPacket};

/// What carries the ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// RFC 768.
    Udp,
    /// RFC 9293.
    Tcp,
}

/// From where to where a packet goes, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// UDP or TCP.
    pub transport: Transport,
    /// Who sent it.
    pub from: SocketAddr,
    /// Who is to get it.
    pub to: SocketAddr,
}

/// A whole IPv4 or IPv6 packet of UDP or TCP. Nothing else crosses the laboratory: neither ICMP nor
/// fragments nor IPv6 extension headers, none of which the programs under test need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    bytes: Vec<u8>,
    flow: Flow,
}

impl Packet {
    /// Takes what a host has sent; `None` for what does not cross.
    pub fn parse(bytes: Vec<u8>) -> Option<Self> {
        let flow = flow(&bytes)?;
        Some(Self { bytes, flow })
    }

    /// Its two ends.
    pub fn flow(&self) -> Flow {
        self.flow
    }

    /// Bytes on the wire.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// As it goes to a host.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The same packet with other ends of the same family; `None` if they are of another one.
    pub fn readdressed(mut self, from: SocketAddr, to: SocketAddr) -> Option<Self> {
        self.flow = Flow {
            from,
            to,
            ..self.flow
        };
        match (from.ip(), to.ip()) {
            (IpAddr::V4(source), IpAddr::V4(target)) => {
                let mut packet = Ipv4Packet::new_checked(&mut self.bytes[..]).ok()?;
                packet.set_src_addr(source);
                packet.set_dst_addr(target);
                packet.fill_checksum();
                rewrite(packet.payload_mut(), self.flow)?;
            }
            (IpAddr::V6(source), IpAddr::V6(target)) => {
                let mut packet = Ipv6Packet::new_checked(&mut self.bytes[..]).ok()?;
                packet.set_src_addr(source);
                packet.set_dst_addr(target);
                rewrite(packet.payload_mut(), self.flow)?;
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
        }
        Some(self)
    }
}

fn flow(bytes: &[u8]) -> Option<Flow> {
    let (protocol, source, target, payload) = match bytes.first()? >> 4 {
        4 => {
            let packet = Ipv4Packet::new_checked(bytes).ok()?;
            if packet.more_frags() || packet.frag_offset() != 0 {
                return None;
            }
            let ends = (packet.src_addr().into(), packet.dst_addr().into());
            (packet.next_header(), ends.0, ends.1, packet.payload())
        }
        6 => {
            let packet = Ipv6Packet::new_checked(bytes).ok()?;
            let ends = (packet.src_addr().into(), packet.dst_addr().into());
            (packet.next_header(), ends.0, ends.1, packet.payload())
        }
        _ => return None,
    };
    let (transport, from, to) = ports(protocol, payload)?;
    Some(Flow {
        transport,
        from: SocketAddr::new(source, from),
        to: SocketAddr::new(target, to),
    })
}

fn ports(protocol: IpProtocol, payload: &[u8]) -> Option<(Transport, u16, u16)> {
    if protocol == IpProtocol::Udp {
        let packet = UdpPacket::new_checked(payload).ok()?;
        Some((Transport::Udp, packet.src_port(), packet.dst_port()))
    } else if protocol == IpProtocol::Tcp {
        let packet = TcpPacket::new_checked(payload).ok()?;
        Some((Transport::Tcp, packet.src_port(), packet.dst_port()))
    } else {
        None
    }
}

/// Ports and checksum: the latter covers the addresses as well.
fn rewrite(payload: &mut [u8], flow: Flow) -> Option<()> {
    let ends: (IpAddress, IpAddress) = (flow.from.ip().into(), flow.to.ip().into());
    match flow.transport {
        Transport::Udp => {
            let mut packet = UdpPacket::new_checked(payload).ok()?;
            packet.set_src_port(flow.from.port());
            packet.set_dst_port(flow.to.port());
            packet.fill_checksum(&ends.0, &ends.1);
        }
        Transport::Tcp => {
            let mut packet = TcpPacket::new_checked(payload).ok()?;
            packet.set_src_port(flow.from.port());
            packet.set_dst_port(flow.to.port());
            packet.fill_checksum(&ends.0, &ends.1);
        }
    }
    Some(())
}

#[cfg(test)]
pub(in crate::lab) mod tests {
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{IpRepr, UdpRepr};

    use super::*;

    /// A UDP packet with this payload.
    pub(in crate::lab) fn udp(from: &str, to: &str, payload: &[u8]) -> Packet {
        let (from, to): (SocketAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
        let udp = UdpRepr {
            src_port: from.port(),
            dst_port: to.port(),
        };
        let ends: (IpAddress, IpAddress) = (from.ip().into(), to.ip().into());
        let length = udp.header_len() + payload.len();
        let ip = IpRepr::new(ends.0, ends.1, IpProtocol::Udp, length, 64);
        let mut bytes = vec![0; ip.buffer_len()];
        let checksums = ChecksumCapabilities::default();
        ip.emit(&mut bytes, &checksums);
        udp.emit(
            &mut UdpPacket::new_unchecked(&mut bytes[ip.header_len()..]),
            &ends.0,
            &ends.1,
            payload.len(),
            |room| room.copy_from_slice(payload),
            &checksums,
        );
        Packet::parse(bytes).unwrap()
    }

    #[test]
    fn a_packet_with_other_ends_is_the_one_that_would_have_been_sent_from_there() {
        for (from, to, others) in [
            (
                "10.0.0.1:1000",
                "198.18.1.1:443",
                ("198.18.2.1:7", "198.18.3.1:8"),
            ),
            (
                "[fd00::1]:1000",
                "[2001:db8::1]:443",
                ("[2001:db8::2]:7", "[2001:db8::3]:8"),
            ),
        ] {
            let packet = udp(from, to, b"hello");
            let ends = (others.0.parse().unwrap(), others.1.parse().unwrap());
            let changed = packet.readdressed(ends.0, ends.1).unwrap();
            assert_eq!(changed, udp(others.0, others.1, b"hello"));
        }
    }

    #[test]
    fn what_is_neither_udp_nor_tcp_does_not_cross() {
        let mut ping = udp("10.0.0.1:1", "10.0.0.2:2", b"").into_bytes();
        ping[9] = 1;
        assert_eq!(Packet::parse(ping), None);
        assert_eq!(Packet::parse(vec![0x45; 3]), None);
        assert_eq!(Packet::parse(Vec::new()), None);
    }
}
