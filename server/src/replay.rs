//! Replays the journal into a projector, from the projector's position on.

use std::collections::BTreeMap;

use actors::projector::{Accepted, Reached};
use engine::{id::EntityKey, time::Timestamp};
use futures::StreamExt;
use persistence::views::{POSITIONS_PER_APPLY_MAX, ProjectError, Projector};
use streaming::{Batch, Journal, JournalError, Position, ShardId};

use crate::projection::ranges;

/// A replay that did not complete.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The projector failed.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// An entry is of a kind that this program does not know.
    #[error("shard {shard} position {position}: an entry of an unknown kind")]
    UnknownKind {
        /// The shard.
        shard: ShardId,
        /// The position of the entry.
        position: Position,
    },
}

/// Projects every entry before `until` that the projector does not have yet. `progress` is called after each step with
/// the number of positions it covered.
pub(crate) async fn replay(
    journal: &dyn Journal,
    projector: &mut Projector,
    until: &BTreeMap<u16, u64>,
    mut progress: impl FnMut(u64),
) -> Result<(), ReplayError> {
    let mut before = projector.positions().await?;
    for (&shard, &end) in until {
        let mut next = before.get(&shard).copied().unwrap_or_default();
        let mut batches = journal.read(ShardId(shard), Position(next));
        let mut records = Vec::new();
        while next < end {
            let batch = match batches.next().await {
                Some(batch) => batch?,
                None => break,
            };
            let reached = batch.header.end().0.min(end);
            take(shard, next..reached, &batch, &mut records)?;
            next = reached;
            let taken = next - before.get(&shard).copied().unwrap_or_default();
            if taken as usize >= POSITIONS_PER_APPLY_MAX || next == end {
                let reached = Reached { shard, next };
                projector.apply(&ranges(&before, &records, &[reached])).await?;
                before.insert(shard, next);
                records.clear();
                progress(taken);
            }
        }
    }
    Ok(())
}

fn take(
    shard: u16,
    wanted: std::ops::Range<u64>,
    batch: &Batch,
    records: &mut Vec<Accepted>,
) -> Result<(), ReplayError> {
    for (position, entry) in batch.entries().filter(|(position, _)| wanted.contains(&position.0)) {
        let key =
            EntityKey::from_bytes(&entry.key).ok_or(ReplayError::UnknownKind { shard: ShardId(shard), position })?;
        records.push(Accepted {
            shard,
            position: position.0,
            key,
            version: entry.version,
            at: Timestamp(entry.at_ms),
            events: entry.events.clone(),
        });
    }
    Ok(())
}

/// Returns the accepted end of every shard.
pub(crate) async fn ends(journal: &dyn Journal) -> Result<BTreeMap<u16, u64>, JournalError> {
    let mut ends = BTreeMap::new();
    for shard in (0..journal.shards()).map(ShardId) {
        ends.insert(shard.0, journal.accepted(shard).await?.0);
    }
    Ok(ends)
}
