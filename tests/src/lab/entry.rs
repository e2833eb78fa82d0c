//! Into the laboratory: a test starts itself again, alone in new namespaces, where it is root and
//! has no network but what it makes.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Set for a test that has been started again.
const INSIDE: &str = "RUNNEL_LAB";
/// The namespaces: of users (to be root in it), of networks, and of processes (so that nothing
/// that was started survives the test).
const UNSHARE: [&str; 4] = ["--map-root-user", "--net", "--pid", "--kill-child"];

/// Runs the body of the test with this full name in the laboratory.
///
/// # Errors
/// Those of the body; when this machine gives no namespaces, which the message explains.
pub fn within(test: &str, body: impl Future<Output = Result<()>>) -> Result<()> {
    if std::env::var_os(INSIDE).is_some_and(|name| name == test) {
        leave_with_the_test()?;
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.enable_all().build()?;
        return runtime.block_on(body);
    }
    is_possible()?;
    let mut command = Command::new("unshare");
    command.args(UNSHARE).arg("--fork").arg("--");
    command.arg(std::env::current_exe()?);
    command.args([test, "--exact", "--nocapture", "--include-ignored"]);
    // Held open: the test inside ends when this one does, however it ends.
    let child = command.env(INSIDE, test).stdin(Stdio::piped()).spawn();
    let mut child = child.context("`unshare` does not start (Debian: util-linux)")?;
    let held = child.stdin.take();
    let status = child.wait()?;
    drop(held);
    if let Some(signal) = status.signal() {
        bail!("the test was ended by signal {signal}");
    }
    ensure!(status.success(), "failed in the laboratory: see above");
    Ok(())
}

/// Whether there can be a laboratory; if not, what is missing.
fn is_possible() -> Result<()> {
    let mut command = Command::new("unshare");
    let tried = command
        .args(UNSHARE)
        .args(["--fork", "--", "true"])
        .output();
    let tried = tried.context("`unshare` does not start (Debian: util-linux)")?;
    ensure!(
        tried.status.success(),
        "no user namespaces: {}allow them (sysctl kernel.unprivileged_userns_clone=1, \
         user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns=0)",
        String::from_utf8_lossy(&tried.stderr)
    );
    let tun = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun");
    tun.context(
        "/dev/net/tun cannot be opened: modprobe tun, and let everybody read and write it",
    )?;
    let ip = Command::new("ip").arg("-V").output();
    ip.context("no program `ip` (Debian: iproute2)")?;
    Ok(())
}

/// Ends this process, and with it everything in its namespaces, when the test outside is gone.
fn leave_with_the_test() -> Result<()> {
    let watch = std::thread::Builder::new().name("leash".to_owned());
    watch.spawn(|| {
        let mut nothing = [0; 1];
        // Nobody ever writes: a read returns at the end.
        let _ = std::io::stdin().read(&mut nothing);
        std::process::exit(1);
    })?;
    Ok(())
}
