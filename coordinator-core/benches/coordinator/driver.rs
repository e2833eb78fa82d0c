//! Drives the control center and measures it: joins and heartbeats by the processor time that they
//! take, decisions on a clock that goes on while the center works, as on a core of its own.

use core::time::Duration;
use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use runnel_coordinator_core::{
    Config, Content, ControlCenter, GroupEdit, Input, Output, SignedStatement, Unsigned,
};
use runnel_protocol::control::{ContentLocator, FromCoordinator, Open, ToCoordinator};
use runnel_protocol::ids::{KeyId, PeerId, PublicKey};
use runnel_protocol::signature::{Signature, Signed};
use runnel_protocol::time::Timestamp;

use crate::crowd::{self, Crowd, RATE, WAYPOINT};
use crate::figures::Figures;

/// Everybody arrives within this time.
const RUSH: Duration = Duration::from_secs(60);
/// Heartbeats per second that the center is left with: a larger audience speaks less often (H3).
const BEATS_PER_S: u32 = 250_000;
/// Rounds of heartbeats that are measured.
const ROUNDS: usize = 3;
/// Heartbeats composed at a time.
const BATCH: usize = 1000;
/// Decisions that are timed.
const PROBES: usize = 1000;
/// Time from one of them to the next, and how long all of them are waited for in the end.
const PROBE_EVERY: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(5);
/// Heartbeats in a row without a chunk that end a pair.
const DRY: usize = 4;

struct Driver {
    center: ControlCenter,
    crowd: Crowd,
    /// The center's clock.
    now: Duration,
    /// Whether the clock goes on while the center works, besides what it is set forward.
    runs: bool,
    /// Processor time at which the center set to its present work, while the clock runs.
    began: Option<Duration>,
    /// Whose assignment is waited for, and since when.
    awaited: BTreeMap<usize, Duration>,
    /// How long those took that came.
    told_after: Vec<Duration>,
    /// Time between two heartbeats of one peer.
    interval: Duration,
    /// Who speaks next, and when.
    speaker: usize,
    next_beat: Duration,
}

/// Measures one size of audience, with so many groups.
pub(crate) fn measure(peers: usize, groups: u8) -> Result<Figures> {
    let content = Content {
        name: "live".to_owned(),
        provider: "bench".to_owned(),
        master_url: "https://cdn.example/live/master.m3u8".to_owned(),
        media_origins: Vec::new(),
        cdn_capacity: None,
        enforce: false,
    };
    let people = u32::try_from(peers)?;
    let crowd = Crowd::new(peers, content.id());
    let mut config = Config::new(PublicKey([250; 32]), PublicKey([251; 32]));
    config.max_sessions = peers;
    config.admissions_per_second = 10_000_000;
    config.default_rate = RATE;
    config.tokens = false;
    let interval = Duration::from_secs(u64::from(people.div_ceil(BEATS_PER_S)));
    config.heartbeat = interval;
    let before = resident()?;
    let mut driver = Driver {
        center: ControlCenter::new(config, [1; 32], moment(Duration::ZERO)),
        crowd,
        now: Duration::ZERO,
        runs: false,
        began: None,
        awaited: BTreeMap::new(),
        told_after: Vec::new(),
        interval,
        speaker: 0,
        next_beat: Duration::ZERO,
    };
    driver.input(Input::ContentRegistered(content));
    for terms in driver.crowd.groups(groups)? {
        driver.input(Input::Group(GroupEdit::Put(terms)));
    }
    let joins = driver.everybody_joins(peers);
    let beats = driver.everybody_speaks(peers);
    let bytes = (resident()? - before) / peers as f64;
    let fed = driver.fed(peers);
    let p99 = driver.decisions(peers, beats)?;
    Ok(Figures {
        peers: peers as f64,
        heartbeats_per_s_core: 1.0 / beats.as_secs_f64(),
        joins_per_s_core: 1.0 / joins.as_secs_f64(),
        p99_decision_ms: p99.as_secs_f64() * 1000.0,
        bytes_per_peer: bytes,
        fed,
    })
}

fn moment(since_start: Duration) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000) + since_start
}

/// The resident set, in bytes.
fn resident() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages = text.split_whitespace().nth(1).context("no resident set")?;
    Ok(pages.parse::<f64>()? * 4096.0)
}

/// Processor time of this thread.
fn processor() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

impl Driver {
    fn input(&mut self, input: Input) {
        self.work(|center, now| center.handle_input(input, now));
    }

    /// Has the center do something, and takes care of what it says.
    fn work(&mut self, work: impl FnOnce(&mut ControlCenter, Timestamp)) {
        self.began = self.runs.then(processor);
        work(&mut self.center, moment(self.now));
        while let Some(output) = self.center.poll_output() {
            if let Some(answer) = self.answer(output) {
                self.center.handle_input(answer, moment(self.now));
            }
        }
        self.now = self.time();
        self.began = None;
    }

    /// The time, which goes on during work where the clock runs.
    fn time(&self) -> Duration {
        let began = self.began;
        self.now + began.map_or(Duration::ZERO, |began| processor() - began)
    }

    fn answer(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::CheckSignature { session, .. } => Some(Input::SignatureChecked {
                session,
                valid: true,
            }),
            Output::Probe {
                session, endpoints, ..
            } => Some(Input::Probed {
                session,
                reached: endpoints,
            }),
            Output::Sign(statement) => Some(Input::Signed(sign(statement))),
            Output::Send { session, message } => {
                if let FromCoordinator::Assign(assign) = message {
                    let place = crowd::place(session);
                    self.crowd.on_assign(place, &assign);
                    if let Some(asked) = self.awaited.remove(&place) {
                        self.told_after.push(self.time() - asked);
                    }
                }
                None
            }
            Output::Close { .. }
            | Output::CheckToken { .. }
            | Output::RedeemCode { .. }
            | Output::Transferred(_)
            | Output::Recall(_)
            | Output::Remember(_)
            | Output::Tried { .. }
            | Output::KeepGroup(_)
            | Output::ForgetGroup(_)
            | Output::LinksUsed(_) => None,
        }
    }

    /// Lets the time until `end` pass; what is due then and before is done.
    fn until(&mut self, end: Duration) {
        while let Some((at, _)) = self.center.poll_timeout() {
            let due = at.since(moment(Duration::ZERO));
            if due > end.max(self.now) {
                break;
            }
            self.now = self.now.max(due);
            self.work(ControlCenter::handle_timeout);
        }
        self.now = self.now.max(end);
    }

    /// The cost of one peer that comes, opens the content and is told who feeds it.
    fn everybody_joins(&mut self, peers: usize) -> Duration {
        let waypoint = PeerId::of(&self.crowd.hello(WAYPOINT).key);
        let contents = vec![self.crowd.content];
        self.input(Input::WaypointEnrolled {
            peer: waypoint,
            contents,
        });
        let people = u32::try_from(peers).unwrap_or(u32::MAX);
        let start = processor();
        let mut speaking = Duration::ZERO;
        for place in 0..peers {
            self.until(self.now + RUSH / people);
            self.join(place);
            speaking += self.others_speak(place + 1);
        }
        self.until(self.now + Duration::from_secs(2));
        (processor() - start - speaking) / people
    }

    /// Those who are in send the heartbeats that are due; the time that takes.
    fn others_speak(&mut self, joined: usize) -> Duration {
        if self.now < self.next_beat {
            return Duration::ZERO;
        }
        let start = processor();
        let gap = self.interval / u32::try_from(joined).unwrap_or(u32::MAX);
        while self.next_beat <= self.now {
            self.speaker = (self.speaker + 1) % joined;
            self.beat(self.speaker, false);
            self.next_beat += gap;
        }
        processor() - start
    }

    fn join(&mut self, place: usize) {
        let session = crowd::session(place);
        let address = self.crowd.address(place);
        self.input(Input::SessionOpened {
            session,
            from: address.into(),
        });
        let hello = ToCoordinator::Hello(Box::new(self.crowd.hello(place)));
        self.say(place, hello);
        if place != WAYPOINT {
            let content = ContentLocator::Name("live".to_owned());
            let plays = true;
            self.say(place, ToCoordinator::Open(Open { content, plays }));
        }
    }

    fn say(&mut self, place: usize, message: ToCoordinator) {
        let session = crowd::session(place);
        self.input(Input::Received { session, message });
    }

    /// The cost of one heartbeat, with the ticks and looks that fall into that time.
    fn everybody_speaks(&mut self, peers: usize) -> Duration {
        self.round(peers);
        let all: Duration = (0..ROUNDS).map(|_| self.round(peers)).sum();
        all / u32::try_from(peers * ROUNDS).unwrap_or(u32::MAX)
    }

    /// One heartbeat of each, composed beforehand and not counted.
    fn round(&mut self, peers: usize) -> Duration {
        let every = self.interval / u32::try_from(peers).unwrap_or(u32::MAX);
        let order: Vec<usize> = (0..peers).map(|step| scattered(step, peers)).collect();
        let mut time = Duration::ZERO;
        for places in order.chunks(BATCH) {
            let beats = places.iter().map(|place| self.heartbeat(*place, false));
            let beats: Vec<Input> = beats.collect();
            let start = processor();
            for beat in beats {
                self.until(self.now + every);
                self.input(beat);
            }
            time += processor() - start;
        }
        time
    }

    fn heartbeat(&mut self, place: usize, dry: bool) -> Input {
        let beat = self.crowd.heartbeat(place, dry);
        Input::Received {
            session: crowd::session(place),
            message: ToCoordinator::Heartbeat(Box::new(beat)),
        }
    }

    fn beat(&mut self, place: usize, dry: bool) {
        let beat = self.heartbeat(place, dry);
        self.input(beat);
    }

    /// Share of the players that somebody pushes to.
    fn fed(&self, peers: usize) -> f64 {
        let players = &self.crowd.people[WAYPOINT + 1..peers];
        let fed = players.iter().filter(|person| person.pushed).count();
        fed as f64 / players.len() as f64
    }

    /// The 99th percentile of the time from a heartbeat to the decision that it leads to, while
    /// others speak half as fast as one core can listen.
    fn decisions(&mut self, peers: usize, beat: Duration) -> Result<Duration> {
        self.runs = true;
        let probes = (1..peers).filter(|place| !self.crowd.is_agent(*place));
        let probes: Vec<usize> = probes
            .filter(|place| self.crowd.people[*place].pushed)
            .collect();
        let apart = (probes.len() / PROBES).max(1);
        let mut probes = probes.into_iter().step_by(apart);
        let (mut next, mut probe_at) = (0, self.now);
        let mut ends = self.now + PROBE_EVERY * PROBES as u32 + PATIENCE;
        while self.now < ends {
            if probe_at <= self.now {
                probe_at += PROBE_EVERY;
                match probes.next() {
                    Some(place) => self.probe(place),
                    None if self.awaited.is_empty() => ends = self.now,
                    None => {}
                }
            }
            let due = self.now + beat * 2;
            self.beat(scattered(next, peers), false);
            next += 1;
            self.until(due);
        }
        ensure!(
            self.awaited.is_empty(),
            "{} decisions never came",
            self.awaited.len()
        );
        let times = &mut self.told_after;
        times.sort();
        eprintln!("{peers} peers: {} decisions timed", times.len());
        let place = (times.len() * 99).div_ceil(100).saturating_sub(1);
        times.get(place).copied().context("nobody was fed")
    }

    /// One of them says that its first parent brings nothing any more.
    fn probe(&mut self, place: usize) {
        (1..DRY).for_each(|_| self.beat(place, true));
        self.awaited.insert(place, self.now);
        self.beat(place, true);
    }
}

/// Each place once, in an order that no cache foresees.
fn scattered(step: usize, peers: usize) -> usize {
    const PRIME: usize = 2_147_483_647;
    (step % peers).wrapping_mul(PRIME) % peers
}

fn sign(statement: Unsigned) -> SignedStatement {
    match statement {
        Unsigned::Ticket(body) => SignedStatement::Ticket(signed(body)),
        Unsigned::Grant(body) => SignedStatement::Grant(signed(body)),
        Unsigned::Certificate(body) => SignedStatement::Certificate(signed(body)),
    }
}

fn signed<T>(body: T) -> Signed<T> {
    Signed {
        body,
        key: KeyId([0; 8]),
        signature: Signature([0; 64]),
    }
}
