//! Sessions from the first packet to the proven key.

use core::time::Duration;
use std::collections::VecDeque;

use runnel_protocol::control::{ClientHello, CoordinatorPossession};
use runnel_protocol::ids::{Nonce, PeerId, PublicKey};
use runnel_protocol::signature::Statement;
use runnel_protocol::time::Timestamp;

use crate::io::{Output, SessionId, Whence};
use crate::table::Table;

/// Time to prove a key: a browser asks WebCrypto, over a slow network.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a session stands.
#[derive(Debug)]
enum State {
    /// Asked to prove its key.
    Challenged(Box<(Nonce, Whence)>),
    /// The signature is being checked.
    Checking(Box<(ClientHello, Whence)>),
    /// The key is proven; by what right it joins is being found out.
    Proven(Box<(PeerId, ClientHello, Whence)>),
    /// Let in.
    Joined(PeerId),
    /// Told to go; what still arrives is dropped.
    Ending,
}

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    states: Table<SessionId, State>,
    /// Until when each new session has to have proven its key; taken off when that is past.
    deadlines: VecDeque<(Timestamp, SessionId)>,
}

impl Sessions {
    pub(crate) fn len(&self) -> usize {
        self.states.len()
    }

    pub(crate) fn ids(&self) -> Vec<SessionId> {
        self.states.keys().copied().collect()
    }

    pub(crate) fn challenge(
        &mut self,
        session: SessionId,
        nonce: Nonce,
        from: Whence,
        now: Timestamp,
    ) {
        self.deadlines.push_back((now + PATIENCE, session));
        let challenged = State::Challenged(Box::new((nonce, from)));
        self.states.insert(session, challenged);
    }

    pub(crate) fn end(&mut self, session: SessionId) {
        self.states.insert(session, State::Ending);
    }

    /// The shell says that it is gone; whose it was.
    pub(crate) fn remove(&mut self, session: SessionId) -> Option<PeerId> {
        match self.states.swap_remove(&session)? {
            State::Joined(peer) => Some(peer),
            State::Challenged(_) | State::Checking(_) | State::Proven(_) | State::Ending => None,
        }
    }

    /// Sessions that have had time enough to prove their key and have not.
    pub(crate) fn take_overdue(&mut self, now: Timestamp) -> Vec<SessionId> {
        let mut overdue = Vec::new();
        while let Some((_, session)) = self.deadlines.front().copied().filter(|(at, _)| *at <= now)
        {
            self.deadlines.pop_front();
            if let Some(State::Challenged(_) | State::Checking(_) | State::Proven(_)) =
                self.states.get(&session)
            {
                overdue.push(session);
            }
        }
        overdue
    }

    /// Whose session it is, once let in.
    pub(crate) fn peer(&self, session: SessionId) -> Option<PeerId> {
        match self.states.get(&session)? {
            State::Joined(peer) => Some(*peer),
            State::Challenged(_) | State::Checking(_) | State::Proven(_) | State::Ending => None,
        }
    }

    /// Whether the session was told to go.
    pub(crate) fn is_ending(&self, session: SessionId) -> bool {
        matches!(self.states.get(&session), None | Some(State::Ending))
    }

    /// The answer to the challenge: what has to be checked. `None` where none was asked for.
    pub(crate) fn on_hello(
        &mut self,
        session: SessionId,
        hello: Box<ClientHello>,
    ) -> Option<Output> {
        let state = self.states.get_mut(&session)?;
        let State::Challenged(asked) = state else {
            return None;
        };
        let (nonce, from) = **asked;
        let check = Output::CheckSignature {
            session,
            key: hello.key,
            message: CoordinatorPossession { nonce }.message(),
            signature: hello.signature,
        };
        *state = State::Checking(Box::new((*hello, from)));
        Some(check)
    }

    /// The key is proven: that key, and the token that came with it. `None` where none is being
    /// checked.
    pub(crate) fn on_proven(&mut self, session: SessionId) -> Option<(PublicKey, Option<String>)> {
        let state = self.states.get_mut(&session)?;
        let State::Checking(checked) = state else {
            return None;
        };
        let (hello, from) = (&mut checked.0, checked.1);
        let (key, token) = (hello.key, hello.join_token.take());
        let proven = (PeerId::of(&key), hello.clone(), from);
        *state = State::Proven(Box::new(proven));
        Some((key, token))
    }

    /// Who has proven its key and is not let in yet.
    pub(crate) fn proven(&self, session: SessionId) -> Option<(PeerId, &ClientHello, &Whence)> {
        match self.states.get(&session)? {
            State::Proven(proven) => Some((proven.0, &proven.1, &proven.2)),
            State::Challenged(_) | State::Checking(_) | State::Joined(_) | State::Ending => None,
        }
    }

    /// It is let in.
    pub(crate) fn join(&mut self, session: SessionId, peer: PeerId) {
        self.states.insert(session, State::Joined(peer));
    }
}
