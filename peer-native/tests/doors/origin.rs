//! An origin with one VOD of distinct bytes, served as files.

use std::fmt::Write as _;

use axum::Router;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower_http::services::ServeDir;

/// Segments of the VOD, two seconds each.
pub(crate) const SEGMENTS: u64 = 40;

pub(crate) struct Origin {
    url: String,
    _files: TempDir,
}

impl Origin {
    pub(crate) async fn start() -> Self {
        let files = tempfile::tempdir().unwrap();
        let mut playlist =
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n".to_owned();
        for sequence in 0..SEGMENTS {
            std::fs::write(files.path().join(name(sequence)), media(sequence)).unwrap();
            writeln!(playlist, "#EXTINF:2.0,\n{}", name(sequence)).unwrap();
        }
        playlist.push_str("#EXT-X-ENDLIST\n");
        std::fs::write(files.path().join("index.m3u8"), playlist).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/index.m3u8", listener.local_addr().unwrap());
        let service = Router::new().fallback_service(ServeDir::new(files.path()));
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { url, _files: files }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// The bytes of segment `sequence`: several chunks, the last one short.
pub(crate) fn media(sequence: u64) -> Vec<u8> {
    let words = (0..40_000 + sequence).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ sequence);
    words.flat_map(u64::to_le_bytes).collect()
}

fn name(sequence: u64) -> String {
    format!("segment-{sequence}.ts")
}
