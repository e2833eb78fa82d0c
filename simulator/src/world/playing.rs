//! Players, and the way from the CDN to them.

use bytes::Bytes;
use runnel_peer_core::{Delivered, FetchId, Input, MediaKind, Want, WantId};

use super::{Event, World};
use crate::node::At;
use crate::player::{Asked, Step};

/// The CDN's answer comes in pieces of this.
const PIECE: usize = 256 * 1024;

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
        };
        self.give(at, Input::Want(want));
    }

    /// A peer asks the CDN for what its player waits for.
    pub(super) fn fetch(&mut self, at: At, fetch: FetchId, want: WantId, part: Option<(u64, u64)>) {
        let Some(node) = self.node(at) else {
            return;
        };
        let (life, way) = (node.life, node.line.to_exchange());
        let start = self.now.max(node.line.mute_until) + way;
        let asked = node
            .player
            .as_ref()
            .and_then(|player| Some((player.title, player.waiting?)));
        let asked = asked.filter(|(_, asked)| asked.want == want);
        let piece = asked.and_then(|(title, asked)| {
            let rendition = u8::try_from(asked.rendition).ok()?;
            self.library.piece((title, rendition, asked.sequence))
        });
        let (Some((_, asked)), Some(piece)) = (asked, piece) else {
            let soon = self.now + way * 2;
            return self.input_later(at, soon, Input::FetchFailed(fetch));
        };
        let bytes = match part {
            Some((offset, length)) => cut(&piece.bytes, offset, length),
            None => piece.bytes.clone(),
        };
        let question = u64::from(at.0) << 32 | asked.sequence;
        let answer = self.origin.answer(question, bytes.len() as u64, start);
        if let Some(node) = self.node_mut(at) {
            node.fetches.insert(fetch);
        }
        match answer {
            Ok(sent) => self.later(sent + way, Event::Download(at, life, fetch, bytes)),
            Err(failed) => {
                self.tally.count("requests that the CDN failed");
                self.input_later(at, failed + way, Input::FetchFailed(fetch));
            }
        }
    }

    pub(super) fn on_download(&mut self, at: At, life: u32, fetch: FetchId, bytes: &Bytes) {
        let now = self.now;
        let pieces = bytes.len().div_ceil(PIECE).max(1);
        for number in 0..pieces {
            let start = number * PIECE;
            let piece = bytes.slice(start..(start + PIECE).min(bytes.len()));
            let Some(node) = self.alive(at, life) else {
                return;
            };
            let there = node.line.receive(piece.len() as u64, now);
            let last = number + 1 == pieces;
            self.later(there, Event::FetchPart(at, life, fetch, Some(piece), last));
        }
    }

    pub(super) fn on_fetch_part(
        &mut self,
        at: At,
        life: u32,
        fetch: FetchId,
        bytes: Option<Bytes>,
        last: bool,
    ) {
        let Some(node) = self.alive(at, life) else {
            return;
        };
        let wanted = if last {
            node.fetches.remove(&fetch)
        } else {
            node.fetches.contains(&fetch)
        };
        if !wanted {
            return;
        }
        if let Some(bytes) = bytes {
            self.tally.on_cdn(bytes.len() as u64);
            if self.site(at).is_some() {
                self.tally.on_entered(bytes.len() as u64);
            }
            self.give(at, Input::Fetched(fetch, bytes));
        }
        if last {
            self.give(at, Input::FetchDone(fetch));
        }
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
        let Some(asked) = player.on_delivered(&titles[title as usize], now) else {
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
        self.tally.on_delivered(delivered, place);
        self.later(now, Event::Play(at, life));
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
        player.on_failed(&titles[player.title as usize], now);
        self.checkers.ends.failed(at, failed);
        self.tally.count("segments that nobody brought");
        self.later(
            now + core::time::Duration::from_secs(1),
            Event::Play(at, life),
        );
    }
}

fn cut(bytes: &Bytes, offset: u64, length: u64) -> Bytes {
    let whole = bytes.len() as u64;
    let start = offset.min(whole);
    let end = start.saturating_add(length).min(whole);
    match (usize::try_from(start), usize::try_from(end)) {
        (Ok(start), Ok(end)) => bytes.slice(start..end),
        _ => Bytes::new(),
    }
}
