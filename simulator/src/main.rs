//! `runnel-simulate`: what would come of this evening.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use runnel_simulator::report::{Totals, html, json, line, missed, table};
use runnel_simulator::{Manner, Outcome, Scenario, play};

#[derive(Parser)]
#[command(
    name = "runnel-simulate",
    about = "Plays an evening in virtual time, with real peers."
)]
struct Cli {
    /// Scenario files.
    #[arg(required = true, value_name = "SCENARIO")]
    scenarios: Vec<PathBuf>,
    /// The seed, instead of the file's.
    #[arg(long)]
    seed: Option<u64>,
    /// So many seeds, from the first on.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// So many viewers, with the caps of CDN, waypoints and admissions in proportion.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    viewers: Option<u32>,
    /// Without the twin whose peers are off.
    #[arg(long)]
    no_twin: bool,
    /// Play each run twice: the digests must be equal.
    #[arg(long)]
    twice: bool,
    /// Stand-ins instead of real peers, or real peers however many.
    #[arg(long, value_name = "BOOL")]
    stand_ins: Option<bool>,
    /// Figures of all runs, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Charts of all runs, one page that opens without a network.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let mut fine = true;
    let mut lines = String::new();
    let mut outcomes = Vec::new();
    for path in &cli.scenarios {
        let scenario = Scenario::read(path).with_context(|| path.display().to_string())?;
        let scenario = Arc::new(match cli.viewers {
            Some(viewers) => scenario.with_viewers(viewers),
            None => scenario,
        });
        let mut totals = Totals::default();
        let first = cli.seed.unwrap_or(scenario.seed);
        for seed in first..first + cli.seeds {
            let manner = Manner {
                seed,
                twin: !cli.no_twin,
                stand_ins: cli.stand_ins,
            };
            let mut outcome = watch(&scenario, manner);
            if cli.twice {
                outcome.repeat(&scenario, manner);
            }
            lines.push_str(&json(&outcome).to_string());
            lines.push('\n');
            show(&outcome, cli.seeds == 1);
            fine &= is_fine(&scenario, &outcome, &again(&cli, path, seed));
            totals.add(&outcome);
            if cli.html.is_some() {
                outcomes.push(outcome);
            }
        }
        if cli.seeds > 1 {
            say(&totals.table());
        }
    }
    if let Some(file) = &cli.json {
        std::fs::write(file, lines).with_context(|| file.display().to_string())?;
    }
    if let Some(file) = &cli.html {
        std::fs::write(file, html(&outcomes)).with_context(|| file.display().to_string())?;
    }
    Ok(if fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The command that plays a run once more.
fn again(cli: &Cli, path: &Path, seed: u64) -> String {
    let mut again = format!("runnel-simulate {} --seed {seed}", path.display());
    if let Some(viewers) = cli.viewers {
        again.push_str(&format!(" --viewers {viewers}"));
    }
    if let Some(stand_ins) = cli.stand_ins {
        again.push_str(&format!(" --stand-ins {stand_ins}"));
    }
    again
}

fn watch(scenario: &Arc<Scenario>, manner: Manner) -> Outcome {
    let bar = ProgressBar::new(1000);
    let style = ProgressStyle::with_template("{msg} {wide_bar} {percent} % {elapsed}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_message(format!("{} #{}", scenario.name, manner.seed));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 1000"
    )]
    let outcome = play(scenario, manner, |done| {
        bar.set_position((done * 1000.0) as u64)
    });
    bar.finish_and_clear();
    outcome
}

fn show(outcome: &Outcome, alone: bool) {
    say(&if alone { table(outcome) } else { line(outcome) });
}

/// Says what is wrong, if anything, and how to see it again.
fn is_fine(scenario: &Scenario, outcome: &Outcome, again: &str) -> bool {
    let missed = missed(outcome, &scenario.target);
    for words in &missed {
        say(&format!("{:>22}  {words}", "MISSED"));
    }
    let fine = missed.is_empty() && outcome.violations() == 0;
    if outcome.violations() > 0 {
        for verdict in outcome
            .verdicts
            .iter()
            .filter(|verdict| verdict.violations > 0)
        {
            say(&format!(
                "{:>22}  {}: {:?}",
                "VIOLATED",
                verdict.name,
                verdict.words.first()
            ));
        }
        say(&format!("again: {again}"));
    }
    fine
}

#[expect(clippy::print_stdout, reason = "what came of it is the product")]
fn say(text: &str) {
    println!("{}", text.trim_end());
}
