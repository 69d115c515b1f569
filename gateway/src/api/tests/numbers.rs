//! Metrics, and the trace of a request from its response through the logs to the journal.

use std::{
    io::Write,
    sync::{Arc, LazyLock},
};

use actors::node::Tuning;
use futures::StreamExt;
use metrics_exporter_prometheus::PrometheusHandle;
use parking_lot::Mutex;
use serde_json::{Value, json};
use streaming::{
    Position, ShardId,
    embedded::{DataFolder, EmbeddedJournal, EmbeddedOptions},
};

use crate::{
    ops::metrics,
    testing::{Shop, eventually, settings},
};

/// The metrics recorder of the process, installed by the first test that needs it.
static COUNTS: LazyLock<PrometheusHandle> = LazyLock::new(|| metrics::install().unwrap());

/// Returns the sum of a metric over all samples with these labels.
fn sum(page: &str, name: &str, labels: &[&str]) -> f64 {
    let samples = page.lines().filter_map(|line| {
        let (sample, value) = line.rsplit_once(' ')?;
        let (found, said) = sample.split_once('{').unwrap_or((sample, ""));
        (found == name && labels.iter().all(|label| said.contains(label))).then_some(value)
    });
    samples.map(|value| value.parse::<f64>().unwrap()).sum()
}

#[tokio::test]
async fn a_claim_records_metrics_with_units_and_descriptions() {
    let metrics = COUNTS.clone();
    let folder = tempfile::tempdir().unwrap();
    let journal = EmbeddedJournal::open(DataFolder::lock(folder.path()).unwrap(), EmbeddedOptions::new(2)).unwrap();
    // Every change triggers a checkpoint, so that snapshots are written during the test.
    let tuning = Tuning { checkpoint_tail_bytes: 1, ..Tuning::default() };
    let shop = Shop::open_on(Arc::new(journal), settings(), tuning, metrics).await;
    let drop = shop.open_drop(1).await;
    let (guest, path) = (shop.guest().await, format!("/v1/drops/{drop}/claims"));
    guest.post(&path, "k", json!({"quantity": 1})).await.has(201);
    guest.post(&path, "k", json!({"quantity": 1})).await.has(201);
    shop.guest().await.post(&path, "k", json!({"quantity": 1})).await.refuses(409, "sold_out");

    let has_all = |page: &str| {
        let at_least_one = [
            ("fusion_commands_total", &["kind=\"drop\"", "outcome=\"accepted\""][..]),
            ("fusion_commands_total", &["kind=\"drop\"", "outcome=\"again\""]),
            ("fusion_commands_total", &["kind=\"drop\"", "outcome=\"rejected\""]),
            ("http_requests_total", &["route=\"/v1/drops/{id}/claims\"", "status=\"2xx\""]),
            ("http_request_seconds_bucket", &["route=\"/v1/drops/{id}/claims\"", "le=\"+Inf\""]),
            ("fusion_live_entities", &["kind=\"drop\""]),
            ("fusion_live_entities", &["kind=\"inventory\""]),
            ("fusion_permits_max", &[]),
            ("fusion_journal_batch_entries_bucket", &["le=\"1\""]),
            ("fusion_journal_batch_bytes_sum", &[]),
            ("fusion_journal_sync_seconds_bucket", &["le=\"+Inf\""]),
            ("fusion_journal_bytes_total", &[]),
            ("fusion_snapshot_freeze_seconds_count", &[]),
            ("fusion_snapshot_bytes_total", &[]),
            ("fusion_recovery_seconds_count", &[]),
        ];
        // Other tests of this process are counted as well.
        let at_any_value = ["fusion_permits_in_use", "fusion_effects_under_way", "fusion_projection_lag_entries"];
        at_least_one.iter().all(|(name, labels)| sum(page, name, labels) >= 1.0)
            && at_any_value.iter().all(|name| page.contains(&format!("\n{name} ")))
    };
    let text = |answer: &crate::testing::Answer| String::from_utf8(answer.bytes.clone()).unwrap();
    let page = eventually(async || shop.nobody().get("/metrics").await, |answer| has_all(&text(answer))).await;
    let page = text(&page);

    let shown = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for name in shown.filter_map(|line| line.split(' ').next()) {
        assert!(page.contains(&format!("# HELP {name} ")), "{name} does not say what it means");
        let unit =
            ["_total", "_seconds", "_bytes", "_entries", "_entities", "_shards", "_in_use", "_max", "_under_way"];
        assert!(unit.iter().any(|unit| name.ends_with(unit)), "{name} has no unit");
    }
}

/// Collected log lines.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The log of the process, from its first use on. It is global: with a log for a single thread, a callsite that another
/// thread reaches first would be disabled.
static LOG: LazyLock<Lines> = LazyLock::new(|| {
    let lines = Lines::default();
    let writer = lines.clone();
    let log = tracing_subscriber::fmt().json().flatten_event(true).with_max_level(tracing::Level::DEBUG);
    tracing::subscriber::set_global_default(log.with_writer(move || writer.clone()).finish()).unwrap();
    lines
});

impl Lines {
    fn of(&self, request_id: &str) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["request_id"] == request_id).collect()
    }
}

#[tokio::test]
async fn a_request_has_one_id_in_its_response_the_logs_and_the_journal() {
    let lines = LOG.clone();
    let shop = Shop::open().await;
    let drop = shop.open_drop(2).await;
    let (guest, path) = (shop.guest().await, format!("/v1/drops/{drop}/claims"));
    // Other tests, on threads without a log, may have registered the callsites first.
    tracing::callsite::rebuild_interest_cache();
    let claimed = guest.post(&path, "k", json!({"quantity": 1})).await.has(201);
    let name = claimed.header("x-request-id");

    let logged = lines.of(name);
    let [line] = &logged[..] else { panic!("one line of {name}: {logged:?}") };
    assert_eq!(
        (&line["method"], &line["route"], &line["status"]),
        (&json!("POST"), &json!("/v1/drops/{id}/claims"), &json!(201))
    );

    let number = name.parse::<engine::id::CommandId>().unwrap().0;
    let mut entries = Vec::new();
    for shard in 0..shop.journal.shards() {
        let mut batches = shop.journal.read(ShardId(shard), Position(0));
        while let Some(batch) = batches.next().await {
            entries.extend(batch.unwrap().entries().map(|(_, entry)| entry.clone()));
        }
    }
    let by_it: Vec<_> = entries.iter().filter(|entry| entry.request_id == number).collect();
    let [entry] = &by_it[..] else { panic!("one entry of {name}: {by_it:?}") };
    let key = engine::id::EntityKey::from_bytes(&entry.key).unwrap();
    assert_eq!(key, drop.parse::<engine::id::DropId>().unwrap().key(&engine::id::TenantId::new("acme").unwrap()));
}
