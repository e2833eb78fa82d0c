//! The operator's door.

use reqwest::StatusCode;
use runnel_coordinator::Server;
use serde_json::{Value, json};

use crate::client::{House, house, http, settings};

#[tokio::test]
async fn contents_are_registered_listed_and_removed() {
    let house = house().await;
    let web = http();
    let film = json!({ "id": "film", "provider": "demo", "url": "https://cdn.example/film.m3u8" });
    let made = web
        .post(house.url("/v1/contents"))
        .json(&film)
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), StatusCode::CREATED);
    let names = |list: Value| -> Vec<String> {
        let contents = list.as_array().unwrap().iter();
        contents
            .map(|content| content["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let list = http()
        .get(house.url("/v1/contents"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let mut found = names(list);
    found.sort();
    assert_eq!(found, ["film", "live"]);
    let gone = web
        .delete(house.url("/v1/contents/film"))
        .send()
        .await
        .unwrap();
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    let list = http()
        .get(house.url("/v1/contents"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(names(list), ["live"]);
    house.server.stop().await;
}

#[tokio::test]
async fn an_internal_origin_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let mut careful = settings(&folder);
    careful.allow_private_origins = false;
    careful.content.clear();
    let server = Server::start(careful).await.unwrap();
    let house = House { server, folder };
    let inside = json!({ "id": "x", "url": "http://169.254.169.254/latest/meta-data" });
    let answer = http()
        .post(house.url("/v1/contents"))
        .json(&inside)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(answer.text().await.unwrap().contains("link-local"));
    house.server.stop().await;
}

#[tokio::test]
async fn with_a_token_nobody_changes_anything_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut strict = settings(&folder);
    strict.admin_token = Some("a long enough token".to_owned());
    let server = Server::start(strict).await.unwrap();
    let house = House { server, folder };
    let web = http();
    let request = || {
        web.post(house.url("/v1/enrolments"))
            .json(&json!({ "contents": ["live"] }))
    };
    assert_eq!(
        request().send().await.unwrap().status(),
        StatusCode::FORBIDDEN
    );
    let wrong = request()
        .bearer_auth("another token here")
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), StatusCode::FORBIDDEN);
    let right = request()
        .bearer_auth("a long enough token")
        .send()
        .await
        .unwrap();
    assert_eq!(right.status(), StatusCode::CREATED);
    assert_eq!(
        http()
            .get(house.url("/v1/peers"))
            .send()
            .await
            .unwrap()
            .status(),
        StatusCode::FORBIDDEN
    );
    house.server.stop().await;
}

#[tokio::test]
async fn pages_may_read_explanations_and_nothing_of_the_operators() {
    let house = house().await;
    let web = http();
    let allows = |path: &'static str| {
        let request = web
            .get(house.url(path))
            .header("origin", "https://site.example");
        async move {
            let answer = request.send().await.unwrap();
            answer.headers().contains_key("access-control-allow-origin")
        }
    };
    assert!(allows("/").await);
    assert!(allows("/v1/explain?peer=00000000000000000000000000000000").await);
    assert!(!allows("/v1/peers").await);
    assert!(!allows("/v1/contents").await);
    house.server.stop().await;
}

#[tokio::test]
async fn the_api_describes_itself() {
    let house = house().await;
    let api: Value = http()
        .get(house.url("/v1/openapi.json"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    for path in [
        "/v1/explain",
        "/v1/peers",
        "/v1/contents",
        "/v1/enrolments",
        "/healthz",
    ] {
        assert!(api["paths"][path].is_object(), "{path}");
    }
    let health: Value = http()
        .get(house.url("/healthz"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(health["status"], "ok");
    house.server.stop().await;
}
