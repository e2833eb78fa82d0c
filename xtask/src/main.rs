//! The project's own commands: `cargo xtask setup`, `tidy`, `test`, `demo`, `bench`, `soak`,
//! `fuzz`, `plant`.

mod bench;
mod demo;
mod fuzz;
mod gate;
mod page;
mod plant;
mod run;
mod setup;
mod simulate;
mod soak;
mod tidy;
mod workspace;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, checks and shows Runnel.")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing: Chromium, ffmpeg, wasm tools, npm packages.
    Setup,
    /// Check the walls between the crates, and that no file names a machine's paths.
    Tidy,
    /// The gate: everything that must be green before a change is merged.
    Test(gate::Options),
    /// Start the whole system on this machine and print one URL to open.
    Demo(demo::Options),
    /// Play scenarios in virtual time, with the real peers and the real control center.
    Simulate(simulate::Options),
    /// Measure the whole system on this machine, built as it is released.
    Bench(bench::Options),
    /// Watch live for half an hour: nobody's memory may grow.
    Soak(soak::Options),
    /// Look for bytes that break a decoder, with libFuzzer.
    Fuzz(fuzz::Options),
    /// Plant known bugs in a copy of the sources: does a test, does a checker notice?
    Plant(plant::Options),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().task {
        Task::Setup => setup::everything(),
        Task::Tidy => tidy::check(),
        Task::Test(options) => gate::check(&options),
        Task::Demo(options) => demo::show(&options),
        Task::Simulate(options) => simulate::play(&options),
        Task::Bench(options) => bench::measure(&options),
        Task::Soak(options) => soak::watch(&options),
        Task::Fuzz(options) => fuzz::search(&options),
        Task::Plant(options) => plant::all(&options),
    }
}
