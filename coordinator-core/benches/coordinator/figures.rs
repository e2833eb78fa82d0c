//! The figures of one size, for people and for programs.

use std::fmt;

use serde_json::{Value, json};

pub(crate) const HEADING: &str =
    "     peers   heartbeats/s      joins/s  decision p99  bytes/peer  fed by peers
                on one core  on one core            ms               of players";

/// What one size of audience costs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) peers: f64,
    pub(crate) heartbeats_per_s_core: f64,
    /// From the first packet to the first assignment, all of it.
    pub(crate) joins_per_s_core: f64,
    /// From a heartbeat that makes its sender dirty to the assignment, with half of the
    /// heartbeats per second above going on at the same time.
    pub(crate) p99_decision_ms: f64,
    /// Growth of the resident set, over the number of peers.
    pub(crate) bytes_per_peer: f64,
    /// Share of the players that have a parent that pushes.
    pub(crate) fed: f64,
}

impl Figures {
    pub(crate) fn to_json(self) -> Value {
        json!({
            "peers": self.peers,
            "heartbeats_per_s_core": self.heartbeats_per_s_core.round(),
            "joins_per_s_core": self.joins_per_s_core.round(),
            "p99_decision_ms": self.p99_decision_ms,
            "bytes_per_peer": self.bytes_per_peer.round(),
            "fed": self.fed,
        })
    }

    pub(crate) fn from_json(json: &Value) -> Option<Self> {
        let figure = |name: &str| json.get(name)?.as_f64();
        Some(Self {
            peers: figure("peers")?,
            heartbeats_per_s_core: figure("heartbeats_per_s_core")?,
            joins_per_s_core: figure("joins_per_s_core")?,
            p99_decision_ms: figure("p99_decision_ms")?,
            bytes_per_peer: figure("bytes_per_peer")?,
            fed: figure("fed")?,
        })
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>10} {:>14.0} {:>12.0} {:>13.1} {:>11.0} {:>13.3}",
            self.peers,
            self.heartbeats_per_s_core,
            self.joins_per_s_core,
            self.p99_decision_ms,
            self.bytes_per_peer,
            self.fed,
        )
    }
}

/// How the time per heartbeat and per join grows from one size to the next: the exponent, 0 for
/// none at all, 1 for in proportion to the audience.
pub(crate) fn slope(small: &Figures, large: &Figures) -> String {
    let size = (large.peers / small.peers).ln();
    let exponent = |small: f64, large: f64| (large / small).ln() / size;
    format!(
        "time grows from {} to {} peers with the power {:.2} a heartbeat, {:.2} a join; memory a peer {:.2}",
        small.peers,
        large.peers,
        exponent(large.heartbeats_per_s_core, small.heartbeats_per_s_core),
        exponent(large.joins_per_s_core, small.joins_per_s_core),
        exponent(small.bytes_per_peer, large.bytes_per_peer),
    )
}
