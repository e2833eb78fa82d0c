//! Nobody gets a byte without a ticket that is his own, genuine and in time (T4).

use runnel_protocol::codec::encode_framed;
use runnel_protocol::ids::{ContentId, PublicKey};
use runnel_protocol::peer::{CloseReason, Control, Hello, Request, RequestId};
use runnel_protocol::segment::{SegmentKey, TrackAttributes};
use runnel_protocol::signature::Signature;
use runnel_protocol::signing::KeyPair;
use runnel_protocol::units::UnixSeconds;

use crate::lone_agent;
use crate::viewer::Viewer;

const SEED: u8 = 5;

fn key() -> PublicKey {
    KeyPair::from_seed(&[SEED; 32]).public()
}

fn any_request() -> Control {
    let segment = SegmentKey {
        content: ContentId::of("show"),
        track: TrackAttributes::ALONE.id(),
        generation: 0,
        sequence: 0,
        range: None,
    };
    Control::Request(Request {
        id: RequestId(1),
        segment,
        first: 0,
        count: 1,
        within_ms: 1000,
    })
}

#[tokio::test]
async fn with_a_ticket_of_ones_own_the_door_opens() {
    let (coordinator, agent, _home) = lone_agent().await;
    let ticket = coordinator.ticket(agent.peer, key(), |_| {});
    Viewer::welcome(&agent.hello, SEED, ticket).await;
}

#[tokio::test]
async fn without_a_ticket_nothing_is_answered() {
    let (_coordinator, agent, _home) = lone_agent().await;
    let mut empty = Viewer::dial(&agent.hello, SEED).await;
    let hello = Control::Hello(Hello {
        key: key(),
        tickets: Vec::new(),
        signature: Signature([0; 64]),
    });
    empty.say(&hello).await;
    assert!(empty.turned_away().await.is_some());

    let mut impatient = Viewer::dial(&agent.hello, SEED).await;
    impatient.say(&any_request()).await;
    assert!(impatient.turned_away().await.is_some());
}

#[tokio::test]
async fn whoever_says_nothing_is_shown_out() {
    let (_coordinator, agent, _home) = lone_agent().await;
    let mut silent = Viewer::dial(&agent.hello, SEED).await;
    assert!(silent.turned_away().await.is_some());
}

#[tokio::test]
async fn a_forged_ticket_is_refused() {
    let (coordinator, agent, _home) = lone_agent().await;
    let genuine = coordinator.ticket(agent.peer, key(), |_| {});
    let signed_by_another = KeyPair::from_seed(&[66; 32]).sign(genuine.body.clone());
    let mut stretched = genuine.clone();
    stretched.body.bytes = u64::MAX;
    let mut claimed = signed_by_another.clone();
    claimed.key = genuine.key;
    for forged in [signed_by_another, stretched, claimed] {
        let mut viewer = Viewer::present(&agent.hello, SEED, forged).await;
        assert_eq!(viewer.turned_away().await, Some(CloseReason::Unauthorised));
    }
}

#[tokio::test]
async fn an_expired_ticket_is_refused() {
    let (coordinator, agent, _home) = lone_agent().await;
    let late = coordinator.ticket(agent.peer, key(), |ticket| {
        ticket.establish_before = UnixSeconds(1);
    });
    let over = coordinator.ticket(agent.peer, key(), |ticket| {
        ticket.not_after = UnixSeconds(1);
    });
    for expired in [late, over] {
        let mut viewer = Viewer::present(&agent.hello, SEED, expired).await;
        assert_eq!(viewer.turned_away().await, Some(CloseReason::Unauthorised));
    }
}

#[tokio::test]
async fn another_viewers_ticket_is_refused() {
    let (coordinator, agent, _home) = lone_agent().await;
    let anothers = KeyPair::from_seed(&[SEED + 1; 32]).public();
    let foreign = coordinator.ticket(agent.peer, anothers, |_| {});
    let mut thief = Viewer::present(&agent.hello, SEED, foreign).await;
    assert_eq!(thief.turned_away().await, Some(CloseReason::Unauthorised));

    let for_another_agent = coordinator.ticket(agent.peer, key(), |ticket| {
        ticket.server = KeyPair::from_seed(&[77; 32]).public();
    });
    let mut lost = Viewer::present(&agent.hello, SEED, for_another_agent).await;
    assert_eq!(lost.turned_away().await, Some(CloseReason::Unauthorised));
}

#[tokio::test]
async fn a_stolen_ticket_is_worth_nothing_without_its_key() {
    let (coordinator, agent, _home) = lone_agent().await;
    let ticket = coordinator.ticket(agent.peer, key(), |_| {});
    let mut thief = Viewer::dial(&agent.hello, SEED).await;
    assert!(matches!(thief.hear().await, Some(Control::Challenge(_))));
    let hello = Hello {
        key: key(),
        tickets: vec![ticket],
        signature: Signature([1; 64]),
    };
    thief.say_raw(&encode_framed(&Control::Hello(hello))).await;
    assert_eq!(thief.turned_away().await, Some(CloseReason::Unauthorised));
}
