//! Where things are in the checkout.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The checkout's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(PathBuf::new, Path::to_path_buf)
}

/// The project-local tools, out of reach of what else is installed.
pub(crate) fn tools() -> PathBuf {
    root().join(".tools")
}

/// `PATH` with the project-local tools first.
pub(crate) fn path_with_tools() -> OsString {
    let mut path = OsString::from(tools().join("bin"));
    if let Some(inherited) = std::env::var_os("PATH") {
        path.push(":");
        path.push(inherited);
    }
    path
}

/// Where Debian has the programs of administrators, whom tests play in namespaces of their own.
const ADMINISTRATORS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Is a program of this name reachable through `PATH`, or there for administrators?
pub(crate) fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain(ADMINISTRATORS.iter().map(PathBuf::from));
    folders.any(|folder| folder.join(name).is_file())
}
