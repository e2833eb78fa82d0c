//! Media as a flow: once a second, who gets how much from whom.

use core::time::Duration;

use super::{Crowd, State};
use crate::dice::Dice;
use crate::population::Role;
use crate::title::START;

/// A player holds no more than this, in seconds.
const FULL: f32 = 6.0;
/// Below this a player chooses a smaller rendition, in seconds.
const LOW: f32 = 2.0;
/// Seconds without trouble before a better one is tried.
const CONFIDENT: u16 = 20;

/// What everybody can pass on, from one second to the next.
#[derive(Debug)]
pub(super) struct Flow {
    /// Share of its stripes that each has; waypoints have all.
    has: Vec<f32>,
    /// What children want of each, in bit/s.
    wanted: Vec<f32>,
    /// Share of what is wanted that each can send.
    sends: Vec<f32>,
}

impl Flow {
    pub(super) fn new(count: usize) -> Self {
        Self {
            has: vec![0.0; count],
            wanted: vec![0.0; count],
            sends: vec![0.0; count],
        }
    }

    /// Share of what a child expects from this parent that it gets.
    pub(super) fn delivered(&self, parent: u32) -> f32 {
        self.has[parent as usize] * self.sends[parent as usize]
    }
}

impl Crowd {
    /// A second of media.
    pub(super) fn move_media(&mut self) {
        self.want();
        let missing = self.receive();
        let answered = self.cdn_answers(missing);
        self.play(answered);
    }

    fn rate(&self, index: usize) -> f32 {
        let stand_in = &self.stand_ins[index];
        let title = &self.population.titles[stand_in.title as usize];
        title.renditions[usize::from(stand_in.rendition)].rate as f32
    }

    /// Sums up what is wanted of each parent, and what each can send of it.
    fn want(&mut self) {
        self.flow.wanted.fill(0.0);
        let stripes = f32::from(self.stripes.max(1));
        for index in 0..self.stand_ins.len() {
            let stripe = self.rate(index) / stripes;
            for (parent, count) in &self.stand_ins[index].parents {
                self.flow.wanted[*parent as usize] += stripe * f32::from(*count);
            }
        }
        for (index, guest) in self.population.guests.iter().enumerate() {
            let wanted = self.flow.wanted[index].max(1.0);
            self.flow.sends[index] = (guest.offers.0 as f32 / wanted).min(1.0);
            let there = self.stand_ins[index].state == State::There;
            if guest.role == Role::Waypoint {
                self.flow.has[index] = f32::from(u8::from(there));
            } else if !there {
                self.flow.has[index] = 0.0;
            }
        }
    }

    /// Everybody gets of each parent what that one had a second ago; what viewers lack in all, in
    /// bit/s.
    fn receive(&mut self) -> f32 {
        let stripes = f32::from(self.stripes.max(1));
        let before = self.flow.has.clone();
        let mut missing = 0.0;
        for index in 0..self.stand_ins.len() {
            let rate = self.rate(index);
            let stand_in = &self.stand_ins[index];
            if !matches!(stand_in.state, State::There | State::Coming)
                || stand_in.role == Some(Role::Waypoint)
            {
                continue;
            }
            let (mut from_peers, mut from_waypoints) = (0.0, 0.0);
            for (parent, count) in &stand_in.parents {
                let parent = *parent as usize;
                let share = f32::from(*count) / stripes * before[parent] * self.flow.sends[parent];
                if self.population.guests[parent].role == Role::Waypoint {
                    from_waypoints += share;
                } else {
                    from_peers += share;
                }
            }
            self.flow.has[index] = (from_peers + from_waypoints).min(1.0);
            if stand_in.role != Some(Role::Viewer) {
                continue;
            }
            let full = stand_in.buffer >= FULL;
            let catching_up = if full { 1.0 } else { 1.5 };
            missing += ((catching_up - self.flow.has[index]).max(0.0)) * rate;
            self.note_got(index, [from_peers, from_waypoints], rate);
        }
        missing
    }

    fn note_got(&mut self, index: usize, shares: [f32; 2], rate: f32) {
        let [peers, waypoints] = shares.map(|share| (share * rate / 8.0) as u32);
        let got = &mut self.stand_ins[index].got;
        got[0] += peers;
        got[1] += waypoints;
        self.second.from_peers += u64::from(peers);
        self.second.from_waypoints += u64::from(waypoints);
        self.second.peers_sent += u64::from(peers);
        self.second.waypoints_sent += u64::from(waypoints);
    }

    /// Share of what is asked of the CDN that it sends.
    fn cdn_answers(&self, missing: f32) -> f32 {
        let cap = self.scenario.origin.cap_mbps;
        let cap = cap.map_or(f32::INFINITY, |mbps| mbps as f32 * 1e6);
        (cap / missing.max(1.0)).min(1.0)
    }

    /// Buffers fill and drain; a first picture needs two seconds of media.
    fn play(&mut self, answered: f32) {
        for index in 0..self.stand_ins.len() {
            let rate = self.rate(index);
            let stand_in = &mut self.stand_ins[index];
            let here = matches!(stand_in.state, State::There | State::Coming);
            if !here || stand_in.role != Some(Role::Viewer) {
                continue;
            }
            let catching_up = if stand_in.buffer >= FULL { 1.0 } else { 1.5 };
            let has = self.flow.has[index];
            let cdn = (catching_up - has).max(0.0) * answered;
            let bytes = (cdn * rate / 8.0) as u32;
            stand_in.got[2] += bytes;
            self.second.from_cdn += u64::from(bytes);
            self.second.cdn_sent += u64::from(bytes);
            self.second.cdn_to_players += u64::from(bytes);
            self.advance(index, has + cdn);
        }
        let heads = self
            .population
            .guests
            .iter()
            .filter(|guest| guest.role == Role::Waypoint);
        let copy: u64 = self
            .population
            .titles
            .iter()
            .map(|title| title.renditions.iter().map(|one| one.rate / 8).sum::<u64>())
            .sum();
        if self.peers {
            self.second.cdn_sent += heads.count() as u64 * copy;
        }
        self.second.one_copy += copy;
    }

    fn advance(&mut self, index: usize, got: f32) {
        let renditions = self.population.titles[self.stand_ins[index].title as usize]
            .renditions
            .len();
        let now = self.now.since(START);
        let stand_in = &mut self.stand_ins[index];
        if !stand_in.started {
            // The first segment is on its way since the viewer came; got is the share of a line's
            // usual pace, at which it takes as long as the CDN's first byte.
            stand_in.buffer += got;
            if stand_in.buffer >= 0.0 {
                stand_in.started = true;
                stand_in.buffer = 2.0;
                let joined = Duration::from_millis(u64::from(stand_in.joined_ms));
                let waited = now.saturating_sub(joined);
                let first = Dice::quick(self.seed, index as u64).millis(150, 400);
                let took = if waited <= Duration::from_secs(1) {
                    first
                } else {
                    waited
                };
                self.startups.push(took);
                self.second.starts += 1;
                self.second.startup_us += u64::try_from(took.as_micros()).unwrap_or_default();
            }
            return;
        }
        let after = stand_in.buffer + got - 1.0;
        if after < 0.0 {
            stand_in.stalls += u16::from(stand_in.buffer > 0.0);
            stand_in.stalled_s -= after;
        }
        stand_in.buffer = after.clamp(0.0, FULL);
        if stand_in.buffer < LOW && got < 1.0 {
            stand_in.good = 0;
            stand_in.rendition =
                (stand_in.rendition + 1).min(u8::try_from(renditions - 1).unwrap_or(0));
        } else {
            stand_in.good += 1;
        }
        if stand_in.good > CONFIDENT && stand_in.rendition > 0 && stand_in.buffer >= FULL {
            stand_in.good = 0;
            stand_in.rendition -= 1;
        }
    }
}
