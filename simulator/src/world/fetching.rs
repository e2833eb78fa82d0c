//! The way from the CDN to players.

use bytes::Bytes;
use runnel_peer_core::{FetchId, Input, WantId};

use super::{Event, World};
use crate::node::At;
use crate::origin::Question;
use crate::player::LOOK;

/// The CDN's answer comes in pieces of this.
const PIECE: usize = 256 * 1024;

impl World {
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
        let request = u64::from(at.0) << 32 | asked.sequence;
        match self.origin.ready(request, start) {
            Ok(ready) => {
                let now = self.now;
                if let Some(node) = self.node_mut(at) {
                    node.fetches.insert(fetch, bytes);
                    if let Some(player) = &mut node.player {
                        player.on_cdn(want, now);
                    }
                }
                self.later(ready, Event::Serve(at, life, fetch));
                if part.is_none() {
                    self.later(now + LOOK, Event::Look(at, life, fetch));
                }
            }
            Err(failed) => {
                self.tally.count("requests that the CDN failed");
                let heard = failed + way;
                let player = self.node_mut(at).and_then(|node| node.player.as_mut());
                player
                    .into_iter()
                    .for_each(|player| player.on_cdn_failed(heard));
                self.input_later(at, heard, Input::FetchFailed(fetch));
            }
        }
    }

    /// The CDN's first byte leaves.
    pub(super) fn on_serve(&mut self, at: At, life: u32, fetch: FetchId) {
        let now = self.now;
        let Some(bytes) = self
            .alive(at, life)
            .and_then(|node| node.fetches.get(&fetch))
        else {
            return;
        };
        let (question, bytes) = ((at, life, fetch), bytes.len() as u64);
        if self.origin.begin(question, bytes, now) {
            self.await_cdn();
        } else {
            self.on_sent_by_cdn(question);
        }
    }

    /// The CDN shares what it may send; somebody may have all of his by now.
    pub(super) fn on_cdn(&mut self) {
        if self.cdn_wakes != Some(self.now) {
            return;
        }
        self.cdn_wakes = None;
        for question in self.origin.take_complete(self.now) {
            self.on_sent_by_cdn(question);
        }
        self.await_cdn();
    }

    fn await_cdn(&mut self) {
        let next = self.origin.next();
        if let Some(at) = next.filter(|at| self.cdn_wakes.is_none_or(|wakes| *at < wakes)) {
            self.cdn_wakes = Some(at);
            self.later(at, Event::Cdn);
        }
    }

    /// A player looks whether what the CDN sends comes in time.
    pub(super) fn on_look(&mut self, at: At, life: u32, fetch: FetchId) {
        let now = self.now;
        let sent = self.origin.sent_of((at, life, fetch), now);
        let titles = &self.library.titles;
        let node = self.nodes[at.0 as usize].as_deref_mut();
        let Some(node) = node.filter(|node| node.life == life) else {
            return;
        };
        let length = node.fetches.get(&fetch).map(|bytes| bytes.len() as u64);
        let (Some(length), Some(player)) = (length, &mut node.player) else {
            return;
        };
        let Some(asked) = player.waiting else { return };
        let loaded = (sent.unwrap_or(0), length);
        if player.abandons(&titles[player.title as usize], loaded, now) {
            self.tally
                .count("segments abandoned for a smaller rendition");
            self.give(at, Input::Abandon(asked.want));
            self.later(now, Event::Play(at, life));
        } else {
            self.later(now + LOOK, Event::Look(at, life, fetch));
        }
    }

    /// The CDN's last byte leaves.
    fn on_sent_by_cdn(&mut self, (at, life, fetch): Question) {
        let now = self.now;
        if let Some(node) = self.alive(at, life) {
            let there = now + node.line.to_exchange();
            self.later(there, Event::Download(at, life, fetch));
        }
    }

    /// A peer wants no more of what it asked the CDN for.
    pub(super) fn call_off(&mut self, at: At, fetch: FetchId) {
        let now = self.now;
        if let Some(node) = self.node_mut(at)
            && node.fetches.remove(&fetch).is_some()
        {
            let life = node.life;
            self.origin.stop((at, life, fetch), now);
        }
    }

    pub(super) fn on_download(&mut self, at: At, life: u32, fetch: FetchId) {
        let now = self.now;
        let Some(bytes) = self
            .alive(at, life)
            .and_then(|node| node.fetches.get(&fetch))
        else {
            return;
        };
        let bytes = bytes.clone();
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
            node.fetches.remove(&fetch).is_some()
        } else {
            node.fetches.contains_key(&fetch)
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
