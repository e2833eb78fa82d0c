//! I5: no byte moves between two peers against the policies in force, once these had the time to
//! reach whoever sends.

use core::time::Duration;

use runnel_coordinator_core::policy::{Judge, LinkSet, PolicySet, Treatment, Verdict as Opinion};
use runnel_protocol::ids::ContentId;
use runnel_protocol::time::Timestamp;

use super::Verdict;
use crate::atlas::{Known, content};
use crate::node::Node;
use crate::title::Title;

/// Policies reach running sessions within two seconds; the last second is for messages and for
/// what was handed to a line before.
pub(super) const PROPAGATION: Duration = Duration::from_secs(3);

/// Whoever comes back has this long until what it missed binds it as well: ten seconds in which new
/// tickets may come, and the same for messages.
const AFTER_RETURN: Duration = Duration::from_secs(11);

/// What somebody who sends may have heard of the policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hears {
    /// All: it is in its first session.
    Always,
    /// All from then on; what was said before it may have missed.
    Again(Timestamp),
    /// Nothing: it has no session, and goes on with what was granted.
    Nothing,
}

impl Hears {
    pub(crate) fn of(node: &Node) -> Self {
        let stands = node
            .welcomed
            .filter(|(in_session, _, _)| node.session == Some(*in_session));
        match stands {
            Some((_, _, false)) => Self::Always,
            Some((_, at, true)) => Self::Again(at),
            None => Self::Nothing,
        }
    }

    /// Whether it is bound by what policies have said since `since`.
    pub(super) fn binds(self, since: Timestamp, now: Timestamp) -> bool {
        let known = now.since(since) > PROPAGATION;
        match self {
            Self::Always => known,
            Self::Again(at) if at < since => known,
            Self::Again(at) => known && now.since(at) > AFTER_RETURN,
            Self::Nothing => false,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Lawful {
    pub(crate) verdict: Verdict,
    judge: Judge,
    turns: u64,
    /// Since when the policies say what they say.
    since: Option<Timestamp>,
}

impl Default for Lawful {
    fn default() -> Self {
        Self {
            verdict: Verdict::new("I5 no byte against a policy in force"),
            judge: Judge::default(),
            turns: 0,
            since: None,
        }
    }
}

impl Lawful {
    /// Other policies are in force from now on.
    pub(crate) fn change(&mut self, set: PolicySet, titles: &[Title], now: Timestamp) {
        for title in titles {
            self.judge.note_content(title.id, Some(content(title)));
        }
        self.judge.replace(set);
        self.turns = self.judge.turns(now);
        self.since = Some(now);
    }

    /// Whether the policies have said the same for so long that everybody has to keep to them.
    pub(crate) fn is_known(&mut self, now: Timestamp) -> bool {
        let turns = self.judge.turns(now);
        if turns != self.turns {
            (self.turns, self.since) = (turns, Some(now));
        }
        self.since
            .is_none_or(|since| now.since(since) > PROPAGATION)
    }

    /// How somebody is treated who came at `joined`; `None` while word of it may be on its way.
    pub(super) fn treatment(
        &mut self,
        one: &Known<'_>,
        content: ContentId,
        (joined, now): (Timestamp, Timestamp),
    ) -> Option<Treatment> {
        let known = now.since(joined) > PROPAGATION && self.is_known(now);
        known.then(|| self.judge.treatment(one, content, now))
    }

    /// How somebody counts where not everybody can be fed.
    pub(super) fn priority(&self, one: &Known<'_>, content: ContentId, now: Timestamp) -> u8 {
        self.judge.treatment(one, content, now).priority
    }

    /// Whether policies prefer somebody to others.
    pub(super) fn prefers(&self) -> bool {
        self.judge.policies().prefers()
    }

    /// What the policies say of a pair; `None` while word of them may be on its way.
    pub(super) fn opinion(
        &mut self,
        (from, to): (&Known<'_>, &Known<'_>),
        content: ContentId,
        now: Timestamp,
    ) -> Option<Opinion> {
        let known = self.is_known(now);
        known.then(|| self.judge.verdict(to, from, content, now))
    }

    /// Bytes move from one to another; the links that they run over.
    pub(crate) fn carried(
        &mut self,
        (from, to): (&Known<'_>, &Known<'_>),
        hears: Hears,
        content: ContentId,
        now: Timestamp,
    ) -> LinkSet {
        if self.judge.is_empty() {
            return LinkSet::EMPTY;
        }
        self.is_known(now);
        let binds = self.since.is_none_or(|since| hears.binds(since, now));
        let verdict = self.judge.verdict(to, from, content, now);
        // Soft ones may have given way.
        let denial = verdict.hard.filter(|_| binds);
        self.verdict.expect(denial.is_none(), || {
            let (to, from) = (to.peer, from.peer);
            let why = denial.as_ref().map(|ruling| ruling.to_string());
            format!("{from} feeds {to}: {}", why.unwrap_or_default())
        });
        verdict.links
    }
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;
    use std::collections::BTreeSet;

    use runnel_coordinator_core::policy::read;
    use runnel_protocol::ids::PeerId;

    use super::*;
    use crate::population::{Population, Role};
    use crate::scenario::Scenario;
    use crate::title::START;

    const SMALL: &str = r#"
        name = "small"
        about = "two countries"
        duration_s = 60
        [audience]
        viewers = 20
        [[region]]
        name = "here"
        country = "FR"
        [[region]]
        name = "there"
        country = "DE"
        [[content]]
        name = "live"
        rates_kbps = [1000]
    "#;

    const GERMANY: &str = "name = \"germany\"\nkind = \"provider\"\n[[deny]]\nwhat = \"peers\"\n\
                           when = 'viewer.country == \"DE\"'\nsay = \"not licensed in DE\"\n";

    #[test]
    fn a_byte_against_a_policy_is_seen_once_that_is_known() {
        let scenario = Scenario::parse(SMALL).unwrap();
        let population = Population::of(&scenario, 1);
        let of = |region: u16| {
            let mut viewers = population.guests.iter();
            let guest = viewers.find(|one| (one.role, one.region) == (Role::Viewer, region));
            let guest = guest.unwrap();
            let mut peer = [0; 16];
            if let IpAddr::V4(address) = guest.address {
                peer[..4].copy_from_slice(&address.octets());
            }
            Known {
                peer: PeerId(peer),
                guest,
                scenario: &scenario,
            }
        };
        let (french, german) = (of(0), of(1));
        let mut lawful = Lawful::default();
        let start = START;
        let content = population.titles[0].id;
        lawful.carried((&french, &german), Hears::Always, content, start);
        let set = PolicySet::new(vec![read(GERMANY).unwrap()]).unwrap();
        lawful.change(set, &population.titles, start);
        lawful.carried(
            (&french, &german),
            Hears::Always,
            content,
            start + PROPAGATION,
        );
        assert_eq!(lawful.verdict.violations, 0, "it is on its way");
        let later = start + PROPAGATION * 2;
        lawful.carried((&french, &french), Hears::Always, content, later);
        assert_eq!(lawful.verdict.violations, 0);
        lawful.carried((&french, &german), Hears::Always, content, later);
        lawful.carried((&german, &french), Hears::Always, content, later);
        assert_eq!(lawful.verdict.violations, 2);
        let words = &lawful.verdict.words[0];
        assert!(words.contains("not licensed in DE"), "{words}");
        // Whoever was away may have missed it, and is bound soon after.
        let mut moved = |hears, after| {
            let before = lawful.verdict.violations;
            lawful.carried((&french, &german), hears, content, later + after);
            lawful.verdict.violations > before
        };
        assert!(!moved(Hears::Nothing, AFTER_RETURN * 2));
        assert!(!moved(Hears::Again(later), AFTER_RETURN));
        assert!(moved(Hears::Again(later), AFTER_RETURN * 2));
        assert!(moved(Hears::Always, Duration::ZERO));
    }

    /// What the policies of an evening say of its agents feeding its viewers, so many seconds after it began.
    fn said(evening: &str, after: u64) -> BTreeSet<Option<String>> {
        let scenario = Scenario::parse(evening).unwrap();
        let population = Population::of(&scenario, 1);
        let mut lawful = Lawful::default();
        let set = crate::scenario::in_force(&scenario.policy, Duration::ZERO);
        lawful.change(set, &population.titles, START);
        let all = population.guests.iter().zip(0u128..);
        let all: Vec<Known<'_>> = all
            .map(|(guest, number)| Known {
                peer: PeerId(number.to_le_bytes()),
                guest,
                scenario: &scenario,
            })
            .collect();
        let now = START + Duration::from_secs(after);
        let of = |role| all.iter().filter(move |one| one.guest.role == role);
        let mut said = BTreeSet::new();
        for (from, to) in
            of(Role::Agent).flat_map(|from| of(Role::Viewer).map(move |to| (from, to)))
        {
            let opinions = population.titles.iter();
            let opinions = opinions.map(|title| lawful.judge.verdict(to, from, title.id, now));
            said.extend(opinions.map(|one| one.hard.map(|ruling| ruling.say.to_string())));
        }
        said
    }

    #[test]
    fn guests_have_the_ages_accounts_groups_and_providers_that_policies_ask_for() {
        let words = |all: &[&str]| -> BTreeSet<Option<String>> {
            let said = all.iter().map(|words| Some((*words).to_owned()));
            said.chain([None]).collect()
        };
        let evening = include_str!("../../scenarios/rated-18.toml");
        assert_eq!(said(evening, 30), words(&["rated 18"]));
        let evening = include_str!("../../scenarios/school.toml");
        assert_eq!(
            said(evening, 30),
            words(&["the school allows news and lessons"])
        );
        let evening = include_str!("../../scenarios/friends-and-devices.toml");
        let (ann, choir) = ("only between Ann's own devices", "kept for friends by day");
        assert_eq!(said(evening, 179), words(&[ann]));
        assert_eq!(said(evening, 181), words(&[ann, choir]));
    }
}
