//! How busy this machine was.

/// Processor time since the start: all of it, and the part with nothing to do.
#[derive(Clone, Copy)]
pub(super) struct Load {
    all: u64,
    idle: u64,
}

impl Load {
    /// What the kernel counted so far; nothing where it does not tell.
    pub(super) fn now() -> Self {
        let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        let fields = line.split_whitespace().skip(1).take(8);
        let times: Vec<u64> = fields.filter_map(|field| field.parse().ok()).collect();
        Self {
            all: times.iter().sum(),
            // The fourth and fifth are idle, and waiting for a disk.
            idle: times.iter().skip(3).take(2).sum(),
        }
    }

    /// Share of the processors that was busy since then.
    pub(super) fn busy_since(self, before: Self) -> f64 {
        let all = self.all.saturating_sub(before.all).max(1) as f64;
        1.0 - self.idle.saturating_sub(before.idle) as f64 / all
    }
}
