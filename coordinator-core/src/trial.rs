//! What would change if other policies were in force: asked of the live view in rounds, within the
//! budget of a look, and nothing is changed (O2, Y4).

mod links;

use std::collections::BTreeMap;
use std::sync::Arc;

use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::time::Timestamp;

use self::links::Links;
use crate::delivery::{Budget, Delivery};
use crate::directory::Directory;
use crate::member::{Member, Role};
use crate::policy::{Judge, PolicySet, Ruling};
use crate::rules::Objection;
use crate::world::World;

/// Trials at a time; whoever asks for more is told to come again.
pub(crate) const MAX_TRIALS: usize = 4;
/// Peers named for each rule.
const EXAMPLES: usize = 3;
/// Rules told apart: as many as all policies together can have is no use to anybody.
const MAX_RULES: usize = 256;

pub use self::links::LinkTrial;

/// Names a trial, chosen by who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrialId(pub u64);

/// What one rule would do that nothing does at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleTrial {
    /// The policy.
    pub policy: Arc<str>,
    /// Its words.
    pub say: String,
    /// Pairs that it would part.
    pub pairs: u64,
    /// Some of those who would lose a parent by it.
    pub examples: Vec<PeerId>,
}

/// What would change. Peers that come and go while it is asked may be counted twice, or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrialReport {
    /// Members of contents that were looked at, waypoints left out, and the pairs that feed them.
    pub members: u64,
    /// See `members`.
    pub pairs: u64,
    /// Pairs that would be parted.
    pub parted: u64,
    /// Members that would lose some of their parents, and all of them.
    pub lose_some: u64,
    /// See `lose_some`.
    pub lose_all: u64,
    /// Members that a policy keeps from somebody at present who could feed them.
    pub gain: u64,
    /// Members that would see a live picture later than at present, and earlier.
    pub later: u64,
    /// See `later`.
    pub earlier: u64,
    /// Members whose players could choose less than at present, and more.
    pub smaller: u64,
    /// See `smaller`.
    pub better: u64,
    /// Members that would go to the CDN sooner than others, and later, than at present.
    pub lower_priority: u64,
    /// See `lower_priority`.
    pub higher_priority: u64,
    /// What each rule would part, in the order of policies and words.
    pub rules: Vec<RuleTrial>,
    /// The links of the policies in force and of those that are tried, in the order of their names.
    pub links: Vec<LinkTrial>,
}

/// A trial under way.
#[derive(Debug)]
pub(crate) struct Trial {
    id: TrialId,
    judge: Judge,
    /// Contents that are still to be looked at, and members of the last one: the first ones.
    contents: Vec<ContentId>,
    left: usize,
    report: TrialReport,
    rules: BTreeMap<(Arc<str>, String), (u64, Vec<PeerId>)>,
    links: Links,
}

impl Trial {
    /// These policies in place of those in force.
    pub(crate) fn new(
        id: TrialId,
        set: PolicySet,
        (world, directory): (&World, &Directory),
        now: Timestamp,
    ) -> Self {
        let contents = directory.busiest_first(|_| true);
        let mut trial = Self {
            id,
            links: Links::new(&set, world, now),
            judge: world.judge.with(set),
            left: 0,
            contents,
            report: TrialReport::default(),
            rules: BTreeMap::new(),
        };
        trial.left = trial.members(directory);
        trial
    }

    fn members(&self, directory: &Directory) -> usize {
        let last = self.contents.last();
        let delivery = last.and_then(|id| directory.delivery(*id));
        delivery.map_or(0, |delivery| delivery.members.len())
    }

    /// Goes on where it was; the report, once everybody was asked about. From the last member to
    /// the first: whoever leaves meanwhile has the last one put in its place.
    pub(crate) fn go_on(
        &mut self,
        world: &World,
        directory: &Directory,
        budget: &mut Budget,
        now: Timestamp,
    ) -> Option<(TrialId, TrialReport)> {
        while let Some(id) = self.contents.last() {
            let Some(delivery) = directory.delivery(*id) else {
                self.next_content(directory);
                continue;
            };
            self.left = self.left.min(delivery.members.len());
            while self.left > 0 {
                if budget.is_spent() {
                    return None;
                }
                self.left -= 1;
                if let Some((peer, member)) = delivery.members.get_index(self.left) {
                    budget.spend(1 + member.feeds.len() + member.excluded.len());
                    self.ask((*peer, member), delivery, world, now);
                }
            }
            self.next_content(directory);
        }
        Some((self.id, self.finish()))
    }

    fn next_content(&mut self, directory: &Directory) {
        self.contents.pop();
        self.left = self.members(directory);
    }

    fn ask(
        &mut self,
        (peer, member): (PeerId, &Member),
        delivery: &Delivery,
        world: &World,
        now: Timestamp,
    ) {
        let known = world.known(peer).filter(|_| member.role != Role::Head);
        let Some(viewer) = known else {
            return;
        };
        let content = delivery.content;
        self.report.members += 1;
        let mut lost = 0;
        for feed in &member.feeds {
            let Some(parent) = world.known(feed.parent) else {
                continue;
            };
            self.report.pairs += 1;
            // What gave way to a pair gives way to it again, if nothing else is against it.
            let before = world.judge.verdict(&viewer, &parent, content, now);
            let after = self.judge.verdict(&viewer, &parent, content, now);
            let stood = before.soft.is_some();
            let denial = after.hard.or(after.soft.filter(|_| !stood));
            self.links.runs(before.links, feed.reserved, world);
            if let Some(ruling) = denial {
                lost += 1;
                self.count(&ruling, peer);
            } else {
                self.links.would_run(after.links, feed.reserved);
            }
        }
        self.report.parted += lost;
        let all = lost > 0 && lost == member.feeds.len() as u64;
        self.report.lose_all += u64::from(all);
        self.report.lose_some += u64::from(lost > 0 && !all);
        let gains = member.excluded.iter().any(|one| {
            let by_policy = matches!(one.objection, Objection::Forbidden(_));
            let parent = world.known(one.peer).filter(|_| by_policy);
            parent.is_some_and(|parent| {
                let (pair, ends) = ((peer, one.peer), (&viewer, &parent));
                let verdict = world.verdict_by(&self.judge, pair, ends, content, now);
                verdict.denial(None).is_none()
            })
        });
        self.report.gain += u64::from(gains);
        let before = world.judge.treatment(&viewer, content, now);
        let after = self.judge.treatment(&viewer, content, now);
        let report = &mut self.report;
        report.later += u64::from(after.delay() > before.delay());
        report.earlier += u64::from(after.delay() < before.delay());
        report.smaller += u64::from(after.most() < before.most());
        report.better += u64::from(after.most() > before.most());
        report.lower_priority += u64::from(after.priority < before.priority);
        report.higher_priority += u64::from(after.priority > before.priority);
    }

    fn count(&mut self, ruling: &Ruling, peer: PeerId) {
        let rule = (Arc::clone(&ruling.policy), ruling.say.clone());
        if self.rules.len() >= MAX_RULES && !self.rules.contains_key(&rule) {
            return;
        }
        let (pairs, examples) = self.rules.entry(rule).or_default();
        *pairs += 1;
        if examples.len() < EXAMPLES && !examples.contains(&peer) {
            examples.push(peer);
        }
    }

    fn finish(&mut self) -> TrialReport {
        let rules = core::mem::take(&mut self.rules).into_iter();
        let rules = rules.map(|((policy, say), (pairs, examples))| RuleTrial {
            policy,
            say,
            pairs,
            examples,
        });
        self.report.rules = rules.collect();
        self.report.links = self.links.finish();
        core::mem::take(&mut self.report)
    }
}
