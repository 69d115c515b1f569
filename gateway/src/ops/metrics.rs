//! Metrics of the gateway. The metrics recorded per request are looked up once, here.

use std::time::Duration;

use actors::{Commerce, permits::NODE_CALLERS_MAX};
use axum::http::{Method, StatusCode};
use engine::time::Timestamp;
use metrics::{Counter, Histogram, Unit};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use persistence::sql::UndeliveredSummary;

/// Buckets of the histograms in seconds: from half a millisecond, below which nothing durable is answered, to 10 s,
/// after which an outcome counts as unknown.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Buckets of the histogram of entries per journal group: from a single buyer to as many callers as a node lets wait.
const ENTRIES: &[f64] = &[
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0, 2_048.0, 4_096.0, 8_192.0, 16_384.0, 65_536.0,
];
/// Buckets of the histogram of bytes per journal group: from one small entry to several full batches.
const BYTES: &[f64] =
    &[256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0, 67_108_864.0];

/// The type of a metric.
enum Shape {
    Counter,
    Gauge,
    Histogram,
}

/// All metrics of `/metrics`: name, type, unit and description.
const METRICS: &[(&str, Shape, Unit, &str)] = &[
    ("http_requests_total", Shape::Counter, Unit::Count, "Requests answered, by method, route and status class"),
    (
        "http_request_seconds",
        Shape::Histogram,
        Unit::Seconds,
        "Time from a request's head to the head of its response, by method and route",
    ),
    ("fusion_commands_total", Shape::Counter, Unit::Count, "Commands and reads of entities, by kind and outcome"),
    ("fusion_entity_failures_total", Shape::Counter, Unit::Count, "Entities that failed and were reloaded, by kind"),
    ("fusion_live_entities", Shape::Gauge, Unit::Count, "Entities in memory, by kind"),
    ("fusion_permits_in_use", Shape::Gauge, Unit::Count, "Callers that are waiting for an entity of this node"),
    ("fusion_permits_max", Shape::Gauge, Unit::Count, "Callers that may wait; further ones are refused as overloaded"),
    (
        "fusion_effects_under_way",
        Shape::Gauge,
        Unit::Count,
        "Effects on other entities and external services without an outcome yet",
    ),
    ("fusion_journal_batch_entries", Shape::Histogram, Unit::Count, "Entries per sync of the journal"),
    ("fusion_journal_batch_bytes", Shape::Histogram, Unit::Bytes, "Bytes per sync of the journal"),
    ("fusion_journal_sync_seconds", Shape::Histogram, Unit::Seconds, "Duration of a sync of the journal"),
    ("fusion_journal_bytes_total", Shape::Counter, Unit::Bytes, "Bytes appended to the journal"),
    (
        "fusion_snapshot_freeze_seconds",
        Shape::Histogram,
        Unit::Seconds,
        "Time for which an entity was blocked by its snapshot",
    ),
    ("fusion_snapshot_bytes_total", Shape::Counter, Unit::Bytes, "Bytes of entity snapshots written"),
    ("fusion_projection_lag_entries", Shape::Gauge, Unit::Count, "Accepted entries that the read side has not applied"),
    (
        "fusion_projection_stopped_shards",
        Shape::Gauge,
        Unit::Count,
        "Shards whose projections have stopped at an entry that cannot be applied; the log and `fusion doctor` name it",
    ),
    (
        "fusion_connections_refused_total",
        Shape::Counter,
        Unit::Count,
        "Connections refused, by the limit that was reached",
    ),
    ("fusion_live_connections", Shape::Gauge, Unit::Count, "Open WebSocket and event stream connections"),
    ("fusion_live_topics", Shape::Gauge, Unit::Count, "Topics with current or recent subscribers"),
    (
        "fusion_live_closed_total",
        Shape::Counter,
        Unit::Count,
        "Real-time connections closed by the server, by close code",
    ),
    ("fusion_mail_queue_entries", Shape::Gauge, Unit::Count, "Mails that were not delivered yet and are retried"),
    ("fusion_mails_sent_total", Shape::Counter, Unit::Count, "Mails delivered to the mail server or to the outbox"),
    ("fusion_mails_failed_total", Shape::Counter, Unit::Count, "Mails that failed permanently"),
    (
        "fusion_mails_dropped_total",
        Shape::Counter,
        Unit::Count,
        "Mails that were not sent because their mailbox has reached its limit, by reason",
    ),
    ("fusion_mail_oldest_seconds", Shape::Gauge, Unit::Seconds, "Age of the oldest waiting mail; 0 when none waits"),
    (
        "fusion_snapshots_passed_over_total",
        Shape::Counter,
        Unit::Count,
        "Entities loaded from the journal because their newest snapshot is unreadable, by kind",
    ),
    (
        "fusion_checkpoints_passed_over_total",
        Shape::Counter,
        Unit::Count,
        "Unreadable checkpoints; the previous one was used, with a longer tail",
    ),
    (
        "fusion_recovery_seconds",
        Shape::Histogram,
        Unit::Seconds,
        "Time from requesting a shard's leadership to serving requests",
    ),
];

const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Installs the metrics recorder of this process. Call it once, before anything else: metrics that were looked up
/// earlier count nothing.
///
/// Returns an error when a recorder is installed already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = builder()?.install_recorder()?;
    for (name, shape, unit, help) in METRICS {
        match shape {
            Shape::Counter => metrics::describe_counter!(*name, *unit, *help),
            Shape::Gauge => metrics::describe_gauge!(*name, *unit, *help),
            Shape::Histogram => metrics::describe_histogram!(*name, *unit, *help),
        }
    }
    Ok(handle)
}

/// Updates the metrics that are only read when `/metrics` is rendered.
pub(crate) fn note(commerce: &Commerce) {
    metrics::gauge!("fusion_permits_in_use").set(commerce.waiting() as f64);
    metrics::gauge!("fusion_permits_max").set(NODE_CALLERS_MAX as f64);
    metrics::gauge!("fusion_effects_under_way").set(commerce.effects_under_way() as f64);
}

/// Updates the number of queued mails and the age of the oldest.
pub(crate) fn note_mails(summary: &UndeliveredSummary, now: Timestamp) {
    metrics::gauge!("fusion_mail_queue_entries").set(summary.waiting as f64);
    let oldest_ms = summary.oldest_at.map_or(0, |oldest| now.ms_since(oldest));
    metrics::gauge!("fusion_mail_oldest_seconds").set(oldest_ms as f64 / 1_000.0);
}

/// A handle that renders nothing, for tests of the gateway.
pub fn detached() -> PrometheusHandle {
    PrometheusBuilder::new().build_recorder().handle()
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_entries".to_owned()), ENTRIES)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), BYTES)
}

/// The metrics of one method at one path.
pub(crate) struct Meter {
    /// The path as the document has it, for logs: the values of its parameters may be secret.
    pub(crate) route: String,
    by_class: [Counter; 5],
    seconds: Histogram,
}

impl Meter {
    fn new(method: &str, route: &str) -> Self {
        let (method, route) = (method.to_owned(), route.to_owned());
        let counter = |class: &'static str| metrics::counter!("http_requests_total", "method" => method.clone(), "route" => route.clone(), "status" => class);
        Self {
            route: route.clone(),
            by_class: [counter("1xx"), counter("2xx"), counter("3xx"), counter("4xx"), counter("5xx")],
            seconds: metrics::histogram!("http_request_seconds", "method" => method.clone(), "route" => route.clone()),
        }
    }

    pub(crate) fn record(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.by_class[class].increment(1);
        self.seconds.record(took);
    }
}

/// The metrics by route.
pub(crate) struct Meters {
    paths: matchit::Router<[Option<Box<Meter>>; 7]>,
    other: Meter,
}

impl Meters {
    /// One meter for every operation of `api`; requests to anything else share one.
    pub(crate) fn of(api: &utoipa::openapi::OpenApi) -> Self {
        let mut paths = matchit::Router::new();
        for (path, item) in &api.paths.paths {
            let documented = [&item.get, &item.get, &item.post, &item.put, &item.patch, &item.delete, &item.options];
            let mut index = 0;
            let meters = documented.map(|operation| {
                let method = METHODS[index].as_str();
                index += 1;
                operation.as_ref().map(|_| Box::new(Meter::new(method, path)))
            });
            // The router of the API has accepted the same paths, so they are valid.
            let _ = paths.insert(path.clone(), meters);
        }
        Self { paths, other: Meter::new("other", "other") }
    }

    pub(crate) fn of_request(&self, method: &Method, path: &str) -> &Meter {
        let known = self.paths.at(path).ok().and_then(|found| {
            let index = METHODS.iter().position(|known| known == method)?;
            found.value[index].as_deref()
        });
        known.unwrap_or(&self.other)
    }
}
