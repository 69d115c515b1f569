//! Checkpoints, which keep recovery short.
//!
//! Position C is a checkpoint only when a snapshot that covers every entry before C is durable for every entity that
//! was dirty then, or the checkpoint names the entity as uncovered. It also holds the whole agenda and the newest time.
//!
//! What is captured when:
//!
//! 1. The position C and the time, first; then the set of dirty entities. The writer adds to the dirty set before it
//!    moves the position, so every entity with an entry before C is in the set.
//! 2. The state of each of these entities, later, when its turn comes. It may contain entries from C on. That is
//!    harmless: when the entity is loaded, entries up to the version of its snapshot are skipped. A snapshot of state
//!    that the journal has not accepted is held back until it is.
//! 3. The agenda, after all snapshots. It may contain wakes of entries from C on, which are in the tail and set them
//!    again.
//! 4. The checkpoint itself, last. The store makes every snapshot that was put before it durable first. Until the
//!    checkpoint is stored, the one before it is in force, with a longer tail.
//!
//! Each snapshot also has its own position, which may be before C: a lower bound of the entries that it lacks. It
//! matters only when a newer snapshot cannot be read and the entity is completed from the journal.
//!
//! An entity is uncovered while no snapshot of it can be taken: it is quarantined, or its state cannot be written. The
//! checkpoint names the version that it has reached, so that it is loaded from its last snapshot and the journal,
//! however far back that is. Without this a single such entity would hold up the checkpoints of its shard forever.
//!
//! Locks are taken in the order `dirty`, `covering`, `recovered`, `passivated`. None is held across an `await`, except
//! `checkpointing`, which is an asynchronous lock and is taken before any other.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use engine::{id::EntityKey, snapshot::SnapshotError, time::Timestamp};
use futures::StreamExt;
use persistence::snapshots::Checkpoint;
use wincode::{SchemaRead, SchemaWrite};

use crate::{
    leader::{Dirty, Leader, MailboxError},
    mailbox::{LeadershipEnded, NotFrozen},
};

const _: () = assert!(
    persistence::snapshots::KEY_BYTES_MAX >= streaming::batch::KEY_BYTES_MAX,
    "every entity that the journal takes fits into a snapshot"
);

/// The maximum number of snapshots of one checkpoint that are taken at once.
const SNAPSHOTS_AT_ONCE: usize = 16;
/// How long to wait for an entity that is leaving memory.
const RETIRING_WAIT: Duration = Duration::from_millis(1);

/// The newest format of checkpoints. Format 0, which is older than the format numbers, has no list of uncovered
/// entities. A checkpoint without uncovered entities is still written in format 0, so that earlier program versions can
/// read it.
pub const CHECKPOINT_FORMAT: u8 = 1;

/// The reason why a checkpoint cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointFault {
    /// A newer program version wrote it, and the log before it. This program must not skip it.
    #[error("it has rules of version {found}, but this program supports {known}")]
    NewerRules {
        /// The rules version of the checkpoint.
        found: u16,
        /// The newest rules version that this program knows.
        known: u16,
    },
    /// This program does not know its format.
    #[error("it has format {0}, but this program supports {CHECKPOINT_FORMAT}")]
    Format(u8),
    /// Its bytes are not a checkpoint that was written.
    #[error("it does not decode: {0}")]
    Body(String),
}

/// The content of a checkpoint as it is stored.
#[derive(Debug, Clone, Default, PartialEq, SchemaRead, SchemaWrite)]
pub struct CheckpointForm {
    /// The position: everything before it is covered, except for the entities in `uncovered`.
    pub position: u64,
    /// The newest time of any entry.
    pub newest_ms: u64,
    wakes: Vec<(Vec<u8>, u64)>,
    /// Entities without a snapshot that reaches the position, with the version that each has reached.
    uncovered: Vec<(Vec<u8>, u64)>,
}

/// The content of a checkpoint in format 0.
#[derive(Debug, Clone, PartialEq, SchemaRead, SchemaWrite)]
struct CheckpointForm0 {
    position: u64,
    newest_ms: u64,
    wakes: Vec<(Vec<u8>, u64)>,
}

impl From<CheckpointForm0> for CheckpointForm {
    fn from(CheckpointForm0 { position, newest_ms, wakes }: CheckpointForm0) -> Self {
        Self { position, newest_ms, wakes, uncovered: Vec::new() }
    }
}

impl CheckpointForm {
    /// Decodes a checkpoint. If only a part of it can be understood, that is a fault: an entity of the rest would never
    /// be woken.
    pub fn read(stored: &Checkpoint) -> Result<Self, CheckpointFault> {
        let (found, known) = (stored.rules, engine::RULES_VERSION);
        if found > known {
            return Err(CheckpointFault::NewerRules { found, known });
        }
        let body = |error: SnapshotError| CheckpointFault::Body(error.to_string());
        let form: Self = match stored.format {
            0 => engine::snapshot::read_snapshot::<CheckpointForm0>(&stored.bytes).map_err(body)?.into(),
            CHECKPOINT_FORMAT => engine::snapshot::read_snapshot(&stored.bytes).map_err(body)?,
            format => return Err(CheckpointFault::Format(format)),
        };
        if form.position != stored.position {
            let why = format!("it is of position {} and stands at {}", form.position, stored.position);
            return Err(CheckpointFault::Body(why));
        }
        if form.agenda().count() != form.wakes.len() || form.uncovered().count() != form.uncovered.len() {
            return Err(CheckpointFault::Body("it names an entity of a kind that this program does not know".into()));
        }
        Ok(form)
    }

    /// Encodes the checkpoint for the store.
    fn store(self) -> Result<Checkpoint, SnapshotError> {
        let position = self.position;
        let (format, bytes) = if self.uncovered.is_empty() {
            let Self { position, newest_ms, wakes, .. } = self;
            (0, engine::snapshot::write_snapshot(&CheckpointForm0 { position, newest_ms, wakes })?)
        } else {
            (CHECKPOINT_FORMAT, engine::snapshot::write_snapshot(&self)?)
        };
        Ok(Checkpoint { position, rules: engine::RULES_VERSION, format, bytes: bytes.into() })
    }

    /// The wake times of the entities.
    pub fn agenda(&self) -> impl Iterator<Item = (EntityKey, Timestamp)> {
        self.wakes.iter().filter_map(|(key, at)| Some((EntityKey::from_bytes(key)?, Timestamp(*at))))
    }

    /// The entities that the checkpoint does not cover, with the version that each has reached.
    pub fn uncovered(&self) -> impl Iterator<Item = (EntityKey, u64)> {
        self.uncovered.iter().filter_map(|(key, version)| Some((EntityKey::from_bytes(key)?, *version)))
    }
}

impl Leader {
    /// Whether the tail has grown past the cost of a checkpoint: the larger of
    /// [`Tuning::checkpoint_tail_bytes`](crate::resources::Tuning) and the bytes that the snapshots of the last checkpoint
    /// took. A drop with a million holds is thus not rewritten every few seconds.
    pub(super) fn checkpoint_due(&self) -> bool {
        let threshold = self.resources.tuning.checkpoint_tail_bytes.max(self.snapshot_bytes.load(Ordering::Acquire));
        self.tail_bytes.load(Ordering::Acquire) >= threshold
    }

    /// Takes a checkpoint. After an error nothing is lost: the one before is still in force.
    ///
    /// Only one is taken at a time. Two would each cover a part of the dirty entities, but each would claim to cover
    /// everything before its position.
    pub(super) async fn checkpoint(self: &Arc<Self>) -> Result<u64, CheckpointError> {
        let _only = self.checkpointing.lock().await;
        let started = std::time::Instant::now();
        let (position, tail) = (self.accepted.load(Ordering::Acquire), self.tail_bytes.swap(0, Ordering::AcqRel));
        // Read after the position, so that it is not before the time of any entry that the checkpoint covers.
        let newest_ms = self.now().0;
        // After the position was read, never before: see the module's description.
        let dirty = self.begin_covering();
        let Written { bytes, uncovered } = match self.write_checkpoint(position, newest_ms, &dirty).await {
            Ok(written) => written,
            Err(error) => {
                self.give_back(tail);
                return Err(error);
            }
        };
        self.snapshot_bytes.store(bytes, Ordering::Release);
        let former = self.end_covering(position, &dirty, &uncovered);
        let (entities, elapsed_ms) = (dirty.len() - uncovered.len(), started.elapsed().as_millis() as u64);
        let uncovered = uncovered.len();
        tracing::info!(shard = %self.shard, position, entities, uncovered, bytes, elapsed_ms, "checkpoint");
        // The checkpoint before this one is kept as a fallback, in case this one cannot be read.
        if former < position
            && let Err(error) = self.resources.snapshots.prune_checkpoints(self.shard.0, former).await
        {
            tracing::warn!(shard = %self.shard, %error, "old checkpoints not removed; the next one removes them");
        }
        Ok(position)
    }

    /// Finishes a checkpoint: starts the tail at its position, and returns the position of the checkpoint before it.
    ///
    /// Entities that it does not cover stay dirty: the next checkpoint covers them, or names them again.
    fn end_covering(&self, position: u64, covered: &BTreeMap<EntityKey, Dirty>, uncovered: &[(EntityKey, u64)]) -> u64 {
        let former = self.tail_from.swap(position, Ordering::AcqRel);
        let mut dirty = self.dirty.lock();
        for (key, version) in uncovered {
            let noted: &mut Dirty = dirty.entry(key.clone()).or_default();
            noted.version = noted.version.max(*version);
        }
        // Cleared only now, with `dirty` locked and the uncovered entities in it, so that at no moment a version that
        // an entity has reached is in neither list. A load that saw it in neither would accept an older state as the
        // newest.
        self.covering.lock().clear();
        // The entries from before the Lead are no longer needed in memory: the snapshots contain them. Those of
        // uncovered entities are read from the journal.
        self.recovered.lock().retain(|key, _| !covered.contains_key(key));
        // Entities that have changed since are kept: the next checkpoint still needs the version of their snapshots.
        self.passivated.lock().retain(|key, _| dirty.contains_key(key));
        former
    }

    /// Undoes the beginning of a checkpoint that failed: what it was to cover is dirty as before.
    fn give_back(&self, tail_bytes: u64) {
        self.tail_bytes.fetch_add(tail_bytes, Ordering::AcqRel);
        let mut dirty = self.dirty.lock();
        for (key, before) in std::mem::take(&mut *self.covering.lock()) {
            let noted: &mut Dirty = dirty.entry(key).or_default();
            noted.version = noted.version.max(before.version);
            noted.bytes += before.bytes;
        }
    }

    /// Moves the dirty entities to the list of those that the checkpoint covers. Both locks are held, so that at no
    /// moment an entity is in neither list. The copy is returned because the list has to stay in place until the
    /// checkpoint is stored.
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
    ) -> Result<Written, CheckpointError> {
        let owed: Vec<(EntityKey, u64)> = dirty.iter().map(|(key, dirty)| (key.clone(), dirty.version)).collect();
        let leader = self.clone();
        let mut written = futures::stream::iter(owed)
            .map(move |(key, version)| {
                let leader = leader.clone();
                async move { leader.write_snapshot(&key, version).await.map(|size| (key, version, size)) }
            })
            .buffered(SNAPSHOTS_AT_ONCE);
        let (mut bytes, mut uncovered) = (0, Vec::new());
        while let Some(one) = written.next().await {
            match one? {
                (_, _, Some(size)) => bytes += size as u64,
                (key, version, None) => uncovered.push((key, version)),
            }
        }
        drop(written);
        // The agenda is copied after the snapshots, and in any case after the position: it has the wakes of every entry
        // before it.
        let wakes = self.agenda.to_list().into_iter().map(|(key, at)| (key.as_bytes().to_vec(), at.0)).collect();
        let named = uncovered.iter().map(|(key, version)| (key.as_bytes().to_vec(), *version)).collect();
        let form = CheckpointForm { position, newest_ms, wakes, uncovered: named };
        let checkpoint = form.store().map_err(|error| CheckpointError(error.to_string()))?;
        self.resources
            .snapshots
            .put_checkpoint(self.shard.0, checkpoint)
            .await
            .map_err(|error| CheckpointError(error.to_string()))?;
        Ok(Written { bytes, uncovered })
    }

    /// Writes a snapshot of one entity's accepted state, which has at least `version`, and returns its size in bytes.
    /// Returns `None` if no snapshot of the entity can be taken now or soon.
    async fn write_snapshot(self: Arc<Self>, key: &EntityKey, version: u64) -> Result<Option<usize>, CheckpointError> {
        let failed = |why: String| CheckpointError(format!("{key}: {why}"));
        loop {
            if self.passivated.lock().get(key).is_some_and(|&passivated| passivated >= version)
                && !self.live.contains_key(key)
            {
                return Ok(Some(0));
            }
            let live = match self.any(key).await {
                Ok(live) => live,
                Err(MailboxError::Quarantined(_)) => return Ok(None),
                Err(error @ MailboxError::Store(_)) => return Err(failed(error.to_string())),
                Err(MailboxError::Gone) => return Err(failed(LeadershipEnded.to_string())),
            };
            // Passivation, or a checkpoint that failed later, may have written this version already.
            if live.kept().lock().newest.is_some_and(|at| at.version >= version) {
                return Ok(Some(0));
            }
            let Ok(frozen) = live.freeze() else {
                // The entity is leaving memory, and waits for the store. Virtual time advances only while this task
                // waits too.
                tokio::time::sleep(RETIRING_WAIT).await;
                continue;
            };
            let snapshot = match frozen.await {
                Ok(Ok(snapshot)) => snapshot,
                Ok(Err(NotFrozen::Unwritable(error))) => {
                    self.tell_unwritable(key, &error);
                    return Ok(None);
                }
                Ok(Err(error)) => return Err(failed(error.to_string())),
                // The entity's actor failed, or panicked while its state was encoded. While the leadership lasts, the
                // next checkpoint tries again.
                Err(_) if self.has_ended() => return Err(failed(LeadershipEnded.to_string())),
                Err(_) => return Ok(None),
            };
            return self.keep(live.kept(), snapshot).await.map(Some).map_err(|error| failed(error.to_string()));
        }
    }
}

/// The result of writing a checkpoint.
struct Written {
    /// The size of its snapshots, in bytes.
    bytes: u64,
    /// Entities that it does not cover, with the version that each has reached.
    uncovered: Vec<(EntityKey, u64)>,
}

/// A checkpoint that was not taken.
#[derive(Debug, Clone, thiserror::Error)]
#[error("checkpoint not taken: {0}")]
pub(super) struct CheckpointError(String);
