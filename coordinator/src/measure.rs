//! Metrics: what the server counts, and how it is rendered for Prometheus.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use runnel_coordinator_core::Cause;

use crate::engine::Health;

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Installs the recorder, once per process.
pub(crate) fn start() {
    RECORDER.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is in place");
        }
        handle
    });
}

/// All metrics as text.
pub(crate) fn render(health: Option<Health>) -> String {
    if let Some(health) = health {
        expose(&health);
    }
    RECORDER
        .get()
        .map(PrometheusHandle::render)
        .unwrap_or_default()
}

/// Frees what histograms have gathered; to be called every few seconds.
pub(crate) fn upkeep() {
    if let Some(handle) = RECORDER.get() {
        handle.run_upkeep();
    }
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
const fn as_gauge(value: usize) -> f64 {
    value as f64
}

fn expose(health: &Health) {
    let totals = &health.totals;
    gauge!("runnel_peers").set(as_gauge(health.peers));
    gauge!("runnel_tickets_in_force").set(as_gauge(health.tickets));
    for (name, value) in [
        ("runnel_heartbeats_total", totals.heartbeats),
        ("runnel_joins_total", totals.joins),
        ("runnel_turned_away_total", totals.turned_away),
        ("runnel_wrong_signatures_total", totals.unproven),
        ("runnel_out_of_order_messages_total", totals.out_of_order),
        ("runnel_assignments_total", totals.assignments),
        ("runnel_repairs_total", totals.repairs),
        ("runnel_strikes_total", totals.strikes),
        ("runnel_silences_total", totals.silences),
        ("runnel_unrelated_reports_total", totals.unrelated_reports),
    ] {
        counter!(name).absolute(value);
    }
    for tenant in &health.tenants {
        let provider = tenant.provider.to_string();
        gauge!("runnel_provider_sessions", "provider" => provider.clone())
            .set(as_gauge(tenant.sessions));
        counter!("runnel_provider_turned_away_total", "provider" => provider)
            .absolute(tenant.turned_away);
    }
    let (on_net, off_net, congested) = health.network;
    for (way, bytes) in [("on_net", on_net), ("off_net", off_net)] {
        counter!("runnel_exchanged_bytes_total", "way" => way).absolute(bytes);
    }
    gauge!("runnel_congested_ways").set(as_gauge(congested));
    for cause in Cause::ALL {
        counter!("runnel_reassignments_total", "cause" => cause.name())
            .absolute(totals.reassignments.of(cause));
    }
    for (reason, count) in totals.refused_tokens.iter() {
        counter!("runnel_refused_tokens_total", "reason" => reason).absolute(count);
    }
    for (source, bytes) in [
        ("peer", totals.received.from_peers),
        ("waypoint", totals.received.from_waypoints),
        ("cdn", totals.received.from_cdn),
    ] {
        counter!("runnel_received_bytes_total", "source" => source).absolute(bytes);
    }
}

/// A frame that is no message: `reason` is one of a fixed few.
pub(crate) fn refused_frame(reason: &'static str) {
    counter!("runnel_refused_frames_total", "reason" => reason).increment(1);
}

/// A request for a WebSocket that is turned away: `reason` is one of a fixed few.
pub(crate) fn refused_upgrade(reason: &'static str) {
    counter!("runnel_refused_upgrades_total", "reason" => reason).increment(1);
}

/// An address that was tested: `outcome` is one of a fixed few.
pub(crate) fn probed(outcome: &'static str) {
    counter!("runnel_probes_total", "outcome" => outcome).increment(1);
}

/// A session that did not take what it was sent.
pub(crate) fn slow_session() {
    counter!("runnel_slow_sessions_total").increment(1);
}

/// Something for which the store had no room: `kind` is one of a fixed few.
pub(crate) fn lost_record(kind: &'static str) {
    counter!("runnel_lost_records_total", "kind" => kind).increment(1);
}

/// A feed is in force, with so many entries.
pub(crate) fn fed(feed: &'static str, entries: usize) {
    counter!("runnel_feed_loads_total", "feed" => feed, "outcome" => "taken").increment(1);
    gauge!("runnel_feed_entries", "feed" => feed).set(as_gauge(entries));
}

/// A feed's file is wrong, and what it said before stays in force.
pub(crate) fn misfed(feed: &'static str) {
    counter!("runnel_feed_loads_total", "feed" => feed, "outcome" => "refused").increment(1);
}

/// Bytes of control messages, by direction.
pub(crate) fn control_bytes(direction: &'static str, bytes: usize) {
    counter!("runnel_control_bytes_total", "direction" => direction)
        .increment(u64::try_from(bytes).unwrap_or(u64::MAX));
}

/// Time that one input took.
pub(crate) fn handled(time: Duration) {
    histogram!("runnel_input_seconds").record(time.as_secs_f64());
}

/// Time that one look or tick took.
pub(crate) fn decided(time: Duration) {
    histogram!("runnel_decision_seconds").record(time.as_secs_f64());
}
