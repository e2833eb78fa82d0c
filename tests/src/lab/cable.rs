//! The thread that owns the router: carries packets between it and the hosts' interfaces.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tun_rs::SyncDevice;

use super::host::MTU;
use super::packet::Packet;
use super::router::{HostId, Router, Tally};

/// How long the thread sleeps at most: an end is noticed after that.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);
/// Packets taken from one host before it is the next one's turn.
const BATCH: usize = 64;

/// The running thread. Dropping it unplugs everybody.
#[derive(Debug)]
pub(super) struct Cable {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Tally>>>,
}

impl Cable {
    /// Plugs the hosts in, in the router's order.
    pub(super) fn plug(router: Router, devices: Vec<SyncDevice>) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("router".to_owned());
        let thread = thread.spawn(move || carry(router, &devices, &until))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    /// Unplugs everybody.
    pub(super) fn unplug(mut self) -> Result<Tally> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().map(JoinHandle::join);
        match thread {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) | None => anyhow::bail!("the router panicked"),
        }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn carry(mut router: Router, devices: &[SyncDevice], stop: &AtomicBool) -> Result<Tally> {
    let start = Instant::now();
    let mut buffer = [0; MTU as usize];
    while !stop.load(Ordering::Relaxed) {
        let now = start.elapsed();
        let due = router.poll_timeout().map(|due| due.saturating_sub(now));
        let readable = wait(devices, due.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP))?;
        for host in readable {
            for _ in 0..BATCH {
                match devices[host].recv(&mut buffer) {
                    Ok(length) => {
                        if let Some(packet) = Packet::parse(buffer[..length].to_vec()) {
                            router.handle_packet(HostId(host), packet, start.elapsed());
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        router.handle_timeout(start.elapsed());
        while let Some((HostId(host), packet)) = router.poll_packet() {
            // A host whose queue is full loses it, as a network card would.
            let _ = devices[host].send(&packet.into_bytes());
        }
    }
    Ok(router.tally())
}

/// Which devices have something, within this time.
fn wait(devices: &[SyncDevice], at_most: Duration) -> Result<Vec<usize>> {
    let mut watched: Vec<PollFd<'_>> = devices
        .iter()
        .map(|device| PollFd::new(device, PollFlags::IN))
        .collect();
    match poll(&mut watched, Some(&Timespec::try_from(at_most)?)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let readable = watched.iter().enumerate();
    let readable = readable.filter(|(_, one)| one.revents().contains(PollFlags::IN));
    Ok(readable.map(|(host, _)| host).collect())
}
