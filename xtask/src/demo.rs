//! `cargo xtask demo`: builds everything, then hands over to the program that runs it.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
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
    file: Option<PathBuf>,
    /// Port of the page's URL (any free one by default).
    #[arg(long, default_value_t = 0)]
    port: u16,
}

/// Does not return when all is well: the demo takes this process's place and gets its Ctrl-C.
pub(crate) fn show(options: &Options) -> Result<()> {
    let movie = options.file.as_deref().map(movie).transpose()?;
    setup::everything()?;
    run(&["cargo", "build", "--workspace", "--bins"])?;
    page::build()?;
    let mut demo = run::command(".", &["target/debug/runnel-demo"]);
    demo.args(["--port", &options.port.to_string()]);
    if let Some(url) = &options.source {
        demo.args(["--source", url]);
    }
    if let Some(movie) = movie {
        demo.arg("--file").arg(movie);
    }
    Err(demo.exec()).context("cannot start target/debug/runnel-demo")
}

/// Known to be there before minutes are spent on building; what is in it only ffmpeg can tell.
fn movie(file: &Path) -> Result<PathBuf> {
    ensure!(file.is_file(), "{} is no file", file.display());
    Ok(std::path::absolute(file)?)
}
