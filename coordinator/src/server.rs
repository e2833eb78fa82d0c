//! The server as a whole: store, keys, engine and doors, started and stopped in order.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::any;
use axum::serve::ListenerExt as _;
use governor::clock::DefaultClock;
use runnel_coordinator_core::{
    Config, Content, ControlCenter, GroupEdit, Input, NetworkEntry, NetworkTable, PolicySet,
    SignedStatement, Tags,
};
use runnel_protocol::WEBSOCKET_PATH;
use runnel_protocol::ids::ContentId;
use runnel_protocol::ticket::MAX_TICKET_LIFE;
use runnel_protocol::time::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use crate::api::{self, Api};
use crate::clock::Clock;
use crate::door::{self, Door};
use crate::engine::{self, Command, Handle, Parts};
use crate::feeds::{self, FeedError, Governed, SITE_LINES, Watch};
use crate::keeper::{Days, Keeper};
use crate::keys::Keys;
use crate::measure;
use crate::operator::Operator;
use crate::policies::{PolicyError, Shelf};
use crate::prober::{Prober, ProberError};
use crate::proxies::{self, Proxies};
use crate::settings::{NetworkSetting, Settings};
use crate::store::{Fingerprint, Store, StoreError};
use crate::tokens::{self, Keyring};
use crate::turnstile::Turnstile;

/// How long peers get to take their farewell.
const FAREWELL: Duration = Duration::from_secs(5);
/// After a restart: a little more than peers' longest pause before they try again.
const SETTLE: Duration = Duration::from_secs(25);
/// Time between clearings of the histograms.
const UPKEEP: Duration = Duration::from_secs(5);

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store is not usable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of `[feeds]` is not usable.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// A policy is not usable.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The address is not usable.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Peers cannot be tested.
    #[error(transparent)]
    Prober(#[from] ProberError),
    /// The system gives no entropy.
    #[error("no entropy: {0}")]
    Entropy(#[from] getrandom::Error),
}

/// A running server.
pub struct Server {
    address: SocketAddr,
    engine: Handle,
    tasks: TaskTracker,
    stop: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Starts everything; the doors are open when it returns.
    ///
    /// # Errors
    /// The store or the address is not usable.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        measure::start();
        let store = Arc::new(Store::open(&settings.data)?);
        let keys = Keys::load(&store)?;
        let root_key = keys.root.public();
        let clock = Clock::new();
        let feeds = Watch::start(&settings.feeds, &settings.network)?;
        let mut policies = Shelf::fill(settings.policies.as_deref(), store.policies()?)?;
        let lines = feeds.said().site_lines.clone();
        policies
            .derive(SITE_LINES, lines)
            .map_err(FeedError::from)?;
        let standing = Standing::of(&policies, feeds.fingerprint(), &store, clock)?;
        let mut center = furnish(&settings, &store, &keys, &standing, clock)?;
        center.handle_input(Input::LinksUsed(store.link_uses()?), clock.now());
        if settings.history_kept_days > 0 {
            center.handle_input(Input::Profiles(store.profiles()?), clock.now());
        }
        center.handle_input(Input::Policies(standing.policies), clock.now());
        let said = feeds.said().feeds.clone();
        center.handle_input(Input::Feeds(said), clock.now());
        let policies = Arc::new(Mutex::new(policies));
        let mut providers = store.watch_providers()?;
        let keyring = providers.changed()?.unwrap_or_default();
        warn_of_strangers(&settings, &keyring);
        center.handle_input(Input::TrustedKeys(keyring.names()), clock.now());
        let (keyring, known) = watch::channel(Arc::new(keyring));
        let tasks = TaskTracker::new();
        let days = Days {
            transfers: settings.transfers_kept_days,
            history: settings.history_kept_days,
        };
        let (keeper, keeping) = Keeper::start(Arc::clone(&store), days, clock);
        tasks.spawn(keeping);
        let stop = CancellationToken::new();
        let prober = prober(&settings, &stop)?;
        let engine = engine::start(Parts {
            center,
            keys,
            store: Arc::clone(&store),
            clock,
            keeper,
            prober,
            tasks: tasks.clone(),
        });
        let following = tokens::watch(providers, keyring, engine.clone(), stop.clone());
        tasks.spawn(following);
        let listener = listen(settings.listen).await?;
        let address = listener
            .local_addr()
            .map_err(listen_error(settings.listen))?;
        let operator = Operator::new(settings.admin_token.as_deref());
        let api = Api {
            engine: engine.clone(),
            store: Arc::clone(&store),
            root_key,
            allow_private_origins: settings.allow_private_origins,
            policies: Arc::clone(&policies),
            feeds: feeds.states(),
        };
        let governed = Governed {
            engine: engine.clone(),
            shelf: policies,
            store,
        };
        let following = feeds::watch(feeds, governed, stop.clone());
        tasks.spawn(following);
        let door = Arc::new(Door::new(
            engine.clone(),
            known,
            (turnstile(&settings), !settings.trusted_proxies.is_empty()),
            tasks.clone(),
        ));
        let peers = Router::new()
            .route(WEBSOCKET_PATH, any(door::enter))
            .with_state(Arc::clone(&door));
        let proxies = Proxies::new(settings.trusted_proxies, settings.forwarded_header);
        let unmasking = from_fn_with_state(Arc::new(proxies), proxies::unmask);
        let router = api::router(api, operator).merge(peers).layer(unmasking);
        let serving = tokio::spawn(serve(listener, router, stop.clone()));
        tokio::spawn(keep_up(door, stop.clone()));
        tracing::info!(%address, root_key = %root_key, "the coordinator is up");
        Ok(Self {
            address,
            engine,
            tasks,
            stop,
            serving,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends everybody away with a time to come back, and closes the store.
    pub async fn stop(self) {
        let Self {
            engine,
            tasks,
            stop,
            serving,
            ..
        } = self;
        engine.tell(Command::Input(Input::Drain)).await;
        stop.cancel();
        drop(engine);
        tasks.close();
        let done = async {
            if let Ok(Err(error)) = serving.await {
                tracing::error!(%error, "the doors failed");
            }
            tasks.wait().await;
        };
        if tokio::time::timeout(FAREWELL, done).await.is_err() {
            tracing::warn!("some sessions did not end in time");
        }
    }
}

/// Whoever listens for others and knows no provider would wonder why nobody is let in.
fn warn_of_strangers(settings: &Settings, keyring: &Keyring) {
    if keyring.is_empty() && !settings.listen.ip().is_loopback() {
        tracing::warn!(
            "no provider's key is known: only this machine may join, see `runnel-coordinator \
             provider add`"
        );
    }
}

fn turnstile(settings: &Settings) -> Turnstile {
    Turnstile::new(
        settings.network_connections_per_second,
        settings.network_connections_burst,
        DefaultClock::default(),
    )
}

fn prober(settings: &Settings, stop: &CancellationToken) -> Result<Option<Prober>, ProberError> {
    if settings.probe {
        return Prober::new(stop.child_token()).map(Some);
    }
    tracing::warn!("agents are not tested: whoever says that it accepts connections is believed");
    Ok(None)
}

/// What is in force at a start, and whether tickets that were given before may be against it.
struct Standing {
    policies: PolicySet,
    generation: u32,
    doubtful: bool,
}

impl Standing {
    fn of(
        shelf: &Shelf,
        networks: Fingerprint,
        store: &Store,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let policies = shelf.set()?;
        let generation = store.begin_generation(shelf.fingerprint(), networks)?;
        let now = clock.now();
        let oldest = now.unix_seconds().0.saturating_sub(MAX_TICKET_LIFE);
        let changed = generation.changed >= oldest;
        let since = Timestamp::from_micros(oldest.saturating_mul(1_000_000));
        let doubtful = changed || policies.have_turned(since, now);
        Ok(Self {
            policies,
            generation: generation.number,
            doubtful,
        })
    }
}

/// A control center that knows what the store and the settings know.
fn furnish(
    settings: &Settings,
    store: &Store,
    keys: &Keys,
    standing: &Standing,
    clock: Clock,
) -> Result<ControlCenter, StartError> {
    let mut seed = [0u8; 32];
    getrandom::fill(&mut seed)?;
    let mut config = Config::new(keys.root.public(), keys.ticket.public());
    config.admissions_per_second = settings.admissions_per_second;
    config.max_sessions = settings.max_sessions;
    config.stripes = settings.stripes;
    let of_provider = settings.provider_admissions_per_second;
    config.provider_admissions_per_second =
        of_provider.map_or(settings.admissions_per_second.div_ceil(2), NonZeroU32::get);
    config.provider_max_sessions = settings
        .provider_max_sessions
        .unwrap_or(settings.max_sessions / 4 * 3);
    config.meetings_per_hour = settings.agent_viewers_per_hour;
    config.probe = settings.probe;
    config.history = settings.history_kept_days > 0;
    config.generation = standing.generation;
    config.policies_doubtful = standing.doubtful;
    config.networks = NetworkTable::new(settings.network.iter().map(line));
    let waypoints = store.waypoints()?;
    if !waypoints.is_empty() {
        config.settle = SETTLE;
    }
    let now = clock.now();
    let mut center = ControlCenter::new(config, seed, now);
    let configured = settings.content.iter().cloned().map(Content::from);
    for content in store.contents()?.into_iter().chain(configured) {
        center.handle_input(Input::ContentRegistered(content), now);
    }
    for terms in store.groups()? {
        center.handle_input(Input::Group(GroupEdit::Restore(terms)), now);
    }
    for (peer, names) in waypoints {
        let contents = names.iter().map(|name| ContentId::of(name)).collect();
        center.handle_input(Input::WaypointEnrolled { peer, contents }, now);
    }
    for signed in store.certificates()? {
        let statement = SignedStatement::Certificate(signed);
        center.handle_input(Input::Signed(statement), now);
    }
    Ok(center)
}

fn line(setting: &NetworkSetting) -> NetworkEntry {
    NetworkEntry {
        cidr: setting.cidr,
        region: setting.region.clone(),
        name: setting.name.clone(),
        tags: Tags {
            country: setting.country.clone(),
            asn: setting.asn,
            groups: setting.groups.clone(),
        },
    }
}

fn listen_error(address: SocketAddr) -> impl FnOnce(std::io::Error) -> StartError {
    move |source| StartError::Listen { address, source }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(listen_error(address))
}

async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    // Nagle's algorithm holds a short message back until the one before is acknowledged, which a
    // browser delays by 40 ms.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "a connection that ended at once");
        }
    });
    axum::serve(listener, service)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

async fn keep_up(door: Arc<Door>, stop: CancellationToken) {
    let mut times = tokio::time::interval(UPKEEP);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = times.tick() => {
                measure::upkeep();
                door.upkeep();
            }
        }
    }
}
