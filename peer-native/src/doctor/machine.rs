//! The machine itself: its disk, and what the system lets a program have.

use std::io::Write as _;

use rustix::process::{Resource, getrlimit};

use super::{Finding, State};
use crate::config::Config;
use crate::machine::free_space;

/// Open files that an agent needs: its port, the index and the cache, its connection to the coordinator, and a
/// waypoint's to the origin.
const FILES: u64 = 256;

/// Whether the data directory can be written, and has room for what may be kept.
pub(super) fn storage(config: &Config) -> Finding {
    let folder = &config.data;
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| try_out(folder))
        .err();
    if let Some(error) = written {
        let words = format!(
            "{} cannot be written: {error}; give this user the folder, or name another one with --data",
            folder.display()
        );
        return Finding::new("disk", State::Bad, words);
    }
    let quota = config.quota();
    match free_space(folder) {
        Some(free) if free < quota => Finding::new(
            "disk",
            State::Poor,
            format!(
                "{} MB are free of the {} MB that may be kept: make room, or lower --quota-mb",
                free / 1_000_000,
                quota / 1_000_000
            ),
        ),
        Some(free) => Finding::new(
            "disk",
            State::Good,
            format!("{} MB are free", free / 1_000_000),
        ),
        None => Finding::new("disk", State::Good, "what is free cannot be seen"),
    }
}

/// Writes a file there and takes it away.
fn try_out(folder: &std::path::Path) -> std::io::Result<()> {
    let path = folder.join("doctor.unfinished");
    let mut file = std::fs::File::create(&path)?;
    file.write_all(b"?")?;
    std::fs::remove_file(path)
}

/// Whether enough files may be open.
pub(super) fn files() -> Finding {
    match getrlimit(Resource::Nofile).current {
        Some(most) if most < FILES => Finding::new(
            "open files",
            State::Poor,
            format!(
                "{most} at most: raise the limit to {FILES} (ulimit -n, or LimitNOFILE= of systemd)"
            ),
        ),
        Some(most) => Finding::new("open files", State::Good, format!("{most} at most")),
        None => Finding::new("open files", State::Good, "no limit"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_with_less_room_than_may_be_kept_is_poor_and_one_that_cannot_be_written_bad() {
        let home = tempfile::tempdir().unwrap();
        let at = |data, quota_mb| Config {
            data,
            quota_mb,
            ..Config::default()
        };
        assert_eq!(storage(&at(home.path().to_owned(), 1)).state, State::Good);
        let endless = storage(&at(home.path().to_owned(), u64::MAX / 1_000_000));
        assert_eq!(endless.state, State::Poor, "{endless}");
        let file = home.path().join("file");
        std::fs::write(&file, "").unwrap();
        let blocked = storage(&at(file, 1));
        assert_eq!(blocked.state, State::Bad);
        assert!(blocked.words.contains("--data"), "{blocked}");
    }
}
