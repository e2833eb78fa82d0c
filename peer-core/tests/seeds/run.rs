//! A plan carried out, and what came of it.

use std::cell::Cell;
use std::time::Duration;

use runnel_peer_core::{Census, Input};
use runnel_protocol::control::{Parent, Platform, Source};
use runnel_protocol::proof::ProvenChunk;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::dice::Dice;
use crate::plan::{Fault, PLAY, Plan, WAYPOINT};
use crate::player::{Asked, Player, SEGMENT};
use crate::world::{At, OTHER_TRACK, World, place};

/// How finely the world is steered from outside.
const TICK: Duration = Duration::from_millis(100);
/// Longer than anything that is under way may last.
const REST: Duration = Duration::from_secs(120);

pub struct Run {
    pub world: World,
    pub asked: Vec<Asked>,
    /// When the CDN failed, from and to.
    pub outages: Vec<(Timestamp, Timestamp)>,
    /// The fullest that each host's tables were.
    pub fullest: Vec<Census>,
    players: Vec<Player>,
    thaws: Vec<(Timestamp, At)>,
    dice: Dice,
    newest: u64,
    answered: usize,
}

impl Run {
    pub fn of(plan: &Plan) -> Self {
        let mut run = Self::start(plan);
        let start = run.world.now;
        let mut faults = plan.faults.iter().peekable();
        while run.world.now.since(start) < PLAY {
            let passed = run.world.now.since(start);
            while let Some((_, fault)) = faults.next_if(|(at, _)| *at <= passed) {
                run.befall(plan, *fault);
            }
            run.tick(plan, start);
        }
        run.players.clear();
        for _ in 0..REST.as_millis() / TICK.as_millis() {
            run.tick(plan, start);
        }
        run
    }

    fn start(plan: &Plan) -> Self {
        let mut world = World::new();
        world.origin_delay = plan.origin_delay;
        world.waypoint();
        for _ in &plan.agents {
            world.add(Platform::Native, |config| {
                config.disk = true;
                // Three segments: what is older comes from disk.
                config.memory = 1_000_000;
            });
        }
        for _ in &plan.viewers {
            world.viewer();
        }
        for (at, line) in &plan.lines {
            world.hosts[at.0].line = Some(*line);
        }
        let mut run = Self {
            fullest: vec![Census::default(); world.hosts.len()],
            world,
            asked: Vec::new(),
            outages: Vec::new(),
            players: Vec::new(),
            thaws: Vec::new(),
            dice: Dice::of(!plan.seed),
            newest: 0,
            answered: 0,
        };
        run.assign_feeds(plan);
        for viewer in &plan.viewers {
            run.assign_viewer(plan, *viewer);
        }
        run.world.run_for(Duration::from_secs(1));
        let now = run.world.now;
        let player = |viewer: &At| Player::new(*viewer, plan.live, 1, now);
        run.players = plan.viewers.iter().map(player).collect();
        run
    }

    fn assign_feeds(&mut self, plan: &Plan) {
        self.world.assign(WAYPOINT, vec![]);
        for (count, agent) in plan.agents.iter().enumerate() {
            let other = plan.agents[(count + 1) % plan.agents.len()];
            let mut parents = vec![
                self.world
                    .parent(WAYPOINT, *agent, Source::Waypoint, 0b1111),
                self.world.parent(other, *agent, Source::Peer, 0),
            ];
            if plan.uploads {
                let viewer = plan.viewers[count % plan.viewers.len()];
                let mut standby = self.world.parent(viewer, *agent, Source::Peer, 0);
                standby.contact.endpoints.clear();
                parents.push(standby);
            }
            self.world.assign(*agent, parents);
        }
    }

    fn assign_viewer(&mut self, plan: &Plan, viewer: At) {
        let first = self.dice.below(plan.agents.len() as u64) as usize;
        let second = (first + 1) % plan.agents.len();
        let split = self.dice.one_in(2);
        let (one, two) = if split { (0b0101, 0b1010) } else { (0b1111, 0) };
        let parent = |world: &World, which: usize, stripes: u16| -> Parent {
            world.parent(plan.agents[which], viewer, Source::Peer, stripes)
        };
        let parents = vec![
            parent(&self.world, first, one),
            parent(&self.world, second, two),
        ];
        self.world.assign(viewer, parents);
    }

    fn tick(&mut self, plan: &Plan, start: Timestamp) {
        self.publish(plan, start);
        for player in &mut self.players {
            let asked = player.step(&mut self.world, self.newest);
            self.asked.extend(asked);
        }
        let now = self.world.now;
        let due: Vec<_> = self.thaws.extract_if(.., |(at, _)| *at <= now).collect();
        due.into_iter()
            .for_each(|(_, at)| self.world.freeze(at, false));
        self.world.origin_up = !self
            .outages
            .iter()
            .any(|(from, to)| *from <= now && now < *to);
        self.world.run_for(TICK);
        for (host, fullest) in self.world.hosts.iter().zip(&mut self.fullest) {
            raise(fullest, &host.peer.census());
        }
    }

    /// The waypoint has what is live, and what was asked of it.
    fn publish(&mut self, plan: &Plan, start: Timestamp) {
        if self.world.is_frozen(WAYPOINT) {
            return;
        }
        let passed = self.world.now.since(start).as_millis() / SEGMENT.as_millis();
        let newest = u64::try_from(passed).unwrap() + 1;
        while plan.live && self.newest < newest {
            self.newest += 1;
            self.world.publish(WAYPOINT, self.newest);
            self.world.publish(WAYPOINT, OTHER_TRACK + self.newest);
        }
        let demanded = &self.world.hosts[WAYPOINT.0].demanded;
        let new: Vec<_> = demanded[self.answered..].iter().map(place).collect();
        self.answered += new.len();
        let exists = |place: &u64| !plan.live || place % OTHER_TRACK <= newest;
        for place in new.into_iter().filter(exists) {
            self.world.publish(WAYPOINT, place);
        }
    }

    fn befall(&mut self, plan: &Plan, fault: Fault) {
        let now = self.world.now;
        match fault {
            Fault::Freeze(at, time) => {
                self.world.freeze(at, true);
                self.thaws.push((now + time, at));
            }
            Fault::Kill(at) => {
                self.world.kill(at);
            }
            Fault::Cut(at, which) => self.world.cut(at, which),
            Fault::Lie(at, every) => self.tamper(at, every, lie),
            Fault::Drip(at, every) => self.tamper(at, every, lose),
            Fault::Reassign(viewer) => self.assign_viewer(plan, viewer),
            Fault::Switch(viewer) => self.player(viewer, Player::switch),
            Fault::Seek(viewer) => {
                let newest = self.newest;
                self.player(viewer, |player| player.seek(newest, now));
            }
            Fault::Outage(time) => self.outages.push((now, now + time)),
            Fault::LoseCoordinator(at) => self.world.give(at, Input::CoordinatorLost),
            Fault::Withdraw(viewer) => self.world.give(
                viewer,
                Input::Consent {
                    peers: false,
                    uplink: BitsPerSecond(0),
                },
            ),
        }
    }

    fn player(&mut self, viewer: At, act: impl Fn(&mut Player)) {
        let mut players = self.players.iter_mut();
        if let Some(player) = players.find(|player| player.viewer == viewer) {
            act(player);
        }
    }

    fn tamper(&mut self, at: At, every: u32, act: fn(ProvenChunk) -> Option<ProvenChunk>) {
        let seen = Cell::new(0_u32);
        self.world.hosts[at.0].tamper = Some(Box::new(move |chunk| {
            seen.set(seen.get() + 1);
            if seen.get().is_multiple_of(every) {
                act(chunk)
            } else {
                Some(chunk)
            }
        }));
    }

    /// Everything that came of it, in one number.
    pub fn digest(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for host in &self.world.hosts {
            hasher.update(format!("{:?}", (&host.told, &host.ended, &host.said)).as_bytes());
        }
        hasher.finalize()
    }

    /// Bytes that viewers got from peers or waypoints, and all that they got.
    pub fn offload(&self) -> (u64, u64) {
        let delivered = self
            .world
            .hosts
            .iter()
            .flat_map(|host| host.delivered.values());
        delivered.fold((0, 0), |(peers, all), one| {
            let shared = one.from_peers + one.from_waypoints;
            (peers + shared, all + shared + one.from_cdn)
        })
    }
}

fn lie(chunk: ProvenChunk) -> Option<ProvenChunk> {
    let mut data = chunk.data.to_vec();
    data[0] ^= 1;
    Some(ProvenChunk {
        data: data.into(),
        ..chunk
    })
}

fn lose(_: ProvenChunk) -> Option<ProvenChunk> {
    None
}

fn raise(fullest: &mut Census, now: &Census) {
    let Census {
        links,
        needs,
        requests,
        streams,
        unproven,
        fetches,
        uploads,
        children,
        asking,
        loads,
        checks,
        banned,
        outputs,
    } = *now;
    *fullest = Census {
        links: fullest.links.max(links),
        needs: fullest.needs.max(needs),
        requests: fullest.requests.max(requests),
        streams: fullest.streams.max(streams),
        unproven: fullest.unproven.max(unproven),
        fetches: fullest.fetches.max(fetches),
        uploads: fullest.uploads.max(uploads),
        children: fullest.children.max(children),
        asking: fullest.asking.max(asking),
        loads: fullest.loads.max(loads),
        checks: fullest.checks.max(checks),
        banned: fullest.banned.max(banned),
        outputs: fullest.outputs.max(outputs),
    };
}
