//! Checkpoints: what keeps recovery short.
//!
//! Position C is a checkpoint only when a snapshot that covers every entry before C is durable for every entity that
//! was dirty then. It holds the whole agenda and the newest time.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use engine::{id::EntityKey, time::Timestamp};
use futures::StreamExt;
use persistence::snapshots::{Checkpoint, Snapshot};
use wincode::{SchemaRead, SchemaWrite};

use super::leading::{Dirty, LeadGone, Leading, MailboxError};

/// Snapshots of a checkpoint that are taken at once.
const SNAPSHOTS_AT_ONCE: usize = 16;
/// Snapshots that are kept of an entity: the newest, and one to fall back to.
const SNAPSHOTS_KEPT: usize = 2;

/// How long to wait for an entity that is leaving memory.
const RETIRING_WAIT: Duration = Duration::from_millis(1);

/// A checkpoint as it is written down.
#[derive(Debug, Clone, Default, PartialEq, SchemaRead, SchemaWrite)]
pub struct CheckpointForm {
    /// Everything before this position is covered.
    pub position: u64,
    /// The newest time of any entry.
    pub newest_ms: u64,
    wakes: Vec<(Vec<u8>, u64)>,
}

impl CheckpointForm {
    /// Reads a checkpoint.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        engine::aggregate::read_snapshot(bytes).map_err(|error| error.to_string())
    }

    fn encode(&self) -> bytes::Bytes {
        engine::aggregate::write_snapshot(self).into()
    }

    /// The wakes.
    pub fn agenda(&self) -> impl Iterator<Item = (EntityKey, Timestamp)> {
        self.wakes.iter().filter_map(|(key, at)| Some((EntityKey::from_bytes(key)?, Timestamp(*at))))
    }
}

impl Leading {
    /// Whether the tail has grown past what a checkpoint would cost: the larger of [`Tuning::checkpoint_tail_bytes`](crate::node::Tuning) and the
    /// bytes that the dirty snapshots would take, so that a drop with a million holds is not rewritten every few seconds.
    pub(super) fn checkpoint_due(&self) -> bool {
        let threshold = self.node.tuning.checkpoint_tail_bytes.max(self.node.snapshot_bytes_last(self.shard));
        self.tail_bytes.load(Ordering::Acquire) >= threshold
    }

    /// Takes a checkpoint. On an error nothing is lost: the one before still stands.
    ///
    /// One at a time: two would each cover a part of what is dirty, and the later position would stand for both.
    pub(super) async fn checkpoint(self: &Arc<Self>) -> Result<u64, CheckpointError> {
        let _only = self.checkpointing.lock().await;
        let started = std::time::Instant::now();
        let (position, tail) = (self.accepted.load(Ordering::Acquire), self.tail_bytes.swap(0, Ordering::AcqRel));
        let newest_ms = self.now().0;
        let dirty = self.begin_covering();
        match self.write_checkpoint(position, newest_ms, &dirty).await {
            Ok(bytes) => {
                self.node.set_snapshot_bytes(self.shard, bytes);
                self.tail_from.store(position, Ordering::Release);
                self.covering.lock().clear();
                // Those that have changed since are still asked for by the next one.
                let now_dirty = self.dirty.lock();
                self.retired.lock().retain(|key, _| now_dirty.contains_key(key));
                drop(now_dirty);
                let (entities, elapsed_ms) = (dirty.len(), started.elapsed().as_millis() as u64);
                tracing::info!(shard = %self.shard, position, entities, bytes, elapsed_ms, "checkpoint");
                Ok(position)
            }
            Err(error) => {
                self.tail_bytes.fetch_add(tail, Ordering::AcqRel);
                let mut now_dirty = self.dirty.lock();
                for (key, before) in std::mem::take(&mut *self.covering.lock()) {
                    let noted: &mut Dirty = now_dirty.entry(key).or_default();
                    noted.version = noted.version.max(before.version);
                    noted.bytes += before.bytes;
                }
                Err(error)
            }
        }
    }

    /// Moves what is dirty to what the checkpoint covers. Never is a dirty entity in neither.
    fn begin_covering(&self) -> BTreeMap<EntityKey, Dirty> {
        let mut dirty = self.dirty.lock();
        let mut covering = self.covering.lock();
        *covering = std::mem::take(&mut *dirty);
        covering.clone()
    }

    async fn write_checkpoint(
        self: &Arc<Self>,
        position: u64,
        newest_ms: u64,
        dirty: &BTreeMap<EntityKey, Dirty>,
    ) -> Result<u64, CheckpointError> {
        let owed: Vec<(EntityKey, u64)> = dirty.iter().map(|(key, dirty)| (key.clone(), dirty.version)).collect();
        let leading = self.clone();
        let mut written = futures::stream::iter(owed)
            .map(move |(key, version)| leading.clone().write_snapshot(key, version))
            .buffered(SNAPSHOTS_AT_ONCE);
        let mut bytes = 0;
        while let Some(size) = written.next().await {
            bytes += size? as u64;
        }
        drop(written);
        let wakes = self.agenda.to_list().into_iter().map(|(key, at)| (key.as_bytes().to_vec(), at.0)).collect();
        let form = CheckpointForm { position, newest_ms, wakes };
        let checkpoint = Checkpoint { position, bytes: form.encode() };
        self.node
            .snapshots
            .put_checkpoint(self.shard.0, checkpoint)
            .await
            .map_err(|error| CheckpointError(error.to_string()))?;
        for key in dirty.keys() {
            let key = bytes::Bytes::copy_from_slice(key.as_bytes());
            self.node.snapshots.prune(key, SNAPSHOTS_KEPT).await.map_err(|error| CheckpointError(error.to_string()))?;
        }
        Ok(bytes)
    }

    /// Writes one entity's accepted state, which has at least `version`.
    async fn write_snapshot(self: Arc<Self>, key: EntityKey, version: u64) -> Result<usize, CheckpointError> {
        let key = &key;
        let failed = |why: String| CheckpointError(format!("{key}: {why}"));
        loop {
            if self.retired.lock().get(key).is_some_and(|&retired| retired >= version) && !self.live.contains_key(key) {
                return Ok(0);
            }
            let live = match self.any(key).await {
                Ok(live) => live,
                // A parked entity's last good snapshot and its entries must stay: the tail cannot be given up.
                Err(error @ (MailboxError::Parked(_) | MailboxError::Store(_))) => {
                    return Err(failed(error.to_string()));
                }
                Err(MailboxError::Gone) => return Err(failed(LeadGone.to_string())),
            };
            let Ok(frozen) = live.freeze() else {
                // It is leaving memory, and waits for the store; in simulated time that only goes on while we wait too.
                tokio::time::sleep(RETIRING_WAIT).await;
                continue;
            };
            let snapshot = frozen.await.ok().flatten().ok_or_else(|| failed(LeadGone.to_string()))?;
            let snapshot = Snapshot { position: self.accepted.load(Ordering::Acquire), ..snapshot };
            let size = snapshot.bytes.len();
            self.node.snapshots.put(snapshot).await.map_err(|error| failed(error.to_string()))?;
            self.node.counters.snapshot_written(size);
            return Ok(size);
        }
    }
}

/// A checkpoint that was not taken.
#[derive(Debug, Clone, thiserror::Error)]
#[error("checkpoint not taken: {0}")]
pub(super) struct CheckpointError(String);
