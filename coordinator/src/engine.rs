//! The one task that owns the control center: inputs from a bounded channel, timers, outputs.

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use runnel_coordinator_core::{
    CloseCause, ContentSummary, ControlCenter, GroupEdit, GroupTerms, Input, LinkSummary, LinkUse,
    NetworkSummary, Output, PairExplanation, PeerExplanation, PeerSummary, PolicyExplanation,
    PolicySet, SessionId, SignedStatement, TenantSummary, Totals, TrialId, TrialReport, Whence,
};
use runnel_protocol::codec::encode;
use runnel_protocol::control::ToCoordinator;
use runnel_protocol::ids::{CertificateHash, ContentId, PeerId, PublicKey};
use runnel_protocol::signature::Signature;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::keeper::Keeper;
use crate::keys::Keys;
use crate::measure;
use crate::prober::Prober;
use crate::store::{GroupChange, Store, StoreError};

/// Commands that wait for the engine; whoever has more waits as well.
const QUEUE: usize = 8192;
/// Commands taken before the timers get their turn.
const BATCH: usize = 256;

/// What the door has to do for a session.
#[derive(Debug)]
pub(crate) enum Errand {
    /// Send a message, encoded.
    Send(Vec<u8>),
    /// Check a signature and report the verdict.
    Check {
        key: PublicKey,
        message: Vec<u8>,
        signature: Signature,
    },
    /// Find out by what right the peer with this key joins, and report the verdict.
    CheckToken {
        key: PublicKey,
        token: Option<String>,
    },
    /// End the connection, saying why.
    Close(CloseCause),
}

/// The engine's end of a session: bounded, and cut off when it overflows.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) errands: mpsc::Sender<Errand>,
    pub(crate) cut: CancellationToken,
}

/// A question about the present state.
#[derive(Debug)]
pub(crate) enum Question {
    Peer(PeerId, oneshot::Sender<Option<PeerExplanation>>),
    Pair(PeerId, PeerId, oneshot::Sender<Option<PairExplanation>>),
    /// What policies say of a peer, fed by another if one is named.
    Policies(
        PeerId,
        Option<PeerId>,
        oneshot::Sender<Option<Vec<PolicyExplanation>>>,
    ),
    Peers(oneshot::Sender<Vec<PeerSummary>>),
    Contents(oneshot::Sender<Vec<ContentSummary>>),
    Links(oneshot::Sender<Vec<LinkSummary>>),
    Network(oneshot::Sender<NetworkSummary>),
    /// The groups, and how many belong to each.
    Groups(oneshot::Sender<Vec<(GroupTerms, usize)>>),
    Health(oneshot::Sender<Health>),
}

/// Numbers for `/metrics` and `/healthz`.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    pub(crate) totals: Totals,
    pub(crate) peers: usize,
    pub(crate) tickets: usize,
    /// See [`ControlCenter::network_totals`].
    pub(crate) network: (u64, u64, usize),
    pub(crate) tenants: Vec<TenantSummary>,
}

/// What the engine is told.
#[derive(Debug)]
pub(crate) enum Command {
    Opened {
        session: SessionId,
        from: Whence,
        outbox: Outbox,
    },
    Received {
        session: SessionId,
        message: ToCoordinator,
    },
    Input(Input),
    Ask(Question),
    /// Change a group; answered once that is kept.
    Group(GroupEdit, oneshot::Sender<Result<(), StoreError>>),
    /// Forget all of a peer, here and in the store.
    Forget(PeerId, oneshot::Sender<Result<(), StoreError>>),
    /// Find out what would change if these policies were in force; `None` where too many are tried.
    Try(PolicySet, oneshot::Sender<Option<Box<TrialReport>>>),
}

/// How everybody else reaches the engine.
#[derive(Debug, Clone)]
pub(crate) struct Handle(mpsc::Sender<Command>);

impl Handle {
    /// Hands over a command, waiting while the engine is behind; `false` once it has ended.
    pub(crate) async fn tell(&self, command: Command) -> bool {
        self.0.send(command).await.is_ok()
    }

    /// Asks and waits; `None` once the engine has ended.
    pub(crate) async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Question,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.tell(Command::Ask(question(answer))).await;
        answered.await.ok()
    }
}

/// What the engine works with.
pub(crate) struct Parts {
    pub(crate) center: ControlCenter,
    pub(crate) keys: Keys,
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Clock,
    pub(crate) keeper: Keeper,
    /// `None` where peers are believed.
    pub(crate) prober: Option<Prober>,
    pub(crate) tasks: TaskTracker,
}

struct Engine {
    parts: Parts,
    outboxes: BTreeMap<SessionId, Outbox>,
    /// Who waits for the outcome of which trial, and how many there were.
    trials: BTreeMap<TrialId, oneshot::Sender<Option<Box<TrialReport>>>>,
    trial_count: u64,
    handle: mpsc::WeakSender<Command>,
}

/// Starts the engine; it ends when the last handle is dropped.
pub(crate) fn start(parts: Parts) -> Handle {
    let (sender, commands) = mpsc::channel(QUEUE);
    let engine = Engine {
        outboxes: BTreeMap::new(),
        trials: BTreeMap::new(),
        trial_count: 0,
        handle: sender.downgrade(),
        parts,
    };
    let tasks = engine.parts.tasks.clone();
    tasks.spawn(engine.run(commands));
    Handle(sender)
}

impl Engine {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let wake = self
                .parts
                .center
                .poll_timeout()
                .map(|(at, _)| self.parts.clock.instant(at));
            tokio::select! {
                count = commands.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    batch.drain(..).for_each(|command| self.handle(command));
                }
                () = sleep_until(wake) => {}
            }
            self.timeouts();
        }
    }

    fn timeouts(&mut self) {
        let now = self.parts.clock.now();
        let due = self
            .parts
            .center
            .poll_timeout()
            .filter(|(at, _)| *at <= now);
        if due.is_some() {
            let start = Instant::now();
            self.parts.center.handle_timeout(now);
            measure::decided(start.elapsed());
            self.drain();
        }
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Opened {
                session,
                from,
                outbox,
            } => {
                self.outboxes.insert(session, outbox);
                self.input(Input::SessionOpened { session, from });
            }
            Command::Received { session, message } => {
                self.input(Input::Received { session, message });
            }
            Command::Input(input) => self.input(input),
            Command::Ask(question) => self.answer(question),
            Command::Group(edit, done) => {
                self.input(Input::Group(edit));
                self.parts.keeper.settle_groups(done);
            }
            Command::Forget(peer, done) => {
                self.input(Input::Forget(peer));
                self.parts.keeper.forget(peer, done);
            }
            Command::Try(set, answer) => {
                self.trial_count += 1;
                let id = TrialId(self.trial_count);
                self.trials.insert(id, answer);
                self.input(Input::Try { id, set });
            }
        }
    }

    fn input(&mut self, input: Input) {
        if let Input::SessionClosed(session) = &input {
            self.outboxes.remove(session);
        }
        let start = Instant::now();
        self.parts
            .center
            .handle_input(input, self.parts.clock.now());
        measure::handled(start.elapsed());
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.parts.center.poll_output() {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Send { session, message } => {
                self.errand(session, Errand::Send(encode(&message)));
            }
            Output::Close { session, cause } => self.errand(session, Errand::Close(cause)),
            Output::CheckSignature {
                session,
                key,
                message,
                signature,
            } => {
                self.errand(
                    session,
                    Errand::Check {
                        key,
                        message,
                        signature,
                    },
                );
            }
            Output::CheckToken {
                session,
                key,
                token,
            } => self.errand(session, Errand::CheckToken { key, token }),
            Output::Probe {
                session,
                endpoints,
                certificates,
            } => self.probe(session, endpoints, certificates),
            Output::RedeemCode {
                session,
                peer,
                code,
            } => self.redeem(session, peer, code),
            Output::Sign(statement) => {
                let signed = self.parts.keys.sign(statement);
                self.keep(&signed);
                let now = self.parts.clock.now();
                self.parts.center.handle_input(Input::Signed(signed), now);
            }
            Output::Transferred(transfer) => self.parts.keeper.keep(&transfer),
            Output::Remember(remembered) => self.parts.keeper.remember(remembered),
            Output::KeepGroup(terms) => self.parts.keeper.change_group(GroupChange::Keep(terms)),
            Output::ForgetGroup(id) => self.parts.keeper.change_group(GroupChange::Forget(id)),
            Output::Recall(peer) => self.parts.keeper.recall(peer, self.handle.clone()),
            Output::LinksUsed(uses) => self.keep_uses(uses),
            Output::Tried { id, report } => {
                // Whoever asked may have gone: then the answer is dropped.
                if let Some(answer) = self.trials.remove(&id) {
                    drop(answer.send(report));
                }
            }
        }
    }

    /// A session that does not take what it is sent is cut off: it would hold memory.
    fn errand(&mut self, session: SessionId, errand: Errand) {
        let Some(outbox) = self.outboxes.get(&session) else {
            return;
        };
        if outbox.errands.try_send(errand).is_err() {
            measure::slow_session();
            outbox.cut.cancel();
            self.outboxes.remove(&session);
        }
    }

    fn probe(
        &self,
        session: SessionId,
        endpoints: Vec<SocketAddr>,
        certificates: Vec<CertificateHash>,
    ) {
        let Some(prober) = self.parts.prober.clone() else {
            return;
        };
        // A strong handle would keep the engine from ending for as long as the test takes.
        let handle = self.handle.clone();
        self.parts.tasks.spawn(async move {
            let reached = prober.probe(endpoints, certificates).await;
            if let Some(handle) = handle.upgrade() {
                let input = Input::Probed { session, reached };
                let _ = handle.send(Command::Input(input)).await;
            }
        });
    }

    fn redeem(&self, session: SessionId, peer: PeerId, code: String) {
        let Some(handle) = self.handle.upgrade() else {
            return;
        };
        let store = Arc::clone(&self.parts.store);
        self.parts.tasks.spawn(async move {
            let input = match store.redeem(code, peer).await {
                Ok(Some(names)) => {
                    tracing::info!(%peer, contents = names.join(","), "waypoint enrolled");
                    let contents = names.iter().map(|name| ContentId::of(name)).collect();
                    Input::WaypointEnrolled { peer, contents }
                }
                Ok(None) => Input::CodeRefused(session),
                Err(error) => {
                    tracing::error!(%error, "a one-time code could not be checked");
                    Input::CodeRefused(session)
                }
            };
            let _ = handle.send(Command::Input(input)).await;
        });
    }

    /// Certificates survive a restart: pages that come back before their waypoint need them.
    fn keep(&self, statement: &SignedStatement) {
        if let SignedStatement::Certificate(signed) = statement {
            let (store, signed) = (Arc::clone(&self.parts.store), signed.clone());
            self.parts.tasks.spawn(async move {
                if let Err(error) = store.keep_certificate(signed).await {
                    tracing::error!(%error, "a certificate could not be kept");
                }
            });
        }
    }

    /// Once every ten seconds: a month's total survives a restart.
    fn keep_uses(&self, uses: Vec<LinkUse>) {
        let store = Arc::clone(&self.parts.store);
        self.parts.tasks.spawn(async move {
            if let Err(error) = store.add_link_uses(uses).await {
                tracing::error!(%error, "what ran over links could not be kept");
            }
        });
    }

    /// Whoever asked may have gone: then the answer is dropped.
    fn answer(&self, question: Question) {
        let center = &self.parts.center;
        match question {
            Question::Peer(peer, answer) => drop(answer.send(center.explain_peer(peer))),
            Question::Pair(one, other, answer) => {
                let now = self.parts.clock.now();
                drop(answer.send(center.explain_pair(one, other, now)));
            }
            Question::Policies(viewer, parent, answer) => {
                let now = self.parts.clock.now();
                drop(answer.send(center.explain_policies(viewer, parent, now)));
            }
            Question::Peers(answer) => drop(answer.send(center.peers().collect())),
            Question::Contents(answer) => drop(answer.send(center.contents())),
            Question::Network(answer) => {
                drop(answer.send(center.network(self.parts.clock.now())));
            }
            Question::Groups(answer) => {
                let groups = center.groups().map(|(terms, count)| (terms.clone(), count));
                drop(answer.send(groups.collect()));
            }
            Question::Links(answer) => drop(answer.send(center.links())),
            Question::Health(answer) => drop(answer.send(Health {
                totals: center.totals(),
                peers: center.peer_count(),
                tickets: center.ticket_count(),
                network: center.network_totals(),
                tenants: center.tenants(),
            })),
        }
    }
}

async fn sleep_until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => core::future::pending().await,
    }
}
