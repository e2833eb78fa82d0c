//! Somebody in the home who says that it is the router.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, ensure};
use axum::Router;
use axum::routing::{get, post};
use runnel_tests::lab::home::INHABITANT;
use runnel_tests::lab::within;
use tokio::net::{TcpListener, UdpSocket};

use super::{agent, content, found, logged};
use crate::town::READY;

/// Where devices are asked for that all may answer.
const MULTICAST: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
const SSDP: u16 = 1900;
const WEB: u16 = 5000;
const DESCRIPTION: &str = r#"<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><device>
  <deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>
  <serviceList><service>
    <serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>
    <SCPDURL>/schema</SCPDURL><controlURL>/control</controlURL>
  </service></serviceList>
</device></root>"#;
const SCHEMA: &str = r#"<?xml version="1.0"?>
<scpd xmlns="urn:schemas-upnp-org:service-1-0"><actionList><action>
  <name>AddPortMapping</name>
  <argumentList><argument><name>NewExternalPort</name><direction>in</direction></argument></argumentList>
</action></actionList></scpd>"#;

/// Answers whoever looks for a router, and counts what it is asked to do.
async fn pose(asked: Arc<AtomicUsize>) -> Result<()> {
    let web = TcpListener::bind((INHABITANT, WEB)).await?;
    let control = post(async move || {
        asked.fetch_add(1, Ordering::Relaxed);
    });
    let pages = Router::new()
        .route("/description", get(async || DESCRIPTION))
        .route("/schema", get(async || SCHEMA))
        .route("/control", control);
    let serving = axum::serve(web, pages);
    let answering = async {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, SSDP)).await?;
        socket.join_multicast_v4(MULTICAST, INHABITANT)?;
        let mut question = [0; 1500];
        loop {
            let (_, from) = socket.recv_from(&mut question).await?;
            let answer = format!(
                "HTTP/1.1 200 OK\r\nLOCATION: http://{INHABITANT}:{WEB}/description\r\n\r\n"
            );
            socket.send_to(answer.as_bytes(), from).await?;
        }
    };
    tokio::select! {
        served = async { serving.await } => Ok(served?),
        answered = answering => answered,
    }
}

async fn is_not_asked() -> Result<()> {
    let town = found("mapping-stranger", 36, 1).await?;
    let host = town.lab.host(&agent(1))?;
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let _stranger = host.run(move || pose(counter))?;
    let agent = town
        .start_agent_with(&agent(1), &content(1), &["--map-port"])
        .await?;
    let words = format!("UPnP: {INHABITANT} answers, which is not the router");
    logged(&agent, &words, READY).await?;
    ensure!(
        asked.load(Ordering::Relaxed) == 0,
        "it was asked for a port"
    );
    town.lab.end()?;
    Ok(())
}

#[test]
fn whoever_answers_in_the_routers_place_is_asked_for_nothing() -> Result<()> {
    within(
        "mapping::stranger::whoever_answers_in_the_routers_place_is_asked_for_nothing",
        is_not_asked(),
    )
}
