//! How a shard comes back: newest checkpoint, then the tail of the log, then its Lead.

use std::collections::BTreeMap;

use engine::{id::EntityKey, time::Timestamp};
use futures::StreamExt;
use persistence::snapshots::SnapshotStoreError;
use streaming::{Entry, Journal, JournalError, Leadership, Position, ShardId};

use super::{
    checkpoint::{CheckpointFault, CheckpointForm},
    leading::Beginning,
};
use crate::node::NodeShared;

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

/// Reads the newest usable checkpoint. An unusable one is logged as an error and skipped: the tail of the checkpoint
/// before it has everything that it covers, and the snapshots of that checkpoint exist or are superseded by newer ones.
/// Without any checkpoint the tail is the whole log.
async fn newest_checkpoint(node: &NodeShared, shard: ShardId) -> Result<CheckpointForm, LeadError> {
    let mut before = None;
    loop {
        let (position, why) = match node.snapshots.newest_checkpoint(shard.0, before).await {
            Ok(None) => return Ok(CheckpointForm::default()),
            Ok(Some(stored)) => match CheckpointForm::read(&stored) {
                Ok(form) => return Ok(form),
                Err(CheckpointFault::NewerRules { found, known }) => {
                    return Err(LeadError::NewerRules { shard, found, known });
                }
                Err(fault) => (Some(stored.position), fault.to_string()),
            },
            Err(SnapshotStoreError::DamagedCheckpoint { position, why, .. }) => (position, why),
            Err(error) => return Err(error.into()),
        };
        tracing::error!(%shard, position, why, "checkpoint passed over; the one before has a longer tail");
        metrics::counter!("fusion_checkpoints_passed_over_total").increment(1);
        let Some(position) = position else { return Ok(CheckpointForm::default()) };
        before = Some(position);
    }
}

async fn read_tail(
    journal: &dyn Journal,
    shard: ShardId,
    checkpoint: CheckpointForm,
    end: Position,
) -> Result<Beginning, LeadError> {
    let from = Position(checkpoint.position);
    let mut wakes: BTreeMap<EntityKey, Timestamp> = checkpoint.agenda().collect();
    let uncovered = checkpoint.uncovered().collect();
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
        uncovered,
        agenda: wakes.into_iter().collect(),
        newest_ms,
        accepted: 0,
        tail_from: 0,
        tail_bytes,
        recovered,
        parked: BTreeMap::new(),
    })
}
