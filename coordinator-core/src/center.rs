//! The control center: owns everything, routes messages to whoever decides, holds no policy.

mod arrivals;
mod grouping;
mod moves;
mod passes;
mod peers;
mod policies;
mod probes;
mod reachability;
mod remembering;
mod ticks;
mod trials;
mod trust;

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use crate::admission::Admission;
use crate::clock::{Clock, Reason};
use crate::config::Config;
use crate::directory::Directory;
use crate::io::{Input, Output, SessionId};
use crate::kind::Why;
use crate::links::LinkSummary;
use crate::monitor::NetworkSummary;
use crate::policy::PolicySet;
use crate::probing::Probing;
use crate::sessions::Sessions;
use crate::summary::{self, ContentSummary, PairExplanation, PeerExplanation, PeerSummary, Totals};
use crate::tenants::{TenantSummary, Tenants};
use crate::trial::Trial;
use crate::wheel::Wheel;
use crate::world::World;

/// A tick that comes this late means that the coordinator itself did not run.
const OVERSLEPT: Duration = Duration::from_secs(1);

/// What a peer is taken for, and where others may connect to it.
type Judged = (Why, Box<[SocketAddr]>);

/// The control center.
///
/// After every call of `handle_input` and `handle_timeout`, drain [`Self::poll_output`] to `None`
/// and ask [`Self::poll_timeout`] anew. `now` never runs backwards.
pub struct ControlCenter {
    world: World,
    sessions: Sessions,
    admission: Admission,
    tenants: Tenants,
    probing: Probing,
    directory: Directory,
    clock: Clock,
    ticks: u64,
    /// What the judge's turns were when all pairs were last reviewed.
    turns: u64,
    /// Pairs with tickets of which it is not asked yet whether the policies allow them.
    unreviewed: usize,
    /// Once all are reviewed, all are reviewed again: somebody asked for it meanwhile.
    review_again: bool,
    /// Peers of whom it is not asked yet whether they have another place: the first ones.
    unplaced: usize,
    /// Peers whose sessions were ended, until all their tickets are found and void.
    expelled: BTreeSet<PeerId>,
    /// Peers that came without a token and have not enrolled yet: what they are once they have.
    unvouched: BTreeMap<PeerId, Judged>,
    /// When to look after whose token: an entry a session, and one for each renewal.
    passes_due: Wheel<(PeerId, SessionId)>,
    /// Policies that are tried against the live view: see [`crate::trial`].
    trials: VecDeque<Trial>,
    draining: bool,
}

impl ControlCenter {
    /// A control center without contents. The seed must be good entropy: nonces come from it.
    pub fn new(config: Config, seed: [u8; 32], now: Timestamp) -> Self {
        Self {
            admission: Admission::new(config.admissions_per_second, now),
            tenants: Tenants::new(
                config.provider_admissions_per_second,
                config.provider_max_sessions,
            ),
            world: World::new(config, seed, now),
            sessions: Sessions::default(),
            probing: Probing::default(),
            directory: Directory::default(),
            clock: Clock::new(now),
            ticks: 0,
            turns: 0,
            unreviewed: 0,
            review_again: false,
            unplaced: 0,
            expelled: BTreeSet::new(),
            unvouched: BTreeMap::new(),
            passes_due: Wheel::default(),
            trials: VecDeque::new(),
            draining: false,
        }
    }

    /// Takes in what happened. Never blocks, and nonsense from outside is dropped and counted.
    pub fn handle_input(&mut self, input: Input, now: Timestamp) {
        match input {
            Input::SessionOpened { session, from } => self.on_opened(session, from, now),
            Input::SessionClosed(session) => self.on_closed(session, now),
            Input::Received { session, message } => self.on_message(session, message, now),
            Input::SignatureChecked { session, valid } => self.on_checked(session, valid, now),
            Input::TokenChecked { session, verdict } => {
                self.on_token_checked(session, verdict, now);
            }
            Input::Probed { session, reached } => self.on_probed(session, &reached, now),
            Input::WaypointEnrolled { peer, contents } => self.on_enrolled(peer, contents, now),
            Input::CodeRefused(session) => self.on_code_refused(session, now),
            Input::Signed(statement) => self.on_signed(statement, now),
            Input::ContentRegistered(content) => self.on_registered(content, now),
            Input::ContentRemoved(content) => self.on_content_removed(content, now),
            Input::LinksUsed(uses) => self.world.links.remember(uses, now),
            Input::Policies(set) => self.on_policies(set, now),
            Input::Feeds(feeds) => self.on_feeds(feeds, now),
            Input::Try { id, set } => self.on_trial(id, set, now),
            Input::TrustedKeys(keys) => self.on_trusted_keys(&keys, now),
            Input::Profiles(profiles) => self.on_profiles(&profiles),
            Input::Recalled { peer, past } => self.on_recalled(peer, &past, now),
            Input::Group(edit) => self.on_group_edit(edit, now),
            Input::Forget(peer) => self.forget(peer, now),
            Input::Drain => self.on_drain(),
        }
    }

    /// Does what is due; a spurious call does nothing.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let (due, _) = self.clock.next();
        match self.clock.take_due(now) {
            Some(Reason::Tick) => {
                if now.since(due) > OVERSLEPT {
                    let silence = self.world.config.silence();
                    self.world.view.excuse_everybody(now + silence);
                }
                self.on_tick(now);
                self.look(now);
            }
            Some(Reason::Look) => self.look(now),
            None => {}
        }
    }

    /// What the shell has to do next; drain to `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.world.outputs.pop_front()
    }

    /// When to call [`Self::handle_timeout`] next, and why.
    pub fn poll_timeout(&self) -> Option<(Timestamp, Reason)> {
        Some(self.clock.next())
    }

    /// The policies in force.
    pub fn policies(&self) -> &PolicySet {
        self.world.judge.policies()
    }

    /// Verdicts that the policies have worked out since the start; all others were remembered.
    pub fn policy_evaluations(&self) -> u64 {
        self.world.judge.evaluations()
    }

    /// The links that policies limit, in the order of their names.
    pub fn links(&self) -> Vec<LinkSummary> {
        self.world.links.summaries()
    }

    /// How much runs from where to where, and how much of it comes late.
    pub fn network(&self, now: Timestamp) -> NetworkSummary {
        let table = &self.world.config.networks;
        self.world.monitor.summary(table, now)
    }

    /// Bytes that peers and waypoints sent within networks and between them, and the number of ways
    /// between networks that count as congested.
    pub fn network_totals(&self) -> (u64, u64, usize) {
        let (on_net, off_net) = self.world.monitor.totals();
        (on_net, off_net, self.world.monitor.congested())
    }

    /// All connected peers, in the order of their ids.
    pub fn peers(&self) -> impl Iterator<Item = PeerSummary> {
        self.world
            .view
            .iter()
            .map(|(peer, record)| summary::peer(peer, record))
    }

    /// Number of connected peers whose key is proven.
    pub fn peer_count(&self) -> usize {
        self.world.view.len()
    }

    /// The audiences of providers, by whose tokens they came.
    pub fn tenants(&self) -> Vec<TenantSummary> {
        self.tenants.summaries()
    }

    /// Number of tickets in force.
    pub fn ticket_count(&self) -> usize {
        self.world.tickets.len()
    }

    /// All registered contents.
    pub fn contents(&self) -> Vec<ContentSummary> {
        summary::contents(&self.directory)
    }

    /// Why a peer is where it is; `None` where it is not known.
    pub fn explain_peer(&self, peer: PeerId) -> Option<PeerExplanation> {
        summary::explain_peer(&self.world, &self.directory, peer)
    }

    /// Why two peers are a pair or not; `None` where one is not known.
    pub fn explain_pair(
        &self,
        one: PeerId,
        other: PeerId,
        now: Timestamp,
    ) -> Option<PairExplanation> {
        summary::explain_pair(&self.world, &self.directory, (one, other), now)
    }

    /// Counters since the start.
    pub fn totals(&self) -> Totals {
        self.world.totals
    }
}
