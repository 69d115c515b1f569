//! How a shard comes back: newest checkpoint, then the tail of the log, then its Lead.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use engine::{
    aggregate::{Aggregate, SNAPSHOT_FORMAT},
    id::EntityKey,
    time::Timestamp,
};
use futures::StreamExt;
use persistence::snapshots::{Snapshot, SnapshotStoreError};
use streaming::{Entry, Journal, JournalError, Leadership, Position, ShardId};

use super::{
    checkpoint::CheckpointForm,
    leading::{Beginning, Leading},
};
use crate::{entity::Loaded, node::NodeShared};

/// Why a shard cannot be led now.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LeadError {
    /// The journal does not allow it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The snapshots cannot be read.
    #[error(transparent)]
    Snapshots(#[from] SnapshotStoreError),
    /// A newer program wrote the log.
    #[error(
        "shard {shard} has rules of version {found}, and this program knows {known}: it was written by a newer one"
    )]
    NewerRules {
        /// Which shard.
        shard: ShardId,
        /// What its log has.
        found: u16,
        /// What this program knows.
        known: u16,
    },
    /// The log has something that it cannot have.
    #[error("shard {shard} is damaged at position {position}: {why}")]
    Damaged {
        /// Which shard.
        shard: ShardId,
        /// Where.
        position: Position,
        /// What is wrong.
        why: String,
    },
    /// A shard's own actor failed, which is a fault of the program as well.
    #[error("the actor {0} of a shard failed (see the log above)")]
    Actor(String),
    /// A part of the shard panicked, which is a fault of the program. What was accepted is in the journal: start again.
    #[error("shard {shard}: its {what} panicked (see the log above)")]
    Panicked {
        /// Which shard.
        shard: ShardId,
        /// Which part of it.
        what: &'static str,
    },
}

impl LeadError {
    /// Whether waiting may help.
    pub fn is_passing(&self) -> bool {
        matches!(self, LeadError::Journal(JournalError::Store(_) | JournalError::LostRace { .. }))
            || matches!(self, LeadError::Snapshots(error) if error.is_passing())
    }
}

/// Why an entity does not load.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// Its state has a hole: an entry is missing.
    #[error("entry {expected} of the entity is missing: the next one there is has version {found}")]
    Gap { expected: u64, found: u64 },
    /// An event that this program cannot read.
    #[error("an event of version {version} does not decode: {why}")]
    Event { version: u64, why: String },
    /// Its state is known to have reached a version that no store gives back.
    #[error("the entity was at version {expected}, and the stores give back {found}")]
    Lost { expected: u64, found: u64 },
    /// The stores did not answer.
    #[error("{0}")]
    Store(String),
}

/// Takes the lead and reads everything before it.
pub(super) async fn lead(node: &NodeShared, shard: ShardId) -> Result<(Box<dyn Leadership>, Beginning), LeadError> {
    let started = std::time::Instant::now();
    let leadership = node.journal.lead(shard, &node.name).await?;
    let (epoch, at) = (leadership.lead().epoch, leadership.lead().at);
    let checkpoint = newest_checkpoint(node, shard).await?;
    if checkpoint.position > at.0 {
        let expected = Position(checkpoint.position);
        return Err(JournalError::Truncated { shard, end: at, expected, witness: "a checkpoint" }.into());
    }
    let tail_from = checkpoint.position;
    let mut beginning = read_tail(node.journal.as_ref(), shard, checkpoint, at).await?;
    beginning.tail_from = tail_from;
    beginning.accepted = leadership.next().0;
    let (tail_entries, elapsed_ms) =
        (beginning.recovered.values().map(Vec::len).sum::<usize>(), started.elapsed().as_millis() as u64);
    metrics::histogram!("fusion_recovery_seconds").record(started.elapsed().as_secs_f64());
    tracing::info!(%shard, %epoch, %at, tail_entries, elapsed_ms, "shard leading");
    Ok((leadership, beginning))
}

async fn newest_checkpoint(node: &NodeShared, shard: ShardId) -> Result<CheckpointForm, LeadError> {
    for stored in node.snapshots.newest_checkpoints(shard.0, 2).await? {
        match CheckpointForm::decode(&stored.bytes) {
            Ok(form) => return Ok(form),
            Err(why) => {
                tracing::warn!(%shard, position = stored.position, why, "checkpoint does not decode; taking the one before")
            }
        }
    }
    Ok(CheckpointForm::default())
}

async fn read_tail(
    journal: &dyn Journal,
    shard: ShardId,
    checkpoint: CheckpointForm,
    end: Position,
) -> Result<Beginning, LeadError> {
    let from = Position(checkpoint.position);
    let mut wakes: BTreeMap<EntityKey, Timestamp> = checkpoint.agenda().collect();
    let mut recovered: BTreeMap<EntityKey, Vec<Entry>> = BTreeMap::new();
    let (mut newest_ms, mut tail_bytes, mut next) = (checkpoint.newest_ms, 0, from);
    let mut batches = journal.read(shard, from);
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        if batch.header.first > next {
            let why = format!("positions {next} to {} are missing", batch.header.first);
            return Err(LeadError::Damaged { shard, position: next, why });
        }
        if batch.header.first >= end {
            break;
        }
        if batch.header.rules > engine::RULES_VERSION {
            return Err(LeadError::NewerRules { shard, found: batch.header.rules, known: engine::RULES_VERSION });
        }
        next = batch.header.end();
        for (position, entry) in batch.entries().filter(|(position, _)| *position >= from) {
            let key = EntityKey::from_bytes(&entry.key).ok_or_else(|| LeadError::Damaged {
                shard,
                position,
                why: "a key of a kind that this program does not know".into(),
            })?;
            newest_ms = newest_ms.max(entry.at_ms);
            tail_bytes += streaming::batch::entry_bytes(entry.key.len(), entry.events.len()) as u64;
            match entry.wake_at_ms {
                Some(at) => wakes.insert(key.clone(), Timestamp(at)),
                None => wakes.remove(&key),
            };
            recovered.entry(key).or_default().push(entry.clone());
        }
    }
    if next < end {
        return Err(LeadError::Damaged {
            shard,
            position: next,
            why: format!("the log ends before its Lead at {end}"),
        });
    }
    Ok(Beginning {
        agenda: wakes.into_iter().collect(),
        newest_ms,
        accepted: 0,
        tail_from: 0,
        tail_bytes,
        recovered,
        parked: BTreeMap::new(),
    })
}

impl Leading {
    /// Reads an entity's accepted state: its newest snapshot that decodes, and the entries after it.
    pub(super) async fn read_entity<A: Aggregate>(self: &Arc<Self>, key: &EntityKey) -> Result<Loaded<A>, LoadError> {
        let recovered = self.recovered.lock().get(key).cloned().unwrap_or_default();
        let mut loaded = self.newest_snapshot::<A>(key).await?;
        fold(&mut loaded, &recovered)?;
        let expected = self.retired.lock().get(key).copied().unwrap_or(0);
        let expected = expected.max(self.version_in_tail(key));
        if loaded.version < expected {
            // Its actor failed, or its snapshot is gone: the log since the checkpoint has the rest.
            let from = Position(self.tail_from.load(Ordering::Acquire));
            let entries = self.entries_since(key, from).await?;
            fold(&mut loaded, &entries)?;
        }
        if loaded.version < expected {
            return Err(LoadError::Lost { expected, found: loaded.version });
        }
        self.recovered.lock().remove(key);
        Ok(loaded)
    }

    async fn newest_snapshot<A: Aggregate>(&self, key: &EntityKey) -> Result<Loaded<A>, LoadError> {
        let mut at_most = None;
        loop {
            let key_bytes = bytes::Bytes::copy_from_slice(key.as_bytes());
            let found = self.node.snapshots.newest(key_bytes, at_most).await;
            let Snapshot { version, format, bytes, rules, .. } = match found {
                Ok(Some(snapshot)) => snapshot,
                Ok(None) => return Ok(Loaded { aggregate: A::default(), version: 0, from_snapshot: false }),
                Err(error) if error.is_passing() => return Err(LoadError::Store(error.to_string())),
                Err(error) => return Err(LoadError::Event { version: 0, why: error.to_string() }),
            };
            if format == SNAPSHOT_FORMAT && rules <= engine::RULES_VERSION {
                match A::thaw(&bytes) {
                    Ok(aggregate) => return Ok(Loaded { aggregate, version, from_snapshot: true }),
                    Err(error) => {
                        tracing::warn!(%key, version, %error, "snapshot does not decode; taking the one before")
                    }
                }
            }
            at_most = Some(version.saturating_sub(1));
            if version == 0 {
                return Ok(Loaded { aggregate: A::default(), version: 0, from_snapshot: false });
            }
        }
    }

    async fn entries_since(&self, key: &EntityKey, from: Position) -> Result<Vec<Entry>, LoadError> {
        let mut entries = Vec::new();
        let mut batches = self.node.journal.read(self.shard, from);
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(|error| LoadError::Store(error.to_string()))?;
            entries
                .extend(batch.entries().map(|(_, entry)| entry).filter(|entry| entry.key == key.as_bytes()).cloned());
        }
        Ok(entries)
    }
}

fn fold<A: Aggregate>(loaded: &mut Loaded<A>, entries: &[Entry]) -> Result<(), LoadError> {
    for entry in entries.iter().filter(|entry| entry.version > loaded.version).collect::<Vec<_>>() {
        let expected = loaded.version + 1;
        if entry.version != expected {
            return Err(LoadError::Gap { expected, found: entry.version });
        }
        let mut decoder = minicbor::Decoder::new(&entry.events);
        while decoder.position() < entry.events.len() {
            let event: A::Event =
                decoder.decode().map_err(|error| LoadError::Event { version: expected, why: error.to_string() })?;
            loaded.aggregate.apply(&event);
        }
        loaded.version = expected;
    }
    Ok(())
}
