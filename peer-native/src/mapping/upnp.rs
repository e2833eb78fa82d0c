//! UPnP IGD, versions 1 and 2.
//!
//! The router is asked in person first: whoever else answers in this network is not heard. Routers that answer a
//! multicast only are asked so, and what another device says then is thrown away. `igd-next` follows the URLs of a
//! description to nowhere but the device that it came from, and bounds what it reads.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::num::NonZeroU16;
use std::time::Duration;

use igd_next::aio::Gateway;
use igd_next::aio::tokio::{Tokio, search_gateway};
use igd_next::{AddAnyPortError, AddPortError, PortMappingProtocol, SearchOptions};

use super::place::Place;
use super::refusal::Refusal;
use super::{LIFETIME, Mapped, Protocol};

/// For the search and all that follows.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// Where routers listen for searches (UPnP Device Architecture 1.1 §1.3).
const SSDP: u16 = 1900;
const MULTICAST: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
/// A device that is asked in person answers within a second, one that is asked with all others within three.
const IN_PERSON: Duration = Duration::from_secs(3);
const WITH_OTHERS: Duration = Duration::from_secs(6);
/// What stands in the router's list.
const DESCRIPTION: &str = "runnel-agent";

#[derive(Debug)]
pub(super) struct Forward {
    gateway: Gateway<Tokio>,
    inside: SocketAddr,
    outside: SocketAddrV4,
}

impl Forward {
    pub(super) async fn ask(place: Place, port: NonZeroU16) -> Result<Self, Refusal> {
        let gateway = search(place).await?;
        let address = address(&gateway).await?;
        let inside = SocketAddr::from((place.own, port.get()));
        let wanted = add(&gateway, port.get(), inside).await;
        let port = match wanted {
            Ok(()) => port.get(),
            Err(AddPortError::PortInUse) => add_any(&gateway, inside).await?,
            Err(AddPortError::OnlyPermanentLeasesSupported) => return Err(Refusal::ForGood),
            Err(why) => return Err(why.into()),
        };
        Ok(Self {
            gateway,
            inside,
            outside: SocketAddrV4::new(address, port),
        })
    }

    pub(super) async fn renew(&mut self) -> Result<(), Refusal> {
        add(&self.gateway, self.outside.port(), self.inside).await?;
        self.outside.set_ip(address(&self.gateway).await?);
        Ok(())
    }

    pub(super) async fn remove(self) -> Result<(), Refusal> {
        let port = self.outside.port();
        Ok(self
            .gateway
            .remove_port(PortMappingProtocol::UDP, port)
            .await?)
    }

    pub(super) fn mapped(&self) -> Mapped {
        Mapped {
            outside: self.outside,
            by: Protocol::Upnp,
            lifetime: LIFETIME,
        }
    }
}

/// The router's outside address, which it tells without forwarding anything.
pub(super) async fn outside(place: Place) -> Result<Ipv4Addr, Refusal> {
    address(&search(place).await?).await
}

async fn search(place: Place) -> Result<Gateway<Tokio>, Refusal> {
    let in_person = search_at(place, place.router, IN_PERSON).await;
    let found = match in_person {
        Ok(found) => found,
        Err(_) => search_at(place, MULTICAST, WITH_OTHERS).await?,
    };
    match found.addr.ip() {
        router if router == place.router => Ok(found),
        stranger => Err(Refusal::Stranger(stranger)),
    }
}

async fn search_at(
    place: Place,
    at: Ipv4Addr,
    patience: Duration,
) -> Result<Gateway<Tokio>, Refusal> {
    let mut options = SearchOptions::default();
    options.bind_addr = (place.own, 0).into();
    options.broadcast_address = (at, SSDP).into();
    options.timeout = Some(patience);
    options.single_search_timeout = Some(patience);
    Ok(search_gateway(options).await?)
}

async fn address(gateway: &Gateway<Tokio>) -> Result<Ipv4Addr, Refusal> {
    match gateway.get_external_ip().await? {
        IpAddr::V4(four) => Ok(four),
        six @ IpAddr::V6(_) => Err(Refusal::NotIpv4(six)),
    }
}

async fn add(gateway: &Gateway<Tokio>, port: u16, inside: SocketAddr) -> Result<(), AddPortError> {
    let asked = gateway.add_port(PortMappingProtocol::UDP, port, inside, lease(), DESCRIPTION);
    asked.await
}

async fn add_any(gateway: &Gateway<Tokio>, inside: SocketAddr) -> Result<u16, AddAnyPortError> {
    let asked = gateway.add_any_port(PortMappingProtocol::UDP, inside, lease(), DESCRIPTION);
    asked.await
}

/// Seconds.
fn lease() -> u32 {
    u32::try_from(LIFETIME.as_secs()).unwrap_or(u32::MAX)
}
