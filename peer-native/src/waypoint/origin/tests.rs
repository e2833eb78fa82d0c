use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// An origin that answers every request with the same bytes, on loopback.
async fn answering(answer: String) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let read = stream.read(&mut request).await.unwrap_or(0);
                let text = String::from_utf8_lossy(&request[..read]);
                let conditional = ["if-none-match: \"one\"", "if-modified-since: Sun"];
                let answer = if conditional.iter().any(|one| text.contains(one)) {
                    "HTTP/1.1 304 Not Modified\r\n\r\n".to_owned()
                } else {
                    answer
                };
                stream.write_all(answer.as_bytes()).await.ok();
            });
        }
    });
    Url::parse(&format!("http://{address}/live/index.m3u8")).unwrap()
}

fn origin(private: PrivateOrigins) -> Origin {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    Origin::new(private).unwrap()
}

fn ok(headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n{headers}connection: close\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn a_playlist_that_did_not_change_is_not_sent_again() {
    let url = answering(ok("etag: \"one\"\r\n", "#EXTM3U")).await;
    let granted = Granted::new(&url, &[]);
    let origin = origin(PrivateOrigins::Allowed);
    let fresh = Validators::default();
    let first = origin.playlist(&url, &granted, &fresh).await.unwrap();
    let first = first.unwrap();
    assert_eq!(first.bytes, "#EXTM3U");
    let again = origin.playlist(&url, &granted, &first.validators).await;
    assert!(again.unwrap().is_none());
}

#[tokio::test]
async fn a_playlist_of_this_very_second_is_asked_for_again() {
    const CHANGED: &str = "last-modified: Sun, 22 Nov 2026 12:00:00 GMT\r\n";
    let origin = origin(PrivateOrigins::Allowed);
    let same = "date: Sun, 22 Nov 2026 12:00:00 GMT\r\n";
    let later = "date: Sun, 22 Nov 2026 12:00:01 GMT\r\n";
    for (date, is_sent_again) in [(same, true), (later, false)] {
        let url = answering(ok(&format!("{CHANGED}{date}"), "#EXTM3U")).await;
        let granted = Granted::new(&url, &[]);
        let fresh = Validators::default();
        let first = origin.playlist(&url, &granted, &fresh).await.unwrap();
        let known = first.unwrap().validators;
        let again = origin.playlist(&url, &granted, &known).await.unwrap();
        assert_eq!(again.is_some(), is_sent_again);
    }
}

#[tokio::test]
async fn private_addresses_are_refused_unless_the_operator_names_them() {
    let url = answering(ok("", "media")).await;
    let granted = Granted::new(&url, &[]);
    let strict = origin(PrivateOrigins::Only(Vec::new()));
    let refused = strict.segment(&url, None, &granted).await;
    assert!(matches!(refused, Err(OriginError::Private(_))));

    let named = origin(PrivateOrigins::Only(vec!["127.0.0.1".to_owned()]));
    assert_eq!(named.segment(&url, None, &granted).await.unwrap(), "media");

    let by_name = Url::parse(&format!("http://localhost:{}/", url.port().unwrap())).unwrap();
    let refused = strict
        .segment(&by_name, None, &Granted::new(&by_name, &[]))
        .await;
    assert!(matches!(refused, Err(OriginError::Http(_))));
}

#[tokio::test]
async fn nothing_but_the_granted_place_is_fetched() {
    let url = answering(ok("", "secret")).await;
    let other = answering(ok("", "secret")).await;
    let granted = Granted::new(&url, &[]);
    let origin = origin(PrivateOrigins::Allowed);
    for stranger in [other.as_str(), "file:///etc/passwd", "https://127.0.0.1/"] {
        let stranger = Url::parse(stranger).unwrap();
        let refused = origin.segment(&stranger, None, &granted).await;
        assert!(
            matches!(refused, Err(OriginError::NotGranted(_))),
            "{stranger}"
        );
    }
    let certified = Granted::new(&url, &[other.origin().ascii_serialization()]);
    assert!(origin.segment(&other, None, &certified).await.is_ok());
}

#[tokio::test]
async fn a_redirect_to_another_place_is_refused() {
    let target = answering(ok("", "secret")).await;
    let location = format!("HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
    let url = answering(location).await;
    let granted = Granted::new(&url, &[target.origin().ascii_serialization()]);
    let origin = origin(PrivateOrigins::Allowed);
    let refused = origin.segment(&url, None, &granted).await;
    assert!(matches!(refused, Err(OriginError::Http(error)) if error.is_redirect()));
}

#[tokio::test]
async fn bodies_end_at_their_cap() {
    let announced = answering(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
        MAX_SEGMENT + 1
    ))
    .await;
    let origin = origin(PrivateOrigins::Allowed);
    let refused = origin
        .segment(&announced, None, &Granted::new(&announced, &[]))
        .await;
    assert!(matches!(refused, Err(OriginError::TooLarge(_))));

    let body = "x".repeat(101);
    let endless = format!("HTTP/1.1 206 Partial Content\r\nconnection: close\r\n\r\n{body}");
    let endless = answering(endless).await;
    let range = ByteRange {
        offset: 0,
        length: 100,
    };
    let granted = Granted::new(&endless, &[]);
    let refused = origin.segment(&endless, Some(range), &granted).await;
    assert!(matches!(refused, Err(OriginError::TooLarge(100))));
}

#[tokio::test]
async fn an_origin_that_ignores_a_range_is_not_attested() {
    let url = answering(ok("", "all of it")).await;
    let range = ByteRange {
        offset: 0,
        length: 3,
    };
    let granted = Granted::new(&url, &[]);
    let origin = origin(PrivateOrigins::Allowed);
    let refused = origin.segment(&url, Some(range), &granted).await;
    assert!(matches!(refused, Err(OriginError::Status(StatusCode::OK))));
}
