//! Reading a scenario file, refusing nonsense in words.

use std::path::{Path, PathBuf};

use runnel_coordinator_core::PolicySet;
use runnel_coordinator_core::policy;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::Scenario;

/// Why a scenario cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is no TOML, or has a field of the wrong name or kind; says where.
    #[error(transparent)]
    Syntax(#[from] toml::de::Error),
    /// It is well-formed and makes no sense.
    #[error("{0}")]
    Nonsense(&'static str),
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// In words for an operator; a syntax error names line and column.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path).map_err(|error| ScenarioError::Unreadable {
            path: path.to_owned(),
            error,
        })?;
        Self::parse(&text)
    }

    /// Takes the text of a file.
    ///
    /// # Errors
    /// See [`Self::read`].
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text)?;
        match scenario.complaint() {
            Some(complaint) => Err(ScenarioError::Nonsense(complaint)),
            None => Ok(scenario),
        }
    }

    fn complaint(&self) -> Option<&'static str> {
        let rules = [
            (self.region.is_empty(), "at least one [[region]] is needed"),
            (
                self.content.is_empty(),
                "at least one [[content]] is needed",
            ),
            (self.region.len() > 64, "at most 64 regions"),
            (self.duration_s == 0, "duration_s must be positive"),
            (
                self.warmup_s >= self.duration_s,
                "warmup_s must be shorter than duration_s",
            ),
            (
                self.content
                    .iter()
                    .any(|content| content.rates_kbps.is_empty()),
                "each [[content]] needs at least one of rates_kbps",
            ),
            (
                self.content
                    .iter()
                    .any(|content| content.segment_s == 0 || content.rates_kbps.contains(&0)),
                "segment_s and rates_kbps must be positive",
            ),
            (
                self.fault
                    .iter()
                    .any(|fault| fault.at_s.is_nan() || fault.at_s < 0.0),
                "at_s of a [[fault]] must not be negative",
            ),
            (
                self.fault
                    .iter()
                    .any(|fault| fault.for_s.is_some_and(|time| time.is_nan() || time < 0.0)),
                "for_s of a [[fault]] must not be negative",
            ),
        ];
        rules
            .into_iter()
            .find_map(|(broken, words)| broken.then_some(words))
    }
}

/// Policies, each as the text of its document.
pub(super) fn policies<'de, D: Deserializer<'de>>(source: D) -> Result<PolicySet, D::Error> {
    let mut policies = Vec::new();
    for text in Vec::<String>::deserialize(source)? {
        let policy = policy::read(&text);
        policies.push(policy.map_err(|complaints| {
            let words: Vec<_> = complaints.iter().map(ToString::to_string).collect();
            D::Error::custom(format!("in this policy, {}", words.join("; ")))
        })?);
    }
    PolicySet::new(policies).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
        name = "small"
        about = "nothing happens"
        duration_s = 60
        [audience]
        viewers = 20
        [[region]]
        name = "here"
        [[content]]
        name = "live"
        rates_kbps = [1000]
    "#;

    #[test]
    fn a_short_file_is_enough() {
        let scenario = Scenario::parse(SMALL).unwrap();
        assert_eq!(scenario.audience.viewers, 20);
        assert_eq!(scenario.content[0].segment_s, 2);
    }

    #[test]
    fn with_fewer_viewers_an_evening_keeps_its_shape() {
        let more = "\n[origin]\ncap_mbps = 50\n[waypoints]\nuplink_mbps = 7";
        let scenario = Scenario::parse(&format!("{SMALL}{more}")).unwrap();
        let half = scenario.with_viewers(10);
        assert_eq!(half.audience.viewers, 10);
        assert_eq!(half.origin.cap_mbps, Some(25));
        assert_eq!(
            half.waypoints.uplink_mbps, 4,
            "rounded up: never none at all"
        );
        assert_eq!(half.coordinator.admissions_per_second, None);
    }

    #[test]
    fn a_misspelt_field_is_refused_with_its_place() {
        let wrong = SMALL.replace("viewers", "veiwers");
        let words = Scenario::parse(&wrong).unwrap_err().to_string();
        assert!(words.contains("line 6, column 9"), "{words}");
        assert!(words.contains("veiwers"), "{words}");
    }

    #[test]
    fn a_policy_that_cannot_be_read_is_refused_with_its_place() {
        let policy = "name = \"p\"\nkind = \"client\"\n[[deny]]\nwhat = \"pair\"\nwhen = 'tru'\nsay = \"no\"";
        let more = format!("policies = [\"\"\"\n{policy}\n\"\"\"]\n{SMALL}");
        let words = Scenario::parse(&more).unwrap_err().to_string();
        assert!(
            words.contains("in this policy, line 5, column 9"),
            "{words}"
        );
        let right = Scenario::parse(&more.replace("'tru'", "'true'"));
        assert_eq!(right.unwrap().policies.iter().count(), 1);
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        let wrong = SMALL.replace("[1000]", "[]");
        let words = Scenario::parse(&wrong).unwrap_err().to_string();
        assert_eq!(words, "each [[content]] needs at least one of rates_kbps");
    }
}
