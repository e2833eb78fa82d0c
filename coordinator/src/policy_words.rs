//! Policies explained and tried, over the API: the words that an operator reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use runnel_coordinator_core::policy::{Explanation, InWords};
use runnel_coordinator_core::{LinkTrial, PolicyExplanation, PolicySet, RuleTrial, TrialReport};
use runnel_protocol::units::BitsPerSecond;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::{Api, Refusal, peer_id};
use crate::engine::{Command, Question};
use crate::view::EventView;

/// What to explain: one of the two.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct AboutPolicies {
    /// The id of a peer that takes part in contents, whoever feeds it.
    peer: Option<String>,
    /// Its id and that of a peer that feeds it or might, with a comma between them.
    pair: Option<String>,
}

/// What policies say, content by content.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicyWhy {
    contents: Vec<ContentPolicies>,
}

/// What they say of one content.
#[derive(Debug, Serialize, ToSchema)]
struct ContentPolicies {
    /// The text under which it is registered.
    content: String,
    /// Whether no policy is against it, soft ones counted.
    allowed: bool,
    /// Each rule with its version, its evidence and what comes of it, line by line.
    words: Vec<String>,
    /// When soft policies gave way, oldest first.
    relaxed: Vec<EventView>,
}

/// An explanation line by line, with the versions of those policies that have one.
pub(crate) fn lines(explanation: &Explanation, versions: &BTreeMap<String, u32>) -> Vec<String> {
    let version = |name: &str| versions.get(name).copied();
    let words = InWords {
        explanation,
        version,
    };
    words.to_string().lines().map(str::to_owned).collect()
}

impl ContentPolicies {
    fn new(explained: PolicyExplanation, versions: &BTreeMap<String, u32>) -> Self {
        Self {
            allowed: explained.explanation.verdict.denial(None).is_none(),
            words: lines(&explained.explanation, versions),
            content: explained.content,
            relaxed: explained.relaxed.into_iter().map(EventView::from).collect(),
        }
    }
}

/// Which rules of which policies hold for a connected peer or a pair, on what evidence, and what gave
/// way: for the operator alone, as evidence is what tokens and the operator's tables say of people.
#[utoipa::path(
    get,
    path = "/v1/explain/policies",
    params(AboutPolicies),
    responses((status = 200, body = PolicyWhy), (status = 400), (status = 403), (status = 404))
)]
pub(crate) async fn explain(
    State(api): State<Arc<Api>>,
    Query(about): Query<AboutPolicies>,
) -> Result<Json<PolicyWhy>, Refusal> {
    let (viewer, parent) = match (&about.peer, &about.pair) {
        (Some(peer), None) => (peer_id(peer)?, None),
        (None, Some(pair)) => {
            let (viewer, parent) = pair.split_once(',').ok_or_else(|| {
                Refusal::BadRequest("a pair is two ids with a comma between them".to_owned())
            })?;
            (peer_id(viewer)?, Some(peer_id(parent)?))
        }
        (None, None) | (Some(_), Some(_)) => {
            let words = "ask about ?peer=… or ?pair=VIEWER,PARENT";
            return Err(Refusal::BadRequest(words.to_owned()));
        }
    };
    // Held until the answer: its versions are those that the engine explains.
    let shelf = api.policies.lock().await;
    let question = |answer| Question::Policies(viewer, parent, answer);
    let found = api.engine.ask(question).await.ok_or(Refusal::Unavailable)?;
    let found = found.ok_or(Refusal::NotFound("one of these peers is not connected"))?;
    let versions = shelf
        .iter()
        .filter_map(|one| Some((one.policy.name().to_owned(), one.version?)))
        .collect();
    let contents = found.into_iter();
    let contents = contents.map(|one| ContentPolicies::new(one, &versions));
    Ok(Json(PolicyWhy {
        contents: contents.collect(),
    }))
}

/// What a rule would do.
#[derive(Debug, Serialize, ToSchema)]
struct RuleTrialView {
    policy: String,
    say: String,
    /// Pairs that it would part.
    pairs: u64,
    /// Ids of some who would lose a parent by it.
    examples: Vec<String>,
}

impl From<RuleTrial> for RuleTrialView {
    fn from(rule: RuleTrial) -> Self {
        Self {
            policy: rule.policy.to_string(),
            say: rule.say,
            pairs: rule.pairs,
            examples: rule.examples.iter().map(ToString::to_string).collect(),
        }
    }
}

/// What a link carries, and would carry. Rates are bit/s, as reserved for pairs.
#[derive(Debug, Serialize, ToSchema)]
struct LinkTrialView {
    /// The policy's name, a slash, and its own.
    name: String,
    /// What may run over it at present; nothing where it is not in force.
    limit_before: Option<u64>,
    /// What might run over it; nothing where it would not be in force.
    limit: Option<u64>,
    before: u64,
    /// Before pairs are parted for which it has no room.
    after: u64,
}

impl From<LinkTrial> for LinkTrialView {
    fn from(link: LinkTrial) -> Self {
        Self {
            name: link.name.to_string(),
            limit_before: link.limit_before.map(|limit| limit.0),
            limit: link.limit.map(|limit| limit.0),
            before: link.before.0,
            after: link.after.0,
        }
    }
}

/// What would change if a policy were in force. It is not: nothing was changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrialView {
    /// Who was looked at, waypoints left out, and the pairs that feed them.
    members: u64,
    pairs: u64,
    /// Pairs that would be parted; those that a soft policy is against as well, though it gives way
    /// where nobody else is left.
    parted: u64,
    /// Who would lose some parents, and all of them: those play from the CDN until others are found.
    lose_some: u64,
    lose_all: u64,
    /// Whom policies keep from somebody at present who could feed them.
    gain: u64,
    /// Who would see a live picture later, or earlier.
    later: u64,
    earlier: u64,
    /// Whose players could choose less, or more.
    smaller: u64,
    better: u64,
    /// Who would go to the CDN sooner, or later, than others.
    lower_priority: u64,
    higher_priority: u64,
    /// What each rule would part.
    rules: Vec<RuleTrialView>,
    /// What links carry, and would carry.
    links: Vec<LinkTrialView>,
    /// All of that, in words.
    words: Vec<String>,
}

impl From<TrialReport> for TrialView {
    fn from(report: TrialReport) -> Self {
        Self {
            words: words(&report),
            members: report.members,
            pairs: report.pairs,
            parted: report.parted,
            lose_some: report.lose_some,
            lose_all: report.lose_all,
            gain: report.gain,
            later: report.later,
            earlier: report.earlier,
            smaller: report.smaller,
            better: report.better,
            lower_priority: report.lower_priority,
            higher_priority: report.higher_priority,
            rules: report.rules.into_iter().map(RuleTrialView::from).collect(),
            links: report.links.into_iter().map(LinkTrialView::from).collect(),
        }
    }
}

fn words(report: &TrialReport) -> Vec<String> {
    let mut words = vec![format!(
        "{} of {} pairs would be parted: {} of {} peers lose all of their parents, {} some of them",
        report.parted, report.pairs, report.lose_all, report.members, report.lose_some
    )];
    for rule in &report.rules {
        let examples: Vec<String> = rule.examples.iter().map(ToString::to_string).collect();
        words.push(format!(
            "  {} by “{}” (policy “{}”), of {}",
            rule.pairs,
            rule.say,
            rule.policy,
            examples.join(", ")
        ));
    }
    for (count, what) in [
        (
            report.gain,
            "could be fed by peers that are kept from them at present",
        ),
        (
            report.later,
            "would see a live picture later than at present",
        ),
        (report.earlier, "would see a live picture earlier"),
        (report.smaller, "could choose smaller renditions only"),
        (report.better, "could choose better renditions"),
        (
            report.lower_priority,
            "would go to the CDN sooner than others",
        ),
        (
            report.higher_priority,
            "would go to the CDN later than others",
        ),
    ] {
        if count > 0 {
            words.push(format!("{count} of {} peers {what}", report.members));
        }
    }
    words.extend(report.links.iter().map(of_link));
    words.push(
        "nothing was changed; peers that came or went meanwhile may be miscounted".to_owned(),
    );
    words
}

fn of_link(link: &LinkTrial) -> String {
    let kilobits = |rate: BitsPerSecond| rate.0 / 1000;
    let (name, before, after) = (&link.name, kilobits(link.before), kilobits(link.after));
    let (was, is) = (link.limit_before.map(kilobits), link.limit.map(kilobits));
    match (was, is) {
        (None, None) => format!("the link “{name}” is in force no more"),
        (Some(was), None) => {
            format!("the link “{name}” would not be limited: {before} of {was} kbit/s at present")
        }
        (None, Some(is)) => format!(
            "the link “{name}” would carry {after} of {is} kbit/s{}",
            overrun(after, is)
        ),
        (Some(was), Some(is)) => format!(
            "the link “{name}” would carry {after} of {is} kbit/s, and carries {before} of {was}{}",
            overrun(after, is)
        ),
    }
}

fn overrun(after: u64, limit: u64) -> &'static str {
    if after > limit {
        ": pairs would be parted until it fits"
    } else {
        ""
    }
}

/// Has the engine find out what would change.
pub(crate) async fn try_out(api: &Api, set: PolicySet) -> Result<TrialView, Refusal> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    let told = api.engine.tell(Command::Try(set, answer)).await;
    let report = answered.await.ok().filter(|_| told);
    let report = report.ok_or(Refusal::Unavailable)?;
    let busy = "others are being tried: try again in a moment";
    report
        .map(|report| TrialView::from(*report))
        .ok_or_else(|| Refusal::Conflict(busy.to_owned()))
}
