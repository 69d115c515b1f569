//! Recovery of a shard: first its Lead, then the newest checkpoint, then the tail of the log up to the Lead.
//!
//! The Lead comes first because it is a fence. Once it counts, the log before it is final: nothing that a former leader
//! appends later becomes valid. Reading first would miss what the former leader appends between the reading and the
//! Lead. The same order decides the appends whose outcome is unknown after a failure: those that landed before the new
//! Lead are read and count, later ones do not.
//!
//! The checkpoint comes second. Its position cannot be after the Lead, because a former leader takes a checkpoint only
//! of what was accepted; a checkpoint after it shows that the log was truncated. The tail comes last: it begins
//! at the position of the checkpoint that was found, and ends at the Lead.
//!
//! Entities are not loaded here. The tail gives their entries and wake times without decoding them, so that the shard
//! answers soon; each entity is loaded when it is used.

use std::collections::BTreeMap;

use engine::{id::EntityKey, time::Timestamp};
use futures::StreamExt;
use persistence::snapshots::SnapshotStoreError;
use streaming::{Entry, Journal, JournalError, Lead, Position, ShardId};

use super::checkpoint::{CheckpointFault, CheckpointForm};
use crate::{leader::Recovered, resources::Resources};

/// The reason why a shard cannot be led now.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LeadershipError {
    /// The journal refused or failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The snapshots cannot be read.
    #[error(transparent)]
    Snapshots(#[from] SnapshotStoreError),
    /// A newer program version wrote the log. The operator should start that version.
    #[error(
        "shard {shard} has rules of version {found}, but this program supports {known}: it was written by a newer one"
    )]
    NewerRules {
        /// The shard.
        shard: ShardId,
        /// The rules version of its log.
        found: u16,
        /// The newest rules version that this program knows.
        known: u16,
    },
    /// The log has content that a valid log cannot have.
    #[error("shard {shard} is damaged at position {position}: {why}")]
    Damaged {
        /// The shard.
        shard: ShardId,
        /// The position of the fault.
        position: Position,
        /// What is wrong.
        why: String,
    },
    /// The actor of a shard failed, which is a fault of the program.
    #[error("the actor {0} of a shard failed (see the log above)")]
    Actor(String),
    /// A task of the shard panicked, which is a fault of the program. What was accepted is in the journal: the process
    /// should be started again.
    #[error("shard {shard}: its {what} panicked (see the log above)")]
    Panicked {
        /// The shard.
        shard: ShardId,
        /// The task that panicked.
        what: &'static str,
    },
}

impl LeadershipError {
    /// Whether a later attempt may succeed.
    pub fn is_passing(&self) -> bool {
        matches!(self, LeadershipError::Journal(JournalError::Store(_) | JournalError::LostRace { .. }))
            || matches!(self, LeadershipError::Snapshots(error) if error.is_passing())
    }
}

/// Reads everything before the Lead of a leadership whose first batch will have position `next`. `since`: when the node
/// began to acquire the leadership.
pub(super) async fn recover(
    resources: &Resources,
    shard: ShardId,
    lead: Lead,
    next: Position,
    since: std::time::Instant,
) -> Result<Recovered, LeadershipError> {
    let Lead { epoch, at, .. } = lead;
    // Only after the Lead counts: from here on the log before it is final.
    let checkpoint = newest_checkpoint(resources, shard).await?;
    if checkpoint.position > at.0 {
        let expected = Position(checkpoint.position);
        return Err(JournalError::Truncated { shard, end: at, expected, recorded_by: "a checkpoint" }.into());
    }
    let tail_from = checkpoint.position;
    let mut recovered_state = read_tail(resources.journal.as_ref(), shard, checkpoint, at).await?;
    recovered_state.tail_from = tail_from;
    // The Lead itself takes a position, so the first batch of this leadership comes after it.
    recovered_state.accepted = next.0;
    assert!(recovered_state.accepted > at.0, "the Lead itself takes a position");
    let (tail_entries, elapsed_ms) =
        (recovered_state.recovered.values().map(Vec::len).sum::<usize>(), since.elapsed().as_millis() as u64);
    metrics::histogram!("fusion_recovery_seconds").record(since.elapsed().as_secs_f64());
    tracing::info!(%shard, %epoch, %at, tail_entries, elapsed_ms, "shard leading");
    Ok(recovered_state)
}

/// Reads the newest usable checkpoint. An unusable one is logged as an error and skipped: the tail of the checkpoint
/// before it has everything that it covers, and the snapshots of that checkpoint exist or are superseded by newer ones.
/// Without any checkpoint the tail is the whole log.
async fn newest_checkpoint(resources: &Resources, shard: ShardId) -> Result<CheckpointForm, LeadershipError> {
    let mut before = None;
    loop {
        let (position, why) = match resources.snapshots.newest_checkpoint(shard.0, before).await {
            Ok(None) => return Ok(CheckpointForm::default()),
            Ok(Some(stored)) => match CheckpointForm::read(&stored) {
                Ok(form) => return Ok(form),
                Err(CheckpointFault::NewerRules { found, known }) => {
                    return Err(LeadershipError::NewerRules { shard, found, known });
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

/// Reads the entries from the checkpoint up to the Lead at `end`, and rebuilds the agenda from them.
async fn read_tail(
    journal: &dyn Journal,
    shard: ShardId,
    checkpoint: CheckpointForm,
    end: Position,
) -> Result<Recovered, LeadershipError> {
    let from = Position(checkpoint.position);
    let mut wakes: BTreeMap<EntityKey, Timestamp> = checkpoint.agenda().collect();
    let uncovered = checkpoint.uncovered().collect();
    let mut recovered: BTreeMap<EntityKey, Vec<Entry>> = BTreeMap::new();
    let (mut newest_ms, mut tail_bytes, mut next) = (checkpoint.newest_ms, 0, from);
    let mut batches = journal.read(shard, from);
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        // Positions have no gaps. The first batch may begin before the checkpoint, but not after it.
        if batch.header.first > next {
            let why = format!("positions {next} to {} are missing", batch.header.first);
            return Err(LeadershipError::Damaged { shard, position: next, why });
        }
        if batch.header.first >= end {
            break;
        }
        if batch.header.rules > engine::RULES_VERSION {
            return Err(LeadershipError::NewerRules { shard, found: batch.header.rules, known: engine::RULES_VERSION });
        }
        next = batch.header.end();
        for (position, entry) in batch.entries().filter(|(position, _)| *position >= from) {
            let key = EntityKey::from_bytes(&entry.key).ok_or_else(|| LeadershipError::Damaged {
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
    // Everything before the Lead was accepted, so a log that ends earlier has lost something.
    if next < end {
        return Err(LeadershipError::Damaged {
            shard,
            position: next,
            why: format!("the log ends before its Lead at {end}"),
        });
    }
    Ok(Recovered {
        uncovered,
        agenda: wakes.into_iter().collect(),
        newest_ms,
        accepted: 0,
        tail_from: 0,
        tail_bytes,
        recovered,
        quarantined: BTreeMap::new(),
    })
}
