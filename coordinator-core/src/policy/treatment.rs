//! How policies treat a viewer, whoever feeds it: who is left to the CDN first, who waits for its
//! first picture, who plays later, and who plays what (Y2 i and p, P9).

use core::time::Duration;
use std::sync::Arc;

use runnel_protocol::codec::encode;
use runnel_protocol::control::Treatment as Told;
use runnel_protocol::units::BitsPerSecond;

use super::expression::{Case, Expression};
use super::schema::{LinkField, PeerField};
use super::set::{Denies, Policy, PolicySet, Rule, Ruling, Said, Strictness};
use super::value::Facts;

/// Everybody's priority where no policy says more or less.
const USUAL_PRIORITY: u8 = 100;
/// What one policy's score may add to a priority or take away.
const MOST_SCORE: i64 = 100;

/// How long a first picture may wait for peers before the CDN is asked.
#[derive(Debug, Clone)]
pub(super) struct Start {
    pub(super) wait: Duration,
    pub(super) when: Expression,
}

/// What a viewer may not have that others have.
#[derive(Debug, Clone)]
pub(super) struct Restriction {
    pub(super) most: Most,
    pub(super) said: Said,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Most {
    /// A live picture no earlier than so much after the site's own time.
    Behind(Duration),
    /// No variant above this.
    Rate(BitsPerSecond),
}

/// What all policies together grant a viewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Treatment {
    /// Whoever has less is left to the CDN first.
    pub priority: u8,
    /// How long its first picture may wait for peers.
    pub start_wait: Duration,
    /// How much later it sees a live picture, and by which policy.
    pub behind: Option<(Duration, Arc<Ruling>)>,
    /// The highest rate that its player may choose by itself, and by which policy.
    pub max_rate: Option<(BitsPerSecond, Arc<Ruling>)>,
    /// The policy by which it does not play at all, where its site obeys that.
    pub refused: Option<Arc<Ruling>>,
}

impl Default for Treatment {
    fn default() -> Self {
        Self {
            priority: USUAL_PRIORITY,
            start_wait: Duration::ZERO,
            behind: None,
            max_rate: None,
            refused: None,
        }
    }
}

impl Treatment {
    /// How much later it sees a live picture.
    pub fn delay(&self) -> Duration {
        let behind = self.behind.as_ref();
        behind.map_or(Duration::ZERO, |(delay, _)| *delay)
    }

    /// The highest rate that its player may choose.
    pub(crate) fn most(&self) -> BitsPerSecond {
        let most = self.max_rate.as_ref();
        most.map_or(BitsPerSecond(u64::MAX), |(rate, _)| *rate)
    }

    /// The part that the viewer's player has to know, with the reasons in words.
    pub fn told(&self) -> Told {
        let behind = self.behind.as_ref().map(|(_, ruling)| ruling);
        let max_rate = self.max_rate.as_ref().map(|(_, ruling)| ruling);
        let max_rate = max_rate.filter(|ruling| Some(*ruling) != behind);
        let restrictions = behind.into_iter().chain(max_rate);
        // Nothing else matters to who does not play.
        let restrictions = restrictions.filter(|_| self.refused.is_none());
        let words = self.refused.iter().chain(restrictions);
        let words = words.map(ToString::to_string);
        Told {
            behind_ms: u32::try_from(self.delay().as_millis()).unwrap_or(u32::MAX),
            max_bitrate: self.max_rate.as_ref().map(|(rate, _)| *rate),
            ends: self.refused.is_some(),
            why: words.collect::<Vec<_>>().join("; "),
        }
    }

    /// Two that differ in what a player is told, or in priority, hardly ever have the same one.
    pub(crate) fn fingerprint(&self) -> u32 {
        if self.behind.is_none() && self.max_rate.is_none() && self.refused.is_none() {
            return self.priority.into();
        }
        let hash = blake3::hash(&encode(&(self.priority, self.told())));
        let [first, second, third, fourth, ..] = *hash.as_bytes();
        u32::from_le_bytes([first, second, third, fourth])
    }

    /// The longest wait and delay and the lowest rate that any policy says.
    fn restrict(&mut self, restriction: &Restriction, case: &Case<'_>) {
        let Some(ruling) = restriction.said.ask(case) else {
            return;
        };
        match restriction.most {
            Most::Behind(delay) if delay > self.delay() => self.behind = Some((delay, ruling)),
            Most::Rate(rate) if self.max_rate.as_ref().is_none_or(|(most, _)| rate < *most) => {
                self.max_rate = Some((rate, ruling));
            }
            Most::Behind(_) | Most::Rate(_) => {}
        }
    }
}

impl Policy {
    /// Whether it says anything of viewers that does not depend on who feeds them.
    fn treats(&self) -> bool {
        !(self.starts.is_empty() && self.restrictions.is_empty() && self.priorities.is_empty())
            || self.refuses().next().is_some()
    }

    /// Its rules by which somebody does not play. Soft ones give way to playback.
    fn refuses(&self) -> impl Iterator<Item = &Rule> {
        let hard = self.strictness == Strictness::Hard;
        let rules = self.rules.iter().filter(move |_| hard);
        rules.filter(|rule| rule.denies == Denies::Playback)
    }
}

impl PolicySet {
    /// Whether some policy has viewers treated in another way than everybody.
    pub(crate) fn treats(&self) -> bool {
        self.iter().any(Policy::treats)
    }

    /// How a viewer is treated. A score that cannot be worked out is 0; a restriction holds where
    /// too little is known to rule it out.
    pub(super) fn treatment(&self, viewer: &Facts, content: &Facts, times: &[Facts]) -> Treatment {
        let (nobody, nowhere) = (PeerField::unknown(), LinkField::unknown());
        let mut treatment = Treatment::default();
        let mut priority = i64::from(USUAL_PRIORITY);
        for (policy, time) in self.about(content, times) {
            let case = Case {
                viewer,
                peer: &nobody,
                link: &nowhere,
                content,
                time,
            };
            let scores = policy.priorities.iter();
            priority += scores
                .map(|score| score.number(&case).unwrap_or(0))
                .map(|score| score.clamp(-MOST_SCORE, MOST_SCORE))
                .sum::<i64>();
            let holds = |start: &&Start| start.when.truth(&case) == Some(true);
            let waits = policy.starts.iter().filter(holds).map(|start| start.wait);
            treatment.start_wait = waits.fold(treatment.start_wait, Duration::max);
            for restriction in &policy.restrictions {
                treatment.restrict(restriction, &case);
            }
            let refused = policy.refuses().find_map(|rule| rule.said.ask(&case));
            treatment.refused = treatment.refused.or(refused);
        }
        treatment.priority = u8::try_from(priority.clamp(0, u8::MAX.into())).unwrap_or(u8::MAX);
        treatment
    }
}
