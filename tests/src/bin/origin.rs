//! `runnel-origin`: a plain HTTP origin that plays recordings live and on demand.

#![expect(
    clippy::print_stdout,
    reason = "the address is what its user waits for"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use runnel_tests::ending;
use runnel_tests::media::{self, Shape};
use runnel_tests::origin::{self, Mode, Options, Stream};

/// Plays HLS recordings over plain HTTP. Without --live and --vod it plays the test clip in all
/// its shapes: /live/master.m3u8, /vod/master.m3u8, /live-fmp4/…, /vod-byterange/…, /live-audio/…
#[derive(Parser)]
struct Cli {
    /// Where to listen; port 0 takes any free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Plays a folder's recording over and over by the clock, at /NAME/master.m3u8.
    #[arg(long, value_name = "NAME=FOLDER", value_parser = named)]
    live: Vec<(String, PathBuf)>,
    /// Serves a folder's recording as it is, at /NAME/master.m3u8.
    #[arg(long, value_name = "NAME=FOLDER", value_parser = named)]
    vod: Vec<(String, PathBuf)>,
    /// How many segments a live playlist shows.
    #[arg(long, default_value_t = 10)]
    window: usize,
    /// Milliseconds before each answer, as from an origin that far away.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let clip = tempfile::tempdir()?;
    let mut streams = streams(&cli);
    if streams.is_empty() {
        streams = whole_clip(clip.path())?;
    }
    let listener = origin::bind(cli.listen).await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}");
    for stream in &streams {
        println!("http://{address}/{}/master.m3u8", stream.name);
    }
    let options = Options {
        streams,
        window: cli.window,
        latency: Duration::from_millis(cli.latency_ms),
    };
    tokio::select! {
        ended = origin::serve(listener, options) => ended,
        asked = ending::asked_for() => asked,
    }
}

fn streams(cli: &Cli) -> Vec<Stream> {
    let live = cli.live.iter().map(|named| (named, Mode::Live));
    let vod = cli.vod.iter().map(|named| (named, Mode::OnDemand));
    live.chain(vod)
        .map(|((name, folder), mode)| Stream {
            name: name.clone(),
            folder: folder.clone(),
            mode,
        })
        .collect()
}

fn whole_clip(work: &std::path::Path) -> Result<Vec<Stream>> {
    let mut streams = Vec::new();
    for shape in Shape::ALL {
        let folder = work.join(format!("clip{}", shape.suffix()));
        media::prepare(shape, &folder)?;
        for (name, mode) in [("live", Mode::Live), ("vod", Mode::OnDemand)] {
            streams.push(Stream {
                name: format!("{name}{}", shape.suffix()),
                folder: folder.clone(),
                mode,
            });
        }
    }
    Ok(streams)
}

fn named(text: &str) -> Result<(String, PathBuf)> {
    let (name, folder) = text.split_once('=').context("NAME=FOLDER is wanted")?;
    anyhow::ensure!(!name.contains('/'), "a name has no slash: {name}");
    Ok((name.to_owned(), PathBuf::from(folder)))
}
