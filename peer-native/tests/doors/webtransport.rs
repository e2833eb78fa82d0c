//! The browser's door, behind the same port.

use runnel_protocol::codec::FrameDecoder;
use runnel_protocol::control::ClientHello;
use runnel_protocol::peer::Control;
use web_transport_quinn::{ClientBuilder, ClientError, Session};

use crate::{lone_agent, within};

async fn connect(agent: &ClientHello, path: &str) -> Result<Session, ClientError> {
    let hashes = agent.certificates.iter().map(|hash| hash.0.to_vec());
    let client = ClientBuilder::new()
        .with_server_certificate_hashes(hashes.collect())
        .unwrap();
    let url = format!("https://{}{path}", agent.endpoints[0]);
    let url: url::Url = url.parse().unwrap();
    within(client.connect(url)).await
}

#[tokio::test]
async fn a_browser_is_challenged_on_a_stream_that_the_agent_opens() {
    let (_coordinator, agent, _home) = lone_agent().await;
    let session = connect(&agent.hello, "/runnel/1").await.unwrap();
    let (_send, mut receive) = within(session.accept_bi()).await.unwrap();
    let mut decoder = FrameDecoder::default();
    let challenge = loop {
        if let Some(message) = decoder.poll::<Control>().unwrap() {
            break message;
        }
        let chunk = within(receive.read_chunk(1024, true)).await;
        decoder.push(&chunk.unwrap().unwrap().bytes);
    };
    let Control::Challenge(challenge) = challenge else {
        panic!("not a challenge: {challenge:?}");
    };
    assert_eq!(challenge.key, agent.hello.key);
}

#[tokio::test]
async fn another_path_leads_nowhere() {
    let (_coordinator, agent, _home) = lone_agent().await;
    assert!(connect(&agent.hello, "/").await.is_err());
    assert!(connect(&agent.hello, "/runnel/2").await.is_err());
}
