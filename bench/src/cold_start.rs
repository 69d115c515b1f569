//! Restart with many live holds on one drop, and the effect of a snapshot of that drop on claims during it.

use std::time::{Duration, Instant};

use crate::{
    claims::Claims,
    driver::{Driver, Window},
    error::{BenchError, Result},
    http::{Client, Http},
    options::{ColdStartOptions, Options},
    pace::{Pace, Plan},
    process::{disk_use, resident_bytes},
    reserve::{SKU, UNITS_PER_BUYER_MAX, load},
    scratch::Scratch,
    server::Server,
    shop::{Guests, Shop},
};

/// The time after a restart within which the first claim has to be taken, or the start counts as failed.
const FIRST_CLAIM_MAX: Duration = Duration::from_secs(180);
/// The interval at which the server's metrics are checked for a snapshot.
const SEGMENT: Duration = Duration::from_secs(5);
/// The minimum size of a hold in a snapshot, in bytes.
const SNAPSHOT_BYTES_EACH_MIN: f64 = 20.0;
/// The server's own metric of the stall.
const FREEZE: &str = "fusion_snapshot_freeze_seconds";

/// The results of one restart.
#[derive(Debug)]
pub(crate) struct Restart {
    /// How the server had ended.
    pub(crate) after: &'static str,
    /// From starting the process to the first claim's 201, in seconds.
    pub(crate) first_claim_seconds: f64,
    /// From starting the process to `/readyz`, in seconds; checked only after the first claim, so an upper bound.
    pub(crate) ready_seconds: f64,
}

/// The stall as clients see it.
#[derive(Debug)]
pub(crate) struct Stall {
    /// Claims per second during the measurement.
    pub(crate) rate: f64,
    /// The longest latency of a claim in segments with a snapshot, in milliseconds.
    pub(crate) with_snapshot_ms_max: Option<f64>,
    /// The longest latency in segments without a snapshot, in milliseconds: the baseline of the machine.
    pub(crate) without_ms_max: Option<f64>,
    /// p99.9 over all segments, in milliseconds.
    pub(crate) p999_ms: f64,
    /// The upper bound of a freeze by the server's own metric, in milliseconds; infinite beyond its last bucket.
    pub(crate) reported_ms_max: Option<f64>,
    /// The duration of the measurement.
    pub(crate) seconds: f64,
}

/// The results.
#[derive(Debug)]
pub(crate) struct ColdStart {
    /// Live holds on the drop.
    pub(crate) holds: u64,
    /// The window in which they were made.
    pub(crate) filling: Window,
    /// The server's memory with them.
    pub(crate) resident_bytes: u64,
    /// The size of its data folder with them.
    pub(crate) data_bytes: u64,
    /// The restarts after `kill -9` and after SIGTERM.
    pub(crate) restarts: Vec<Restart>,
    /// How long the stop by SIGTERM took.
    pub(crate) stop_seconds: f64,
    /// The stall.
    pub(crate) stall: Stall,
}

/// Measures the cold start.
pub(crate) fn cold_start(options: &Options, wanted: &ColdStartOptions) -> Result<ColdStart> {
    let holds = wanted.holds.unwrap_or(options.either(1_000_000, 20_000));
    let stall_seconds = wanted.stall_seconds_max.unwrap_or(options.either(150, 10));
    let watched = (wanted.stall_rate * (stall_seconds + SEGMENT.as_secs()) as f64) as u64;
    // Each connection uses only its own share of the guests, so a few claims may be left over on each: one percent
    // more.
    let guests_wanted = (holds + watched).div_ceil(UNITS_PER_BUYER_MAX) * 101 / 100 + options.clients as u64 * 8;

    let scratch = Scratch::new(&options.work_dir)?;
    let data_dir = scratch.path().join("data");
    let server = Server::start(&options.binary, &data_dir)?;
    let mut shop = Shop::open(&server)?;
    eprintln!("cold start: letting {guests_wanted} guests in");
    let guests = shop.guests(guests_wanted as usize, options.clients)?;
    let units = guests_wanted * UNITS_PER_BUYER_MAX;
    shop.product(SKU)?;
    shop.stock(SKU, units)?;
    let drop = shop.open_drop(SKU, units, UNITS_PER_BUYER_MAX)?;

    eprintln!("cold start: making {holds} holds on one drop");
    let mut claims = Claims::new(&drop, SKU, &guests, options.clients, 1, Some(holds));
    let filling = load(shop.address(), server.pid(), &mut claims, &Plan::all_of_it(), options.clients)?;
    let mut held = filling.done_in_all;
    if held < holds {
        return Err(BenchError::Setup(format!(
            "only {held} of {holds} claims were taken, {} refused",
            filling.refused
        )));
    }
    shop.expect_held(&drop, held)?;
    let resident_bytes = resident_bytes(server.pid())?;
    let data_bytes = disk_use(&data_dir).allocated_bytes;
    let freeze_before = server.metrics()?.greatest(FREEZE);

    server.kill()?;
    let (server, crashed) = restart(options, &data_dir, "kill -9", &drop, &guests, 2)?;
    held += 1;
    shop.reopen(&server)?;
    shop.expect_held(&drop, held)?;

    eprintln!("cold start: watching claims across a snapshot, at most {stall_seconds} s");
    let mut stall = watch(options, wanted.stall_rate, stall_seconds, &server, &mut claims, &mut held)?;
    let reported = [stall.reported_ms_max, freeze_before.map(|seconds| seconds * 1e3)];
    stall.reported_ms_max = reported.into_iter().flatten().reduce(f64::max);
    shop.expect_held(&drop, held)?;

    let stop_seconds = server.stop()?.as_secs_f64();
    let (server, stopped) = restart(options, &data_dir, "SIGTERM", &drop, &guests, 3)?;
    shop.reopen(&server)?;
    shop.expect_held(&drop, held + 1)?;
    let restarts = vec![crashed, stopped];
    Ok(ColdStart { holds, filling, resident_bytes, data_bytes, restarts, stop_seconds, stall })
}

/// Starts the server and repeats a claim until it is taken. It is made by the last guest, which the walk reaches last.
fn restart(
    options: &Options,
    data_dir: &std::path::Path,
    after: &'static str,
    drop: &str,
    guests: &Guests,
    family: u16,
) -> Result<(Server, Restart)> {
    let Some(last) = guests.tokens.last() else { return Err(BenchError::Setup("no guests".to_owned())) };
    let path = format!("/v1/drops/{drop}/claims");
    let body = serde_json::json!({"sku": SKU, "quantity": 1});
    // One key for all attempts: an attempt whose answer was lost must not become a second claim.
    let key = format!("first-claim-after-restart-{family}");
    let started = Instant::now();
    let mut server = Server::spawn(&options.binary, data_dir, &[])?;
    let mut client = None;
    let first_claim_seconds = loop {
        if started.elapsed() > FIRST_CLAIM_MAX {
            return Err(BenchError::Setup(format!("no claim was taken {FIRST_CLAIM_MAX:?} after the restart")));
        }
        let mut connected = match client.take() {
            Some(connected) => connected,
            None => match Client::connect(server.address()) {
                Ok(connected) => connected,
                Err(_) => {
                    server.check_alive()?;
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                }
            },
        };
        match connected.call("POST", &path, Some(last), Some(&key), Some(&body)) {
            Ok(answer) if answer.status == 201 => break started.elapsed().as_secs_f64(),
            // The server is still starting: refused for now, or outcome unknown.
            Ok(answer) if matches!(answer.status, 429 | 503 | 504) => client = Some(connected),
            Ok(answer) => {
                return Err(BenchError::unexpected("the first claim after a restart", answer.status, &answer.body));
            }
            Err(_) => server.check_alive()?,
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    server.wait_until_ready()?;
    let ready_seconds = started.elapsed().as_secs_f64();
    eprintln!("cold start after {after}: first claim after {first_claim_seconds:.3} s, ready by {ready_seconds:.3} s");
    Ok((server, Restart { after, first_claim_seconds, ready_seconds }))
}

/// Claims at a steady rate until a snapshot was taken and one more segment has passed, or the time is up.
fn watch(
    options: &Options,
    rate: f64,
    seconds_max: u64,
    server: &Server,
    claims: &mut Claims<'_>,
    held: &mut u64,
) -> Result<Stall> {
    claims.allow(None);
    let segment = SEGMENT.min(Duration::from_secs(seconds_max.max(1)));
    let plan = Plan { pace: Pace::Open { per_second: rate }, warm_up: Duration::ZERO, measure: Some(segment) };
    let started = Instant::now();
    let mut latency = crate::driver::latency_histogram();
    let mut stall = Stall {
        rate,
        with_snapshot_ms_max: None,
        without_ms_max: None,
        p999_ms: 0.0,
        reported_ms_max: None,
        seconds: 0.0,
    };
    let first = server.metrics()?;
    // Other entities are frozen too, but only the drop's snapshot is that large. If a server does not count the bytes,
    // its first freeze is taken to be the drop's.
    let drop_bytes_min = *held as f64 * SNAPSHOT_BYTES_EACH_MIN;
    let (mut freezes, mut seen, mut over) = (first.freezes(), false, false);
    while !over && started.elapsed().as_secs() < seconds_max {
        // One more segment after the snapshot was seen: it may have been under way between two checks.
        over = seen;
        let window =
            Driver::connect(server.address(), options.clients)?.run(&mut Http { work: claims }, &plan, server.pid())?;
        *held += window.done_in_all;
        let metrics = server.metrics()?;
        let made = metrics.freezes() > freezes;
        freezes = metrics.freezes();
        seen |= match (metrics.snapshot_bytes(), first.snapshot_bytes()) {
            (Some(bytes), before) => bytes - before.unwrap_or(0.0) >= drop_bytes_min,
            (None, _) => made,
        };
        let longest_ms = window.latency.max() as f64 / 1e6;
        eprintln!("  {:.0}/s, longest {longest_ms:.1} ms{}", window.per_second(), if made { ", frozen" } else { "" });
        let side = if made || over { &mut stall.with_snapshot_ms_max } else { &mut stall.without_ms_max };
        *side = Some(side.unwrap_or(0.0).max(longest_ms));
        // Both histograms have the same bounds.
        let _ = latency.add(&window.latency);
        stall.reported_ms_max = metrics.greatest(FREEZE).map(|seconds| seconds * 1e3);
    }
    stall.p999_ms = latency.value_at_percentile(99.9) as f64 / 1e6;
    stall.seconds = started.elapsed().as_secs_f64();
    Ok(stall)
}
