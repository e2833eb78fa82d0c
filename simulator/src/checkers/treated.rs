//! Y2 i: whoever is to see a live picture later sees nothing earlier, and nobody's player chooses
//! what it is not to have, once that had the time to reach it.

use runnel_protocol::time::Timestamp;

use super::Verdict;
use super::lawful::Lawful;
use crate::atlas::Known;
use crate::player::Shown;
use crate::title::Title;

#[derive(Debug)]
pub(crate) struct Treated {
    pub(crate) verdict: Verdict,
}

impl Default for Treated {
    fn default() -> Self {
        Self {
            verdict: Verdict::new("Y2 i nobody sees more, or earlier, than is due"),
        }
    }
}

impl Treated {
    /// A segment is there: when a viewer who came at `joined` sees it.
    pub(crate) fn shown(
        &mut self,
        lawful: &mut Lawful,
        viewer: &Known<'_>,
        (title, shown): (&Title, &Shown),
        (joined, now): (Timestamp, Timestamp),
    ) {
        let Some(treatment) = lawful.treatment(viewer, title.id, (joined, now)) else {
            return;
        };
        if title.live && treatment.behind.is_some() {
            let behind = shown.at.since(title.aired(shown.sequence));
            self.verdict.expect(behind >= treatment.delay(), || {
                let peer = viewer.peer;
                let passed = now.since(crate::title::START);
                let due = treatment.delay();
                format!("{peer} is {behind:?} behind after {passed:?}, and not {due:?}")
            });
        }
        if let Some((most, _)) = treatment.max_rate {
            let best = title.best_within(Some(most));
            self.verdict.expect(shown.chosen >= best, || {
                let peer = viewer.peer;
                format!("{peer} chooses rendition {} and not {best}", shown.chosen)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use runnel_coordinator_core::PolicySet;
    use runnel_coordinator_core::policy::read;
    use runnel_protocol::ids::PeerId;

    use super::*;
    use crate::population::{Population, Role};
    use crate::scenario::Scenario;
    use crate::title::START;

    #[test]
    fn a_picture_too_early_and_a_rendition_too_good_are_seen_once_the_policy_is_known() {
        let text = include_str!("../../scenarios/paying-live.toml");
        let scenario = Scenario::parse(text).unwrap();
        let population = Population::of(&scenario, 1);
        let mut viewers = population.guests.iter();
        let free = |one: &&crate::population::Guest| {
            one.role == Role::Viewer && one.plan.as_deref() == Some("free")
        };
        let viewer = Known {
            peer: PeerId([1; 16]),
            guest: viewers.find(free).unwrap(),
            scenario: &scenario,
        };
        let title = &population.titles[0];
        let set = PolicySet::new(vec![read(&scenario.policy[0].text).unwrap()]).unwrap();
        let mut lawful = Lawful::default();
        lawful.change(set, &population.titles, START);
        let now = START + Duration::from_secs(60);
        let mut violations = |behind: u64, chosen, joined: u64| {
            let sequence = title.newest(now) - 20;
            let at = title.aired(sequence) + Duration::from_secs(behind);
            let shown = Shown {
                sequence,
                at,
                chosen,
            };
            let mut treated = Treated::default();
            let joined = START + Duration::from_secs(joined);
            treated.shown(&mut lawful, &viewer, (title, &shown), (joined, now));
            treated.verdict.violations
        };
        assert_eq!(violations(20, 1, 10), 0);
        assert_eq!(violations(19, 1, 10), 1, "too early");
        assert_eq!(violations(20, 0, 10), 1, "too good");
        assert_eq!(violations(0, 0, 58), 0, "word of it is on its way");
    }
}
