//! Where the router of this network is, and the address at which it knows this machine.

use std::net::{IpAddr, Ipv4Addr};

use crate::addresses::{is_private, outward_v4};

/// A machine behind a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) router: Ipv4Addr,
    pub(super) own: Ipv4Addr,
}

/// Why no router can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Nowhere {
    /// No default route, or none by way of a router.
    #[error("no router is to be seen: this machine has no IPv4 address with a default gateway")]
    NoRouter,
    /// Nothing that a router forwards would arrive.
    #[error(
        "the agent listens on {0} only: have it listen on [::], or on an address that the router knows"
    )]
    Listening(IpAddr),
    /// Nothing is translated.
    #[error(
        "none has to: {0} is a public address; if others cannot connect, open the port in the firewall"
    )]
    Public(Ipv4Addr),
}

/// Finds it, for an agent that listens there.
pub(super) async fn find(listening: IpAddr) -> Result<Place, Nowhere> {
    let own = own(listening.to_canonical())?;
    let found = tokio::task::spawn_blocking(move || router_of(own)).await;
    let router = found.ok().flatten().ok_or(Nowhere::NoRouter)?;
    Ok(Place { router, own })
}

/// This machine's address on the way to the world.
fn own(listening: IpAddr) -> Result<Ipv4Addr, Nowhere> {
    let own = match listening {
        IpAddr::V4(four) if !four.is_unspecified() => four,
        IpAddr::V6(six) if !six.is_unspecified() => return Err(Nowhere::Listening(listening)),
        IpAddr::V4(_) | IpAddr::V6(_) => outward_v4().ok_or(Nowhere::NoRouter)?,
    };
    if own.is_loopback() {
        return Err(Nowhere::Listening(listening));
    }
    if is_private(own.into()) {
        Ok(own)
    } else {
        Err(Nowhere::Public(own))
    }
}

/// The default gateway of the interface that has this address.
fn router_of(own: Ipv4Addr) -> Option<Ipv4Addr> {
    let interfaces = netdev::get_interfaces();
    let has_it = |one: &netdev::Interface| one.ipv4.iter().any(|net| net.addr() == own);
    let interface = interfaces.into_iter().find(has_it)?;
    interface.gateway?.ipv4.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_router_is_asked_to_forward_to_where_nothing_would_arrive() {
        for (listening, refused) in [
            ("127.0.0.1", Nowhere::Listening([127, 0, 0, 1].into())),
            ("::1", Nowhere::Listening("::1".parse().unwrap())),
            ("203.0.113.7", Nowhere::Public([203, 0, 113, 7].into())),
        ] {
            let found = find(listening.parse().unwrap()).await;
            assert_eq!(found, Err(refused));
        }
    }
}
