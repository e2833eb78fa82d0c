//! The one task that owns the peer: what happens goes in, what it asks for is carried out.
//!
//! It never waits for anything but the next arrival or timeout. Whoever cannot take an output at
//! once (a slow link, a slow disk) is treated as failed, which the peer knows how to live with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use runnel_peer_core::{Event, Input, LinkId, Output, Peer};
use runnel_protocol::group::GroupNews;
use runnel_protocol::peer::CloseReason;
use runnel_protocol::signing::{KeyPair, verify};
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, trace, warn};

use crate::cache::{Disk, Request};
use crate::clock::Clock;
use crate::coordinator::Coordinator;
use crate::dial::{Undialled, dial};
use crate::endpoint::{Endpoint, Visitor};
use crate::inbox::{Arrival, Inbox};
use crate::link::{Link, Role};
use crate::player::Answer;
use crate::refusals::Refusals;
use crate::transport::Session;
use crate::waypoint::Task;

/// Arrivals handled before the clock is looked at again.
const BATCH: usize = 32;
/// Time that is left to children to find other parents when the agent stops.
const DRAIN: Duration = Duration::from_secs(5);
/// Time to tell the coordinator goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// The peer with everything that carries out its outputs.
pub(crate) struct Driver {
    pub(crate) peer: Peer,
    pub(crate) clock: Clock,
    pub(crate) keys: KeyPair,
    pub(crate) endpoint: Endpoint,
    pub(crate) inbox: Inbox,
    pub(crate) links: BTreeMap<LinkId, Link>,
    /// Links accepted so far.
    pub(crate) accepted: u64,
    pub(crate) disk: Disk,
    pub(crate) coordinator: Coordinator,
    pub(crate) waypoint: Option<mpsc::Sender<Task>>,
    pub(crate) player: Option<mpsc::Sender<Answer>>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) refusals: Arc<Refusals>,
}

impl Driver {
    /// Runs until `stop` is called, then leaves in order: at most six seconds.
    pub(crate) async fn run(
        mut self,
        mut arrivals: mpsc::Receiver<Arrival>,
        stop: CancellationToken,
    ) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut leaving: Option<Instant> = None;
        self.carry_out();
        loop {
            let timeout = self.peer.poll_timeout();
            let due = timeout.map(|(at, _)| self.clock.instant(at));
            tokio::select! {
                _ = arrivals.recv_many(&mut batch, BATCH) => {
                    batch.drain(..).for_each(|arrival| self.on_arrival(arrival));
                }
                () = until(due) => {
                    self.peer.handle_timeout(self.clock.now());
                    self.carry_out();
                }
                () = stop.cancelled(), if leaving.is_none() => {
                    info!("leaving: children are told to look for others");
                    leaving = Some(Instant::now() + DRAIN);
                    self.input(Input::Drain);
                }
                () = until(leaving) => break,
            }
            if leaving.is_some() && self.links.is_empty() {
                break;
            }
        }
        self.links
            .values()
            .for_each(|link| link.close(CloseReason::Draining));
        self.coordinator.close(GOODBYE).await;
        // Nobody reads arrivals any more: whoever waits for room in the inbox, the disk's thread
        // among them, is let go before that thread is waited for.
        drop(arrivals);
    }

    fn on_arrival(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Input(input) => {
                if let Input::Closed(link, _) = &input {
                    self.links.remove(link);
                }
                self.input(input);
            }
            Arrival::Visitor(Visitor {
                session,
                place,
                caller,
            }) => {
                self.accepted += 1;
                let id = LinkId::accepted(self.accepted);
                let link = Link::start(id, session, Role::Acceptor(place), self.inbox.clone());
                self.links.insert(id, link);
                self.input(Input::Accepted(id, caller));
            }
            Arrival::Dialled(id, Ok(session)) => {
                let link = Link::start(id, session, Role::Dialler, self.inbox.clone());
                self.links.insert(id, link);
                self.input(Input::Connected(id));
            }
            Arrival::Dialled(id, Err(Undialled::NoAnswer)) => self.input(Input::DialFailed(id)),
            Arrival::Dialled(id, Err(Undialled::Refused)) => {
                self.input(Input::Closed(id, Some(CloseReason::Full)));
            }
            Arrival::Coordinator(count, input) => {
                if self.coordinator.is_current(count) {
                    self.input(input);
                }
            }
        }
    }

    fn input(&mut self, input: Input) {
        self.peer.handle_input(input, self.clock.now());
        self.carry_out();
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.peer.poll_output() {
            self.on_output(output);
        }
    }

    fn on_output(&mut self, output: Output) {
        match output {
            Output::ConnectCoordinator => self.coordinator.connect(),
            Output::DisconnectCoordinator => self.coordinator.disconnect(),
            Output::ToCoordinator(message) => self.coordinator.send(message),
            // The file is followed anyway; whoever has to replace it is told.
            Output::RenewToken => info!("another join token is asked for: see --token-file"),

            Output::Dial(id, contact) => {
                let (endpoint, inbox) = (self.endpoint.clone(), self.inbox.clone());
                tokio::spawn(async move {
                    let session = dial(endpoint, contact.endpoints, contact.certificates).await;
                    let session = session.map(Session::from);
                    inbox.put(Arrival::Dialled(id, session)).await;
                });
            }
            Output::Send(id, message) => self.link(id, |link| link.send(message)),
            Output::Hangup(id, reason) => {
                if let Some(link) = self.links.remove(&id) {
                    link.close(reason);
                }
            }
            Output::OpenBulk {
                link,
                bulk,
                header,
                order,
            } => self.link(link, |link| link.open_bulk(bulk, &header, order)),
            Output::SendChunk(id, bulk, chunk) => {
                self.link(id, |link| link.send_chunk(bulk, chunk));
            }
            Output::FinishBulk(id, bulk) => self.link(id, |link| link.finish_bulk(bulk)),
            Output::ResetBulk(id, bulk) => self.link(id, |link| link.reset_bulk(bulk)),
            Output::StopStream(id, stream) => self.link(id, |link| link.stop_stream(stream)),

            Output::Check {
                check,
                key,
                message,
                signature,
            } => {
                let valid = verify(&key, &message, &signature);
                let verdict = Input::Checked(check, valid);
                self.peer.handle_input(verdict, self.clock.now());
            }
            Output::Sign(sign, message) => {
                let signed = Input::Signed(sign, self.keys.sign_message(&message));
                self.peer.handle_input(signed, self.clock.now());
            }

            Output::Store(entry, chunk) => {
                self.ask_disk(Request::Store(entry, chunk.chunk().clone()));
            }
            Output::Discard(segment, chunk) => self.ask_disk(Request::Discard(segment, chunk)),
            Output::Load(load, segment, chunk) => {
                let inbox = self.inbox.clone();
                let answer = move |chunk| inbox.input_blocking(Input::Loaded(load, chunk));
                let request = Request::Load(segment, chunk, Box::new(answer));
                if !self.disk.ask(request) {
                    self.peer
                        .handle_input(Input::Loaded(load, None), self.clock.now());
                }
            }

            Output::Demand(content, track, wanted) => {
                self.task(Task::Follow(content, track, wanted));
            }
            Output::DemandSegment(segment) => self.task(Task::Segment(segment)),
            Output::Attest(grant) => self.task(Task::Grant(grant)),
            Output::Certified(certificate) => self.task(Task::Certified(certificate)),

            Output::Event(event) => self.on_event(event),

            Output::Deliver(want, delivered) => self.answer(Answer::Delivered(want, delivered)),
            Output::Fail(want) => self.answer(Answer::Failed(want)),

            // What plays here has its own way to the CDN, if any.
            Output::Fetch { fetch, .. } => {
                self.peer
                    .handle_input(Input::FetchFailed(fetch), self.clock.now());
            }
            Output::CancelFetch(_) => {}
            other => debug!(?other, "an output of a newer core"),
        }
    }

    /// A link that is gone already is the peer's to hear about, not to be missed here.
    fn link(&mut self, id: LinkId, act: impl FnOnce(&mut Link)) {
        if let Some(link) = self.links.get_mut(&id) {
            act(link);
        }
    }

    fn ask_disk(&self, request: Request) {
        if !self.disk.ask(request) {
            debug!("the disk cannot keep up, a chunk stays in memory only");
        }
    }

    fn task(&self, task: Task) {
        if let Some(waypoint) = &self.waypoint
            && waypoint.try_send(task).is_err()
        {
            warn!("the waypoint cannot keep up");
        }
    }

    fn answer(&self, answer: Answer) {
        if let Some(player) = &self.player
            && player.try_send(answer).is_err()
        {
            debug!("the player takes no more answers");
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is not worth a line of its own is traced"
    )]
    fn on_event(&self, event: Event) {
        self.refusals.note(&event);
        match &event {
            Event::Refused(refused) => warn!(why = refused.why, "the coordinator refused"),
            Event::Group(GroupNews::Joined { name, .. }) => info!(name, "belongs to a group"),
            Event::Group(GroupNews::Left { why, .. } | GroupNews::Refused(why)) => {
                warn!(why, "a group");
            }
            Event::Struck(strike) => {
                warn!(peer = %strike.peer, offence = ?strike.offence, "misbehaved")
            }
            Event::LinkUp(link, peer, _) => debug!(?link, %peer, "link up"),
            Event::LinkDown(link, peer, why) => debug!(?link, ?peer, ?why, "link down"),
            Event::TurnedAway(link, why) => debug!(?link, ?why, "turned away"),
            Event::Assigned(assign) => {
                let (parents, children) = (assign.parents.len(), assign.children.len());
                debug!(content = %assign.content, epoch = assign.epoch, parents, children, "assigned");
            }
            // Of each chunk: listeners would be woken thousands of times a second.
            Event::Received(..) | Event::Sent(..) | Event::Proven(_) | Event::Wasted(_) => {
                return trace!(?event);
            }
            _ => trace!(?event),
        }
        // Nobody may be listening.
        self.events.send(event).ok();
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
