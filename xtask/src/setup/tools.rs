//! Programs that cargo builds, into a project-local folder: wasm-pack, wasm-bindgen, and Firefox's driver.

use anyhow::{Context, Result};

use crate::{run, workspace};

const WASM_PACK: &str = "0.15.1";
const GECKODRIVER: &str = "0.37.1";

pub(super) fn install() -> Result<()> {
    // The tool and the crate speak a private format: their versions must be the same.
    let lock = std::fs::read_to_string(workspace::root().join("Cargo.lock"))?;
    let bindgen = locked_version(&lock, "wasm-bindgen").context("no wasm-bindgen in Cargo.lock")?;
    install_tool("wasm-bindgen", "wasm-bindgen-cli", &bindgen, &[])?;
    install_tool("wasm-pack", "wasm-pack", WASM_PACK, &["--locked"])?;
    install_tool("geckodriver", "geckodriver", GECKODRIVER, &["--locked"])
}

fn install_tool(program: &str, package: &str, version: &str, extra: &[&str]) -> Result<()> {
    if has_version(program, version) {
        return Ok(());
    }
    let root = workspace::tools();
    let root = root.to_string_lossy();
    let line = [
        "cargo",
        "install",
        package,
        "--version",
        version,
        "--root",
        &root,
    ];
    run::run(&[&line, extra].concat())
}

fn has_version(program: &str, version: &str) -> bool {
    let path = workspace::tools().join("bin").join(program);
    path.is_file()
        && run::output(&[&path.to_string_lossy(), "--version"])
            .is_ok_and(|printed| printed.split_whitespace().nth(1) == Some(version))
}

/// The version of `package` in the text of a Cargo.lock.
fn locked_version(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    let version = lines.next()?.strip_prefix("version = \"")?;
    Some(version.trim_end_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_package_and_not_of_its_neighbour() {
        let lock = "[[package]]\nname = \"wasm-bindgen-macro\"\nversion = \"9.9.9\"\n\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n";
        assert_eq!(
            locked_version(lock, "wasm-bindgen").as_deref(),
            Some("0.2.130")
        );
        assert_eq!(locked_version(lock, "absent"), None);
    }
}
