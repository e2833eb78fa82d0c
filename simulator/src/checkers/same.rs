//! I14: the same seed is the same run.

use super::Verdict;

/// Compares the digests of two runs of one seed.
pub(crate) fn compare(first: u64, second: u64) -> Verdict {
    let mut verdict = Verdict::new("I14 same seed, same digest");
    verdict.expect(first == second, || {
        format!("{first:016x} and {second:016x}")
    });
    verdict
}
