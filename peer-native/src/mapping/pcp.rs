//! PCP (RFC 6887) and NAT-PMP (RFC 6886), which share a port at the router.
//!
//! The socket is connected to the router: the system lets in no other's answers.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU16;
use std::time::Duration;

use crab_nat::{
    InternetProtocol, PortMapping, PortMappingOptions, PortMappingType, TimeoutConfig, natpmp, pcp,
};

use super::place::Place;
use super::refusal::Refusal;
use super::{LEAST_PAUSE, LIFETIME, Mapped, Protocol};

pub(crate) use crab_nat::pcp::Nonce;

/// Three packets in 1.75 s. The RFCs would go on for minutes; whoever is not answered within two asks by UPnP.
const TIMES: TimeoutConfig = TimeoutConfig {
    initial_timeout: Duration::from_millis(250),
    max_retries: 2,
    max_retry_timeout: None,
};

#[derive(Debug)]
pub(super) struct Forward {
    mapping: PortMapping,
    outside: Ipv4Addr,
}

impl Forward {
    pub(super) async fn ask(place: Place, port: NonZeroU16, nonce: Nonce) -> Result<Self, Refusal> {
        let base = pcp::BaseMapRequest::new(
            place.router.into(),
            place.own.into(),
            InternetProtocol::Udp,
            port,
        );
        let options = options(port);
        let mapping = match pcp::port_mapping(base, Some(nonce), None, options).await {
            Ok(mapping) => mapping,
            Err(why) if leaves_hope(&why) => {
                natpmp::port_mapping(place.router.into(), InternetProtocol::Udp, port, options)
                    .await?
            }
            Err(why) => return Err(why.into()),
        };
        Self::of(mapping).await
    }

    async fn of(mapping: PortMapping) -> Result<Self, Refusal> {
        // Half of it has to be worth waiting for.
        if u64::from(mapping.lifetime()) < LEAST_PAUSE.as_secs() * 2 {
            return Err(Refusal::TooShort(mapping.lifetime()));
        }
        let outside = match mapping.mapping_type() {
            PortMappingType::Pcp { external_ip, .. } => external_ip,
            PortMappingType::NatPmp => natpmp::external_address(mapping.gateway(), Some(TIMES))
                .await?
                .into(),
        };
        match outside.to_canonical() {
            IpAddr::V4(outside) => Ok(Self { mapping, outside }),
            IpAddr::V6(_) => Err(Refusal::NotIpv4(outside)),
        }
    }

    pub(super) async fn renew(&mut self) -> Result<(), Refusal> {
        let mut mapping = self.mapping.clone();
        mapping.renew().await.map_err(refusal)?;
        *self = Self::of(mapping).await?;
        Ok(())
    }

    pub(super) async fn remove(self) -> Result<(), Refusal> {
        self.mapping
            .try_drop()
            .await
            .map_err(|(why, _)| refusal(why))
    }

    pub(super) fn mapped(&self) -> Mapped {
        Mapped {
            outside: SocketAddrV4::new(self.outside, self.mapping.external_port().get()),
            by: match self.mapping.mapping_type() {
                PortMappingType::Pcp { .. } => Protocol::Pcp,
                PortMappingType::NatPmp => Protocol::NatPmp,
            },
            lifetime: Duration::from_secs(self.mapping.lifetime().into()),
        }
    }
}

/// The router's outside address, which it tells without forwarding anything. `None` from one that only speaks PCP,
/// which has no such question.
pub(super) async fn outside(router: Ipv4Addr) -> Result<Option<Ipv4Addr>, Refusal> {
    match natpmp::external_address(router.into(), Some(TIMES)).await {
        Ok(outside) => Ok(Some(outside)),
        Err(natpmp::Failure::UnsupportedVersion(crab_nat::VersionCode::Pcp)) => Ok(None),
        Err(why) => Err(why.into()),
    }
}

fn options(port: NonZeroU16) -> PortMappingOptions {
    PortMappingOptions {
        // A port that is the same outside is found by the coordinator even where the router's word of its address
        // is of no use.
        external_port: Some(port),
        lifetime_seconds: u32::try_from(LIFETIME.as_secs()).ok(),
        timeout_config: Some(TIMES),
    }
}

/// Whether a router that says so may still speak NAT-PMP: it has refused nothing.
fn leaves_hope(why: &pcp::Failure) -> bool {
    matches!(
        why,
        pcp::Failure::UnsupportedVersion(_)
            | pcp::Failure::Timeout
            | pcp::Failure::InvalidResponse(_)
    )
}

fn refusal(why: crab_nat::MappingFailure) -> Refusal {
    match why {
        crab_nat::MappingFailure::Pcp(why) => why.into(),
        crab_nat::MappingFailure::NatPmp(why) => why.into(),
    }
}
