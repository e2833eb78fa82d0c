//! Who comes on: agents, waypoints and viewers.

use core::net::IpAddr;
use std::collections::BTreeMap;

use runnel_coordinator_core::{Input, SessionId};
use runnel_protocol::control::{
    ClientHello, ContentLocator, Enrol, Implementation, Open, Platform, ToCoordinator,
};
use runnel_protocol::ids::{CertificateHash, PeerId, PublicKey};
use runnel_protocol::signature::Signature;

use super::{Actor, CODE, Stage, kilobits};

impl Stage {
    /// A peer comes and proves its key.
    pub(crate) fn join(&mut self, name: &'static str, hello: ClientHello, address: &str) {
        self.sessions += 1;
        let session = SessionId(self.sessions);
        let actor = Actor {
            session,
            peer: PeerId::of(&hello.key),
            frozen: false,
            closed: false,
            inbox: Vec::new(),
            assigns: BTreeMap::new(),
            sequence: 0,
            report: None,
            received: BTreeMap::new(),
            sent: BTreeMap::new(),
        };
        self.actors.insert(name, actor);
        let address: IpAddr = address.parse().unwrap();
        self.input(Input::SessionOpened {
            session,
            from: address.into(),
        });
        self.say(name, ToCoordinator::Hello(Box::new(hello)));
    }

    pub(crate) fn hello(&mut self, platform: Platform, uplink: u64) -> ClientHello {
        self.names += 1;
        let native = platform == Platform::Native;
        let port = 4000 + u16::from(self.names);
        ClientHello {
            key: PublicKey([self.names; 32]),
            signature: Signature([0; 64]),
            implementation: Implementation {
                version: "story".to_owned(),
                platform,
                accepts: native,
            },
            endpoints: native
                .then(|| ([127, 0, 0, 1], port).into())
                .into_iter()
                .collect(),
            certificates: native
                .then_some(CertificateHash([self.names; 32]))
                .into_iter()
                .collect(),
            uplink: kilobits(uplink),
            join_token: None,
        }
    }

    /// An agent with `uplink` kbit/s that waits to be asked.
    pub(crate) fn agent(&mut self, name: &'static str, uplink: u64) {
        self.agent_at(name, uplink, "127.0.0.1");
    }

    pub(crate) fn agent_at(&mut self, name: &'static str, uplink: u64, address: &str) {
        let mut hello = self.hello(Platform::Native, uplink);
        for endpoint in &mut hello.endpoints {
            endpoint.set_ip(address.parse().unwrap());
        }
        self.join(name, hello, address);
    }

    /// A waypoint for both contents that everybody can reach.
    pub(crate) fn waypoint_at(&mut self, name: &'static str, uplink: u64, address: &str) {
        self.agent_at(name, uplink, address);
        self.enrol(name);
    }

    /// A browser that plays `live`.
    pub(crate) fn viewer_at(&mut self, name: &'static str, address: &str) {
        let hello = self.hello(Platform::Browser, 0);
        self.join(name, hello, address);
        self.open(name, "live", true);
    }

    /// A waypoint for both contents.
    pub(crate) fn waypoint(&mut self, name: &'static str, uplink: u64) {
        self.agent(name, uplink);
        self.enrol(name);
    }

    /// Enrols it as a waypoint for both contents.
    pub(crate) fn enrol(&mut self, name: &'static str) {
        let stream_key = PublicKey([200; 32]);
        let code = Some(CODE.to_owned());
        self.say(name, ToCoordinator::Enrol(Enrol { code, stream_key }));
    }

    /// A browser that plays `live`.
    pub(crate) fn viewer(&mut self, name: &'static str) {
        self.uploading_viewer(name, 0);
    }

    /// A browser that plays `live` and may upload.
    pub(crate) fn uploading_viewer(&mut self, name: &'static str, uplink: u64) {
        self.uploading_viewer_at(name, uplink, "127.0.0.1");
    }

    pub(crate) fn uploading_viewer_at(&mut self, name: &'static str, uplink: u64, address: &str) {
        let hello = self.hello(Platform::Browser, uplink);
        self.join(name, hello, address);
        self.open(name, "live", true);
    }

    pub(crate) fn open(&mut self, name: &'static str, content: &str, plays: bool) {
        let content = ContentLocator::Name(content.to_owned());
        self.say(name, ToCoordinator::Open(Open { content, plays }));
    }
}
