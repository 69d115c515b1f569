//! Counts who watches each drop, for its series.
//!
//! The journal does not know viewers, so they are sampled: at most once a second, all drops in one small transaction. It
//! waits for its turn behind the projector and holds up no claim, since claims do not touch the database.

use std::{sync::Arc, time::Duration};

use engine::{
    drop::{DropState, DropView},
    time::Timestamp,
};
use persistence::sql::drop_series::{VIEWER_SAMPLES_MAX, ViewerSample};
use tokio::time::{MissedTickBehavior, interval};

use super::{rooms::Kept, topic::Topic};
use crate::edge::Door;

/// How often viewers are counted: the finest interval of a series.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// How long before a drop opens its viewers are counted: those who gather for it.
const BEFORE_OPENING_MS: u64 = 3_600_000;

/// Records who watches drops until the server stops.
pub(crate) async fn record_viewers(door: Door) {
    let (gateway, rooms) = (door.gateway(), door.rooms());
    if let Err(error) = gateway.read_side.end_viewer_counts(gateway.now()).await {
        tracing::warn!(%error, "viewers of before the start are not ended in the series");
    }
    let mut ticks = interval(COUNT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn = 0;
    loop {
        tokio::select! {
            () = rooms.stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        record(&door, turn, true).await;
        turn = turn.wrapping_add(1);
    }
    record(&door, turn, false).await;
}

/// Records what has changed since it was recorded last. `counting`: otherwise nobody counts from now on.
async fn record(door: &Door, turn: usize, counting: bool) {
    let (gateway, now) = (door.gateway(), door.gateway().now());
    let mut changed: Vec<(Arc<Kept>, ViewerSample)> = Vec::new();
    for ((tenant, topic, _), kept) in door.rooms().drops() {
        let Topic::Drop(drop) = topic else { continue };
        let view = if counting { gateway.commerce.drop_view(&tenant, drop).await.ok() } else { None };
        let counted = view.filter(|view| is_counted(view, now)).map(|_| kept.viewers());
        if counted != kept.recorded() {
            changed.push((kept, ViewerSample { tenant, drop, at: now, viewers: counted }));
        }
    }
    if changed.is_empty() {
        return;
    }
    // Where more have changed than one transaction takes, the others have their turn in the next second.
    let first = turn.wrapping_mul(VIEWER_SAMPLES_MAX) % changed.len();
    changed.rotate_left(first);
    changed.truncate(VIEWER_SAMPLES_MAX);
    let (kept, samples): (Vec<_>, Vec<_>) = changed.into_iter().unzip();
    match gateway.read_side.record_viewers(&samples).await {
        Ok(()) => kept.iter().zip(&samples).for_each(|(kept, sample)| kept.set_recorded(sample.viewers)),
        Err(error) => tracing::warn!(%error, drops = samples.len(), "viewers are not recorded; trying again"),
    }
}

/// Whether the viewers of a drop are a part of its series now.
fn is_counted(view: &DropView, now: Timestamp) -> bool {
    match view.state {
        DropState::Open | DropState::SoldOut => true,
        DropState::Scheduled => view.starts_at.is_some_and(|start| start.ms_since(now) <= BEFORE_OPENING_MS),
        DropState::Draft | DropState::Ended | DropState::Cancelled => false,
    }
}
