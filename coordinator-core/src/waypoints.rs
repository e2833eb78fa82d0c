//! The operator's own agents: who is enrolled for what, certificates, origin grants.

use std::collections::BTreeMap;

use runnel_protocol::control::{Enrol, FromCoordinator, OriginGrant};
use runnel_protocol::ids::{ContentId, PeerId, PublicKey};
use runnel_protocol::manifest::{MAX_CERTIFICATE_LIFE, StreamKeyCertificate};
use runnel_protocol::signature::Signed;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::UnixSeconds;

use crate::content::Content;
use crate::directory::Directory;
use crate::explain::What;
use crate::io::{Output, SessionId, Unsigned};
use crate::world::World;

/// A waypoint whose clock is slow must not find its own certificate in the future.
const BACKDATED: u64 = 300;
/// A certificate with more than this left is handed out again as it is.
const WORTH_KEEPING: u64 = MAX_CERTIFICATE_LIFE / 2;
/// A grant allows fetching for this long, in seconds, and is renewed at two thirds of it.
const GRANT_LIFE: u64 = 15 * 60;
const GRANT_RENEWAL: u64 = 5 * 60;
/// Codes that a session may try: each one costs a write to disk, and nobody mistypes more often.
const MAX_CODES: u8 = 5;
/// Certificates per content in an assignment: waypoints, and old keys until they expire.
const MAX_CERTIFICATES: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Waypoints {
    enrolled: BTreeMap<PeerId, Vec<ContentId>>,
    /// Stream keys that wait for enrolment or certification.
    wanted: BTreeMap<PeerId, PublicKey>,
    /// The newest certificate of each waypoint.
    certificates: BTreeMap<PeerId, Signed<StreamKeyCertificate>>,
    granted: BTreeMap<(PeerId, ContentId), UnixSeconds>,
}

impl Waypoints {
    pub(crate) fn is_enrolled(&self, peer: PeerId) -> bool {
        self.enrolled.contains_key(&peer)
    }

    /// What an enrolled waypoint may attest.
    pub(crate) fn contents(&self, peer: PeerId) -> &[ContentId] {
        self.enrolled.get(&peer).map_or(&[], Vec::as_slice)
    }

    /// The waypoints of a content, connected or not.
    pub(crate) fn of(&self, content: ContentId) -> impl Iterator<Item = PeerId> {
        self.enrolled
            .iter()
            .filter(move |(_, contents)| contents.contains(&content))
            .map(|(peer, _)| *peer)
    }

    /// Certificates under which the content is attested at `now`.
    pub(crate) fn certificates(
        &self,
        content: ContentId,
        now: UnixSeconds,
    ) -> Vec<Signed<StreamKeyCertificate>> {
        let valid = self.certificates.values();
        let valid = valid.filter(|signed| signed.body.covers(content, now));
        valid.take(MAX_CERTIFICATES).cloned().collect()
    }

    pub(crate) fn enrol(&mut self, peer: PeerId, contents: Vec<ContentId>) {
        self.enrolled.insert(peer, contents);
    }

    pub(crate) fn forget_session(&mut self, peer: PeerId) {
        self.wanted.remove(&peer);
        self.granted.retain(|(waypoint, _), _| *waypoint != peer);
    }

    /// Takes a certificate in; tells which contents have a new one.
    pub(crate) fn on_certified(&mut self, signed: Signed<StreamKeyCertificate>) -> Vec<ContentId> {
        let contents = signed.body.contents.clone();
        self.wanted.remove(&signed.body.waypoint);
        self.certificates.insert(signed.body.waypoint, signed);
        contents
    }
}

/// A waypoint asks to be enrolled, or to have its certificate renewed. `None`: it is neither
/// enrolled nor has a code.
pub(crate) fn on_enrol(
    world: &mut World,
    directory: &Directory,
    (session, peer): (SessionId, PeerId),
    enrol: Enrol,
    now: Timestamp,
) -> Option<()> {
    let tried = world
        .view
        .get(peer)
        .map_or(u8::MAX, |record| record.codes_tried);
    world.waypoints.wanted.insert(peer, enrol.stream_key);
    match enrol.code.filter(|_| tried < MAX_CODES) {
        Some(code) => {
            if let Some(record) = world.view.get_mut(peer) {
                record.codes_tried = tried + 1;
            }
            world.outputs.push_back(Output::RedeemCode {
                session,
                peer,
                code,
            });
        }
        None if world.waypoints.is_enrolled(peer) => certify(world, directory, peer, now),
        None => {
            world.waypoints.wanted.remove(&peer);
            return None;
        }
    }
    Some(())
}

/// Has the stream key signed that an enrolled waypoint presented, or sends the certificate that
/// is good enough still.
pub(crate) fn certify(world: &mut World, directory: &Directory, peer: PeerId, now: Timestamp) {
    let Some(key) = world.waypoints.wanted.get(&peer).copied() else {
        return;
    };
    let date = now.unix_seconds();
    let contents = world.waypoints.contents(peer).to_vec();
    let mut origins: Vec<String> = contents
        .iter()
        .filter_map(|id| directory.content(*id))
        .flat_map(Content::origins)
        .collect();
    origins.sort();
    origins.dedup();
    let suits = |signed: &&Signed<StreamKeyCertificate>| {
        let body = &signed.body;
        let long = date.plus(WORTH_KEEPING) < body.expires;
        body.key == key && body.contents == contents && body.origins == origins && long
    };
    if let Some(signed) = world
        .waypoints
        .certificates
        .get(&peer)
        .filter(suits)
        .cloned()
    {
        world.waypoints.wanted.remove(&peer);
        world.send(peer, FromCoordinator::Certificate(signed));
        return;
    }
    let issued = UnixSeconds(date.0.saturating_sub(BACKDATED));
    let certificate = StreamKeyCertificate {
        key,
        waypoint: peer,
        contents,
        origins,
        issued,
        expires: issued.plus(MAX_CERTIFICATE_LIFE),
    };
    world.log.note(peer, None, What::Certified, now);
    world
        .outputs
        .push_back(Output::Sign(Unsigned::Certificate(certificate)));
}

/// A content was registered in place of another: its waypoints are to be told where it is now, and
/// certified for that.
pub(crate) fn on_moved(
    world: &mut World,
    directory: &Directory,
    content: ContentId,
    now: Timestamp,
) {
    let waypoints: Vec<PeerId> = world.waypoints.of(content).collect();
    for peer in waypoints {
        world.waypoints.granted.remove(&(peer, content));
        let certified = world.waypoints.certificates.get(&peer);
        let key = certified.map(|signed| signed.body.key);
        if let (Some(key), true) = (key, world.view.get(peer).is_some()) {
            world.waypoints.wanted.insert(peer, key);
            certify(world, directory, peer, now);
        }
    }
}

/// Has a grant signed for each waypoint of `content` that has none or an old one.
pub(crate) fn grant(world: &mut World, content: &Content, heads: &[PeerId], now: Timestamp) {
    let date = now.unix_seconds();
    for head in heads {
        let key = (*head, content.id());
        let until = world.waypoints.granted.get(&key);
        if until.is_some_and(|until| date.plus(GRANT_RENEWAL) < *until) {
            continue;
        }
        let expires = date.plus(GRANT_LIFE);
        world.waypoints.granted.insert(key, expires);
        let grant = OriginGrant {
            content: content.id(),
            name: content.name.clone(),
            master_url: content.master_url.clone(),
            waypoint: *head,
            expires,
        };
        world
            .outputs
            .push_back(Output::Sign(Unsigned::Grant(grant)));
    }
}
