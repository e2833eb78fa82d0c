//! The laboratory itself, before anything is measured in it: what a kernel's own sockets see of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use runnel_tests::lab::gate::{Filtering, Gate, Mapping};
use runnel_tests::lab::pipe::Line;
use runnel_tests::lab::{Host, Plan, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

const SERVER: &str = "198.18.1.1";
const BOUND: Duration = Duration::from_secs(10);

/// Work on a host, waited for.
async fn on<T: Send + 'static>(
    host: &Host,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let thread = host.run(|| work)?;
    let joined = tokio::task::spawn_blocking(move || thread.join()).await?;
    joined.ok().context("the work panicked")?
}

/// Tells whoever asks, over UDP or TCP, under which address it is seen.
async fn mirror() -> Result<()> {
    let udp = UdpSocket::bind((SERVER, 7)).await?;
    let tcp = TcpListener::bind((SERVER, 7)).await?;
    let mut question = [0; 16];
    loop {
        tokio::select! {
            asked = udp.recv_from(&mut question) => {
                let (_, from) = asked?;
                udp.send_to(from.to_string().as_bytes(), from).await?;
            }
            met = tcp.accept() => {
                let (mut stream, from) = met?;
                stream.write_all(from.to_string().as_bytes()).await?;
            }
        }
    }
}

async fn seen_over_udp() -> Result<SocketAddr> {
    let socket = UdpSocket::bind("0.0.0.0:5000").await?;
    let mut answer = [0; 64];
    // One question in a hundred gets lost, and one answer.
    for _ in 0..10 {
        socket.send_to(b"?", (SERVER, 7)).await?;
        let heard = timeout(Duration::from_millis(500), socket.recv(&mut answer)).await;
        if let Ok(length) = heard {
            return Ok(std::str::from_utf8(&answer[..length?])?.parse()?);
        }
    }
    anyhow::bail!("no answer over UDP")
}

async fn seen_over_tcp() -> Result<SocketAddr> {
    let mut stream = TcpStream::connect((SERVER, 7)).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.parse()?)
}

#[test]
fn a_host_behind_a_nat_is_seen_under_its_address_at_the_end_of_a_long_line() -> Result<()> {
    let name =
        "laboratory::a_host_behind_a_nat_is_seen_under_its_address_at_the_end_of_a_long_line";
    within(name, async {
        let mut plan = Plan::with_seed(1);
        let open = plan.site(Gate::open(), Line::IDEAL);
        plan.host(open, "server", &[SERVER.parse()?])?;
        let (mapping, filtering) = (
            Mapping::EndpointIndependent,
            Filtering::AddressAndPortDependent,
        );
        let nat = plan.site(
            Gate::nat(mapping, filtering, [198, 18, 7, 1].into()),
            Line::HOME,
        );
        plan.host(nat, "home", &["192.168.7.2".parse()?])?;
        let shut = plan.site(Gate::open().without_udp(), Line::IDEAL);
        plan.host(shut, "office", &["198.18.8.1".parse()?])?;
        let lab = plan.connect()?;
        let _mirror = lab.host("server")?.run(mirror)?;

        let home = lab.host("home")?;
        let began = Instant::now();
        let seen = on(home, seen_over_tcp());
        let seen = timeout(BOUND, seen).await??;
        ensure!(seen.ip() == Ipv4Addr::new(198, 18, 7, 1), "{seen}");
        // A handshake, and the answer that comes with its end.
        ensure!(
            began.elapsed() >= Duration::from_millis(40),
            "{:?}",
            began.elapsed()
        );
        let seen = timeout(BOUND, on(home, seen_over_udp())).await??;
        ensure!(seen == "198.18.7.1:5000".parse()?, "{seen}");

        let office = lab.host("office")?;
        let seen = timeout(BOUND, on(office, seen_over_tcp())).await??;
        ensure!(seen.ip() == Ipv4Addr::new(198, 18, 8, 1), "{seen}");
        let refused = timeout(BOUND, on(office, seen_over_udp())).await?;
        ensure!(refused.is_err(), "{refused:?}");
        let tally = lab.end()?;
        ensure!(tally.stopped == 10, "each question was stopped: {tally:?}");
        Ok(())
    })
}
