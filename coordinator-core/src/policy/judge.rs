//! Asking the policies: once for each class of peers, however many peers are in it.

use core::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::time::Timestamp;

use super::schema::{ContentField, LinkField, Thing};
use super::set::{PolicySet, Ruling, Verdict};
use super::treatment::Treatment;
use super::value::Facts;
use crate::table::Table;

/// Most classes of viewers, peers or contents, and most verdicts, before all are forgotten: what
/// is needed is asked for again.
const MAX_CLASSES: usize = 1 << 16;
const MAX_VERDICTS: usize = 1 << 18;
const SECONDS_A_MINUTE: u64 = 60;

/// A peer's classes.
#[derive(Debug, Clone, Copy)]
struct Classed {
    viewer: u32,
    peer: u32,
}

/// Somebody of whom something is known.
pub trait Described {
    /// All that is known.
    fn facts(&self) -> Facts;
    /// What is known of the way from a peer to this one.
    fn link(&self, _peer: &Self) -> Facts {
        LinkField::unknown()
    }
    /// Who it is.
    fn id(&self) -> PeerId;
}

/// Asks the policies in force, and remembers what they said.
#[derive(Debug, Default)]
pub struct Judge {
    set: PolicySet,
    contents: BTreeMap<ContentId, Facts>,
    /// Whether these policies have viewers treated in various ways.
    treats: bool,
    /// What is remembered, never what is decided: an answer is the same without it.
    memory: RefCell<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    asked: [BTreeSet<usize>; 4],
    /// The classes of peers, one entry for each session at most.
    classed: Table<PeerId, Classed>,
    viewers: Classes,
    peers: Classes,
    links: Classes,
    contents: Classes,
    content_classes: Table<ContentId, u32>,
    verdicts: Table<(u32, u32, u32, u32), Verdict>,
    bars: Table<(u32, u32), Option<Arc<Ruling>>>,
    treatments: Table<(u32, u32), Treatment>,
    minute: Option<u64>,
    times: Vec<Facts>,
    /// How often the policies or what they ask of the time have changed.
    turns: u64,
    evaluations: u64,
}

/// Facts that are the same for everybody in a class.
#[derive(Debug, Default)]
struct Classes {
    numbers: BTreeMap<Facts, u32>,
    facts: Vec<Facts>,
}

impl Classes {
    fn number(&mut self, facts: Facts) -> u32 {
        if let Some(known) = self.numbers.get(&facts) {
            return *known;
        }
        let next = u32::try_from(self.facts.len()).unwrap_or(u32::MAX);
        self.facts.push(facts.clone());
        self.numbers.insert(facts, next);
        next
    }

    fn get(&self, number: u32) -> Option<&Facts> {
        self.facts.get(usize::try_from(number).ok()?)
    }
}

impl Memory {
    /// Forgets everything but what it counts.
    fn begin_anew(&mut self, set: &PolicySet) {
        let asked = [Thing::Viewer, Thing::Peer, Thing::Content, Thing::Link];
        *self = Self {
            asked: asked.map(|thing| set.asked_of(thing)),
            turns: self.turns,
            evaluations: self.evaluations,
            ..Self::default()
        };
    }

    fn is_full(&self) -> bool {
        let tables = [&self.viewers, &self.peers, &self.links, &self.contents];
        let classes = tables.map(|classes| classes.facts.len());
        self.verdicts.len() >= MAX_VERDICTS || classes.into_iter().any(|count| count >= MAX_CLASSES)
    }

    fn classed(&mut self, one: &impl Described) -> Classed {
        if let Some(known) = self.classed.get(&one.id()) {
            return *known;
        }
        let facts = one.facts();
        let [viewer, peer, ..] = &self.asked;
        let classed = Classed {
            viewer: self.viewers.number(facts.only(viewer)),
            peer: self.peers.number(facts.only(peer)),
        };
        self.classed.insert(one.id(), classed);
        classed
    }

    /// The class of a way: there is one, and it is not looked at, where no policy asks for any of it.
    fn link<D: Described>(&mut self, viewer: &D, peer: &D) -> u32 {
        let asked = &self.asked[3];
        if asked.is_empty() {
            return 0;
        }
        let facts = viewer.link(peer).only(asked);
        self.links.number(facts)
    }

    fn content(&mut self, id: ContentId, known: Option<&Facts>) -> u32 {
        if let Some(class) = self.content_classes.get(&id) {
            return *class;
        }
        let facts = known.cloned().unwrap_or_else(ContentField::unknown);
        let class = self.contents.number(facts.only(&self.asked[2]));
        self.content_classes.insert(id, class);
        class
    }

    /// What the policies ask of the time is looked up each minute: zones are apart by whole ones.
    fn note_time(&mut self, set: &PolicySet, now: Timestamp) {
        let minute = Some(now.unix_seconds().0 / SECONDS_A_MINUTE);
        if core::mem::replace(&mut self.minute, minute) == minute {
            return;
        }
        let times = set.times(now);
        if self.times != times {
            self.verdicts.clear();
            self.bars.clear();
            self.treatments.clear();
            // The first time that is looked up follows on nothing.
            self.turns += u64::from(!self.times.is_empty());
            self.times = times;
        }
    }
}

impl Judge {
    /// These policies are in force from now on.
    pub fn replace(&mut self, set: PolicySet) {
        self.treats = set.treats();
        self.set = set;
        let memory = self.memory.get_mut();
        memory.begin_anew(&self.set);
        memory.turns += 1;
    }

    /// Something else is known of everybody than before.
    pub(crate) fn begin_anew(&mut self) {
        let memory = self.memory.get_mut();
        memory.begin_anew(&self.set);
        memory.turns += 1;
    }

    /// One that knows the same contents and asks other policies.
    pub(crate) fn with(&self, set: PolicySet) -> Self {
        let mut other = Self {
            contents: self.contents.clone(),
            ..Self::default()
        };
        other.replace(set);
        other
    }

    /// What is known of a content; `None` once it is no longer offered.
    pub fn note_content(&mut self, id: ContentId, facts: Option<Facts>) {
        let before = self.contents.get(&id).cloned();
        let memory = self.memory.get_mut();
        memory.turns += u64::from(before.is_some() && before != facts);
        memory.content_classes.swap_remove(&id);
        match facts {
            Some(facts) => self.contents.insert(id, facts),
            None => self.contents.remove(&id),
        };
    }

    /// Something else is known of a peer than before, or it is gone.
    pub fn forget(&mut self, peer: PeerId) {
        self.memory.get_mut().classed.swap_remove(&peer);
    }

    /// The policies in force.
    pub const fn policies(&self) -> &PolicySet {
        &self.set
    }

    /// Whether there are none: then nothing is asked and nothing is noted.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Verdicts that were worked out, and not remembered.
    pub fn evaluations(&self) -> u64 {
        self.memory.borrow().evaluations
    }

    /// A number that rises whenever the policies may say something else than before.
    pub fn turns(&self, now: Timestamp) -> u64 {
        let mut memory = self.memory.borrow_mut();
        memory.note_time(&self.set, now);
        memory.turns
    }

    fn memory_at(&self, now: Timestamp) -> RefMut<'_, Memory> {
        let mut memory = self.memory.borrow_mut();
        if memory.is_full() {
            memory.begin_anew(&self.set);
        }
        memory.note_time(&self.set, now);
        memory
    }

    /// The hard policy by which somebody gets and gives nothing, whoever the other end is.
    pub fn bar(
        &self,
        one: &impl Described,
        content: ContentId,
        now: Timestamp,
    ) -> Option<Arc<Ruling>> {
        if self.is_empty() {
            return None;
        }
        let memory = &mut *self.memory_at(now);
        let viewer = memory.classed(one).viewer;
        let content = memory.content(content, self.contents.get(&content));
        if let Some(known) = memory.bars.get(&(viewer, content)) {
            return known.clone();
        }
        memory.evaluations += 1;
        let facts = memory.viewers.get(viewer).zip(memory.contents.get(content));
        let bar = facts.and_then(|(one, content)| self.set.bar(one, content, &memory.times));
        memory.bars.insert((viewer, content), bar.clone());
        bar
    }

    /// How somebody is treated, whoever feeds it.
    pub fn treatment(&self, one: &impl Described, content: ContentId, now: Timestamp) -> Treatment {
        if !self.treats {
            return Treatment::default();
        }
        let memory = &mut *self.memory_at(now);
        let viewer = memory.classed(one).viewer;
        let content = memory.content(content, self.contents.get(&content));
        if let Some(known) = memory.treatments.get(&(viewer, content)) {
            return known.clone();
        }
        memory.evaluations += 1;
        let facts = memory.viewers.get(viewer).zip(memory.contents.get(content));
        let treatment = facts.map_or_else(Treatment::default, |(viewer, content)| {
            self.set.treatment(viewer, content, &memory.times)
        });
        memory
            .treatments
            .insert((viewer, content), treatment.clone());
        treatment
    }

    /// What the policies say about `peer` feeding `viewer` with this content.
    pub fn verdict<D: Described>(
        &self,
        viewer: &D,
        peer: &D,
        content: ContentId,
        now: Timestamp,
    ) -> Verdict {
        if self.is_empty() {
            return Verdict::default();
        }
        let memory = &mut *self.memory_at(now);
        let link = memory.link(viewer, peer);
        let viewer = memory.classed(viewer).viewer;
        let peer = memory.classed(peer).peer;
        let content = memory.content(content, self.contents.get(&content));
        let key = (viewer, peer, link, content);
        if let Some(known) = memory.verdicts.get(&key) {
            return known.clone();
        }
        memory.evaluations += 1;
        let facts = (
            memory.viewers.get(viewer),
            memory.peers.get(peer),
            memory.contents.get(content),
        );
        let (Some(viewer), Some(peer), Some(content)) = facts else {
            return Verdict::default();
        };
        let nowhere = LinkField::unknown();
        let link = memory.links.get(link).unwrap_or(&nowhere);
        let pair = (viewer, peer, link);
        let verdict = self.set.verdict(pair, content, &memory.times);
        memory.verdicts.insert(key, verdict.clone());
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::PeerField;
    use super::super::{Value, read};
    use super::*;

    struct Somebody {
        id: PeerId,
        country: &'static str,
        age: i64,
    }

    impl Described for Somebody {
        fn facts(&self) -> Facts {
            let mut facts = PeerField::unknown();
            PeerField::Country.set(&mut facts, Value::text(self.country));
            PeerField::Age.set(&mut facts, Value::Number(self.age));
            facts
        }

        fn id(&self) -> PeerId {
            self.id
        }
    }

    fn somebody(country: &'static str, age: i64) -> Somebody {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&age.to_le_bytes());
        id[8..10].copy_from_slice(country.as_bytes());
        let id = PeerId(id);
        Somebody { id, country, age }
    }

    fn judge(when: &str) -> Judge {
        let text = format!(
            "name = \"p\"\nkind = \"provider\"\nzone = \"Europe/Berlin\"\n[[deny]]\n\
             what = \"pair\"\nwhen = '{when}'\nsay = \"no\"\n"
        );
        let mut judge = Judge::default();
        let set = PolicySet::new(vec![read(&text).unwrap()]).unwrap();
        judge.replace(set);
        judge
    }

    fn at(text: &str) -> Timestamp {
        super::super::calendar::moment(text).unwrap()
    }

    const NOON: &str = "2026-01-01T12:00:00Z";

    #[test]
    fn a_thousand_peers_of_three_classes_cost_three_evaluations() {
        let judge = judge("viewer.country != peer.country");
        let viewer = somebody("DE", 20);
        let content = ContentId::of("live");
        let countries = ["DE", "FR", "IT"];
        let peers: Vec<Somebody> = (0..1000)
            .map(|number| somebody(countries[number % 3], i64::try_from(number).unwrap()))
            .collect();
        for _ in 0..2 {
            let denied = peers.iter().filter(|peer| {
                let verdict = judge.verdict(&viewer, *peer, content, at(NOON));
                verdict.denial(None).is_some()
            });
            assert_eq!(denied.count(), 666);
        }
        assert_eq!(judge.evaluations(), 3, "ages are not asked for");
    }

    #[test]
    fn what_was_remembered_ends_with_the_policies_and_with_the_hour() {
        let mut judge_by_time = judge("time.hour >= 22");
        let (viewer, peer) = (somebody("DE", 20), somebody("DE", 20));
        let content = ContentId::of("live");
        let denied = |judge: &Judge, time| {
            let verdict = judge.verdict(&viewer, &peer, content, at(time));
            verdict.denial(None).is_some()
        };
        assert!(!denied(&judge_by_time, "2026-01-01T20:59:59Z"));
        let before = judge_by_time.turns(at("2026-01-01T20:59:59Z"));
        assert!(denied(&judge_by_time, "2026-01-01T21:00:00Z"), "22:00");
        assert!(judge_by_time.turns(at("2026-01-01T21:00:00Z")) > before);
        assert!(!denied(&judge_by_time, "2026-01-01T23:00:00Z"), "00:00");
        judge_by_time.replace(judge("viewer.age > 18").set);
        assert!(denied(&judge_by_time, NOON));
    }

    #[test]
    fn tables_that_are_full_begin_anew() {
        let judge = judge("peer.age == viewer.age");
        let viewer = somebody("DE", 7);
        for age in 0..70_000 {
            let peer = somebody("DE", age);
            let verdict = judge.verdict(&viewer, &peer, ContentId::of("live"), at(NOON));
            assert_eq!(verdict.hard.is_some(), age == 7);
        }
        let memory = judge.memory.borrow();
        assert!(memory.peers.facts.len() <= MAX_CLASSES);
        assert!(
            memory.classed.len() <= MAX_CLASSES + 1,
            "the viewer as well"
        );
    }
}
