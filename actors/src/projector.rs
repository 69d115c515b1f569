//! Moves what was accepted into the SQL read side, at low priority and with a lag that is a metric.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use engine::{id::EntityKey, time::Timestamp};
use futures::{StreamExt, future::BoxFuture};
use streaming::{Position, ShardId};

use crate::node::NodeShared;

/// Records of one transaction: some 10 ms of work.
const RECORDS_PER_STEP: usize = 4_096;
/// The pause after each transaction, so that the read side never takes more than its share from the sale.
const PAUSE: Duration = Duration::from_millis(20);
/// The pause after a transaction that failed.
const RETRY: Duration = Duration::from_secs(1);

/// An accepted entry, on its way to the read side.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// Its shard.
    pub shard: u16,
    /// Its position there.
    pub position: u64,
    /// The entity.
    pub key: EntityKey,
    /// How many entries the entity has with this one.
    pub version: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// Its events, one after the other.
    pub events: Bytes,
}

/// How far a shard has been projected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The shard.
    pub shard: u16,
    /// The position after the last that is in.
    pub next: u64,
}

/// The read side, as the runtime sees it.
pub trait Projection: Send + Sync + 'static {
    /// How far each shard has got. A shard that is not named is at its beginning.
    fn reached(&self) -> BoxFuture<'_, Result<Vec<Reached>, String>>;

    /// Takes records in, and moves every shard in `reached` to its new position, in one transaction. Refused when a
    /// shard was not where its first record is.
    fn project(&self, records: Vec<Accepted>, reached: Vec<Reached>) -> BoxFuture<'_, Result<(), String>>;
}

/// Runs until it is aborted.
pub(crate) async fn keep_projected(node: Arc<NodeShared>, projection: Arc<dyn Projection>) {
    let mut next = vec![0; usize::from(node.journal.shards())];
    loop {
        match projection.reached().await {
            Ok(reached) => {
                for Reached { shard, next: position } in reached {
                    if let Some(known) = next.get_mut(usize::from(shard)) {
                        *known = position;
                    }
                }
            }
            Err(error) => {
                tracing::warn!(error, "read side does not answer; trying again");
                tokio::time::sleep(RETRY).await;
                continue;
            }
        }
        while let Ok(moved) = step(&node, projection.as_ref(), &mut next).await {
            if moved {
                tokio::time::sleep(PAUSE).await;
            } else {
                node.accepted.notified().await;
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Projects up to [`RECORDS_PER_STEP`] records. False when there were none.
async fn step(node: &NodeShared, projection: &dyn Projection, next: &mut [u64]) -> Result<bool, ()> {
    let (mut records, mut reached, mut lag) = (Vec::new(), Vec::new(), 0);
    for (shard, from) in next.iter().enumerate() {
        let shard = shard as u16;
        let Some(accepted) = accepted_of(node, shard).filter(|accepted| accepted > from) else { continue };
        lag += accepted - from;
        let room = RECORDS_PER_STEP.saturating_sub(records.len());
        if room == 0 {
            continue;
        }
        let to = read_shard(node, shard, *from, room, &mut records).await?;
        if to > *from {
            reached.push(Reached { shard, next: to });
        }
    }
    metrics::gauge!("fusion_projection_lag_entries").set(lag as f64);
    if reached.is_empty() {
        return Ok(false);
    }
    if let Err(error) = projection.project(records, reached.clone()).await {
        tracing::error!(error, "read side refuses; reading its positions again");
        return Err(());
    }
    for Reached { shard, next: position } in reached {
        next[usize::from(shard)] = position;
    }
    Ok(true)
}

fn accepted_of(node: &NodeShared, shard: u16) -> Option<u64> {
    node.shards().get(usize::from(shard))?.current.get().map(|leading| leading.accepted_position())
}

async fn read_shard(
    node: &NodeShared,
    shard: u16,
    from: u64,
    room: usize,
    records: &mut Vec<Accepted>,
) -> Result<u64, ()> {
    let mut batches = node.journal.read(ShardId(shard), Position(from));
    let (mut to, first) = (from, records.len());
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|error| tracing::error!(shard, %error, "journal does not read"))?;
        for (position, entry) in batch.entries().filter(|(position, _)| position.0 >= from) {
            let key =
                EntityKey::from_bytes(&entry.key).ok_or_else(|| tracing::error!(shard, %position, "unknown kind"))?;
            records.push(Accepted {
                shard,
                position: position.0,
                key,
                version: entry.version,
                at: Timestamp(entry.at_ms),
                events: entry.events.clone(),
            });
        }
        to = batch.header.end().0;
        if records.len() - first >= room {
            break;
        }
    }
    Ok(to)
}
