//! The four classical NATs and their relatives, packet by packet.

use super::super::packet::tests::udp;
use super::*;

const NOW: Duration = Duration::from_secs(1000);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(198, 18, 7, 1);
const INSIDE: &str = "192.168.7.2:5000";
const SERVER: &str = "198.18.1.1:443";
const SAME_HOST: &str = "198.18.1.1:9";
const STRANGER: &str = "198.18.2.1:443";

fn nat(mapping: Mapping, filtering: Filtering) -> Gate {
    Gate::nat(mapping, filtering, OUTSIDE)
}

/// What the world sees as the sender.
fn sent(gate: &mut Gate, from: &str, to: &str, now: Duration) -> Option<String> {
    let packet = gate.outbound(udp(from, to, b"x"), now)?;
    assert_eq!(packet.flow().to.to_string(), to);
    Some(packet.flow().from.to_string())
}

/// Whom a packet reaches.
fn got(gate: &mut Gate, from: &str, to: &str, now: Duration) -> Option<String> {
    let packet = gate.inbound(udp(from, to, b"x"), now)?;
    assert_eq!(packet.flow().from.to_string(), from);
    Some(packet.flow().to.to_string())
}

#[test]
fn the_four_classical_kinds_let_in_whom_they_are_known_to_let_in() {
    use Filtering::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
    let cone = Mapping::EndpointIndependent;
    let symmetric = Mapping::AddressAndPortDependent;
    for (mapping, filtering, same_host, stranger) in [
        (cone, EndpointIndependent, true, true),
        (cone, AddressDependent, true, false),
        (cone, AddressAndPortDependent, false, false),
        (symmetric, AddressAndPortDependent, false, false),
    ] {
        let mut gate = nat(mapping, filtering);
        assert_eq!(
            got(&mut gate, SERVER, "198.18.7.1:5000", NOW),
            None,
            "unasked"
        );
        let seen = sent(&mut gate, INSIDE, SERVER, NOW).unwrap();
        let mut lets_in = |from| got(&mut gate, from, &seen, NOW).as_deref() == Some(INSIDE);
        let found = (lets_in(SERVER), lets_in(SAME_HOST), lets_in(STRANGER));
        assert_eq!(
            found,
            (true, same_host, stranger),
            "{mapping:?} {filtering:?}"
        );
    }
}

#[test]
fn a_mapping_depends_on_as_much_of_the_target_as_it_says() {
    for (mapping, by_port, by_host) in [
        (Mapping::EndpointIndependent, false, false),
        (Mapping::AddressDependent, false, true),
        (Mapping::AddressAndPortDependent, true, true),
    ] {
        let mut gate = nat(mapping, Filtering::AddressAndPortDependent);
        let one = sent(&mut gate, INSIDE, SERVER, NOW);
        assert_eq!(sent(&mut gate, INSIDE, SERVER, NOW), one, "the same again");
        assert_eq!(
            sent(&mut gate, INSIDE, SAME_HOST, NOW) != one,
            by_port,
            "{mapping:?}"
        );
        assert_eq!(
            sent(&mut gate, INSIDE, STRANGER, NOW) != one,
            by_host,
            "{mapping:?}"
        );
    }
}

#[test]
fn a_cone_keeps_the_port_unless_somebody_else_has_it() {
    let mut gate = nat(Mapping::EndpointIndependent, Filtering::EndpointIndependent);
    assert_eq!(
        sent(&mut gate, INSIDE, SERVER, NOW).unwrap(),
        "198.18.7.1:5000"
    );
    let other = sent(&mut gate, "192.168.7.3:5000", SERVER, NOW).unwrap();
    assert_ne!(other, "198.18.7.1:5000");
    assert_eq!(
        got(&mut gate, SERVER, &other, NOW).unwrap(),
        "192.168.7.3:5000"
    );
}

#[test]
fn only_what_is_sent_keeps_a_mapping_alive() {
    let mut gate = nat(Mapping::EndpointIndependent, Filtering::EndpointIndependent);
    let seen = sent(&mut gate, INSIDE, SERVER, NOW).unwrap();
    let later = NOW + Duration::from_secs(100);
    assert!(got(&mut gate, STRANGER, &seen, later).is_some());
    let over = NOW + Duration::from_secs(121);
    assert_eq!(got(&mut gate, STRANGER, &seen, over), None);
    sent(&mut gate, INSIDE, SERVER, over).unwrap();
    assert!(got(&mut gate, STRANGER, &seen, over).is_some());
}

#[test]
fn a_forwarded_port_leads_in_whatever_the_kind() {
    for mapping in [
        Mapping::EndpointIndependent,
        Mapping::AddressAndPortDependent,
    ] {
        let mut gate = nat(mapping, Filtering::AddressAndPortDependent);
        gate.forward(5000, INSIDE.parse().unwrap());
        assert_eq!(
            got(&mut gate, STRANGER, "198.18.7.1:5000", NOW).unwrap(),
            INSIDE
        );
        let answer = sent(&mut gate, INSIDE, STRANGER, NOW).unwrap();
        assert_eq!(answer, "198.18.7.1:5000");
        assert_eq!(got(&mut gate, STRANGER, "198.18.7.1:5001", NOW), None);
    }
}

#[test]
fn a_firewall_translates_nothing_and_lets_in_answers_only() {
    for (inside, server, stranger) in [
        ("198.18.7.1:5000", SERVER, STRANGER),
        (
            "[2001:db8:7::1]:5000",
            "[2001:db8:1::1]:443",
            "[2001:db8:2::1]:443",
        ),
    ] {
        let mut gate = Gate::firewall();
        assert_eq!(got(&mut gate, server, inside, NOW), None);
        assert_eq!(sent(&mut gate, inside, server, NOW).unwrap(), inside);
        assert_eq!(got(&mut gate, server, inside, NOW).unwrap(), inside);
        assert_eq!(got(&mut gate, stranger, inside, NOW), None);
        gate.forward(5000, inside.parse().unwrap());
        assert_eq!(got(&mut gate, stranger, inside, NOW).unwrap(), inside);
    }
}

#[test]
fn without_udp_nothing_passes_and_without_a_gate_everything_does() {
    let mut shut = Gate::open().without_udp();
    assert_eq!(sent(&mut shut, STRANGER, SERVER, NOW), None);
    assert_eq!(got(&mut shut, SERVER, STRANGER, NOW), None);
    let mut open = Gate::open();
    assert_eq!(sent(&mut open, STRANGER, SERVER, NOW).unwrap(), STRANGER);
    assert_eq!(got(&mut open, SERVER, STRANGER, NOW).unwrap(), STRANGER);
}

#[test]
fn whoever_has_no_port_left_gets_nothing_out() {
    let mut gate = nat(
        Mapping::AddressAndPortDependent,
        Filtering::AddressAndPortDependent,
    );
    let mut mapped = 0;
    for number in 0..MAX_MAPPINGS + 10 {
        let target = format!("198.18.{}.{}:7", number / 250, number % 250 + 1);
        mapped += usize::from(sent(&mut gate, INSIDE, &target, NOW).is_some());
    }
    assert_eq!(mapped, MAX_MAPPINGS);
}
