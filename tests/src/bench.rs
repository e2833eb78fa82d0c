//! `runnel-bench viewers`: what viewers of one stream cost whom, measured with real browsers and
//! real processes on this machine, and what plain hls.js does in the same run.
//!
//! The rules of a run. Media is made for it: 2 s segments of about 1 Mbit/s at a constant rate, no
//! two alike. Everybody starts inside the run with nothing cached. The origin is 40 ms away, the
//! waypoint may send twice the stream's rate, an agent ten times. Viewers join 3 s apart, each in
//! a window of its own, and the clock starts with the first. Bytes are counted on the way to the
//! pages, outside of everything that is measured, and must agree with what the pages say.
//!
//! Two cores decode for everybody here, without a graphics card: the picture is 640 × 360 at 25
//! frames a second and the windows are small, so that six viewers leave the machine some air. How
//! busy it was and how many frames were dropped stand in the report; above 90 % the times (not the
//! bytes) say more about the machine than about Runnel.

pub mod agent;
mod audience;
mod figures;
mod machine;
mod media;
mod report;
mod servers;
mod startup;
mod viewers;
mod watched;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::page::Lack;

pub use startup::pairs;
pub use viewers::run;

/// One run's parameters.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// How many viewers.
    pub viewers: usize,
    /// How many agents.
    pub agents: usize,
    /// hls.js' `liveSyncDuration`, seconds.
    pub latency: f64,
    /// How long, from the first viewer on, seconds.
    pub seconds: u32,
    /// Live, or on demand.
    pub live: bool,
    /// One, or three with free choice among them.
    pub renditions: u32,
    /// The browsers have no WebTransport.
    pub webrtc: bool,
}

impl Parameters {
    /// Content id of what is watched.
    fn content(&self) -> &'static str {
        if self.live { "live" } else { "vod" }
    }

    /// What the browsers cannot do.
    const fn lack(&self) -> Lack {
        if self.webrtc {
            Lack::WebTransport
        } else {
            Lack::Nothing
        }
    }

    /// The page's query, but for whether it is plain.
    fn query(&self) -> String {
        let stream = self.content();
        match self.live {
            true => format!("stream={stream}&latency={}&tap=1", self.latency),
            false => format!("stream={stream}&tap=1"),
        }
    }
}

/// Query of a page with Runnel and of one without.
const WITH_PEERS: &str = "consent=1";
const PLAIN: &str = "plain=1";

/// The built viewer page.
pub(crate) fn page_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../web-demo/dist")
}

/// Where media is kept between runs.
fn kept_media() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program
        .ancestors()
        .find(|folder| folder.ends_with("target"));
    Ok(target
        .context("not run from the build folder")?
        .join("bench-media"))
}

/// The value in the middle; of an even number the mean of both.
fn median(mut values: Vec<f64>) -> Result<f64> {
    ensure!(!values.is_empty(), "nothing was measured");
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    Ok(if values.len() % 2 == 1 {
        values[half]
    } else {
        f64::midpoint(values[half - 1], values[half])
    })
}
