//! I3: with peers nothing stands still for longer than without them.

use super::Verdict;
use crate::run::Outcome;

use core::time::Duration;

/// A frame or two, which nobody sees: a player that runs dry for less has not stood still.
const UNSEEN: Duration = Duration::from_millis(50);

/// Compares a run with its twin, whose peers are off.
pub(crate) fn compare(run: &Outcome, twin: &Outcome) -> Verdict {
    let mut verdict = Verdict::new("I3 no more stall time than without peers");
    let (with, without) = (run.stalled, twin.stalled);
    verdict.expect(with <= without + UNSEEN, || {
        format!("{with:?} of stalls with peers, {without:?} without")
    });
    verdict
}
