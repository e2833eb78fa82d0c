//! The cases that stand beside a policy's rules, and whether it passes them.

use core::time::Duration;
use std::collections::BTreeSet;

use runnel_protocol::time::Timestamp;

use super::document::Complaint;
use super::set::{Policy, PolicySet, SetError};
use super::value::Facts;

/// A pair, and what the policy has to say about it.
#[derive(Debug, Clone)]
pub struct Case {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) viewer: Facts,
    pub(super) peer: Facts,
    pub(super) content: Facts,
    pub(super) at: Timestamp,
    /// The words of the denial; `None` where the pair is allowed.
    pub(super) denied: Option<String>,
    /// Whether they are said for want of evidence.
    pub(super) unsure: bool,
    pub(super) score: i64,
    /// How long the viewer's first picture waits for peers.
    pub(super) wait: Duration,
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
        let verdict = set.verdict(&self.viewer, &self.peer, &self.content, &times);
        let ruling = verdict.denial(None);
        let said = ruling.map(|ruling| (ruling.say.clone(), ruling.unsure));
        let wanted = self.denied.clone().map(|say| (say, self.unsure));
        let wait = set.start_wait(&self.viewer, &self.content, &times);
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
        } else if wait != self.wait {
            format!(
                "case {:?}: expected a first picture to wait {} ms, but it waits {} ms",
                self.name,
                self.wait.as_millis(),
                wait.as_millis()
            )
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
}

fn outcome(said: Option<&(String, bool)>) -> String {
    match said {
        None => "allowed".to_owned(),
        Some((say, false)) => format!("denied with {say:?}"),
        Some((say, true)) => format!("denied with {say:?} for want of evidence"),
    }
}
