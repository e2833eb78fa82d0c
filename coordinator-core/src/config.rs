//! The control center's constants, with their bounds.

use core::time::Duration;

use runnel_protocol::ids::PublicKey;
use runnel_protocol::units::BitsPerSecond;

use crate::place::NetworkTable;

/// How the control center behaves. Every value has a default in [`Config::new`].
#[derive(Debug, Clone)]
pub struct Config {
    /// Certifies stream keys; told to every peer.
    pub root_key: PublicKey,
    /// Signs tickets and grants; told to every peer.
    pub ticket_keys: Vec<PublicKey>,
    /// Time between heartbeats.
    pub heartbeat: Duration,
    /// Stripes of each track, 1 to 16.
    pub stripes: u8,
    /// Rate of a content before anybody has reported one.
    pub default_rate: BitsPerSecond,
    /// New sessions admitted per second; a burst of twice as many is let through.
    pub admissions_per_second: u32,
    /// The same by the tokens of one provider, where keys of several are known.
    pub provider_admissions_per_second: u32,
    /// Most sessions at a time by the tokens of one, where keys of several are known.
    pub provider_max_sessions: usize,
    /// Most sessions at a time.
    pub max_sessions: usize,
    /// Most contents registered at a time.
    pub max_contents: usize,
    /// Most contents that one peer takes part in.
    pub contents_per_peer: usize,
    /// Distinct viewers that an agent is made known to within an hour, where its uplink allows so many:
    /// see [`runnel_protocol::meetings`].
    pub meetings_per_hour: usize,
    /// For this long after a restart no viewer is told that it has no parents: those it has are
    /// on their way back as well. Zero for a first start.
    pub settle: Duration,
    /// Whether who says that others can connect to it is tested; else the word counts.
    pub probe: bool,
    /// Whether whoever comes is asked by what right: then the shell judges join tokens.
    pub tokens: bool,
    /// Whether the shell keeps what peers did, and finds it when they come again.
    pub history: bool,
    /// Whether what agents say that they offer counts, in the choice among them, only as far as those whom
    /// they feed vouch for it; else the word counts.
    pub vouching: bool,
    /// The number of this start: higher than that of every one before, whatever became of it.
    pub generation: u32,
    /// Whether policies, or what they go by, may say something else than when the tickets that are
    /// out were given, by a control center that is gone.
    pub policies_doubtful: bool,
    /// Which addresses are in which region and network.
    pub networks: NetworkTable,
    /// A content that nobody has played for this long lets its volunteers go.
    pub idle: Duration,
}

impl Config {
    /// The defaults, with the keys that peers are told to believe.
    pub fn new(root_key: PublicKey, ticket_key: PublicKey) -> Self {
        Self {
            root_key,
            ticket_keys: vec![ticket_key],
            heartbeat: Duration::from_secs(1),
            stripes: 4,
            default_rate: BitsPerSecond::from_kilobits(2000),
            admissions_per_second: 500,
            provider_admissions_per_second: 250,
            provider_max_sessions: 750_000,
            max_sessions: 1_000_000,
            max_contents: 10_000,
            contents_per_peer: 16,
            meetings_per_hour: 4096,
            settle: Duration::ZERO,
            probe: true,
            tokens: true,
            history: true,
            vouching: true,
            generation: 1,
            policies_doubtful: false,
            networks: NetworkTable::default(),
            idle: Duration::from_secs(30),
        }
    }

    /// A peer that has said nothing for this long is silent: three heartbeats and a half, so
    /// that one lost and one late heartbeat are forgiven.
    pub fn silence(&self) -> Duration {
        self.heartbeat * 7 / 2
    }

    /// A heartbeat that is so late was not sent: peers wait a quarter longer than asked at most.
    pub fn overdue(&self) -> Duration {
        self.heartbeat * 3 / 2
    }

    /// A peer that has said nothing for this long gets no new children.
    pub fn hesitation(&self) -> Duration {
        self.heartbeat * 5 / 2
    }
}
