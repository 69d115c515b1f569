//! Checkpoints: what keeps recovery short.
//!
//! Position C is a checkpoint only when a snapshot that covers every entry before C is durable for every entity that
//! was dirty then, or the checkpoint names the entity as uncovered. It holds the whole agenda and the newest time.
//!
//! An entity is uncovered while no snapshot of it can be taken: it is quarantined, or its state cannot be written. The
//! checkpoint names the version that it has reached, so that it is loaded from its last snapshot and the journal, however
//! far back that is. Without this a single such entity would hold up the checkpoints of its shard for ever.

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

const _: () = assert!(
    persistence::snapshots::KEY_BYTES_MAX >= streaming::batch::KEY_BYTES_MAX,
    "every entity that the journal takes fits into a snapshot"
);

/// Snapshots of a checkpoint that are taken at once.
const SNAPSHOTS_AT_ONCE: usize = 16;
/// How long to wait for an entity that is leaving memory.
const RETIRING_WAIT: Duration = Duration::from_millis(1);

/// The newest format of checkpoints. Format 0, from before formats were noted, has no list of uncovered entities; a
/// checkpoint without any is still written in it, so that former programs read it.
pub const CHECKPOINT_FORMAT: u8 = 1;

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
    /// Everything before this position is covered, but for what `uncovered` names.
    pub position: u64,
    /// The newest time of any entry.
    pub newest_ms: u64,
    wakes: Vec<(Vec<u8>, u64)>,
    /// Entities of which no snapshot reaches the position, with the version that each has reached.
    uncovered: Vec<(Vec<u8>, u64)>,
}

/// A checkpoint of format 0.
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
    /// Reads a checkpoint. One that reads in part only is a fault: what it leaves out would never be woken.
    pub fn read(stored: &Checkpoint) -> Result<Self, CheckpointFault> {
        let (found, known) = (stored.rules, engine::RULES_VERSION);
        if found > known {
            return Err(CheckpointFault::NewerRules { found, known });
        }
        let body = |error: SnapshotError| CheckpointFault::Body(error.to_string());
        let form: Self = match stored.format {
            0 => engine::aggregate::read_snapshot::<CheckpointForm0>(&stored.bytes).map_err(body)?.into(),
            CHECKPOINT_FORMAT => engine::aggregate::read_snapshot(&stored.bytes).map_err(body)?,
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

    /// As it is stored.
    fn store(self) -> Result<Checkpoint, SnapshotError> {
        let position = self.position;
        let (format, bytes) = if self.uncovered.is_empty() {
            let Self { position, newest_ms, wakes, .. } = self;
            (0, engine::aggregate::write_snapshot(&CheckpointForm0 { position, newest_ms, wakes })?)
        } else {
            (CHECKPOINT_FORMAT, engine::aggregate::write_snapshot(&self)?)
        };
        Ok(Checkpoint { position, rules: engine::RULES_VERSION, format, bytes: bytes.into() })
    }

    /// The wakes.
    pub fn agenda(&self) -> impl Iterator<Item = (EntityKey, Timestamp)> {
        self.wakes.iter().filter_map(|(key, at)| Some((EntityKey::from_bytes(key)?, Timestamp(*at))))
    }

    /// The entities that it does not cover, with the version that each has reached.
    pub fn uncovered(&self) -> impl Iterator<Item = (EntityKey, u64)> {
        self.uncovered.iter().filter_map(|(key, version)| Some((EntityKey::from_bytes(key)?, *version)))
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
        let Written { bytes, uncovered } = match self.write_checkpoint(position, newest_ms, &dirty).await {
            Ok(written) => written,
            Err(error) => {
                self.give_back(tail);
                return Err(error);
            }
        };
        self.node.set_snapshot_bytes(self.shard, bytes);
        let former = self.end_covering(position, &dirty, &uncovered);
        let (entities, elapsed_ms) = (dirty.len() - uncovered.len(), started.elapsed().as_millis() as u64);
        let uncovered = uncovered.len();
        tracing::info!(shard = %self.shard, position, entities, uncovered, bytes, elapsed_ms, "checkpoint");
        // The one before stays, to be fallen back to.
        if former < position
            && let Err(error) = self.node.snapshots.prune_checkpoints(self.shard.0, former).await
        {
            tracing::warn!(shard = %self.shard, %error, "old checkpoints not removed; the next one removes them");
        }
        Ok(position)
    }

    /// Gives up what the tail had until now, and says where the one before begins.
    ///
    /// Entities that it does not cover stay dirty: the next one covers them, or names them again.
    fn end_covering(&self, position: u64, covered: &BTreeMap<EntityKey, Dirty>, uncovered: &[(EntityKey, u64)]) -> u64 {
        let former = self.tail_from.swap(position, Ordering::AcqRel);
        let mut dirty = self.dirty.lock();
        for (key, version) in uncovered {
            let noted: &mut Dirty = dirty.entry(key.clone()).or_default();
            noted.version = noted.version.max(*version);
        }
        // Only now: at no moment is a version that an entity has reached in neither list.
        self.covering.lock().clear();
        self.recovered.lock().retain(|key, _| !covered.contains_key(key));
        // Those that have changed since are still asked for by the next one.
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
    ) -> Result<Written, CheckpointError> {
        let owed: Vec<(EntityKey, u64)> = dirty.iter().map(|(key, dirty)| (key.clone(), dirty.version)).collect();
        let leading = self.clone();
        let mut written = futures::stream::iter(owed)
            .map(move |(key, version)| {
                let leading = leading.clone();
                async move { leading.write_snapshot(&key, version).await.map(|size| (key, version, size)) }
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
        let wakes = self.agenda.to_list().into_iter().map(|(key, at)| (key.as_bytes().to_vec(), at.0)).collect();
        let named = uncovered.iter().map(|(key, version)| (key.as_bytes().to_vec(), *version)).collect();
        let form = CheckpointForm { position, newest_ms, wakes, uncovered: named };
        let checkpoint = form.store().map_err(|error| CheckpointError(error.to_string()))?;
        self.node
            .snapshots
            .put_checkpoint(self.shard.0, checkpoint)
            .await
            .map_err(|error| CheckpointError(error.to_string()))?;
        Ok(Written { bytes, uncovered })
    }

    /// Writes one entity's accepted state, which has at least `version`, and says how many bytes it takes. `None`: there
    /// is no snapshot to be had of it, now or soon.
    async fn write_snapshot(self: Arc<Self>, key: &EntityKey, version: u64) -> Result<Option<usize>, CheckpointError> {
        let failed = |why: String| CheckpointError(format!("{key}: {why}"));
        loop {
            if self.retired.lock().get(key).is_some_and(|&retired| retired >= version) && !self.live.contains_key(key) {
                return Ok(Some(0));
            }
            let live = match self.any(key).await {
                Ok(live) => live,
                Err(MailboxError::Parked(_)) => return Ok(None),
                Err(error @ MailboxError::Store(_)) => return Err(failed(error.to_string())),
                Err(MailboxError::Gone) => return Err(failed(LeadGone.to_string())),
            };
            // Passivation or a checkpoint that failed later may have written it already.
            if live.kept().lock().newest.is_some_and(|at| at.version >= version) {
                return Ok(Some(0));
            }
            let Ok(frozen) = live.freeze() else {
                // It is leaving memory, and waits for the store; in simulated time that only goes on while we wait too.
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
                // Its actor failed, or its state panicked on being written. While the leadership goes on, the next
                // checkpoint asks again.
                Err(_) if self.is_over() => return Err(failed(LeadGone.to_string())),
                Err(_) => return Ok(None),
            };
            return self.keep(live.kept(), snapshot).await.map(Some).map_err(|error| failed(error.to_string()));
        }
    }
}

/// What a checkpoint came to.
struct Written {
    /// Bytes of its snapshots.
    bytes: u64,
    /// Entities that it does not cover, with the version that each has reached.
    uncovered: Vec<(EntityKey, u64)>,
}

/// A checkpoint that was not taken.
#[derive(Debug, Clone, thiserror::Error)]
#[error("checkpoint not taken: {0}")]
pub(super) struct CheckpointError(String);
