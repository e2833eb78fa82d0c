//! What survives a restart, and one-time codes.

use runnel_coordinator::{Server, Store, new_code};
use runnel_protocol::control::{Enrol, FromCoordinator, ToCoordinator};
use runnel_protocol::ids::{ContentId, PublicKey};
use runnel_protocol::manifest::StreamKeyCertificate;
use runnel_protocol::signature::Signed;
use serde_json::json;

use crate::client::{Client, House, house, settings};

pub(crate) async fn enrol(
    client: &mut Client,
    code: Option<&str>,
) -> Result<Signed<StreamKeyCertificate>, String> {
    let enrol = Enrol {
        code: code.map(str::to_owned),
        stream_key: PublicKey([9; 32]),
    };
    client.send(&ToCoordinator::Enrol(enrol)).await;
    let answer = client.await_message(|message| match message {
        FromCoordinator::Certificate(signed) => Some(Ok(signed)),
        FromCoordinator::Refused(refused) => Some(Err(refused.why)),
        _ => None,
    });
    answer.await
}

pub(crate) fn code(house: &House) -> String {
    let code = new_code().unwrap();
    let store = Store::open(house.folder.path()).unwrap();
    store.add_code(&code, &["live".to_owned()], 60).unwrap();
    code
}

#[tokio::test]
async fn a_code_enrols_one_waypoint_once() {
    let house = house().await;
    let code = code(&house);
    let (mut waypoint, welcome) = Client::agent(&house).await;
    let signed = enrol(&mut waypoint, Some(&code)).await.unwrap();
    assert!(signed.is_by(&welcome.root_key));
    assert_eq!(signed.body.contents, [ContentId::of("live")]);
    assert_eq!(signed.body.origins, ["http://127.0.0.1:9"]);
    assert!(signed.body.covers(ContentId::of("live"), welcome.now));

    let (mut thief, _) = Client::agent(&house).await;
    let refused = enrol(&mut thief, Some(&code)).await.unwrap_err();
    assert!(refused.contains("used"), "{refused}");
    assert!(
        enrol(&mut thief, None).await.is_err(),
        "no renewal without enrolment"
    );
    assert!(
        enrol(&mut waypoint, None).await.is_ok(),
        "renewal needs no code"
    );
    assert!(
        enrol(&mut waypoint, Some(&code)).await.is_ok(),
        "nor does its own spent one hurt"
    );
    house.server.stop().await;
}

#[tokio::test]
async fn an_expired_code_enrols_nobody() {
    let house = house().await;
    let code = new_code().unwrap();
    let store = Store::open(house.folder.path()).unwrap();
    store.add_code(&code, &["live".to_owned()], 0).unwrap();
    let (mut late, _) = Client::agent(&house).await;
    assert!(enrol(&mut late, Some(&code)).await.is_err());
    house.server.stop().await;
}

#[tokio::test]
async fn a_content_that_moves_is_certified_for_all_its_places() {
    let house = house().await;
    let (mut waypoint, _) = Client::agent(&house).await;
    enrol(&mut waypoint, Some(&code(&house))).await.unwrap();
    let moved = json!({
        "id": "live", "url": "https://cdn.example/live.m3u8",
        "media_origins": ["https://media.example"],
    });
    assert!(house.register(moved).await.status().is_success());
    let certificate = waypoint.await_message(|message| match message {
        FromCoordinator::Certificate(signed) => Some(signed),
        _ => None,
    });
    let origins = certificate.await.body.origins;
    assert_eq!(origins, ["https://cdn.example", "https://media.example"]);
    house.server.stop().await;
}

#[tokio::test]
async fn keys_contents_and_waypoints_survive_a_restart() {
    let house = house().await;
    let code = code(&house);
    let (mut waypoint, before) = Client::agent(&house).await;
    let certificate = enrol(&mut waypoint, Some(&code)).await.unwrap();
    let film = json!({
        "id": "film", "url": "https://cdn.example/film.m3u8",
        "media_origins": ["https://media.example"],
    });
    assert!(house.register(film).await.status().is_success());

    let House { server, folder } = house;
    server.stop().await;
    let gone = waypoint.closed().await.unwrap();
    assert_eq!(gone.reason.as_str(), "going down");
    let server = Server::start(settings(&folder)).await.unwrap();
    let house = House { server, folder };

    let list = house.json("/v1/contents").await;
    assert_eq!(list.as_array().unwrap().len(), 2);
    let (mut viewer, after) = Client::viewer(&house).await;
    assert_eq!(after.root_key, before.root_key);
    assert_eq!(after.ticket_keys, before.ticket_keys);
    viewer.open("live").await;
    // The waypoint is known without a code, and its certificate is the one it had.
    waypoint.reconnect(&house).await;
    let again = enrol(&mut waypoint, None).await.unwrap();
    assert_eq!(again, certificate);
    let assign = viewer.await_message(|message| match message {
        FromCoordinator::Assign(assign) => Some(assign),
        _ => None,
    });
    let assign = assign.await;
    assert_eq!(assign.stream_keys, [certificate]);
    assert_eq!(assign.parents[0].contact.peer, before.peer);
    house.server.stop().await;
}
