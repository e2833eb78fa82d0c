//! The cases that stand beside a policy's rules, and whether it passes them.

use core::time::Duration;
use std::collections::BTreeSet;

use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use super::document::Complaint;
use super::set::{Policy, PolicySet, SetError};
use super::treatment::Treatment;
use super::value::Facts;

/// A pair, and what the policy has to say about it.
#[derive(Debug, Clone)]
pub struct Case {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) viewer: Facts,
    pub(super) peer: Facts,
    pub(super) link: Facts,
    pub(super) content: Facts,
    pub(super) at: Timestamp,
    /// The words of the denial; `None` where the pair is allowed.
    pub(super) denied: Option<String>,
    /// Whether they are said for want of evidence.
    pub(super) unsure: bool,
    pub(super) score: i64,
    /// How long the viewer's first picture waits for peers.
    pub(super) wait: Duration,
    /// How much later it sees a live picture, and the highest rate that it may choose.
    pub(super) behind: Duration,
    pub(super) max_rate: Option<BitsPerSecond>,
    /// What is added to its priority.
    pub(super) priority: i64,
    /// The links that the pair's transfers run over, by their names.
    pub(super) links: BTreeSet<String>,
}

impl Policy {
    /// How many cases stand beside its rules.
    pub fn case_count(&self) -> usize {
        self.cases.len()
    }

    /// The cases that it does not pass; none where all is well.
    ///
    /// # Errors
    /// Never for a policy that could be read.
    pub fn failures(&self) -> Result<Vec<Complaint>, SetError> {
        let set = PolicySet::new(vec![self.clone()])?;
        Ok(self
            .cases
            .iter()
            .filter_map(|case| case.failure(&set))
            .collect())
    }
}

impl Case {
    fn failure(&self, set: &PolicySet) -> Option<Complaint> {
        let times = set.times(self.at);
        let verdict = set.verdict(
            (&self.viewer, &self.peer, &self.link),
            &self.content,
            &times,
        );
        let ruling = verdict.denial(None);
        let said = ruling.map(|ruling| (ruling.say.clone(), ruling.unsure));
        let wanted = self.denied.clone().map(|say| (say, self.unsure));
        let treatment = set.treatment(&self.viewer, &self.content, &times);
        let links: BTreeSet<String> = set
            .links()
            .filter(|(place, _)| verdict.links.contains(*place))
            .map(|(_, link)| link.own_name().to_owned())
            .collect();
        let words = if said != wanted {
            format!(
                "case {:?}: expected {}, but it is {}",
                self.name,
                outcome(wanted.as_ref()),
                outcome(said.as_ref())
            )
        } else if verdict.score != self.score {
            format!(
                "case {:?}: expected a score of {}, but it is {}",
                self.name, self.score, verdict.score
            )
        } else if let Some(words) = self.treated_otherwise(&treatment) {
            format!("case {:?}: {words}", self.name)
        } else if links != self.links {
            format!(
                "case {:?}: expected to run over {:?}, but it runs over {links:?}",
                self.name, self.links
            )
        } else {
            return None;
        };
        Some(Complaint {
            line: self.line,
            column: self.column,
            words,
        })
    }

    /// What of a viewer's treatment is not as expected.
    fn treated_otherwise(&self, treatment: &Treatment) -> Option<String> {
        let wait = treatment.start_wait;
        if wait != self.wait {
            return Some(format!(
                "expected a first picture to wait {} ms, but it waits {} ms",
                self.wait.as_millis(),
                wait.as_millis()
            ));
        }
        let behind = treatment.delay();
        if behind != self.behind {
            return Some(format!(
                "expected to see it {} s later, but it is {} s",
                self.behind.as_secs(),
                behind.as_secs()
            ));
        }
        let kilobits = |rate: Option<BitsPerSecond>| match rate {
            Some(rate) => format!("at most {} kbit/s", rate.0 / 1000),
            None => "any rendition".to_owned(),
        };
        let max_rate = treatment.max_rate.as_ref().map(|(rate, _)| *rate);
        if max_rate != self.max_rate {
            let (wanted, found) = (kilobits(self.max_rate), kilobits(max_rate));
            return Some(format!("expected {wanted}, but it is {found}"));
        }
        let usual = i64::from(Treatment::default().priority);
        let priority = i64::from(treatment.priority) - usual;
        (priority != self.priority).then(|| {
            format!(
                "expected a priority of {}, but it is {priority}",
                self.priority
            )
        })
    }
}

fn outcome(said: Option<&(String, bool)>) -> String {
    match said {
        None => "allowed".to_owned(),
        Some((say, false)) => format!("denied with {say:?}"),
        Some((say, true)) => format!("denied with {say:?} for want of evidence"),
    }
}
