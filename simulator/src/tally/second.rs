//! One second of a run, for averages and charts.

use runnel_protocol::time::Timestamp;

use crate::player::Player;

/// What was counted at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moment {
    /// Peers of any kind.
    pub peers: u64,
    /// Players.
    pub players: u64,
    /// Players that have not shown a picture yet.
    pub starting: u64,
    /// Players whose picture stands still.
    pub stalled: u64,
    /// What agents and willing viewers offer who keep to it, in bits per second.
    pub offered: u64,
    /// What players would take, in bits per second.
    pub demand: u64,
    /// Stalls of players that are there, from the beginning.
    pub stalls: u64,
}

impl Moment {
    pub(crate) fn note(&mut self, player: &Player, now: Timestamp) {
        self.players += 1;
        self.starting += u64::from(player.started.is_none());
        self.stalled += u64::from(player.is_stalled(now));
        self.stalls += player.stalls;
    }
}

/// Bytes and events of one second.
#[derive(Debug, Clone, Copy, Default)]
pub struct Second {
    /// Seconds since the start.
    pub at: u64,
    /// Counted at its end.
    pub moment: Moment,
    /// Bytes of segments that players got, from peers.
    pub from_peers: u64,
    /// From waypoints.
    pub from_waypoints: u64,
    /// From the CDN.
    pub from_cdn: u64,
    /// Segments for which the CDN had to step in.
    pub rescued: u64,
    /// Bytes of segments that nobody had played before: one copy.
    pub one_copy: u64,
    /// Bytes that the CDN sent to anybody.
    pub cdn_sent: u64,
    /// Of these, to waypoints.
    pub cdn_to_waypoints: u64,
    /// Bytes that reached players from the CDN.
    pub cdn_to_players: u64,
    /// Bytes of media that came into a site of its own from outside, from anybody.
    pub entered: u64,
    /// Bytes that waypoints sent.
    pub waypoints_sent: u64,
    /// Bytes that agents and viewers sent.
    pub peers_sent: u64,
    /// Viewers who came.
    pub joins: u64,
    /// First pictures.
    pub starts: u64,
    /// Time to them, in all, in microseconds.
    pub startup_us: u64,
    /// Peers that lost a parent by decision.
    pub reassigned: u64,
}

impl Second {
    /// Bytes that players got.
    pub const fn received(&self) -> u64 {
        self.from_peers + self.from_waypoints + self.from_cdn
    }
}
