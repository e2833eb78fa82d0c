//! How long until the picture moves, with Runnel and without, one tab at a time.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::media::Media;
use super::viewers::plan;
use super::{PLAIN, Parameters, WITH_PEERS, median, page_folder};
use crate::browser::Browser;
use crate::page::Page;
use crate::stack::Stack;

const BOUND: Duration = Duration::from_secs(30);
/// How long a page stays after its start: a peer gets links, and what begins is seen to go on.
const STAY: &str = "document.querySelector('video').currentTime - (window.__from ??= document.querySelector('video').currentTime) > 1.5";
/// A pair lasts about 8 s, and more on a busy machine.
const PAIR_SECONDS: u32 = 12;

/// The result.
#[derive(Debug, Serialize)]
struct Startup {
    startup_pairs: usize,
    startup_ms_median: f64,
    plain_startup_ms_median: f64,
    /// Geometric mean of the pairs' ratios, and its 95 % interval.
    startup_ratio_to_plain: f64,
    startup_ratio_low: f64,
    startup_ratio_high: f64,
}

/// Measures `pairs` of starts, alternately with Runnel and plainly, prints the ratio.
///
/// # Errors
/// When anything does not start, or a page does not play.
pub async fn pairs(parameters: &Parameters, pairs: usize, json: Option<&Path>) -> Result<()> {
    ensure!(pairs >= 2, "two pairs at least");
    let seconds = u32::try_from(pairs)?.next_multiple_of(10) * PAIR_SECONDS;
    let media = Media::with(seconds, parameters.renditions)?;
    let stack = Stack::start("bench-startup", plan(parameters, &media)).await?;
    let page = Page::serve(&page_folder(), 0, &stack.page_config(), parameters.lack()).await?;
    let url = format!("{}/?{}", page.url(), parameters.query());
    let urls = [format!("{url}&{WITH_PEERS}"), format!("{url}&{PLAIN}")];
    let browser = Browser::open(stack.folder()).await?;
    // The browser's first page of each kind is slow for reasons that are its own.
    for url in &urls {
        start(&browser, url).await?;
    }
    let measured = measure(&browser, &urls, pairs).await?;
    browser.close().await?;
    stack.stop().await?;
    let startup = Startup::of(&measured)?;
    startup.print();
    if let Some(file) = json {
        std::fs::write(file, serde_json::to_string_pretty(&startup)? + "\n")?;
    }
    Ok(())
}

/// Milliseconds with Runnel and plainly; who is first changes from pair to pair.
async fn measure(browser: &Browser, urls: &[String; 2], pairs: usize) -> Result<Vec<[f64; 2]>> {
    let mut measured = Vec::new();
    for pair in 0..pairs {
        let mut times = [0.0; 2];
        for kind in [pair % 2, 1 - pair % 2] {
            times[kind] = start(browser, &urls[kind]).await?;
        }
        measured.push(times);
    }
    Ok(measured)
}

async fn start(browser: &Browser, url: &str) -> Result<f64> {
    browser.goto(url).await?;
    let playing = "window.__runnel && __runnel.startupMs !== null";
    browser.wait_for(playing, BOUND).await?;
    let time: f64 = browser.eval("__runnel.startupMs").await?;
    browser.wait_for(STAY, BOUND).await?;
    browser.goto("about:blank").await?;
    Ok(time)
}

impl Startup {
    fn of(measured: &[[f64; 2]]) -> Result<Self> {
        let column = |kind: usize| measured.iter().map(|pair| pair[kind]).collect();
        let logs: Vec<f64> = measured
            .iter()
            .map(|[ours, plain]| (ours / plain).ln())
            .collect();
        let (mean, half) = interval(&logs).context("two pairs at least")?;
        Ok(Self {
            startup_pairs: measured.len(),
            startup_ms_median: median(column(0))?,
            plain_startup_ms_median: median(column(1))?,
            startup_ratio_to_plain: mean.exp(),
            startup_ratio_low: (mean - half).exp(),
            startup_ratio_high: (mean + half).exp(),
        })
    }

    #[expect(clippy::print_stdout, reason = "the result is the product")]
    fn print(&self) {
        println!(
            "\n{} pairs of starts, one tab at a time\n",
            self.startup_pairs
        );
        println!("  with Runnel, median ms  {:>8.0}", self.startup_ms_median);
        println!(
            "  plain hls.js, median ms {:>8.0}",
            self.plain_startup_ms_median
        );
        println!(
            "  ratio                   {:>8.3}   95 %: {:.3} to {:.3}; goal ≤ 1.0, must ≤ 1.1",
            self.startup_ratio_to_plain, self.startup_ratio_low, self.startup_ratio_high
        );
    }
}

/// Mean, and half the length of its 95 % interval by Student's t; none for less than two values.
fn interval(values: &[f64]) -> Option<(f64, f64)> {
    let count = values.len() as f64;
    if values.len() < 2 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let error = (squares / (count - 1.0) / count).sqrt();
    Some((mean, student(count - 1.0) * error))
}

/// The two-sided 95 % point of Student's t (Abramowitz and Stegun 26.7.5; 1 % off at 3 degrees).
fn student(degrees: f64) -> f64 {
    let z = 1.959_964_f64;
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    z + first / degrees + second / degrees.powi(2) + third / degrees.powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_tables() {
        assert!((student(19.0) - 2.093).abs() < 0.001);
        let (mean, half) = interval(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        // t = 2.776 at 4 degrees, standard error 0.7071.
        assert!(
            (mean - 3.0).abs() < 1e-9 && (half - 1.963).abs() < 0.02,
            "{half}"
        );
        assert!(interval(&[1.0]).is_none());
    }

    #[test]
    fn pairs_are_compared_by_their_ratio() {
        let startup = Startup::of(&[[110.0, 100.0], [220.0, 200.0], [330.0, 300.0]]).unwrap();
        assert!((startup.startup_ratio_to_plain - 1.1).abs() < 1e-9);
        assert!((startup.startup_ratio_high - 1.1).abs() < 1e-6);
        assert!((startup.startup_ms_median - 220.0).abs() < 1e-9);
    }
}
