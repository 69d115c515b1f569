//! The projector: moves accepted entries into the SQL read side, at low priority and with a measured lag.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use engine::{id::EntityKey, time::Timestamp};
use futures::{StreamExt, future::BoxFuture};
use streaming::{Position, ShardId};
use tokio::time::Instant;

use crate::{resources::Resources, shard::ShardTable};

/// The maximum number of records in one transaction: some 10 ms of work.
const RECORDS_PER_STEP: usize = 4_096;
/// The pause after each transaction, so that the read side never takes more than its share of the machine from the
/// sale.
const PAUSE: Duration = Duration::from_millis(20);
/// The pause after a transaction or a read that failed.
const RETRY: Duration = Duration::from_secs(1);

/// An accepted entry on its way to the read side.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The shard.
    pub shard: u16,
    /// The position in the shard.
    pub position: u64,
    /// The entity.
    pub key: EntityKey,
    /// The number of entries that the entity has, this one included.
    pub version: u64,
    /// The time at which it was decided.
    pub at: Timestamp,
    /// Its encoded events, one after the other.
    pub events: Bytes,
}

/// The progress of a shard's projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The shard.
    pub shard: u16,
    /// The position after the last projected entry.
    pub next: u64,
}

/// A projection step that failed. No record of the step is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct ProjectionError {
    /// The shard and position of an entry that can never be projected: its events do not decode, or contradict earlier
    /// events. `None`: another attempt may succeed.
    pub entry: Option<(u16, u64)>,
    /// What is wrong.
    pub why: String,
}

/// The read side as the runtime uses it.
pub trait Projection: Send + Sync + 'static {
    /// Returns the progress of each shard. A shard that is not listed is at its beginning.
    fn reached(&self) -> BoxFuture<'_, Result<Vec<Reached>, String>>;

    /// Stores records, and moves every shard in `reached` to its new position, in one transaction. Refuses if a shard
    /// is not at the position of its first record.
    fn project(&self, records: Vec<Accepted>, reached: Vec<Reached>) -> BoxFuture<'_, Result<(), ProjectionError>>;
}

/// Keeps the read side up to date until it is aborted.
pub(crate) async fn keep_projected(
    resources: Arc<Resources>,
    shards: Arc<ShardTable>,
    projection: Arc<dyn Projection>,
) {
    let mut run = Run {
        cursors: vec![Cursor::default(); usize::from(resources.journal.shards())],
        resources,
        shards,
        projection,
        reported: BTreeSet::new(),
    };
    loop {
        if let Err(error) = run.read_positions().await {
            tracing::warn!(error, "read side does not answer; trying again");
            tokio::time::sleep(RETRY).await;
            continue;
        }
        while let Ok(moved) = run.step().await {
            if moved {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            let retry = run.next_retry();
            tokio::select! {
                () = run.resources.accepted.notified() => {}
                () = sleep_until(retry) => {}
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The progress of one shard. A fault of one shard never delays another.
#[derive(Debug, Clone, Copy, Default)]
struct Cursor {
    /// The next position to project.
    next: u64,
    /// The position of an entry that cannot be projected: the shard's projection ends before it.
    ends_at: Option<u64>,
    /// The time before which the shard's journal is not read again, after a read that failed.
    not_before: Option<Instant>,
}

/// The projection of a node's shards.
struct Run {
    resources: Arc<Resources>,
    shards: Arc<ShardTable>,
    projection: Arc<dyn Projection>,
    cursors: Vec<Cursor>,
    /// Entries that were reported to an operator.
    reported: BTreeSet<(u16, u64)>,
}

/// The records of one transaction.
#[derive(Default)]
struct Work {
    records: Vec<Accepted>,
    reached: Vec<Reached>,
}

impl Run {
    async fn read_positions(&mut self) -> Result<(), String> {
        for Reached { shard, next } in self.projection.reached().await? {
            if let Some(cursor) = self.cursors.get_mut(usize::from(shard)) {
                // A position further back means that a rebuild has begun: an entry that could not be projected is tried
                // again.
                let ends_at = cursor.ends_at.filter(|at| next <= *at && cursor.next <= next);
                *cursor = Cursor { next, ends_at, ..*cursor };
            }
        }
        Ok(())
    }

    /// Projects up to [`RECORDS_PER_STEP`] records. Returns false if there were none.
    async fn step(&mut self) -> Result<bool, ()> {
        let mut work = self.read().await;
        // Each round removes the entry that cannot be projected, and everything after it in its shard.
        while !work.reached.is_empty() {
            let outcome = self.projection.project(work.records.clone(), work.reached.clone()).await;
            let Err(error) = outcome else {
                for Reached { shard, next } in work.reached {
                    self.cursors[usize::from(shard)].next = next;
                }
                return Ok(true);
            };
            let Some((shard, position)) = error.entry.filter(|entry| work.holds(*entry)) else {
                tracing::error!(%error, "read side refuses; reading its positions again");
                return Err(());
            };
            let key = work.records.iter().find(|one| (one.shard, one.position) == (shard, position));
            self.stop_before(shard, position, &error.why, key.map(|one| &one.key));
            work.cut(shard, position, self.cursors[usize::from(shard)].next);
        }
        Ok(false)
    }

    /// Reads the next records of every shard.
    async fn read(&mut self) -> Work {
        let (mut work, mut lag) = (Work::default(), 0);
        for shard in 0..self.cursors.len() as u16 {
            let Cursor { next, ends_at, not_before } = self.cursors[usize::from(shard)];
            let Some(accepted) = self.accepted_of(shard).filter(|accepted| *accepted > next) else { continue };
            lag += accepted - next;
            let room = RECORDS_PER_STEP.saturating_sub(work.records.len());
            let waits = not_before.is_some_and(|at| at > Instant::now());
            if room == 0 || waits || ends_at.is_some_and(|end| next >= end) {
                continue;
            }
            let first = work.records.len();
            let to = self.read_shard(shard, next, room, &mut work.records).await;
            if let Some(end) = ends_at.filter(|end| to > *end) {
                let kept = work.records[first..].iter().take_while(|one| one.position < end).count();
                work.records.truncate(first + kept);
            }
            let to = to.min(ends_at.unwrap_or(u64::MAX));
            if to > next {
                work.reached.push(Reached { shard, next: to });
            }
        }
        metrics::gauge!("fusion_projection_lag_entries").set(lag as f64);
        let stopped = self.cursors.iter().filter(|cursor| cursor.ends_at.is_some()).count();
        metrics::gauge!("fusion_projection_stopped_shards").set(stopped as f64);
        work
    }

    fn accepted_of(&self, shard: u16) -> Option<u64> {
        self.shards.shards().get(usize::from(shard))?.current.get().map(|leader| leader.accepted_position())
    }

    /// Reads whole batches of a shard into `records`, until `room` of them are read, or the journal ends or fails.
    /// Returns the position up to which records were read.
    async fn read_shard(&mut self, shard: u16, from: u64, room: usize, records: &mut Vec<Accepted>) -> u64 {
        let resources = self.resources.clone();
        let mut batches = resources.journal.read(ShardId(shard), Position(from));
        let (mut to, first) = (from, records.len());
        while let Some(batch) = batches.next().await {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    tracing::error!(shard, position = to, %error, "journal does not read; other shards are projected");
                    self.cursors[usize::from(shard)].not_before = Some(Instant::now() + RETRY);
                    return to;
                }
            };
            for (position, entry) in batch.entries().filter(|(position, _)| position.0 >= from) {
                let Some(key) = EntityKey::from_bytes(&entry.key) else {
                    self.stop_before(
                        shard,
                        position.0,
                        "its entity is of a kind that this program does not know",
                        None,
                    );
                    return position.0;
                };
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
        to
    }

    /// Ends a shard's projection before an entry, and reports it to an operator once.
    fn stop_before(&mut self, shard: u16, position: u64, why: &str, key: Option<&EntityKey>) {
        let cursor = &mut self.cursors[usize::from(shard)];
        cursor.ends_at = Some(cursor.ends_at.map_or(position, |end| end.min(position)));
        if !self.reported.insert((shard, position)) {
            return;
        }
        let key_text = key.map(ToString::to_string);
        tracing::error!(shard, position, key = key_text, why, "lists of this shard stop before an entry");
        if let Some(key) = key {
            self.resources
                .dead_letters
                .add(key, &format!("lists of shard {shard} stop before position {position}: {why}"));
        }
    }

    /// The next time at which a shard whose journal failed is read again.
    fn next_retry(&self) -> Option<Instant> {
        let now = Instant::now();
        self.cursors.iter().filter_map(|cursor| cursor.not_before).filter(|at| *at > now).min()
    }
}

impl Work {
    fn holds(&self, (shard, position): (u16, u64)) -> bool {
        self.records.iter().any(|one| (one.shard, one.position) == (shard, position))
    }

    /// Removes everything of `shard` from `position` on. The shard was at `next`.
    fn cut(&mut self, shard: u16, position: u64, next: u64) {
        self.records.retain(|one| one.shard != shard || one.position < position);
        self.reached.retain_mut(|reached| {
            if reached.shard == shard {
                reached.next = position;
            }
            reached.shard != shard || position > next
        });
    }
}
