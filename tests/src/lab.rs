//! A network laboratory on one machine: hosts that are namespaces, NATs and firewalls before them,
//! lines that are slow and lose packets, and homes whose routers are real kernels. What crosses is what
//! real programs send.

mod cable;
mod entry;
pub mod gate;
pub mod home;
mod host;
pub mod packet;
pub mod pipe;
pub mod router;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, Result};
use tun_rs::SyncDevice;

pub use entry::within;
pub use host::Host;

use cable::Cable;
use gate::Gate;
use pipe::Line;
use router::{Router, SiteId, Tally};

/// A laboratory that is being set up.
#[derive(Default)]
pub struct Plan {
    router: Router,
    seed: u64,
    hosts: BTreeMap<String, Host>,
    devices: Vec<SyncDevice>,
}

impl Plan {
    /// What lines lose follows from the seed.
    pub fn with_seed(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// Adds a site: hosts behind one gate and one line.
    pub fn site(&mut self, gate: Gate, line: Line) -> SiteId {
        self.seed = self.seed.wrapping_add(1);
        self.router.add_site(gate, line, self.seed)
    }

    /// Adds a host to a site.
    ///
    /// # Errors
    /// When there is no namespace or interface for it.
    pub fn host(&mut self, site: SiteId, name: &str, addresses: &[IpAddr]) -> Result<()> {
        let (host, device) = Host::new(name, addresses)?;
        self.router.add_host(site, addresses);
        self.devices.push(device);
        self.hosts.insert(name.to_owned(), host);
        Ok(())
    }

    /// Adds a home: a router with this public address and one host behind it, see [`home`].
    ///
    /// # Errors
    /// When there is no namespace or interface for one of them, or the kernel does not translate.
    pub fn home(&mut self, router: &str, outside: Ipv4Addr, inhabitant: &str) -> Result<()> {
        let site = self.site(Gate::open(), Line::IDEAL);
        self.host(site, router, &[outside.into()])?;
        let router = self.hosts.get(router).context("no router")?;
        let host = home::furnish(router, inhabitant)?;
        self.hosts.insert(inhabitant.to_owned(), host);
        Ok(())
    }

    /// Connects everything.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub fn connect(self) -> Result<Lab> {
        Ok(Lab {
            hosts: self.hosts,
            cable: Cable::plug(self.router, self.devices)?,
        })
    }
}

/// A running laboratory.
#[derive(Debug)]
pub struct Lab {
    hosts: BTreeMap<String, Host>,
    cable: Cable,
}

impl Lab {
    /// The host of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn host(&self, name: &str) -> Result<&Host> {
        self.hosts
            .get(name)
            .with_context(|| format!("no host {name}"))
    }

    /// Disconnects everything: what became of all packets.
    ///
    /// # Errors
    /// When the router had failed.
    pub fn end(self) -> Result<Tally> {
        self.cable.unplug()
    }
}
