//! Reading a scenario file, refusing nonsense in words.

use std::path::{Path, PathBuf};

use super::{Attacker, Scenario, rules};

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
    /// A policy is none; says where.
    #[error("{0}")]
    Policy(String),
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// In words for an operator; a syntax error names line and column.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::take(&text_of(path)?, |file| text_of(&folder.join(file)))
    }

    /// Takes the text of a file.
    ///
    /// # Errors
    /// See [`Self::read`].
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        Self::take(text, |file| text_of(Path::new(file)))
    }

    fn take(
        text: &str,
        text_of: impl Fn(&str) -> Result<String, ScenarioError>,
    ) -> Result<Self, ScenarioError> {
        let mut scenario: Self = toml::from_str(text)?;
        for policy in &mut scenario.policy {
            if let Some(file) = &policy.file {
                policy.text = text_of(file)?;
            }
            if let Some(complaint) = policy.complaint() {
                return Err(ScenarioError::Policy(complaint));
            }
        }
        if let Some(complaint) = rules::clash(&scenario.policy) {
            return Err(ScenarioError::Policy(complaint));
        }
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
            (
                !self.attacker.iter().all(Attacker::is_hostile),
                "the kind of an [[attacker]] is lie, drip or freeride",
            ),
            (
                self.group
                    .iter()
                    .any(|group| group.terms().check().is_err()),
                "a [[group]] has a name of 1 to 64 of a to z, 0 to 9 and -",
            ),
            (
                self.has_tokens() && self.has_several_providers(),
                "a join token is one provider's: no plans, ages and accounts with contents of several",
            ),
            (
                self.site.iter().any(|site| {
                    self.region
                        .iter()
                        .all(|region| region.site.as_ref() != Some(&site.name))
                }),
                "each [[site]] needs a [[region]] that is of it",
            ),
        ];
        rules
            .into_iter()
            .find_map(|(broken, words)| broken.then_some(words))
    }
}

impl Scenario {
    fn has_several_providers(&self) -> bool {
        let mut providers = self.content.iter().map(|content| &content.provider);
        let first = providers.next();
        providers.any(|other| Some(other) != first)
    }
}

fn text_of(path: &Path) -> Result<String, ScenarioError> {
    std::fs::read_to_string(path).map_err(|error| ScenarioError::Unreadable {
        path: path.to_owned(),
        error,
    })
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
    fn a_policy_stands_in_the_file_or_beside_it_and_makes_sense() {
        let with = |policy: &str| Scenario::parse(&format!("{SMALL}\n[[policy]]\n{policy}"));
        let text = "text = '''\nname = \"p\"\nkind = \"client\"\n[[prefer]]\nscore = \"1\"\n'''";
        assert_eq!(with(text).unwrap().policy.len(), 1);
        let words = with(&text.replace("\"1\"", "\"true\"")).unwrap_err();
        assert!(words.to_string().contains("line 4, column"), "{words}");
        let twice = |second: &str| with(&format!("{text}\n[[policy]]\n{second}{text}"));
        let words = twice("").unwrap_err().to_string();
        assert!(words.contains("two policies called \"p\""), "{words}");
        let words = twice("from_s = 9\n").unwrap_err().to_string();
        assert!(words.contains("two policies called \"p\""), "{words}");
        let words = with("file = \"nowhere.toml\"").unwrap_err().to_string();
        assert!(words.contains("nowhere.toml"), "{words}");
    }

    #[test]
    fn a_misspelt_field_is_refused_with_its_place() {
        let wrong = SMALL.replace("viewers", "veiwers");
        let words = Scenario::parse(&wrong).unwrap_err().to_string();
        assert!(words.contains("line 6, column 9"), "{words}");
        assert!(words.contains("veiwers"), "{words}");
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        let wrong = SMALL.replace("[1000]", "[]");
        let words = Scenario::parse(&wrong).unwrap_err().to_string();
        assert_eq!(words, "each [[content]] needs at least one of rates_kbps");
        let two =
            "\naccount = \"ann\"\n[[content]]\nname = \"a\"\nprovider = \"b\"\nrates_kbps = [1]";
        let wrong = SMALL.replace("name = \"here\"", &format!("name = \"here\"{two}"));
        let words = Scenario::parse(&wrong).unwrap_err().to_string();
        assert!(
            words.starts_with("a join token is one provider's"),
            "{words}"
        );
        let wrong = format!("{SMALL}\n[[attacker]]\ncount = 1\nkind = \"crash\"");
        let words = Scenario::parse(&wrong).unwrap_err().to_string();
        assert_eq!(
            words,
            "the kind of an [[attacker]] is lie, drip or freeride"
        );
        let wrong = format!("{SMALL}\n[[group]]\nname = \"The Choir\"\nshare = 0.5");
        let words = Scenario::parse(&wrong).unwrap_err().to_string();
        assert!(words.starts_with("a [[group]] has a name"), "{words}");
    }
}
