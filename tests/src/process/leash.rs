//! What ends with this program, even if it is killed: a shell that waits for the end of a pipe.

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::process::Pid;

/// Reads of process groups to hold and to free; once nothing more can come, it kills those it holds.
const SCRIPT: &str = r#"
while read -r what group; do
    rest=
    for one in $held; do [ "$one" = "$group" ] || rest="$rest $one"; done
    held=$rest
    [ "$what" = hold ] && held="$held $group"
done
for one in $held; do kill -KILL "-$one"; done
"#;

/// Holds process groups.
#[derive(Debug)]
pub(crate) struct Leash {
    _shell: Child,
    pipe: ChildStdin,
}

static OWN: Mutex<Option<Leash>> = Mutex::new(None);

impl Leash {
    /// # Errors
    /// When there is no shell.
    fn new() -> io::Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let pipe = shell.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self {
            _shell: shell,
            pipe,
        })
    }

    fn say(&mut self, what: &str, group: Pid) -> io::Result<()> {
        writeln!(self.pipe, "{what} {group}")
    }
}

/// Has a group end with this program.
///
/// # Errors
/// When that cannot be arranged.
pub(crate) fn hold(group: Pid) -> io::Result<()> {
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    match &mut *own {
        Some(leash) => leash.say("hold", group),
        none => none.insert(Leash::new()?).say("hold", group),
    }
}

/// The group has ended: its number may be somebody else's from now on.
pub(crate) fn free(group: Pid) {
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(leash) = &mut *own {
        // Without the shell nothing is held.
        let _ = leash.say("free", group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> (Child, Pid) {
        let mut command = Command::new("sleep");
        let child = command.arg("600").process_group(0).spawn().unwrap();
        let group = Pid::from_child(&child);
        (child, group)
    }

    #[test]
    fn what_is_held_ends_with_its_owner_and_what_was_freed_does_not() {
        let ((mut held, first), (mut freed, second)) = (sleeper(), sleeper());
        let mut leash = Leash::new().unwrap();
        leash.say("hold", first).unwrap();
        leash.say("hold", second).unwrap();
        leash.say("free", second).unwrap();
        // As when the program that holds the pipe is killed.
        let Leash {
            _shell: mut shell,
            pipe,
        } = leash;
        drop(pipe);
        assert!(!held.wait().unwrap().success());
        shell.wait().unwrap();
        assert!(freed.try_wait().unwrap().is_none());
        freed.kill().unwrap();
        freed.wait().unwrap();
    }
}
