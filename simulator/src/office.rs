//! The control center's house: the real core, its sessions, keys and what its store keeps.

use std::collections::BTreeMap;

use core::time::Duration;
use runnel_coordinator_core::{
    Config, Content, ControlCenter, Feeds, Figures, GroupEdit, GroupTerms, Input, LinkUse,
    NetworkTable, Output, Past, PolicySet, Profile, ProfileName, Reassignments, Remembered,
    SessionId, SignedStatement, Unsigned,
};
use runnel_protocol::ids::{ContentId, KeyId, PeerId, PublicKey};
use runnel_protocol::signature::{Signature, Signed, Statement};
use runnel_protocol::signing::KeyPair;
use runnel_protocol::ticket::MAX_TICKET_LIFE;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::atlas;
use crate::bounds::number;
use crate::dice::Dice;
use crate::node::At;
use crate::scenario::{self, Scenario};
use crate::title::Title;

/// Peers that come back after a restart are waited for so long.
const SETTLE: Duration = Duration::from_secs(10);

/// The control center, which may be gone for a while.
pub(crate) struct Office {
    center: Option<ControlCenter>,
    settings: scenario::Coordinator,
    peers: usize,
    root: KeyPair,
    tickets: KeyPair,
    seed: u64,
    lives: u64,
    /// Who is behind each session, in order of sessions; with the life they are in.
    sessions: Vec<Option<(At, u32)>>,
    /// What its store keeps over a restart.
    contents: Vec<Content>,
    enrolled: BTreeMap<PeerId, Vec<ContentId>>,
    certificates: BTreeMap<PeerId, SignedStatement>,
    pub(crate) wake: Option<Timestamp>,
    /// The policies in force, and what ran over links: the store keeps both.
    policies: PolicySet,
    /// What the operator's files say.
    feeds: Feeds,
    /// When policies or files last became others.
    changed: Option<Timestamp>,
    uses: Vec<LinkUse>,
    /// What is kept of peers and of their kinds.
    pasts: BTreeMap<PeerId, Past>,
    profiles: BTreeMap<ProfileName, Profile>,
    networks: NetworkTable,
    /// What control centers that are gone counted.
    former: Reassignments,
    /// Whether somebody's token says something of its bearer.
    tokens: bool,
    /// The operator's affinity groups.
    groups: Vec<GroupTerms>,
    /// Signatures are left blank: for stand-ins, who take each for good.
    blank: bool,
}

impl Office {
    pub(crate) fn new(scenario: &Scenario, titles: &[Title], peers: usize, seed: u64) -> Self {
        let cap = scenario.origin.cap_mbps.map(|cap| number(cap * 1_000_000));
        let capacity = |title: &Title| cap.map(|cap| BitsPerSecond((cap * title.share) as u64));
        let content = |title: &Title| Content {
            name: title.name.clone(),
            provider: title.provider.to_string(),
            master_url: title.master_url(),
            media_origins: Vec::new(),
            cdn_capacity: capacity(title),
            enforce: false,
        };
        Self {
            center: None,
            settings: scenario.coordinator.clone(),
            peers,
            root: KeyPair::from_seed(&[101; 32]),
            tickets: KeyPair::from_seed(&[102; 32]),
            seed,
            lives: 0,
            sessions: Vec::new(),
            contents: titles.iter().map(content).collect(),
            enrolled: BTreeMap::new(),
            certificates: BTreeMap::new(),
            wake: None,
            policies: scenario::in_force(&scenario.policy, Duration::ZERO),
            feeds: atlas::feeds(scenario, Duration::ZERO),
            changed: None,
            uses: Vec::new(),
            pasts: BTreeMap::new(),
            profiles: BTreeMap::new(),
            networks: atlas::table(scenario),
            former: Reassignments::default(),
            tokens: scenario.has_tokens(),
            groups: scenario.group.iter().map(scenario::Group::terms).collect(),
            blank: false,
        }
    }

    /// Statements are not signed from here on: a million take their time.
    pub(crate) const fn believe_everybody(&mut self) {
        self.blank = true;
    }

    pub(crate) const fn is_open(&self) -> bool {
        self.center.is_some()
    }

    pub(crate) const fn center(&self) -> Option<&ControlCenter> {
        self.center.as_ref()
    }

    /// What tickets are signed with.
    pub(crate) fn ticket_key(&self) -> PublicKey {
        self.tickets.public()
    }

    /// Starts a control center that knows what the store knows.
    pub(crate) fn start(&mut self, now: Timestamp) {
        let mut config = Config::new(self.root.public(), self.tickets.public());
        let settings = &self.settings;
        // The audience of a scenario has been let in; tokens only say who they are.
        config.tokens = self.tokens;
        config.max_sessions = config.max_sessions.max(2 * self.peers);
        config.max_contents = config.max_contents.max(self.contents.len());
        if let Some(heartbeat) = settings.heartbeat_ms {
            config.heartbeat = Duration::from_millis(heartbeat);
        }
        if let Some(stripes) = settings.stripes {
            config.stripes = stripes;
        }
        if let Some(admissions) = settings.admissions_per_second {
            config.admissions_per_second = admissions;
        }
        config.networks = self.networks.clone();
        config.history = settings.history;
        config.vouching = settings.vouching;
        if self.lives > 0 {
            config.settle = SETTLE;
        }
        let mut dice = Dice::of(self.seed, "control center", self.lives);
        let seed = core::array::from_fn(|_| dice.roll().to_le_bytes()[0]);
        self.lives += 1;
        config.generation = u32::try_from(self.lives).unwrap_or(u32::MAX);
        let life = Duration::from_secs(MAX_TICKET_LIFE);
        config.policies_doubtful = self
            .changed
            .is_some_and(|changed| now.since(changed) <= life);
        let mut center = ControlCenter::new(config, seed, now);
        for content in &self.contents {
            center.handle_input(Input::ContentRegistered(content.clone()), now);
        }
        center.handle_input(Input::LinksUsed(self.uses.clone()), now);
        let profiles = self.profiles.values().cloned().collect();
        center.handle_input(Input::Profiles(profiles), now);
        center.handle_input(Input::Policies(self.policies.clone()), now);
        if !self.feeds.sites.is_empty() || !self.feeds.relations.is_empty() {
            center.handle_input(Input::Feeds(self.feeds.clone()), now);
        }
        for group in &self.groups {
            let restored = GroupEdit::Restore(group.clone());
            center.handle_input(Input::Group(restored), now);
        }
        for (peer, contents) in &self.enrolled {
            let (peer, contents) = (*peer, contents.clone());
            center.handle_input(Input::WaypointEnrolled { peer, contents }, now);
        }
        for certificate in self.certificates.values() {
            center.handle_input(Input::Signed(certificate.clone()), now);
        }
        self.center = Some(center);
        self.wake = None;
    }

    /// It is gone, with everything it had in memory; who was connected.
    pub(crate) fn stop(&mut self) -> Vec<(At, u32)> {
        self.former = self.reassignments();
        self.center = None;
        let sessions = self.sessions.iter_mut();
        sessions.filter_map(Option::take).collect()
    }

    /// Changes of parents since the beginning, by recorded cause.
    pub(crate) fn reassignments(&self) -> Reassignments {
        let mut all = self.former;
        if let Some(center) = &self.center {
            all.add(&center.totals().reassignments);
        }
        all
    }

    /// A name for a connection that is being made.
    pub(crate) fn open(&mut self, at: At, life: u32) -> SessionId {
        self.sessions.push(Some((at, life)));
        SessionId(self.sessions.len() as u64 - 1)
    }

    /// Other policies are in force from now on.
    pub(crate) fn enforce(&mut self, policies: PolicySet, now: Timestamp) {
        self.policies = policies.clone();
        self.changed = Some(now);
        self.handle_input(Input::Policies(policies), now);
    }

    /// The operator's files say something else from now on.
    pub(crate) fn follow(&mut self, feeds: Feeds, now: Timestamp) {
        self.feeds = feeds.clone();
        self.changed = Some(now);
        self.handle_input(Input::Feeds(feeds), now);
    }

    /// Who is behind a session that stands.
    pub(crate) fn behind(&self, session: SessionId) -> Option<(At, u32)> {
        let index = usize::try_from(session.0).ok()?;
        self.sessions.get(index).copied().flatten()
    }

    pub(crate) fn close(&mut self, session: SessionId) -> Option<(At, u32)> {
        let index = usize::try_from(session.0).ok()?;
        self.sessions.get_mut(index)?.take()
    }

    pub(crate) fn handle_input(&mut self, input: Input, now: Timestamp) {
        if let Some(center) = &mut self.center {
            center.handle_input(input, now);
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        if let Some(center) = &mut self.center {
            center.handle_timeout(now);
        }
    }

    /// The next thing that concerns somebody else; its own errands it does itself.
    pub(crate) fn poll_output(&mut self, now: Timestamp) -> Option<Output> {
        loop {
            match self.center.as_mut()?.poll_output()? {
                Output::Sign(statement) => {
                    let signed = self.sign(statement);
                    self.handle_input(Input::Signed(signed), now);
                }
                // Every code is good here: whoever has one is the operator's.
                Output::RedeemCode { peer, .. } => {
                    let contents: Vec<_> = self
                        .contents
                        .iter()
                        .map(|one| ContentId::of(&one.name))
                        .collect();
                    self.enrolled.insert(peer, contents.clone());
                    self.handle_input(Input::WaypointEnrolled { peer, contents }, now);
                }
                Output::LinksUsed(mut uses) => self.uses.append(&mut uses),
                Output::Recall(peer) => {
                    if let Some(past) = self.pasts.get(&peer).copied() {
                        self.handle_input(Input::Recalled { peer, past }, now);
                    }
                }
                Output::Remember(remembered) => self.remember(*remembered),
                Output::KeepGroup(_) | Output::ForgetGroup(_) => {}
                Output::Transferred(_) | Output::Tried { .. } => {}
                shown @ (Output::Send { .. }
                | Output::CheckToken { .. }
                | Output::Close { .. }
                | Output::Probe { .. }
                | Output::CheckSignature { .. }) => return Some(shown),
            }
        }
    }

    fn remember(&mut self, new: Remembered) {
        let name = &new.profile;
        let profile = self
            .profiles
            .entry(name.clone())
            .or_insert_with(|| Profile {
                name: name.clone(),
                figures: Figures::default(),
            });
        profile.figures.add(&new.figures);
        if let Some(peer) = new.peer {
            let seen = new.at.unix_seconds();
            let figures = Figures::default();
            let past = self.pasts.entry(peer).or_insert(Past { figures, seen });
            past.figures.add(&new.figures);
            past.seen = seen;
        }
    }

    pub(crate) fn timeout(&self) -> Option<Timestamp> {
        let (at, _) = self.center.as_ref()?.poll_timeout()?;
        Some(at)
    }

    fn sign(&mut self, statement: Unsigned) -> SignedStatement {
        match statement {
            Unsigned::Ticket(ticket) => SignedStatement::Ticket(self.signed(&self.tickets, ticket)),
            Unsigned::Grant(grant) => SignedStatement::Grant(self.signed(&self.tickets, grant)),
            Unsigned::Certificate(certificate) => {
                let waypoint = certificate.waypoint;
                let signed = SignedStatement::Certificate(self.signed(&self.root, certificate));
                self.certificates.insert(waypoint, signed.clone());
                signed
            }
        }
    }

    fn signed<T: Statement>(&self, key: &KeyPair, body: T) -> Signed<T> {
        if !self.blank {
            return key.sign(body);
        }
        Signed {
            body,
            key: KeyId([0; 8]),
            signature: Signature([0; 64]),
        }
    }
}
