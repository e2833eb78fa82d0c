//! What the coordinator is told each second: counters since the last time.

use crate::input::Machine;
use crate::sorted::SortedMap;
use core::time::Duration;

use runnel_protocol::control::{
    ChildReport, ContentReport, Heartbeat, MAX_LIST, ParentReport, Source,
};
use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::time::{Timestamp, millis};
use runnel_protocol::units::BitsPerSecond;

/// Most pairs of peer and content that are counted between two heartbeats.
const MAX_FLOWS: usize = 4096;

/// Counters of one peer's bytes for one content.
#[derive(Debug, Default, Clone, Copy)]
struct Flow {
    received: u64,
    wasted: u64,
    sent: u64,
    late: bool,
}

/// Counters of one content.
#[derive(Debug, Default, Clone)]
pub(crate) struct Playing {
    pub(crate) live: bool,
    /// Waypoints: bandwidths of its variants.
    pub(crate) ladder: Vec<BitsPerSecond>,
    pub(crate) rate: BitsPerSecond,
    pub(crate) buffer: Option<Duration>,
    stalls: u16,
    peers: u64,
    waypoints: u64,
    cdn: u64,
}

/// Everything counted since the last heartbeat. Ordered maps: a heartbeat is the same bytes for
/// the same history.
#[derive(Debug)]
pub(crate) struct Ledger {
    sequence: u32,
    since: Timestamp,
    next: Option<Timestamp>,
    flows: SortedMap<(PeerId, ContentId), Flow>,
    contents: SortedMap<ContentId, Playing>,
    uplink_told: Option<BitsPerSecond>,
    pub(crate) machine: Machine,
    machine_told: Machine,
}

impl Ledger {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            sequence: 0,
            since: now,
            next: None,
            flows: SortedMap::new(),
            contents: SortedMap::new(),
            uplink_told: None,
            machine: Machine::default(),
            machine_told: Machine::default(),
        }
    }

    pub(crate) fn playing(&mut self, content: ContentId) -> &mut Playing {
        self.contents.entry(content).or_default()
    }

    pub(crate) fn received(&mut self, from: PeerId, content: ContentId, kind: Source, bytes: u64) {
        self.flow(from, content).received += bytes;
        self.playing(content).count(kind, bytes);
    }

    pub(crate) fn wasted(&mut self, from: PeerId, content: ContentId, bytes: u64) {
        self.flow(from, content).wasted += bytes;
    }

    pub(crate) fn sent(&mut self, to: PeerId, content: ContentId, bytes: u64) {
        self.flow(to, content).sent += bytes;
    }

    pub(crate) fn late(&mut self, from: PeerId, content: ContentId) {
        self.flow(from, content).late = true;
    }

    pub(crate) fn forget(&mut self, content: ContentId) {
        self.contents.remove(&content);
        self.flows.retain(|(_, of), _| *of != content);
    }

    pub(crate) fn start(&mut self, first: Timestamp) {
        self.uplink_told = None;
        self.machine_told = Machine::default();
        self.next = Some(first);
    }

    pub(crate) fn stop(&mut self) {
        self.next = None;
    }

    pub(crate) fn timeout(&self) -> Option<Timestamp> {
        self.next
    }

    /// The heartbeat that is due, with sequence numbers as `numbers` knows them per peer.
    pub(crate) fn take(
        &mut self,
        uplink: BitsPerSecond,
        next: Timestamp,
        now: Timestamp,
        details: &impl Details,
    ) -> Heartbeat {
        self.sequence += 1;
        let covers = now.since(self.since);
        (self.since, self.next) = (now, Some(next));
        let flows = core::mem::take(&mut self.flows);
        let uplink_told = self.uplink_told.replace(uplink);
        let machine = self.machine;
        let told = core::mem::replace(&mut self.machine_told, machine);
        Heartbeat {
            sequence: self.sequence,
            covers_ms: millis(covers),
            parents: parents(&flows, details),
            children: children(&flows, details),
            contents: self.reports(details),
            uplink: changed(Some(uplink), uplink_told),
            downlink: changed(machine.downlink, told.downlink),
            cpu_percent: changed(machine.cpu_percent, told.cpu_percent),
            storage_left: changed(machine.storage_left, told.storage_left),
        }
    }

    fn reports(&mut self, details: &impl Details) -> Vec<ContentReport> {
        let reports = self
            .contents
            .iter_mut()
            .take(MAX_LIST)
            .map(|(content, playing)| {
                let report = playing.report(*content, details);
                playing.begin_anew();
                report
            });
        reports.collect()
    }

    fn flow(&mut self, peer: PeerId, content: ContentId) -> &mut Flow {
        // While the coordinator is away nobody takes the counters: the account starts anew.
        if self.flows.len() >= MAX_FLOWS && !self.flows.contains_key(&(peer, content)) {
            self.flows.clear();
        }
        self.flows.entry((peer, content)).or_default()
    }
}

impl Playing {
    pub(crate) fn count(&mut self, kind: Source, bytes: u64) {
        match kind {
            Source::Peer => self.peers += bytes,
            Source::Waypoint => self.waypoints += bytes,
            Source::Cdn => self.cdn += bytes,
        }
    }

    pub(crate) fn stalled(&mut self, times: u16) {
        self.stalls = self.stalls.saturating_add(times);
    }

    /// What was counted is told; what stays true stays.
    fn begin_anew(&mut self) {
        (self.stalls, self.peers, self.waypoints, self.cdn) = (0, 0, 0, 0);
    }

    fn report(&self, content: ContentId, details: &impl Details) -> ContentReport {
        ContentReport {
            content,
            live: self.live,
            tracks: details.tracks(content),
            rate: self.rate,
            from_peers: self.peers,
            from_waypoints: self.waypoints,
            from_cdn: self.cdn,
            buffer_ms: self.buffer.map(millis),
            stalls: self.stalls,
            ladder: self.ladder.clone(),
        }
    }
}

fn changed<T: PartialEq>(present: Option<T>, told: Option<T>) -> Option<T> {
    if present == told { None } else { present }
}

/// What a heartbeat needs from the rest of the peer.
pub(crate) trait Details {
    /// Chunks received from and sent to a peer, per substream, since the link stands.
    fn numbers(&self, peer: PeerId, content: ContentId) -> (Numbers, Numbers);
    /// Tracks in use and the newest sequence of each.
    fn tracks(&self, content: ContentId) -> Vec<(runnel_protocol::ids::TrackId, u64)>;
}

/// Sequence numbers per substream.
pub(crate) type Numbers = Vec<(runnel_protocol::segment::Substream, u64)>;

fn parents(
    flows: &SortedMap<(PeerId, ContentId), Flow>,
    details: &impl Details,
) -> Vec<ParentReport> {
    let useful = flows
        .iter()
        .filter(|(_, flow)| flow.received + flow.wasted > 0 || flow.late);
    let report = |((peer, content), flow): (&(PeerId, ContentId), &Flow)| ParentReport {
        peer: *peer,
        content: *content,
        received: flow.received,
        wasted: flow.wasted,
        sequence_numbers: details.numbers(*peer, *content).0,
        late: flow.late,
    };
    useful.take(MAX_LIST).map(report).collect()
}

fn children(
    flows: &SortedMap<(PeerId, ContentId), Flow>,
    details: &impl Details,
) -> Vec<ChildReport> {
    let served = flows.iter().filter(|(_, flow)| flow.sent > 0);
    let report = |((peer, content), flow): (&(PeerId, ContentId), &Flow)| ChildReport {
        peer: *peer,
        content: *content,
        sent: flow.sent,
        sequence_numbers: details.numbers(*peer, *content).1,
    };
    served.take(MAX_LIST).map(report).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000);

    struct Nobody;

    impl Details for Nobody {
        fn numbers(&self, _: PeerId, _: ContentId) -> (Numbers, Numbers) {
            Default::default()
        }

        fn tracks(&self, _: ContentId) -> Vec<(runnel_protocol::ids::TrackId, u64)> {
            Vec::new()
        }
    }

    fn told(ledger: &mut Ledger) -> (Option<u8>, Option<u64>) {
        let beat = ledger.take(BitsPerSecond(0), NOW, NOW, &Nobody);
        (beat.cpu_percent, beat.storage_left)
    }

    #[test]
    fn of_the_machine_only_what_changed_is_told_and_all_of_it_to_a_coordinator_that_is_new() {
        let mut ledger = Ledger::new(NOW);
        assert_eq!(told(&mut ledger), (None, None));
        let machine = |load| Machine {
            cpu_percent: Some(load),
            storage_left: Some(1000),
            ..Machine::default()
        };
        ledger.machine = machine(10);
        assert_eq!(told(&mut ledger), (Some(10), Some(1000)));
        assert_eq!(told(&mut ledger), (None, None));
        ledger.machine = machine(20);
        assert_eq!(told(&mut ledger), (Some(20), None));
        ledger.start(NOW);
        assert_eq!(told(&mut ledger), (Some(20), Some(1000)));
    }
}
