//! The figures, for people and for programs.

use std::fmt;
use std::path::Path;

use anyhow::Result;
use serde_json::json;

use super::cost::Cost;
use super::hop::Hop;
use crate::bench::median;

/// One transfer of each kind, one right after the other.
pub(super) struct Pair {
    pub(super) quinn: Cost,
    pub(super) agent: Cost,
}

impl Pair {
    fn ratio(&self) -> f64 {
        self.agent.mb_per_s() / self.quinn.mb_per_s()
    }

    fn cpu_ratio(&self) -> f64 {
        self.agent.cpu_ms_per_mb() / self.quinn.cpu_ms_per_mb()
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { quinn, agent } = self;
        write!(
            f,
            "quinn {:.0} MB/s, {:.2} ms/MB ({:.2} server); agent {:.0} MB/s, {:.2} ms/MB ({:.2} server); ratio {:.3}",
            quinn.mb_per_s(),
            quinn.cpu_ms_per_mb(),
            quinn.server_ms_per_mb(),
            agent.mb_per_s(),
            agent.cpu_ms_per_mb(),
            agent.server_ms_per_mb(),
            self.ratio(),
        )
    }
}

/// Median, least and most.
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(pairs: &[Pair], figure: impl Fn(&Pair) -> f64) -> Result<Self> {
        let values: Vec<f64> = pairs.iter().map(figure).collect();
        Ok(Self {
            least: values.iter().copied().fold(f64::INFINITY, f64::min),
            most: values.iter().copied().fold(0.0, f64::max),
            median: median(values)?,
        })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            median,
            least,
            most,
        } = self;
        write!(f, "{median:>8.2}  ({least:.2} to {most:.2})")
    }
}

#[expect(clippy::print_stdout, reason = "the figures are what was asked for")]
pub(super) fn tell(pairs: &[Pair], hop: Option<&Hop>, json: Option<&Path>) -> Result<()> {
    let speed = Spread::of(pairs, |pair| pair.agent.mb_per_s())?;
    let bare = Spread::of(pairs, |pair| pair.quinn.mb_per_s())?;
    let ratio = Spread::of(pairs, Pair::ratio)?;
    let cost = Spread::of(pairs, |pair| pair.agent.cpu_ms_per_mb())?;
    let agents = Spread::of(pairs, |pair| pair.agent.server_ms_per_mb())?;
    let bare_cost = Spread::of(pairs, |pair| pair.quinn.cpu_ms_per_mb())?;
    let cpu_ratio = Spread::of(pairs, Pair::cpu_ratio)?;
    println!("agent → child           MB/s       {speed}");
    println!("bare quinn              MB/s       {bare}");
    println!("ratio of a pair                    {ratio}");
    println!("agent and child         CPU-ms/MB  {cost}");
    println!("  of it the agent       CPU-ms/MB  {agents}");
    println!("bare quinn, both ends   CPU-ms/MB  {bare_cost}");
    println!("ratio of a pair                    {cpu_ratio}");
    if let Some(Hop {
        median,
        p95,
        chunks,
    }) = hop
    {
        println!(
            "live, parent → child    ms         {median:>8.2}  (95 % within {p95:.2}; {chunks} chunks)"
        );
    }
    let Some(file) = json else { return Ok(()) };
    let figures = json!({
        "mb_per_s": speed.median,
        "ratio_to_quinn": ratio.median,
        "ratio_to_quinn_min": ratio.least,
        "ratio_to_quinn_max": ratio.most,
        "cpu_ms_per_mb": cost.median,
        "agent_cpu_ms_per_mb": agents.median,
        "quinn_mb_per_s": bare.median,
        "quinn_cpu_ms_per_mb": bare_cost.median,
        "cpu_ratio_to_quinn": cpu_ratio.median,
        "hop_ms_median": hop.map(|hop| hop.median),
        "hop_ms_p95": hop.map(|hop| hop.p95),
        "pairs": pairs.len(),
        "bytes": pairs.first().map(|pair| pair.agent.bytes),
    });
    std::fs::write(file, serde_json::to_string_pretty(&figures)?)?;
    Ok(())
}
