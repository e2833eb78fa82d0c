//! What groups say of a pair, as one more client policy.

use std::sync::Arc;

use runnel_protocol::group::Strangers;

use crate::policy::{Ruling, Strictness, Verdict};

/// The last rank: where soft policies give way, groups' rules do so first.
const RANK: u16 = 1000;
/// What stands in for a policy's name. No policy can have one with a space in it.
const NAME: &str = "affinity group";

/// What the groups say of two peers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bond {
    /// The two belong to a group together.
    pub(crate) friends: bool,
    /// The strictest rule of those groups that one of them belongs to and the other does not.
    pub(crate) strangers: Strangers,
}

/// The rules of groups in words. They name no group: whom one is kept from is not to learn what the other belongs
/// to.
#[derive(Debug)]
pub(crate) struct Rulings {
    never: Arc<Ruling>,
    last: Arc<Ruling>,
}

impl Default for Rulings {
    fn default() -> Self {
        let ruling = |say: &str, strictness| {
            Arc::new(Ruling {
                policy: NAME.into(),
                say: say.to_owned(),
                rank: RANK,
                strictness,
                unsure: false,
            })
        };
        Self {
            never: ruling(
                "a group of yours, or of theirs, exchanges nothing with strangers",
                Strictness::Hard,
            ),
            last: ruling(
                "a group of yours, or of theirs, turns to strangers last",
                Strictness::Soft,
            ),
        }
    }
}

impl Bond {
    /// Whether there is anything to say of strangers.
    pub(crate) fn restricts(self) -> bool {
        self.strangers != Strangers::Yes
    }

    /// Adds the rule to what the policies say, which goes before it.
    pub(crate) fn add_to(self, verdict: &mut Verdict, rulings: &Rulings) {
        let (slot, ruling) = match self.strangers {
            Strangers::Yes => return,
            Strangers::Last => (&mut verdict.soft, &rulings.last),
            Strangers::No => (&mut verdict.hard, &rulings.never),
        };
        slot.get_or_insert_with(|| Arc::clone(ruling));
    }
}
