//! Samples the number of viewers of each drop for its series.
//!
//! The journal does not record viewers, so they are sampled: at most once a second, all drops in one small transaction.
//! The transaction queues behind the projector and delays no claim, since claims do not use the database.

use std::{sync::Arc, time::Duration};

use engine::{
    flash_drop::{DropState, DropView, FlashDrop},
    time::Timestamp,
};
use persistence::sql::drop_series::{VIEWER_SAMPLES_MAX, ViewerSample};
use tokio::time::{MissedTickBehavior, interval};

use super::hub::RetainedChannel;
use crate::edge::PublicApi;

/// The sampling interval: the finest interval of a series.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// How long before its opening the viewers of a drop are counted: the buyers who gather for it.
const BEFORE_OPENING_MS: u64 = 3_600_000;

/// Records the viewers of drops until the server stops.
pub(crate) async fn record_viewers(api: PublicApi) {
    let (gateway, hub) = (api.gateway(), api.hub());
    if let Err(error) = gateway.read_side.end_viewer_counts(gateway.now()).await {
        tracing::warn!(%error, "viewers of before the start are not ended in the series");
    }
    let mut ticks = interval(COUNT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn = 0;
    loop {
        tokio::select! {
            () = hub.stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        record(&api, turn, true).await;
        turn = turn.wrapping_add(1);
    }
    record(&api, turn, false).await;
}

/// Records what has changed since the last sample. `counting: false` records that counting ends.
async fn record(api: &PublicApi, turn: usize, counting: bool) {
    let (gateway, now) = (api.gateway(), api.gateway().now());
    let mut changed: Vec<(Arc<RetainedChannel>, ViewerSample)> = Vec::new();
    for (tenant, drop, retained) in api.hub().drops() {
        let view = match counting {
            true => match gateway.commerce.view::<FlashDrop>(&drop.key(&tenant)).await {
                Ok(view) => Some(view),
                // Not known now. That says nothing about its viewers.
                Err(_) => continue,
            },
            false => None,
        };
        let counted = view.filter(|view| is_counted(view, now)).map(|_| retained.viewers());
        if counted != retained.recorded() {
            changed.push((retained, ViewerSample { tenant, drop, at: now, viewers: counted }));
        }
    }
    if changed.is_empty() {
        return;
    }
    // Where more drops have changed than fit in one transaction, start elsewhere each time so that the others follow in
    // the next second.
    let first = turn.wrapping_mul(VIEWER_SAMPLES_MAX) % changed.len();
    changed.rotate_left(first);
    changed.truncate(VIEWER_SAMPLES_MAX);
    let (retained, samples): (Vec<_>, Vec<_>) = changed.into_iter().unzip();
    match gateway.read_side.record_viewers(&samples).await {
        Ok(()) => retained.iter().zip(&samples).for_each(|(retained, sample)| retained.set_recorded(sample.viewers)),
        Err(error) => tracing::warn!(%error, drops = samples.len(), "recording viewers failed; retrying"),
    }
}

/// Whether the viewers of a drop are part of its series now.
fn is_counted(view: &DropView, now: Timestamp) -> bool {
    match view.state {
        DropState::Open | DropState::SoldOut => true,
        DropState::Scheduled => view.starts_at.is_some_and(|start| start.ms_since(now) <= BEFORE_OPENING_MS),
        DropState::Draft | DropState::Ended | DropState::Cancelled => false,
    }
}
