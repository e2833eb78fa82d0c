//! A player: asks for one segment after the other, in time, as hls.js does.

use std::time::Duration;

use runnel_peer_core::WantId;
use runnel_protocol::time::Timestamp;

use crate::world::{At, OTHER_TRACK, World};

pub const SEGMENT: Duration = Duration::from_secs(2);
/// How far a live player stays behind.
const LATENCY: Duration = Duration::from_secs(6);
/// How far ahead a VOD player loads.
const AHEAD: Duration = Duration::from_secs(30);
/// How long a start may take.
const START: Duration = Duration::from_secs(1);

/// A segment that was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    pub viewer: At,
    pub want: WantId,
    pub place: u64,
    pub at: Timestamp,
    pub due: Timestamp,
}

pub struct Player {
    pub viewer: At,
    live: bool,
    track: u64,
    next: u64,
    /// When segment 0 would be due, were it played on this timeline.
    base: Timestamp,
    urgent: bool,
    waiting: Option<WantId>,
}

impl Player {
    pub fn new(viewer: At, live: bool, first: u64, now: Timestamp) -> Self {
        let mut player = Self {
            viewer,
            live,
            track: 0,
            next: first,
            base: now,
            urgent: true,
            waiting: None,
        };
        player.start_at(first, now);
        player
    }

    fn start_at(&mut self, sequence: u64, now: Timestamp) {
        self.next = sequence;
        self.urgent = true;
        let lead = if self.live { LATENCY } else { START };
        self.base = now + lead - SEGMENT * u32::try_from(sequence).unwrap();
    }

    pub fn switch(&mut self) {
        self.track = OTHER_TRACK - self.track;
    }

    pub fn seek(&mut self, newest: u64, now: Timestamp) {
        let target = if self.live {
            newest
        } else {
            (self.next + 11) % 40
        };
        self.start_at(target.max(1), now);
    }

    fn due(&self) -> Timestamp {
        self.base + SEGMENT * u32::try_from(self.next).unwrap()
    }

    /// Asks for the next segment if it is time.
    pub fn step(&mut self, world: &mut World, newest: u64) -> Option<Asked> {
        if let Some(want) = self.waiting {
            if !world.hosts[self.viewer.0].ended.contains_key(&want) {
                return None;
            }
            self.waiting = None;
        }
        let now = world.now;
        let early = !self.live && self.due().since(now) > AHEAD;
        if (self.live && self.next > newest) || early {
            return None;
        }
        if self.due() < now {
            // It stood still: playback goes on from here.
            self.base = self.base + now.since(self.due()) + START;
        }
        let due = if self.urgent { now + START } else { self.due() };
        let place = self.track + self.next;
        let due_in = due.since(now);
        let want = world.want_as(self.viewer, place, due_in, self.urgent, self.live);
        let asked = Asked {
            viewer: self.viewer,
            want,
            place,
            at: now,
            due,
        };
        (self.waiting, self.urgent) = (Some(want), false);
        self.next += 1;
        Some(asked)
    }
}
