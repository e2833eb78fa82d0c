//! What all contents share: peers, pairs, tickets, reasons, and the way out.

use std::collections::VecDeque;

use runnel_protocol::control::FromCoordinator;
use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::time::Timestamp;

use crate::acquaintances::Acquaintances;
use crate::blacklist::Blacklist;
use crate::conduct::Conduct;
use crate::config::Config;
use crate::described::{Known, Present};
use crate::explain::Log;
use crate::family::Attempts;
use crate::groups::Groups;
use crate::history::{Chronicle, History, LinkAccount};
use crate::io::Output;
use crate::law::Law;
use crate::links::Links;
use crate::monitor::Monitor;
use crate::place::Site;
use crate::policy::{Described, Judge, Verdict};
use crate::random::Random;
use crate::steady::Offers;
use crate::summary::Totals;
use crate::tickets::{Pairing, TicketBook};
use crate::view::{Record, View};
use crate::waypoints::Waypoints;

pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) random: Random,
    pub(crate) view: View,
    pub(crate) blacklist: Blacklist,
    pub(crate) acquaintances: Acquaintances,
    pub(crate) conduct: Conduct,
    /// By whom addresses of another family than its own were tried in vain.
    pub(crate) attempts: Attempts,
    pub(crate) tickets: TicketBook,
    pub(crate) waypoints: Waypoints,
    pub(crate) log: Log,
    pub(crate) judge: Judge,
    pub(crate) law: Law,
    pub(crate) groups: Groups,
    pub(crate) links: Links,
    pub(crate) monitor: Monitor,
    pub(crate) totals: Totals,
    /// Rises whenever somebody may have got room: who wants for a parent is looked at again.
    pub(crate) growth: u64,
    /// Peers whose offer may have changed in contents that were not being looked at.
    pub(crate) moved_elsewhere: Vec<PeerId>,
    /// See [`Config::settle`].
    pub(crate) settled_at: Timestamp,
    /// Offers that rose and are not believed yet.
    pub(crate) offers: Offers,
    pub(crate) chronicle: Chronicle,
    pub(crate) outputs: VecDeque<Output>,
}

impl World {
    /// What policies may ask of a peer; `None` once it is gone.
    pub(crate) fn known(&self, peer: PeerId) -> Option<Known<'_>> {
        let record = self.view.get(peer)?;
        Some(self.describe(peer, record))
    }

    /// The same, where the record is at hand.
    pub(crate) fn describe<'a>(&'a self, peer: PeerId, record: &'a Record) -> Known<'a> {
        Known {
            peer,
            record,
            networks: &self.config.networks,
            groups: &self.groups,
        }
    }

    pub(crate) fn new(config: Config, seed: [u8; 32], now: Timestamp) -> Self {
        let settled_at = now + config.settle;
        let law = Law::new(config.generation, config.policies_doubtful);
        Self {
            config,
            random: Random::new(seed),
            view: View::default(),
            blacklist: Blacklist::default(),
            acquaintances: Acquaintances::default(),
            conduct: Conduct::default(),
            attempts: Attempts::default(),
            tickets: TicketBook::default(),
            waypoints: Waypoints::default(),
            log: Log::default(),
            judge: Judge::default(),
            law,
            groups: Groups::default(),
            links: Links::default(),
            monitor: Monitor::default(),
            totals: Totals::default(),
            growth: 0,
            moved_elsewhere: Vec::new(),
            settled_at,
            offers: Offers::default(),
            chronicle: Chronicle::new(now),
            outputs: VecDeque::new(),
        }
    }

    /// Two become a pair: one end will know the other's address.
    pub(crate) fn introduce(&mut self, one: PeerId, other: PeerId, now: Timestamp) {
        if let (Some(one), Some(other)) = (self.view.get(one), self.view.get(other)) {
            self.acquaintances.introduce((one, other), now);
        }
    }

    /// What whoever it feeds, from its own site, has to say of a parent.
    pub(crate) fn remember(
        &mut self,
        parent: PeerId,
        child: PeerId,
        tell: impl FnOnce(&mut History, Site),
    ) {
        let site = self.view.get(child).map(|child| child.place.site);
        if let (Some(site), Some(parent)) = (site, self.view.get_mut(parent)) {
            tell(&mut parent.history, site);
        }
    }

    /// A link's account is closed, if there is one.
    pub(crate) fn remember_link(
        &mut self,
        parent: PeerId,
        child: PeerId,
        account: Option<LinkAccount>,
        now: Timestamp,
    ) {
        if let Some(account) = account {
            self.remember(parent, child, |history, site| {
                history.on_link(account, site, now);
            });
        }
    }

    /// Whether its site, or a policy, has a peer neither get nor give anything.
    pub(crate) fn bars(&self, known: &Known<'_>, content: ContentId, now: Timestamp) -> bool {
        !known.record.sharing().gets() || self.judge.bar(known, content, now).is_some()
    }

    /// Whether the sites of two peers, or a policy, are against one feeding the other, which may
    /// have been a pair for long. Whoever leaves may keep its links for as long as its tickets are
    /// good: then nothing is known of it.
    pub(crate) fn forbids(
        &self,
        pair: (PeerId, PeerId),
        content: ContentId,
        now: Timestamp,
    ) -> bool {
        let (client, server) = (self.known(pair.0), self.known(pair.1));
        let gets = client
            .as_ref()
            .is_none_or(|one| one.record.sharing().gets());
        let gives = server
            .as_ref()
            .is_none_or(|one| one.record.sharing().gives());
        let [client, server] = [client, server].map(|end| end.map_or(Present::Away, Present::Here));
        let verdict = || self.verdict(pair, (&client, &server), content, now);
        !gets || !gives || verdict().denial(None).is_some()
    }

    /// What the policies, and the groups that the two belong to, say about one feeding the other.
    pub(crate) fn verdict<D: Described>(
        &self,
        pair: (PeerId, PeerId),
        ends: (&D, &D),
        content: ContentId,
        now: Timestamp,
    ) -> Verdict {
        self.verdict_by(&self.judge, pair, ends, content, now)
    }

    /// The same by other policies than those in force.
    pub(crate) fn verdict_by<D: Described>(
        &self,
        judge: &Judge,
        (client, server): (PeerId, PeerId),
        ends: (&D, &D),
        content: ContentId,
        now: Timestamp,
    ) -> Verdict {
        let mut verdict = judge.verdict(ends.0, ends.1, content, now);
        let bond = self.groups.bond(client, server);
        // The operator's own machines are nobody's strangers.
        let ours = |peer| self.waypoints.is_enrolled(peer);
        if bond.restricts() && !ours(server) && !ours(client) {
            bond.add_to(&mut verdict, self.groups.rulings());
        }
        verdict
    }

    /// Sends to a peer; nothing where it has no session.
    pub(crate) fn send(&mut self, peer: PeerId, message: FromCoordinator) {
        if let Some(record) = self.view.get(peer) {
            self.outputs.push_back(Output::Send {
                session: record.session,
                message,
            });
        }
    }

    /// Voids what was granted to a pair.
    pub(crate) fn revoke(&mut self, pairing: &Pairing) {
        let tickets = self.tickets.void(pairing);
        if !tickets.is_empty() {
            self.law.change();
            let both = FromCoordinator::Revoke(tickets);
            self.send(pairing.client, both.clone());
            self.send(pairing.server, both);
        }
    }
}
