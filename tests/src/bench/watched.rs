//! What one page tells about what it played.

use serde::{Deserialize, Serialize};

/// Everything that is read from a page, in one go.
pub(super) const READ: &str = "(() => {
    const r = window.__runnel, video = document.querySelector('video');
    const { totalVideoFrames: frames, droppedVideoFrames: dropped } = video.getVideoPlaybackQuality();
    const { bytes, peer, why, links } = r.stats;
    return { startup_ms: r.startupMs, stalls: r.stallCount, stalled: r.stalls, latency: r.latency,
        segments: r.segments, taps: r.taps, played: video.currentTime, frames, dropped, bytes, peer, why, links };
})()";

/// One viewer's page at the end of a phase.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Watched {
    /// From the navigation to the first moving frame.
    pub(super) startup_ms: Option<f64>,
    pub(super) stalls: u32,
    stalled: serde_json::Value,
    pub(super) latency: Vec<Latency>,
    /// Where each segment that reached the player came from.
    pub(super) segments: Vec<Segment>,
    /// What hls.js was given.
    pub(super) taps: Vec<Tap>,
    played: f64,
    pub(super) frames: u64,
    pub(super) dropped: u64,
    /// What the page received since it began.
    pub(super) bytes: Received,
    peer: Option<String>,
    why: String,
    pub(super) links: Vec<Link>,
}

/// A link at the end, as the page tells of it.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Link {
    #[serde(rename = "connectMs")]
    pub(super) connect_ms: Option<f64>,
    #[serde(flatten)]
    rest: serde_json::Value,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Latency {
    at: f64,
    pub(super) seconds: f64,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Segment {
    sn: i64,
    track: String,
    pub(super) cdn: u64,
    pub(super) waypoint: u64,
    pub(super) peer: u64,
    pub(super) rescued: bool,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Tap {
    pub(super) url: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// Bytes by source, as the page counts them.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(super) struct Received {
    pub(super) cdn: u64,
    pub(super) waypoint: u64,
    pub(super) peer: u64,
    pub(super) wasted: u64,
    pub(super) control: u64,
}

impl Received {
    /// All media, of use or not.
    pub(super) fn media(&self) -> u64 {
        self.cdn + self.waypoint + self.peer + self.wasted
    }
}

impl std::iter::Sum for Received {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |total, one| Self {
            cdn: total.cdn + one.cdn,
            waypoint: total.waypoint + one.waypoint,
            peer: total.peer + one.peer,
            wasted: total.wasted + one.wasted,
            control: total.control + one.control,
        })
    }
}

/// Bytes that reached the players of several pages, by source.
pub(super) fn delivered(pages: &[Watched]) -> Received {
    let segments = pages.iter().flat_map(|page| &page.segments);
    segments
        .map(|segment| Received {
            cdn: segment.cdn,
            waypoint: segment.waypoint,
            peer: segment.peer,
            ..Received::default()
        })
        .sum()
}
