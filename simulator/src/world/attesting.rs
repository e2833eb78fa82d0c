//! What a waypoint does beside being a peer: it follows what is played, fetches each segment once
//! and signs it.

use core::time::Duration;

use runnel_peer_core::Input;
use runnel_protocol::ids::{ContentId, TrackId};
use runnel_protocol::manifest::{Entry, StreamKeyCertificate};
use runnel_protocol::segment::SegmentKey;
use runnel_protocol::signature::Signed;

use super::{Event, World};
use crate::library::Place;
use crate::node::At;

/// Live: the newest segments that are fetched at the start.
const HEAD_START: u64 = 3;
/// On demand: attested so far ahead of what is asked for.
const AHEAD: Duration = Duration::from_secs(8);
/// Playlists are read so many times a segment.
const POLLS: u64 = 8;
/// How long an entry proves, in seconds.
const PROVES: u64 = 3600;

impl World {
    pub(super) fn on_grant(&mut self, at: At, content: ContentId) {
        if let Some(title) = self.library.find(content) {
            let ladder = self.library.title(title).ladder();
            self.input_later(at, self.now, Input::Ladder(content, ladder));
        }
        let followed = self.with_desk(at, |desk| {
            desk.granted.insert(content);
            desk.followed.keys().copied().collect::<Vec<_>>()
        });
        self.follow_on(at, followed);
    }

    pub(super) fn on_certified(&mut self, at: At, certificate: Signed<StreamKeyCertificate>) {
        let followed = self.with_desk(at, |desk| {
            desk.certificate = Some(certificate);
            desk.followed.keys().copied().collect::<Vec<_>>()
        });
        self.follow_on(at, followed);
    }

    fn follow_on(&mut self, at: At, followed: Option<Vec<(u32, u8)>>) {
        let Some(life) = self.node(at).map(|node| node.life) else {
            return;
        };
        for (title, rendition) in followed.unwrap_or_default() {
            self.later(self.now, Event::Follow(at, life, title, rendition));
        }
    }

    pub(super) fn on_demand(&mut self, at: At, content: ContentId, track: TrackId, wanted: bool) {
        let Some((title, rendition)) = self.track(content, track) else {
            return;
        };
        let first = self
            .library
            .title(title)
            .newest(self.now)
            .saturating_sub(HEAD_START - 1);
        if !self.library.title(title).live {
            return;
        }
        self.with_desk(at, |desk| {
            if wanted {
                desk.followed.entry((title, rendition)).or_insert(first);
            } else {
                desk.followed.remove(&(title, rendition));
            }
        });
        self.follow_on(at, wanted.then(|| vec![(title, rendition)]));
    }

    fn track(&self, content: ContentId, track: TrackId) -> Option<(u32, u8)> {
        let title = self.library.find(content)?;
        let rendition = self.library.title(title).rendition(track)?;
        Some((title, u8::try_from(rendition).ok()?))
    }

    /// Fetches what is published by now of a live track, and waits for the next.
    pub(super) fn on_follow(&mut self, at: At, life: u32, title: u32, rendition: u8) {
        let now = self.now;
        if self.alive(at, life).is_none() || !self.may_attest(at, title) {
            return;
        }
        let known = self.library.title(title).clone();
        let next = self.with_desk(at, |desk| desk.followed.get(&(title, rendition)).copied());
        let Some(Some(next)) = next else {
            return;
        };
        let newest = known.newest(now);
        let next = next.max(newest.saturating_sub(HEAD_START - 1));
        for sequence in next..=newest {
            self.fetch_once(at, life, (title, rendition, sequence));
        }
        self.with_desk(at, |desk| {
            desk.followed.insert((title, rendition), newest + 1)
        });
        let poll = micros(known.segment) / POLLS;
        let Some(node) = self.node_mut(at) else {
            return;
        };
        let seen = known.published(newest + 1) + Duration::from_micros(node.dice.below(poll));
        self.later(seen, Event::Follow(at, life, title, rendition));
    }

    /// Somebody below needs a segment that is not followed: on demand, or repair.
    pub(super) fn on_demand_segment(&mut self, at: At, segment: &SegmentKey) {
        let Some(life) = self.node(at).map(|node| node.life) else {
            return;
        };
        let Some((title, rendition, sequence)) = self.library.place(segment) else {
            return self.input_later(at, self.now, Input::Unattainable(*segment));
        };
        let known = self.library.title(title).clone();
        let ahead = if known.live {
            0
        } else {
            AHEAD.as_secs() / known.segment.as_secs().max(1)
        };
        let last = (sequence + ahead).min(known.end());
        if !self.may_attest(at, title) || known.published(sequence) > self.now {
            return self.input_later(at, self.now, Input::Unattainable(*segment));
        }
        for sequence in sequence..=last {
            self.fetch_once(at, life, (title, rendition, sequence));
        }
    }

    fn may_attest(&mut self, at: At, title: u32) -> bool {
        let content = super::arrivals::content_of(self, title);
        let allowed = self.with_desk(at, |desk| {
            desk.certificate.is_some() && desk.granted.contains(&content)
        });
        allowed.unwrap_or(false)
    }

    fn fetch_once(&mut self, at: At, life: u32, place: Place) {
        if self.with_desk(at, |desk| desk.fetched.insert(place)) != Some(true) {
            return;
        }
        let Some(piece) = self.library.piece(place) else {
            return;
        };
        let question = u64::from(at.0) << 32 | place.2;
        let now = self.now;
        let bytes = piece.bytes.len() as u64;
        let answer = self.origin.answer_waypoint(question, bytes, now);
        let Some(node) = self.node_mut(at) else {
            return;
        };
        match answer {
            Ok(sent) => {
                let there = node.line.receive(bytes, sent + node.line.to_exchange());
                self.tally.on_waypoint_fetch(bytes);
                self.later(there, Event::Attest(at, life, place));
            }
            Err(_) => {
                self.with_desk(at, |desk| desk.fetched.remove(&place));
            }
        }
    }

    /// The segment is there: hash it, sign it, pass it on.
    pub(super) fn on_attest(&mut self, at: At, life: u32, place: Place) {
        if self.alive(at, life).is_none() {
            return;
        }
        let Some(piece) = self.library.piece(place) else {
            return;
        };
        let (title, rendition, sequence) = place;
        let rendition = usize::from(rendition);
        let known = self.library.title(title);
        let segment = known.key(rendition, sequence);
        let path = known.path(rendition, sequence);
        let date = self.now.unix_seconds();
        let body = Entry {
            segment,
            discontinuity: 0,
            length: piece.tree.length(),
            root: piece.tree.root(),
            path,
            issued: date,
            expires: date.plus(PROVES),
        };
        let Some(node) = self.node(at) else {
            return;
        };
        let entry = node.stream_key.sign(body);
        self.tally.on_attested(&segment, self.now);
        let chunks = piece.chunks();
        self.give(at, Input::Attested { entry, chunks });
    }

    fn with_desk<T>(&mut self, at: At, act: impl FnOnce(&mut crate::node::Desk) -> T) -> Option<T> {
        let desk = self.node_mut(at)?.desk.as_mut()?;
        Some(act(desk))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
