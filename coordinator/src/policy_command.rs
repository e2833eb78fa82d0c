//! `runnel-coordinator policy`: looking at policies before they are in force.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use runnel_coordinator_core::policy::{Policy, PolicySet, Situation, moment};
use runnel_protocol::time::Timestamp;

use crate::clock;
use crate::policies::{PolicyError, check, files, read};
use crate::policy_client::{AskError, Client};
use crate::policy_words::lines;

/// What to do with policies; it changes neither a server nor its store.
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
    /// Say which rules hold and on what evidence: of what you describe, or of peers of a running
    /// coordinator
    Explain(Box<Explain>),
    /// Ask a running coordinator what would change if this policy were in force: nothing does
    Try {
        /// The policy's file
        file: PathBuf,
        /// Which coordinator
        #[command(flatten)]
        running: Running,
    },
}

/// A running coordinator.
#[derive(Debug, Args)]
pub struct Running {
    /// Where its API is
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8470")]
    coordinator: String,
    /// Its operator's token, where it is set up with one
    #[arg(
        long,
        value_name = "TOKEN",
        env = "RUNNEL_COORDINATOR_ADMIN_TOKEN",
        hide_env_values = true
    )]
    admin_token: Option<String>,
}

/// What to explain.
#[derive(Debug, Args)]
pub struct Explain {
    /// Files, or folders of files that end in .toml
    #[arg(required_unless_present = "of", conflicts_with = "of")]
    files: Vec<PathBuf>,
    /// What is known of the viewer, like country=DE or groups=office,choir; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    viewer: Vec<String>,
    /// What is known of the peer that feeds it; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    peer: Vec<String>,
    /// What is known of the content; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    content: Vec<String>,
    /// When, like 2026-07-01T18:30:00Z [default: now]
    #[arg(long, value_name = "MOMENT")]
    at: Option<String>,
    /// The id of a connected viewer, or its id and that of a peer, with a comma between them
    #[arg(long, value_name = "ID[,ID]")]
    of: Option<String>,
    #[command(flatten)]
    running: Running,
}

impl Explain {
    fn run(&self) -> Result<Vec<String>, String> {
        let told = |error: AskError| error.to_string();
        if let Some(of) = &self.of {
            return self
                .running
                .client()
                .and_then(|one| one.explain(of))
                .map_err(told);
        }
        let situation = self.situation()?;
        let mut policies = Vec::new();
        for path in &self.files {
            for (document, text) in files(path).map_err(|error| error.to_string())? {
                policies.push(read(&document, &text).map_err(|error| error.to_string())?);
            }
        }
        let set = PolicySet::new(policies).map_err(|error| error.to_string())?;
        Ok(lines(&set.explain(&situation), &BTreeMap::new()))
    }

    fn situation(&self) -> Result<Situation, String> {
        let at = match &self.at {
            Some(text) => moment(text).ok_or_else(|| {
                format!("{text:?} is no moment: write one like 2026-07-01T18:30:00Z")
            })?,
            None => Timestamp::from_micros(clock::unix_seconds().saturating_mul(1_000_000)),
        };
        let mut situation = Situation::unknown(at);
        for (thing, said) in [
            ("viewer", &self.viewer),
            ("peer", &self.peer),
            ("content", &self.content),
        ] {
            for one in said {
                let (name, value) = one
                    .split_once('=')
                    .ok_or_else(|| format!("{one:?}: write what is known as NAME=VALUE"))?;
                situation.know(thing, name, value)?;
            }
        }
        Ok(situation)
    }
}

impl Running {
    fn client(&self) -> Result<Client, AskError> {
        Client::new(&self.coordinator, self.admin_token.as_deref())
    }
}

impl PolicyCommand {
    /// What is to be printed: a line for each policy that is well, and one for each mistake.
    pub fn run(&self) -> (Vec<String>, Vec<String>) {
        let (paths, with_cases) = match self {
            Self::Check { files } => (files, false),
            Self::Test { files } => (files, true),
            Self::Explain(explain) => return told(explain.run()),
            Self::Try { file, running } => {
                let tried = running.client().and_then(|client| client.try_policy(file));
                return told(tried.map_err(|error| error.to_string()));
            }
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

fn told(outcome: Result<Vec<String>, String>) -> (Vec<String>, Vec<String>) {
    match outcome {
        Ok(lines) => (lines, Vec::new()),
        Err(words) => (Vec::new(), vec![words]),
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
