//! Whether the router would forward a port, found out without having it forward any.

use std::net::{IpAddr, Ipv4Addr};

use tokio::time::timeout;

use super::place::{self, Nowhere};
use super::{pcp, upnp};

/// What a router offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// There is none to ask.
    Nowhere(Nowhere),
    /// It answers by one of these; its outside address, where it tells.
    Forwards(&'static str, Option<Ipv4Addr>),
    /// It answers to nothing of this.
    Nothing,
}

/// Asks the router of an agent that listens there: half a minute at most.
pub(crate) async fn survey(listening: IpAddr) -> Offer {
    let place = match place::find(listening).await {
        Ok(place) => place,
        Err(nowhere) => return Offer::Nowhere(nowhere),
    };
    if let Ok(outside) = pcp::outside(place.router).await {
        return Offer::Forwards("PCP or NAT-PMP", outside);
    }
    match timeout(upnp::PATIENCE, upnp::outside(place)).await {
        Ok(Ok(outside)) => Offer::Forwards("UPnP", Some(outside)),
        Ok(Err(_)) | Err(_) => Offer::Nothing,
    }
}
