//! Media as a flow: stripe by stripe, who gets how much from whom.

use core::time::Duration;

use runnel_protocol::segment::SubstreamSet;

use super::cdn::level;
use super::player::{Gift, Wish};
use super::{Crowd, State};
use crate::dice::Dice;
use crate::population::Role;
use crate::title::START;

/// Hops that a stripe gets down a tree in a second: real peers need 0.4 to 0.7 s for one where
/// uplinks are used up.
const HOPS: usize = 2;

/// What everybody can pass on, from one second to the next.
#[derive(Debug)]
pub(super) struct Flow {
    stripes: usize,
    /// How much of each stripe each one has, one after the other; waypoints have all.
    has: Vec<f32>,
    had: Vec<f32>,
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
    pub(super) fn new(count: usize, stripes: u8) -> Self {
        let stripes = usize::from(stripes.max(1));
        Self {
            stripes,
            has: vec![0.0; count * stripes],
            had: Vec::new(),
            wanted: vec![0.0; count],
            sends: vec![0.0; count],
            wishes: vec![Wish::default(); count],
            carried: Vec::new(),
        }
    }

    /// Share of what a child expects from this parent that it gets.
    pub(super) fn delivered(&self, parent: u32, stripes: SubstreamSet) -> f32 {
        let all = stripes.iter();
        let got: f32 = all.map(|stripe| self.brings(parent, stripe.0)).sum();
        got / (stripes.count().max(1) as f32)
    }

    /// Share of a stripe that a parent brings each of its children.
    fn brings(&self, parent: u32, stripe: u8) -> f32 {
        let parent = parent as usize;
        self.has[parent * self.stripes + usize::from(stripe)] * self.sends[parent]
    }

    /// Share of all stripes that somebody has.
    fn whole(&self, index: usize) -> f32 {
        let its = index * self.stripes..(index + 1) * self.stripes;
        self.has[its].iter().sum::<f32>() / self.stripes as f32
    }
}

impl Crowd {
    /// A second of media.
    pub(super) fn move_media(&mut self) {
        self.carry();
        self.want();
        (0..HOPS).for_each(|_| self.pass_on());
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
            for (parent, set) in &self.stand_ins[index].parents {
                self.flow.wanted[*parent as usize] += stripe * set.count() as f32;
            }
        }
        for (index, guest) in self.population.guests.iter().enumerate() {
            let wanted = self.flow.wanted[index].max(1.0);
            self.flow.sends[index] = (guest.offers.0 as f32 / wanted).min(1.0);
        }
    }

    /// Everybody gets of each parent what that one had a hop ago.
    fn pass_on(&mut self) {
        let flow = &mut self.flow;
        flow.had.clone_from(&flow.has);
        for (index, stand_in) in self.stand_ins.iter().enumerate() {
            let its = index * flow.stripes..(index + 1) * flow.stripes;
            let its = &mut flow.has[its];
            let there = matches!(stand_in.state, State::There | State::Coming);
            let source = stand_in.role == Some(Role::Waypoint) && there;
            its.fill(f32::from(u8::from(source)));
            if source || !there {
                continue;
            }
            for (parent, set) in &stand_in.parents {
                let parent = *parent as usize;
                for stripe in set.iter().map(|stripe| usize::from(stripe.0)) {
                    let had = flow.had[parent * flow.stripes + stripe];
                    its[stripe] = (its[stripe] + had * flow.sends[parent]).min(1.0);
                }
            }
        }
    }

    /// Viewers ask the CDN for what their parents do not bring.
    fn receive(&mut self) {
        for index in 0..self.stand_ins.len() {
            self.flow.wishes[index] = Wish::default();
            let stand_in = &self.stand_ins[index];
            let here = matches!(stand_in.state, State::There | State::Coming);
            if !here || stand_in.role != Some(Role::Viewer) {
                continue;
            }
            let rate = self.rate(index);
            self.flow.wishes[index] = self.wish(index, rate);
            if self.stand_ins[index].player.started {
                self.note_got(index, self.shares(index), rate);
            }
        }
    }

    /// Shares of its rendition that peers and waypoints bring.
    fn shares(&self, index: usize) -> [f32; 2] {
        let mut shares = [0.0; 2];
        for (parent, set) in &self.stand_ins[index].parents {
            let source = self.population.guests[*parent as usize].role == Role::Waypoint;
            let brought = self.flow.delivered(*parent, *set) * set.count() as f32;
            shares[usize::from(source)] += brought / self.flow.stripes as f32;
        }
        shares
    }

    fn wish(&self, index: usize, rate: f32) -> Wish {
        let stand_in = &self.stand_ins[index];
        let title = &self.population.titles[stand_in.title as usize];
        let joined = Duration::from_millis(u64::from(stand_in.joined_ms));
        let here = self.now.since(START).saturating_sub(joined);
        let down = self.population.guests[index].down.0 as f32;
        let (player, has) = (&stand_in.player, self.flow.whole(index));
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
            from_peers: self.flow.whole(index),
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
