//! `cargo xtask test`: one local command is the gate, and CI runs the same.

use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::run::run;
use crate::{page, setup, simulate, tidy};

#[derive(Args)]
pub(crate) struct Options {
    /// Run only this step (may be repeated).
    #[arg(long, value_name = "STEP", value_parser = PossibleValuesParser::new(STEPS.map(|step| step.name)))]
    only: Vec<String>,
}

struct Step {
    name: &'static str,
    says: &'static str,
    run: fn() -> Result<()>,
}

/// Cheap checks first; what needs the page last.
const STEPS: [Step; 13] = [
    Step {
        name: "setup",
        says: "install what is missing",
        run: setup::everything,
    },
    Step {
        name: "fmt",
        says: "formatting",
        run: || run(&["cargo", "fmt", "--all", "--check"]),
    },
    Step {
        name: "clippy",
        says: "lints, this machine",
        run: || clippy(&["--workspace", "--all-targets", "--features", STORIES]),
    },
    Step {
        name: "clippy-wasm",
        says: "lints, browser",
        run: || {
            clippy(&[
                "-p",
                "runnel-peer-wasm",
                "--target",
                "wasm32-unknown-unknown",
            ])
        },
    },
    Step {
        name: "tidy",
        says: "walls between crates",
        run: tidy::check,
    },
    Step {
        name: "build",
        says: "the binaries",
        run: || {
            run(&[
                "cargo",
                "build",
                "--workspace",
                "--bins",
                "--features",
                STORIES,
            ])
        },
    },
    Step {
        name: "rust",
        says: "all Rust tests but the stories",
        run: || run(&["cargo", "test", "--workspace"]),
    },
    Step {
        name: "simulate",
        says: "a few evenings in virtual time",
        run: simulate::gate,
    },
    Step {
        name: "wasm",
        says: "the browser peer, in headless Chromium",
        run: || {
            let chrome = ["test", "--headless", "--chrome", "--mode", "no-install"];
            run(&[&["wasm-pack"], &chrome[..], &["peer-wasm"]].concat())
        },
    },
    Step {
        name: "page",
        says: "build the viewer page",
        run: page::build,
    },
    Step {
        name: "typescript",
        says: "the npm package and the page",
        run: page::check_typescript,
    },
    Step {
        name: "size",
        says: "what a viewer downloads",
        run: page::check_size,
    },
    Step {
        name: "stories",
        says: "real processes, real networks, real Chromium",
        run: stories,
    },
];

/// The feature that switches the end-to-end stories on: they need binaries and page built first.
const STORIES: &str = "runnel-tests/stories";

/// Runs the steps in order and stops at the first that fails.
pub(crate) fn check(options: &Options) -> Result<()> {
    let wanted =
        |step: &&Step| options.only.is_empty() || options.only.iter().any(|only| only == step.name);
    let start = Instant::now();
    for step in STEPS.iter().filter(wanted) {
        let begun = Instant::now();
        eprintln!("\n=== {}: {}", step.name, step.says);
        (step.run)().with_context(|| {
            format!(
                "step {0} failed; alone: cargo xtask test --only {0}",
                step.name
            )
        })?;
        eprintln!(
            "=== {} passed in {:.1} s",
            step.name,
            begun.elapsed().as_secs_f64()
        );
    }
    eprintln!("\nAll green in {:.0} s.", start.elapsed().as_secs_f64());
    Ok(())
}

fn clippy(target: &[&str]) -> Result<()> {
    run(&[&["cargo", "clippy"], target, &["--", "-D", "warnings"]].concat())
}

/// One at a time: each story starts a whole system and measures it by the clock.
fn stories() -> Result<()> {
    let target = ["--workspace", "--features", STORIES];
    let tests = [
        "--test",
        "netns",
        "--test",
        "adversary",
        "--test",
        "stories",
    ];
    let one_by_one = ["--", "--test-threads=1"];
    run(&[&["cargo", "test"], &target[..], &tests, &one_by_one].concat())
}
