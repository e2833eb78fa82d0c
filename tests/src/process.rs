//! Real processes: started from the build folder, logged to files, stopped, killed and frozen.

mod leash;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};

use crate::wait;

/// A running program with its logs. Dropping it kills it, with all that it started; so does the end of
/// whoever started it, however that comes.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    group: Pid,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// One of the project's own programs, built with the profile of the caller.
///
/// # Errors
/// When it has not been built.
pub fn binary(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let mut folder = own.parent().context("a program in no folder")?;
    if folder.ends_with("deps") {
        folder = folder.parent().context("no build folder")?;
    }
    let path = folder.join(name);
    if !path.is_file() {
        bail!("{name} is not built: cargo build --workspace --bins");
    }
    Ok(path)
}

/// A program of the system's, which Debian has in the package of this name. People's `PATH` need not have the
/// administrator's folders.
///
/// # Errors
/// When it is not installed.
pub fn installed(name: &str, package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    let found = folders
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.with_context(|| {
        format!("no program `{name}` (Debian: {package}); `cargo xtask setup` installs it")
    })
}

impl Process {
    /// Starts a command. Its output goes to `NAME.out` and `NAME.log` in `logs`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(name: &str, mut command: Command, logs: &Path) -> Result<Self> {
        std::fs::create_dir_all(logs)?;
        let stdout = logs.join(format!("{name}.out"));
        let stderr = logs.join(format!("{name}.log"));
        // A group of its own: the terminal's Ctrl-C is for us alone, so that things end in order,
        // and what the program starts (Chromium's children) can be ended with it.
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let group = child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
            .with_context(|| format!("{name} ended at once"))?;
        leash::hold(group)?;
        Ok(Self {
            name: name.to_owned(),
            child,
            group,
            stdout,
            stderr,
        })
    }

    /// Waits until the program prints a line that contains `text`; returns the rest of that line.
    ///
    /// # Errors
    /// When the program ends first, or nothing comes within `bound`; with the end of its log.
    pub async fn line(&mut self, text: &str, bound: Duration) -> Result<String> {
        let what = format!("\"{text}\" from {}", self.name);
        let found = wait::until(&what, bound, async || {
            let printed = std::fs::read_to_string(&self.stdout).unwrap_or_default();
            let rest = printed.lines().find_map(|line| line.split_once(text));
            match rest {
                Some((_, rest)) => Some(Some(rest.trim().to_owned())),
                None => self.has_ended().then_some(None),
            }
        });
        match found.await {
            Ok(Some(rest)) => Ok(rest),
            Ok(None) => bail!(
                "{} ended; its log ends with:\n{}",
                self.name,
                self.log_tail()
            ),
            Err(late) => bail!("{late:#}; its log ends with:\n{}", self.log_tail()),
        }
    }

    /// Ends it at once, as a crash would (SIGKILL).
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Freezes it: connections stay open and silent (SIGSTOP). Returns once it stands still.
    ///
    /// # Errors
    /// When it does not stand still within a second.
    pub async fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP);
        let what = format!("{} to stand still", self.name);
        let status = format!("/proc/{}/status", self.id());
        wait::until(&what, Duration::from_secs(1), async || {
            let status = std::fs::read_to_string(&status).ok()?;
            status.contains("State:\tT").then_some(())
        })
        .await
    }

    /// Lets a frozen program go on (SIGCONT).
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Asks it to end (SIGTERM) and waits.
    ///
    /// # Errors
    /// When it has not ended within `bound`; then it is killed.
    pub async fn stop(mut self, bound: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM);
        match tokio::time::timeout(bound, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("{} did not end within {} s", self.name, bound.as_secs()),
        }
    }

    /// Waits for its own end; what it printed.
    ///
    /// # Errors
    /// When it has not ended within `bound`; then it is killed.
    pub async fn finish(mut self, bound: Duration) -> Result<(ExitStatus, String)> {
        let status = tokio::time::timeout(bound, self.child.wait()).await;
        let status = status.with_context(|| format!("{} does not end", self.name))??;
        Ok((status, std::fs::read_to_string(&self.stdout)?))
    }

    /// Has it ended?
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// What it wrote to its standard error so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.group.as_raw_nonzero().get().cast_unsigned()
    }

    fn signal(&self, signal: Signal) {
        // Once reaped, the id may belong to somebody else.
        if self.child.id().is_some() {
            let _ = kill_process(self.group, signal);
        }
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.id().is_some() {
            let _ = kill_process_group(self.group, Signal::KILL);
        }
        leash::free(self.group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_secs(10);

    fn shell(name: &str, script: &str) -> (tempfile::TempDir, Process) {
        let logs = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let process = Process::spawn(name, command, logs.path()).unwrap();
        (logs, process)
    }

    #[tokio::test]
    async fn a_line_is_waited_for_and_its_rest_returned() {
        let (_logs, mut process) = shell("greeter", "echo hello on port 7; exec sleep 60");
        assert_eq!(process.line("on port", BOUND).await.unwrap(), "7");
        assert!(!process.has_ended());
    }

    #[tokio::test]
    async fn a_program_that_ends_early_is_reported_with_its_log() {
        let (_logs, mut process) = shell("failing", "echo no such thing >&2; exit 3");
        let error = process.line("ready", BOUND).await.unwrap_err();
        assert!(error.to_string().contains("no such thing"), "{error:#}");
    }

    #[tokio::test]
    async fn a_polite_program_ends_when_asked() {
        let (_logs, mut process) = shell(
            "polite",
            "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done",
        );
        process.line("up", BOUND).await.unwrap();
        assert!(process.stop(BOUND).await.unwrap().success());
    }

    #[tokio::test]
    async fn a_frozen_program_does_not_end_when_asked_and_is_killed() {
        let (_logs, mut process) = shell("frozen", "echo up; exec sleep 60");
        process.line("up", BOUND).await.unwrap();
        process.freeze().await.unwrap();
        process.stop(Duration::from_millis(200)).await.unwrap_err();
    }
}
