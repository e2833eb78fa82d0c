//! Memory of processes, as the kernel tells it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

/// Bytes that a process holds for itself: neither files nor what it shares.
pub(super) fn own(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))
        .with_context(|| format!("process {process} has ended"))?;
    anonymous(&status).with_context(|| format!("process {process} has no memory"))
}

fn anonymous(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// The same of all that a process started, and what those started: in sum for renderers, and for
/// all others (of which `process` itself is none).
pub(super) fn below(process: u32) -> Result<(u64, u64)> {
    let children = children()?;
    let (mut renderers, mut others) = (0, 0);
    let mut left = children.get(&process).cloned().unwrap_or_default();
    while let Some(one) = left.pop() {
        left.extend(children.get(&one).into_iter().flatten());
        // One that ended meanwhile holds nothing.
        let bytes = own(one).unwrap_or_default();
        match is_renderer(one) {
            true => renderers += bytes,
            false => others += bytes,
        }
    }
    Ok((renderers, others))
}

fn is_renderer(process: u32) -> bool {
    let command = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    command
        .split(|byte| *byte == 0 || *byte == b' ')
        .any(|part| part == b"--type=renderer")
}

/// Who started whom.
fn children() -> Result<BTreeMap<u32, Vec<u32>>> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        if let Some(parent) = parent(&stat) {
            children.entry(parent).or_default().push(process);
        }
    }
    Ok(children)
}

/// The second field after the name, which stands in parentheses and may hold anything.
fn parent(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_holds_what_it_wrote_to() {
        let me = std::process::id();
        let before = own(me).unwrap();
        let held = std::hint::black_box(vec![1u8; 32 << 20]);
        let after = own(me).unwrap();
        assert!(after >= before + (30 << 20), "{before} {after}");
        drop(held);
    }

    #[test]
    fn what_a_process_started_is_found() {
        let me = std::process::id();
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let found = children().unwrap()[&me].contains(&child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found);
        assert_eq!(parent("7 (a) b) S 42 7 7 0"), Some(42));
    }
}
