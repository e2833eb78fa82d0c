//! The join token: a file that somebody replaces before the token in it expires.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use runnel_peer_core::Input;
use runnel_protocol::control::MAX_TOKEN;
use runnel_protocol::ids::PublicKey;
use tracing::warn;

use crate::inbox::Inbox;

/// How often the file is read again. Files are replaced by renaming, which a watch on the old one
/// would not see.
const LOOK: Duration = Duration::from_secs(2);

/// What is in the file; nothing that could be no token.
pub(crate) fn read(path: &Path) -> Option<String> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) => {
            warn!(path = %path.display(), %error, "the join token cannot be read");
            return None;
        }
    };
    let most = u64::try_from(MAX_TOKEN).unwrap_or(u64::MAX);
    let mut text = String::new();
    file.take(most + 1).read_to_string(&mut text).ok()?;
    let token = text.trim();
    (!token.is_empty() && token.len() <= MAX_TOKEN).then(|| token.to_owned())
}

/// Tells the peer of each other token, until the peer is gone.
pub(crate) async fn follow(path: PathBuf, mut known: Option<String>, inbox: Inbox) {
    let mut ticks = tokio::time::interval(LOOK);
    while !inbox.is_closed() {
        ticks.tick().await;
        let found = path.is_file().then(|| read(&path)).flatten();
        if let Some(token) = found.filter(|found| known.as_ref() != Some(found)) {
            known = Some(token.clone());
            inbox.input(Input::Token(token)).await;
        }
    }
}

/// The SHA-256 thumbprint of an Ed25519 key as a JWK (RFC 7638; RFC 8037, appendix A.3).
pub(crate) fn thumbprint(key: &PublicKey) -> String {
    let canonical = format!(
        r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#,
        URL_SAFE_NO_PAD.encode(key.0)
    );
    URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_the_rfcs_own_example() {
        let key = b"\xd7\x5a\x98\x01\x82\xb1\x0a\xb7\xd5\x4b\xfe\xd3\xc9\x64\x07\x3a\
                    \x0e\xe1\x72\xf3\xda\xa6\x23\x25\xaf\x02\x1a\x68\xf7\x07\x51\x1a";
        let print = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
        assert_eq!(thumbprint(&PublicKey(*key)), print);
    }

    #[test]
    fn what_is_too_long_or_empty_is_no_token() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("token");
        assert_eq!(read(&path), None);
        for (text, token) in [
            ("  \n".to_owned(), None),
            ("a.b.c\n".to_owned(), Some("a.b.c".to_owned())),
            ("x".repeat(MAX_TOKEN + 1), None),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(read(&path), token);
        }
    }

    #[tokio::test]
    async fn a_file_that_is_replaced_is_told_of_once() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("token");
        std::fs::write(&path, "one").unwrap();
        let (inbox, mut arrivals) = Inbox::new();
        let follower = tokio::spawn(follow(path.clone(), Some("one".into()), inbox));
        for token in ["two", "three"] {
            std::fs::write(home.path().join("next"), token).unwrap();
            std::fs::rename(home.path().join("next"), &path).unwrap();
            let arrival = arrivals.recv().await.unwrap();
            let crate::inbox::Arrival::Input(Input::Token(told)) = arrival else {
                panic!("{arrival:?}");
            };
            assert_eq!(told, token);
        }
        follower.abort();
    }
}
