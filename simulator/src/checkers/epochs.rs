//! An older assignment never replaces a newer one (half of I10: the other half needs several
//! coordinators).

use super::Verdict;
use crate::node::At;

#[derive(Debug)]
pub(crate) struct Epochs {
    pub(crate) verdict: Verdict,
}

impl Default for Epochs {
    fn default() -> Self {
        let verdict = Verdict::new("I10 epochs rise");
        Self { verdict }
    }
}

impl Epochs {
    pub(crate) fn assigned(&mut self, at: At, (before, after): (Option<u64>, u64)) {
        let rises = before.is_none_or(|before| before < after);
        self.verdict.expect(rises, || {
            format!("peer {} went from epoch {before:?} to {after}", at.0)
        });
    }
}
