//! Adapts the SQL read side to the runtime's projection interface.

use std::collections::BTreeMap;

use actors::projector::{Accepted, Projection, ProjectionError, Reached};
use futures::future::BoxFuture;
use persistence::views::{ProjectError, Projector, Record, RecordRange};
use tokio::sync::Mutex;

use crate::read_side::ReadSideWatermark;

/// Projects accepted entries into the read side.
pub(crate) struct ReadSideProjection {
    inner: Mutex<Inner>,
}

struct Inner {
    projector: Projector,
    durable_watermark: ReadSideWatermark,
    next: BTreeMap<u16, u64>,
}

impl ReadSideProjection {
    /// Creates a projection with the database's only `projector`. The watermark records its progress.
    pub(crate) fn new(projector: Projector, durable_watermark: ReadSideWatermark) -> Self {
        Self { inner: Mutex::new(Inner { projector, durable_watermark, next: BTreeMap::new() }) }
    }
}

impl Projection for ReadSideProjection {
    fn reached(&self) -> BoxFuture<'_, Result<Vec<Reached>, String>> {
        Box::pin(async {
            let mut inner = self.inner.lock().await;
            inner.next = inner.projector.positions().await.map_err(|error| error.to_string())?;
            Ok(inner.next.iter().map(|(&shard, &next)| Reached { shard, next }).collect())
        })
    }

    fn project(&self, records: Vec<Accepted>, reached: Vec<Reached>) -> BoxFuture<'_, Result<(), ProjectionError>> {
        Box::pin(async move {
            let mut inner = self.inner.lock().await;
            let ranges = ranges(&inner.next, &records, &reached);
            inner.projector.apply(&ranges).await.map_err(|error| refusal(&error))?;
            for Reached { shard, next } in reached {
                inner.next.insert(shard, next);
                inner.durable_watermark.note(shard, next);
            }
            inner.durable_watermark.write();
            Ok(())
        })
    }
}

/// Converts an error to what the runtime needs to know of it.
fn refusal(error: &ProjectError) -> ProjectionError {
    let entry = error.entry().map(|entry| (entry.shard, entry.position));
    ProjectionError { entry, why: error.to_string() }
}

/// Returns one range for each shard, from its previous position to the one that it has reached.
pub(crate) fn ranges<'a>(
    before: &BTreeMap<u16, u64>,
    records: &'a [Accepted],
    reached: &[Reached],
) -> Vec<RecordRange<'a>> {
    let range = |&Reached { shard, next: end }: &Reached| RecordRange {
        shard,
        first: before.get(&shard).copied().unwrap_or_default(),
        end,
        records: records.iter().filter(|accepted| accepted.shard == shard).map(record).collect(),
    };
    reached.iter().map(range).collect()
}

fn record(accepted: &Accepted) -> Record<'_> {
    Record { position: accepted.position, key: accepted.key.clone(), at: accepted.at, events: &accepted.events }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use bytes::Bytes;
    use engine::{
        id::{DropId, TenantId},
        time::Timestamp,
    };

    use super::*;

    #[test]
    fn a_range_begins_at_the_next_position_of_its_shard() {
        let key = DropId(1).key(&TenantId::new("demo").unwrap());
        let accepted = |shard, position| Accepted {
            shard,
            position,
            key: key.clone(),
            version: 1,
            at: Timestamp(0),
            events: Bytes::new(),
        };
        let records = [accepted(0, 6), accepted(3, 1), accepted(0, 8)];
        let reached = [Reached { shard: 0, next: 9 }, Reached { shard: 3, next: 2 }];
        let ranges = ranges(&BTreeMap::from([(0, 5)]), &records, &reached);
        let shapes: Vec<_> = ranges.iter().map(|s| (s.shard, s.first, s.end, s.records.len())).collect();
        assert_eq!(shapes, [(0, 5, 9, 2), (3, 0, 2, 1)]);
    }
}
