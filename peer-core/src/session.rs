//! The conversation with the coordinator: reaching it, proving the key, opening contents, coming
//! back after it was away without a stampede.

use core::time::Duration;

use runnel_protocol::control::{
    ClientHello, ContentLocator, CoordinatorPossession, Enrol, Open, Reachability, ToCoordinator,
    Welcome,
};
use runnel_protocol::group::{GroupRequest, Invitation};
use runnel_protocol::ids::{CertificateHash, ContentId, Nonce, PublicKey};
use runnel_protocol::signature::{Signature, Statement};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::{BitsPerSecond, UnixSeconds};

use crate::config::Config;
use crate::entropy::Entropy;

/// First pause before the coordinator is tried again; doubles up to [`LONGEST_PAUSE`], jittered.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// How long the others may take to come back to a coordinator that was away: the longest pause,
/// jittered.
const RETURN: Duration = Duration::from_secs(30);
/// How long what stands may go on under tickets that are older than the coordinator's word: new ones
/// come as soon as both ends of a pair are back.
const DOUBT: Duration = Duration::from_secs(10);
/// How long the coordinator may take from the connection to the welcome.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most groups that one client joins by invitation: no more are let in.
const MAX_INVITATIONS: usize = 8;
/// Most contents that one client takes part in.
const MAX_OPEN: usize = 64;

#[derive(Debug)]
enum State {
    /// Not wanted: no consent yet, or leaving.
    Off,
    /// Sent away for good, unless another join token helps.
    Refused,
    Connecting,
    /// Connected; waits for challenge, signature and welcome until then.
    Proving(Timestamp),
    Standing,
    /// Tries again then.
    Pausing(Timestamp),
}

/// The oldest version of the policies under which this peer serves: of what the coordinator did to
/// older tickets while it was away it may have heard nothing.
#[derive(Debug, Default)]
struct Floor {
    told: u64,
    /// What stands has until then to be granted anew; before, it is held to this version.
    until: Option<(Timestamp, u64)>,
}

impl Floor {
    fn rise(&mut self, told: u64, stands: bool, now: Timestamp) {
        if told <= self.told {
            return;
        }
        let pending = self.until.filter(|(until, _)| now < *until);
        let until = pending.unwrap_or((now + DOUBT, self.told));
        self.until = stands.then_some(until);
        self.told = told;
    }

    fn at(&self, now: Timestamp) -> u64 {
        let before = self.until.filter(|(until, _)| now < *until);
        before.map_or(self.told, |(_, before)| before)
    }
}

/// A content that somebody asked for.
#[derive(Debug)]
struct Opening {
    locator: ContentLocator,
    plays: bool,
}

/// The session and what outlives it.
#[derive(Debug)]
pub(crate) struct Session {
    state: State,
    pause: Duration,
    openings: Vec<Opening>,
    enrol: Option<Enrol>,
    endpoints: Vec<core::net::SocketAddr>,
    certificates: Vec<CertificateHash>,
    /// Whether the last hello named others.
    moved: bool,
    welcome: Option<Welcome>,
    /// The provider's JWT that the next hello brings.
    token: Option<String>,
    /// By which it joins its groups, in each session anew.
    invitations: Vec<Invitation>,
    /// After the latest welcome that was not the first one, others come back until then.
    others_return_until: Option<Timestamp>,
    /// The coordinator's clock minus ours, in seconds.
    skew: i64,
    floor: Floor,
}

impl Session {
    pub(crate) fn new(token: Option<String>) -> Self {
        Self {
            state: State::Off,
            pause: FIRST_PAUSE,
            openings: Vec::new(),
            enrol: None,
            endpoints: Vec::new(),
            certificates: Vec::new(),
            moved: false,
            welcome: None,
            token,
            invitations: Vec::new(),
            others_return_until: None,
            skew: 0,
            floor: Floor::default(),
        }
    }

    pub(crate) fn root_key(&self) -> Option<PublicKey> {
        self.welcome.as_ref().map(|welcome| welcome.root_key)
    }

    pub(crate) fn ticket_keys(&self) -> &[PublicKey] {
        self.welcome
            .as_ref()
            .map_or(&[], |welcome| &welcome.ticket_keys)
    }

    pub(crate) fn heartbeat_interval(&self) -> Duration {
        let asked = self
            .welcome
            .as_ref()
            .map_or(1000, |welcome| welcome.heartbeat_ms);
        Duration::from_millis(u64::from(asked.clamp(200, 60_000)))
    }

    /// The date as the coordinator sees it.
    pub(crate) fn date(&self, now: Timestamp) -> UnixSeconds {
        UnixSeconds(now.unix_seconds().0.saturating_add_signed(self.skew))
    }

    /// The oldest version of the policies whose tickets are good for what stands.
    pub(crate) fn policy_floor(&self, now: Timestamp) -> u64 {
        self.floor.at(now)
    }

    /// The same for what is new.
    pub(crate) const fn policy_floor_for_new(&self) -> u64 {
        self.floor.told
    }

    pub(crate) fn is_standing(&self) -> bool {
        matches!(self.state, State::Standing)
    }

    /// Until when a coordinator that has just come back may know only those who were quicker.
    pub(crate) fn others_return_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.others_return_until.filter(|until| now < *until)
    }

    /// Wants a session; `true` if a connection is to be made.
    pub(crate) fn start(&mut self) -> bool {
        let off = matches!(self.state, State::Off);
        if off {
            self.state = State::Connecting;
        }
        off
    }

    /// Whether the coordinator is being convinced, and may be answered.
    pub(crate) fn is_proving(&self) -> bool {
        matches!(self.state, State::Proving(_))
    }

    pub(crate) fn stop(&mut self) {
        self.state = State::Off;
    }

    /// It can be reached there from now on: told at once where the session stands, else with what comes to
    /// be said first.
    pub(crate) fn set_reachable(
        &mut self,
        endpoints: Vec<core::net::SocketAddr>,
        certificates: Vec<CertificateHash>,
    ) -> Option<ToCoordinator> {
        if self.endpoints == endpoints && self.certificates == certificates {
            return None;
        }
        self.endpoints = endpoints;
        self.certificates = certificates;
        self.moved = true;
        self.is_standing().then(|| self.moves()).flatten()
    }

    /// The addresses and certificates that the coordinator has not heard of.
    fn moves(&mut self) -> Option<ToCoordinator> {
        core::mem::take(&mut self.moved).then(|| {
            ToCoordinator::Reachable(Reachability {
                endpoints: self.endpoints.clone(),
                certificates: self.certificates.clone(),
            })
        })
    }

    pub(crate) fn on_connected(&mut self, now: Timestamp) {
        if matches!(self.state, State::Connecting) {
            self.state = State::Proving(now + PATIENCE);
        }
    }

    /// The connection is gone: pause, longer each time, never all peers at once.
    pub(crate) fn on_lost(&mut self, entropy: &mut Entropy, now: Timestamp) {
        if matches!(self.state, State::Off | State::Refused | State::Pausing(_)) {
            return;
        }
        self.state = State::Pausing(now + entropy.jittered(self.pause));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// The coordinator named the pause itself.
    pub(crate) fn on_refused(
        &mut self,
        retry_after: Option<Duration>,
        entropy: &mut Entropy,
        now: Timestamp,
    ) {
        if matches!(self.state, State::Off) {
            return;
        }
        self.state = retry_after.map_or(State::Refused, |pause| {
            State::Pausing(now + entropy.jittered(pause))
        });
    }

    /// What to sign for this challenge.
    pub(crate) fn possession(nonce: Nonce) -> Vec<u8> {
        CoordinatorPossession { nonce }.message()
    }

    pub(crate) fn hello(
        &mut self,
        config: &Config,
        uplink: BitsPerSecond,
        signature: Signature,
    ) -> ToCoordinator {
        self.moved = false;
        ToCoordinator::Hello(Box::new(ClientHello {
            key: config.key,
            signature,
            implementation: config.implementation.clone(),
            endpoints: self.endpoints.clone(),
            certificates: self.certificates.clone(),
            uplink,
            join_token: self.token.clone(),
        }))
    }

    /// Another join token: presented at once where the session stands, else with the next hello. Who was
    /// sent away comes back with it, later each time.
    pub(crate) fn on_token(
        &mut self,
        token: String,
        entropy: &mut Entropy,
        now: Timestamp,
    ) -> Option<ToCoordinator> {
        if self.token.as_ref() == Some(&token) {
            return None;
        }
        self.token = Some(token.clone());
        if matches!(self.state, State::Refused) {
            self.state = State::Connecting;
            self.on_lost(entropy, now);
        }
        self.is_standing().then_some(ToCoordinator::Token(token))
    }

    /// The session stands: what has to be said first.
    pub(crate) fn on_welcome(&mut self, welcome: Welcome, now: Timestamp) -> Vec<ToCoordinator> {
        let told = welcome.policy_floor;
        self.floor.rise(told, self.welcome.is_some(), now);
        let ours = now.unix_seconds().0;
        self.skew = i64::try_from(welcome.now.0).unwrap_or(0) - i64::try_from(ours).unwrap_or(0);
        if self.welcome.replace(welcome).is_some() {
            self.others_return_until = Some(now + RETURN);
        }
        self.state = State::Standing;
        self.pause = FIRST_PAUSE;
        let enrol = self.enrol.clone().map(ToCoordinator::Enrol);
        let moves = self.moves();
        // Ahead of the contents: nobody is to be fed by strangers for a moment.
        let invitations = self.invitations.iter();
        let joins = invitations.map(|one| ToCoordinator::Group(GroupRequest::Join(*one)));
        enrol
            .into_iter()
            .chain(moves)
            .chain(joins)
            .chain(self.openings.iter().map(Opening::message))
            .collect()
    }

    /// Enrols now if the session stands, and again whenever it comes to stand.
    pub(crate) fn enrol(&mut self, enrol: Enrol) -> Option<ToCoordinator> {
        // A code works once: later sessions renew.
        self.enrol = Some(Enrol {
            code: enrol.code.clone(),
            stream_key: enrol.stream_key,
        });
        self.is_standing().then_some(ToCoordinator::Enrol(enrol))
    }

    /// Asks for something about groups, if the session stands; joins are made up for when it does.
    pub(crate) fn on_group(&mut self, request: GroupRequest) -> Option<ToCoordinator> {
        match &request {
            GroupRequest::Join(invitation) => self.keep_invitation(*invitation),
            GroupRequest::Leave(invitation) | GroupRequest::Withdraw(invitation) => {
                self.invitations.retain(|one| one != invitation);
            }
            GroupRequest::Found { .. } => {}
        }
        self.is_standing().then_some(ToCoordinator::Group(request))
    }

    /// Comes back to a group by this.
    pub(crate) fn keep_invitation(&mut self, invitation: Invitation) {
        if self.invitations.len() < MAX_INVITATIONS && !self.invitations.contains(&invitation) {
            self.invitations.push(invitation);
        }
    }

    /// The code has served.
    pub(crate) fn on_certified(&mut self) {
        if let Some(enrol) = &mut self.enrol {
            enrol.code = None;
        }
    }

    pub(crate) fn open(&mut self, locator: ContentLocator, plays: bool) -> Option<ToCoordinator> {
        let known = self
            .openings
            .iter()
            .any(|opening| opening.locator == locator);
        if known || self.openings.len() >= MAX_OPEN {
            return None;
        }
        let opening = Opening { locator, plays };
        let message = opening.message();
        self.openings.push(opening);
        self.is_standing().then_some(message)
    }

    /// No longer opens what was opened as `name` or by id.
    pub(crate) fn close(&mut self, content: ContentId) -> Option<ToCoordinator> {
        self.openings.retain(|opening| match &opening.locator {
            ContentLocator::Id(id) => *id != content,
            ContentLocator::Name(name) => ContentId::of(name) != content,
            ContentLocator::MasterUrl(_) => true,
        });
        self.is_standing().then_some(ToCoordinator::Close(content))
    }

    pub(crate) fn timeout(&self) -> Option<Timestamp> {
        match self.state {
            State::Pausing(at) | State::Proving(at) => Some(at),
            State::Off | State::Refused | State::Connecting | State::Standing => None,
        }
    }

    /// What time calls for.
    pub(crate) fn on_timeout(&mut self, entropy: &mut Entropy, now: Timestamp) -> Option<Redo> {
        match self.state {
            State::Pausing(at) if at <= now => {
                self.state = State::Connecting;
                Some(Redo::Connect)
            }
            State::Proving(at) if at <= now => {
                self.on_lost(entropy, now);
                Some(Redo::Disconnect)
            }
            State::Pausing(_)
            | State::Proving(_)
            | State::Off
            | State::Refused
            | State::Connecting
            | State::Standing => None,
        }
    }
}

/// What to do about the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Redo {
    Connect,
    /// It stands but nobody answers over it.
    Disconnect,
}

impl Opening {
    fn message(&self) -> ToCoordinator {
        ToCoordinator::Open(Open {
            content: self.locator.clone(),
            plays: self.plays,
        })
    }
}
