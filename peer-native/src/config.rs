//! What the person who runs the agent settles: defaults, a file, the environment, flags; each
//! goes before the one named earlier, and a key that means nothing is refused.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use figment::Figment;
use figment::providers::{Env, Format as _, Serialized, Toml};
use runnel_protocol::units::BitsPerSecond;
use serde::{Deserialize, Serialize};

use crate::waypoint::private::PrivateOrigins;

/// Prefix of environment variables: `RUNNEL_AGENT_UPLINK_KBPS=4000`.
const ENVIRONMENT: &str = "RUNNEL_AGENT_";
/// The file that is read from the data directory if no other is named.
const FILE: &str = "agent.toml";

/// Share a live stream or film that this machine helps to deliver.
///
/// The agent receives what others watch, proves every chunk of it, keeps it on disk and passes it
/// on to viewers, within the limits set here. It fetches nothing from the open internet unless an
/// operator has made it a waypoint.
#[derive(Debug, Parser, Serialize)]
#[command(name = "runnel-agent", version, after_help = AFTER_HELP)]
pub struct Flags {
    /// See whether this machine can be of use, say what to do about it if not, and end: with code 0 if all is
    /// well, 1 if it is of less use than it could be, 2 if it is of none.
    #[arg(value_enum, value_name = "doctor")]
    #[serde(skip)]
    errand: Option<Errand>,

    /// Configuration file (TOML); agent.toml in the data directory if there is one.
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,

    /// WebSocket address of the coordinator, such as wss://coordinator.example/v1/peer.
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    coordinator: Option<String>,

    /// UDP address to listen on; port 0 takes any that is free, and [::] both
    /// IPv4 and IPv6 where the machine has both [default: [::]:0].
    #[arg(long, value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<SocketAddr>,

    /// Address that others are told to dial, if it is not the one listened on. Repeatable.
    #[arg(long, value_name = "ADDR")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    advertise: Vec<SocketAddr>,

    /// Let the agent ask the router of this network to forward its UDP port to it, by PCP, NAT-PMP or UPnP, for as
    /// long as it runs: others can connect to it then. The router is asked nothing without this [default: off].
    #[arg(long)]
    #[serde(rename = "map-port", skip_serializing_if = "std::ops::Not::not")]
    map_port: bool,

    /// Directory for keys, certificates and the cache [default: ~/.local/share/runnel].
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<PathBuf>,

    /// Most that is sent to others, in kilobits per second [default: 5000].
    #[arg(long, value_name = "N")]
    #[serde(rename = "uplink-kbps", skip_serializing_if = "Option::is_none")]
    uplink_kbps: Option<u64>,

    /// What the line carries to this machine, in kilobits per second: it is asked to help with no
    /// more than that [default: not known].
    #[arg(long, value_name = "N")]
    #[serde(rename = "downlink-kbps", skip_serializing_if = "Option::is_none")]
    downlink_kbps: Option<u64>,

    /// Most that is kept on disk, in megabytes [default: 4096].
    #[arg(long, value_name = "N")]
    #[serde(rename = "quota-mb", skip_serializing_if = "Option::is_none")]
    quota_mb: Option<u64>,

    /// Help with this content from the start, by the name it is registered under. Repeatable.
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    content: Vec<String>,

    /// File with the provider's join token, where the coordinator asks for one. It is read again
    /// whenever it changes: have it replaced before the token expires.
    #[arg(long, value_name = "FILE")]
    #[serde(rename = "token-file", skip_serializing_if = "Option::is_none")]
    token_file: Option<PathBuf>,

    /// File with invitations to groups, one a line, whose members are fed and asked first. It is read
    /// again whenever it changes.
    #[arg(long, value_name = "FILE")]
    #[serde(rename = "group-file", skip_serializing_if = "Option::is_none")]
    group_file: Option<PathBuf>,

    /// Print the thumbprint of this agent's key, to which its join tokens are bound, and end.
    #[arg(long)]
    #[serde(skip)]
    print_key: bool,

    /// Be a waypoint: fetch from the origin and attest. CODE is the operator's one-time code.
    #[arg(long, value_name = "CODE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    waypoint: Option<String>,

    /// Let a waypoint fetch from private addresses: for an origin on this machine or network.
    #[arg(long)]
    #[serde(
        rename = "allow-private-origins",
        skip_serializing_if = "std::ops::Not::not"
    )]
    allow_private_origins: bool,
}

const AFTER_HELP: &str = "\
Every option can also stand in the file, as `uplink-kbps = 4000`, or in the environment, as \
RUNNEL_AGENT_UPLINK_KBPS=4000. Flags go before the environment, which goes before the file. Only \
the file has `private-origins = [\"host\"]`: hosts at private addresses that a waypoint may fetch \
from. RUNNEL_LOG sets what is logged, such as `info` or `runnel_peer_native=debug`.";

/// What to do besides being an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Errand {
    /// See [`crate::doctor`].
    Doctor,
}

impl Flags {
    /// What else is asked for.
    pub const fn errand(&self) -> Option<Errand> {
        self.errand
    }

    /// Whether only the agent's key is asked for.
    pub const fn print_key(&self) -> bool {
        self.print_key
    }
}

/// The settled configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// WebSocket address of the coordinator.
    pub coordinator: String,
    /// UDP address to listen on.
    pub listen: SocketAddr,
    /// Addresses that others are told to dial; empty: the one listened on.
    pub advertise: Vec<SocketAddr>,
    /// Whether the router may be asked to forward the port.
    pub map_port: bool,
    /// Directory for keys, certificates and the cache.
    pub data: PathBuf,
    /// Most that is sent, in kilobits per second.
    pub uplink_kbps: u64,
    /// What the line carries to this machine, in kilobits per second, where that is known.
    pub downlink_kbps: Option<u64>,
    /// Most that is kept on disk, in megabytes.
    pub quota_mb: u64,
    /// Contents to help with from the start.
    pub content: Vec<String>,
    /// File with the provider's join token, if the coordinator asks for one.
    pub token_file: Option<PathBuf>,
    /// File with invitations to groups.
    pub group_file: Option<PathBuf>,
    /// The operator's one-time code, if this is a waypoint.
    pub waypoint: Option<String>,
    /// Whether any granted origin may lie at a private address.
    pub allow_private_origins: bool,
    /// Hosts that may lie at private addresses.
    pub private_origins: Vec<String>,
}

/// Why there is no usable configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value or key is wrong.
    #[error("{0}\nSee `runnel-agent --help` for what can be set, and where.")]
    Wrong(Box<figment::Error>),
    /// Nothing can be done without it.
    #[error(
        "no coordinator: say where it is with --coordinator wss://HOST/v1/peer, or set it in {}",
        .0.display()
    )]
    NoCoordinator(PathBuf),
    /// The file named on the command line is not there.
    #[error("there is no file {}", .0.display())]
    NoFile(PathBuf),
}

impl Default for Config {
    fn default() -> Self {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        Self {
            coordinator: String::new(),
            listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
            advertise: Vec::new(),
            map_port: false,
            data: home.unwrap_or_default().join(".local/share/runnel"),
            uplink_kbps: 5000,
            downlink_kbps: None,
            quota_mb: 4096,
            content: Vec::new(),
            token_file: None,
            group_file: None,
            waypoint: None,
            allow_private_origins: false,
            private_origins: Vec::new(),
        }
    }
}

impl Config {
    /// Where the agent's own key is.
    pub(crate) fn identity(&self) -> PathBuf {
        self.data.join("identity.key")
    }

    /// Puts together what the command line, the environment and the file say.
    ///
    /// # Errors
    /// Something is said that cannot be meant, or nothing of the coordinator.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        let defaults = Figment::from(Serialized::defaults(Self::default()));
        let spoken = Env::prefixed(ENVIRONMENT)
            .map(|key| key.as_str().to_lowercase().replace('_', "-").into());
        let (environment, flags_only) = (spoken, Serialized::defaults(flags));
        let data = Figment::new()
            .merge(&environment)
            .merge(&flags_only)
            .extract_inner::<PathBuf>("data")
            .unwrap_or(Self::default().data);
        let file = file(flags, &data)?;
        let written = if file.is_file() {
            defaults.merge(Toml::file_exact(&file))
        } else {
            defaults
        };
        let config: Self = written
            .merge(environment)
            .merge(flags_only)
            .extract()
            .map_err(|error| ConfigError::Wrong(Box::new(error)))?;
        if config.coordinator.is_empty() {
            return Err(ConfigError::NoCoordinator(file));
        }
        Ok(config)
    }

    /// What may be sent.
    pub fn uplink(&self) -> BitsPerSecond {
        BitsPerSecond::from_kilobits(self.uplink_kbps)
    }

    /// What the line carries to this machine.
    pub fn downlink(&self) -> Option<BitsPerSecond> {
        self.downlink_kbps.map(BitsPerSecond::from_kilobits)
    }

    /// Bytes that may be kept on disk.
    pub fn quota(&self) -> u64 {
        self.quota_mb.saturating_mul(1_000_000)
    }

    /// Which origins may lie at private addresses.
    pub fn private_origins(&self) -> PrivateOrigins {
        if self.allow_private_origins {
            PrivateOrigins::Allowed
        } else {
            PrivateOrigins::Only(self.private_origins.clone())
        }
    }
}

fn file(flags: &Flags, data: &Path) -> Result<PathBuf, ConfigError> {
    match &flags.config {
        Some(named) if !named.is_file() => Err(ConfigError::NoFile(named.clone())),
        Some(named) => Ok(named.clone()),
        None => Ok(data.join(FILE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(arguments: &[&str]) -> Result<Config, ConfigError> {
        let line = ["runnel-agent"].iter().chain(arguments);
        Config::load(&Flags::try_parse_from(line).unwrap())
    }

    #[test]
    fn flags_go_before_the_file_and_the_file_before_defaults() {
        let home = tempfile::tempdir().unwrap();
        let text = "coordinator = 'ws://file/v1/peer'\nuplink-kbps = 1\nquota-mb = 2\n";
        std::fs::write(home.path().join(FILE), text).unwrap();
        let data = home.path().to_str().unwrap();
        let config = load(&["--data", data, "--uplink-kbps", "3"]).unwrap();
        assert_eq!(config.coordinator, "ws://file/v1/peer");
        assert_eq!((config.uplink_kbps, config.quota_mb), (3, 2));
        assert_eq!(config.listen, Config::default().listen);
        assert_eq!(config.private_origins(), PrivateOrigins::Only(Vec::new()));
    }

    #[test]
    fn the_router_is_asked_for_nothing_unless_the_owner_says_so() {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().to_str().unwrap();
        let asks = |more: &[&str]| {
            let line = [&["--data", data, "--coordinator", "ws://c"], more].concat();
            load(&line).unwrap().map_port
        };
        assert!(!asks(&[]));
        assert!(asks(&["--map-port"]));
        std::fs::write(home.path().join(FILE), "map-port = true\n").unwrap();
        assert!(asks(&[]));
    }

    #[test]
    fn a_key_that_means_nothing_is_refused_by_name() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("mine.toml");
        std::fs::write(&path, "uplink = 1\n").unwrap();
        let refused = load(&["--config", path.to_str().unwrap()]).unwrap_err();
        let text = refused.to_string();
        assert!(
            text.contains("`uplink`") && text.contains("--help"),
            "{text}"
        );
    }

    #[test]
    fn what_is_missing_is_said_with_what_to_do() {
        let home = tempfile::tempdir().unwrap();
        let nothing = load(&["--data", home.path().to_str().unwrap()]).unwrap_err();
        assert!(nothing.to_string().contains("--coordinator"));
        let absent = load(&["--config", "/nowhere/agent.toml"]).unwrap_err();
        assert!(absent.to_string().contains("/nowhere/agent.toml"));
    }

    #[test]
    fn the_help_is_in_order() {
        use clap::CommandFactory as _;
        Flags::command().debug_assert();
    }
}
