//! Runs what is to notice a bug, and reads off what did.

use std::collections::BTreeSet;
use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::copy::Copy;
use crate::run::command;

/// Seconds when nothing is wrong.
const TESTS: [&str; 5] = ["cargo", "test", "--no-fail-fast", "--lib", "--tests"];
const BUILD: [&str; 3] = ["cargo", "build", "-p=runnel-simulator"];
/// Short evenings with every checker at work.
const EVENINGS: [&str; 12] = [
    "simulator/scenarios/trouble.toml",
    "simulator/scenarios/small.toml",
    "simulator/scenarios/uplinks-shrink.toml",
    "simulator/scenarios/licence.toml",
    "simulator/scenarios/licence-restart.toml",
    "simulator/scenarios/plant-line.toml",
    "simulator/scenarios/season-pass.toml",
    "simulator/scenarios/sites.toml",
    "simulator/scenarios/congested-way.toml",
    "simulator/scenarios/month-ends.toml",
    "simulator/scenarios/better-sources.toml",
    "--twice",
];
/// A bug may well go on for ever.
const PATIENCE: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(200);

/// Who noticed.
#[derive(Debug, Default)]
pub(super) struct Caught {
    tests: BTreeSet<String>,
    checkers: BTreeSet<String>,
}

impl Caught {
    pub(super) fn is_empty(&self) -> bool {
        self.tests.is_empty() && self.checkers.is_empty()
    }

    pub(super) fn tests(&self) -> String {
        shown(&self.tests)
    }

    pub(super) fn checkers(&self) -> String {
        shown(&self.checkers)
    }
}

/// The first by name, and how many more.
fn shown(names: &BTreeSet<String>) -> String {
    let first = names.first().map_or("–", String::as_str);
    match names.len() {
        0 | 1 => first.to_owned(),
        more => format!("{first} and {} more", more - 1),
    }
}

/// Lets the tests of these crates, and evenings, look at the copy as it stands.
pub(super) fn everything(crates: &[String]) -> Result<Caught> {
    let built = patiently(&BUILD)?;
    ensure!(built.fine, "it cannot be built: {}", built.text);
    let mut caught = Caught::default();
    let crates = crates.iter().map(|name| format!("-p=runnel-{name}"));
    let crates: Vec<String> = crates.collect();
    let tests = TESTS.into_iter().chain(crates.iter().map(String::as_str));
    let tests: Vec<&str> = tests.collect();
    caught.tests.extend(failed_tests(&patiently(&tests)?));
    let program = Copy::built().join("debug/runnel-simulate");
    let program = program.to_str().context("a path that is not UTF-8")?;
    let said = patiently(&[&[program], &EVENINGS[..]].concat())?;
    caught.checkers.extend(violated(&said));
    Ok(caught)
}

/// What a program printed, and how it ended.
struct Said {
    text: String,
    fine: bool,
    /// It was ended, since it did not end by itself.
    endless: bool,
}

fn patiently(line: &[&str]) -> Result<Said> {
    let file = Copy::built().join("said.txt");
    std::fs::create_dir_all(Copy::built())?;
    // Both streams append, or each would overwrite the other.
    File::create(&file)?;
    let out = File::options().append(true).open(&file)?;
    let err = out.try_clone()?;
    let mut child = in_copy(line)
        .stdout(Stdio::from(out))
        .stderr(Stdio::from(err))
        .spawn()
        .with_context(|| line.join(" "))?;
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if begun.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            break None;
        }
        std::thread::sleep(LOOK);
    };
    let text = std::fs::read(&file)?;
    Ok(Said {
        text: String::from_utf8_lossy(&text).into_owned(),
        fine: status.is_some_and(|status| status.success()),
        endless: status.is_none(),
    })
}

fn in_copy(line: &[&str]) -> Command {
    let mut command = command(Copy::folder(), line);
    command.env("CARGO_TARGET_DIR", Copy::built());
    // That a property fails is enough: the smallest example would take minutes.
    command.env("PROPTEST_MAX_SHRINK_ITERS", "0");
    command
}

/// Names of tests that failed, as cargo's harness says them.
fn failed_tests(said: &Said) -> Vec<String> {
    let lines = said.text.lines();
    let failed = lines.filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
    let mut failed: Vec<String> = failed.map(str::to_owned).collect();
    if said.endless {
        failed.push("the tests do not end".to_owned());
    } else if failed.is_empty() && !said.fine {
        failed.push("the tests do not run".to_owned());
    }
    failed
}

/// Checkers that a run violated, or how it ended. A target that was missed proves no bug.
fn violated(said: &Said) -> Vec<String> {
    let lines = || said.text.lines().map(str::trim_start);
    let violated = lines().filter_map(|line| line.strip_prefix("VIOLATED  "));
    let violated = violated.filter_map(|words| words.split(':').next());
    let panicked = lines().filter(|line| line.contains("panicked at"));
    let mut found: Vec<String> = violated.chain(panicked).map(str::to_owned).collect();
    let missed = lines().any(|line| line.starts_with("MISSED  "));
    if said.endless {
        found.push("the evening does not end".to_owned());
    } else if found.is_empty() && !said.fine && !missed {
        found.push("the evening breaks off".to_owned());
    }
    found
}
