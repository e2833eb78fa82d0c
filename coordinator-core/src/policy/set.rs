//! Policies that make sense, and what they say together about a pair.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

use runnel_protocol::time::Timestamp;

use super::calendar::Zone;
use super::cases::Case as TestCase;
use super::expression::{Case, Expression};
use super::link::{Link, LinkSet, LinkTerms, MAX_LINKS};
use super::schema::{Attribute, ContentField, LinkField, PeerField, Thing, TimeField};
use super::treatment::{Restriction, Start};
use super::value::{Facts, Value};

/// Most policies at a time.
pub(super) const MAX_POLICIES: usize = 256;
/// Zones and hours turn at whole minutes.
const MINUTE: Duration = Duration::from_secs(60);
/// What one preference may add or take away.
const MOST_SCORE: i64 = 1000;

/// Whose policy it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Of somebody whose network carries the bytes.
    Network,
    /// Of somebody whose contents they are.
    Provider,
    /// Of viewers, or of their IT department.
    Client,
}

/// Whether a policy may give way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strictness {
    /// Never.
    Hard,
    /// Where it would leave a viewer without any parent, the last ranks first.
    Soft,
}

/// What a rule says no to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Denies {
    /// This peer does not feed this viewer.
    Pair,
    /// The viewer neither gets nor gives anything through peers.
    Peers,
    /// The same, and where its content is enforced the viewer does not play at all.
    Playback,
}

impl Denies {
    /// Whether it is about one viewer, whoever the other end is.
    pub(super) fn concerns_one(self) -> bool {
        self != Self::Pair
    }
}

/// A condition with the words that go with it.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) when: Expression,
    /// What is said where it holds, and where too little is known to be sure that it does not.
    pub(super) holds: Arc<Ruling>,
    pub(super) unsure: Arc<Ruling>,
}

/// A rule that forbids.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) denies: Denies,
    pub(super) said: Said,
}

/// One policy.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(super) name: Arc<str>,
    pub(super) kind: Kind,
    pub(super) rank: u16,
    pub(super) strictness: Strictness,
    pub(super) zone: Option<Zone>,
    /// The registered names of what it is about; `None` for everything.
    pub(super) contents: Option<BTreeSet<String>>,
    pub(super) rules: Vec<Rule>,
    pub(super) scores: Vec<Expression>,
    pub(super) starts: Vec<Start>,
    pub(super) restrictions: Vec<Restriction>,
    pub(super) priorities: Vec<Expression>,
    pub(super) links: Vec<Link>,
    pub(super) cases: Vec<TestCase>,
}

impl Policy {
    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whose it is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// How important it is: the smaller, the more.
    pub const fn rank(&self) -> u16 {
        self.rank
    }

    /// Whether it may give way.
    pub const fn strictness(&self) -> Strictness {
        self.strictness
    }

    fn is_about(&self, content: &Facts) -> bool {
        self.contents.as_ref().is_none_or(|names| {
            let name = content.get(ContentField::Name as usize);
            matches!(name, Some(Value::Text(name)) if names.contains(&**name))
        })
    }

    fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let rules = self.rules.iter().map(|rule| &rule.said.when);
        let starts = self.starts.iter().map(|start| &start.when);
        let restrictions = self.restrictions.iter().map(|one| &one.said.when);
        let links = self.links.iter().map(|link| &link.when);
        let scores = self.scores.iter().chain(&self.priorities);
        let when = rules.chain(starts).chain(restrictions).chain(links);
        when.chain(scores)
    }
}

/// Which policy says no, and in which words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// The policy's name.
    pub policy: Arc<str>,
    /// Its words.
    pub say: String,
    /// Its rank.
    pub rank: u16,
    /// Whether it may give way.
    pub strictness: Strictness,
    /// Too little is known to be sure that the rule does not hold.
    pub unsure: bool,
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (policy “{}”", self.say, self.policy)?;
        if self.unsure {
            write!(f, ", since too little is known to rule it out")?;
        }
        write!(f, ")")
    }
}

/// What all policies together say about a pair.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The most important hard policy that denies it.
    pub hard: Option<Arc<Ruling>>,
    /// The most important soft one.
    pub soft: Option<Arc<Ruling>>,
    /// The sum of what they prefer.
    pub score: i64,
    /// The links that its transfers run over.
    pub links: LinkSet,
}

impl Verdict {
    /// The ruling that stands where soft policies of `relaxed` and all later ranks give way.
    pub fn denial(&self, relaxed: Option<u16>) -> Option<&Arc<Ruling>> {
        let gives_way = |ruling: &&Arc<Ruling>| relaxed.is_none_or(|from| ruling.rank < from);
        self.hard.as_ref().or(self.soft.as_ref().filter(gives_way))
    }
}

/// Why policies cannot be loaded together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// Two have one name.
    #[error("there are two policies called {0:?}: rename one of them")]
    Twice(String),
    /// Too many.
    #[error("at most {MAX_POLICIES} policies can be loaded: join some of them")]
    TooMany,
    /// Too many links.
    #[error("all policies together can have {MAX_LINKS} links at most: join some of them")]
    TooManyLinks,
}

/// The policies in force: the most important ones first, and of one rank in the order of names.
#[derive(Debug, Clone)]
pub struct PolicySet {
    policies: Vec<Policy>,
    /// What each policy's `time.` is: its place in `zones`.
    zones: Vec<Zone>,
    zone_of: Vec<Option<usize>>,
    mentions: BTreeSet<Attribute>,
    /// What `time.` is to a policy that does not ask for it.
    never: Facts,
}

impl Default for PolicySet {
    fn default() -> Self {
        Self {
            policies: Vec::new(),
            zones: Vec::new(),
            zone_of: Vec::new(),
            mentions: BTreeSet::new(),
            never: TimeField::unknown(),
        }
    }
}

impl PolicySet {
    /// These policies together.
    ///
    /// # Errors
    /// Two have one name, or there are too many.
    pub fn new(mut policies: Vec<Policy>) -> Result<Self, SetError> {
        if policies.len() > MAX_POLICIES {
            return Err(SetError::TooMany);
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = policies.iter().find(|one| !names.insert(&one.name)) {
            return Err(SetError::Twice(twice.name.to_string()));
        }
        policies.sort_by(|one, other| (one.rank, &one.name).cmp(&(other.rank, &other.name)));
        let links: usize = policies.iter().map(|policy| policy.links.len()).sum();
        if links > usize::from(MAX_LINKS) {
            return Err(SetError::TooManyLinks);
        }
        let links = policies.iter_mut().flat_map(|policy| &mut policy.links);
        for (link, place) in links.zip(0..) {
            link.place = place;
        }
        let mut set = Self::default();
        for policy in &policies {
            set.take_in(policy);
        }
        set.policies = policies;
        Ok(set)
    }

    /// Whether any of them prefers somebody.
    pub fn prefers(&self) -> bool {
        self.policies.iter().any(|policy| !policy.scores.is_empty())
    }

    fn take_in(&mut self, policy: &Policy) {
        let zone = policy.zone.as_ref().map(|zone| {
            let known = self.zones.iter().position(|other| other == zone);
            known.unwrap_or_else(|| {
                self.zones.push(zone.clone());
                self.zones.len() - 1
            })
        });
        self.zone_of.push(zone);
        for expression in policy.expressions() {
            expression.mentions(&mut self.mentions);
        }
        let mut add = |thing, place| self.mentions.insert(Attribute { thing, place });
        if policy.contents.is_some() {
            add(Thing::Content, ContentField::Name as usize);
        }
        // These are asked of both ends, and waypoints are told apart.
        for rule in policy
            .rules
            .iter()
            .filter(|rule| rule.denies.concerns_one())
        {
            let mut asked = BTreeSet::new();
            rule.said.when.mentions(&mut asked);
            add(Thing::Peer, PeerField::Type as usize);
            for one in asked.into_iter().filter(|one| one.thing == Thing::Viewer) {
                add(Thing::Peer, one.place);
            }
        }
    }

    /// The links that the policies declare, each with its place.
    pub(crate) fn links(&self) -> impl Iterator<Item = (u8, &Link)> {
        let links = self.policies.iter().flat_map(|policy| &policy.links);
        links.map(|link| (link.place, link))
    }

    /// The links that the policies declare, with their limits.
    pub fn link_terms(&self) -> impl Iterator<Item = LinkTerms> {
        self.links().map(|(place, link)| LinkTerms {
            links: LinkSet::EMPTY.with(place),
            name: Arc::clone(&link.name),
            strictness: link.ruling.strictness,
            peak: link.limits.peak,
            month: link.limits.month,
            zone: link.zone.clone(),
        })
    }

    /// Gives links other places than they have: no two of them the same.
    pub(crate) fn place_links(&mut self, mut place: impl FnMut(&Link) -> u8) {
        for link in self.policies.iter_mut().flat_map(|one| &mut one.links) {
            link.place = place(link);
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// The policies, the most important ones first.
    pub fn iter(&self) -> impl Iterator<Item = &Policy> {
        self.policies.iter()
    }

    /// Where the attributes of a thing stand that some policy asks for.
    pub(super) fn asked_of(&self, thing: Thing) -> BTreeSet<usize> {
        let asked = self.mentions.iter().filter(|one| one.thing == thing);
        asked.map(|one| one.place).collect()
    }

    /// Whether what is asked of the time was something else at a moment since `since`.
    pub fn have_turned(&self, since: Timestamp, now: Timestamp) -> bool {
        let today = self.times(now);
        let mut at = since;
        while at < now {
            if self.times(at) != today {
                return true;
            }
            at = at + MINUTE;
        }
        false
    }

    /// What is asked of the time, in each zone.
    pub(super) fn times(&self, now: Timestamp) -> Vec<Facts> {
        let asked = self.asked_of(Thing::Time);
        let zones = self.zones.iter();
        zones.map(|zone| zone.at(now).only(&asked)).collect()
    }

    /// What the policies say about a pair.
    pub(super) fn verdict(
        &self,
        (viewer, peer, link): (&Facts, &Facts, &Facts),
        content: &Facts,
        times: &[Facts],
    ) -> Verdict {
        let mut verdict = Verdict::default();
        for (policy, time) in self.about(content, times) {
            let case = Case {
                viewer,
                peer,
                link,
                content,
                time,
            };
            policy.add_to(&mut verdict, &case);
        }
        verdict
    }
}

impl PolicySet {
    /// The most important hard policy by which a viewer gets and gives nothing, whoever the other
    /// end is.
    pub(super) fn bar(
        &self,
        viewer: &Facts,
        content: &Facts,
        times: &[Facts],
    ) -> Option<Arc<Ruling>> {
        let (nobody, nowhere) = (PeerField::unknown(), LinkField::unknown());
        let mut about = self.about(content, times);
        about.find_map(|(policy, time)| {
            let case = Case {
                viewer,
                peer: &nobody,
                link: &nowhere,
                content,
                time,
            };
            let peers = |rule: &&Rule| rule.denies.concerns_one();
            let mut rules = policy.rules.iter().filter(peers);
            let hard = policy.strictness == Strictness::Hard;
            rules.find_map(|rule| rule.said.ask(&case)).filter(|_| hard)
        })
    }

    /// The policies that are about a content, each with its local time.
    pub(super) fn about<'a>(
        &'a self,
        content: &'a Facts,
        times: &'a [Facts],
    ) -> impl Iterator<Item = (&'a Policy, &'a Facts)> {
        let policies = self.policies.iter().zip(&self.zone_of);
        let about = policies.filter(|(policy, _)| policy.is_about(content));
        about.map(|(policy, zone)| {
            let time = zone.and_then(|zone| times.get(zone));
            (policy, time.unwrap_or(&self.never))
        })
    }
}

impl Policy {
    fn add_to(&self, verdict: &mut Verdict, case: &Case<'_>) {
        let slot = match self.strictness {
            Strictness::Hard => &mut verdict.hard,
            Strictness::Soft => &mut verdict.soft,
        };
        if slot.is_none() {
            *slot = self.rules.iter().find_map(|rule| rule.judge(case));
        }
        for score in &self.scores {
            let score = score.number(case).unwrap_or(0);
            verdict.score += score.clamp(-MOST_SCORE, MOST_SCORE);
        }
        for link in self.links.iter().filter(|link| link.carries(case)) {
            verdict.links = verdict.links.with(link.place);
        }
    }
}

impl Rule {
    /// Its ruling, where it denies the pair.
    fn judge(&self, case: &Case<'_>) -> Option<Arc<Ruling>> {
        let first = self.said.ask(case);
        if first.is_some() || !self.denies.concerns_one() || is_waypoint(case.peer) {
            return first;
        }
        let giver = Case {
            viewer: case.peer,
            ..*case
        };
        self.said.ask(&giver)
    }
}

impl Said {
    /// What it says, unless it is known not to hold.
    pub(super) fn ask(&self, case: &Case<'_>) -> Option<Arc<Ruling>> {
        match self.when.truth(case) {
            Some(false) => None,
            Some(true) => Some(Arc::clone(&self.holds)),
            None => Some(Arc::clone(&self.unsure)),
        }
    }
}

/// The operator's own machines are no viewers: nobody knows their age.
pub(super) fn is_waypoint(peer: &Facts) -> bool {
    let kind = peer.get(PeerField::Type as usize);
    matches!(kind, Some(Value::Text(kind)) if &**kind == "waypoint")
}
