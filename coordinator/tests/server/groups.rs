//! Groups over the API and the door: an invitation lets in whoever has it, as long as it is good, and what is kept
//! survives a restart.

use reqwest::StatusCode;
use runnel_coordinator::Server;
use runnel_protocol::control::{FromCoordinator, ToCoordinator};
use runnel_protocol::group::{GroupNews, GroupRequest, Invitation, Strangers};
use serde_json::{Value, json};

use crate::client::{Client, House, house, http, settings};

async fn put(house: &House, id: &str, group: Value) -> reqwest::Response {
    let request = http().put(house.url(&format!("/v1/groups/{id}")));
    request.json(&group).send().await.unwrap()
}

async fn invite(house: &House, id: &str, terms: Value) -> (Invitation, String) {
    let request = http().post(house.url(&format!("/v1/groups/{id}/invitations")));
    let answer = request.json(&terms).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    let answer: Value = answer.json().await.unwrap();
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    (text("invitation").parse().unwrap(), text("hash"))
}

async fn news(client: &mut Client) -> GroupNews {
    let news = client.await_message(|message| match message {
        FromCoordinator::Group(news) => Some(news),
        _ => None,
    });
    news.await
}

async fn ask(client: &mut Client, request: GroupRequest) -> GroupNews {
    client.send(&ToCoordinator::Group(request)).await;
    news(client).await
}

async fn restart(house: House) -> House {
    let House { server, folder } = house;
    server.stop().await;
    let server = Server::start(settings(&folder)).await.unwrap();
    House { server, folder }
}

#[tokio::test]
async fn an_invitation_is_good_for_as_long_and_as_many_as_it_says() {
    let house = house().await;
    let film = json!({ "name": "Friday film", "strangers": "last" });
    assert!(put(&house, "film", film).await.status().is_success());
    let (once, _) = invite(&house, "film", json!({ "uses": 1 })).await;
    let (past, _) = invite(&house, "film", json!({ "life_seconds": 0 })).await;
    let (mut ann, _) = Client::viewer(&house).await;
    let (mut thief, _) = Client::viewer(&house).await;
    let joined = ask(&mut ann, GroupRequest::Join(once)).await;
    let GroupNews::Joined {
        name,
        strangers,
        invitation,
        ..
    } = joined
    else {
        panic!("{joined:?}");
    };
    assert_eq!(
        (&*name, strangers, invitation),
        ("Friday film", Strangers::Last, None)
    );
    let mut refusals = Vec::new();
    for tried in [once, past, Invitation([7; 16])] {
        refusals.push(ask(&mut thief, GroupRequest::Join(tried)).await);
    }
    let used_up = &refusals[0];
    assert!(matches!(used_up, GroupNews::Refused(_)), "{used_up:?}");
    assert!(
        refusals.iter().all(|one| one == used_up),
        "nobody learns which: {refusals:?}"
    );
    house.server.stop().await;
}

#[tokio::test]
async fn who_came_by_an_invitation_that_is_withdrawn_is_told_and_out() {
    let house = house().await;
    let group = json!({ "name": "Fans", "strangers": "no" });
    assert!(put(&house, "fans", group).await.status().is_success());
    let (invitation, hash) = invite(&house, "fans", json!({})).await;
    let (mut fan, _) = Client::viewer(&house).await;
    ask(&mut fan, GroupRequest::Join(invitation)).await;
    let listed = house.json("/v1/groups").await;
    assert_eq!(
        (&listed[0]["members"], &listed[0]["invitations"][0]["hash"]),
        (&json!(1), &json!(hash))
    );
    assert!(
        !listed.to_string().contains(&invitation.text()),
        "it is shown once"
    );
    let path = format!("/v1/groups/fans/invitations/{hash}");
    let withdrawn = http().delete(house.url(&path)).send().await.unwrap();
    assert_eq!(withdrawn.status(), StatusCode::NO_CONTENT);
    assert!(matches!(news(&mut fan).await, GroupNews::Left { .. }));
    let house = restart(house).await;
    let (mut again, _) = Client::viewer(&house).await;
    let refused = ask(&mut again, GroupRequest::Join(invitation)).await;
    assert!(matches!(refused, GroupNews::Refused(_)), "{refused:?}");
    house.server.stop().await;
}

#[tokio::test]
async fn a_group_that_a_viewer_made_is_there_after_a_restart() {
    let house = house().await;
    let (mut founder, _) = Client::viewer(&house).await;
    let found = GroupRequest::Found {
        name: "ours".to_owned(),
        strangers: Strangers::No,
    };
    let made = ask(&mut founder, found).await;
    let GroupNews::Joined {
        invitation: Some(invitation),
        ..
    } = made
    else {
        panic!("{made:?}");
    };
    let house = restart(house).await;
    let (mut friend, _) = Client::viewer(&house).await;
    let joined = ask(&mut friend, GroupRequest::Join(invitation)).await;
    assert!(matches!(joined, GroupNews::Joined { .. }), "{joined:?}");
    assert_eq!(house.json("/v1/groups").await[0]["founded"], true);
    house.server.stop().await;
}

#[tokio::test]
async fn everybody_from_an_address_belongs_to_a_group_while_it_is_listed() {
    let house = house().await;
    let (mut viewer, _) = Client::viewer(&house).await;
    let office = json!({ "name": "Office", "ranges": ["127.0.0.0/8"] });
    assert!(
        put(&house, "office", office.clone())
            .await
            .status()
            .is_success()
    );
    assert!(matches!(news(&mut viewer).await, GroupNews::Joined { .. }));
    let house = restart(house).await;
    let (mut viewer, _) = Client::viewer(&house).await;
    assert!(matches!(news(&mut viewer).await, GroupNews::Joined { .. }));
    let ended = http()
        .delete(house.url("/v1/groups/office"))
        .send()
        .await
        .unwrap();
    assert_eq!(ended.status(), StatusCode::NO_CONTENT);
    assert!(matches!(news(&mut viewer).await, GroupNews::Left { .. }));
    let gone = http()
        .delete(house.url("/v1/groups/office"))
        .send()
        .await
        .unwrap();
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    house.server.stop().await;
}

#[tokio::test]
async fn what_is_no_group_is_refused_in_words() {
    let house = house().await;
    for (id, group, words) in [
        ("Film", json!({ "name": "x" }), "a to z"),
        ("film", json!({ "name": " " }), "name"),
        (
            "film",
            json!({ "name": "x", "contacts": [{ "provider": "demo", "is": "ann" }] }),
            "b3sum",
        ),
    ] {
        let refused = put(&house, id, group).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
        let said = refused.text().await.unwrap();
        assert!(said.contains(words), "{said}");
    }
    let nobody = http().post(house.url("/v1/groups/film/invitations"));
    let nobody = nobody.json(&json!({})).send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::NOT_FOUND);
    assert_eq!(house.json("/v1/groups").await, json!([]));
    house.server.stop().await;
}
