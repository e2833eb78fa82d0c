//! One recording as it is played: its files, and its media playlists when it is live.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_http::services::ServeDir;

use super::clock::{Clock, Showing};
use super::recording::Recording;
use super::{Mode, Stream};

/// How many published segments the statistics go back: an hour of two-second segments.
const REMEMBERED: usize = 1_800;

pub(super) struct Show {
    name: String,
    files: ServeDir,
    lengths: BTreeMap<String, u64>,
    live: Option<Live>,
}

struct Live {
    clock: Clock,
    /// By the playlist's file name.
    recordings: BTreeMap<String, Recording>,
}

impl Show {
    pub(super) fn open(stream: &Stream, window: usize, start: SystemTime) -> Result<Self> {
        let live = match stream.mode {
            Mode::OnDemand => None,
            Mode::Live => Some(Live::open(&stream.folder, window, start)?),
        };
        Ok(Self {
            name: stream.name.clone(),
            files: ServeDir::new(&stream.folder),
            lengths: lengths(&stream.folder)?,
            live,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Answers a request for `file`, a path below this show's name.
    pub(super) async fn answer(&self, file: &str, request: Request, now: SystemTime) -> Response {
        let Some(live) = &self.live else {
            return self.file(file, request).await;
        };
        if let Some(recording) = live.recordings.get(file) {
            return playlist(request.headers(), live.clock.playlist(recording, now));
        }
        match split_turn(file) {
            None => self.file(file, request).await,
            Some((turn, file)) if live.has_published(turn, file, now) => {
                self.file(file, request).await
            }
            Some(_) => StatusCode::NOT_FOUND.into_response(),
        }
    }

    /// What each live playlist has published so far: its path, and its segments.
    pub(super) fn published(&self, now: SystemTime) -> Vec<(String, Value)> {
        let Some(live) = &self.live else {
            return Vec::new();
        };
        let by_playlist = live.recordings.iter().map(|(file, recording)| {
            let end = live.clock.published(recording, now);
            let segments: Vec<Value> = (end.saturating_sub(REMEMBERED)..end)
                .map(|sequence| self.describe(live, &live.clock.showing(recording, sequence)))
                .collect();
            (format!("/{}/{file}", self.name), Value::Array(segments))
        });
        by_playlist.collect()
    }

    fn describe(&self, live: &Live, showing: &Showing<'_>) -> Value {
        let segment = showing.segment;
        let whole_file = self.lengths.get(&segment.uri).copied();
        let at = live.clock.published_at(showing);
        json!({
            "path": format!("/{}/{}", self.name, showing.uri()),
            "sequence": showing.sequence,
            "bytes": segment.range.map(|(length, _)| length).or(whole_file),
            "offset": segment.range.map(|(_, offset)| offset),
            "published_ms": at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as u64,
        })
    }

    async fn file(&self, file: &str, mut request: Request) -> Response {
        let Ok(uri) = format!("/{file}").parse() else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        *request.uri_mut() = uri;
        let Ok(response) = self.files.clone().oneshot(request).await;
        let mut response = response.map(Body::new);
        if let Some(kind) = media_type(file) {
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        response
    }
}

impl Live {
    fn open(folder: &Path, window: usize, start: SystemTime) -> Result<Self> {
        let mut recordings = BTreeMap::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let file = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if file.ends_with(".m3u8") && file != "master.m3u8" {
                recordings.insert(file, Recording::parse(&std::fs::read_to_string(&path)?)?);
            }
        }
        let turn = recordings
            .values()
            .map(Recording::duration)
            .fold(0.0, f64::max);
        anyhow::ensure!(turn > 0.0, "no media playlist in {}", folder.display());
        let head_start = recordings
            .values()
            .map(|recording| window_length(recording, window))
            .fold(0.0, f64::max);
        let epoch = start - Duration::from_secs_f64(head_start);
        Ok(Self {
            clock: Clock {
                epoch,
                turn,
                window,
            },
            recordings,
        })
    }

    /// Has this turn's `file` begun to appear? Files that are no segment (init) always have.
    fn has_published(&self, turn: usize, file: &str, now: SystemTime) -> bool {
        let mut sequences = self.recordings.values().flat_map(|recording| {
            let found = recording
                .segments
                .iter()
                .position(|segment| segment.uri == file);
            found.map(|index| {
                (
                    recording,
                    turn.saturating_mul(recording.segments.len())
                        .saturating_add(index),
                )
            })
        });
        match sequences.next() {
            None => true,
            Some((recording, sequence)) => sequence < self.clock.published(recording, now),
        }
    }
}

/// How long the first `window` segments play, seconds.
fn window_length(recording: &Recording, window: usize) -> f64 {
    let last = window.clamp(1, recording.segments.len()) - 1;
    recording.segments[last].end
}

fn lengths(folder: &Path) -> Result<BTreeMap<String, u64>> {
    std::fs::read_dir(folder)?
        .map(|entry| {
            let entry = entry?;
            Ok((
                entry.file_name().to_string_lossy().into_owned(),
                entry.metadata()?.len(),
            ))
        })
        .collect()
}

/// `turn-3/a.ts` is `a.ts` in the recording's third repetition.
fn split_turn(file: &str) -> Option<(usize, &str)> {
    let (turn, file) = file.strip_prefix("turn-")?.split_once('/')?;
    Some((turn.parse().ok()?, file))
}

/// A playlist with an ETag, so that whoever polls often is told cheaply that nothing is new.
fn playlist(headers: &HeaderMap, text: String) -> Response {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known == tag.as_str());
    let tag = [(header::ETAG, tag)];
    if known {
        return (StatusCode::NOT_MODIFIED, tag).into_response();
    }
    (
        tag,
        [(header::CONTENT_TYPE, "application/vnd.apple.mpegurl")],
        text,
    )
        .into_response()
}

fn media_type(file: &str) -> Option<HeaderValue> {
    let kind = match file.rsplit_once('.')?.1 {
        "m3u8" => "application/vnd.apple.mpegurl",
        "ts" => "video/mp2t",
        "mp4" | "m4s" => "video/mp4",
        "aac" => "audio/aac",
        _ => return None,
    };
    Some(HeaderValue::from_static(kind))
}
