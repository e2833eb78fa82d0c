//! Bytes that no honest peer sends: refused at the door, and nobody else notices (T15).

use runnel_protocol::codec::{MAX_MESSAGE, encode_framed};
use runnel_protocol::peer::{CloseReason, Control, RequestId};
use runnel_protocol::signing::KeyPair;

use crate::coordinator::Coordinator;
use crate::viewer::Viewer;
use crate::{Running, lone_agent, within};

async fn guest(coordinator: &Coordinator, agent: &Running, seed: u8) -> Viewer {
    let key = KeyPair::from_seed(&[seed; 32]).public();
    let ticket = coordinator.ticket(agent.peer, key, |_| {});
    Viewer::welcome(&agent.hello, seed, ticket).await
}

#[tokio::test]
async fn media_of_strangers_is_not_even_read() {
    let (_coordinator, agent, _home) = lone_agent().await;
    let mut stranger = Viewer::dial(&agent.hello, 40).await;
    let mut stream = within(stranger.session.open_uni()).await.unwrap();
    stream.write_all(&u32::MAX.to_le_bytes()).await.unwrap();
    assert!(matches!(stranger.hear().await, Some(Control::Challenge(_))));
    assert_eq!(stranger.closed().await, Some(CloseReason::Idle));
}

/// Whether a link still carries messages: what nobody has is declined, in so many words.
async fn is_undisturbed(viewer: &mut Viewer) -> bool {
    viewer.say(&Control::Cancel(RequestId(99))).await;
    viewer.say(&crate::delivery::unknown_request()).await;
    matches!(viewer.hear().await, Some(Control::Decline { .. }))
}

#[tokio::test]
async fn malformed_messages_end_the_link_that_carried_them_and_no_other() {
    let (coordinator, agent, _home) = lone_agent().await;
    let mut honest = guest(&coordinator, &agent, 1).await;
    let oversized = u32::try_from(MAX_MESSAGE + 1)
        .unwrap()
        .to_le_bytes()
        .to_vec();
    let nonsense = encode_framed(&vec![0xff_u8; 40]).to_vec();
    let trailing = {
        let mut bytes = encode_framed(&(Control::Drain, 7_u8)).to_vec();
        bytes.push(0);
        bytes
    };
    for (seed, bytes) in [oversized, nonsense, trailing].into_iter().enumerate() {
        let seed = u8::try_from(seed).unwrap() + 10;
        let mut hostile = guest(&coordinator, &agent, seed).await;
        hostile.say_raw(&bytes).await;
        assert_eq!(hostile.closed().await, Some(CloseReason::Malformed));
    }
    assert!(is_undisturbed(&mut honest).await);
}

#[tokio::test]
async fn malformed_media_ends_the_link_that_carried_it_and_no_other() {
    let (coordinator, agent, _home) = lone_agent().await;
    let mut honest = guest(&coordinator, &agent, 1).await;
    let endless_header = u32::MAX.to_le_bytes().to_vec();
    let nonsense = encode_framed(&vec![0xff_u8; 200]).to_vec();
    for (seed, bytes) in [endless_header, nonsense].into_iter().enumerate() {
        let seed = u8::try_from(seed).unwrap() + 20;
        let hostile = guest(&coordinator, &agent, seed).await;
        let mut stream = within(hostile.session.open_uni()).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        assert_eq!(hostile.closed().await, Some(CloseReason::Malformed));
    }
    assert!(is_undisturbed(&mut honest).await);
}

#[tokio::test]
async fn more_streams_than_agreed_are_not_opened() {
    let (coordinator, agent, _home) = lone_agent().await;
    let mut greedy = guest(&coordinator, &agent, 30).await;
    let mut open = Vec::new();
    let opening = async {
        loop {
            let mut stream = greedy.session.open_uni().await.unwrap();
            stream.write_all(&[0]).await.unwrap();
            open.push(stream);
        }
    };
    let patience = std::time::Duration::from_millis(500);
    assert!(tokio::time::timeout(patience, opening).await.is_err());
    assert!((1..=67).contains(&open.len()), "{}", open.len());
    assert!(is_undisturbed(&mut greedy).await);
}
