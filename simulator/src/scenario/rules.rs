//! Policies of an evening, and when they are in force.

use core::time::Duration;

use runnel_coordinator_core::policy;
use serde::Deserialize;

/// One policy document, as operators write it (docs/POLICIES.md).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyInForce {
    /// The file that holds it, from the scenario's folder on.
    pub file: Option<String>,
    /// Or the document itself.
    #[serde(default)]
    pub text: String,
    /// From when on, in seconds.
    #[serde(default)]
    pub from_s: u64,
    /// Until when, in seconds; to the end where it is not said.
    pub until_s: Option<u64>,
}

impl PolicyInForce {
    /// What is wrong with the document, with line and column.
    pub(crate) fn complaint(&self) -> Option<String> {
        let complaints = policy::read(&self.text).err()?;
        let name = self.file.as_deref().unwrap_or("a [[policy]]");
        let words = complaints.iter().map(|one| format!("{name}: {one}"));
        Some(words.collect::<Vec<_>>().join("\n"))
    }

    fn is_in_force(&self, passed: Duration) -> bool {
        let passed = passed.as_secs();
        self.from_s <= passed && self.until_s.is_none_or(|until| passed < until)
    }
}

/// The policies that are in force after so much time.
pub(crate) fn in_force(all: &[PolicyInForce], passed: Duration) -> policy::PolicySet {
    set(all, passed).unwrap_or_default()
}

fn set(all: &[PolicyInForce], passed: Duration) -> Result<policy::PolicySet, policy::SetError> {
    let texts = all.iter().filter(|one| one.is_in_force(passed));
    let policies = texts.filter_map(|one| policy::read(&one.text).ok());
    policy::PolicySet::new(policies.collect())
}

/// Why policies cannot be in force together that are at one time.
pub(super) fn clash(all: &[PolicyInForce]) -> Option<String> {
    let moments = changes(all).into_iter();
    let error = moments
        .map(|moment| set(all, moment))
        .find_map(Result::err)?;
    Some(error.to_string())
}

/// When other policies are in force than before.
pub(crate) fn changes(all: &[PolicyInForce]) -> Vec<Duration> {
    let times = all.iter().flat_map(|one| [Some(one.from_s), one.until_s]);
    times.flatten().map(Duration::from_secs).collect()
}
