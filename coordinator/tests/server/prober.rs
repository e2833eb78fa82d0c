//! What the server finds out by connecting back to agents.

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::crypto::rustls::QuicServerConfig;
use runnel_protocol::control::{FromCoordinator, PeerType, Platform};
use runnel_protocol::ids::CertificateHash;
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::client::{Client, House, house_with};

/// A UDP port that shows a certificate to whoever comes, until it is dropped.
struct Listener {
    endpoint: quinn::Endpoint,
    hash: CertificateHash,
}

impl Listener {
    fn open() -> Self {
        let made = rcgen::generate_simple_self_signed(["runnel".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let hash = ring::digest::digest(&ring::digest::SHA256, &certificate);
        let hash = CertificateHash(hash.as_ref().try_into().unwrap());
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key.into())
            .unwrap();
        tls.alpn_protocols = vec![b"h3".to_vec(), b"runnel/1".to_vec()];
        let config = Arc::new(QuicServerConfig::try_from(tls).unwrap());
        let config = quinn::ServerConfig::with_crypto(config);
        let endpoint = quinn::Endpoint::server(config, ([127, 0, 0, 1], 0).into()).unwrap();
        let door = endpoint.clone();
        tokio::spawn(async move {
            while let Some(visitor) = door.accept().await {
                tokio::spawn(async move {
                    // Why a visitor goes is of no matter here.
                    if let Ok(connection) = visitor.await {
                        connection.closed().await;
                    }
                });
            }
        });
        Self { endpoint, hash }
    }

    fn address(&self) -> SocketAddr {
        self.endpoint.local_addr().unwrap()
    }
}

async fn testing_house() -> House {
    house_with(|settings| settings.probe = true).await
}

/// What an agent that names this is found to be.
async fn verdict(house: &House, place: (SocketAddr, CertificateHash)) -> (PeerType, String) {
    let mut agent = Client::visit(house).await;
    agent.place = place;
    let welcome = agent.introduce(Platform::Native).await;
    assert_eq!(welcome.kind, PeerType::Lightweight, "until it is tested");
    let verdict = agent.await_message(|message| match message {
        FromCoordinator::Type { kind, why, .. } => Some((kind, why)),
        _ => None,
    });
    let verdict = verdict.await;
    let explained = house
        .json(&format!("/v1/explain?peer={}", welcome.peer))
        .await;
    assert_eq!(explained["why"], verdict.1);
    verdict
}

#[tokio::test]
async fn an_agent_at_whose_address_it_answers_is_regular() {
    let house = testing_house().await;
    let listener = Listener::open();
    let (kind, why) = verdict(&house, (listener.address(), listener.hash)).await;
    assert_eq!(kind, PeerType::Regular, "{why}");
    assert!(
        house
            .metric("runnel_probes_total{outcome=\"reached\"}")
            .await
            >= 1.0
    );
    house.server.stop().await;
}

#[tokio::test]
async fn an_agent_behind_a_closed_port_is_lightweight_and_told_which_port_to_open() {
    let house = testing_house().await;
    // A port that is ours, and at which nobody speaks.
    let mute = std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let address = mute.local_addr().unwrap();
    let (kind, why) = verdict(&house, (address, CertificateHash([1; 32]))).await;
    assert_eq!(kind, PeerType::Lightweight);
    assert!(
        why.contains(&format!("{address} over UDP: open that port")),
        "{why}"
    );
    assert!(
        house
            .metric("runnel_probes_total{outcome=\"no_answer\"}")
            .await
            >= 1.0
    );
    house.server.stop().await;
}

#[tokio::test]
async fn an_address_at_which_somebody_else_answers_is_not_the_agents() {
    let house = testing_house().await;
    let listener = Listener::open();
    let (kind, why) = verdict(&house, (listener.address(), CertificateHash([1; 32]))).await;
    assert_eq!(kind, PeerType::Lightweight, "{why}");
    assert!(
        house
            .metric("runnel_probes_total{outcome=\"another_answers\"}")
            .await
            >= 1.0
    );
    house.server.stop().await;
}

#[tokio::test]
async fn the_server_stops_in_the_middle_of_a_test() {
    let house = testing_house().await;
    let mute = std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let mut agent = Client::visit(&house).await;
    agent.place = (mute.local_addr().unwrap(), CertificateHash([1; 32]));
    agent.introduce(Platform::Native).await;
    let start = std::time::Instant::now();
    house.server.stop().await;
    assert!(start.elapsed().as_secs() < 3, "{:?}", start.elapsed());
}
