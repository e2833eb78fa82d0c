//! Somebody's stream, looked at as a waypoint and a page on another site will see it, before
//! anything is started for it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ORIGIN};
use reqwest::{Client, Response};
use runnel_peer_native::waypoint::playlist::Playlist;
use url::Url;

/// Time for a playlist from the other end of the world.
const PATIENCE: Duration = Duration::from_secs(15);
/// A page's site, as its browser would name it.
const SITE: &str = "http://127.0.0.1";

/// Reads the playlist at `url`. Returns what its viewers have to be told, if anything.
///
/// # Errors
/// When nothing can be played from there; the message says why.
pub async fn look(url: &str) -> Result<Vec<String>> {
    let url = address(url)?;
    let response = ask(&url).await?;
    let closed = (!is_open(&response)).then(|| {
        format!(
            "{} lets no page of another site read it (Access-Control-Allow-Origin): no page of \
             ours will play it.",
            place(&url)
        )
    });
    let base = response.url().clone();
    let bytes = response.bytes().await;
    let bytes = bytes.with_context(|| format!("{url} does not come"))?;
    let playlist = Playlist::parse(&bytes, &base);
    let playlist = playlist.with_context(|| format!("{url} is no HLS playlist"))?;
    Ok(closed
        .into_iter()
        .chain(elsewhere(&playlist, &url)?)
        .collect())
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

/// A waypoint fetches from the origin of the content's URL alone.
fn elsewhere(playlist: &Playlist, granted: &Url) -> Result<Option<String>> {
    let places: BTreeSet<String> = match playlist {
        Playlist::Master(tracks) => tracks.values().map(place).collect(),
        Playlist::Media(media) => media.segments.iter().map(|one| place(&one.url)).collect(),
    };
    ensure!(!places.is_empty(), "{granted} names nothing to play");
    let granted = place(granted);
    let others: Vec<String> = places.into_iter().filter(|one| *one != granted).collect();
    Ok((!others.is_empty()).then(|| {
        format!(
            "The waypoint fetches from {granted} alone. What lies at {} comes from there, by no \
             peer.",
            others.join(", ")
        )
    }))
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

    const MASTER: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=800000\nhttp://elsewhere.example/low.m3u8\n\
                          #EXT-X-STREAM-INF:BANDWIDTH=1600000\nhigh.m3u8\n";
    const MEDIA: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\na.ts\n";

    async fn somebody() -> String {
        let open = |text: &'static str| ([(ACCESS_CONTROL_ALLOW_ORIGIN, "*")], text);
        let router = Router::new()
            .route("/media.m3u8", get(async move || open(MEDIA)))
            .route("/closed.m3u8", get(async || MEDIA))
            .route("/scattered.m3u8", get(async move || open(MASTER)))
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
        let url = somebody().await;
        let none: Vec<String> = Vec::new();
        assert_eq!(look(&format!("{url}/media.m3u8")).await.unwrap(), none);
        let closed = look(&format!("{url}/closed.m3u8")).await.unwrap();
        assert!(
            closed[0].contains("Access-Control-Allow-Origin"),
            "{closed:?}"
        );
        let scattered = look(&format!("{url}/scattered.m3u8")).await.unwrap();
        assert!(
            scattered[0].contains("http://elsewhere.example"),
            "{scattered:?}"
        );
    }

    #[tokio::test]
    async fn what_cannot_be_played_is_refused_with_the_reason() {
        let url = somebody().await;
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
