//! Bytes as they left the servers' sockets.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use anyhow::{Context, Result};

use crate::meter::Sent;
use crate::stack::Stack;

/// What the servers had sent at some moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Servers {
    /// Segments, by the origin, to anybody.
    pub(super) origin: u64,
    /// The part of it that went to pages.
    pub(super) origin_to_pages: u64,
    /// By the waypoint, to anybody.
    pub(super) waypoint: Sent,
    pub(super) waypoint_to_pages: Sent,
    pub(super) agents_to_pages: Sent,
    /// By agents, to each other and the waypoint.
    pub(super) agents_to_agents: Sent,
}

impl Servers {
    /// Reads origin and meters.
    pub(super) async fn read(stack: &Stack, content: &str) -> Result<Self> {
        let mut servers = Self::default();
        servers.read_origin(stack, content).await?;
        servers.read_meters(stack);
        Ok(servers)
    }

    async fn read_origin(&mut self, stack: &Stack, content: &str) -> Result<()> {
        let stats = stack.origin_stats().await?;
        let paths = stats["paths"].as_object().context("no paths")?;
        for (path, sent) in paths {
            if path.starts_with(&format!("/{content}/")) && path.ends_with(".ts") {
                self.origin += sent["bytes"].as_u64().context("no bytes")?;
                self.origin_to_pages += sent["page_bytes"].as_u64().context("no page bytes")?;
            }
        }
        Ok(())
    }

    fn read_meters(&mut self, stack: &Stack) {
        let own = |(_, meter): &(String, crate::meter::Meter)| meter.server();
        let servers: BTreeSet<SocketAddr> = stack.meters().iter().filter_map(own).collect();
        let waypoint = stack.meters().iter().find(|(name, _)| name == "waypoint");
        let waypoint = waypoint.and_then(own);
        for (name, meter) in stack.meters() {
            for (other, flow) in meter.flows() {
                let other = servers.get(&other).copied();
                self.sent(name == "waypoint", other.is_none(), flow.down);
                // Whoever dialled a server through its meter sends upwards.
                if let Some(other) = other {
                    self.sent(Some(other) == waypoint, false, flow.up);
                }
            }
        }
    }

    fn sent(&mut self, by_waypoint: bool, to_page: bool, sent: Sent) {
        if by_waypoint {
            self.waypoint += sent;
        }
        let account = match (by_waypoint, to_page) {
            (true, true) => &mut self.waypoint_to_pages,
            (false, true) => &mut self.agents_to_pages,
            (false, false) => &mut self.agents_to_agents,
            (true, false) => return,
        };
        *account += sent;
    }
}
