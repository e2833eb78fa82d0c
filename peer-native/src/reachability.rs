//! Where the agent can be reached, told whenever it changes: certificates are replaced before they expire, a machine
//! gets another address, a router forwards a port or does no longer.

use std::net::SocketAddr;
use std::time::Duration;

use runnel_peer_core::Input;
use runnel_protocol::control::MAX_ENDPOINTS;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::addresses::to_advertise;
use crate::certificates::Certificates;
use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::inbox::Inbox;
use crate::mapping::Standing;

/// How often certificates and addresses are looked after.
const LOOK: Duration = Duration::from_secs(60);

/// The addresses that others are told to dial.
#[derive(Debug)]
pub(crate) struct Ways {
    listening: SocketAddr,
    /// What the owner names.
    named: Vec<SocketAddr>,
    /// What the router forwards, where it is asked to.
    mapping: Option<watch::Receiver<Standing>>,
}

impl Ways {
    pub(crate) fn new(
        listening: SocketAddr,
        named: Vec<SocketAddr>,
        mapping: Option<watch::Receiver<Standing>>,
    ) -> Self {
        Self {
            listening,
            named,
            mapping,
        }
    }

    fn all(&mut self) -> Vec<SocketAddr> {
        let mapping = self.mapping.as_mut();
        let mapped = mapping.and_then(|standing| standing.borrow_and_update().advertised());
        let mut all: Vec<SocketAddr> = mapped.into_iter().collect();
        for way in to_advertise(self.listening, &self.named) {
            if !all.contains(&way) {
                all.push(way);
            }
        }
        all.truncate(MAX_ENDPOINTS);
        all
    }

    /// Returns when the router forwards something else.
    async fn changed(&mut self) {
        if let Some(standing) = &mut self.mapping
            && standing.changed().await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}

/// What the peer is to know of this.
pub(crate) fn reachable(ways: &mut Ways, certificates: &Certificates) -> Input {
    Input::Reachable {
        endpoints: ways.all(),
        certificates: certificates.hashes(),
    }
}

/// Tells the peer of every change, until the peer is gone.
pub(crate) async fn follow(
    mut ways: Ways,
    mut certificates: Certificates,
    endpoint: Endpoint,
    clock: Clock,
    inbox: Inbox,
) {
    let mut ticks = tokio::time::interval(LOOK);
    while !inbox.is_closed() {
        tokio::select! {
            _ = ticks.tick() => rotate(&mut certificates, &endpoint, clock),
            () = ways.changed() => {}
        }
        // What it knows already is no news to it.
        inbox.input(reachable(&mut ways, &certificates)).await;
    }
}

/// Replaces certificates when it is time to.
fn rotate(certificates: &mut Certificates, endpoint: &Endpoint, clock: Clock) {
    match certificates.rotate(clock.now().unix_seconds()) {
        Ok(false) => {}
        Ok(true) => {
            info!("the next certificate is in use");
            if let Err(error) = endpoint.show(certificates) {
                warn!(%error, "the old certificate stays in use");
            }
        }
        Err(error) => warn!(%error, "the certificate cannot be replaced"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::{Mapped, Protocol};

    #[tokio::test]
    async fn what_the_router_forwards_comes_first_and_goes_with_the_mapping() {
        let own: SocketAddr = "192.168.1.5:4433".parse().unwrap();
        let (teller, standing) = watch::channel(Standing::Asking);
        let mut ways = Ways::new(own, Vec::new(), Some(standing));
        assert_eq!(ways.all(), [own]);
        let outside = "203.0.113.7:40001".parse().unwrap();
        teller.send_replace(Standing::Mapped(Mapped {
            outside,
            by: Protocol::Upnp,
            lifetime: LOOK,
        }));
        ways.changed().await;
        assert_eq!(ways.all(), [outside.into(), own]);
        teller.send_replace(Standing::Refused("it was switched off".to_owned()));
        ways.changed().await;
        assert_eq!(ways.all(), [own]);
    }
}
