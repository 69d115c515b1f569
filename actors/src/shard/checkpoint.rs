//! Checkpoints: what keeps recovery short.
//!
//! Position C is a checkpoint only when a snapshot that covers every entry before C is durable for every entity that
//! was dirty then. It holds the whole agenda and the newest time.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use engine::{aggregate::SnapshotError, id::EntityKey, time::Timestamp};
use futures::StreamExt;
use persistence::snapshots::Checkpoint;
use wincode::{SchemaRead, SchemaWrite};

use super::leading::{Dirty, LeadGone, Leading, MailboxError};
use crate::mailbox::NotFrozen;

/// Snapshots of a checkpoint that are taken at once.
const SNAPSHOTS_AT_ONCE: usize = 16;
/// How long to wait for an entity that is leaving memory.
const RETIRING_WAIT: Duration = Duration::from_millis(1);

/// The format that checkpoints are written in. The first is 0: it was written before formats were noted.
pub const CHECKPOINT_FORMAT: u8 = 0;

/// Why a checkpoint cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointFault {
    /// A newer program wrote it, and the log before it.
    #[error("it has rules of version {found}, and this program knows {known}")]
    NewerRules {
        /// What it has.
        found: u16,
        /// What this program knows.
        known: u16,
    },
    /// Its format is not known.
    #[error("it has format {0}, and this program knows {CHECKPOINT_FORMAT}")]
    Format(u8),
    /// It is not what is written.
    #[error("it does not decode: {0}")]
    Body(String),
}

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
    /// Reads a checkpoint. One that reads in part only is a fault: what it leaves out would never be woken.
    pub fn read(stored: &Checkpoint) -> Result<Self, CheckpointFault> {
        let (found, known) = (stored.rules, engine::RULES_VERSION);
        if found > known {
            return Err(CheckpointFault::NewerRules { found, known });
        }
        if stored.format != CHECKPOINT_FORMAT {
            return Err(CheckpointFault::Format(stored.format));
        }
        let form: Self = engine::aggregate::read_snapshot(&stored.bytes)
            .map_err(|error| CheckpointFault::Body(error.to_string()))?;
        if form.position != stored.position {
            let why = format!("it is of position {} and stands at {}", form.position, stored.position);
            return Err(CheckpointFault::Body(why));
        }
        if form.agenda().count() != form.wakes.len() {
            return Err(CheckpointFault::Body("it wakes an entity of a kind that this program does not know".into()));
        }
        Ok(form)
    }

    /// As it is stored.
    fn store(&self) -> Result<Checkpoint, SnapshotError> {
        let bytes = engine::aggregate::write_snapshot(self)?.into();
        Ok(Checkpoint { position: self.position, rules: engine::RULES_VERSION, format: CHECKPOINT_FORMAT, bytes })
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
        let bytes = match self.write_checkpoint(position, newest_ms, &dirty).await {
            Ok(bytes) => bytes,
            Err(error) => {
                self.give_back(tail);
                return Err(error);
            }
        };
        self.node.set_snapshot_bytes(self.shard, bytes);
        let former = self.end_covering(position, &dirty);
        let (entities, elapsed_ms) = (dirty.len(), started.elapsed().as_millis() as u64);
        tracing::info!(shard = %self.shard, position, entities, bytes, elapsed_ms, "checkpoint");
        // The one before stays, to be fallen back to.
        if former < position
            && let Err(error) = self.node.snapshots.prune_checkpoints(self.shard.0, former).await
        {
            tracing::warn!(shard = %self.shard, %error, "old checkpoints not removed; the next one removes them");
        }
        Ok(position)
    }

    /// Gives up what the tail had until now, and says where the one before begins.
    fn end_covering(&self, position: u64, covered: &BTreeMap<EntityKey, Dirty>) -> u64 {
        let former = self.tail_from.swap(position, Ordering::AcqRel);
        self.covering.lock().clear();
        self.recovered.lock().retain(|key, _| !covered.contains_key(key));
        // Those that have changed since are still asked for by the next one.
        let dirty = self.dirty.lock();
        self.retired.lock().retain(|key, _| dirty.contains_key(key));
        former
    }

    /// The checkpoint was not taken: what it was to cover is dirty as before.
    fn give_back(&self, tail_bytes: u64) {
        self.tail_bytes.fetch_add(tail_bytes, Ordering::AcqRel);
        let mut dirty = self.dirty.lock();
        for (key, before) in std::mem::take(&mut *self.covering.lock()) {
            let noted: &mut Dirty = dirty.entry(key).or_default();
            noted.version = noted.version.max(before.version);
            noted.bytes += before.bytes;
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
        let checkpoint = form.store().map_err(|error| CheckpointError(error.to_string()))?;
        self.node
            .snapshots
            .put_checkpoint(self.shard.0, checkpoint)
            .await
            .map_err(|error| CheckpointError(error.to_string()))?;
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
            // Passivation or a checkpoint that failed later may have written it already.
            if live.kept().lock().newest.is_some_and(|at| at.version >= version) {
                return Ok(0);
            }
            let Ok(frozen) = live.freeze() else {
                // It is leaving memory, and waits for the store; in simulated time that only goes on while we wait too.
                tokio::time::sleep(RETIRING_WAIT).await;
                continue;
            };
            // Without an answer its actor has failed, or its state panicked on being written.
            let frozen = frozen.await.map_err(|_| failed("its snapshot was not written".into()))?;
            let snapshot = frozen.map_err(|error| {
                if let NotFrozen::Unwritable(error) = &error {
                    self.tell_unwritable(key, error);
                }
                failed(error.to_string())
            })?;
            return self.keep(live.kept(), snapshot).await.map_err(|error| failed(error.to_string()));
        }
    }
}

/// A checkpoint that was not taken.
#[derive(Debug, Clone, thiserror::Error)]
#[error("checkpoint not taken: {0}")]
pub(super) struct CheckpointError(String);
