//! Media as a flow: once a second, who gets how much from whom.

use core::time::Duration;

use super::cdn::level;
use super::player::{Gift, Wish};
use super::{Crowd, State};
use crate::dice::Dice;
use crate::population::Role;
use crate::title::START;

/// What everybody can pass on, from one second to the next.
#[derive(Debug)]
pub(super) struct Flow {
    /// Share of its stripes that each has; waypoints have all.
    has: Vec<f32>,
    /// What children want of each, in bit/s.
    wanted: Vec<f32>,
    /// Share of what is wanted that each can send.
    sends: Vec<f32>,
    /// What each viewer asks of the CDN.
    wishes: Vec<Wish>,
    /// What agents carry of each title, in bit/s: each rendition that somebody plays whom peers
    /// feed.
    carried: Vec<f32>,
}

impl Flow {
    pub(super) fn new(count: usize) -> Self {
        Self {
            has: vec![0.0; count],
            wanted: vec![0.0; count],
            sends: vec![0.0; count],
            wishes: vec![Wish::default(); count],
            carried: Vec::new(),
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
        self.carry();
        self.want();
        self.receive();
        let cap = self.scenario.origin.cap_mbps;
        let cap = cap.map_or(f64::INFINITY, |mbps| mbps as f64 * 1e6);
        let level = level(cap, &self.flow.wishes);
        self.play(level);
    }

    /// What agents carry of each title.
    fn carry(&mut self) {
        let titles = &self.population.titles;
        let played = titles
            .iter()
            .map(|title| vec![false; title.renditions.len()]);
        let mut played: Vec<Vec<bool>> = played.collect();
        let fed = self.stand_ins.iter().filter(|one| !one.parents.is_empty());
        for one in fed.filter(|one| one.role == Some(Role::Viewer)) {
            played[one.title as usize][usize::from(one.player.rendition)] = true;
        }
        let carried = titles.iter().zip(played).map(|(title, played)| {
            let played = title.renditions.iter().zip(played);
            let rates = played
                .filter(|(_, plays)| *plays)
                .map(|(one, _)| one.mean_rate());
            rates.sum::<u64>() as f32
        });
        self.flow.carried = carried.collect();
    }

    /// What somebody takes, in bit/s.
    fn rate(&self, index: usize) -> f32 {
        let stand_in = &self.stand_ins[index];
        if stand_in.role != Some(Role::Viewer) {
            return self.flow.carried[stand_in.title as usize];
        }
        let title = &self.population.titles[stand_in.title as usize];
        title.renditions[usize::from(stand_in.player.rendition)].mean_rate() as f32
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

    /// Everybody gets of each parent what that one had a second ago; viewers ask the CDN for the
    /// rest.
    fn receive(&mut self) {
        let stripes = f32::from(self.stripes.max(1));
        let before = self.flow.has.clone();
        for index in 0..self.stand_ins.len() {
            let rate = self.rate(index);
            let stand_in = &self.stand_ins[index];
            self.flow.wishes[index] = Wish::default();
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
            self.flow.wishes[index] = self.wish(index, rate);
            if stand_in.player.started {
                self.note_got(index, [from_peers, from_waypoints], rate);
            }
        }
    }

    fn wish(&self, index: usize, rate: f32) -> Wish {
        let stand_in = &self.stand_ins[index];
        let title = &self.population.titles[stand_in.title as usize];
        let joined = Duration::from_millis(u64::from(stand_in.joined_ms));
        let here = self.now.since(START).saturating_sub(joined);
        let down = self.population.guests[index].down.0 as f32;
        let (player, has) = (&stand_in.player, self.flow.has[index]);
        player.wish((rate, has), title.segment, (down, here))
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

    /// Buffers fill and drain.
    fn play(&mut self, level: f32) {
        for index in 0..self.stand_ins.len() {
            let stand_in = &self.stand_ins[index];
            let here = matches!(stand_in.state, State::There | State::Coming);
            if !here || stand_in.role != Some(Role::Viewer) {
                continue;
            }
            let wish = self.flow.wishes[index];
            let bits = wish.bits.min(level * wish.time);
            let bytes = (bits / 8.0) as u32;
            self.stand_ins[index].got[2] += bytes;
            self.second.from_cdn += u64::from(bytes);
            self.second.cdn_sent += u64::from(bytes);
            self.second.cdn_to_players += u64::from(bytes);
            self.advance(index, bits, level);
        }
        self.send_copies();
    }

    /// One of each rendition to each waypoint.
    fn send_copies(&mut self) {
        let heads = self
            .population
            .guests
            .iter()
            .filter(|guest| guest.role == Role::Waypoint);
        let renditions = self
            .population
            .titles
            .iter()
            .flat_map(|title| &title.renditions);
        let copy: u64 = renditions.map(|one| one.mean_rate() / 8).sum();
        if self.peers {
            self.second.cdn_sent += heads.count() as u64 * copy;
        }
        self.second.one_copy += copy;
    }

    fn advance(&mut self, index: usize, bits: f32, level: f32) {
        let gift = Gift {
            from_peers: self.flow.has[index],
            bits,
            level,
            rate: self.rate(index),
            down: self.population.guests[index].down.0 as f32,
        };
        let stand_in = &mut self.stand_ins[index];
        let title = &self.population.titles[stand_in.title as usize];
        if stand_in.player.started {
            return stand_in.player.advance(title, gift);
        }
        let wish = self.flow.wishes[index];
        let Some(within) = stand_in.player.start(title, (wish, gift)) else {
            return;
        };
        let joined = Duration::from_millis(u64::from(stand_in.joined_ms));
        let second = self.now.since(START).saturating_sub(Duration::from_secs(1));
        let waited = second.saturating_sub(joined);
        let (first, last) = self.scenario.origin.latency_ms;
        let latency = Dice::quick(self.seed, index as u64).millis(first, last);
        let took = waited + latency + within;
        self.startups.push(took);
        self.second.starts += 1;
        self.second.startup_us += u64::try_from(took.as_micros()).unwrap_or_default();
    }
}
