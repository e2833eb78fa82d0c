//! Why policies say what they say of a pair: rule by rule, with the evidence that each asked for.

use core::fmt;
use std::collections::BTreeSet;
use std::sync::Arc;

use runnel_protocol::time::Timestamp;

use super::expression::{Case, Expression};
use super::schema::{Attribute, ContentField, LinkField, PeerField, Thing};
use super::set::{Kind, Policy, PolicySet, Ruling, Strictness, Verdict, is_waypoint};
use super::treatment::Treatment;
use super::value::{Facts, Value};

/// What an operator describes, to ask policies about it.
#[derive(Debug, Clone)]
pub struct Situation {
    /// The end that receives.
    pub viewer: Facts,
    /// The end that feeds it.
    pub peer: Facts,
    /// The way from that one to the viewer.
    pub link: Facts,
    /// What is fed.
    pub content: Facts,
    /// When.
    pub at: Timestamp,
}

impl Situation {
    /// Nothing is known, but the time.
    pub fn unknown(at: Timestamp) -> Self {
        Self {
            viewer: PeerField::unknown(),
            peer: PeerField::unknown(),
            link: LinkField::unknown(),
            content: ContentField::unknown(),
            at,
        }
    }

    /// Something is known of `viewer`, `peer`, `link` or `content`: as it is written on a command line,
    /// where a list has commas.
    ///
    /// # Errors
    /// There is no such attribute, or it is no text; in words that say what there is.
    pub fn know(&mut self, thing: &str, name: &str, text: &str) -> Result<(), String> {
        let attribute = Attribute::find(thing, name)?;
        let value = Value::from_words(attribute.entry().kind, text);
        let value = value.ok_or_else(|| format!("{attribute} is {}", attribute.entry().kind))?;
        let facts = match attribute.thing {
            Thing::Viewer => &mut self.viewer,
            Thing::Peer => &mut self.peer,
            Thing::Link => &mut self.link,
            Thing::Content => &mut self.content,
            Thing::Time => return Err(format!("{attribute} follows from the moment")),
        };
        facts.set(attribute.place, Some(value));
        Ok(())
    }
}

/// What one rule comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Holds,
    /// It does not.
    HoldsNot,
    /// Too little is known to be sure that it does not: it counts as if it did.
    Unsure,
}

/// One rule that denies, and why it does or does not.
#[derive(Debug, Clone)]
pub struct Remark {
    /// The policy.
    pub policy: Arc<str>,
    /// Whose it is.
    pub kind: Kind,
    /// How important it is: 1 is the most.
    pub rank: u16,
    /// Whether it may give way.
    pub strictness: Strictness,
    /// Which of its `[[deny]]` rules, from one.
    pub rule: usize,
    /// What it comes to.
    pub outcome: Outcome,
    /// The rule's words.
    pub say: String,
    /// It is about the end that feeds, which gives nothing either.
    pub of_giver: bool,
    /// What it asked for and what is known of that, in words.
    pub evidence: Vec<(String, String)>,
}

/// All that policies say of a pair.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// What comes of it.
    pub verdict: Verdict,
    /// How the viewer is treated, whoever feeds it.
    pub treatment: Treatment,
    /// Each rule of each policy that is about this content, the most important ones first.
    pub remarks: Vec<Remark>,
    /// The links that its transfers run over, by name.
    pub links: Vec<Arc<str>>,
}

impl PolicySet {
    /// What the policies say of a pair, and why.
    pub fn explain(&self, situation: &Situation) -> Explanation {
        let Situation {
            viewer,
            peer,
            link,
            content,
            at,
        } = situation;
        let times = self.times(*at);
        let verdict = self.verdict((viewer, peer, link), content, &times);
        let links = self.links();
        let links = links.filter(|(place, _)| verdict.links.contains(*place));
        let mut remarks = Vec::new();
        for (policy, time) in self.about(content, &times) {
            let case = Case {
                viewer,
                peer,
                link,
                content,
                time,
            };
            policy.remark(&case, &mut remarks);
        }
        Explanation {
            treatment: self.treatment(viewer, content, &times),
            remarks,
            links: links.map(|(_, link)| Arc::clone(&link.name)).collect(),
            verdict,
        }
    }
}

impl Policy {
    fn remark(&self, case: &Case<'_>, remarks: &mut Vec<Remark>) {
        for (rule, place) in self.rules.iter().zip(1..) {
            let giver = Case {
                viewer: case.peer,
                ..*case
            };
            let first = outcome(&rule.said.when, case);
            // Of a viewer that is kept from peers it is asked at both ends, waypoints left out.
            let both = rule.denies.concerns_one() && !is_waypoint(case.peer);
            let second = outcome(&rule.said.when, &giver);
            let of_giver = first == Outcome::HoldsNot && both && second != Outcome::HoldsNot;
            let (outcome, case) = if of_giver {
                (second, &giver)
            } else {
                (first, case)
            };
            remarks.push(Remark {
                policy: Arc::clone(&self.name),
                kind: self.kind,
                rank: self.rank,
                strictness: self.strictness,
                rule: place,
                outcome,
                say: rule.said.holds.say.clone(),
                of_giver,
                evidence: evidence(&rule.said.when, case),
            });
        }
    }
}

fn outcome(when: &Expression, case: &Case<'_>) -> Outcome {
    match when.truth(case) {
        Some(true) => Outcome::Holds,
        Some(false) => Outcome::HoldsNot,
        None => Outcome::Unsure,
    }
}

fn evidence(when: &Expression, case: &Case<'_>) -> Vec<(String, String)> {
    let mut asked = BTreeSet::new();
    when.mentions(&mut asked);
    let known = |one: Attribute| match one.thing {
        Thing::Viewer => case.viewer.get(one.place),
        Thing::Peer => case.peer.get(one.place),
        Thing::Link => case.link.get(one.place),
        Thing::Content => case.content.get(one.place),
        Thing::Time => case.time.get(one.place),
    };
    let words = |one| known(one).map_or_else(|| "not known".to_owned(), ToString::to_string);
    asked
        .into_iter()
        .map(|one| (one.to_string(), words(one)))
        .collect()
}

/// In lines for people; a policy is followed by what is known of its version, if anything.
pub struct InWords<'a, F> {
    /// What is told.
    pub explanation: &'a Explanation,
    /// The version of the policy of this name.
    pub version: F,
}

impl<F: Fn(&str) -> Option<u32>> fmt::Display for InWords<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let explanation = self.explanation;
        let verdict = &explanation.verdict;
        match (&verdict.hard, &verdict.soft) {
            (Some(ruling), _) => writeln!(f, "denied: {ruling}")?,
            (None, Some(ruling)) => writeln!(f, "denied unless nobody else is left: {ruling}")?,
            (None, None) => writeln!(f, "allowed")?,
        }
        for remark in &explanation.remarks {
            self.remark(remark, f)?;
        }
        self.order_of_relaxing(f)?;
        if verdict.score != 0 {
            writeln!(f, "preferred with a score of {}", verdict.score)?;
        }
        for link in &explanation.links {
            writeln!(f, "its transfers run over the link “{link}”")?;
        }
        treatment(&explanation.treatment, f)
    }
}

impl<F: Fn(&str) -> Option<u32>> InWords<'_, F> {
    fn remark(&self, remark: &Remark, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let says = match remark.outcome {
            Outcome::Holds => "denies",
            Outcome::HoldsNot => "does not deny",
            Outcome::Unsure => "denies, since too little is known to rule it out",
        };
        let version = (self.version)(&remark.policy);
        let version = version.map_or_else(String::new, |number| format!(", version {number}"));
        let strictness = match remark.strictness {
            Strictness::Hard => "hard",
            Strictness::Soft => "soft",
        };
        writeln!(
            f,
            "  policy “{}” ({}, rank {}{version}), rule {}: {says}: {}",
            remark.policy, strictness, remark.rank, remark.rule, remark.say
        )?;
        let whose = if remark.of_giver {
            " of the end that feeds, where “viewer” stands for it"
        } else {
            ""
        };
        let known: Vec<String> = remark
            .evidence
            .iter()
            .map(|(name, value)| format!("{name} is {value}"))
            .collect();
        if known.is_empty() {
            return Ok(());
        }
        writeln!(f, "    evidence{whose}: {}", known.join(", "))
    }

    /// In which order soft policies would give way, where nobody else is left.
    fn order_of_relaxing(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut soft: Vec<&Remark> = self
            .explanation
            .remarks
            .iter()
            .filter(|one| one.strictness == Strictness::Soft && one.outcome != Outcome::HoldsNot)
            .collect();
        soft.sort_by_key(|one| core::cmp::Reverse(one.rank));
        if soft.is_empty() {
            return Ok(());
        }
        let named = |one: &&Remark| format!("“{}” (rank {})", one.policy, one.rank);
        let order: Vec<String> = soft.iter().map(named).collect();
        write!(
            f,
            "where nobody else is left {} gives way",
            order.join(", then ")
        )?;
        match &self.explanation.verdict.hard {
            Some(hard) => writeln!(f, ", which does not help here: “{}” is hard", hard.policy),
            None => writeln!(f),
        }
    }
}

fn treatment(treatment: &Treatment, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let by = |ruling: &Ruling| ruling.to_string();
    if let Some((delay, ruling)) = &treatment.behind {
        writeln!(
            f,
            "sees a live picture {} s later: {}",
            delay.as_secs(),
            by(ruling)
        )?;
    }
    if let Some((rate, ruling)) = &treatment.max_rate {
        writeln!(
            f,
            "chooses at most {} kbit/s: {}",
            rate.0 / 1000,
            by(ruling)
        )?;
    }
    if !treatment.start_wait.is_zero() {
        let wait = treatment.start_wait.as_millis();
        writeln!(f, "its first picture waits up to {wait} ms for peers")?;
    }
    if treatment.priority != Treatment::default().priority {
        let priority = treatment.priority;
        let usual = Treatment::default().priority;
        writeln!(f, "its priority is {priority}, where {usual} is usual")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::calendar::moment;
    use super::super::read;
    use super::*;

    const GERMANY: &str = "name = \"germany\"\nkind = \"provider\"\ncontents = [\"final\"]\n\
                           [[deny]]\nwhat = \"peers\"\nwhen = 'viewer.country == \"DE\"'\n\
                           say = \"not licensed in DE\"\n";
    const NATIONAL: &str = "name = \"national\"\nkind = \"network\"\nrank = 300\n\
                            strictness = \"soft\"\n[[deny]]\nwhat = \"pair\"\n\
                            when = 'viewer.country != peer.country'\nsay = \"at home first\"\n";

    fn explained(known: &[(&str, &str, &str)]) -> String {
        let set = PolicySet::new(vec![read(GERMANY).unwrap(), read(NATIONAL).unwrap()]).unwrap();
        let mut situation = Situation::unknown(moment("2026-01-01T12:00:00Z").unwrap());
        situation.know("content", "name", "final").unwrap();
        for (thing, name, text) in known {
            situation.know(thing, name, text).unwrap();
        }
        let explanation = set.explain(&situation);
        let version = |name: &str| (name == "germany").then_some(3);
        InWords {
            explanation: &explanation,
            version,
        }
        .to_string()
    }

    #[test]
    fn it_is_told_which_rule_denies_by_which_version_and_on_what_evidence() {
        let words = explained(&[("viewer", "country", "DE"), ("peer", "country", "FR")]);
        assert_eq!(
            words,
            "denied: not licensed in DE (policy “germany”)\n  \
             policy “germany” (hard, rank 100, version 3), rule 1: denies: not licensed in DE\n    \
             evidence: viewer.country is \"DE\"\n  \
             policy “national” (soft, rank 300), rule 1: denies: at home first\n    \
             evidence: viewer.country is \"DE\", peer.country is \"FR\"\n\
             where nobody else is left “national” (rank 300) gives way, which does not help here: \
             “germany” is hard\n"
        );
    }

    #[test]
    fn what_is_not_known_and_what_the_giver_may_not_are_told_as_such() {
        let words = explained(&[("viewer", "country", "FR"), ("peer", "country", "DE")]);
        let told = "evidence of the end that feeds, where “viewer” stands for it: viewer.country is \
                    \"DE\"";
        assert!(words.contains(told), "{words}");
        let words = explained(&[("viewer", "country", "FR"), ("peer", "type", "waypoint")]);
        let told = "denies, since too little is known to rule it out: at home first";
        assert!(
            words.contains(told) && words.contains("peer.country is not known"),
            "{words}"
        );
        assert!(
            words.contains("rule 1: does not deny: not licensed in DE"),
            "{words}"
        );
        assert!(words.starts_with("denied unless nobody else is left: at home first"));
        let words = explained(&[("viewer", "country", "FR"), ("peer", "country", "FR")]);
        assert!(words.starts_with("allowed\n"), "{words}");
    }

    #[test]
    fn what_cannot_be_known_is_refused_with_what_can() {
        let mut situation = Situation::unknown(moment("2026-01-01T12:00:00Z").unwrap());
        let mut know = |thing, name, text| situation.know(thing, name, text).unwrap_err();
        assert!(know("viewer", "county", "DE").contains("country"));
        assert!(know("viewer", "age", "old").contains("a number"));
        assert!(know("time", "hour", "3").contains("the moment"));
    }
}
