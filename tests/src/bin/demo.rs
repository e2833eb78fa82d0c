//! `runnel-demo`: the whole system on this machine and one URL to open. `cargo xtask demo` builds
//! everything and starts it.

#![expect(clippy::print_stdout, reason = "the URL is the product")]

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Parser;
use runnel_tests::ending;
use runnel_tests::media::Shape;
use runnel_tests::page::{Lack, Page};
use runnel_tests::stack::{Plan, Source, Stack};
use runnel_tests::stream;

/// Starts origin, coordinator, one waypoint and two agents on loopback, serves the viewer page,
/// and ends everything in order on Ctrl-C.
#[derive(Parser)]
struct Cli {
    /// Play this stream (its master playlist) instead of the clip.
    #[arg(long, value_name = "URL", conflicts_with = "file")]
    source: Option<String>,
    /// Package this video with ffmpeg and play it, live and on demand.
    #[arg(long, value_name = "MOVIE")]
    file: Option<PathBuf>,
    /// Port of the page's URL; 0 takes any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// How many agents.
    #[arg(long, default_value_t = 2)]
    agents: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let plan = Plan {
        source: source(&cli).await?,
        agents: cli.agents,
        ..Plan::default()
    };
    println!(
        "Starting origin, coordinator, waypoint and {} agents …",
        cli.agents
    );
    // Several demos may run at a time.
    let name = format!("demo-{}", std::process::id());
    let stack = tokio::select! {
        stack = Stack::start(&name, plan) => stack?,
        asked = ending::asked_for() => return asked,
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web-demo/dist");
    let page = Page::serve(&folder, cli.port, &stack.page_config(), Lack::Nothing).await?;
    welcome(&stack, &page)?;
    ending::asked_for().await?;
    println!("\nEnding everything …");
    drop(page);
    let folder = stack.folder().to_owned();
    stack.stop().await?;
    Ok(std::fs::remove_dir_all(folder)?)
}

async fn source(cli: &Cli) -> Result<Source> {
    Ok(match (&cli.source, &cli.file) {
        (Some(url), _) => {
            let found = stream::look(url).await?;
            for note in found.notes {
                println!("Note: {note}");
            }
            Source::Elsewhere(found.place)
        }
        (None, Some(movie)) => Source::Movie(movie.clone()),
        (None, None) => Source::Clip(vec![Shape::Ts]),
    })
}

fn welcome(stack: &Stack, page: &Page) -> Result<()> {
    let center = stack.center_url()?;
    println!("\n  Watch:    {}/?consent=1", page.url());
    println!("  Why:      {center}/v1/explain?peer=…   (the page shows its id)");
    println!("  Peers:    {center}/v1/peers");
    println!("  Logs:     {}", stack.folder().display());
    for (number, agent) in stack.agents().iter().enumerate() {
        println!(
            "  Agent {}:  kill -9 {}   (the picture goes on)",
            number + 1,
            agent.id()
        );
    }
    println!("\nCtrl-C ends everything.");
    Ok(())
}
