//! Somebody's stream, looked at as a waypoint and a page on another site will see it, before
//! anything is started for it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ORIGIN};
use reqwest::{Client, Response};
use runnel_peer_native::waypoint::playlist::Playlist;
use url::Url;

use crate::stack::Elsewhere;

/// Time for a playlist from the other end of the world.
const PATIENCE: Duration = Duration::from_secs(15);
/// A page's site, as its browser would name it.
const SITE: &str = "http://127.0.0.1";

/// Renditions that are looked into.
const MOST_RENDITIONS: usize = 8;

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// Where the stream lies.
    pub place: Elsewhere,
    /// What its viewers have to be told.
    pub notes: Vec<String>,
}

/// Reads the playlist at `url`, and those of its renditions.
///
/// # Errors
/// When nothing can be played from there; the message says why.
pub async fn look(url: &str) -> Result<Found> {
    let url = address(url)?;
    let mut search = Search::default();
    match search.read(&url).await? {
        Playlist::Master(master) => {
            ensure!(!master.tracks.is_empty(), "{url} names nothing to play");
            for track in master.tracks.values().take(MOST_RENDITIONS) {
                if let Err(error) = search.look_into(track).await {
                    search.notes.push(format!("{error:#}"));
                }
            }
        }
        Playlist::Media(_) => search.look_into(&url).await?,
    }
    search.places.remove(&place(&url));
    let place = Elsewhere {
        url: url.into(),
        media_origins: search.places.into_iter().collect(),
    };
    let notes = search.notes;
    Ok(Found { place, notes })
}

#[derive(Default)]
struct Search {
    /// Origins of all that was named.
    places: BTreeSet<String>,
    notes: Vec<String>,
}

impl Search {
    /// A media playlist: where its segments lie.
    async fn look_into(&mut self, url: &Url) -> Result<()> {
        let Playlist::Media(media) = self.read(url).await? else {
            bail!("{url} is no media playlist");
        };
        ensure!(!media.segments.is_empty(), "{url} names nothing to play");
        self.places.insert(place(url));
        self.places
            .extend(media.segments.iter().map(|one| place(&one.url)));
        Ok(())
    }

    async fn read(&mut self, url: &Url) -> Result<Playlist> {
        let response = ask(url).await?;
        if !is_open(&response) {
            let note = format!(
                "{} lets no page of another site read it (Access-Control-Allow-Origin): no page \
                 of ours will play it.",
                place(url)
            );
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        let base = response.url().clone();
        let bytes = response.bytes().await;
        let bytes = bytes.with_context(|| format!("{url} does not come"))?;
        Playlist::parse(&bytes, &base).with_context(|| format!("{url} is no HLS playlist"))
    }
}

fn address(text: &str) -> Result<Url> {
    let url = Url::parse(text);
    let url = url.with_context(|| format!("{text} is no URL (https://…/master.m3u8)"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => bail!("{text}: streams come by http or https, not by {other}"),
    }
}

async fn ask(url: &Url) -> Result<Response> {
    // The second one in a process is refused, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().timeout(PATIENCE).build()?;
    let response = client.get(url.clone()).header(ORIGIN, SITE).send().await;
    let response = response.with_context(|| format!("cannot reach {url}"))?;
    let (status, found) = (response.status(), response.url());
    ensure!(status.is_success(), "{url} answers {status}");
    ensure!(
        found.origin() == url.origin(),
        "{url} leads to another origin, where no waypoint follows: try {found}"
    );
    Ok(response)
}

fn is_open(response: &Response) -> bool {
    let allowed = response.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN);
    allowed.is_some_and(|allowed| allowed == "*" || allowed == SITE)
}

fn place(url: &Url) -> String {
    url.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::response::Redirect;
    use axum::routing::get;
    use tokio::net::TcpListener;

    use super::*;

    const MEDIA: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\na.ts\n";
    const FAR: &str =
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\nhttp://media.example:81/a.ts\n";

    fn master(renditions: &[String]) -> String {
        let line = |(url, kilobits): (&String, u32)| {
            format!("#EXT-X-STREAM-INF:BANDWIDTH={kilobits}000\n{url}\n")
        };
        let lines: String = renditions.iter().zip(800..).map(line).collect();
        format!("#EXTM3U\n{lines}")
    }

    /// Somebody's server; its master playlist names another rendition at `other`.
    async fn somebody(other: &str) -> String {
        let open = |text: String| ([(ACCESS_CONTROL_ALLOW_ORIGIN, "*")], text);
        let scattered = master(&[
            "media.m3u8".to_owned(),
            format!("{other}/far.m3u8"),
            format!("{other}/gone.m3u8"),
        ]);
        let router = Router::new()
            .route("/media.m3u8", get(async move || open(MEDIA.to_owned())))
            .route("/far.m3u8", get(async move || open(FAR.to_owned())))
            .route("/closed.m3u8", get(async || MEDIA))
            .route("/scattered.m3u8", get(async move || open(scattered)))
            .route(
                "/empty.m3u8",
                get(async || "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"),
            )
            .route("/page.html", get(async || "<html>"))
            .route("/gone.m3u8", get(async || StatusCode::GONE))
            .route(
                "/away",
                get(async || Redirect::to("http://localhost:9/x.m3u8")),
            );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    #[tokio::test]
    async fn what_can_be_played_is_let_through_with_a_word_about_its_limits() {
        let url = somebody("").await;
        let fine = look(&format!("{url}/media.m3u8")).await.unwrap();
        assert!(fine.notes.is_empty(), "{fine:?}");
        assert!(fine.place.media_origins.is_empty(), "{fine:?}");
        let closed = look(&format!("{url}/closed.m3u8")).await.unwrap();
        assert!(
            closed.notes[0].contains("Access-Control-Allow-Origin"),
            "{closed:?}"
        );
        assert_eq!(closed.notes.len(), 1, "said once");
    }

    #[tokio::test]
    async fn all_places_of_a_scattered_stream_are_found() {
        let other = somebody("").await;
        let url = somebody(&other).await;
        let found = look(&format!("{url}/scattered.m3u8")).await.unwrap();
        let places = ["http://media.example:81".to_owned(), other];
        let expected: BTreeSet<&String> = places.iter().collect();
        assert!(found.place.media_origins.iter().eq(expected), "{found:?}");
        assert!(found.notes[0].contains("410 Gone"), "{found:?}");
    }

    #[tokio::test]
    async fn what_cannot_be_played_is_refused_with_the_reason() {
        let url = somebody("").await;
        for (path, reason) in [
            ("/page.html", "no HLS playlist"),
            ("/empty.m3u8", "nothing to play"),
            ("/gone.m3u8", "410 Gone"),
            ("/missing.m3u8", "404 Not Found"),
            ("/away", "cannot reach"),
        ] {
            let error = look(&format!("{url}{path}")).await.unwrap_err();
            assert!(format!("{error:#}").contains(reason), "{path}: {error:#}");
        }
        for (text, reason) in [("movie.mp4", "no URL"), ("ftp://a.example/b", "not by ftp")] {
            let error = look(text).await.unwrap_err();
            assert!(format!("{error:#}").contains(reason), "{text}: {error:#}");
        }
    }
}
