//! Many seeds of one scenario: a line each, and what the checkers found in all of them.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use crate::checkers::Verdict;
use crate::run::Outcome;

/// A run in a line.
pub fn line(outcome: &Outcome) -> String {
    format!(
        "seed {:>6}  digest {:016x}  offload {:>5.1} % of {:>5.1} %  stalls {} ({} without peers)  violations {}",
        outcome.seed,
        outcome.digest,
        outcome.offload() * 100.0,
        outcome.bounds.offload * 100.0,
        outcome.stalls,
        outcome
            .twin_stalls
            .map_or_else(|| "?".into(), |stalls| stalls.to_string()),
        outcome.violations(),
    )
}

/// What was evaluated, and what went wrong, in all runs together.
#[derive(Debug, Default)]
pub struct Totals {
    runs: u64,
    nodes: usize,
    fewest_kinds: Option<usize>,
    verdicts: Vec<Verdict>,
    counts: BTreeMap<&'static str, u64>,
}

impl Totals {
    /// Adds a run.
    pub fn add(&mut self, outcome: &Outcome) {
        let (waypoints, agents, viewers) = outcome.guests;
        self.runs += 1;
        self.nodes += waypoints + agents + viewers;
        let kinds = outcome.kinds_of_fault();
        self.fewest_kinds = Some(self.fewest_kinds.map_or(kinds, |fewest| fewest.min(kinds)));
        for (name, count) in &outcome.counts {
            *self.counts.entry(name).or_default() += count;
        }
        for verdict in &outcome.verdicts {
            match self
                .verdicts
                .iter_mut()
                .find(|known| known.name == verdict.name)
            {
                Some(known) => known.merge(verdict),
                None => self.verdicts.push(verdict.clone()),
            }
        }
    }

    /// Violations in all.
    pub fn violations(&self) -> u64 {
        self.verdicts.iter().map(|verdict| verdict.violations).sum()
    }

    /// In lines, for a terminal.
    pub fn table(&self) -> String {
        let mut text = String::new();
        let kinds = self.fewest_kinds.unwrap_or_default();
        let nodes = self.nodes as u64 / self.runs.max(1);
        let runs = self.runs;
        let _ = writeln!(
            text,
            "{runs} runs of {nodes} nodes on average; at least {kinds} kinds of fault took effect in each"
        );
        for (name, count) in &self.counts {
            let _ = writeln!(text, "{count:>14} × {name}");
        }
        for verdict in &self.verdicts {
            let (name, evaluations, violations) =
                (verdict.name, verdict.evaluations, verdict.violations);
            let _ = writeln!(
                text,
                "{name:>42}: {evaluations} evaluations, {violations} violations"
            );
        }
        text
    }
}
