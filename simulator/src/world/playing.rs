//! Players: what they ask for, and what they get.

use core::time::Duration;

use runnel_peer_core::{Delivered, Input, MediaKind, Want, WantId};

use super::{Event, World, known};
use crate::node::At;
use crate::player::{Asked, Step};

impl World {
    pub(super) fn on_play(&mut self, at: At, life: u32) {
        let now = self.now;
        let titles = &self.library.titles;
        let node = self.nodes[at.0 as usize].as_deref_mut();
        let Some(node) = node.filter(|node| node.life == life) else {
            return;
        };
        let Some(player) = &mut node.player else {
            return;
        };
        match player.step(&titles[player.title as usize], now) {
            Step::Ask(asked) => self.ask(at, asked),
            Step::Wait(until) => {
                self.later(
                    until.max(now + core::time::Duration::from_millis(1)),
                    Event::Play(at, life),
                );
            }
            Step::Busy => {}
        }
    }

    fn ask(&mut self, at: At, asked: Asked) {
        let Some(title) = self
            .node(at)
            .and_then(|node| node.player.as_ref())
            .map(|player| player.title)
        else {
            return;
        };
        let known = self.library.title(title);
        let key = known.key(asked.rendition, asked.sequence);
        let want = Want {
            id: asked.want,
            content: key.content,
            track: key.track,
            kind: MediaKind::Main,
            sequence: key.sequence,
            range: None,
            path: known.path(asked.rendition, asked.sequence),
            due_in: asked.due_in,
            duration: known.segment,
            live: known.live,
            urgent: asked.urgent,
            may_wait: Duration::from_millis(self.scenario.audience.start_wait_ms),
        };
        self.give(at, Input::Want(want));
    }

    pub(super) fn on_delivered(&mut self, at: At, want: WantId, delivered: &Delivered) {
        let now = self.now;
        let titles = &self.library.titles;
        let Some(node) = self.nodes[at.0 as usize].as_deref_mut() else {
            return;
        };
        let life = node.life;
        let Some(player) = &mut node.player else {
            return;
        };
        let waiting = player.waiting.is_some_and(|asked| asked.want == want);
        if !waiting {
            self.checkers.ends.twice(at, want);
            return;
        }
        let title = player.title;
        let first = player.started.is_none();
        let joined = player.joined;
        let bytes = delivered.from_peers + delivered.from_waypoints + delivered.from_cdn;
        let got = (bytes, node.line.down);
        let Some(asked) = player.on_delivered(&titles[title as usize], got, now) else {
            return;
        };
        self.digest.note(&[
            now.as_micros(),
            3,
            u64::from(at.0),
            delivered.from_peers,
            delivered.from_cdn,
        ]);
        if first {
            self.tally.on_started(joined, now);
        }
        let place = (
            title,
            u8::try_from(asked.rendition).unwrap_or_default(),
            asked.sequence,
        );
        if let Some(piece) = self.library.piece(place) {
            self.checkers.bytes.delivered(at, &piece, delivered);
        }
        self.checkers.ends.delivered();
        self.note_shown(at);
        self.note_got(at, delivered, asked.rendition);
        self.tally.on_delivered(delivered, place);
        self.later(now, Event::Play(at, life));
    }

    fn note_shown(&mut self, at: At) {
        let Some(node) = self.node(at).filter(|_| self.peers) else {
            return;
        };
        let Some((player, shown)) = node
            .player
            .as_ref()
            .and_then(|player| Some((player, player.shown?)))
        else {
            return;
        };
        let (title, joined) = (player.title, player.joined);
        let known = known(&self.guests, &self.scenario, (node.id, at));
        let title = self.library.title(title);
        self.checkers
            .on_shown(&known, (title, &shown), (joined, self.now));
    }

    fn note_got(&mut self, at: At, delivered: &Delivered, rendition: usize) {
        if self.peers {
            self.with_checkers(|checkers, world| checkers.on_got(world, at, delivered, rendition));
        }
    }

    pub(super) fn on_failed(&mut self, at: At, want: WantId) {
        let now = self.now;
        let failed = self.origin.failed > 0;
        let titles = &self.library.titles;
        let Some(node) = self.nodes[at.0 as usize].as_deref_mut() else {
            return;
        };
        let life = node.life;
        let Some(player) = &mut node.player else {
            return;
        };
        if player.waiting.is_none_or(|asked| asked.want != want) {
            return;
        }
        let again = player.on_failed(&titles[player.title as usize], now);
        self.checkers.ends.failed(at, failed);
        self.tally.count("segments that nobody brought");
        self.later(again.unwrap_or(now), Event::Play(at, life));
    }
}
