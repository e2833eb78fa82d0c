//! The operator's door.

use reqwest::StatusCode;
use runnel_coordinator::Settings;
use serde_json::{Value, json};

use crate::client::{House, house, house_with, http};

/// The ids of the registered contents, in order.
async fn contents(house: &House) -> Vec<String> {
    let list = house.json("/v1/contents").await;
    let id = |content: &Value| content["name"].as_str().unwrap().to_owned();
    let mut ids: Vec<String> = list.as_array().unwrap().iter().map(id).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn contents_are_registered_listed_and_removed() {
    let house = house().await;
    let film = json!({ "id": "film", "provider": "demo", "url": "https://cdn.example/film.m3u8" });
    assert_eq!(house.register(film).await.status(), StatusCode::CREATED);
    assert_eq!(contents(&house).await, ["film", "live"]);
    let removal = http().delete(house.url("/v1/contents/film")).send();
    assert_eq!(removal.await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(contents(&house).await, ["live"]);
    house.server.stop().await;
}

#[tokio::test]
async fn an_internal_origin_is_refused_in_words() {
    let careful = |settings: &mut Settings| {
        settings.allow_private_origins = false;
        settings.content.clear();
    };
    let house = house_with(careful).await;
    let inside = json!({ "id": "x", "url": "http://169.254.169.254/latest/meta-data" });
    let answer = house.register(inside).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(answer.text().await.unwrap().contains("link-local"));
    house.server.stop().await;
}

#[tokio::test]
async fn with_a_token_nobody_changes_anything_without_it() {
    let token = "a long enough token";
    let house = house_with(|settings| settings.admin_token = Some(token.to_owned())).await;
    let request = || {
        http()
            .post(house.url("/v1/enrolments"))
            .json(&json!({ "contents": ["live"] }))
    };
    let without = request().send().await.unwrap();
    assert_eq!(without.status(), StatusCode::FORBIDDEN);
    let wrong = request()
        .bearer_auth("another token here")
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), StatusCode::FORBIDDEN);
    let right = request().bearer_auth(token).send().await.unwrap();
    assert_eq!(right.status(), StatusCode::CREATED);
    let peers = house.get("/v1/peers").await;
    assert_eq!(peers.status(), StatusCode::FORBIDDEN);
    let policies = http()
        .put(house.url("/v1/policies/p"))
        .send()
        .await
        .unwrap();
    assert_eq!(policies.status(), StatusCode::FORBIDDEN);
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
    assert!(!allows("/v1/policies").await);
    house.server.stop().await;
}

#[tokio::test]
async fn the_api_describes_itself() {
    let house = house().await;
    let api = house.json("/v1/openapi.json").await;
    for path in [
        "/v1/explain",
        "/v1/peers",
        "/v1/contents",
        "/v1/enrolments",
        "/v1/policies",
        "/v1/policies/{name}",
        "/healthz",
    ] {
        assert!(api["paths"][path].is_object(), "{path}");
    }
    assert_eq!(house.json("/healthz").await["status"], "ok");
    house.server.stop().await;
}
