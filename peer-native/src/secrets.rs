//! Private keys on disk: written whole or not at all, readable by the owner alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// Length of an Ed25519 seed, in bytes.
pub(crate) const SEED: usize = 32;

/// The seed in the file at `path`; drawn and kept there if there is none.
///
/// # Errors
/// The file cannot be read or written, holds no seed, or the system has no entropy.
pub(crate) fn load_or_create_seed(path: &Path) -> io::Result<[u8; SEED]> {
    match fs::read(path) {
        Ok(bytes) => bytes.try_into().map_err(|_| not_a_seed(path)),
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => create_seed(path),
        Err(error) => Err(error),
    }
}

/// Replaces the file at `path` by `bytes`, mode 0600. A crash leaves the old or the new one.
///
/// # Errors
/// The directory cannot be written.
pub(crate) fn write_secret(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

/// Fresh entropy for keys and for the peer's own generator.
///
/// # Errors
/// The system has none.
pub(crate) fn fresh_seed() -> io::Result<[u8; SEED]> {
    let mut seed = [0; SEED];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}

fn create_seed(path: &Path) -> io::Result<[u8; SEED]> {
    let seed = fresh_seed()?;
    write_secret(path, &seed)?;
    Ok(seed)
}

fn not_a_seed(path: &Path) -> io::Error {
    let text = format!(
        "{} is not a key of {SEED} bytes: restore it from a backup, or delete it to become a new peer",
        path.display()
    );
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_is_the_owners_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("identity.key");
        let first = load_or_create_seed(&path).unwrap();
        assert_eq!(load_or_create_seed(&path).unwrap(), first);
        assert_ne!(first, [0; SEED]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_damaged_key_is_refused_rather_than_replaced() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("identity.key");
        fs::write(&path, b"short").unwrap();
        let refused = load_or_create_seed(&path).unwrap_err();
        assert!(refused.to_string().contains("delete it"));
        assert_eq!(fs::read(&path).unwrap(), b"short");
    }
}
