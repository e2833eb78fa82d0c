//! What a stack consists of.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::media::{self, Generated, Shape};

/// What to start.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is played.
    pub source: Source,
    /// Whether there is a control center; without it there can be no agents and no waypoint.
    pub center: bool,
    /// How many agents.
    pub agents: usize,
    /// Whether there is a waypoint.
    pub waypoint: bool,
    /// What each agent says it may upload, kbit/s.
    pub agent_uplink_kbps: u32,
    /// The same of the waypoint.
    pub waypoint_uplink_kbps: u32,
    /// How many segments a live playlist shows.
    pub window: usize,
    /// Round trip to the origin, milliseconds.
    pub origin_latency_ms: u64,
    /// Whether nobody joins without a token of the [provider](super::Provider).
    pub tokens: Tokens,
    /// Whether each agent follows a file of invitations to groups: see
    /// [`Stack::invite_agent`](super::Stack::invite_agent).
    pub groups: bool,
    /// The contents of which playback ends where a policy denies it.
    pub enforced: &'static [&'static str],
    /// Whether what waypoint and agents send is [measured](crate::meter) on its way.
    pub metered: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            source: Source::Clip(vec![Shape::Ts]),
            center: true,
            agents: 2,
            waypoint: true,
            agent_uplink_kbps: 20_000,
            waypoint_uplink_kbps: 20_000,
            window: 10,
            origin_latency_ms: 0,
            tokens: Tokens::NotAsked,
            groups: false,
            enforced: &[],
            metered: false,
        }
    }
}

/// By what right peers join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// Everybody may.
    NotAsked,
    /// With a token, and pages of [`Provider::SITE`](super::Provider::SITE) alone.
    OfOneSite,
    /// With a token, pages of any site.
    OfAnySite,
}

/// Where the media comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The clip in these shapes, each live and on demand: contents `live`, `vod`, `live-fmp4`, …
    Clip(Vec<Shape>),
    /// Media that no cache has seen, made before the start: contents `live` and `vod`.
    Generated(Generated),
    /// A folder with a recording as it is: contents `live` and `vod`.
    Recorded(PathBuf),
    /// A video file, packaged with ffmpeg: contents `live` and `vod`.
    Movie(PathBuf),
    /// Somebody's stream: content `stream`, no origin of ours.
    Elsewhere(Elsewhere),
}

/// Where somebody's stream lies.
#[derive(Clone, Debug)]
pub struct Elsewhere {
    /// Its master playlist.
    pub url: String,
    /// Other origins of its playlists and media.
    pub media_origins: Vec<String>,
}

/// A content as the coordinator knows it.
#[derive(Clone, Debug)]
pub struct Content {
    /// Its id.
    pub id: String,
    /// Its master playlist.
    pub url: String,
    /// Other origins of its playlists and media.
    pub media_origins: Vec<String>,
}

impl Content {
    /// Its name on the page.
    pub fn title(&self) -> &str {
        match self.id.as_str() {
            "live" => "Live",
            "vod" => "On demand",
            "stream" => "Stream",
            other => other,
        }
    }
}

/// Folders for our own origin, or a stream elsewhere.
pub(super) enum Prepared {
    Folders(Vec<(Shape, PathBuf)>),
    Elsewhere(Elsewhere),
}

impl Source {
    /// Brings the media into the shape in which the origin plays it.
    pub(super) fn prepare(&self, work: &Path) -> Result<Prepared> {
        let one = |folder: PathBuf| Prepared::Folders(vec![(Shape::Ts, folder)]);
        match self {
            Self::Elsewhere(place) => Ok(Prepared::Elsewhere(place.clone())),
            Self::Generated(wanted) => {
                media::generate(*wanted, work)?;
                Ok(one(work.to_owned()))
            }
            Self::Recorded(folder) => Ok(one(folder.clone())),
            Self::Movie(file) => {
                media::package(file, work)?;
                Ok(one(work.to_owned()))
            }
            Self::Clip(shapes) => {
                let prepare = |shape: &Shape| {
                    let folder = work.join(format!("clip{}", shape.suffix()));
                    media::prepare(*shape, &folder)?;
                    Ok((*shape, folder))
                };
                Ok(Prepared::Folders(
                    shapes.iter().map(prepare).collect::<Result<_>>()?,
                ))
            }
        }
    }
}

impl Prepared {
    /// The origin's arguments; none when the origin is elsewhere.
    pub(super) fn arguments(&self) -> Vec<String> {
        let argument = |(name, mode, folder): (String, &str, &PathBuf)| {
            [format!("--{mode}"), format!("{name}={}", folder.display())]
        };
        self.streams().into_iter().flat_map(argument).collect()
    }

    /// What the coordinator is to know, given our origin's URL.
    pub(super) fn contents(&self, origin: &str) -> Vec<Content> {
        if let Self::Elsewhere(place) = self {
            return vec![Content {
                id: "stream".to_owned(),
                url: place.url.clone(),
                media_origins: place.media_origins.clone(),
            }];
        }
        let content = |(name, _, _)| Content {
            url: format!("{origin}/{name}/master.m3u8"),
            id: name,
            media_origins: Vec::new(),
        };
        self.streams().into_iter().map(content).collect()
    }

    fn streams(&self) -> Vec<(String, &'static str, &PathBuf)> {
        let folders = match self {
            Self::Elsewhere(_) => &[][..],
            Self::Folders(folders) => folders,
        };
        let modes = ["live", "vod"];
        folders
            .iter()
            .flat_map(|(shape, folder)| {
                modes.map(|mode| (format!("{mode}{}", shape.suffix()), mode, folder))
            })
            .collect()
    }
}
