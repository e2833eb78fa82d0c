//! An origin with a film and a live stream of the same distinct bytes; it counts what it sends.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use tokio::net::TcpListener;

/// Segments of the film, two seconds each.
pub(crate) const SEGMENTS: u64 = 40;
/// Segments in the live window, one second each.
const WINDOW: u64 = 6;

#[derive(Default)]
struct Shelf {
    /// Newest segment of the live stream.
    newest: u64,
    sent: BTreeMap<String, u32>,
}

#[derive(Clone)]
pub(crate) struct Origin {
    address: String,
    shelf: Arc<Mutex<Shelf>>,
}

impl Origin {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            shelf: Arc::default(),
        };
        let service = Router::new().fallback(answer).with_state(origin.clone());
        tokio::spawn(async move { axum::serve(listener, service).await });
        origin
    }

    pub(crate) fn film(&self) -> String {
        format!("{}/film.m3u8", self.address)
    }

    pub(crate) fn live(&self) -> String {
        format!("{}/live.m3u8", self.address)
    }

    /// Makes segments up to `newest` part of the live stream.
    pub(crate) fn publish(&self, newest: u64) {
        self.shelf.lock().unwrap().newest = newest;
    }

    /// How often each segment was sent.
    pub(crate) fn sent(&self) -> BTreeMap<String, u32> {
        self.shelf.lock().unwrap().sent.clone()
    }
}

async fn answer(State(origin): State<Origin>, uri: Uri) -> Result<Vec<u8>, StatusCode> {
    let mut shelf = origin.shelf.lock().unwrap();
    match uri.path() {
        "/film.m3u8" => Ok(film().into_bytes()),
        "/live.m3u8" => Ok(live(shelf.newest).into_bytes()),
        path => {
            let number = path
                .strip_prefix("/segment-")
                .and_then(|rest| rest.strip_suffix(".ts"));
            let sequence = number.and_then(|digits| digits.parse().ok());
            let sequence = sequence.ok_or(StatusCode::NOT_FOUND)?;
            *shelf.sent.entry(name(sequence)).or_default() += 1;
            Ok(media(sequence))
        }
    }
}

fn film() -> String {
    let begin = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n".to_owned();
    let mut playlist = (0..SEGMENTS).fold(begin, |mut text, sequence| {
        writeln!(text, "#EXTINF:2.0,\n{}", name(sequence)).unwrap();
        text
    });
    playlist.push_str("#EXT-X-ENDLIST\n");
    playlist
}

fn live(newest: u64) -> String {
    let first = newest.saturating_sub(WINDOW - 1);
    let begin = format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
    (first..=newest).fold(begin, |mut text, sequence| {
        writeln!(text, "#EXTINF:1.0,\n{}", name(sequence)).unwrap();
        text
    })
}

/// The bytes of segment `sequence`: several chunks, the last one short.
pub(crate) fn media(sequence: u64) -> Vec<u8> {
    let words = (0..40_000 + sequence).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ sequence);
    words.flat_map(u64::to_le_bytes).collect()
}

fn name(sequence: u64) -> String {
    format!("segment-{sequence}.ts")
}
