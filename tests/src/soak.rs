//! `runnel-soak`: one viewer watches live for half an hour, and nobody's memory may grow.
//!
//! A real Chromium and real processes: a live stream, a coordinator, a waypoint, two agents. A second browser opens the page anew every minute, so that links, tickets and members
//! come and go. What each process holds for itself is read from the kernel, the page's heap after
//! a collection from Chromium, the Worker's WebAssembly memory from the page; the Worker's own
//! heap is part of the renderer's. See [`verdict`] for what passes.

mod memory;
mod page;
mod report;
mod verdict;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::media::Generated;
use crate::page::{Lack, Page};
use crate::stack::{Plan, Source, Stack};
use page::{Played, Visitor, Watcher};
use report::Report;
use verdict::Series;

/// At this rate an agent's memory of 64 MiB is full after three minutes, a page's sooner.
const MEDIA: Generated = Generated {
    seconds: 60,
    kbps: &[3_000],
};
/// Between two samples.
const SAMPLE: Duration = Duration::from_secs(10);
/// Between two visits of who comes and goes.
const VISIT: Duration = Duration::from_secs(60);

/// Watches for so many minutes, prints a table, and writes the figures.
///
/// # Errors
/// When something does not start, the picture stands still, or somebody's memory grew.
pub async fn run(minutes: u64, json: Option<&Path>) -> Result<()> {
    let shortest = verdict::SHORTEST;
    ensure!(minutes >= shortest, "at least {shortest} minutes");
    let plan = Plan {
        source: Source::Generated(MEDIA),
        ..Plan::default()
    };
    let stack = Stack::start("soak", plan).await?;
    let folder = crate::bench::page_folder();
    let page = Page::serve(&folder, 0, &stack.page_config(), Lack::Nothing).await?;
    let url = format!("{}/?stream=live&consent=1&upload=1", page.url());
    let watcher = Watcher::sit_down(stack.folder(), &url).await?;
    let visitor = Visitor::new(stack.folder(), &url).await?;
    let mut soak = Soak::new(stack, watcher, visitor);
    soak.watch(Duration::from_secs(60 * minutes)).await?;
    soak.end(minutes, json).await
}

struct Soak {
    stack: Stack,
    watcher: Watcher,
    visitor: Visitor,
    series: Vec<Series>,
    last: Option<Played>,
}

impl Soak {
    fn new(stack: Stack, watcher: Watcher, visitor: Visitor) -> Self {
        Self {
            stack,
            watcher,
            visitor,
            series: Vec::new(),
            last: None,
        }
    }

    async fn watch(&mut self, whole: Duration) -> Result<()> {
        let start = Instant::now();
        let (mut sampling, mut visiting) = (interval(SAMPLE), interval(VISIT));
        sampling.set_missed_tick_behavior(MissedTickBehavior::Delay);
        visiting.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while start.elapsed() < whole {
            tokio::select! {
                _ = sampling.tick() => self.sample(start.elapsed()).await?,
                _ = visiting.tick() => self.visitor.come_again().await?,
            }
        }
        Ok(())
    }

    async fn sample(&mut self, at: Duration) -> Result<()> {
        let played = self.watcher.look().await?;
        let moved = self.last.is_none_or(|last| played.position > last.position);
        ensure!(
            moved,
            "the picture stands still at {:.0} s",
            played.position
        );
        self.last = Some(played);
        let mut now = self.watcher.memory().await?;
        now.extend(self.processes()?);
        for (index, (who, bytes)) in now.into_iter().enumerate() {
            if self.series.len() == index {
                self.series.push(Series::of(who));
            }
            self.series[index].note(at, bytes);
        }
        Ok(())
    }

    /// Everybody of ours, in the same order each time.
    fn processes(&self) -> Result<Vec<(String, u64)>> {
        let agents = self.stack.agents().iter().enumerate();
        let agents = agents.map(|(number, agent)| (format!("agent {}", number + 1), agent.id()));
        let waypoint = self.stack.waypoint().context("no waypoint")?;
        let others = [
            ("waypoint".to_owned(), waypoint.id()),
            ("coordinator".to_owned(), self.stack.center()?.id()),
        ];
        let everybody = agents.chain(others);
        everybody
            .map(|(who, process)| Ok((who, memory::own(process)?)))
            .collect()
    }

    async fn end(self, minutes: u64, json: Option<&Path>) -> Result<()> {
        let report = Report {
            minutes,
            series: &self.series,
            played: self.last.context("no sample")?,
            visits: self.visitor.visits(),
        };
        report.print();
        if let Some(file) = json {
            std::fs::write(
                file,
                serde_json::to_string_pretty(&report.figures())? + "\n",
            )?;
        }
        self.watcher.leave(self.stack.folder()).await?;
        self.visitor.leave().await?;
        self.stack.stop().await?;
        verdict::all_flat(&self.series)
    }
}
