//! What a transfer took: time, and the processor time of both ends.

use std::time::Instant;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Ticks of `/proc/PID/stat` in a second: the same on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// A transfer's cost.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Cost {
    /// Bytes of media.
    pub bytes: u64,
    /// Seconds from the first wish to the last byte.
    pub seconds: f64,
    /// Processor time of who sent, user and system, milliseconds.
    pub server_ms: f64,
    /// The same of who received.
    pub client_ms: f64,
}

impl Cost {
    /// Megabytes (10⁶) in a second.
    pub fn mb_per_s(&self) -> f64 {
        self.megabytes() / self.seconds
    }

    /// Processor time of both ends for each megabyte, milliseconds.
    pub fn cpu_ms_per_mb(&self) -> f64 {
        (self.server_ms + self.client_ms) / self.megabytes()
    }

    /// The part of it that the server spent.
    pub fn server_ms_per_mb(&self) -> f64 {
        self.server_ms / self.megabytes()
    }

    fn megabytes(&self) -> f64 {
        self.bytes as f64 / 1e6
    }
}

/// Measures from now on.
pub(super) struct Watch {
    start: Instant,
    server: u32,
    server_ms: f64,
    client_ms: f64,
}

impl Watch {
    /// A server by its process id, and this process as its client.
    pub(super) fn start(server: u32) -> Result<Self> {
        Ok(Self {
            server,
            server_ms: processor_ms(server)?,
            client_ms: processor_ms(std::process::id())?,
            start: Instant::now(),
        })
    }

    pub(super) fn stop(self, bytes: u64) -> Result<Cost> {
        Ok(Cost {
            bytes,
            seconds: self.start.elapsed().as_secs_f64(),
            server_ms: processor_ms(self.server)? - self.server_ms,
            client_ms: processor_ms(std::process::id())? - self.client_ms,
        })
    }
}

/// Processor time that a process has had, user and system, milliseconds.
pub(in crate::bench) fn processor_ms(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in parentheses, may hold anything; user and system time are the 12th and 13th
    // fields after it.
    let (_, fields) = stat.rsplit_once(')').context("no process")?;
    let times = fields.split_whitespace().skip(11).take(2);
    let ticks: f64 = times.filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(ticks * 1000.0 / TICKS)
}
