//! Invitations to groups: a file with one a line, which is read again whenever it changes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use runnel_peer_core::Input;
use runnel_protocol::group::{GroupRequest, Invitation};
use tracing::warn;

use crate::inbox::Inbox;

/// How often the file is read again.
const LOOK: Duration = Duration::from_secs(2);
/// Longest file, in bytes: more invitations than a peer may use.
const MAX_FILE: u64 = 4096;

/// What is in the file. A line that is no invitation is left out, and not shown: it may be one that was
/// mistyped.
fn read(path: &Path) -> Vec<Invitation> {
    let fits = std::fs::metadata(path).is_ok_and(|file| file.len() <= MAX_FILE);
    let text = fits.then(|| std::fs::read_to_string(path).ok()).flatten();
    let Some(text) = text else {
        warn!(path = %path.display(), "the file of invitations cannot be read");
        return Vec::new();
    };
    let lines = text.lines().map(str::trim).zip(1..);
    let lines = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    let read = lines.filter_map(|(line, number): (&str, u32)| {
        let invitation = line.parse();
        if invitation.is_err() {
            warn!(path = %path.display(), number, "this line is no invitation: 32 hexadecimal digits");
        }
        invitation.ok()
    });
    read.collect()
}

/// Has the peer join the groups that the file invites to, and leave those that it does no longer, until the peer
/// is gone.
pub(crate) async fn follow(path: PathBuf, inbox: Inbox) {
    let mut ticks = tokio::time::interval(LOOK);
    let mut known: Vec<Invitation> = Vec::new();
    let mut changed = None;
    while !inbox.is_closed() {
        ticks.tick().await;
        let file = std::fs::metadata(&path).and_then(|file| file.modified());
        let file = file.ok();
        if changed.is_some() && changed == Some(file) {
            continue;
        }
        changed = Some(file);
        let found = read(&path);
        let gone = known.iter().filter(|one| !found.contains(one));
        let new = found.iter().filter(|one| !known.contains(one));
        let leave = gone.map(|one| GroupRequest::Leave(*one));
        for request in leave.chain(new.map(|one| GroupRequest::Join(*one))) {
            inbox.input(Input::Group(request)).await;
        }
        known = found;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox::Arrival;

    #[tokio::test]
    async fn what_the_file_says_is_joined_and_what_it_says_no_longer_is_left() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("invitations");
        let invitation = |number| Invitation([number; 16]);
        let write = |name: &str, numbers: &[u8]| {
            let texts = numbers
                .iter()
                .map(|number| invitation(*number).text() + "\n");
            let text = format!("# the family\nnonsense\n{}", texts.collect::<String>());
            std::fs::write(home.path().join(name), text).unwrap();
        };
        write("invitations", &[1, 2]);
        let (inbox, mut arrivals) = Inbox::new();
        let follower = tokio::spawn(follow(path.clone(), inbox));
        let mut told = Vec::new();
        for _ in 0..2 {
            told.push(arrivals.recv().await.unwrap());
        }
        write("next", &[2, 3]);
        let later = std::time::SystemTime::now() + Duration::from_secs(5);
        let next = std::fs::File::options()
            .write(true)
            .open(home.path().join("next"));
        next.unwrap().set_modified(later).unwrap();
        std::fs::rename(home.path().join("next"), &path).unwrap();
        for _ in 0..2 {
            told.push(arrivals.recv().await.unwrap());
        }
        let told: Vec<GroupRequest> = told
            .into_iter()
            .map(|arrival| {
                let Arrival::Input(Input::Group(request)) = arrival else {
                    panic!("{arrival:?}");
                };
                request
            })
            .collect();
        let expected = [
            GroupRequest::Join(invitation(1)),
            GroupRequest::Join(invitation(2)),
            GroupRequest::Leave(invitation(1)),
            GroupRequest::Join(invitation(3)),
        ];
        assert_eq!(told, expected);
        follower.abort();
    }
}
