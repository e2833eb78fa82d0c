//! A stage for stories: the real control center, actors that behave as peers do, virtual time.

mod people;

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use runnel_coordinator_core::policy::{self, PolicySet};
use runnel_coordinator_core::{
    Config, Content, ControlCenter, Figures, GroupTerms, Input, LinkSummary, LinkUse, Machine,
    Output, Past, PeerExplanation, PeerSummary, Remembered, SessionId, SignedStatement, Transfer,
    TrialReport, Unsigned, Verdict,
};
use runnel_protocol::control::{
    Assign, ChildReport, ContentReport, FromCoordinator, Heartbeat, LinkResult, Outcome,
    ParentReport, ToCoordinator,
};
use runnel_protocol::ids::{ContentId, KeyId, PeerId, PublicKey};
use runnel_protocol::segment::Substream;
use runnel_protocol::signature::{Signature, Signed};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

pub(crate) const CODE: &str = "open sesame";
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Rate that contents are planned with until somebody reports another, in kbit/s.
pub(crate) const RATE: u64 = 2000;

pub(crate) fn kilobits(count: u64) -> BitsPerSecond {
    BitsPerSecond::from_kilobits(count)
}

/// One peer as the stage plays it.
#[derive(Clone)]
pub(crate) struct Actor {
    pub(crate) session: SessionId,
    pub(crate) peer: PeerId,
    /// Sends no heartbeats, like a process that is stopped.
    pub(crate) frozen: bool,
    pub(crate) closed: bool,
    pub(crate) inbox: Vec<FromCoordinator>,
    pub(crate) assigns: BTreeMap<ContentId, Assign>,
    sequence: u32,
    report: Option<ContentReport>,
    received: BTreeMap<&'static str, ParentReport>,
    sent: BTreeMap<&'static str, ChildReport>,
}

pub(crate) struct Stage {
    pub(crate) center: ControlCenter,
    pub(crate) now: Timestamp,
    pub(crate) actors: BTreeMap<&'static str, Actor>,
    sessions: u64,
    names: u8,
    next_beat: Timestamp,
    digest: u64,
    /// What was to be kept.
    pub(crate) transfers: Vec<Transfer>,
    /// What came of trials.
    pub(crate) tried: Vec<TrialReport>,
    /// What was told of peers and their kinds, and what that makes of each peer's past.
    pub(crate) remembered: Vec<Remembered>,
    pub(crate) pasts: BTreeMap<PeerId, Past>,
    /// Groups as they were to be kept.
    pub(crate) groups: BTreeMap<String, GroupTerms>,
    /// What ran over links and was to be kept.
    pub(crate) uses: Vec<LinkUse>,
    /// Answer to every signature check.
    pub(crate) signatures_are_good: bool,
    /// Answer to every question by what right somebody joins.
    pub(crate) verdict: fn(Option<&str>) -> Verdict,
    /// Addresses at which nobody answers.
    pub(crate) shut: BTreeSet<SocketAddr>,
    /// What was tested, in order.
    pub(crate) probed: Vec<Vec<SocketAddr>>,
}

pub(crate) fn live() -> ContentId {
    ContentId::of("live")
}

pub(crate) fn content(name: &str) -> Content {
    Content {
        name: name.to_owned(),
        provider: "demo".to_owned(),
        master_url: format!("https://cdn.example/{name}/master.m3u8"),
        media_origins: Vec::new(),
        cdn_capacity: None,
        enforce: false,
    }
}

impl Stage {
    /// The contents `live` and `vod`, nobody there yet.
    pub(crate) fn new(seed: u8) -> Self {
        Self::with(seed, |_| {})
    }

    /// The same where every offer counts, whoever vouches for it.
    pub(crate) fn in_good_faith(seed: u8) -> Self {
        Self::with(seed, |config| config.vouching = false)
    }

    pub(crate) fn with(seed: u8, change: impl FnOnce(&mut Config)) -> Self {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let mut config = Config::new(PublicKey([250; 32]), PublicKey([251; 32]));
        change(&mut config);
        let mut stage = Self {
            center: ControlCenter::new(config, [seed; 32], now),
            now,
            actors: BTreeMap::new(),
            sessions: 0,
            names: 0,
            next_beat: now + SECOND,
            digest: 0,
            transfers: Vec::new(),
            tried: Vec::new(),
            remembered: Vec::new(),
            pasts: BTreeMap::new(),
            groups: BTreeMap::new(),
            uses: Vec::new(),
            signatures_are_good: true,
            verdict: |_| Verdict::Free,
            shut: BTreeSet::new(),
            probed: Vec::new(),
        };
        stage.input(Input::ContentRegistered(content("live")));
        stage.input(Input::ContentRegistered(content("vod")));
        stage
    }

    /// A waypoint, two agents and a viewer, settled. Ann is the wider one: she is recruited first
    /// and feeds Bob.
    pub(crate) fn evening() -> Self {
        let mut stage = Self::in_good_faith(1);
        stage.waypoint("waypoint", 2 * RATE);
        stage.agent("ann", 11 * RATE);
        stage.agent("bob", 10 * RATE);
        stage.viewer("viewer");
        stage.settle();
        stage
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.center.handle_input(input, self.now);
        self.drain();
    }

    /// Carries out what the control center asks for, as a shell would.
    fn drain(&mut self) {
        while let Some(output) = self.center.poll_output() {
            self.note(&output);
            let answer = match output {
                Output::Send { session, message } => {
                    self.deliver(session, message);
                    None
                }
                Output::Close { session, .. } => {
                    let gone = |actor: &&mut Actor| actor.session == session;
                    self.actors
                        .values_mut()
                        .filter(gone)
                        .for_each(|actor| actor.closed = true);
                    Some(Input::SessionClosed(session))
                }
                Output::CheckSignature { session, .. } => {
                    let valid = self.signatures_are_good;
                    Some(Input::SignatureChecked { session, valid })
                }
                Output::CheckToken { session, token, .. } => {
                    let verdict = (self.verdict)(token.as_deref());
                    Some(Input::TokenChecked { session, verdict })
                }
                Output::Probe {
                    session,
                    mut endpoints,
                    ..
                } => {
                    self.probed.push(endpoints.clone());
                    endpoints.retain(|endpoint| !self.shut.contains(endpoint));
                    Some(Input::Probed {
                        session,
                        reached: endpoints,
                    })
                }
                Output::RedeemCode {
                    session,
                    peer,
                    code,
                } => Some(if code == CODE {
                    let contents = vec![live(), ContentId::of("vod")];
                    Input::WaypointEnrolled { peer, contents }
                } else {
                    Input::CodeRefused(session)
                }),
                Output::Sign(statement) => Some(Input::Signed(sign(statement))),
                Output::Transferred(transfer) => {
                    self.transfers.push(*transfer);
                    None
                }
                Output::Tried { report, .. } => {
                    self.tried.push(*report.unwrap());
                    None
                }
                Output::Recall(peer) => {
                    let past = self.pasts.get(&peer).copied();
                    past.map(|past| Input::Recalled { peer, past })
                }
                Output::Remember(remembered) => {
                    self.remember(&remembered);
                    None
                }
                Output::KeepGroup(terms) => {
                    self.groups.insert(terms.id.clone(), *terms);
                    None
                }
                Output::ForgetGroup(id) => {
                    self.groups.remove(&id);
                    None
                }
                Output::LinksUsed(mut uses) => {
                    self.uses.append(&mut uses);
                    None
                }
            };
            if let Some(answer) = answer {
                self.center.handle_input(answer, self.now);
            }
        }
    }

    /// FNV-1a over everything that came out: two runs are the same if this is.
    fn note(&mut self, output: &Output) {
        for byte in format!("{:?} {output:?}", self.now).bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Adds what is told to what is kept, as a store does.
    fn remember(&mut self, new: &Remembered) {
        if let Some(peer) = new.peer {
            let unknown = Past {
                figures: Figures::default(),
                seen: new.at.unix_seconds(),
            };
            let past = self.pasts.entry(peer).or_insert(unknown);
            past.figures.add(&new.figures);
            past.seen = new.at.unix_seconds();
        }
        self.remembered.push(new.clone());
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    fn deliver(&mut self, session: SessionId, message: FromCoordinator) {
        let Some(actor) = self
            .actors
            .values_mut()
            .find(|actor| actor.session == session)
        else {
            return;
        };
        if let FromCoordinator::Assign(assign) = &message {
            let last = actor
                .assigns
                .get(&assign.content)
                .map_or(0, |last| last.epoch);
            assert!(assign.epoch > last, "epochs rise");
            actor.assigns.insert(assign.content, (**assign).clone());
        }
        actor.inbox.push(message);
    }

    pub(crate) fn say(&mut self, name: &'static str, message: ToCoordinator) {
        let session = self.actors[name].session;
        self.input(Input::Received { session, message });
    }

    pub(crate) fn report(&mut self, name: &'static str, other: &'static str, result: LinkResult) {
        let peer = self.peer(other);
        let content = live();
        self.say(
            name,
            ToCoordinator::Outcome(Outcome {
                content,
                peer,
                result,
            }),
        );
    }

    /// From the next heartbeat on the actor plays at this rate (kbit/s).
    pub(crate) fn plays_at(&mut self, name: &'static str, rate: u64) {
        self.tells(name, rate, Vec::new());
    }

    /// From the next heartbeat on the actor says which renditions there are (kbit/s).
    pub(crate) fn has_ladder(&mut self, name: &'static str, ladder: &[u64]) {
        let ladder = ladder.iter().map(|rate| kilobits(*rate)).collect();
        self.tells(name, RATE, ladder);
    }

    /// From the next heartbeat on the actor calls stored what others play live.
    pub(crate) fn calls_it_stored(&mut self, name: &'static str) {
        let actor = self.actors.get_mut(name).unwrap();
        actor.report.as_mut().unwrap().live = false;
    }

    fn tells(&mut self, name: &'static str, rate: u64, ladder: Vec<BitsPerSecond>) {
        let report = ContentReport {
            content: live(),
            live: true,
            tracks: Vec::new(),
            rate: kilobits(rate),
            from_peers: 1000,
            from_waypoints: 0,
            from_cdn: 0,
            buffer_ms: Some(4000),
            stalls: 0,
            ladder,
        };
        self.actors.get_mut(name).unwrap().report = Some(report);
    }

    /// From the next heartbeat on the actor receives this much (kbit/s) from a parent, and says
    /// whether chunks that were due did not come.
    pub(crate) fn receives(
        &mut self,
        name: &'static str,
        from: &'static str,
        rate: u64,
        late: bool,
    ) {
        let report = ParentReport {
            peer: self.peer(from),
            content: live(),
            received: kilobits(rate).bytes_in(SECOND),
            wasted: 0,
            sequence_numbers: Vec::new(),
            late,
        };
        let actor = self.actors.get_mut(name).unwrap();
        actor.received.insert(from, report);
    }

    /// The next heartbeats of both ends say how many chunks of a stripe were sent and received.
    pub(crate) fn chunks(
        &mut self,
        (parent, child): (&'static str, &'static str),
        stripe: Substream,
        (sent, received): (u64, u64),
    ) {
        let report = ChildReport {
            peer: self.peer(child),
            content: live(),
            sent: 1,
            sequence_numbers: vec![(stripe, sent)],
        };
        let actor = self.actors.get_mut(parent).unwrap();
        actor.sent.insert(child, report);
        let actor = self.actors.get_mut(child).unwrap();
        let report = actor.received.get_mut(parent).unwrap();
        report.sequence_numbers = vec![(stripe, received)];
    }

    /// The actor says at once what it offers (kbit/s).
    pub(crate) fn offers(&mut self, name: &'static str, uplink: u64) {
        let beat = Heartbeat {
            uplink: Some(kilobits(uplink)),
            ..Heartbeat::default()
        };
        self.say(name, ToCoordinator::Heartbeat(Box::new(beat)));
    }

    /// The connection breaks, as when a process is killed.
    pub(crate) fn kill(&mut self, name: &'static str) {
        let session = self.actors[name].session;
        self.actors.get_mut(name).unwrap().closed = true;
        self.input(Input::SessionClosed(session));
    }

    /// What an actor tells of its machine.
    pub(crate) fn tells_of_machine(&mut self, name: &'static str, told: Machine) {
        let beat = Heartbeat {
            sequence: 1_000_000,
            downlink: told.downlink,
            cpu_percent: told.cpu_percent,
            storage_left: told.storage_left,
            ..Heartbeat::default()
        };
        self.say(name, ToCoordinator::Heartbeat(Box::new(beat)));
    }

    pub(crate) fn freeze(&mut self, name: &'static str, frozen: bool) {
        self.actors.get_mut(name).unwrap().frozen = frozen;
    }

    /// Lets time pass; whoever is not frozen sends its heartbeats.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let (wake, _) = self.center.poll_timeout().unwrap();
            let next = wake.min(self.next_beat);
            if next > end {
                self.now = end;
                return;
            }
            self.now = next.max(self.now);
            if self.next_beat <= self.now {
                self.next_beat = self.now + SECOND;
                self.beat();
            }
            self.center.handle_timeout(self.now);
            self.drain();
        }
    }

    fn beat(&mut self) {
        let speaking: Vec<&'static str> = self
            .actors
            .iter()
            .filter(|(_, actor)| !actor.frozen && !actor.closed)
            .map(|(name, _)| *name)
            .collect();
        for name in speaking {
            let actor = self.actors.get_mut(name).unwrap();
            actor.sequence += 1;
            let beat = Heartbeat {
                sequence: actor.sequence,
                covers_ms: 1000,
                contents: actor.report.clone().into_iter().collect(),
                parents: actor.received.values().cloned().collect(),
                children: actor.sent.values().cloned().collect(),
                ..Heartbeat::default()
            };
            self.say(name, ToCoordinator::Heartbeat(Box::new(beat)));
        }
    }

    /// A tenth of a second: enough for a decision.
    pub(crate) fn settle(&mut self) {
        self.run(Duration::from_millis(100));
    }

    pub(crate) fn peer(&self, name: &'static str) -> PeerId {
        self.actors[name].peer
    }

    fn name_of(&self, peer: PeerId) -> &'static str {
        let found = self.actors.iter().find(|(_, actor)| actor.peer == peer);
        found.map_or("somebody", |(name, _)| name)
    }

    pub(crate) fn assign(&self, name: &'static str) -> &Assign {
        let assigns = &self.actors[name].assigns;
        assigns
            .get(&live())
            .unwrap_or_else(|| panic!("{name} has no assignment"))
    }

    /// The parents of an actor and how many stripes each pushes, by name.
    pub(crate) fn parents(&self, name: &'static str) -> BTreeMap<&'static str, u32> {
        let parents = self.assign(name).parents.iter();
        parents
            .map(|parent| (self.name_of(parent.contact.peer), parent.substreams.count()))
            .collect()
    }

    pub(crate) fn summary(&self, name: &'static str) -> PeerSummary {
        let peer = self.peer(name);
        self.center
            .peers()
            .find(|summary| summary.peer == peer)
            .unwrap()
    }

    pub(crate) fn explanation(&self, name: &'static str) -> PeerExplanation {
        self.center.explain_peer(self.peer(name)).unwrap()
    }

    /// These policies, as they are written, are in force from now on.
    pub(crate) fn policies(&mut self, texts: &[&str]) {
        let policies = texts.iter().map(|text| policy::read(text).unwrap());
        let set = PolicySet::new(policies.collect()).unwrap();
        self.input(Input::Policies(set));
    }

    /// The one link that is in force.
    pub(crate) fn link(&self) -> LinkSummary {
        let mut links = self.center.links();
        assert_eq!(links.len(), 1);
        links.remove(0)
    }

    /// Everything that was said about an actor, as one text.
    pub(crate) fn words(&self, name: &'static str) -> String {
        let events = self.explanation(name).events;
        events.into_iter().map(|event| event.words + "\n").collect()
    }
}

fn sign(statement: Unsigned) -> SignedStatement {
    match statement {
        Unsigned::Ticket(body) => SignedStatement::Ticket(signed(body)),
        Unsigned::Grant(body) => SignedStatement::Grant(signed(body)),
        Unsigned::Certificate(body) => SignedStatement::Certificate(signed(body)),
    }
}

fn signed<T>(body: T) -> Signed<T> {
    Signed {
        body,
        key: KeyId([0; 8]),
        signature: Signature([0; 64]),
    }
}
