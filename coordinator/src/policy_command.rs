//! `runnel-coordinator policy`: looking at policies before they are in force.

use std::path::PathBuf;

use clap::Subcommand;
use runnel_coordinator_core::policy::{Policy, PolicySet};

use crate::policies::{PolicyError, check, files, read};

/// What to do with policies; it touches neither the server nor its store.
#[derive(Subcommand)]
pub enum PolicyCommand {
    /// Read policies and say what is wrong with them, with line and column
    Check {
        /// Files, or folders of files that end in .toml
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Run the cases that stand beside the rules, too
    Test {
        /// Files, or folders of files that end in .toml
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

impl PolicyCommand {
    /// What is to be printed: a line for each policy that is well, and one for each mistake.
    pub fn run(&self) -> (Vec<String>, Vec<String>) {
        let (paths, with_cases) = match self {
            Self::Check { files } => (files, false),
            Self::Test { files } => (files, true),
        };
        let (mut well, mut wrong, mut policies) = (Vec::new(), Vec::new(), Vec::new());
        for path in paths {
            match files(path) {
                Ok(documents) => {
                    for (document, text) in documents {
                        match look_at(&document, &text, with_cases) {
                            Ok((words, policy)) => {
                                well.push(words);
                                policies.push(policy);
                            }
                            Err(error) => wrong.push(error.to_string()),
                        }
                    }
                }
                Err(error) => wrong.push(error.to_string()),
            }
        }
        if let Err(error) = PolicySet::new(policies) {
            wrong.push(error.to_string());
        }
        (well, wrong)
    }
}

fn look_at(document: &str, text: &str, with_cases: bool) -> Result<(String, Policy), PolicyError> {
    if !with_cases {
        let policy = read(document, text)?;
        let words = format!("{document}: policy {:?} can be loaded", policy.name());
        return Ok((words, policy));
    }
    let policy = check(document, text)?;
    let words = match policy.case_count() {
        0 => format!("{document}: there are no cases: add a [[test]] beside the rules"),
        1 => format!("{document}: its case passes"),
        count => format!("{document}: all {count} cases pass"),
    };
    Ok((words, policy))
}
