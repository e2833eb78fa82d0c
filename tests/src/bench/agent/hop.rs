//! How long a live chunk takes from one peer to the next: from the moment it is proven at the
//! agent, and so may be passed on, to the moment it is proven at the agent's child.
//!
//! Both say so in their logs, stamped by the one clock of this machine.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use super::{BANDWIDTH, Feeder, PROGRAM, start};
use crate::bench::median;
use crate::media::noise::Noise;
use crate::process::{Process, binary};
use crate::stack::Stack;

/// Bytes of a two-second segment at 5 Mbit/s: 20 chunks.
const SEGMENT: u64 = 1_250_000;
const SEGMENTS: u64 = 30;
/// What is logged.
const LOG: &str = "runnel_peer_native::driver=trace";
/// Seconds until the child has its parents.
const SETTLING: u64 = 6;
const MICROS_A_DAY: f64 = 86_400_000_000.0;

/// Times from one peer to the next, milliseconds.
pub(super) struct Hop {
    pub(super) median: f64,
    pub(super) p95: f64,
    pub(super) chunks: usize,
}

/// Lets an agent pass a live stream on to a child for so many seconds.
pub(super) async fn measure(seconds: u64) -> Result<Hop> {
    let folder = tempfile::tempdir()?;
    let recording = Noise::make(folder.path(), SEGMENTS, SEGMENT, BANDWIDTH)?;
    let stack = start("bench-hop", &recording).await?;
    let agent = Feeder::start(&stack, "hop-parent", LOG).await?;
    let child = follow(&stack, seconds + SETTLING).await?;
    let hops = hops(&proven(&agent.process.log()), &proven(&child.log()));
    stack.stop().await?;
    ensure!(hops.len() >= 20, "only {} chunks passed by", hops.len());
    let mut sorted = hops.clone();
    sorted.sort_by(f64::total_cmp);
    Ok(Hop {
        median: median(hops)?,
        p95: sorted[sorted.len() * 95 / 100],
        chunks: sorted.len(),
    })
}

async fn follow(stack: &Stack, seconds: u64) -> Result<Process> {
    let mut command = Command::new(binary(PROGRAM)?);
    command.args(["follow", "--coordinator", &stack.door()?]);
    command.args(["--seconds", &seconds.to_string()]);
    command.args(["--from", &next(stack).await?.to_string()]);
    command.arg("--data").arg(stack.folder().join("follower"));
    command.env("RUNNEL_LOG", LOG);
    let mut child = Process::spawn("hop-child", command, stack.folder())?;
    let bound = std::time::Duration::from_secs(seconds + 30);
    child.line("followed", bound).await?;
    Ok(child)
}

/// The sequence after the newest that the live playlist shows.
async fn next(stack: &Stack) -> Result<u64> {
    let url = stack.master("live")?.replace("master", "media");
    let playlist = String::from_utf8(stack.fetch_range(&url, None).await?)?;
    let tag = "#EXT-X-MEDIA-SEQUENCE:";
    let first = playlist.lines().find_map(|line| line.strip_prefix(tag));
    let first: u64 = first.context("no media sequence")?.trim().parse()?;
    let shown = playlist.matches("#EXTINF").count();
    Ok(first + shown as u64)
}

/// When each chunk was proven, microseconds of the day.
fn proven(log: &str) -> BTreeMap<&str, f64> {
    let line = |line: &'_ str| -> Option<(usize, f64)> {
        let at = line.find("Proven(")?;
        Some((at, micros(line.get(11..26)?)?))
    };
    let lines = log.lines();
    lines
        .filter_map(|text| line(text).map(|(at, micros)| (&text[at..], micros)))
        .collect()
}

/// Of `HH:MM:SS.ffffff`.
fn micros(time: &str) -> Option<f64> {
    let mut parts = time.split(':');
    let mut next = || parts.next()?.parse::<f64>().ok();
    let (hours, minutes, seconds) = (next()?, next()?, next()?);
    Some(((hours * 60.0 + minutes) * 60.0 + seconds) * 1e6)
}

/// Milliseconds from parent to child, of chunks that the child had by way of the parent.
fn hops(parent: &BTreeMap<&str, f64>, child: &BTreeMap<&str, f64>) -> Vec<f64> {
    let pairs = child
        .iter()
        .filter_map(|(chunk, later)| parent.get(chunk).map(|sooner| later - sooner));
    pairs
        .map(|micros| micros.rem_euclid(MICROS_A_DAY) / 1000.0)
        .filter(|millis| *millis < 60_000.0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_is_the_time_between_two_lines_even_across_midnight() {
        let parent = "2026-11-22T23:59:59.999500Z TRACE driver: event=Proven(chunk 1)\n\
                      2026-11-23T00:00:00.100000Z TRACE driver: event=Proven(chunk 2)\n";
        let child = "2026-11-23T00:00:00.001500Z TRACE driver: event=Proven(chunk 1)\n\
                     2026-11-23T00:00:00.101000Z TRACE driver: event=Sent(chunk 2)\n";
        let hops = hops(&proven(parent), &proven(child));
        assert_eq!(hops.len(), 1);
        assert!((hops[0] - 2.0).abs() < 0.001, "{hops:?}");
    }
}
