//! How this machine is doing: told to the coordinator, which calls in those first that are not busy,
//! and for no more contents than the line carries.

use std::path::{Path, PathBuf};
use std::time::Duration;

use runnel_peer_core::{Input, Machine};
use runnel_protocol::units::BitsPerSecond;
use sysinfo::{Disks, System};

use crate::inbox::Inbox;

/// How often it is looked at. The load is the mean over this time, so that a moment's work does
/// not count.
const INTERVAL: Duration = Duration::from_secs(10);
/// Loads are told in steps of so many percent: a heartbeat says what has changed.
const CPU_STEP: u8 = 5;
/// The same of storage, in bytes.
const STORAGE_STEP: u64 = 64 << 20;

/// What the owner has set.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// What the line carries to this machine, where that was said.
    pub(crate) downlink: Option<BitsPerSecond>,
    /// Bytes that the cache may take.
    pub(crate) quota: u64,
    /// Where the cache is.
    pub(crate) cache: PathBuf,
}

/// Tells the peer every few seconds, until the peer is gone.
pub(crate) async fn watch(limits: Limits, inbox: Inbox) {
    let mut system = System::new();
    system.refresh_cpu_usage();
    let mut ticks = tokio::time::interval(INTERVAL);
    while !inbox.is_closed() {
        ticks.tick().await;
        let machine = look(&limits, &mut system);
        inbox.input(Input::Machine(machine)).await;
    }
}

fn look(limits: &Limits, system: &mut System) -> Machine {
    system.refresh_cpu_usage();
    let free = free_space(&limits.cache).map(|free| free.min(limits.quota));
    Machine {
        downlink: limits.downlink,
        cpu_percent: Some(stepped(system.global_cpu_usage())),
        storage_left: free.map(|free| free / STORAGE_STEP * STORAGE_STEP),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "0 to 100"
)]
fn stepped(percent: f32) -> u8 {
    let whole = percent.clamp(0.0, 100.0).round() as u8;
    whole / CPU_STEP * CPU_STEP
}

/// Free bytes of the disk that holds `folder`.
pub(crate) fn free_space(folder: &Path) -> Option<u64> {
    let folder = folder.canonicalize().ok()?;
    let disks = Disks::new_with_refreshed_list();
    let holds = disks
        .iter()
        .filter(|disk| folder.starts_with(disk.mount_point()));
    let nearest = holds.max_by_key(|disk| disk.mount_point().as_os_str().len());
    nearest.map(sysinfo::Disk::available_space)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_a_load_and_room_within_the_quota() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits {
            downlink: Some(BitsPerSecond(1000)),
            quota: STORAGE_STEP,
            cache: folder.path().to_owned(),
        };
        let machine = look(&limits, &mut System::new());
        assert_eq!(machine.downlink, limits.downlink);
        assert_eq!(machine.storage_left, Some(STORAGE_STEP));
        assert!(machine.cpu_percent.is_some_and(|load| load <= 100));
    }

    #[test]
    fn a_load_that_wavers_is_told_as_the_same() {
        assert_eq!(stepped(91.2), stepped(94.4));
        assert_eq!(stepped(250.0), 100);
    }
}
