//! Policies that are tried against the live view, and explained.

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use super::ControlCenter;
use crate::delivery::Budget;
use crate::described;
use crate::io::Output;
use crate::policy::{Described, PolicySet, Situation};
use crate::summary::{Event, PolicyExplanation};
use crate::trial::{MAX_TRIALS, Trial, TrialId};

impl ControlCenter {
    /// Trials begin one after the other; `None` is reported at once where too many wait.
    pub(super) fn on_trial(&mut self, id: TrialId, set: PolicySet, now: Timestamp) {
        if self.trials.len() >= MAX_TRIALS {
            let report = None;
            self.world.outputs.push_back(Output::Tried { id, report });
            return;
        }
        let trial = Trial::new(id, set, (&self.world, &self.directory), now);
        self.trials.push_back(trial);
        self.clock.look_soon(now);
    }

    /// Goes on with trials; `false` when the budget did not suffice.
    pub(super) fn go_on_with_trials(&mut self, budget: &mut Budget, now: Timestamp) -> bool {
        while let Some(trial) = self.trials.front_mut() {
            let report = trial.go_on(&self.world, &self.directory, budget, now);
            let Some((id, report)) = report else {
                return false;
            };
            self.trials.pop_front();
            let report = Some(Box::new(report));
            self.world.outputs.push_back(Output::Tried { id, report });
        }
        true
    }

    /// What the policies say of a viewer, fed by `parent` if one is named: one explanation for each
    /// content that it takes part in, and what gave way to the two. `None` where one of them is not
    /// connected.
    pub fn explain_policies(
        &self,
        viewer: PeerId,
        parent: Option<PeerId>,
        now: Timestamp,
    ) -> Option<Vec<PolicyExplanation>> {
        let world = &self.world;
        let known = world.known(viewer)?;
        let mut situation = Situation::unknown(now);
        situation.viewer = known.facts();
        if let Some(parent) = parent {
            let parent = world.known(parent)?;
            situation.link = known.link(&parent);
            situation.peer = parent.facts();
        }
        let contents = known.record.contents.iter();
        let explained = contents.filter_map(|id| {
            let content = self.directory.content(id)?;
            situation.content = described::content(content);
            let about = |event: &&crate::explain::Record| {
                let same = event.content == Some(id) && event.is_relaxation();
                same && (parent.is_none() || event.other == parent)
            };
            Some(PolicyExplanation {
                content: content.name.clone(),
                explanation: world.judge.policies().explain(&situation),
                relaxed: world
                    .log
                    .of(viewer)
                    .filter(about)
                    .map(Event::from)
                    .collect(),
            })
        });
        Some(explained.collect())
    }
}
