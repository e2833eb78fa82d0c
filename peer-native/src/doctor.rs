//! `runnel-agent doctor`: what keeps this machine from helping, and what to do about it.
//!
//! Everything is tried as the agent itself would do it: by its own configuration, key and port. So no
//! other agent may run meanwhile that has the same.

mod machine;
mod router;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use runnel_peer_core::Event;
use runnel_protocol::control::PeerType;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use crate::addresses::{is_private, to_advertise};
use crate::agent::{Agent, Events};
use crate::config::Config;
use crate::mapping::{Offer, survey};

/// How long the coordinator may take to answer, and to let this agent in: it may have a queue.
const ANSWER: Duration = Duration::from_secs(10);
const WELCOME: Duration = Duration::from_secs(60);
/// How long its test may take: three seconds an address, when it is its turn.
const VERDICT: Duration = Duration::from_secs(15);
/// How long a first connection to somebody else may take: two attempts that fail, ten seconds apart.
const WAY_OUT: Duration = Duration::from_secs(40);
/// A clock that is wrong by more makes nothing fail yet, but will: certificates last two weeks.
const SKEW: Duration = Duration::from_secs(300);

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// As it should be.
    Good,
    /// The agent is of less use than it could be.
    Poor,
    /// The agent is of no use.
    Bad,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Good => "good",
            Self::Poor => "poor",
            Self::Bad => "BAD",
        })
    }
}

/// What was found of one part.
#[derive(Debug)]
pub struct Finding {
    /// The part, in a word or two.
    pub part: &'static str,
    /// How it is.
    pub state: State,
    /// What was seen, and what to do about it if anything is.
    pub words: String,
}

impl Finding {
    fn new(part: &'static str, state: State, words: impl Into<String>) -> Self {
        let words = words.into();
        Self { part, state, words }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<4} {}: {}", self.state, self.part, self.words)
    }
}

/// Looks at everything, and hands out each finding when it is there. Takes a minute or two.
pub async fn examine(config: Config, mut tell: impl FnMut(&Finding)) -> State {
    let mut worst = State::Good;
    let mut note = |finding: Finding| {
        worst = worst.max(finding.state);
        tell(&finding);
    };
    note(machine::storage(&config));
    note(machine::files());
    let own = to_advertise(listening(&config), &config.advertise);
    note(families(&own));
    match date_of(&config.coordinator).await {
        Ok(theirs) => note(clock(SystemTime::now(), theirs)),
        Err(words) => note(Finding::new("coordinator", State::Bad, words)),
    }
    // With consent the agent asks by itself.
    let offer = match config.map_port {
        true => None,
        false => Some(survey(config.listen.ip()).await),
    };
    for finding in take_part(config, &own, offer).await {
        note(finding);
    }
    worst
}

/// Where it listens, with any port.
fn listening(config: &Config) -> SocketAddr {
    SocketAddr::new(config.listen.ip(), config.listen.port().max(1))
}

fn families(own: &[SocketAddr]) -> Finding {
    let named = |is: fn(&IpAddr) -> bool| own.iter().map(SocketAddr::ip).find(is);
    let (four, six) = (named(IpAddr::is_ipv4), named(IpAddr::is_ipv6));
    let router = |four: IpAddr| match is_private(four) {
        true => " behind a router",
        false => "",
    };
    match (four, six) {
        (None, None) => Finding::new(
            "addresses",
            State::Bad,
            "this machine has no address besides its own loopback, or --listen names none: connect it",
        ),
        (Some(four), None) => Finding::new(
            "addresses",
            State::Good,
            format!("IPv4 ({four}{}), no IPv6", router(four)),
        ),
        (None, Some(six)) => Finding::new(
            "addresses",
            State::Poor,
            format!("IPv6 ({six}), no IPv4: viewers who have only that are out of reach"),
        ),
        (Some(four), Some(six)) => Finding::new(
            "addresses",
            State::Good,
            format!("IPv4 ({four}{}) and IPv6 ({six})", router(four)),
        ),
    }
}

/// The date by which the coordinator, or the proxy in front of it, answers.
async fn date_of(coordinator: &str) -> Result<SystemTime, String> {
    let url = page_of(coordinator).ok_or_else(|| {
        format!("{coordinator} is no WebSocket address: give wss://HOST/v1/peer as --coordinator")
    })?;
    let nobody = |error: reqwest::Error| {
        format!(
            "no answer from {coordinator}: {error}; is the address right, is this machine online?"
        )
    };
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let client = reqwest::Client::builder().timeout(ANSWER).build();
    let asked = client.map_err(nobody)?.get(url).send().await;
    // Whatever it says of that path.
    let answer = asked.map_err(nobody)?;
    let date = answer.headers().get(reqwest::header::DATE);
    date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok())
        .ok_or_else(|| format!("{coordinator} answers without a date, so it is no coordinator"))
}

/// The same place by HTTP.
fn page_of(coordinator: &str) -> Option<Url> {
    let rest = coordinator.strip_prefix("ws")?;
    Url::parse(&format!("http{rest}")).ok()
}

fn clock(ours: SystemTime, theirs: SystemTime) -> Finding {
    let (behind, ahead) = (theirs.duration_since(ours), ours.duration_since(theirs));
    let (skew, way) = match (behind, ahead) {
        (Ok(behind), _) => (behind, "behind"),
        (Err(_), Ok(ahead)) => (ahead, "ahead of"),
        (Err(error), Err(_)) => (error.duration(), "ahead of"),
    };
    let words = format!("{} s {way} the coordinator's", skew.as_secs());
    if skew <= SKEW {
        return Finding::new("clock", State::Good, words);
    }
    let todo =
        "browsers refuse certificates of another week: set the clock, and have it kept by NTP";
    Finding::new("clock", State::Poor, format!("{words}: {todo}"))
}

/// Joins as the agent would, and sees what comes of it.
async fn take_part(config: Config, own: &[SocketAddr], offer: Option<Offer>) -> Vec<Finding> {
    let helps = !config.content.is_empty();
    let (agent, events) = match Agent::start(config).await {
        Ok(started) => started,
        Err(error) => {
            let words = format!("{error}; if an agent runs already, stop it and ask again");
            return vec![Finding::new("agent", State::Bad, words)];
        }
    };
    let mut stay = Stay {
        events,
        links: 0,
        verdict: None,
    };
    let mut findings = match stay.is_let_in().await {
        Ok(()) => {
            let forwarded = router::forwards(agent.forwarded()).await;
            stay.is_judged(forwarded).await;
            if helps {
                stay.gets_out().await;
            }
            stay.findings(own, helps)
        }
        Err(words) => vec![Finding::new("coordinator", State::Bad, words)],
    };
    let reached = stay.is_reached_over_v4();
    findings.extend(match (offer, agent.forwarded()) {
        (_, Some(standing)) => Some(router::mapped(&standing.borrow(), reached)),
        (Some(offer), None) => Some(router::offered(offer, reached)),
        (None, None) => None,
    });
    agent.stop().await;
    findings
}

/// What the coordinator makes of this agent.
struct Verdict {
    kind: PeerType,
    why: String,
    reached: Vec<SocketAddr>,
}

/// What happens to the agent while it takes part.
struct Stay {
    events: Events,
    /// Links that came about. Of two agents that dial each other the one's stands or the other's, and over either
    /// packets go out.
    links: usize,
    verdict: Option<Verdict>,
}

impl Stay {
    /// The next event; `None` once there are no more.
    async fn next(&mut self) -> Option<Event> {
        loop {
            match self.events.recv().await {
                Ok(event) => {
                    self.note(&event);
                    return Some(event);
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn note(&mut self, event: &Event) {
        if let Event::LinkUp(..) = event {
            self.links += 1;
        } else if let Event::Joined { kind, why, .. } = event {
            let (kind, why, reached) = (*kind, why.clone(), Vec::new());
            self.verdict = Some(Verdict { kind, why, reached });
        } else if let Event::Typed { kind, why, reached } = event {
            let (kind, why, reached) = (*kind, why.clone(), reached.clone());
            self.verdict = Some(Verdict { kind, why, reached });
        }
    }

    async fn is_let_in(&mut self) -> Result<(), String> {
        let mut refusals = String::new();
        let end = Instant::now() + WELCOME;
        while let Ok(Some(event)) = timeout_at(end, self.next()).await {
            if let Event::Joined { .. } = event {
                return Ok(());
            }
            if let Event::Refused(refused) = event {
                refusals = refused.why;
                if refused.retry_after_ms.is_none() {
                    return Err(format!("it lets nobody in like this: {refusals}"));
                }
            }
        }
        Err(match refusals.as_str() {
            "" => {
                "it answers by HTTP, but not by WebSocket: does a proxy between hand on upgrades, \
                   and does the address end in /v1/peer?"
                    .to_owned()
            }
            why => format!("it has turned this agent away for a minute: {why}"),
        })
    }

    /// Waits for the outcome of the test, if there is one: of this address, where the router forwards one.
    async fn is_judged(&mut self, forwarded: Option<SocketAddr>) {
        let judged = async {
            while let Some(event) = self.next().await {
                if let Event::Typed { reached, .. } = event
                    && forwarded.is_none_or(|way| reached.contains(&way))
                {
                    return;
                }
            }
        };
        // No test is a finding as well: there may be nothing to test.
        timeout(VERDICT, judged).await.ok();
    }

    /// Waits for a connection that it has made itself.
    async fn gets_out(&mut self) {
        let gone = async { while self.links == 0 && self.next().await.is_some() {} };
        timeout(WAY_OUT, gone).await.ok();
    }

    fn is_reached_over_v4(&self) -> bool {
        let verdict = self.verdict.as_ref();
        verdict.is_some_and(|verdict| verdict.reached.iter().any(SocketAddr::is_ipv4))
    }

    fn findings(&self, own: &[SocketAddr], helps: bool) -> Vec<Finding> {
        let joined = Finding::new("coordinator", State::Good, "it has let this agent in");
        let mut findings = vec![joined];
        findings.extend(self.verdict.as_ref().map(|verdict| verdict.finding(own)));
        findings.push(match (self.links, helps) {
            (0, false) => Finding::new(
                "UDP out",
                State::Good,
                "not tried: name a content to help with, --content NAME",
            ),
            (0, true) => Finding::new(
                "UDP out",
                State::Bad,
                "no connection to anybody came about: let UDP out of this network to all ports, and \
                 answers in; or nobody feeds these contents yet",
            ),
            (count, _) => Finding::new(
                "UDP out",
                State::Good,
                format!("connected to {count} others"),
            ),
        });
        findings
    }
}

impl Verdict {
    /// Who is reached, and how that fits with the addresses that this machine has.
    fn finding(&self, own: &[SocketAddr]) -> Finding {
        let Self { kind, why, reached } = self;
        let family = |is: fn(&SocketAddr) -> bool| {
            (!own.iter().any(is) || reached.iter().any(is)).then_some(())
        };
        let all = family(SocketAddr::is_ipv4).and(family(SocketAddr::is_ipv6));
        let state = match (kind, reached.is_empty(), all) {
            (PeerType::Lightweight, ..) => State::Bad,
            (PeerType::Regular, false, Some(())) => State::Good,
            (PeerType::Regular, ..) => State::Poor,
        };
        let at: Vec<String> = reached.iter().map(SocketAddr::to_string).collect();
        let words = match at.as_slice() {
            [] => why.clone(),
            at => format!("at {}: {why}", at.join(" and ")),
        };
        Finding::new("UDP in", state, words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(all: &[&str]) -> Vec<SocketAddr> {
        all.iter().map(|one| one.parse().unwrap()).collect()
    }

    #[test]
    fn a_clock_may_be_a_little_wrong() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
        for (ours, theirs, state, words) in [
            (now, now + Duration::from_secs(3), State::Good, "3 s behind"),
            (now + SKEW * 2, now, State::Poor, "600 s ahead of"),
            (now, now + SKEW * 2, State::Poor, "600 s behind"),
        ] {
            let finding = clock(ours, theirs);
            assert_eq!(finding.state, state, "{finding}");
            assert!(finding.words.contains(words), "{finding}");
        }
    }

    #[test]
    fn who_is_reached_over_each_family_that_it_has_is_well() {
        let own = addresses(&["192.168.1.5:4433", "[2001:db8::5]:4433"]);
        let verdict = |kind, reached: &[&str]| {
            let verdict = Verdict {
                kind,
                why: "because".to_owned(),
                reached: addresses(reached),
            };
            verdict.finding(&own).state
        };
        let both = ["203.0.113.7:4433", "[2001:db8::5]:4433"];
        assert_eq!(verdict(PeerType::Regular, &both), State::Good);
        assert_eq!(verdict(PeerType::Regular, &both[1..]), State::Poor);
        assert_eq!(verdict(PeerType::Regular, &[]), State::Poor);
        assert_eq!(verdict(PeerType::Lightweight, &[]), State::Bad);
    }

    #[test]
    fn what_is_missing_is_said() {
        assert_eq!(families(&[]).state, State::Bad);
        let four = families(&addresses(&["192.168.1.5:1"]));
        assert!(four.words.contains("behind a router"), "{four}");
        let six = families(&addresses(&["[2001:db8::5]:1"]));
        assert!(six.words.contains("no IPv4"), "{six}");
    }

    #[test]
    fn the_coordinators_page_is_where_its_socket_is() {
        let page = |text| page_of(text).map(String::from);
        let wanted = Some("https://center.example/v1/peer".to_owned());
        assert_eq!(page("wss://center.example/v1/peer"), wanted);
        assert_eq!(page("center.example"), None);
    }
}
