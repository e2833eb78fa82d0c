//! The agent as a whole: everything started in the right order, and stopped again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use runnel_peer_core::{Config as PeerConfig, Event, Input, Peer};
use runnel_protocol::control::{ContentLocator, Implementation, Platform};
use runnel_protocol::peer::max_links;
use runnel_protocol::segment::{SegmentKey, chunk_count};
use runnel_protocol::signing::KeyPair;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::cache::{CacheError, Disk, Held};
use crate::certificates::{CertificateError, Certificates};
use crate::clock::Clock;
use crate::config::Config;
use crate::coordinator::Coordinator;
use crate::driver::Driver;
use crate::endpoint::{Endpoint, EndpointError};
use crate::inbox::Inbox;
use crate::invitations;
use crate::machine::{self, Limits};
use crate::mapping::{self, Mapping, Standing};
use crate::player::Answer;
use crate::reachability::{self, Ways, reachable};
use crate::refusals::Refusals;
use crate::secrets::{fresh_seed, load_or_create_seed};
use crate::token_file;
use crate::waypoint::origin::{Origin, OriginError};
use crate::waypoint::{StreamKey, Waypoint};

/// Media in memory: what children are being sent now. The rest is on disk, and in the system's
/// page cache.
const MEMORY: usize = 64 * 1024 * 1024;
/// Links that have not proven themselves; see [`crate::limits`] for those that have no transport yet.
const MAX_UNPROVEN: usize = 32;
/// Events that a slow listener may be behind.
const EVENTS: usize = 4096;
/// Time to tell everybody that the port closes.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why the agent cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be read or written.
    #[error("the data directory: {0}")]
    Data(#[from] io::Error),
    /// See [`CertificateError`].
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// See [`EndpointError`].
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// See [`CacheError`].
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// See [`OriginError`].
    #[error(transparent)]
    Origin(#[from] OriginError),
}

/// The thumbprint of an agent's key as a JWK (RFC 7638): its join tokens' `cnf.jkt`. The key is drawn if
/// there is none.
///
/// # Errors
/// The data directory cannot be read or written.
pub fn thumbprint(config: &Config) -> io::Result<String> {
    std::fs::create_dir_all(&config.data)?;
    let keys = KeyPair::from_seed(&load_or_create_seed(&config.identity())?);
    Ok(token_file::thumbprint(&keys.public()))
}

/// What happens to an agent, but for what happens to each chunk, which is only logged (at trace). A
/// listener that falls behind misses some.
pub type Events = broadcast::Receiver<Event>;

/// A running agent.
#[derive(Debug)]
pub struct Agent {
    address: SocketAddr,
    stop: CancellationToken,
    driver: JoinHandle<()>,
    endpoint: Endpoint,
    mapping: Option<Mapping>,
}

impl Agent {
    /// Starts an agent, and gives out everything worth knowing of it from the first moment on.
    /// It runs in the background of this runtime until it is stopped.
    ///
    /// # Errors
    /// The data directory or the port cannot be used.
    pub async fn start(config: Config) -> Result<(Self, Events), StartError> {
        let (agent, events, _) = Self::launch(config, None).await?;
        Ok((agent, events))
    }

    /// Starts a peer; one that plays if there is somebody to give segments to.
    pub(crate) async fn launch(
        config: Config,
        player: Option<mpsc::Sender<Answer>>,
    ) -> Result<(Self, Events, Inbox), StartError> {
        let plays = player.is_some();
        // A second agent in this process finds it installed, which is as good.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        std::fs::create_dir_all(&config.data)?;
        let clock = Clock::start();
        let seed = load_or_create_seed(&config.identity())?;
        let keys = KeyPair::from_seed(&seed);
        let certificates = Certificates::load(&config.data, clock.now().unix_seconds())?;
        let endpoint = Endpoint::bind(config.listen, &certificates)?;
        let (inbox, arrivals) = Inbox::new();
        let cache = config.data.join("cache");
        let (disk, held) = Disk::start(cache, config.quota(), clock)?;
        let waypoint = start_waypoint(&config, &held, clock, &inbox)?;

        let token = config.token_file.as_deref().and_then(token_file::read);
        let mut peer = Peer::new(
            peer_config(&config, &keys, plays, token.clone()),
            fresh_seed()?,
            clock.now(),
        );
        let nonce = mapping::nonce(&seed);
        let mapping =
            (config.map_port && !plays).then(|| Mapping::start(endpoint.address(), nonce));
        let standing = mapping.as_ref().map(Mapping::standing);
        let mut ways = Ways::new(endpoint.address(), config.advertise.clone(), standing);
        let certified = reachable(&mut ways, &certificates);
        for input in first_inputs(&config, plays, certified, held) {
            peer.handle_input(input, clock.now());
        }
        let (events, listener) = broadcast::channel(EVENTS);
        let refusals = Arc::new(Refusals::default());
        let driver = Driver {
            peer,
            clock,
            keys,
            endpoint: endpoint.clone(),
            inbox: inbox.clone(),
            links: BTreeMap::new(),
            accepted: 0,
            disk,
            coordinator: Coordinator::new(config.coordinator.clone(), inbox.clone()),
            waypoint,
            player,
            events,
            refusals: Arc::clone(&refusals),
        };
        let greeting = endpoint.clone().greet(
            max_links(config.uplink()),
            inbox.clone(),
            Arc::clone(&refusals),
        );
        tokio::spawn(greeting);
        tokio::spawn(reachability::follow(
            ways,
            certificates,
            endpoint.clone(),
            clock,
            inbox.clone(),
        ));
        tokio::spawn(machine::watch(limits(&config), inbox.clone()));
        if let Some(path) = config.group_file {
            tokio::spawn(invitations::follow(path, inbox.clone()));
        }
        if let Some(path) = config.token_file {
            tokio::spawn(token_file::follow(path, token, inbox.clone()));
        }
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(refusals.tell()));
        let agent = Self {
            address: endpoint.address(),
            driver: tokio::spawn(driver.run(arrivals, stop.clone())),
            stop,
            endpoint,
            mapping,
        };
        Ok((agent, listener, inbox))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the router forwards, where it is asked to forward anything.
    pub(crate) fn forwarded(&self) -> Option<watch::Receiver<Standing>> {
        self.mapping.as_ref().map(Mapping::standing)
    }

    /// Stops in order: children are told, the cache is brought up to date, the router has nothing to forward any
    /// more. Takes nine seconds at most.
    pub async fn stop(self) {
        self.stop.cancel();
        if self.driver.await.is_err() {
            warn!("the driver had failed");
        }
        let closed = self.endpoint.close(GOODBYE);
        match self.mapping {
            // Children that leave need the port to the end.
            Some(mapping) => {
                tokio::join!(closed, mapping.stop());
            }
            None => closed.await,
        }
    }
}

fn peer_config(
    config: &Config,
    keys: &KeyPair,
    plays: bool,
    join_token: Option<String>,
) -> PeerConfig {
    PeerConfig {
        key: keys.public(),
        implementation: Implementation {
            version: concat!("runnel-agent ", env!("CARGO_PKG_VERSION")).to_owned(),
            platform: Platform::Native,
            accepts: !plays,
        },
        uplink: config.uplink(),
        root_key: None,
        join_token,
        origin: false,
        waypoint: config.waypoint.is_some(),
        disk: !plays,
        memory: MEMORY,
        max_links: max_links(config.uplink()),
        max_handshakes: MAX_UNPROVEN,
    }
}

/// What the peer knows before anything happens. That the agent was installed and started is the
/// consent.
fn first_inputs(
    config: &Config,
    plays: bool,
    reachable: Input,
    held: Vec<Held>,
) -> impl Iterator<Item = Input> {
    let restored = held.into_iter().map(|held| Input::Restored {
        entry: held.entry,
        chunks: held.chunks,
    });
    let opened = config.content.iter().map(move |name| Input::Open {
        content: ContentLocator::Name(name.clone()),
        plays,
    });
    let consent = Input::Consent {
        peers: true,
        uplink: config.uplink(),
    };
    restored.chain([reachable]).chain(opened).chain([consent])
}

fn limits(config: &Config) -> Limits {
    Limits {
        downlink: config.downlink(),
        quota: config.quota(),
        cache: config.data.join("cache"),
    }
}

fn start_waypoint(
    config: &Config,
    held: &[Held],
    clock: Clock,
    inbox: &Inbox,
) -> Result<Option<mpsc::Sender<crate::waypoint::Task>>, StartError> {
    let Some(code) = &config.waypoint else {
        return Ok(None);
    };
    let stream_key = StreamKey::load(&config.data, code.clone())?;
    let origin = Origin::new(config.private_origins())?;
    let whole = |held: &&Held| held.chunks.len() == chunk_count(held.entry.body.length) as usize;
    let held: BTreeSet<SegmentKey> = held
        .iter()
        .filter(whole)
        .map(|held| held.entry.body.segment)
        .collect();
    let tasks = Waypoint::start(stream_key, origin, held, clock, inbox.clone());
    Ok(Some(tasks))
}
