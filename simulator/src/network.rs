//! Lines, distances and what is wrong with them.

use core::time::Duration;
use std::collections::BTreeMap;

use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::dice::Dice;
use crate::population::Guest;

/// Headers of IP, UDP, QUIC and frames: some 4 % of what is sent.
const OVERHEAD: (u64, u64) = (104, 100);
/// Payload of a packet.
const PACKET: u64 = 1200;

/// One guest's access line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) up: BitsPerSecond,
    pub(crate) down: BitsPerSecond,
    pub(crate) loss: f64,
    /// One way to the nearest exchange.
    pub(crate) access: Duration,
    /// What it sends arrives nowhere before then.
    pub(crate) mute_until: Timestamp,
    region: u16,
    network: u16,
    up_free: Timestamp,
    down_free: Timestamp,
}

impl Line {
    pub(crate) fn of(guest: &Guest, now: Timestamp) -> Self {
        Self {
            up: guest.up,
            down: guest.down,
            loss: guest.loss,
            access: guest.access,
            mute_until: now,
            region: guest.region,
            network: guest.network,
            up_free: now,
            down_free: now,
        }
    }

    /// When `bytes` have come in that stand before the line at `from`.
    pub(crate) fn receive(&mut self, bytes: u64, from: Timestamp) -> Timestamp {
        self.down_free = self.down_free.max(from) + takes(bytes, self.down);
        self.down_free
    }

    /// Without distance: to a data centre of the region.
    pub(crate) fn to_exchange(&self) -> Duration {
        self.access + Duration::from_millis(5)
    }
}

/// What `bytes` are with their headers.
pub(crate) const fn on_the_line(bytes: u64) -> u64 {
    bytes * OVERHEAD.0 / OVERHEAD.1
}

/// How long a line of `rate` needs for `bytes`.
pub(crate) fn takes(bytes: u64, rate: BitsPerSecond) -> Duration {
    let bits = u128::from(bytes) * 8 * u128::from(OVERHEAD.0) / u128::from(OVERHEAD.1);
    let micros = bits * 1_000_000 / u128::from(rate.0.max(1));
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// When something has left the sender's line, and when it stands before the receiver's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passage {
    pub(crate) written: Timestamp,
    pub(crate) reaches: Timestamp,
}

/// What lies between the lines.
#[derive(Debug)]
pub(crate) struct Network {
    dice: Dice,
    /// Lines between regions that have become narrow: rate, and when they are free.
    backbones: BTreeMap<(u16, u16), (BitsPerSecond, Timestamp)>,
    /// Packets that had to be sent again.
    pub(crate) lost: u64,
}

impl Network {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            dice: Dice::of(seed, "network", 0),
            backbones: BTreeMap::new(),
            lost: 0,
        }
    }

    /// One way from one to another: within a site, a network, a region, or across the world.
    pub(crate) fn latency(from: &Line, to: &Line) -> Duration {
        let far = match (from.region == to.region, from.network == to.network) {
            (true, true) => 2,
            (true, false) => 8,
            (false, _) => 40,
        };
        from.access + to.access + Duration::from_millis(far)
    }

    /// Sends a small message: it waits for no queue.
    pub(crate) fn message(&mut self, from: &Line, to: &Line, now: Timestamp) -> Timestamp {
        let start = now.max(from.mute_until);
        let way = Self::latency(from, to);
        let again = self.dice.happens(from.loss + to.loss);
        self.lost += u64::from(again);
        start + if again { way * 3 } else { way }
    }

    /// Sends media: it waits for the sender's line, and on a lossy way it is slower than that.
    pub(crate) fn media(
        &mut self,
        from: &mut Line,
        to: &Line,
        bytes: u64,
        now: Timestamp,
    ) -> Passage {
        let way = Self::latency(from, to);
        let loss = from.loss + to.loss;
        from.up_free = from.up_free.max(now) + takes(bytes, from.up);
        let written = from.up_free;
        let mut reaches = written.max(from.mute_until) + way;
        if loss > 0.0 {
            reaches = reaches + self.sent_again(bytes, loss, way);
        }
        if let Some((rate, free)) = self.backbones.get_mut(&(from.region, to.region)) {
            *free = (*free).max(reaches) + takes(bytes, *rate);
            reaches = *free;
        }
        Passage { written, reaches }
    }

    /// A round trip for each packet that is lost, until none is left.
    fn sent_again(&mut self, bytes: u64, loss: f64, way: Duration) -> Duration {
        let mut missing = bytes.div_ceil(PACKET);
        let mut trips = 0;
        while missing > 0 && trips < 8 {
            missing = (0..missing).filter(|_| self.dice.happens(loss)).count() as u64;
            self.lost += missing;
            trips += u32::from(missing > 0);
        }
        way * 2 * trips
    }

    /// The line between two regions carries only so much, or what is sent, again.
    pub(crate) fn backbone(
        &mut self,
        pair: (u16, u16),
        rate: Option<BitsPerSecond>,
        now: Timestamp,
    ) {
        for pair in [pair, (pair.1, pair.0)] {
            match rate {
                Some(rate) => self.backbones.insert(pair, (rate, now)),
                None => self.backbones.remove(&pair),
            };
        }
    }
}
