//! A port that the router of this network forwards to the agent, where its owner has agreed to that.
//!
//! Asked for by PCP (RFC 6887), NAT-PMP (RFC 6886) or UPnP IGD, renewed while the agent runs, and taken back when it
//! stops. IPv4 only: behind an IPv6 firewall the port is opened by hand. What a router says is a claim, like what an
//! agent says of itself: the coordinator's test decides.

mod backoff;
mod forward;
mod pcp;
mod place;
mod refusal;
mod survey;
mod upnp;

use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::num::NonZeroU16;
use std::time::Duration;

use ring::hmac;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::addresses::is_private;
use backoff::Backoff;
use forward::Forward;
use place::Place;

pub(crate) use pcp::Nonce;
pub(crate) use survey::{Offer, survey};

/// What is asked for. An agent that is killed leaves its port open for as long, and a router that lost its memory
/// forwards again after half of it at the latest.
const LIFETIME: Duration = Duration::from_secs(20 * 60);
/// Least time between two requests while a port is forwarded, however short the router's word is.
const LEAST_PAUSE: Duration = Duration::from_secs(15);
/// How often it is looked whether this machine is in another network.
const LOOK: Duration = Duration::from_secs(30);
/// How long a request that is under way when the agent stops may still take.
const LAST_WORD: Duration = Duration::from_secs(1);
/// How long taking a port back may take.
const REMOVAL: Duration = Duration::from_secs(2);

/// How a port is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Pcp,
    NatPmp,
    Upnp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pcp => "PCP",
            Self::NatPmp => "NAT-PMP",
            Self::Upnp => "UPnP",
        })
    }
}

/// What a router says that it forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mapped {
    /// Where it says that others get to the agent.
    pub(crate) outside: SocketAddrV4,
    pub(crate) by: Protocol,
    /// From the last request on.
    pub(crate) lifetime: Duration,
}

impl Mapped {
    /// Whether others can make anything of the address: that of a router behind another router, or behind a
    /// carrier's (RFC 6598), leads nowhere.
    pub(crate) fn is_public(&self) -> bool {
        is_public(self.outside)
    }
}

/// How the agent stands with its router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is asked.
    Asking,
    /// It forwards.
    Mapped(Mapped),
    /// It does not, for this reason.
    Refused(String),
}

impl Standing {
    /// The address to advertise.
    pub(crate) fn advertised(&self) -> Option<SocketAddr> {
        match self {
            Self::Mapped(mapped) if mapped.is_public() => Some(mapped.outside.into()),
            Self::Mapped(_) | Self::Asking | Self::Refused(_) => None,
        }
    }
}

/// The agent's hold on what asks the router.
#[derive(Debug)]
pub(crate) struct Mapping {
    standing: watch::Receiver<Standing>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Mapping {
    /// Has the router forward the port that the agent listens on. The nonce is what PCP knows the agent by.
    pub(crate) fn start(listening: SocketAddr, nonce: Nonce) -> Self {
        let (teller, standing) = watch::channel(Standing::Asking);
        let stop = CancellationToken::new();
        let keeper = Keeper {
            listening,
            nonce,
            teller,
            stop: stop.clone(),
        };
        let task = tokio::spawn(keeper.run());
        Self {
            standing,
            stop,
            task,
        }
    }

    /// How it stands, and will.
    pub(crate) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Has the router forward nothing any more: three seconds at most.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        if timeout(LAST_WORD + REMOVAL, self.task).await.is_err() {
            warn!("the router did not answer: it goes on forwarding until its time is over");
        }
    }
}

/// What PCP knows an agent's requests by (RFC 6887 §11.2): the same after a crash, or the router would refuse to
/// renew what it still forwards; and nobody learns the key from it.
pub(crate) fn nonce(seed: &[u8]) -> Nonce {
    let key = hmac::Key::new(hmac::HMAC_SHA256, seed);
    let tag = hmac::sign(&key, b"runnel-agent: nonce of PCP");
    let mut words = tag.as_ref().chunks_exact(4);
    core::array::from_fn(|_| {
        let word = words.next().and_then(|word| word.try_into().ok());
        u32::from_be_bytes(word.unwrap_or_default())
    })
}

/// Whether an address that a router names as its own is one that everybody can dial.
fn is_public(outside: SocketAddrV4) -> bool {
    let four = *outside.ip();
    let nowhere = four.is_unspecified() || four.is_loopback() || four.is_broadcast();
    !nowhere && !four.is_multicast() && !is_private(IpAddr::V4(four))
}

/// The task that asks, renews and takes back.
struct Keeper {
    listening: SocketAddr,
    nonce: Nonce,
    teller: watch::Sender<Standing>,
    stop: CancellationToken,
}

impl Keeper {
    async fn run(self) {
        let mut backoff = Backoff::default();
        while !self.stop.is_cancelled() {
            let place = place::find(self.listening.ip()).await;
            let outcome = match (&place, NonZeroU16::new(self.listening.port())) {
                (Ok(place), Some(port)) => self.ask(*place, port).await.map_err(|e| e.to_string()),
                (Err(nowhere), _) => Err(nowhere.to_string()),
                (Ok(_), None) => return,
            };
            match outcome {
                Ok(Some((place, forward))) => {
                    backoff = Backoff::default();
                    self.hold(place, forward).await;
                    self.say(Standing::Asking);
                }
                // The agent stops.
                Ok(None) => return,
                Err(why) => {
                    warn!("the router forwards no port: {why}");
                    self.say(Standing::Refused(why));
                    let pause = backoff.next();
                    debug!(?pause, "the router is asked again");
                    tokio::select! {
                        () = self.stop.cancelled() => return,
                        () = sleep(pause) => {}
                        () = self.leaves(place.ok()) => backoff = Backoff::default(),
                    }
                }
            }
        }
    }

    /// Asks once; nothing comes of it where the agent stops meanwhile.
    async fn ask(
        &self,
        place: Place,
        port: NonZeroU16,
    ) -> Result<Option<(Place, Forward)>, refusal::Refusal> {
        let (router, own) = (place.router, place.own);
        info!("asking the router at {router} to forward UDP port {port} to this machine ({own})");
        let mut asked = std::pin::pin!(Forward::ask(place, port, self.nonce));
        tokio::select! {
            forward = &mut asked => return Ok(Some((place, forward?))),
            () = self.stop.cancelled() => {}
        }
        // It may have been granted already.
        if let Ok(Ok(forward)) = timeout(LAST_WORD, asked).await {
            remove(forward).await;
        }
        Ok(None)
    }

    /// Renews what the router forwards, until it does not any more, this machine is elsewhere, or the agent stops.
    async fn hold(&self, place: Place, mut forward: Forward) {
        let mut left = std::pin::pin!(self.leaves(Some(place)));
        let mut ends = self.on_mapped(&forward);
        loop {
            let rest = ends.saturating_duration_since(Instant::now()) / 2;
            if rest < LEAST_PAUSE {
                return warn!("the router forwards no port any more: it did not renew it");
            }
            tokio::select! {
                () = self.stop.cancelled() => return remove(forward).await,
                () = &mut left => {
                    return info!("this machine is in another network: what the router there forwards ends by itself");
                }
                () = sleep(rest) => {}
            }
            let renewed = tokio::select! {
                renewed = forward.renew() => Some(renewed),
                () = self.stop.cancelled() => None,
            };
            match renewed {
                Some(Ok(())) => ends = self.on_mapped(&forward),
                Some(Err(why)) => debug!("the router does not renew: {why}"),
                None => return remove(forward).await,
            }
        }
    }

    /// Tells what is forwarded; until when.
    fn on_mapped(&self, forward: &Forward) -> Instant {
        let mapped = forward.mapped();
        let Mapped {
            outside,
            by,
            lifetime,
        } = mapped;
        let lasts = lifetime.as_secs();
        if self.say(Standing::Mapped(mapped)) {
            info!(
                "the router forwards UDP {outside} to this agent by {by}, for {lasts} s, renewed in time"
            );
            if !mapped.is_public() {
                warn!(
                    "the router's own address {} is private: it is behind another router, or its provider's, which \
                     would have to forward UDP port {} to it as well",
                    outside.ip(),
                    outside.port()
                );
            }
        }
        Instant::now() + lifetime.min(LIFETIME)
    }

    /// Whether that is news.
    fn say(&self, standing: Standing) -> bool {
        self.teller.send_if_modified(|said| {
            let news = *said != standing;
            *said = standing;
            news
        })
    }

    /// Returns once this machine is somewhere else than there.
    async fn leaves(&self, place: Option<Place>) {
        loop {
            sleep(LOOK).await;
            if place::find(self.listening.ip()).await.ok() != place {
                return;
            }
        }
    }
}

async fn remove(forward: Forward) {
    let outside = forward.mapped().outside;
    match timeout(REMOVAL, forward.remove()).await {
        Ok(Ok(())) => info!("the router forwards UDP {outside} no longer: the agent stops"),
        Ok(Err(why)) => warn!("the router goes on forwarding UDP {outside} for a while: {why}"),
        Err(_) => warn!(
            "the router does not answer: it goes on forwarding UDP {outside} until its time is over"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(outside: &str) -> Standing {
        Standing::Mapped(Mapped {
            outside: outside.parse().unwrap(),
            by: Protocol::Pcp,
            lifetime: LIFETIME,
        })
    }

    #[test]
    fn an_address_behind_another_router_or_a_carriers_is_not_advertised() {
        let public = mapped("203.0.113.7:4433");
        assert_eq!(
            public.advertised(),
            Some("203.0.113.7:4433".parse().unwrap())
        );
        for address in [
            "192.168.1.2",
            "10.0.0.1",
            "172.31.0.1",
            "100.64.0.1",
            "100.127.255.254",
            "169.254.1.1",
            "127.0.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            let standing = mapped(&format!("{address}:4433"));
            assert_eq!(standing.advertised(), None, "{address}");
        }
    }

    #[test]
    fn an_agent_is_known_by_the_same_nonce_after_a_crash_and_no_other_has_it() {
        assert_eq!(nonce(&[1; 32]), nonce(&[1; 32]));
        assert_ne!(nonce(&[1; 32]), nonce(&[2; 32]));
        assert!(nonce(&[1; 32]).iter().all(|word| *word != 0));
    }
}
