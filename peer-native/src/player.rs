//! A peer that plays: a program asks for segments and gets them whole, proven, and in memory.

use runnel_peer_core::{Delivered, Input, Want, WantId};
use tokio::sync::mpsc;

use crate::agent::{Agent, Events, StartError};
use crate::config::Config;
use crate::inbox::Inbox;

/// Answers that a slow program may be behind; it asks for no more segments than that at a time.
const ANSWERS: usize = 512;

/// What became of a [`Want`].
#[derive(Debug)]
pub enum Answer {
    /// Here it is.
    Delivered(WantId, Delivered),
    /// No peer can bring it.
    Failed(WantId),
}

/// A program's hold on the peer that brings it segments. It receives from others, keeps nothing
/// on disk and is dialled by nobody.
#[derive(Debug)]
pub struct Player {
    agent: Agent,
    inbox: Inbox,
    answers: mpsc::Receiver<Answer>,
}

impl Player {
    /// Starts a peer that plays the contents of `config`.
    ///
    /// # Errors
    /// The data directory or the port cannot be used.
    pub async fn start(config: Config) -> Result<(Self, Events), StartError> {
        let (teller, answers) = mpsc::channel(ANSWERS);
        let (agent, events, inbox) = Agent::launch(config, Some(teller)).await?;
        let player = Self {
            agent,
            inbox,
            answers,
        };
        Ok((player, events))
    }

    /// Asks for a segment.
    pub async fn want(&self, want: Want) {
        self.tell(Input::Want(want)).await;
    }

    /// Tells the peer how playback goes ([`Input::Playback`]), or that a segment is no longer
    /// needed.
    pub async fn tell(&self, input: Input) {
        self.inbox.input(input).await;
    }

    /// The next answer; `None` once the peer has stopped.
    pub async fn answer(&mut self) -> Option<Answer> {
        self.answers.recv().await
    }

    /// Stops in order: see [`Agent::stop`].
    pub async fn stop(self) {
        self.agent.stop().await;
    }
}
