//! Affinity groups with their invitations, of which the hashes alone are kept.

use runnel_coordinator_core::{GroupTerms, Invite};
use runnel_protocol::group::InvitationHash;
use runnel_protocol::ids::PeerId;
use runnel_protocol::units::UnixSeconds;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::{Store, StoreError, connect};
use crate::clock;
use crate::groups::Document;

/// The tables. What a group says is the document that operators write.
pub(super) const TABLES: &str = "
CREATE TABLE groups (id TEXT PRIMARY KEY, document TEXT NOT NULL, founder BLOB) STRICT;
CREATE TABLE invitations (
    hash BLOB NOT NULL, listed TEXT NOT NULL, expires INTEGER, uses INTEGER, used_by BLOB NOT NULL,
    PRIMARY KEY (listed, hash)) STRICT;
";

const PEER: usize = 16;

/// What becomes of a group.
#[derive(Debug)]
pub(crate) enum GroupChange {
    Keep(Box<GroupTerms>),
    Forget(String),
}

impl Store {
    /// All groups.
    pub(crate) fn groups(&self) -> Result<Vec<GroupTerms>, StoreError> {
        let connection = connect(&self.path)?;
        let mut rows =
            connection.prepare("SELECT id, document, founder FROM groups ORDER BY id")?;
        let rows = rows.query_map([], |row| {
            let founder: Option<[u8; PEER]> = row.get(2)?;
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, founder))
        })?;
        rows.map(|row| {
            let (id, document, founder) = row?;
            let damaged = || StoreError::Damaged("group");
            let document: Document = serde_json::from_str(&document).map_err(|_| damaged())?;
            let terms = document.terms(&id).map_err(|_| damaged())?;
            Ok(GroupTerms {
                founder: founder.map(PeerId),
                invites: invites(&connection, &id)?,
                ..terms
            })
        })
        .collect()
    }

    /// Does all of this, in order.
    pub(crate) async fn change_groups(&self, changes: Vec<GroupChange>) -> Result<(), StoreError> {
        self.run(move |transaction| changes.iter().try_for_each(|one| change(transaction, one)))
            .await
    }
}

fn invites(connection: &Connection, listed: &str) -> rusqlite::Result<Vec<Invite>> {
    let mut rows = connection.prepare(
        "SELECT hash, expires, uses, used_by FROM invitations WHERE listed = ?1 ORDER BY hash",
    )?;
    let rows = rows.query_map([listed], |row| {
        let expires: Option<i64> = row.get(1)?;
        let used_by: Vec<u8> = row.get(3)?;
        let (peers, _) = used_by.as_chunks::<PEER>();
        Ok(Invite {
            hash: InvitationHash(row.get(0)?),
            expires: expires.map(|end| UnixSeconds(u64::try_from(end).unwrap_or(0))),
            uses: row.get(2)?,
            used_by: peers.iter().copied().map(PeerId).collect(),
        })
    })?;
    rows.collect()
}

fn change(transaction: &Transaction<'_>, change: &GroupChange) -> rusqlite::Result<()> {
    let id = match change {
        GroupChange::Keep(terms) => &terms.id,
        GroupChange::Forget(id) => id,
    };
    let before: Option<String> = transaction
        .query_row("SELECT document FROM groups WHERE id = ?1", [id], |row| {
            row.get(0)
        })
        .optional()?;
    let document = match change {
        GroupChange::Keep(terms) => Document::of(terms).text(),
        GroupChange::Forget(_) => String::new(),
    };
    if before.is_some_and(|before| before != document) {
        note(transaction)?;
    }
    transaction.execute("DELETE FROM groups WHERE id = ?1", [id])?;
    let invitations = transaction.execute("DELETE FROM invitations WHERE listed = ?1", [id])?;
    let GroupChange::Keep(terms) = change else {
        return Ok(());
    };
    let founder = terms.founder.map(|peer| peer.0);
    transaction.execute(
        "INSERT INTO groups (id, document, founder) VALUES (?1, ?2, ?3)",
        params![id, document, founder],
    )?;
    if terms.invites.len() < invitations {
        note(transaction)?;
    }
    for invite in &terms.invites {
        let expires = invite
            .expires
            .map(|end| i64::try_from(end.0).unwrap_or(i64::MAX));
        let used_by: Vec<u8> = invite.used_by.iter().flat_map(|peer| peer.0).collect();
        transaction.execute(
            "INSERT INTO invitations (hash, listed, expires, uses, used_by)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![invite.hash.0, id, expires, invite.uses, used_by],
        )?;
    }
    Ok(())
}

/// What pairs were granted may be forbidden since: a start that comes soon has to doubt it.
fn note(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let now = i64::try_from(clock::unix_seconds()).unwrap_or(i64::MAX);
    let note = "UPDATE generations SET changed = ?1";
    transaction.execute(note, [now]).map(drop)
}

#[cfg(test)]
mod tests {
    use runnel_coordinator_core::Admits;
    use runnel_protocol::group::{Invitation, Strangers};

    use super::*;

    #[tokio::test]
    async fn a_group_is_kept_with_its_lists_and_without_its_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let invitation = Invitation(*b"a secret of ours");
        let provider = || "demo".to_owned();
        let terms = GroupTerms {
            id: "film".to_owned(),
            name: "Friday film".to_owned(),
            strangers: Strangers::Last,
            founder: Some(PeerId([7; 16])),
            admits: vec![
                Admits::Account {
                    provider: provider(),
                    account: "ann".to_owned(),
                },
                Admits::Contact {
                    provider: provider(),
                    hash: [3; 32],
                },
                Admits::Claim {
                    provider: provider(),
                    group: "choir".to_owned(),
                },
                Admits::Range("192.0.2.0/24".parse().unwrap()),
            ],
            invites: vec![Invite {
                hash: InvitationHash::from(&invitation),
                expires: Some(UnixSeconds(1_800_000_000)),
                uses: Some(3),
                used_by: vec![PeerId([1; 16]), PeerId([2; 16])],
            }],
        };
        let keep = |terms: &GroupTerms| GroupChange::Keep(Box::new(terms.clone()));
        let gone = GroupTerms {
            id: "gone".to_owned(),
            ..terms.clone()
        };
        let changes = vec![
            keep(&gone),
            keep(&terms),
            GroupChange::Forget("gone".to_owned()),
        ];
        store.change_groups(changes).await.unwrap();
        drop(store);
        let kept = Store::open(folder.path()).unwrap().groups().unwrap();
        assert_eq!(kept, [terms]);
        let bytes = std::fs::read(folder.path().join("coordinator.sqlite")).unwrap();
        let secret = bytes.windows(16).any(|some| some == invitation.0);
        assert!(!secret, "whoever reads the file cannot join");
    }
}
