//! `cargo xtask demo`: builds everything, then hands over to the program that runs it.

use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};
use clap::Args;

use crate::run::{self, run};
use crate::{page, setup};

#[derive(Args)]
pub(crate) struct Options {
    /// Play this stream (master playlist) instead of the clip.
    #[arg(long, value_name = "URL", conflicts_with = "file")]
    source: Option<String>,
    /// Package this video with ffmpeg and play it, live and on demand.
    #[arg(long, value_name = "MOVIE")]
    file: Option<String>,
    /// Port of the page's URL (any free one by default).
    #[arg(long, default_value_t = 0)]
    port: u16,
}

/// Does not return when all is well: the demo takes this process's place and gets its Ctrl-C.
pub(crate) fn show(options: &Options) -> Result<()> {
    setup::everything()?;
    run(&["cargo", "build", "--workspace", "--bins"])?;
    page::build()?;
    let mut demo = run::command(".", &["target/debug/runnel-demo"]);
    demo.args(["--port", &options.port.to_string()]);
    if let Some(url) = &options.source {
        demo.args(["--source", url]);
    }
    if let Some(movie) = &options.file {
        let movie = std::path::absolute(movie)?;
        demo.arg("--file").arg(movie);
    }
    Err(demo.exec()).context("cannot start target/debug/runnel-demo")
}
