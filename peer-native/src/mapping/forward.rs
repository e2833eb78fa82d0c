//! One forwarded port, whichever way it was asked for.

use std::num::NonZeroU16;

use tokio::time::timeout;

use super::pcp::{self, Nonce};
use super::place::Place;
use super::refusal::Refusal;
use super::{Mapped, upnp};

#[derive(Debug)]
pub(super) enum Forward {
    Pcp(pcp::Forward),
    Upnp(Box<upnp::Forward>),
}

impl Forward {
    /// Asks by PCP and NAT-PMP first, which take one packet each way, then by UPnP: half a minute at most.
    pub(super) async fn ask(place: Place, port: NonZeroU16, nonce: Nonce) -> Result<Self, Refusal> {
        let first = match pcp::Forward::ask(place, port, nonce).await {
            Ok(forward) => return Ok(Self::Pcp(forward)),
            Err(first) => first,
        };
        let asked = timeout(upnp::PATIENCE, upnp::Forward::ask(place, port));
        match asked.await.unwrap_or(Err(Refusal::Silence)) {
            Ok(forward) => Ok(Self::Upnp(Box::new(forward))),
            Err(second) => Err(Refusal::Neither(Box::new(first), Box::new(second))),
        }
    }

    /// Asks for the same once more.
    pub(super) async fn renew(&mut self) -> Result<(), Refusal> {
        match self {
            Self::Pcp(forward) => forward.renew().await,
            Self::Upnp(forward) => {
                let asked = timeout(upnp::PATIENCE, forward.renew());
                asked.await.unwrap_or(Err(Refusal::Silence))
            }
        }
    }

    /// Has nothing forwarded any more.
    pub(super) async fn remove(self) -> Result<(), Refusal> {
        match self {
            Self::Pcp(forward) => forward.remove().await,
            Self::Upnp(forward) => forward.remove().await,
        }
    }

    pub(super) fn mapped(&self) -> Mapped {
        match self {
            Self::Pcp(forward) => forward.mapped(),
            Self::Upnp(forward) => forward.mapped(),
        }
    }
}
