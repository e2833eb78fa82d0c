//! Running other programs, so that a failure can be typed again by hand.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// A command in `folder` (relative to the checkout) with the project's tools on its `PATH`.
pub(crate) fn command(folder: &str, line: &[&str]) -> Command {
    let mut command = Command::new(line[0]);
    command
        .args(&line[1..])
        .current_dir(workspace::root().join(folder))
        .env("PATH", workspace::path_with_tools());
    std::env::vars_os()
        .filter(|(name, _)| name.to_str().is_some_and(describes_this_package))
        .for_each(|(name, _)| {
            command.env_remove(name);
        });
    command
}

/// What `cargo run` tells of the package that it runs, this one. Build scripts that watch it (ring's does) would run
/// again, with all that depends on them, whenever builds by hand and by `cargo xtask` alternate.
fn describes_this_package(variable: &str) -> bool {
    variable.starts_with("CARGO_MANIFEST_") || variable.starts_with("CARGO_PKG_")
}

/// Runs a command line from the checkout's root, showing its output.
///
/// # Errors
/// When it cannot be started or does not succeed; the message is the line to type.
pub(crate) fn run(line: &[&str]) -> Result<()> {
    run_in(".", line)
}

/// Like [`run`], in a folder below the checkout's root.
pub(crate) fn run_in(folder: &str, line: &[&str]) -> Result<()> {
    let shown = shown(folder, line);
    eprintln!("    $ {shown}");
    let status = command(folder, line)
        .status()
        .with_context(|| format!("cannot start: {shown}"))?;
    if !status.success() {
        bail!("failed ({status}): {shown}");
    }
    Ok(())
}

/// What a command prints on its standard output.
///
/// # Errors
/// When it cannot be started, does not succeed, or prints something else than UTF-8.
pub(crate) fn output(line: &[&str]) -> Result<String> {
    let shown = shown(".", line);
    let output = command(".", line)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start: {shown}"))?;
    if !output.status.success() {
        bail!("failed ({}): {shown}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("not UTF-8: {shown}"))
}

/// Does this command succeed? Its output is of no interest.
pub(crate) fn succeeds(line: &[&str]) -> bool {
    command(".", line)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn shown(folder: &str, line: &[&str]) -> String {
    let line = line.join(" ");
    if Path::new(folder) == Path::new(".") {
        line
    } else {
        format!("(cd {folder} && {line})")
    }
}
